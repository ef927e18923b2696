import { sha256 } from "#sha256";
import { PathError } from "../errors.js";
import { inheritingNothing } from "../key/originals.js";

/** Which function an entry belongs to. Two functions with one identity share their entries. */
export interface Identity {
  readonly path: string;
  readonly version?: string | undefined;
  /** The digest of the function's source, where `source: true` makes it part of the identity. */
  readonly source?: string | undefined;
}

/** The identity in one line, for people and for comparing: `a/b`, `a/b version "2"`. No path has a space. */
export function identityText(identity: Identity): string {
  const { path, version, source } = inheritingNothing(identity);
  return (
    path + (version === undefined ? "" : ` version ${JSON.stringify(version)}`) + (source ? ` source ${source}` : "")
  );
}

/** The identity in such a line; `undefined` where it is none. */
export function parseIdentity(text: string): Identity | undefined {
  const [, path = "", quoted, source] = LINE.exec(text) ?? [];
  if (!isPath(path)) return undefined;
  try {
    const identity: Identity = { path, version: quoted === undefined ? undefined : JSON.parse(quoted), source };
    return identityText(identity) === text ? identity : undefined;
  } catch {
    return undefined;
  }
}

const LINE = /^(\S+)(?: version ("(?:[^"\\]|\\.)*"))?(?: source ([0-9a-f]+))?$/;

const SEGMENT = /^[A-Za-z0-9._@-]{1,100}$/;
const LONGEST = 200;

function isSegment(text: string): boolean {
  return SEGMENT.test(text) && text !== "." && text !== "..";
}

/** @throws PathError where the path is not made of allowed segments */
export function assertPath(path: unknown): asserts path is string {
  const rule = `segments of 1 to 100 of A-Z a-z 0-9 . _ @ - joined by "/", ${LONGEST} characters in all, such as "my-project/load"`;
  if (typeof path !== "string") throw new PathError(`The path must be a string (it is ${typeof path}): ${rule}.`);
  if (path.length > LONGEST)
    throw new PathError(`The path "${path.slice(0, 40)}..." has ${path.length} characters. Give ${rule}.`);
  for (const segment of path.split("/")) {
    if (!isSegment(segment)) {
      const what = segment === "" ? "an empty segment" : `the segment ${JSON.stringify(segment)}`;
      throw new PathError(`The path ${JSON.stringify(path)} has ${what}, which is not allowed. Give ${rule}.`);
    }
  }
}

export function isPath(text: string): boolean {
  return text.length <= LONGEST && text.split("/").every(isSegment);
}

/** Names that Windows keeps for devices, also with an extension. */
const DEVICE = /^(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|$)/;

/**
 * The folder of a path: a name of its own for each path on any file system. `=` is in no path, so it starts escapes
 * (`=a` for `A`, `==` before a device name, `=-` for a trailing dot) and the folders that hold entries (`=1`).
 */
export function folderNames(identity: Identity): string[] {
  const { path, version, source } = inheritingNothing(identity);
  // `1` is the version of the entry grammar.
  const entries = `=1${version === undefined ? "" : `=v${escapeVersion(version)}`}${source ? `${SOURCE}${source.slice(0, 32)}` : ""}`;
  return [...path.split("/").map(escapeSegment), entries];
}

function escapeSegment(segment: string): string {
  const escaped = segment.replace(/[A-Z]/g, (letter) => `=${letter.toLowerCase()}`).replace(/\.$/, "=-");
  return DEVICE.test(escaped) ? `==${escaped}` : escaped;
}

/** Before the digest of the source, in the name of the folder. In no version, where `=` stands before hex digits or `h`. */
export const SOURCE = "=s";

/** Any text, told apart where upper and lower case are not. A long one stands as its digest, and so does half a character. */
function escapeVersion(version: string): string {
  const bytes = Buffer.from(version);
  const escaped = [...bytes]
    .map((byte) => {
      const char = String.fromCharCode(byte);
      return /[a-z0-9_-]/.test(char) ? char : `=${byte.toString(16).padStart(2, "0")}`;
    })
    .join("");
  if (bytes.toString() !== version) return `=h${sha256(JSON.stringify(version))}`;
  return escaped.length <= 100 ? escaped : `=h${sha256(version)}`;
}

// ---- and back ----

/** The path whose escaped folder this is. */
export function pathOfFolder(folder: string): string {
  return folder.split("/").map(unescapeSegment).join("/");
}

function unescapeSegment(name: string): string {
  return name
    .replace(/^==/, "")
    .replace(/=-$/, ".")
    .replace(/=([a-z])/g, (_, letter) => letter.toUpperCase());
}

/** The segment of a path whose folder has this name; `undefined` where it is none of ours. */
export function segmentOfFolder(name: string): string | undefined {
  const segment = unescapeSegment(name);
  return isSegment(segment) && escapeSegment(segment) === name ? segment : undefined;
}

/** What folders of entries are named; then the version as it is escaped, and the source. */
const ENTRIES = /^=1(?:=v((?:[a-z0-9_-]|=[0-9a-f]{2})*|=h[0-9a-f]{64}))?(?:=s[0-9a-f]{32})?$/;

/** Whether a folder of this name holds entries. */
export function isEntriesFolder(name: string): boolean {
  return ENTRIES.test(name);
}

/** The name of such a folder without the source: that of a version. */
export function versionFolder(name: string): string {
  return name.split(SOURCE, 1)[0]!;
}

/** The version by the name of such a folder; where a digest stands for it, that. */
export function versionOfFolder(name: string): { readonly version: string | undefined; readonly isDigest: boolean } {
  const [, escaped] = ENTRIES.exec(name) ?? [];
  if (escaped === undefined || escaped.startsWith("=h"))
    return { version: escaped?.slice(1), isDigest: escaped !== undefined };
  const bytes = escaped.replace(/=([0-9a-f]{2})/g, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)));
  return { version: Buffer.from(bytes, "latin1").toString(), isDigest: false };
}

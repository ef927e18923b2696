import { sha256 } from "#sha256";
import { PathError } from "./errors.js";

/** Which function an entry belongs to. Two functions with one identity share their entries. */
export interface Identity {
  readonly path: string;
  readonly version?: string | undefined;
  /** The digest of the function's source, where `source: true` makes it part of the identity. */
  readonly source?: string | undefined;
}

/** The identity in one line, for people and for comparing: `a/b`, `a/b version "2"`. No path has a space. */
export function identityText({ path, version, source }: Identity): string {
  return (
    path + (version === undefined ? "" : ` version ${JSON.stringify(version)}`) + (source ? ` source ${source}` : "")
  );
}

const SEGMENT = /^[A-Za-z0-9._@-]{1,100}$/;
const LONGEST = 200;

/** @throws PathError where the path is not made of allowed segments */
export function assertPath(path: unknown): asserts path is string {
  const rule = `segments of 1 to 100 of A-Z a-z 0-9 . _ @ - joined by "/", ${LONGEST} characters in all, such as "my-project/load"`;
  if (typeof path !== "string") throw new PathError(`The path must be a string (it is ${typeof path}): ${rule}.`);
  if (path.length > LONGEST)
    throw new PathError(`The path "${path.slice(0, 40)}..." has ${path.length} characters. Give ${rule}.`);
  for (const segment of path.split("/")) {
    if (!SEGMENT.test(segment) || segment === "." || segment === "..") {
      const what = segment === "" ? "an empty segment" : `the segment ${JSON.stringify(segment)}`;
      throw new PathError(`The path ${JSON.stringify(path)} has ${what}, which is not allowed. Give ${rule}.`);
    }
  }
}

/** Names that Windows keeps for devices, also with an extension. */
const DEVICE = /^(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|$)/;

/**
 * The folder of a path: a name of its own for each path on any file system. `=` is in no path, so it starts escapes
 * (`=a` for `A`, `==` before a device name, `=-` for a trailing dot) and the folders that hold entries (`=1`).
 */
export function folderNames({ path, version, source }: Identity): string[] {
  const names = path.split("/").map((segment) => {
    const escaped = segment.replace(/[A-Z]/g, (letter) => `=${letter.toLowerCase()}`).replace(/\.$/, "=-");
    return DEVICE.test(escaped) ? `==${escaped}` : escaped;
  });
  // `1` is the version of the entry grammar.
  const entries = `=1${version === undefined ? "" : `=v${escapeVersion(version)}`}${source ? `${SOURCE}${source.slice(0, 32)}` : ""}`;
  return [...names, entries];
}

/** Before the digest of the source, in the name of the folder. In no version, where `=` stands before hex digits or `h`. */
export const SOURCE = "=s";

/** Any text, told apart where upper and lower case are not. A long one stands as its digest. */
function escapeVersion(version: string): string {
  const escaped = [...Buffer.from(version)]
    .map((byte) => {
      const char = String.fromCharCode(byte);
      return /[a-z0-9_-]/.test(char) ? char : `=${byte.toString(16).padStart(2, "0")}`;
    })
    .join("");
  return escaped.length <= 100 ? escaped : `=h${sha256(version)}`;
}

/** The path whose escaped folder this is. */
export function pathOfFolder(folder: string): string {
  return folder
    .split("/")
    .map((name) =>
      name
        .replace(/^==/, "")
        .replace(/=-$/, ".")
        .replace(/=([a-z])/g, (_, letter) => letter.toUpperCase()),
    )
    .join("/");
}

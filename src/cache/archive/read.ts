import { constants as buffers } from "node:buffer";
import { createHash } from "node:crypto";
import { digestOf } from "../../call/bind.js";
import type { Payload } from "../../entry/codecs.js";
import type { Compression } from "../../entry/compression.js";
import { type DecodedEntry, decodeEntry } from "../../entry/entry.js";
import { type Identity, parseIdentity } from "../../entry/identity.js";
import { contentsOf, type Kept, type OutRecord, textOf } from "../../entry/out-record.js";
import { local } from "../../entry/transcode.js";
import { StoreError } from "../../errors.js";
import { yieldToEventLoop } from "../../flow.js";
import { FORMAT, LENGTH, MANIFEST, type Manifest, MEMBER, portableRecord, shown, sum, VERSION } from "./format.js";
import type { Progress } from "./progress.js";
import { type Member, type OpenZip, openZip, refused } from "./zip.js";

/** An entry of an archive, verified. */
export interface ArchivedEntry {
  readonly entry: DecodedEntry;
  readonly identity: Identity;
  readonly digest: string;
  readonly record: OutRecord;
  /** For the store of this machine. */
  readonly payload: Payload;
}

/** An archive that may be hostile. Whatever it gives was verified just then. */
export class Archive {
  readonly #file: string;
  readonly #zip: OpenZip;
  readonly manifest: Manifest;

  private constructor(file: string, zip: OpenZip, manifest: Manifest) {
    this.#file = file;
    this.#zip = zip;
    this.manifest = manifest;
  }

  /** @throws StoreError where it is not an archive, or its members are not those that the manifest promises */
  static async open(file: string): Promise<Archive> {
    const zip = await openZip(file, MEMBER);
    try {
      const manifest = await readManifest(file, zip);
      if (zip.problem) throw zip.problem;
      const rest = [...zip.members.values()].filter(({ name }) => name !== MANIFEST);
      const contents = rest.filter(({ name }) => name.startsWith("contents/"));
      if (contents.length !== manifest.contents || sum(rest.map(({ size }) => size)) !== manifest.bytes) {
        throw refused(file, MANIFEST, "tells of other members than there are: some are missing, or were added");
      }
      return new Archive(file, zip, manifest);
    } catch (error) {
      zip.close();
      throw error;
    }
  }

  close(): void {
    this.#zip.close();
  }

  /** Reads all of it. @returns how many entries need each of the contents */
  async verify(progress: Progress): Promise<Map<string, number>> {
    for (const { name } of this.#zip.members.values()) {
      if (!name.startsWith("contents/")) continue;
      for await (const _ of this.content(name.slice("contents/".length)));
      progress.add(1);
    }
    const uses = new Map<string, number>();
    for await (const { record } of this.entries(false)) {
      for (const sha256 of contentsOf(record)) uses.set(sha256, (uses.get(sha256) ?? 0) + 1);
      if (progress.add(1)) await yieldToEventLoop();
    }
    return uses;
  }

  async *content(sha256: string): AsyncGenerator<Buffer, void> {
    const member = this.#zip.members.get(`contents/${sha256}`)!;
    const hash = createHash("sha256");
    for await (const chunk of member.read()) {
      hash.update(chunk);
      yield chunk;
    }
    if (hash.digest("hex") !== sha256) throw refused(this.#file, member.name, "does not have the content of its name");
  }

  /** @param isOpen the store takes no structured clone */
  async *entries(compress: false | Compression, isOpen = false): AsyncGenerator<ArchivedEntry, void> {
    const members = [...this.#zip.members.values()].filter(({ name }) => name.startsWith("entries/"));
    members.sort((a, b) => (a.name < b.name ? -1 : 1));
    const folders = new Map<string, string>();
    let count = 0;
    for (const member of members) {
      const [folder = "", shard = ""] = member.name.slice("entries/".length).split("-");
      let last = "";
      for await (const bytes of entriesIn(this.#file, member)) {
        const found = this.#verified(member, bytes, compress, isOpen);
        const { entry, digest } = found;
        if (!digest.startsWith(shard)) throw this.#refused(member, entry, "is not of the digest of its key");
        if (digest <= last) throw this.#refused(member, entry, "is there twice, or not in its place");
        // Each of the identities has a number of its own, so no key can be there again under another.
        if (
          (folders.get(entry.identity) ?? folder) !== folder ||
          (folders.get(folder) ?? entry.identity) !== entry.identity
        ) {
          throw this.#refused(member, entry, "stands among those of another version");
        }
        folders.set(entry.identity, folder).set(folder, entry.identity);
        last = digest;
        count++;
        yield found;
      }
      if (last === "") throw refused(this.#file, member.name, "is empty");
    }
    if (count !== this.manifest.entries) {
      throw refused(this.#file, MANIFEST, `tells of ${this.manifest.entries} entries, but there are ${count}`);
    }
  }

  #verified(member: Member, bytes: Buffer, compress: false | Compression, isOpen: boolean): ArchivedEntry {
    const entry = decodeEntry(bytes);
    if (!entry) throw refused(this.#file, member.name, "has a damaged entry");
    const identity = parseIdentity(entry.identity);
    if (identity?.path !== this.manifest.path) throw this.#refused(member, entry, "is of another path");
    try {
      JSON.parse(entry.key);
      if (![entry.createdAt, entry.duration].every((time) => Number.isFinite(time) && time >= 0)) {
        throw new TypeError("A time is none");
      }
      assertModest(entry, member);
      const record = this.#recordOf(entry);
      return { entry, identity, digest: digestOf(entry.key), record, payload: local(entry, compress, isOpen) };
    } catch (error) {
      throw this.#refused(member, entry, `cannot be decoded (${(error as Error).message.replace(/\.$/, "")})`, error);
    }
  }

  /** @throws TypeError where it is not one that an export makes, or contents are missing */
  #recordOf({ record: text }: DecodedEntry): OutRecord {
    const kept = Object.entries((text === "" ? {} : (JSON.parse(text).kept as Record<string, Kept>)) ?? {});
    for (const [name, each] of kept) {
      const content = this.#zip.members.get(`contents/${each?.sha256}`);
      if (!content) throw new TypeError(`The content of its out file "${name}" is missing`);
      const isRight = typeof each.sha256 === "string" && each.size === content.size;
      if (!isRight || name === "__proto__") {
        throw new TypeError(`Its out file "${name}" is none`);
      }
    }
    const record = portableRecord(kept);
    if (textOf(record) !== text) throw new TypeError("What it says of out files has another form");
    return record;
  }

  #refused(member: Member, { key }: DecodedEntry, problem: string, cause?: unknown): StoreError {
    return refused(this.#file, member.name, `has an entry, for the key ${shown(key)}, that ${problem}`, cause);
  }
}

/** Bytes. */
const LONGEST_MANIFEST = 10_000;

async function readManifest(file: string, { members, problem }: OpenZip): Promise<Manifest> {
  const member = members.get(MANIFEST);
  if (!member) throw problem ?? refused(file, undefined, `has no ${MANIFEST}: it is not one that permacache wrote`);
  if (member.size > LONGEST_MANIFEST) throw refused(file, MANIFEST, "is too large");
  const chunks: Buffer[] = [];
  for await (const chunk of member.read()) chunks.push(chunk);
  const text = Buffer.concat(chunks).toString();
  let given: Partial<Record<keyof Manifest, unknown>> | null = null;
  try {
    given = JSON.parse(text);
  } catch {
    // told below
  }
  const { format, version, path, entries, contents, bytes } = given ?? {};
  if (format === FORMAT && typeof version === "number" && version > VERSION) {
    throw new StoreError(
      `The archive ${file} was written by a newer version of permacache (format ${version}; this one reads ${VERSION}). Update the package.`,
    );
  }
  const manifest = { format, version, path, entries, contents, bytes } as Manifest;
  const isRight = [entries, contents, bytes].every((count) => Number.isSafeInteger(count) && (count as number) >= 0);
  if (format !== FORMAT || version !== VERSION || !isRight || text !== `${JSON.stringify(manifest)}\n`) {
    throw refused(file, MANIFEST, "is not one that permacache wrote");
  }
  return manifest;
}

/** One entry in memory at a time. @throws StoreError where lengths do not add up */
async function* entriesIn(file: string, member: Member): AsyncGenerator<Buffer, void> {
  let chunks: Buffer[] = [];
  let held = 0;
  let left = member.size;
  let wanted = LENGTH;
  let isLength = true;
  for await (const chunk of member.read()) {
    chunks.push(chunk);
    held += chunk.length;
    if (held < wanted) continue;
    let bytes = chunks.length === 1 ? chunk : Buffer.concat(chunks);
    while (bytes.length >= wanted) {
      const part = bytes.subarray(0, wanted);
      bytes = bytes.subarray(wanted);
      left -= wanted;
      if (!isLength) yield part;
      wanted = isLength ? Number(part.readBigUInt64LE()) : LENGTH;
      if (isLength && wanted > left) throw refused(file, member.name, "has an entry that reaches beyond it");
      if (wanted > buffers.MAX_LENGTH) throw refused(file, member.name, "has an entry that is too large for this Node");
      isLength = !isLength;
    }
    chunks = [bytes];
    held = bytes.length;
  }
  if (held > 0 || !isLength) throw refused(file, member.name, "ends inside an entry");
}

/** Bytes of an entry that is decoded without a further look. */
const MODEST = 32 * 1024 * 1024;
const MOST_TIMES = 100;

/** JSON of few bytes in the file may become values that fill the memory. @throws TypeError */
function assertModest({ format, payload, bytes }: DecodedEntry, { packed }: Member): void {
  if (format === "own" || bytes <= MODEST || bytes <= MOST_TIMES * packed) return;
  let parts = 0;
  for (const byte of payload) if (byte === 0x2c || byte === 0x5b || byte === 0x7b) parts++; // , [ {
  if (parts > MODEST) throw new TypeError(`It would have ${parts} parts`);
}

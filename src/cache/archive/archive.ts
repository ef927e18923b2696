import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { digestOf } from "../../call/bind.js";
import { contentsOf, type Kept, parseRecord, textOf } from "../../call/out-files/out-files.js";
import type { Compression } from "../../entry/compression.js";
import { compressionOf } from "../../entry/compression.js";
import { type DecodedEntry, encodeEntry } from "../../entry/entry.js";
import { assertPath, type Identity, identityText, parseIdentity } from "../../entry/identity.js";
import { HASH, ReadableName } from "../../entry/readable-name.js";
import { portable } from "../../entry/transcode.js";
import { decodeTrusted, OWN, type Trust } from "../../entry/trust.js";
import { PermacacheError, StoreError } from "../../errors.js";
import type { WorkOptions } from "../../events.js";
import { digestOf as digestOfFile, stampOf } from "../../files/fingerprint.js";
import { asyncIo } from "../../files/io.js";
import { discard } from "../../files/publish.js";
import { run, turn } from "../../flow.js";
import type { Folder, Listed, Mark, Store, StoredFolder } from "../../stores/store.js";
import { FORMAT, LENGTH, MANIFEST, portableRecord, shown, sum, VERSION } from "./format.js";
import { Progress } from "./progress.js";
import { Archive, type ArchivedEntry } from "./read.js";
import { type NewMember, writeZip } from "./zip.js";

/**
 * Export and import of the entries of a path. archive/format.ts says what is in such a file.
 */

/** The ending may be left out. */
export function fileNameOf(file: string): string {
  return /\.zip$/i.test(file) ? file : `${file}.zip`;
}

// ---- export ----

/** See `Cache.exportTo`. */
export async function exportTo(
  store: Store,
  path: string,
  file: string,
  options: { trust?: Trust | undefined } & WorkOptions = {},
): Promise<number> {
  const { trust = OWN } = options;
  assertPath(path);
  const target = fileNameOf(file);
  const folders: StoredFolder[] = [];
  for await (const folder of store.folders(path)) folders.push(folder);
  folders.sort((a, b) => (a.name < b.name ? -1 : 1));
  const progress = new Progress(
    2 * sum(await Promise.all(folders.map(({ folder }) => countIn(folder)))),
    options.onProgress,
  );
  const contents = await contentsToExport(store, trust, folders, progress);
  progress.total += contents.size;
  const manifest = { format: FORMAT, version: VERSION, path, entries: 0, contents: contents.size, bytes: 0 } as const;
  const counts = { entries: 0, bytes: 0 };

  function* chunksOf(entries: Iterable<WholeEntry>): Generator<Uint8Array, void, undefined> {
    for (const entry of entries) {
      const bytes = portableBytes(entry, contents);
      counts.entries++;
      counts.bytes += bytes.length;
      progress.add(1);
      yield bytes;
    }
  }

  async function* members(): AsyncGenerator<NewMember, void> {
    for (const sha256 of [...contents.keys()].sort()) {
      const { path: from, size } = contents.get(sha256)!;
      yield { name: `contents/${sha256}`, chunks: contentOf(from, sha256) };
      counts.bytes += size;
      progress.add(1);
    }
    let number = 0;
    for (const folder of folders) {
      const before = counts.entries;
      for await (const group of folder.folder.list()) {
        const chunks = chunksOf(wholeEntries(store, trust, folder, group));
        const first = chunks.next();
        if (!first.done) {
          const name = `entries/${String(number).padStart(6, "0")}-${group[0]!.digest.slice(0, 2)}`;
          yield { name, chunks: continued(first.value, chunks) };
        }
        await turn();
      }
      if (counts.entries > before) number++;
    }
    if (counts.entries === 0)
      throw new StoreError(`The path "${path}" has no entries in ${store.directory} to export.`);
    yield { name: MANIFEST, chunks: [Buffer.from(`${JSON.stringify({ ...manifest, ...counts })}\n`)] };
  }

  try {
    await writeZip(target, members());
  } catch (error) {
    throw isOfSystem(error)
      ? new StoreError(
          `The archive ${target} cannot be written (${error.message}). Choose a file in a directory that is there, and has room.`,
          { cause: error },
        )
      : error;
  }
  progress.end();
  return counts.entries;
}

function* continued<T>(first: T, rest: Iterable<T>): Generator<T, void, undefined> {
  yield first;
  yield* rest;
}

async function countIn(folder: Folder): Promise<number> {
  let count = 0;
  for await (const { entries } of folder.sizes()) count += entries;
  return count;
}

/** An entry that a call would be served from, its bytes its own. */
interface WholeEntry {
  readonly folder: Folder;
  readonly digest: string;
  readonly entry: DecodedEntry;
}

/** Those of a group that are whole and to be believed, in the order of their digests. */
function* wholeEntries(
  store: Store,
  trust: Trust,
  folder: StoredFolder,
  group: readonly Listed[],
): Generator<WholeEntry, void, undefined> {
  const start = ({ digest }: Listed) => digest.slice(0, HASH); // all that a name for people tells
  const listed = [...group].sort((a, b) => (start(a) < start(b) ? -1 : 1));
  for (let i = 0; i < listed.length; ) {
    const alike: WholeEntry[] = [];
    const at = start(listed[i]!);
    for (; i < listed.length && start(listed[i]!) === at; i++) {
      const whole = wholeEntry(store, trust, folder, listed[i]!);
      if (whole) alike.push(whole);
    }
    // Under both of its names: the newer one.
    alike.sort((a, b) =>
      a.digest === b.digest ? b.entry.createdAt - a.entry.createdAt : a.digest < b.digest ? -1 : 1,
    );
    yield* alike.filter(({ digest }, n) => n === 0 || digest !== alike[n - 1]!.digest);
  }
}

function wholeEntry(
  store: Store,
  trust: Trust,
  { path, folder }: StoredFolder,
  listed: Listed,
): WholeEntry | undefined {
  const bytes = listed.read();
  const entry = bytes && decodeTrusted(Buffer.from(bytes), trust); // the next read may use the same memory
  const identity = entry && parseIdentity(entry.identity);
  if (!identity || identity.path !== path || store.folder(identity) !== folder) return undefined;
  const digest = digestOf(entry.key);
  return digest.startsWith(listed.digest) ? { folder, digest, entry } : undefined;
}

interface Content {
  readonly path: string;
  readonly size: number;
}

/** The kept out files that are there and undamaged, by their SHA-256. */
async function contentsToExport(
  store: Store,
  trust: Trust,
  folders: readonly StoredFolder[],
  progress: Progress,
): Promise<Map<string, Content>> {
  const contents = new Map<string, Content>();
  for (const stored of folders) {
    for await (const group of stored.folder.list()) {
      for (const { folder, digest, entry } of wholeEntries(store, trust, stored, group)) {
        for (const { sha256, size } of keptIn(entry).values()) {
          const path = await folder.keptFile(digest, sha256);
          if (!contents.has(sha256) && (await hasContent(path, sha256, size))) contents.set(sha256, { path, size });
        }
      }
      progress.add(group.length);
      await turn();
    }
  }
  return contents;
}

function keptIn({ record }: DecodedEntry): Map<string, Kept> {
  return new Map(Object.entries(parseRecord(record).kept));
}

async function hasContent(path: string, sha256: string, size: number): Promise<boolean> {
  try {
    const stamp = await run(stampOf(path, asyncIo));
    return typeof stamp === "object" && stamp.size === size && (await run(digestOfFile(path, asyncIo))) === sha256;
  } catch {
    return false;
  }
}

async function* contentOf(path: string, sha256: string): AsyncGenerator<Uint8Array, void> {
  const changed = (cause?: unknown) =>
    new StoreError(`The kept out file ${path} changed while it was exported. Export again.`, { cause });
  const hash = createHash("sha256");
  try {
    for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
      hash.update(chunk);
      yield chunk;
    }
  } catch (error) {
    throw changed(error);
  }
  if (hash.digest("hex") !== sha256) throw changed();
}

/** @throws StoreError where the value is too large for JSON text, or compressed by a method that this Node lacks */
function portableBytes({ entry }: WholeEntry, contents: ReadonlyMap<string, Content>): Buffer {
  const kept = [...keptIn(entry)].filter(([name, { sha256 }]) => name !== "__proto__" && contents.has(sha256));
  try {
    const parts = encodeEntry({ ...entry, record: textOf(portableRecord(kept)) }, portable(entry));
    const length = Buffer.alloc(LENGTH);
    length.writeBigUInt64LE(BigInt(sum(parts.map((part) => part.length))));
    return Buffer.concat([length, ...parts]);
  } catch (error) {
    const reason = (error as Error).message.replace(/\.$/, "");
    throw new StoreError(
      `The entry of ${entry.identity} for the key ${shown(entry.key)} cannot be exported (${reason}). Delete it, and export again.`,
      { cause: error },
    );
  }
}

// ---- import ----

/** See `Cache.importFrom`. @param options `compress` and `trust`: how the entries are written here */
export async function importFrom(
  store: Store,
  path: string,
  file: string,
  options: {
    merge?: boolean | undefined;
    compress?: false | Compression | undefined;
    trust?: Trust | undefined;
  } & WorkOptions = {},
): Promise<number> {
  const { merge = false, compress = false, trust = OWN, onProgress } = options;
  assertPath(path);
  if (compress) compressionOf(compress); // throws
  if (!merge) await assertEmpty(store, path);
  const archive = await Archive.open(fileNameOf(file));
  try {
    const { entries, contents } = archive.manifest;
    const progress = new Progress(contents + 2 * entries, onProgress);
    const uses = await archive.verify(progress);
    const target = new Target(store, trust, path, archive, uses);
    try {
      for await (const entry of archive.entries(compress, trust.isOpen)) {
        await target.add(entry);
        if (progress.add(1)) await turn();
      }
    } finally {
      await target.close();
    }
    progress.end();
    return target.added;
  } finally {
    archive.close();
  }
}

async function assertEmpty(store: Store, path: string): Promise<void> {
  for await (const { folder } of store.folders(path)) {
    if ((await countIn(folder)) === 0) continue;
    throw new StoreError(
      `The path "${path}" has entries in ${store.directory} already, and nothing was imported. Clear it, import under another path, or merge: that keeps what is there and adds the rest.`,
    );
  }
}

/** Where entries of an archive are written. */
class Target {
  added = 0;
  readonly #store: Store;
  readonly #trust: Trust;
  readonly #path: string;
  readonly #archive: Archive;
  /** How many of the entries that are still to come need each of the contents. */
  readonly #uses: Map<string, number>;
  /** Where the contents are meanwhile that further entries need. */
  readonly #unpacked = new Map<string, string>();
  readonly #folders = new Map<string, { folder: Folder; mark: Mark }>();

  constructor(store: Store, trust: Trust, path: string, archive: Archive, uses: Map<string, number>) {
    this.#store = store;
    this.#trust = trust;
    this.#path = path;
    this.#archive = archive;
    this.#uses = uses;
  }

  /** Adds an entry, unless there is one. */
  async add(archived: ArchivedEntry): Promise<void> {
    const identity: Identity = { ...archived.identity, path: this.#path };
    const { entry, digest, record, payload } = archived;
    const text = identityText(identity);
    const readable = new ReadableName(this.#path, entry.key, digest, false);
    const contents = [...new Set(contentsOf(record))];
    try {
      const { folder, mark } = await this.#folderOf(text, identity);
      if (!(await this.#has(folder, digest, readable, text, entry.key))) {
        for (const sha256 of contents) await this.#keep(folder, digest, sha256);
        const header = { ...entry, identity: text, record: textOf(record) };
        const parts = encodeEntry(header, payload, this.#trust.seal);
        if (await run(folder.publish(digest, parts, mark, { isCurrent: () => true, async: true, readable })))
          this.added++;
        if (contents.length > 0) await folder.dropKept(digest, contents);
      }
    } catch (error) {
      if (error instanceof PermacacheError) throw error;
      throw new StoreError(
        `An entry cannot be written to ${this.#store.directory} (${(error as Error).message}). ${this.added} were imported; merge to go on.`,
        { cause: error },
      );
    }
    for (const sha256 of contentsOf(record)) await this.#used(sha256);
  }

  async #has(folder: Folder, digest: string, readable: ReadableName, identity: string, key: string): Promise<boolean> {
    const read = folder.read(digest, false, readable);
    const bytes = read instanceof Promise ? await read : read; // decoded before anybody else reads into the buffer
    const entry = bytes && decodeTrusted(bytes, this.#trust);
    return entry?.key === key && entry.identity === identity;
  }

  async #folderOf(text: string, identity: Identity): Promise<{ folder: Folder; mark: Mark }> {
    let found = this.#folders.get(text);
    if (!found) {
      const folder = this.#store.folder(identity);
      found = { folder, mark: await folder.mark() };
      this.#folders.set(text, found);
    }
    return found;
  }

  async #keep(folder: Folder, digest: string, sha256: string): Promise<void> {
    let path = this.#unpacked.get(sha256);
    if (path === undefined) {
      path = this.#store.temporary();
      this.#unpacked.set(sha256, path);
      const file = await open(path, "wx", 0o600);
      try {
        for await (const chunk of this.#archive.content(sha256)) await file.writeFile(chunk);
      } finally {
        await file.close();
      }
    }
    const stamp = await run(stampOf(path, asyncIo));
    if (typeof stamp !== "object") throw new Error(`${path} was removed by another program`);
    await run(folder.keep(digest, { path, sha256, stamp }, true));
  }

  async #used(sha256: string): Promise<void> {
    const uses = this.#uses.get(sha256)! - 1;
    this.#uses.set(sha256, uses);
    if (uses === 0) await this.#remove(sha256);
  }

  async #remove(sha256: string): Promise<void> {
    const path = this.#unpacked.get(sha256);
    if (path !== undefined) await run(discard(path, asyncIo));
    this.#unpacked.delete(sha256);
  }

  /** Removes what is left of temporary files. */
  async close(): Promise<void> {
    for (const sha256 of this.#unpacked.keys()) await this.#remove(sha256);
  }
}

function isOfSystem(error: unknown): error is NodeJS.ErrnoException {
  return typeof (error as NodeJS.ErrnoException | undefined)?.syscall === "string";
}

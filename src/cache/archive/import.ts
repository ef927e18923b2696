import { open } from "node:fs/promises";
import { type Compression, compressionOf } from "../../entry/compression.js";
import { encodeEntry } from "../../entry/entry.js";
import { assertPath, type Identity, identityText } from "../../entry/identity.js";
import { bytesKept, contentsOf, textOf } from "../../entry/out-record.js";
import { ReadableName } from "../../entry/readable-name.js";
import { decodeTrusted, OWN, type Trust } from "../../entry/trust.js";
import { PermacacheError, StoreError } from "../../errors.js";
import type { WorkOptions } from "../../events.js";
import { stampOf } from "../../files/fingerprint.js";
import { asyncIo } from "../../files/io.js";
import { discard } from "../../files/publish.js";
import { run, yieldToEventLoop } from "../../flow.js";
import type { Folder, Mark } from "../../stores/folder.js";
import type { Store } from "../../stores/store.js";
import { fileNameOf } from "./format.js";
import { Progress } from "./progress.js";
import { Archive, type ArchivedEntry } from "./read.js";

/** Import: verifies all of an archive, then writes its entries under a path of this store. */

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
        if (progress.add(1)) await yieldToEventLoop();
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
    if (!(await hasEntries(folder))) continue;
    throw new StoreError(
      `The path "${path}" has entries in ${store.directory} already, and nothing was imported. Clear it, import under another path, or merge: that keeps what is there and adds the rest.`,
    );
  }
}

async function hasEntries(folder: Folder): Promise<boolean> {
  for await (const { entries } of folder.sizes()) if (entries > 0) return true;
  return false;
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
        const kept = bytesKept(record);
        const publishing = { mark, isCurrent: () => true, mayWait: true, isDurable: false, kept };
        if (await folder.publish({ digest, readable }, parts, publishing)) this.added++;
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
    const read = folder.read({ digest, readable }, false);
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

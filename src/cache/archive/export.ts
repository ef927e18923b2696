import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { digestOf } from "../../call/bind.js";
import { type DecodedEntry, encodeEntry } from "../../entry/entry.js";
import { assertPath, parseIdentity } from "../../entry/identity.js";
import { type Kept, parseRecord, textOf } from "../../entry/out-record.js";
import { HASH } from "../../entry/readable-name.js";
import { portable } from "../../entry/transcode.js";
import { decodeTrusted, OWN, type Trust } from "../../entry/trust.js";
import { StoreError } from "../../errors.js";
import type { WorkOptions } from "../../events.js";
import { digestOf as digestOfFile, stampOf } from "../../files/fingerprint.js";
import { asyncIo } from "../../files/io.js";
import { run, yieldToEventLoop } from "../../flow.js";
import type { Listed } from "../../stores/engine.js";
import type { Folder } from "../../stores/folder.js";
import type { Store, StoredFolder } from "../../stores/store.js";
import { FORMAT, fileNameOf, LENGTH, MANIFEST, portableRecord, shown, sum, VERSION } from "./format.js";
import { Progress } from "./progress.js";
import { type NewMember, writeZip } from "./zip.js";

/** Export: writes the whole entries of a path, and the out files that they keep, to an archive (see format.ts). */

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
        await yieldToEventLoop();
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
  const bytes = listed.read() as Buffer | undefined;
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
      await yieldToEventLoop();
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

function isOfSystem(error: unknown): error is NodeJS.ErrnoException {
  return typeof (error as NodeJS.ErrnoException | undefined)?.syscall === "string";
}

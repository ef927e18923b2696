import { Buffer } from "node:buffer";
import { type EntryBytes, piecesOf } from "../entry/entry.js";
import { pathOfFolder, SOURCE } from "../entry/identity.js";
import { StoreError } from "../errors.js";
import { type Flow, wait } from "../flow.js";
import type {
  Awaitable,
  Each,
  Engine,
  EntryName,
  EntryStamp,
  Evicted,
  Held,
  KeptContent,
  Listed,
  Pieces,
  Publishing,
  SeenFile,
  Stray,
  Tier,
} from "./engine.js";
import { evictBeyond } from "./evict.js";
import type { RetentionLimits, SizeLimits } from "./limits.js";

/** The folder was cleared while something was kept in it: nothing of it is wanted any more. */
export class ClearedError extends StoreError {}

/** Tells whether a folder was cleared, or an entry removed, since. */
export type Mark = string;

export interface FolderSize {
  readonly entries: number;
  /** Of the entries and of what is kept for them. */
  readonly bytes: number;
  /** When the newest entry was written, in ms since 1970; 0 where there is none. */
  readonly newest: number;
}

/**
 * The entries of one function and version, in an engine: what the engine gives, and what is built on top of it where the
 * engine gives nothing. Operations throw what the engine throws. There is one object for each folder of an engine.
 */
export class Folder {
  readonly #engine: Engine;
  /** Looked up once: each hit asks for it. */
  readonly #pieces: Pieces | undefined;
  /** Such as `a/b/=1`. */
  readonly name: string;

  constructor(engine: Engine, name: string) {
    this.#engine = engine;
    this.#pieces = engine.pieces;
    this.name = name;
  }

  // ---- for messages ----

  /** Of the engine. */
  get directory(): string {
    return this.#engine.location;
  }
  get location(): string {
    return `${this.#engine.location}/${this.name}`;
  }
  /** What helps when it cannot be read or written. */
  get remedy(): string | undefined {
    return this.#engine.remedy;
  }

  // ---- entries ----

  /** The bytes may stand in a buffer that the next read overwrites. */
  read(entry: EntryName, mayWait: boolean): Awaitable<Buffer | undefined> {
    const read = this.#engine.read(this.name, entry, mayWait);
    // This is asked first, of an imported `Buffer`, for the global one is a getter: it saves a thirtieth of a read in LMDB.
    if (read instanceof Buffer) return read;
    return read instanceof Promise ? read.then(asBuffer) : asBuffer(read);
  }

  /** As `read`, for those who decode the value: the entry may come in pieces, which belong to the caller. */
  readPieces(entry: EntryName, mayWait: boolean): Awaitable<EntryBytes | undefined> {
    if (!this.#pieces) return this.read(entry, mayWait);
    const read = this.#pieces.read(this.name, entry, CUT, mayWait);
    return read instanceof Promise ? read.then(asBuffers) : asBuffers(read);
  }

  /** What is held of an entry in memory counts no more: the next read looks at the store. */
  forget(digest: string): void {
    this.#engine.forget?.(this.name, digest);
  }

  stamp(entry: EntryName): EntryStamp | undefined {
    return this.#engine.stamps?.of(this.name, entry);
  }

  /** See `Engine.mark`. */
  mark(): Awaitable<Mark> {
    return this.#engine.mark(this.name);
  }

  publish(entry: EntryName, parts: readonly Uint8Array[], publishing: Publishing): Awaitable<boolean> {
    return this.#engine.publish(this.name, entry, parts, publishing);
  }

  remove(entry: EntryName): Awaitable<boolean> {
    return this.#engine.remove(this.name, entry);
  }

  clear(mayWait: boolean): Awaitable<number> {
    return this.#engine.clear(this.name, mayWait);
  }

  // ---- locks ----

  tryLock(digest: string): Awaitable<Held | undefined> {
    const { locks } = this.#engine;
    return locks ? locks.tryLock({ folder: this.name, digest }, true) : UNLOCKED;
  }

  lockHolder(digest: string): string | undefined {
    return this.#engine.locks?.holder({ folder: this.name, digest });
  }

  /** Locks the path of an out file, whatever function writes to it. @param makes see `Locks.tryLock` */
  tryLockPath(digest: string, makes: boolean): Awaitable<Held | undefined> {
    const { locks } = this.#engine;
    return locks ? locks.tryLock({ folder: undefined, digest }, makes) : UNLOCKED;
  }

  pathHolder(digest: string): string | undefined {
    return this.#engine.locks?.holder({ folder: undefined, digest });
  }

  // ---- contents of out files ----

  /** @throws ClearedError where the folder is gone; StoreError where the file has changed, or cannot be kept */
  *keep(digest: string, file: SeenFile, mayWait: boolean): Flow<void> {
    const { contents } = this.#engine;
    if (!contents) throw new StoreError(`${this.directory} keeps no contents of out files`);
    const isKept = yield* wait(contents.keep(this.name, digest, file, mayWait));
    if (!isKept) throw new ClearedError(`${this.location} was cleared meanwhile`);
  }

  /** The path of a file with a content that is kept for an entry, if it is kept. */
  keptFile(digest: string, sha256: string): Awaitable<string> {
    return this.#engine.contents?.path(this.name, digest, sha256) ?? "";
  }

  dropKept(digest: string, except: readonly string[]): Awaitable<void> {
    return this.#engine.contents?.drop(this.name, digest, except);
  }

  // ---- limits ----

  /** Remembers that an entry was used. */
  use(entry: EntryName): void {
    this.#engine.usage?.use(this.name, entry);
  }

  /** In ms since 1970; `undefined` where that is not known. */
  usedAt(entry: EntryName): number | undefined {
    return this.#engine.usage?.usedAt(this.name, entry);
  }

  /**
   * Removes the entries beyond the limits.
   * @param own count all versions of the path together
   * @param whole count all paths together
   * @param written the bytes that were just written. Without it every entry is looked at; with it, the cost does not grow
   *   with the number of entries
   */
  *evict(own: RetentionLimits, whole: SizeLimits, written?: number): Flow<Evicted[]> {
    const gone = yield* evictBeyond(this.#engine, own, this.#parent, written);
    for (const each of yield* evictBeyond(this.#engine, whole, undefined, written)) gone.push(each);
    return gone;
  }

  /** The folder of the path, which holds those of all its versions. */
  get #parent(): string {
    return this.name.slice(0, this.name.lastIndexOf("/"));
  }

  // ---- all that there is ----

  /** See `Listing.list`. Nothing where the engine cannot list. */
  list(isRead = true): Each<readonly Listed[]> {
    return this.#engine.listing?.list(this.name, isRead) ?? [];
  }

  keptContents(): Each<readonly KeptContent[]> {
    return this.#engine.contents?.list(this.name) ?? [];
  }

  // For verification: in every tier, so an entry may come more than once.

  async *everyEntry(): AsyncGenerator<readonly Listed[], void, undefined> {
    for (const { listing } of this.#tiers) yield* listing?.list(this.name, true) ?? [];
  }

  async *everyContent(): AsyncGenerator<readonly KeptContent[], void, undefined> {
    for (const { contents } of this.#tiers) yield* contents?.list(this.name) ?? [];
  }

  async *strays(): AsyncGenerator<readonly Stray[], void, undefined> {
    for (const { listing } of this.#tiers) yield* listing?.strays?.(this.name) ?? [];
  }

  get #tiers(): readonly Tier[] {
    return this.#engine.tiers ?? [this.#engine];
  }

  /** Number and size of the entries, and of what is kept for them: one group after the other, to be added up. */
  async *sizes(): AsyncGenerator<FolderSize, void> {
    for await (const group of this.list(false)) {
      const size = { entries: 0, bytes: 0, newest: 0 };
      for (const each of group) {
        const stat = each.stat();
        if (!stat) continue;
        size.entries++;
        size.bytes += stat.bytes;
        size.newest = Math.max(size.newest, stat.writtenAt);
      }
      yield size;
    }
    for await (const group of this.keptContents()) {
      yield { entries: 0, bytes: group.reduce((total, each) => total + (each.size() ?? 0), 0), newest: 0 };
    }
  }

  /** Whether the entry is there under another source of the same function and version. Not told by engines that are not sync. */
  hasOfOtherSource(entry: EntryName): boolean {
    const engine = this.#engine.forSync ?? this.#engine;
    const { sync, listing } = engine;
    const at = this.name.indexOf(SOURCE, this.#parent.length);
    if (!sync || !listing || at < 0) return false;
    const stem = this.name.slice(0, at + SOURCE.length);
    for (const name of listing.folders(this.#parent) as Iterable<string>) {
      if (name === this.name || !name.startsWith(stem)) continue;
      if (engine.read(name, entry, false) !== undefined) return true;
    }
    return false;
  }

  /** The path of its function. */
  get path(): string {
    return pathOfFolder(this.#parent);
  }
}

const UNLOCKED: Held = { release() {} };

/** An engine may give bytes of any kind. Entries are decoded from buffers. */
const CUT: Parameters<Pieces["read"]>[2] = (start, size) => piecesOf(asBuffer(start)!, size);

function asBuffers(read: Uint8Array | readonly Uint8Array[] | undefined): EntryBytes | undefined {
  return read === undefined || read instanceof Uint8Array ? asBuffer(read) : read.map((piece) => asBuffer(piece)!);
}

function asBuffer(bytes: Uint8Array | undefined): Buffer | undefined {
  if (bytes === undefined || Buffer.isBuffer(bytes)) return bytes;
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

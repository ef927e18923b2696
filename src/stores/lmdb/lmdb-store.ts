import { lstatSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { folderNames, type Identity, pathOfFolder, SOURCE } from "../../entry/identity.js";
import { OptionError } from "../../errors.js";
import type { WorkProgress } from "../../events.js";
import { warnOfLittleSpace } from "../../files/free-space.js";
import { ioFor } from "../../files/io.js";
import { type Held, keyLockIn, lockKind } from "../../files/locks/key-lock.js";
import { lessUmask, PRIVATE } from "../../files/permissions.js";
import { type Flow, turn, wait } from "../../flow.js";
import {
  dropContents,
  isKeptContent,
  isKeptFile,
  isWholeContent,
  KEPT_FOLDER,
  keepContent,
  keptFileOf,
  removeContent,
} from "../file/kept-contents.js";
import { Folders } from "../folders.js";
import { type Aged, beyondLimits, exceeded, isExpired, type RetentionLimits, type SizeLimits } from "../limits.js";
import {
  ClearedError,
  type Content,
  type Evicted,
  type Folder,
  type FolderSize,
  type Listed,
  type Mark,
  type Publishing,
  type SeenFile,
  type Store,
  type StoredFolder,
  type SyncStore,
} from "../store.js";
import { Database, type Opened, type Table } from "./database.js";
import {
  after,
  type Counts,
  entryKey,
  type FolderRecord,
  firstNumber,
  folderKey,
  type Info,
  keysOf,
  numbers,
  readCounts,
  readFolder,
  readInfo,
  stampKey,
  stampOf,
  timeOf,
  writeCounts,
  writeFolder,
  writeInfo,
} from "./records.js";

export interface LmdbStoreOptions {
  /** The directory of the database; made when it is first written to, private to the user. */
  readonly path: string;
  /** Address space reserved for the database at first, in bytes; it grows by itself. Default: what lmdb chooses. */
  readonly mapSize?: number | undefined;
}

/**
 * A store for millions of small entries, in one LMDB database: for sync and async functions, and for any number of
 * processes of one machine, on a local disk. Needs the package `lmdb` (`npm install lmdb`), which is loaded when the store
 * is first used. The same object for the same path.
 *
 * A killed process loses nothing that it stored. A power cut, while the last second's writes are not on the disk yet, costs
 * all entries, and never gives a wrong one. Once a function with `durability: "file"` has stored something, every write is
 * brought to the disk at once, and a power cut costs nothing.
 *
 * @throws OptionError for wrong options; when it is first used, where `lmdb` is missing
 */
export function lmdbStore(options: LmdbStoreOptions): SyncStore {
  if (typeof options !== "object" || options === null) {
    throw new OptionError(`lmdbStore(): give an object with a "path", such as { path: ".cache/lmdb" }.`);
  }
  const { path, mapSize, ...others } = options;
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) {
    throw new OptionError(`lmdbStore(): there is no option "${unknown}". Its options are path and mapSize.`);
  }
  if (typeof path !== "string" || path === "") {
    throw new OptionError(`lmdbStore(): "path" must be the path of a directory.`);
  }
  if (mapSize !== undefined && !(Number.isSafeInteger(mapSize) && mapSize > 0)) {
    throw new OptionError(`lmdbStore(): "mapSize" must be a number of bytes.`);
  }
  const directory = resolve(path);
  let store = stores.get(directory);
  if (!store) {
    store = new LmdbStore(directory, mapSize);
    stores.set(directory, store);
  }
  return store;
}

const stores = new Map<string, LmdbStore>();

/**
 *     <path>/=1/data.mdb, lock.mdb     the database, see lmdb/database.ts and lmdb/records.ts
 *     <path>/=kept/<number>/...        contents of out files, see kept-contents.ts, of the folder of this number
 *     <path>/a/b/=1/=_locks            of keys, see key-lock.ts
 *     <path>/=_locks                   of out paths
 *     <path>/=_tmp/...                 being written, or being deleted
 */
class LmdbStore implements Store {
  readonly sync = true;
  readonly directory: string;
  readonly #database: Database;
  readonly #folders = new Folders((names) => new LmdbFolder(this.directory, this.#database, names));

  constructor(directory: string, mapSize: number | undefined) {
    this.directory = directory;
    this.#database = new Database(directory, mapSize, () => {
      for (const folder of this.#folders.all()) folder.noteUses();
    });
  }

  get lock(): string {
    return lockKind();
  }

  folder(identity: Identity): LmdbFolder {
    return this.#folders.of(identity);
  }

  exists(): boolean {
    return this.#database.get() !== undefined;
  }

  async *folders(path?: string): AsyncGenerator<StoredFolder, void> {
    const found = this.#database.read((opened) => namesOf(opened, path)) ?? [];
    const all = found.map((names) => ({ names, path: pathOf(names), name: basename(names) }));
    for (const each of all.sort((a, b) => compare(a.path, b.path) || compare(a.name, b.name))) {
      yield { path: each.path, name: each.name, folder: this.#folders.named(each.names) };
      await turn();
    }
  }

  async prune(limits: RetentionLimits, onProgress?: (progress: WorkProgress) => void): Promise<Evicted[]> {
    for (const folder of this.#folders.all()) folder.noteUses();
    const items = this.#database.read((opened) => itemsOf(opened, namesOf(opened))) ?? [];
    const all = [...beyondLimits(items, limits, Date.now())];
    onProgress?.({ done: 0, total: all.length });
    const gone: Evicted[] = [];
    for (const [i, [item, limit]] of all.entries()) {
      const isGone = this.#database.write((opened) => removeEntry(opened, item.number, item.digest));
      if (isGone) {
        dropKeptOf(this.#database, item.number, item.digest, []);
        gone.push(evicted(item, limit));
      }
      onProgress?.({ done: i + 1, total: all.length });
      if (i % AT_ONCE === 0) await turn();
    }
    return gone;
  }

  temporary(): string {
    return this.#database.temporary();
  }

  async close(): Promise<void> {
    await this.#database.close();
  }
}

/** Entries removed before others have their turn. */
const AT_ONCE = 256;
/** Entries of a cleared folder deleted in one transaction. */
const AT_A_TIME = 1_000;
/** Entries evicted in one transaction: each page that one touches is copied, and the file grows by these. */
const EVICTED = 50;
/** Removals of a folder that are remembered: what was begun before more of them is not stored. */
const REMOVALS = 1_000;
/** Milliseconds: uses are noted for others this often. */
const TOUCH = 1_000;

/** The values of hex digits, by their character codes. */
const NIBBLES = new Uint8Array(128);
for (const [value, digit] of [..."0123456789abcdef"].entries()) NIBBLES[digit.charCodeAt(0)] = value;

const NEXT = Buffer.from("next");
const CLEARED = Buffer.from("cleared ");

class LmdbFolder implements Folder {
  readonly directory: string;
  readonly #database: Database;
  /** `a/b/=1`, as text and as a key. */
  readonly #names: string;
  readonly #key: Buffer;
  /** For hits: the number of the folder, then the digest. */
  readonly #entry = Buffer.alloc(26);
  /** Bytes kept for entries that are about to be published. */
  readonly #kept = new Map<string, number>();
  /** Digests of what was used, and when; not noted yet. */
  #uses = new Map<string, number>();
  #isNoting = false;

  constructor(directory: string, database: Database, names: string) {
    this.directory = directory;
    this.#database = database;
    this.#names = names;
    this.#key = Buffer.from(names);
  }

  get location(): string {
    return join(this.directory, this.#names);
  }

  read(digest: string): Buffer | undefined {
    const opened = this.#database.get();
    if (!opened) return undefined;
    const key = this.#entry;
    try {
      if (!opened.folders.copyStart(this.#key, key, 6)) return undefined;
      // As `key.write(digest, 6, "hex")`, which would take a thirtieth of a hit more.
      for (let i = 0; i < 20; i++) {
        key[6 + i] = (NIBBLES[digest.charCodeAt(2 * i)]! << 4) | NIBBLES[digest.charCodeAt(2 * i + 1)]!;
      }
      return opened.entries.lend(key);
    } finally {
      opened.snapshot.end();
    }
  }

  #folderIn(opened: Opened): FolderRecord | undefined {
    const record = opened.folders.get(this.#key);
    return record && readFolder(record);
  }

  get #number(): number | undefined {
    return this.#database.read((opened) => this.#folderIn(opened))?.number;
  }

  mark(): Mark {
    const found =
      this.#database.read((opened) => this.#folderIn(opened)) ??
      this.#database.write((opened) => this.#folderIn(opened) ?? this.#makeIn(opened));
    return `${found.number} ${found.removals}` as Mark;
  }

  #makeIn({ meta, folders }: Opened): FolderRecord {
    const next = meta.get(NEXT);
    const made = { number: next ? next.readUIntBE(0, 6) : firstNumber(), removals: 0 };
    meta.put(NEXT, numbers(made.number + 1));
    folders.put(this.#key, writeFolder(made));
    return made;
  }

  *publish(digest: string, parts: readonly Uint8Array[], mark: Mark, how: Publishing): Flow<boolean> {
    const bytes = Buffer.concat(parts);
    const kept = this.#kept.get(digest) ?? 0;
    this.#kept.delete(digest);
    const [number = 0, removals = 0] = mark.split(" ").map(Number);
    const isPublished = this.#database.write((opened) => {
      if (!how.isCurrent()) return false;
      const now = this.#folderIn(opened);
      if (now?.number !== number || wasRemoved(opened, now, removals, digest)) return false;
      removeEntry(opened, number, digest);
      const key = entryKey(number, digest);
      const stamp = stampOf(Date.now(), opened.root.getWriteTxnId(), 0);
      opened.entries.put(key, bytes);
      putInfo(opened, number, digest, { created: stamp, used: stamp, bytes: bytes.length, kept });
      count(opened, number, { entries: 1, bytes: bytes.length + kept });
      return true;
    }, how.isDurable);
    if (isPublished) {
      this.#uses.delete(digest);
      warnOfLittleSpace(this.directory);
    }
    return isPublished;
  }

  tryLock(digest: string): Held | undefined {
    return keyLockIn(this.#locks(this.#database.makeDirectory())).tryLock(digest);
  }

  lockHolder(digest: string): string | undefined {
    const { directory } = this.#database;
    return directory === undefined ? undefined : keyLockIn(this.#locks(directory)).holder(digest);
  }

  #locks(directory: string): string {
    return join(directory, this.#names);
  }

  tryLockPath(digest: string, makes: boolean): Held | undefined {
    const directory = makes ? this.#database.makeDirectory() : this.#database.directory;
    return directory === undefined ? { release() {} } : keyLockIn(directory).tryLock(digest);
  }

  pathHolder(digest: string): string | undefined {
    const { directory } = this.#database;
    return directory === undefined ? undefined : keyLockIn(directory).holder(digest);
  }

  remove(digest: string): boolean {
    if (this.#number === undefined) return false;
    this.#uses.delete(digest);
    const [number, isGone] = this.#database.write((opened) => {
      const folder = this.#folderIn(opened);
      if (!folder) return [0, false];
      const removals = folder.removals + 1;
      opened.folders.put(this.#key, writeFolder({ ...folder, removals }));
      opened.removals.put(removalKey(folder.number, removals), Buffer.from(digest, "hex"));
      if (removals > REMOVALS) opened.removals.remove(removalKey(folder.number, removals - REMOVALS));
      return [folder.number, removeEntry(opened, folder.number, digest)];
    });
    if (isGone) dropKeptOf(this.#database, number, digest, []);
    return isGone;
  }

  *keep(digest: string, file: SeenFile, async: boolean): Flow<void> {
    const number = this.#number;
    if (number === undefined) throw new ClearedError(`${this.location} was cleared meanwhile`);
    const folder = keptFolder(this.#database.makeDirectory(), number);
    for (const name of [digest.slice(0, 2), `${KEPT_FOLDER}/${file.sha256.slice(0, 2)}`]) {
      mkdirSync(join(folder, name), { mode: PRIVATE.folder, recursive: true });
    }
    const newTemporary = () => this.#database.temporary();
    const mode = lessUmask(PRIVATE.file);
    yield* keepContent(folder, fileOf(folder, digest), file, newTemporary, mode, ioFor(async));
    this.#kept.set(digest, (this.#kept.get(digest) ?? 0) + file.stamp.size);
  }

  keptFile(digest: string, sha256: string): string {
    return keptFileOf(
      fileOf(keptFolder(this.#database.directory ?? this.directory, this.#number ?? 0), digest),
      sha256,
    );
  }

  dropKept(digest: string, except: readonly string[]): void {
    const number = this.#number;
    if (number !== undefined) dropKeptOf(this.#database, number, digest, except);
  }

  /** The folder is forgotten, and made anew under another number: what stands under the old one is nobody's. */
  *clear(async: boolean): Flow<number> {
    this.#uses.clear();
    if (this.#number === undefined) return 0;
    const entries = this.#database.write((opened) => {
      const folder = this.#folderIn(opened);
      if (!folder) return 0;
      const key = folderKey(folder.number);
      const counted = readCounts(opened.counts.get(key));
      opened.folders.remove(this.#key);
      opened.counts.remove(key);
      opened.meta.put(Buffer.concat([CLEARED, key]), key);
      return counted.entries;
    });
    try {
      for (const _ of sweepCleared(this.#database)) if (async) yield* wait(turn());
    } catch {
      // The entries are gone all the same; what is left of them goes with the next clear.
    }
    return entries;
  }

  hasOfOtherSource(digest: string): boolean {
    const at = this.#names.lastIndexOf(SOURCE);
    if (at < this.#names.lastIndexOf("/")) return false;
    const stem = Buffer.from(this.#names.slice(0, at + SOURCE.length));
    return (
      this.#database.read((opened) =>
        opened.folders
          .records({ start: stem, end: after(stem) })
          .some(
            ({ key, value }) =>
              !this.#key.equals(key) && opened.info.get(entryKey(readFolder(value).number, digest)) !== undefined,
          ),
      ) ?? false
    );
  }

  use(digest: string): void {
    this.#uses.set(digest, Date.now());
    this.#noteLater();
  }

  #noteLater(): void {
    if (this.#isNoting) return;
    this.#isNoting = true;
    const note = () => {
      this.#isNoting = false;
      try {
        if (this.noteUses(AT_ONCE)) this.#noteLater();
      } catch {
        // It was a hit all the same; the next writer tells what is wrong.
      }
    };
    setTimeout(note, TOUCH).unref();
  }

  /** Writes down what was used. @param most so many of them. @returns whether some are left */
  noteUses(most = Number.POSITIVE_INFINITY): boolean {
    const uses = [...this.#uses].slice(0, most);
    if (uses.length === 0 || !this.#database.get()) return false;
    for (const [digest] of uses) this.#uses.delete(digest);
    for (let from = 0; from < uses.length; from += AT_A_TIME) {
      this.#database.write((opened) => {
        const number = this.#folderIn(opened)?.number;
        if (number === undefined) return;
        const transaction = opened.root.getWriteTxnId();
        for (const [i, [digest, time]] of uses.slice(from, from + AT_A_TIME).entries()) {
          const info = infoIn(opened, number, digest);
          if (!info || timeOf(info.used) >= time) continue;
          opened.byUse.remove(stampKey(number, info.used));
          putInfo(opened, number, digest, { ...info, used: stampOf(time, transaction, i + 1) });
        }
      });
    }
    return this.#uses.size > 0;
  }

  usedAt(digest: string): number | undefined {
    const info = this.#database.read((opened) => {
      const folder = this.#folderIn(opened);
      return folder && infoIn(opened, folder.number, digest);
    });
    return info && Math.max(timeOf(info.used), this.#uses.get(digest) ?? 0);
  }

  retain(own: RetentionLimits, whole: SizeLimits): Evicted[] {
    this.noteUses();
    return [...this.#evictBeyond(own, pathOf(this.#names)), ...this.#evictBeyond(whole, undefined)];
  }

  /** All there is to look at is in order already. */
  prune(own: RetentionLimits, whole: SizeLimits): Evicted[] {
    return this.retain(own, whole);
  }

  #evictBeyond(limits: RetentionLimits, path: string | undefined): Evicted[] {
    if (Object.values(limits).every((limit) => limit === undefined)) return [];
    const next = (opened: Opened) => nextBeyond(opened, limits, path);
    if (!this.#database.read(next)) return []; // nearly always, and no transaction for it
    const gone: Beyond[] = [];
    let isMore = true;
    while (isMore) {
      this.#database.write((opened) => {
        for (let i = 0; i < EVICTED; i++) {
          const found = next(opened);
          isMore = found !== undefined;
          if (!found) break;
          removeEntry(opened, found.item.number, found.item.digest);
          gone.push(found);
        }
      });
    }
    for (const { item } of gone) dropKeptOf(this.#database, item.number, item.digest, []);
    return gone.map(({ item, limit }) => evicted(item, limit));
  }

  *list(): Generator<readonly Listed[], void> {
    for (const group of this.#groups()) yield group.map(({ digest }) => this.#listed(digest));
  }

  #listed(digest: string): Listed {
    return { digest, read: () => this.read(digest) };
  }

  /** What there is, by the first two digits. */
  *#groups(): Generator<{ readonly digest: string; readonly info: Info }[], void> {
    for (let first = 0; first < 256; first++) {
      const digits = first.toString(16).padStart(2, "0");
      const found = this.#database.read((opened) => {
        const folder = this.#folderIn(opened);
        return folder && opened.info.records(keysOf(folder.number, digits));
      });
      if (!found) return;
      const group = found.map(({ key, value }) => ({ digest: key.toString("hex", 6), info: readInfo(value) }));
      if (group.length > 0) yield group;
    }
  }

  *sizes(): Generator<FolderSize, void> {
    for (const group of this.#groups()) {
      yield {
        entries: group.length,
        bytes: group.reduce((total, { info }) => total + info.bytes, 0),
        newest: Math.max(...group.map(({ info }) => timeOf(info.created))),
      };
    }
    for (const file of this.#keptFiles()) {
      yield { entries: 0, bytes: lstatSync(file, { throwIfNoEntry: false })?.size ?? 0, newest: 0 };
    }
  }

  *contents(): Generator<readonly Content[], void> {
    for (const group of this.list()) {
      yield group.map((each) => ({
        kind: "entry",
        location: join(this.location, each.digest),
        remove: () => void this.remove(each.digest),
        ...each,
      }));
    }
    for (const file of this.#keptFiles()) {
      const folder = keptFolder(this.#database.directory!, this.#number ?? 0);
      const remove = () => {
        const shards = namesIn(folder).filter((name) => name !== KEPT_FOLDER);
        removeContent(
          file,
          shards.map((name) => join(folder, name)),
        );
      };
      yield [{ kind: "kept", location: file, isWhole: () => isWholeContent(file), remove }];
    }
  }

  /** Each content once: those in the folder of contents, and the copies that entries have of their own. */
  *#keptFiles(): Generator<string, void> {
    const { directory } = this.#database;
    const number = this.#number;
    if (directory === undefined || number === undefined) return;
    const folder = keptFolder(directory, number);
    for (const shard of namesIn(folder).filter((name) => name !== KEPT_FOLDER)) {
      for (const name of namesIn(join(folder, shard)).filter(isKeptFile)) {
        const file = join(folder, shard, name);
        if (lstatSync(file, { throwIfNoEntry: false })?.nlink === 1) yield file;
      }
    }
    for (const shard of namesIn(join(folder, KEPT_FOLDER))) {
      for (const name of namesIn(join(folder, KEPT_FOLDER, shard)).filter(isKeptContent)) {
        yield join(folder, KEPT_FOLDER, shard, name);
      }
    }
  }
}

// ---- the tables ----

function removalKey(folder: number, removal: number): Buffer {
  return numbers(folder, removal);
}

/** Whether a key was removed since there were so many removals, or that cannot be told. */
function wasRemoved(opened: Opened, folder: FolderRecord, since: number, digest: string): boolean {
  if (folder.removals === since) return false;
  if (folder.removals - since > REMOVALS) return true;
  const start = removalKey(folder.number, since + 1);
  const removed = Buffer.from(digest, "hex");
  return opened.removals.records({ start, end: keysOf(folder.number).end }).some(({ value }) => removed.equals(value));
}

function infoIn(opened: Opened, number: number, digest: string): Info | undefined {
  const record = opened.info.get(entryKey(number, digest));
  return record && readInfo(record);
}

function putInfo(opened: Opened, number: number, digest: string, info: Info): void {
  const name = Buffer.from(digest, "hex");
  opened.info.put(entryKey(number, digest), writeInfo(info));
  opened.byAge.put(stampKey(number, info.created), name);
  opened.byUse.put(stampKey(number, info.used), name);
}

function count({ counts }: Opened, number: number, more: Counts): void {
  const key = folderKey(number);
  const { entries, bytes } = readCounts(counts.get(key));
  counts.put(key, writeCounts({ entries: entries + more.entries, bytes: bytes + more.bytes }));
}

/** Removes an entry in a transaction. @returns whether it was there */
function removeEntry(opened: Opened, number: number, digest: string): boolean {
  const info = infoIn(opened, number, digest);
  if (!info) return false;
  const key = entryKey(number, digest);
  opened.entries.remove(key);
  opened.info.remove(key);
  opened.byAge.remove(stampKey(number, info.created));
  opened.byUse.remove(stampKey(number, info.used));
  count(opened, number, { entries: -1, bytes: -info.bytes - info.kept });
  return true;
}

/** Deletes, a step at a time, what is left of cleared folders: also of those whose clear was killed. */
function* sweepCleared(database: Database): Generator<void> {
  const cleared = database.read(({ meta }) => meta.records({ start: CLEARED, end: after(CLEARED) })) ?? [];
  for (const { key, value } of cleared) {
    const number = value.readUIntBE(0, 6);
    const folder = database.directory && keptFolder(database.directory, number);
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
    for (let isMore = true; isMore; yield) {
      isMore = database.write((opened) => {
        const tables = [opened.entries, opened.info, opened.byAge, opened.byUse, opened.removals];
        const isLeft = tables.map((table) => removeSome(table, number)).includes(true);
        if (!isLeft) opened.meta.remove(key);
        return isLeft;
      });
    }
  }
}

/** @returns whether there may be more */
function removeSome(table: Table, number: number): boolean {
  const keys = table.keys({ ...keysOf(number), limit: AT_A_TIME });
  for (const key of keys) table.remove(key);
  return keys.length === AT_A_TIME;
}

/** Names of the folders of a path, or of all, as text. */
function namesOf({ folders }: Opened, path?: string): string[] {
  if (path === undefined) return folders.keys({}).map(String);
  const start = Buffer.from(folderNames({ path }).join("/")); // that of no version: all begin with it
  return folders.keys({ start, end: after(start) }).map(String);
}

function pathOf(names: string): string {
  return pathOfFolder(dirname(names));
}

function compare(a: string, b: string): number {
  return a === b ? 0 : a < b ? -1 : 1;
}

// ---- retention ----

/** An entry, and where it is. */
interface Item extends Aged {
  readonly path: string;
  readonly number: number;
  readonly digest: string;
  readonly used: Buffer;
  readonly isUnused: boolean;
}

interface Beyond {
  readonly item: Item;
  readonly limit: keyof RetentionLimits;
}

function evicted({ path, isUnused }: Item, limit: keyof RetentionLimits): Evicted {
  return { path, limit, isUnused };
}

function itemOf(names: string, number: number, digest: string, info: Info): Item {
  const { created, used, bytes, kept } = info;
  const [createdAt, usedAt] = [timeOf(created), timeOf(used)];
  return {
    path: pathOf(names),
    number,
    digest,
    used: Buffer.from(used),
    isUnused: created.equals(used),
    createdAt,
    usedAt,
    bytes: bytes + kept,
  };
}

/** All entries of folders, the least recently used first. */
function itemsOf(opened: Opened, folders: readonly string[]): Item[] {
  const items = folders.flatMap((names) => {
    const record = opened.folders.get(Buffer.from(names));
    if (!record) return [];
    const { number } = readFolder(record);
    return opened.info
      .records(keysOf(number))
      .map(({ key, value }) => itemOf(names, number, key.toString("hex", 6), readInfo(value)));
  });
  return items.sort((a, b) => a.used.compare(b.used));
}

/**
 * The next entry that has to go, among those of a path, or of all. Only the ends of the orders are looked at: the cost grows
 * with the number of folders, not with that of entries.
 */
function nextBeyond(opened: Opened, limits: RetentionLimits, path: string | undefined): Beyond | undefined {
  const folders = namesOf(opened, path).flatMap((names) => {
    const record = opened.folders.get(Buffer.from(names));
    return record ? [{ names, number: readFolder(record).number }] : [];
  });
  const now = Date.now();
  const at = (table: "byAge" | "byUse", reverse: boolean) =>
    folders
      .flatMap(({ names, number }) => itemAtEnd(opened, table, names, number, reverse) ?? [])
      .sort((a, b) => a.used.compare(b.used));
  if (limits.maxAge !== undefined) {
    // The newest as well: one that is dated ahead cannot be told from an old one.
    const ends = [...at("byAge", false), ...at("byAge", true)];
    const item = ends.find((each) => isExpired(each, { maxAge: limits.maxAge }, now));
    if (item) return { item, limit: "maxAge" };
  }
  if (limits.maxIdle !== undefined) {
    const [item] = at("byUse", false);
    if (item && isExpired(item, { maxIdle: limits.maxIdle }, now)) return { item, limit: "maxIdle" };
  }
  const counts = folders.map(({ number }) => readCounts(opened.counts.get(folderKey(number))));
  const entries = counts.reduce((total, each) => total + each.entries, 0);
  const bytes = counts.reduce((total, each) => total + each.bytes, 0);
  const limit = exceeded(entries, bytes, limits);
  const [item] = limit ? at("byUse", false) : [];
  return limit && item && { item, limit };
}

function itemAtEnd(
  opened: Opened,
  table: "byAge" | "byUse",
  names: string,
  number: number,
  reverse: boolean,
): Item | undefined {
  const { start, end } = keysOf(number);
  const range = reverse ? { start: end, end: start, reverse, limit: 1 } : { start, end, limit: 1 };
  const [found] = opened[table].records(range);
  const digest = found?.value.toString("hex");
  const info = digest === undefined ? undefined : infoIn(opened, number, digest);
  return info && itemOf(names, number, digest!, info);
}

// ---- kept contents ----

function keptFolder(directory: string, number: number): string {
  return join(directory, KEPT_FOLDER, String(number));
}

/** Where the file of an entry would be: contents are named after it. */
function fileOf(folder: string, digest: string): string {
  return `${folder}/${digest.slice(0, 2)}/${digest.slice(2)}.entry`;
}

function dropKeptOf({ directory }: Database, number: number, digest: string, except: readonly string[]): void {
  if (directory === undefined) return;
  const folder = keptFolder(directory, number);
  const file = fileOf(folder, digest);
  if (lstatSync(dirname(file), { throwIfNoEntry: false })?.isDirectory()) dropContents(folder, file, except);
}

function namesIn(folder: string): string[] {
  return lstatSync(folder, { throwIfNoEntry: false })?.isDirectory() ? readdirSync(folder).sort() : [];
}

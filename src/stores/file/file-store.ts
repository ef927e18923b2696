import {
  type Dirent,
  existsSync,
  lstatSync,
  mkdirSync,
  opendirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { rm } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { piecesOf } from "../../entry/entry.js";
import {
  folderNames,
  type Identity,
  isEntriesFolder,
  isPath,
  pathOfFolder,
  SOURCE,
  segmentOfFolder,
} from "../../entry/identity.js";
import type { ReadableName } from "../../entry/readable-name.js";
import { StoreError } from "../../errors.js";
import type { WorkProgress } from "../../events.js";
import { FileStamp } from "../../files/file-stamp.js";
import { warnOfLittleSpace } from "../../files/free-space.js";
import { asyncIo, codeOf, type Io, ioFor, syncIo } from "../../files/io.js";
import { type Held, isLockedIn, keyLockIn, lockKind } from "../../files/locks/key-lock.js";
import { makeFolders } from "../../files/make-folders.js";
import { assertOwn } from "../../files/ownership.js";
import { lessUmask, type Permissions, PRIVATE, SHARED } from "../../files/permissions.js";
import { publish } from "../../files/publish.js";
import { type Cut, readFile, readPieces, WHOLE } from "../../files/read-file.js";
import { isBeingWritten } from "../../files/restore-file.js";
import { sweep, temporaryName } from "../../files/temporary.js";
import { type Flow, turn, wait } from "../../flow.js";
import { Folders } from "../folders.js";
import { type Aged, isExpired, type RetentionLimits, type SizeLimits } from "../limits.js";
import {
  ClearedError,
  type Content,
  type EntryStamp,
  type Evicted,
  type Folder,
  type FolderSize,
  type Listed,
  type Mark,
  type Publishing,
  type SeenFile,
  type Store,
  type StoredFolder,
} from "../store.js";
import { digitsIn, ENTRY, fileOf, isForPeople } from "./entry-file.js";
import {
  dropContents,
  isKeptContent,
  isKeptFile,
  isWholeContent,
  KEPT_FOLDER,
  keepContent,
  keptFileOf,
  removeContent,
} from "./kept-contents.js";
import { EntryTable, NONE, sortedRows, TIME_BITS, ticksOf } from "./ledger/entry-table.js";
import { Ledger, writtenLine } from "./ledger/ledger.js";
import { type Found, type Victim, Victims } from "./ledger/victims.js";
import { noteRemoval, removalsIn, wasRemoved } from "./removals.js";

export interface FileStoreOptions {
  /** Others may use it, too: what is made is not private, and whose the directory is does not matter. Default: `false`. */
  readonly isShared?: boolean | undefined;
  /** Throws where the directory is not to be trusted; asked before it is first used, also of a shared one. */
  readonly assertUsable?: (() => void) | undefined;
}

/**
 * Entries as files:
 *
 *     <dir>/CACHEDIR.TAG                             tells backup programs that this is a cache
 *     <dir>/a/b/=1/3f/<38 hex digits>.entry          path a/b; one of 256 folders; the rest of the digest
 *     <dir>/a/b/=1/3f/b_12_<20 hex digits>.entry     the same with a name for people, see readable-name.ts
 *     <dir>/a/b/=1=v2/...                            the same path, version "2"
 *     <dir>/=_ledger                                 for retention, see ledger.ts
 *     <dir>/=_locks, <dir>/a/b/=1/=_locks            of out paths, of keys, see key-lock.ts
 *     <dir>/=_tmp/<where>-<pid>-<random>             being written, or being deleted
 *     <dir>/a/b/=1/=kept/...                         contents of out files, see kept-contents.ts
 *
 * Directories are private to the user, and others' are not used, unless the store is shared. Below `<dir>`, which is
 * resolved once, no symbolic link is followed. The process gets along with folders that others remove at any time, up to
 * `<dir>` itself: what is gone is made again.
 */
export class FileStore implements Store {
  readonly sync = true;
  readonly hasStamps = true;
  readonly #root: Root;
  readonly #folders = new Folders((names) => new FileFolder(this.#root, names.split("/")));

  private constructor(dir: string, options: FileStoreOptions) {
    this.#root = new Root(dir, options);
  }

  static readonly #stores = new Map<string, FileStore>();

  /** The store in a directory; the same object for the same directory and the same rules. Makes nothing. */
  static at(dir: string, options: FileStoreOptions = {}): FileStore {
    const path = resolve(dir);
    const name = `${options.isShared ? "shared" : "own"} ${options.assertUsable ? "checked" : "unchecked"} ${path}`;
    let store = FileStore.#stores.get(name);
    if (!store) {
      store = new FileStore(path, options);
      FileStore.#stores.set(name, store);
    }
    return store;
  }

  get directory(): string {
    return this.#root.given;
  }

  get lock(): string {
    return lockKind();
  }

  folder(identity: Identity): FileFolder {
    return this.#folders.of(identity);
  }

  exists(): boolean {
    return this.#root.exists();
  }

  async *folders(path?: string): AsyncGenerator<StoredFolder, void> {
    for (const names of path === undefined ? this.#root.folders() : this.#root.foldersOf(path)) {
      yield {
        path: pathOfFolder(names.slice(0, -1).join("/")),
        name: names.at(-1)!,
        folder: this.#folders.named(names.join("/")),
      };
      await turn();
    }
  }

  async prune(limits: RetentionLimits, onProgress?: (progress: WorkProgress) => void): Promise<Evicted[]> {
    const gone: Evicted[] = [];
    let [done, total] = [0, 0];
    for (const found of this.#root.beyond(limits)) {
      total = done + found.total;
      if (done === 0) onProgress?.({ done, total });
      for (const batch of batchesOf(found.victims)) {
        gone.push(...this.#root.evict(batch));
        for (const _ of batch) onProgress?.({ done: ++done, total });
        await turn();
      }
    }
    if (total === 0) onProgress?.({ done, total });
    return gone;
  }

  temporary(): string {
    this.#root.make();
    return this.#root.temporary();
  }

  async close(): Promise<void> {}
}

/**
 * Entries removed before others have their turn. Also those that the ledger forgets at once, before they go: as many stay
 * unknown to it where the process is killed between.
 */
const AT_ONCE = 64;

function* batchesOf(victims: Iterable<Victim>): Generator<Victim[], void> {
  let batch: Victim[] = [];
  for (const victim of victims) {
    batch.push(victim);
    if (batch.length < AT_ONCE) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

/** For backup programs, see https://bford.info/cachedir/ */
const CACHE_TAG =
  "Signature: 8a477f597d28d172789f06886806bc55\n# This directory is a cache of permacache: it can be recomputed.\n";

/** Entries up to this size, in bytes, are written synchronously also for async functions: a tenth of a millisecond. */
const SMALL = 64 * 1024;

/** The directory of a store, made when it is first written to. */
class Root {
  #real: string | undefined;
  #swept = false;

  readonly ledger: Ledger;
  /** Whether this process has noted a use, or wanted to. */
  isUseNoted = false;
  readonly permissions: Permissions;
  readonly #options: FileStoreOptions;

  constructor(
    readonly given: string,
    options: FileStoreOptions,
  ) {
    this.#options = options;
    this.permissions = options.isShared ? SHARED : PRIVATE;
    this.ledger = new Ledger(join(given, LEDGER), this.permissions.file);
  }

  /** @returns the directory without links on the way to it. @throws StoreError where it is not to be trusted */
  #resolved(): string {
    this.#options.assertUsable?.();
    const real = this.#real ?? realpathSync(this.given);
    if (!this.#options.isShared) assertOwn(real);
    return real;
  }

  /** The directory without links on the way to it; `undefined` while it is not there. */
  get(): string | undefined {
    if (this.#real === undefined) {
      if (isThere(this.given)) this.#real = this.#resolved();
      else this.#options.assertUsable?.();
    }
    return this.#real;
  }

  make(): string {
    const first = makeFolders(this.#real ?? this.given, this.permissions.folder);
    this.#real = this.#resolved(); // somebody may have been quicker
    // Never into a directory that holds something else: backups would skip that, too.
    if (first !== undefined || readdirSync(this.#real).length === 0) tag(this.#real, this.permissions.file);
    return this.#real;
  }

  /** Whether it is the directory of a store: what else holds files is none. */
  exists(): boolean {
    const root = this.get();
    return root !== undefined && (isStore(entriesIn(root)) || isTagged(root));
  }

  /** All folders of entries, by their names from the directory, in the order of their paths. No link is followed. */
  folders(): Generator<readonly string[], void> {
    return this.#foldersBelow([]);
  }

  /** Those of one path. */
  *foldersOf(path: string): Generator<readonly string[], void> {
    const names = folderNames({ path }).slice(0, -1);
    const root = this.get();
    if (root === undefined || !leadsThroughFolders(root, `${names.join("/")}/`)) return;
    const isOfOther = names.some((_, i) => isStore(entriesIn(join(root, ...names.slice(0, i + 1)))));
    if (!isOfOther) yield* this.#foldersIn(names);
  }

  *#foldersIn(names: readonly string[]): Generator<readonly string[], void> {
    const found = this.#directoriesIn(names).filter(isEntriesFolder);
    for (const name of found.sort()) yield [...names, name];
  }

  *#foldersBelow(names: readonly string[]): Generator<readonly string[], void> {
    const steps = this.#directoriesIn(names).flatMap((name) => {
      const segment = segmentOfFolder(name);
      const inner = [...names, name];
      if (segment === undefined || !isPath(pathOfFolder(inner.join("/")))) return [];
      // The order of paths is not that of a tree: `a`, `a-b`, `a/b`.
      return [
        { at: segment, folders: () => this.#foldersIn(inner) },
        { at: `${segment}/`, folders: () => this.#foldersBelow(inner) },
      ];
    });
    for (const { folders } of steps.sort((a, b) => (a.at < b.at ? -1 : 1))) yield* folders();
  }

  /** Nothing where another store has its directory: what is in that is not ours. */
  #directoriesIn(names: readonly string[]): string[] {
    const root = this.get();
    const found = root === undefined ? [] : entriesIn(join(root, ...names));
    if (names.length > 0 && isStore(found)) return [];
    return found.filter((each) => each.isDirectory()).map(({ name }) => name);
  }

  /** All shards that hold entries, of a path or of all. */
  *#shards(path?: string): Generator<{ readonly folder: string; readonly shard: string; readonly location: string }> {
    for (const names of path === undefined ? this.folders() : this.foldersOf(path)) {
      const folder = names.join("/");
      for (const each of entriesIn(`${this.#real}/${folder}`)) {
        if (!SHARD.test(each.name) || !each.isDirectory()) continue;
        yield { folder, shard: each.name, location: `${this.#real}/${folder}/${each.name}` };
      }
    }
  }

  /** Makes the ledger, from what the directory tells: of entries that nobody noted uses are not known. */
  #makeLedger(): void {
    const start = this.#clock();
    const table = new EntryTable();
    for (const { folder, shard, location } of this.#shards()) {
      for (const [digits, aged] of agedIn(shard, location)) table.add(folder, digits, aged);
    }
    this.ledger.make(this.temporary(), table);
    // What was written while it was made is in neither. It is looked for once more, now that all note.
    for (const { folder, shard, location } of this.#shards()) {
      const { mtimeMs } = lstatSync(location, { throwIfNoEntry: false }) ?? { mtimeMs: 0 };
      if (mtimeMs < start - COARSE) continue;
      for (const name of namesIn(location)) {
        const digits = digitsIn(shard, name);
        const aged = digits === undefined || table.find(folder, digits) !== NONE ? undefined : agedAt(`${location}/${name}`); // biome-ignore format: one line
        if (aged) this.ledger.note(writtenLine(`${folder}/${shard}/${name}`, aged));
      }
    }
  }

  /** What time it is for the file system, which may be on another machine: ms since 1970. */
  #clock(): number {
    const file = this.temporary();
    writeFileSync(file, "", { flag: "wx", mode: this.permissions.file });
    const { mtimeMs } = lstatSync(file);
    unlinkSync(file);
    return mtimeMs;
  }

  /** Reads on in the ledger, and makes one where there is none. */
  catchUp(): void {
    if (this.get() === undefined) return;
    if (!this.ledger.readOn()) {
      this.#makeLedger();
      this.ledger.readOn();
    }
    this.ledger.tidy(() => this.temporary());
  }

  /**
   * What is beyond the limits, of the path with this folder or of all, by a look at every entry; at those in the ledger,
   * where there is one. It is to be evicted before more is asked for.
   */
  *beyond(limits: RetentionLimits, path?: string): Generator<Found, void> {
    if (!hasLimits(limits) || this.folders().next().done) return;
    const now = Date.now();
    // It is made for those of this process who note uses, though they may have nothing to write.
    const needUse = hasLimits({ ...limits, maxAge: undefined });
    if (!this.ledger.readOn() && !(needUse && this.isUseNoted))
      return yield* this.#beyondInDirectory(limits, now, path);
    for (let total = Number.POSITIVE_INFINITY; total > MANY; ) {
      this.catchUp();
      const found = this.ledger.index.beyond(path, limits, now, MANY);
      if (found.total > 0) yield* this.#withIndex(found);
      total = found.total;
    }
  }

  /** The index has forgotten what is given: if whoever evicts it stops before the end, it has to be read anew. */
  *#withIndex(found: Found): Generator<Found, void> {
    let isDone = false;
    try {
      yield found;
      isDone = true;
    } finally {
      if (!isDone) this.ledger.forget();
    }
  }

  /**
   * Where there is no ledger, nobody has noted uses: the files tell all that is known. Where age alone counts, only what
   * goes is remembered, and of that no more than a part; where an order is needed, 48 bytes for each entry.
   */
  *#beyondInDirectory(limits: RetentionLimits, now: number, path: string | undefined): Generator<Found, void> {
    const needsOrder = limits.maxEntries !== undefined || limits.maxBytes !== undefined;
    let table = new EntryTable();
    const found = () => {
      const victims = new Victims(table);
      const usedAt = (row: number) => ticksOf(table.usedAt(row));
      victims.select(
        () => table.rows(),
        () => sortedRows(table.rows(), table.size, table.end, usedAt, TIME_BITS),
        limits,
        now,
      );
      return { total: victims.size, victims };
    };
    for (const { folder, shard, location } of this.#shards(path === undefined ? undefined : pathOfFolder(path))) {
      for (const [digits, aged] of agedIn(shard, location)) {
        if (needsOrder || isExpired(aged, limits, now)) table.add(folder, digits, aged);
      }
      if (needsOrder || table.size < MANY) continue;
      yield found();
      table = new EntryTable();
    }
    if (table.size > 0) yield found();
  }

  /**
   * Removes entries, of which the index knows nothing any more: where that fails, it has to be read anew.
   * @throws what the system throws
   */
  evict(batch: readonly Victim[]): Evicted[] {
    try {
      return this.#evict(batch);
    } catch (error) {
      this.ledger.forget();
      throw error;
    }
  }

  /**
   * The ledger is told first. No link is followed that was there before.
   * @returns what is told of those that were not gone already
   * @throws what the system throws for one, once the others are removed: the ledger has none of them any more
   */
  #evict(batch: readonly Victim[]): Evicted[] {
    const removal = new Removal(this.get()!);
    const named = batch.map((victim) => ({ ...victim, names: removal.namesOf(victim) }));
    this.ledger.note(...named.flatMap(({ folder, names }) => names.map((name) => `- ${folder}/${name}`)));
    const gone: Evicted[] = [];
    const errors: unknown[] = [];
    for (const { folder, names, evicted } of named) {
      try {
        if (names.filter((name) => removal.remove(folder, name)).length > 0) gone.push(evicted);
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw errors[0];
    return gone;
  }

  /** @throws StoreError where there is a link or a file in its place */
  makeFolder(folder: string): void {
    try {
      mkdirSync(folder, { mode: this.permissions.folder });
    } catch (error) {
      if (codeOf(error) !== "EEXIST") throw error;
      isFolder(folder);
    }
  }

  /** A path for a new temporary file or folder. The first time, what dead owners left behind is removed. */
  temporary(): string {
    const folder = join(this.#real!, TEMPORARIES);
    if (!isFolder(folder)) {
      this.make();
      this.makeFolder(folder);
    }
    if (!this.#swept) {
      this.#swept = true;
      sweep(folder);
    }
    return join(folder, temporaryName());
  }
}

/** Out of reach, or a file, is not there: making it will tell. */
function isThere(directory: string): boolean {
  try {
    return statSync(directory, { throwIfNoEntry: false })?.isDirectory() ?? false;
  } catch {
    return false;
  }
}

const TAG_FILE = "CACHEDIR.TAG";

function tag(directory: string, mode: number): void {
  try {
    writeFileSync(join(directory, TAG_FILE), CACHE_TAG, { flag: "wx", mode });
  } catch (error) {
    if (codeOf(error) !== "EEXIST") throw error; // another process was quicker
  }
}

function isTagged(directory: string): boolean {
  const file = join(directory, TAG_FILE);
  const stats = lstatSync(file, { throwIfNoEntry: false });
  return stats?.isFile() === true && stats.size === CACHE_TAG.length && readFileSync(file, "utf8") === CACHE_TAG;
}

/** Whether a directory that holds these is that of a store. */
function isStore(entries: readonly Dirent[]): boolean {
  return entries.some(
    (each) => (each.name === TEMPORARIES && each.isDirectory()) || (each.name === LEDGER && each.isFile()),
  );
}

/** `=_` begins no escape in the name of a path. */
const TEMPORARIES = "=_tmp";
const LEDGER = "=_ledger";

/** Whether no part of the way to a file is a link, or missing. */
function leadsThroughFolders(root: string, name: string): boolean {
  let folder = root;
  return name
    .split("/")
    .slice(0, -1)
    .every((part) => {
      folder = join(folder, part);
      return lstatSync(folder, { throwIfNoEntry: false })?.isDirectory() ?? false;
    });
}

/** The removal of some entries. What leads to them is looked at once, right before. */
class Removal {
  readonly #root: string;
  /** Of folders: whether they are some, and no links, as all on the way to them. */
  readonly #seen = new Map<string, boolean>();
  readonly #names = new Map<string, string[]>();
  readonly #keeps = new Map<string, boolean>();

  constructor(root: string) {
    this.#root = root;
  }

  /** From the folder of the entry. */
  namesOf({ folder, digits }: Victim): string[] {
    const name = fileOf(digits);
    if (!isForPeople(digits)) return [name];
    const shard = digits.slice(0, 2);
    const end = `_${digits}${ENTRY}`;
    const found = this.#namesIn(`${folder}/${shard}`).filter((each) => each.endsWith(end));
    return found.length > 0 ? found.map((each) => `${shard}/${each}`) : [name]; // the ledger is to forget it
  }

  #namesIn(shard: string): string[] {
    return once(this.#names, shard, () => (this.#leadsTo(shard) ? namesIn(`${this.#root}/${shard}`) : []));
  }

  #leadsTo(folder: string): boolean {
    return once(this.#seen, folder, () => {
      const before = folder.lastIndexOf("/");
      return (before < 0 || this.#leadsTo(folder.slice(0, before))) && isDirectory(`${this.#root}/${folder}`);
    });
  }

  /** False where it was gone already. */
  remove(folder: string, name: string): boolean {
    const file = `${this.#root}/${folder}/${name}`;
    if (!this.#leadsTo(dirname(`${folder}/${name}`))) return false;
    try {
      unlinkSync(file);
    } catch (error) {
      if (codeOf(error) === "ENOENT") return false;
      throw error;
    }
    const path = `${this.#root}/${folder}`;
    if (once(this.#keeps, folder, () => isFolder(`${path}/${KEPT_FOLDER}`))) dropContents(path, file, []);
    return true;
  }
}

function once<T>(known: Map<string, T>, name: string, find: () => T): T {
  const value = known.get(name) ?? find();
  known.set(name, value);
  return value;
}

/** Milliseconds. Some file systems date by whole seconds, or by two. */
const COARSE = 2_000;

/** Entries that are found before they are removed. */
const MANY = 65_536;

/** The entries of a shard that are where a call looks for them, one after the other. */
function* agedIn(shard: string, location: string): Generator<[digits: string, aged: Aged], void> {
  for (const name of namesIn(location)) {
    const digits = digitsIn(shard, name);
    const aged = digits === undefined ? undefined : agedAt(`${location}/${name}`);
    if (aged) yield [digits!, aged];
  }
}

/** What a file tells of the entry in it: of its uses nothing. */
function agedAt(file: string): Aged | undefined {
  const stats = lstatSync(file, { throwIfNoEntry: false });
  return stats?.isFile() ? { bytes: stats.size, createdAt: stats.mtimeMs, usedAt: stats.mtimeMs } : undefined;
}

/** @throws StoreError where there is a link or a file in its place */
function isFolder(folder: string): boolean {
  const stats = lstatSync(folder, { throwIfNoEntry: false });
  if (stats && !stats.isDirectory()) {
    throw new StoreError(
      `${folder} is a link or a file where the cache expects a folder of its own. Remove it, or choose another \`dir\`.`,
    );
  }
  return stats !== undefined;
}

export class FileFolder implements Folder {
  readonly #root: Root;
  readonly #names: readonly string[];
  /** How often this process cleared the folder: one made anew may get the inode and the time of the old one. */
  #clears = 0;
  /** The shards that this process has seen to be folders, behind folders: no links. Only for reading. */
  readonly #seen = new Set<string>();
  #path: string | undefined;
  /** The entry that was asked for last and is not there. */
  #absent: string | undefined;
  /** Bytes kept for entries that are about to be published. */
  readonly #kept = new Map<string, number>();

  constructor(root: Root, names: readonly string[]) {
    this.#root = root;
    this.#names = names;
  }

  get directory(): string {
    return this.#root.given;
  }

  get location(): string {
    return join(this.#root.given, ...this.#names);
  }

  /** `undefined` while the directory of the store is not there. */
  #get(): string | undefined {
    if (this.#path === undefined) {
      const root = this.#root.get();
      if (root !== undefined) this.#path = join(root, ...this.#names);
    }
    return this.#path;
  }

  /** The name of an entry from the folder: first the one it is written under, then the other. */
  #namesOf(digest: string, readable: ReadableName | undefined): [string, ...string[]] {
    const hash = fileOf(digest);
    if (!readable) return [hash];
    const forPeople = `${digest.slice(0, 2)}/${readable.file}`;
    return readable.isPreferred ? [forPeople, hash] : [hash, forPeople];
  }

  /** From the directory of the store, as the ledger has it. */
  #inLedger(name: string): string {
    return `${this.#names.join("/")}/${name}`;
  }

  #fileOf(digest: string): string {
    return `${this.#path}/${fileOf(digest)}`;
  }

  /** Whether the folder, or what is in it under this name, is there. @throws StoreError where it, or a folder on the way to it, is a link */
  #has(...inner: string[]): boolean {
    let folder = this.#root.get();
    if (folder === undefined || this.#get() === undefined) return false;
    for (const name of [...this.#names, ...inner]) {
      folder = `${folder}/${name}`;
      if (!isFolder(folder)) return false;
    }
    return true;
  }

  read(digest: string, async: boolean, readable?: ReadableName): Buffer | undefined | Promise<Buffer | undefined> {
    return this.#read(digest, async, readable, WHOLE) as ReturnType<typeof readFile>;
  }

  readPieces(digest: string, async: boolean, readable?: ReadableName): ReturnType<typeof readPieces> {
    return this.#read(digest, async, readable, piecesOf);
  }

  #read(digest: string, async: boolean, readable: ReadableName | undefined, cut: Cut): ReturnType<typeof readPieces> {
    const shard = digest.slice(0, 2);
    if (!this.#seen.has(shard)) {
      if (!this.#has(shard)) return undefined;
      this.#seen.add(shard);
    }
    const first = readable?.isPreferred ? `${this.#path}/${shard}/${readable.file}` : this.#fileOf(digest);
    // What was absent is asked for again under its lock. To look is cheaper than to fail: 2 us against 6.
    const found = digest === this.#absent && !existsSync(first) ? undefined : readPieces(first, async, cut);
    this.#absent = undefined;
    if (found !== undefined) return found;
    const other = readable && `${this.#path}/${this.#namesOf(digest, readable)[1]}`;
    if (other !== undefined && existsSync(other)) return readPieces(other, async, cut);
    this.#absent = digest;
    return undefined;
  }

  stamp(digest: string, readable?: ReadableName): EntryStamp | undefined {
    const shard = digest.slice(0, 2);
    if (!this.#seen.has(shard)) return undefined; // only `read` looks for links on the way
    const stamp = FileStamp.of(
      readable?.isPreferred ? `${this.#path}/${shard}/${readable.file}` : this.#fileOf(digest),
    );
    return stamp ?? (readable && FileStamp.of(`${this.#path}/${this.#namesOf(digest, readable)[1]}`));
  }

  mark(): Mark {
    for (let attempt = 1; ; attempt++) {
      const mark = this.#has() ? this.#now() : undefined;
      if (mark !== undefined) return mark;
      if (attempt === 10) throw new StoreError(`${this.#path} vanishes whenever it is made.`);
      let folder = this.#root.make();
      for (const name of this.#names) {
        folder = join(folder, name);
        this.#root.makeFolder(folder);
      }
    }
  }

  /** The mark of the folder as it is, `undefined` where there is none. */
  #now(): Mark | undefined {
    const path = this.#get();
    const stats = path === undefined ? undefined : lstatSync(path, { throwIfNoEntry: false });
    if (!stats) return undefined;
    // The inode alone would not do: file systems give a freed one to the next file.
    return `${stats.dev} ${stats.ino} ${stats.birthtimeMs} ${this.#clears}|${removalsIn(path!)}` as Mark;
  }

  /** Whether the folder was cleared, or an entry removed, since a mark was taken. */
  #isGone(digest: string, mark: Mark): boolean {
    const now = this.#now();
    if (now === mark) return false;
    const [folder, removals] = mark.split("|");
    return now?.split("|")[0] !== folder || wasRemoved(this.#path!, digest, removals!);
  }

  tryLock(digest: string): Held | undefined {
    if (!this.#has()) this.mark(); // makes it
    return keyLockIn(this.#path!, this.#root.permissions).tryLock(digest);
  }

  lockHolder(digest: string): string | undefined {
    return this.#has() ? keyLockIn(this.#path!, this.#root.permissions).holder(digest) : undefined;
  }

  tryLockPath(digest: string, makes: boolean): Held | undefined {
    const root = makes ? this.#root.make() : this.#root.get();
    // Who changes nothing makes no lock file either: where there is none, nobody holds a path.
    if (root === undefined || !(makes || isLockedIn(root))) return { release() {} };
    return keyLockIn(root, this.#root.permissions).tryLock(digest);
  }

  pathHolder(digest: string): string | undefined {
    const root = this.#root.get();
    return root === undefined ? undefined : keyLockIn(root, this.#root.permissions).holder(digest);
  }

  *publish(digest: string, parts: readonly Uint8Array[], mark: Mark, how: Publishing): Flow<boolean> {
    const { isCurrent, async, isDurable, readable } = how;
    const isGone = () => this.#isGone(digest, mark);
    const isWanted = () => isCurrent() && !isGone();
    if (!isCurrent() || !isFolder(this.#path!)) return false;
    const [name, ...others] = this.#namesOf(digest, readable);
    const target = `${this.#path}/${name}`;
    const shard = digest.slice(0, 2);
    const isReady = () => isWanted() && (this.#has(shard) || this.#makeShard(shard));
    const mode = this.#root.permissions.file;
    const size = parts.reduce((total, part) => total + part.length, 0);
    const whole = size > SMALL ? parts : [Buffer.concat(parts)]; // one write
    const write = (io: Io) => publish(target, this.#root.temporary(), whole, io, isReady, isDurable, mode);
    let io = async && size > SMALL ? asyncIo : syncIo;
    for (let attempt = 1; ; attempt++) {
      try {
        const isPublished = yield* write(io);
        const now = Date.now();
        const bytes = size + (this.#kept.get(digest) ?? 0);
        this.#kept.delete(digest);
        if (isPublished && isGone()) {
          this.#unlink(name); // in the moment between the last look and the renaming
          return false;
        }
        if (isPublished) {
          this.#root.ledger.note(writtenLine(this.#inLedger(name), { bytes, createdAt: now, usedAt: now }));
          for (const other of others) if (existsSync(`${this.#path}/${other}`)) this.#unlink(other); // it would be older
          warnOfLittleSpace(this.#path!);
        }
        return isPublished;
      } catch (error) {
        const code = codeOf(error);
        if (attempt === 3) throw error;
        if (async && ["EMFILE", "ENFILE"].includes(code)) io = asyncIo;
        // Somebody put a folder in the place of the entry: it goes the way of what is cleared.
        else if (isDirectory(target)) this.#setAside(target);
        else throw error;
      }
    }
  }

  /** False where the folder is gone. */
  #makeShard(shard: string): boolean {
    try {
      mkdirSync(join(this.#path!, shard), { mode: this.#root.permissions.folder });
    } catch (error) {
      if (codeOf(error) === "ENOENT") return false;
      if (codeOf(error) !== "EEXIST") throw error;
    }
    return this.#has(shard);
  }

  remove(digest: string, readable?: ReadableName): boolean {
    if (!this.#has()) return false;
    // First: what is published from now on was begun before.
    if (!noteRemoval(this.#path!, digest, this.#root.permissions.file)) return false;
    if (!this.#has(digest.slice(0, 2))) return false;
    const removed = this.#namesOf(digest, readable).filter((name) => this.#unlink(name));
    if (removed.length > 0) this.dropKept(digest, []);
    return removed.length > 0;
  }

  /** Removes an entry. False where there is none. */
  #unlink(name: string): boolean {
    const file = `${this.#path}/${name}`;
    try {
      unlinkSync(file);
    } catch (error) {
      if (codeOf(error) === "ENOENT" || isDirectory(file)) return false;
      throw error;
    }
    this.#root.ledger.note(`- ${this.#inLedger(name)}`);
    return true;
  }

  /** The name under which the ledger has the entry. */
  #known(digest: string, readable: ReadableName | undefined): string {
    const { index } = this.#root.ledger;
    const [hash] = this.#namesOf(digest, undefined);
    // The name for people is made of the key: not on every hit, where that is not needed.
    if (!readable || index.has(this.#inLedger(hash))) return this.#inLedger(hash);
    const forPeople = this.#inLedger(`${digest.slice(0, 2)}/${readable.file}`);
    return readable.isPreferred || index.has(forPeople) ? forPeople : this.#inLedger(hash);
  }

  hasOfOtherSource(digest: string, readable?: ReadableName): boolean {
    const own = this.#names.at(-1)!;
    const parent = this.#path && dirname(this.#path);
    if (!parent || !own.includes(SOURCE)) return false;
    const stem = own.slice(0, own.indexOf(SOURCE) + SOURCE.length);
    const others = namesIn(parent).filter((name) => name !== own && name.startsWith(stem));
    return others.some((other) =>
      this.#namesOf(digest, readable).some((name) => existsSync(join(parent, other, name))),
    );
  }

  use(digest: string, readable?: ReadableName): void {
    const name = this.#known(digest, readable);
    const now = Date.now();
    const { ledger } = this.#root;
    this.#root.isUseNoted = true;
    const before = ledger.index.usedAt(name);
    ledger.index.use(name, now);
    if (before === undefined || now - before > TOUCH) ledger.note(`u ${name} ${now}`);
  }

  usedAt(digest: string, readable?: ReadableName): number | undefined {
    const { ledger } = this.#root;
    ledger.readOn();
    return ledger.index.usedAt(this.#known(digest, readable));
  }

  retain(own: RetentionLimits, whole: SizeLimits): Evicted[] {
    this.#root.catchUp();
    const { index } = this.#root.ledger;
    const now = Date.now();
    return [...this.#evict(index.next(this.#pathFolder, own, now)), ...this.#evict(index.next(undefined, whole, now))];
  }

  prune(own: RetentionLimits, whole: SizeLimits): Evicted[] {
    if (this.#root.get() !== undefined) this.#root.ledger.readOn(); // throws where the directory is none any more
    const gone: Evicted[] = [];
    for (const found of [this.#root.beyond(own, this.#pathFolder), this.#root.beyond(whole)]) {
      for (const { victims } of found) for (const each of this.#evict(victims)) gone.push(each);
    }
    return gone;
  }

  *#evict(victims: Iterable<Victim>): Generator<Evicted, void, undefined> {
    for (const batch of batchesOf(victims)) yield* this.#root.evict(batch);
  }

  /** That of all versions. */
  get #pathFolder(): string {
    return this.#names.slice(0, -1).join("/");
  }

  *keep(digest: string, file: SeenFile, async: boolean): Flow<void> {
    const shard = digest.slice(0, 2);
    const isHere = () => this.#has(shard) || this.#makeShard(shard);
    try {
      if (isHere()) return yield* this.#keep(digest, file, async);
    } catch (error) {
      if (isHere()) throw error;
    }
    throw new ClearedError(`${this.location} was cleared meanwhile`);
  }

  *#keep(digest: string, file: SeenFile, async: boolean): Flow<void> {
    for (const name of [KEPT_FOLDER, join(KEPT_FOLDER, file.sha256.slice(0, 2))])
      this.#root.makeFolder(join(this.#path!, name));
    const mode = lessUmask(this.#root.permissions.file);
    const newTemporary = () => this.#root.temporary();
    yield* keepContent(this.#path!, this.#fileOf(digest), file, newTemporary, mode, ioFor(async));
    this.#kept.set(digest, (this.#kept.get(digest) ?? 0) + file.stamp.size);
  }

  keptFile(digest: string, sha256: string): string {
    return keptFileOf(this.#fileOf(digest), sha256);
  }

  dropKept(digest: string, except: readonly string[]): void {
    if (!this.#has(KEPT_FOLDER)) return; // nothing was ever kept here
    dropContents(this.#path!, this.#fileOf(digest), except);
  }

  /** Set aside first, then deleted: a recursive delete beside a writer fails, and would let it write into what is going. */
  *clear(async: boolean): Flow<number> {
    this.#clears++;
    if (!this.#has()) return 0;
    const aside = this.#setAside(this.#path!);
    if (aside === undefined) return 0;
    this.#root.ledger.note(`c ${this.#names.join("/")}`);
    let count = 0;
    for (const shard of shardsOf(aside)) count += entriesOf(join(aside, shard)).length;
    try {
      yield* wait(async ? rm(aside, DELETE) : rmSync(aside, DELETE));
    } catch {
      // The entries are gone all the same; what is left of them goes with the next sweep after this process.
    }
    return count;
  }

  /** Where it is now, `undefined` where it was gone already. */
  #setAside(path: string): string | undefined {
    const aside = this.#root.temporary();
    try {
      renameSync(path, aside);
      return aside;
    } catch (error) {
      if (codeOf(error) === "ENOENT") return undefined;
      throw error;
    }
  }

  *list(): Generator<readonly Listed[], void> {
    if (!this.#has()) return;
    for (const shard of shardsOf(this.#path!)) {
      if (!this.#has(shard)) continue;
      const listed: Listed[] = [];
      for (const name of namesIn(`${this.#path}/${shard}`)) {
        const digest = digitsIn(shard, name);
        if (digest !== undefined) listed.push(this.#listed(shard, name, digest));
      }
      yield listed;
    }
  }

  #listed(shard: string, name: string, digest: string): Listed {
    return {
      digest,
      // Thousands wait for their turn, and for the collector: the path is made when it is wanted.
      read: () => readFile(`${this.#path}/${shard}/${name}`, false) as Buffer | undefined,
    };
  }

  *sizes(): Generator<FolderSize, void> {
    if (!this.#has()) return;
    for (const { name, files } of this.#shards()) {
      const size = { entries: 0, bytes: 0, newest: 0 };
      for (const each of files) {
        const isEntry = isEntryOf(name, each.name);
        if (!each.isFile() || !(isEntry || isKeptFile(each.name))) continue;
        const stats = lstatSync(`${this.#path}/${name}/${each.name}`, { throwIfNoEntry: false });
        if (!stats) continue;
        // What has other names is one of the contents below.
        if (isEntry || stats.nlink === 1) size.bytes += stats.size;
        if (!isEntry) continue;
        size.entries++;
        size.newest = Math.max(size.newest, stats.mtimeMs);
      }
      yield size;
    }
    for (const { folder, files } of this.#keptShards()) {
      const sizes = files.map(({ name }) => lstatSync(`${folder}/${name}`, { throwIfNoEntry: false })?.size ?? 0);
      yield { entries: 0, bytes: sizes.reduce((total, size) => total + size, 0), newest: 0 };
    }
  }

  *contents(): Generator<readonly Content[], void> {
    if (!this.#has()) return;
    for (const { name } of entriesIn(this.#path!).filter((each) => SHARD.test(each.name) && !each.isDirectory())) {
      yield [this.#strange(name)];
    }
    for (const { name, files } of this.#shards()) {
      yield files.flatMap((each) => this.#contentOf(name, each) ?? []);
    }
    for (const { name, files } of this.#keptShards()) {
      yield files.flatMap((each) => {
        const inner = `${KEPT_FOLDER}/${name}/${each.name}`;
        if (isBeingWritten(each.name, `${this.#path}/${inner}`)) return [];
        return each.isFile() && isKeptContent(each.name) ? [this.#keptContent(inner)] : [this.#strange(inner)];
      });
    }
  }

  #contentOf(shard: string, file: Dirent): Content | undefined {
    const name = `${shard}/${file.name}`;
    const digest = file.isFile() ? digitsIn(shard, file.name) : undefined;
    if (digest !== undefined) {
      const remove = () => {
        if (this.#unlink(name) && this.#has(KEPT_FOLDER)) dropContents(this.#path!, `${this.#path}/${name}`, []);
      };
      return { kind: "entry", location: join(this.location, name), remove, ...this.#listed(shard, file.name, digest) };
    }
    if (isBeingWritten(file.name, `${this.#path}/${name}`)) return undefined;
    if (!file.isFile() || !isKeptFile(file.name)) return this.#strange(name);
    const stats = lstatSync(`${this.#path}/${name}`, { throwIfNoEntry: false });
    // What has other names is one of the contents, and is looked at there.
    return stats?.nlink === 1 ? this.#keptContent(name) : undefined;
  }

  #keptContent(name: string): Content {
    const file = `${this.#path}/${name}`;
    return {
      kind: "kept",
      location: join(this.location, name),
      isWhole: () => isWholeContent(file),
      remove: () =>
        removeContent(
          file,
          shardsOf(this.#path!).map((shard) => `${this.#path}/${shard}`),
        ),
    };
  }

  #strange(name: string): Content {
    const remove = () => {
      const aside = this.#setAside(`${this.#path}/${name}`);
      if (aside !== undefined) rmSync(aside, DELETE);
    };
    return { kind: "strange", location: join(this.location, name), remove };
  }

  /** One after the other, with what is in them. */
  *#shards(): Generator<{ name: string; files: Dirent[] }, void> {
    for (const { name } of entriesIn(this.#path!).filter((each) => SHARD.test(each.name) && each.isDirectory())) {
      yield { name, files: entriesIn(`${this.#path}/${name}`) };
    }
  }

  *#keptShards(): Generator<{ name: string; folder: string; files: Dirent[] }, void> {
    if (!this.#has(KEPT_FOLDER)) return;
    for (const each of entriesIn(`${this.#path}/${KEPT_FOLDER}`)) {
      const folder = `${this.#path}/${KEPT_FOLDER}/${each.name}`;
      if (SHARD.test(each.name) && each.isDirectory()) yield { name: each.name, folder, files: entriesIn(folder) };
    }
  }
}

function hasLimits(limits: RetentionLimits): boolean {
  return Object.values(limits).some((limit) => limit !== undefined);
}

/** Milliseconds. Of one process an entry's use is noted for others at most so often. */
const TOUCH = 1_000;

const DELETE = { recursive: true, force: true } as const;

function isDirectory(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

const SHARD = /^[0-9a-f]{2}$/;

function shardsOf(folder: string): string[] {
  return namesIn(folder)
    .filter((name) => SHARD.test(name))
    .sort();
}

/** The entries that are where a call looks for them. */
function entriesOf(shard: string): string[] {
  const digits = basename(shard);
  return namesIn(shard).filter((name) => isEntryOf(digits, name));
}

function isEntryOf(shard: string, name: string): boolean {
  return digitsIn(shard, name) !== undefined;
}

/** In no order: `readdirSync` sorts, which is a fortieth of reading all the entries. */
function namesIn(folder: string): string[] {
  return absentAsNone(() => {
    const open = opendirSync(folder);
    try {
      const names: string[] = [];
      for (let each = open.readSync(); each; each = open.readSync()) names.push(each.name);
      return names;
    } finally {
      open.closeSync();
    }
  });
}

function entriesIn(folder: string): Dirent[] {
  return absentAsNone(() => readdirSync(folder, { withFileTypes: true }));
}

function absentAsNone<T>(read: () => T[]): T[] {
  try {
    return read();
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes(codeOf(error))) return [];
    throw error;
  }
}

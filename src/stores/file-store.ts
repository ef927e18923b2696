import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { rm } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { StoreError } from "../errors.js";
import { asyncIo, codeOf, type Io, syncIo } from "../files/io.js";
import { publish, randomName } from "../files/publish.js";
import { readFile } from "../files/read-file.js";
import { sweep, temporaryName } from "../files/temporary.js";
import { type Flow, wait } from "../flow.js";
import { folderNames, type Identity, identityText } from "../identity.js";
import type { Folder, Listed, Mark, Store } from "./store.js";

/**
 * Entries as files:
 *
 *     <dir>/CACHEDIR.TAG                             tells backup programs that this is a cache
 *     <dir>/a/b/=1/3f/<38 hex digits>.entry          path a/b; one of 256 folders; the rest of the digest
 *     <dir>/a/b/=1=v2/...                            the same path, version "2"
 *     <dir>/=tmp/<where>-<pid>-<random>              being written
 *     <dir>/=aside/<random>                          being deleted
 *
 * Directories are private to the user. Below `<dir>`, which is resolved once, no symbolic link is followed.
 */
export class FileStore implements Store {
  readonly sync = true;
  readonly #root: Root;
  readonly #folders = new Map<string, FileFolder>();

  private constructor(dir: string) {
    this.#root = new Root(dir);
  }

  static readonly #stores = new Map<string, FileStore>();

  /** The store in a directory; the same object for the same directory. Makes nothing. */
  static at(dir: string): FileStore {
    const path = resolve(dir);
    let store = FileStore.#stores.get(path);
    if (!store) {
      store = new FileStore(path);
      FileStore.#stores.set(path, store);
    }
    return store;
  }

  folder(identity: Identity): Folder {
    const text = identityText(identity);
    let folder = this.#folders.get(text);
    if (!folder) {
      folder = new FileFolder(this.#root, folderNames(identity));
      this.#folders.set(text, folder);
    }
    return folder;
  }
}

/** Private to the user. */
const PRIVATE = { recursive: true, mode: 0o700 } as const;

/** For backup programs, see https://bford.info/cachedir/ */
const CACHE_TAG =
  "Signature: 8a477f597d28d172789f06886806bc55\n# This directory is a cache of permacache: it can be recomputed.\n";

/** Entries up to this size, in bytes, are written synchronously also for async functions: a tenth of a millisecond. */
const SMALL = 64 * 1024;

/** The directory of a store, made when it is first written to. */
class Root {
  #real: string | undefined;
  #swept = false;

  constructor(readonly given: string) {}

  /** The directory without links on the way to it; `undefined` while it is not there. */
  get(): string | undefined {
    if (this.#real === undefined && existsSync(this.given)) this.#real = realpathSync(this.given);
    return this.#real;
  }

  make(): string {
    const first = mkdirSync(this.given, PRIVATE);
    this.#real = realpathSync(this.given);
    // Never into a directory that holds something else: backups would skip that, too.
    if (first !== undefined || readdirSync(this.#real).length === 0)
      writeFileSync(join(this.#real, "CACHEDIR.TAG"), CACHE_TAG);
    return this.#real;
  }

  /** A path for a new temporary file. The first time, what dead writers left behind is removed. */
  temporary(): string {
    const folder = join(this.#real!, "=tmp");
    if (!this.#swept) {
      this.#swept = true;
      makePrivate(folder);
      this.sweep();
    }
    return join(folder, temporaryName());
  }

  sweep(): void {
    if (this.#real !== undefined) sweep(join(this.#real, "=tmp"), join(this.#real, "=aside"));
  }
}

function makePrivate(folder: string): void {
  mkdirSync(folder, PRIVATE);
  assertOwnFolder(folder);
}

/** @throws StoreError where there is a link or a file in the place of a folder */
function assertOwnFolder(folder: string): void {
  if (!lstatSync(folder).isDirectory()) {
    throw new StoreError(
      `${folder} is a link or a file where the cache expects a folder of its own. Remove it, or choose another \`dir\`.`,
    );
  }
}

class FileFolder implements Folder {
  readonly #root: Root;
  readonly #names: readonly string[];
  /** How often this process cleared the folder: one made anew may get the inode and the time of the old one. */
  #clears = 0;
  /** The shards that this process has seen to be folders, behind folders: no links. */
  readonly #checked = new Set<string>();
  #path: string | undefined;

  constructor(root: Root, names: readonly string[]) {
    this.#root = root;
    this.#names = names;
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

  #fileOf(digest: string): string {
    return `${this.#path}/${digest.slice(0, 2)}/${digest.slice(2)}.entry`;
  }

  /** Whether the shard is there. @throws StoreError where it, or a folder on the way to it, is a link */
  #has(shard: string): boolean {
    if (this.#checked.has(shard)) return true;
    const root = this.#root.get();
    if (root === undefined || this.#get() === undefined) return false;
    let folder = root;
    try {
      for (const name of [...this.#names, shard]) {
        folder = join(folder, name);
        assertOwnFolder(folder);
      }
    } catch (error) {
      if (codeOf(error) === "ENOENT") return false;
      throw error;
    }
    this.#checked.add(shard);
    return true;
  }

  read(digest: string, async: boolean): Buffer | undefined | Promise<Buffer | undefined> {
    return this.#has(digest.slice(0, 2)) ? readFile(this.#fileOf(digest), async) : undefined;
  }

  mark(): Mark {
    return this.#now() ?? this.#make();
  }

  /** The mark of the folder as it is, `undefined` where there is none. */
  #now(): Mark | undefined {
    const path = this.#get();
    if (path === undefined) return undefined;
    // The inode alone would not do: file systems give a freed one to the next file.
    const stats = statSync(path, { throwIfNoEntry: false });
    return stats && (`${stats.dev} ${stats.ino} ${stats.birthtimeMs} ${this.#clears}` as Mark);
  }

  #make(): Mark {
    if (this.#root.get() === undefined) this.#root.make();
    const path = this.#get()!;
    this.#checked.clear();
    mkdirSync(path, PRIVATE);
    const mark = this.#now();
    if (mark === undefined) throw new StoreError(`${path} vanished while it was made.`);
    return mark;
  }

  *publish(
    digest: string,
    parts: readonly Uint8Array[],
    mark: Mark,
    isCurrent: () => boolean,
    async: boolean,
  ): Flow<boolean> {
    const shard = digest.slice(0, 2);
    const isReady = () => isCurrent() && this.#now() === mark && (this.#has(shard) || this.#makeShard(shard));
    const isReadyAgain = () => {
      this.#checked.delete(shard); // another process cleared the folder
      return isReady();
    };
    const write = (io: Io) => publish(this.#fileOf(digest), this.#root.temporary(), parts, io, isReady, isReadyAgain);
    const size = parts.reduce((total, part) => total + part.length, 0);
    if (async && size > SMALL) return yield* write(asyncIo);
    try {
      return yield* write(syncIo);
    } catch (error) {
      if (async && ["EMFILE", "ENFILE"].includes(codeOf(error))) return yield* write(asyncIo);
      throw error;
    }
  }

  #makeShard(shard: string): boolean {
    try {
      mkdirSync(join(this.#path!, shard), { mode: PRIVATE.mode });
    } catch (error) {
      if (codeOf(error) === "ENOENT") return false;
      if (codeOf(error) !== "EEXIST") throw error;
    }
    return this.#has(shard);
  }

  remove(digest: string): boolean {
    if (!this.#has(digest.slice(0, 2))) return false;
    try {
      unlinkSync(this.#fileOf(digest));
      return true;
    } catch (error) {
      if (codeOf(error) === "ENOENT") return false;
      throw error;
    }
  }

  /** Set aside first, then deleted: a recursive delete beside a writer fails, and would let it write into what is going. */
  *clear(async: boolean): Flow<number> {
    this.#clears++;
    const root = this.#root.get();
    const path = this.#get();
    if (root === undefined || path === undefined || !existsSync(path)) return 0;
    const aside = join(root, "=aside", randomName());
    makePrivate(dirname(aside));
    assertOwnFolder(path);
    try {
      renameSync(path, aside);
    } catch (error) {
      if (codeOf(error) === "ENOENT") return 0;
      throw error;
    }
    this.#checked.clear();
    let count = 0;
    for (const shard of shardsOf(aside)) count += entriesOf(join(aside, shard)).length;
    yield* wait(async ? rm(aside, DELETE) : rmSync(aside, DELETE));
    this.#root.sweep();
    return count;
  }

  *list(): Generator<readonly Listed[], void> {
    const path = this.#get();
    if (path === undefined) return;
    for (const shard of shardsOf(path)) {
      if (!this.#has(shard)) continue;
      yield entriesOf(join(path, shard)).map((name) => {
        const digest = shard + name.slice(0, -ENTRY.length);
        return { digest, read: () => readFile(this.#fileOf(digest), false) as Buffer | undefined };
      });
    }
  }
}

const DELETE = { recursive: true, force: true } as const;
const ENTRY = ".entry";

function shardsOf(folder: string): string[] {
  return namesIn(folder).filter((name) => /^[0-9a-f]{2}$/.test(name));
}

function entriesOf(shard: string): string[] {
  return namesIn(shard).filter((name) => name.endsWith(ENTRY));
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes(codeOf(error))) return [];
    throw error;
  }
}

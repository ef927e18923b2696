import { existsSync, lstatSync, mkdirSync, renameSync, rmSync, unlinkSync } from "node:fs";
import { rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { StoreError } from "../../errors.js";
import { FileStamp } from "../../files/file-stamp.js";
import { warnOfLittleSpace } from "../../files/free-space.js";
import { asyncIo, codeOf, type Io, syncIo } from "../../files/io.js";
import { publish } from "../../files/publish.js";
import { type Cut, readPieces } from "../../files/read-file.js";
import { type Flow, wait } from "../../flow.js";
import type { EntryName, EntryStamp, Publishing } from "../engine.js";
import { isDirectory, isFolder, namesIn, shardsIn } from "./directories.js";
import { digitsIn, fileOf } from "./entry-file.js";
import { dropContents, KEPT_FOLDER } from "./kept-contents.js";
import { writtenLine } from "./ledger/ledger.js";
import { noteRemoval, removalsIn, wasRemoved } from "./removals.js";
import type { Root } from "./root.js";

/** Entries up to this size, in bytes, are written synchronously also for async functions: a tenth of a millisecond. */
const SMALL = 64 * 1024;

/** The folders in a directory: always the same object for one name. */
export class FileFolders {
  readonly #byName = new Map<string, FileFolder>();

  constructor(readonly root: Root) {}

  of(name: string): FileFolder {
    let folder = this.#byName.get(name);
    if (folder === undefined) {
      folder = new FileFolder(this.root, name);
      this.#byName.set(name, folder);
    }
    return folder;
  }
}

/** A folder of entries: reads, publishes and removes them, one or all. */
export class FileFolder {
  readonly root: Root;
  /** From the directory: `a/b/=1`. */
  readonly name: string;
  /** How often this process cleared the folder: one made anew may get the inode and the time of the old one. */
  #clears = 0;
  /** The shards that this process has seen to be folders, behind folders: no links. Only for reading. */
  readonly #seen = new Set<string>();
  #path: string | undefined;
  /** The entry that was asked for last and is not there. */
  #absent: string | undefined;

  constructor(root: Root, name: string) {
    this.root = root;
    this.name = name;
  }

  // ---- where it is ----

  /** For messages. */
  get location(): string {
    return join(this.root.given, this.name);
  }

  /** Without links on the way to it, once the directory of the store is there. */
  get path(): string {
    return this.#find() ?? this.location;
  }

  /** `undefined` while the directory of the store is not there. */
  #find(): string | undefined {
    if (this.#path === undefined) {
      const root = this.root.get();
      if (root !== undefined) this.#path = join(root, this.name);
    }
    return this.#path;
  }

  fileOf(digest: string): string {
    return `${this.path}/${fileOf(digest)}`;
  }

  /** The name of an entry from the folder: first the one it is written under, then the other. */
  #namesOf({ digest, readable }: EntryName): [string, ...string[]] {
    const hash = fileOf(digest);
    if (!readable) return [hash];
    const forPeople = `${digest.slice(0, 2)}/${readable.file}`;
    return readable.isPreferred ? [forPeople, hash] : [hash, forPeople];
  }

  /** Whether the folder, or a folder in it, is there. @throws StoreError where it, or a folder on the way to it, is a link */
  has(inner?: string): boolean {
    let folder = this.root.get();
    if (folder === undefined) return false;
    for (const name of this.name.split("/")) {
      folder = `${folder}/${name}`;
      if (!isFolder(folder)) return false;
    }
    return inner === undefined || isFolder(`${folder}/${inner}`);
  }

  /** Whether a shard is there, or could be made. It could not where the folder is gone. */
  hasShard(shard: string): boolean {
    if (this.has(shard)) return true;
    try {
      mkdirSync(join(this.path, shard), { mode: this.root.permissions.folder });
    } catch (error) {
      if (codeOf(error) === "ENOENT") return false;
      if (codeOf(error) !== "EEXIST") throw error;
    }
    return this.has(shard);
  }

  // ---- reading ----

  read(entry: EntryName, cut: Cut, mayWait: boolean): ReturnType<typeof readPieces> {
    const { digest, readable } = entry;
    const shard = digest.slice(0, 2);
    if (!this.#seen.has(shard)) {
      if (!this.has(shard)) return undefined;
      this.#find();
      this.#seen.add(shard);
    }
    const first = `${this.#path}/${readable?.isPreferred ? `${shard}/${readable.file}` : fileOf(digest)}`;
    // What was absent is asked for again under its lock. To look is cheaper than to fail: 2 us against 6.
    const found = digest === this.#absent && !existsSync(first) ? undefined : readPieces(first, mayWait, cut);
    this.#absent = undefined;
    if (found !== undefined) return found;
    const other = readable && `${this.#path}/${this.#namesOf(entry)[1]}`;
    if (other !== undefined && existsSync(other)) return readPieces(other, mayWait, cut);
    this.#absent = digest;
    return undefined;
  }

  stamp(entry: EntryName): EntryStamp | undefined {
    const { digest, readable } = entry;
    const shard = digest.slice(0, 2);
    if (!this.#seen.has(shard)) return undefined; // only `read` looks for links on the way
    const first = `${this.#path}/${readable?.isPreferred ? `${shard}/${readable.file}` : fileOf(digest)}`;
    return FileStamp.of(first) ?? (readable && FileStamp.of(`${this.#path}/${this.#namesOf(entry)[1]}`));
  }

  // ---- marks ----

  mark(): string {
    for (let attempt = 1; ; attempt++) {
      const mark = this.has() ? this.#now() : undefined;
      if (mark !== undefined) return mark;
      if (attempt === 10) throw new StoreError(`${this.path} vanishes whenever it is made.`);
      let folder = this.root.make();
      for (const name of this.name.split("/")) {
        folder = join(folder, name);
        this.root.makeFolder(folder);
      }
    }
  }

  /** The mark of the folder as it is, `undefined` where there is none. */
  #now(): string | undefined {
    const path = this.#find();
    const stats = path === undefined ? undefined : lstatSync(path, { throwIfNoEntry: false });
    if (!stats) return undefined;
    // The inode alone would not do: file systems give a freed one to the next file.
    return `${stats.dev} ${stats.ino} ${stats.birthtimeMs} ${this.#clears}|${removalsIn(path!)}`;
  }

  /** Whether the folder was cleared, or an entry removed, since a mark was taken. */
  #isGone(digest: string, mark: string): boolean {
    const now = this.#now();
    if (now === mark) return false;
    const [folder, removals] = mark.split("|");
    return now?.split("|")[0] !== folder || wasRemoved(this.path, digest, removals!);
  }

  // ---- publishing ----

  *publish(entry: EntryName, parts: readonly Uint8Array[], publishing: Publishing): Flow<boolean> {
    const { digest } = entry;
    const { mark, mayWait, isDurable } = publishing;
    const isGone = () => this.#isGone(digest, mark);
    const isWanted = () => publishing.isCurrent() && !isGone();
    if (!publishing.isCurrent() || this.#find() === undefined || !isFolder(this.path)) return false;
    const [name, ...others] = this.#namesOf(entry);
    const target = `${this.path}/${name}`;
    const isReady = () => isWanted() && this.hasShard(digest.slice(0, 2));
    const mode = this.root.permissions.file;
    const size = parts.reduce((total, part) => total + part.length, 0);
    const whole = size > SMALL ? parts : [Buffer.concat(parts)]; // one write
    const write = (io: Io) => publish(target, this.root.temporary(), whole, io, isReady, isDurable, mode);
    let io = mayWait && size > SMALL ? asyncIo : syncIo;
    for (let attempt = 1; ; attempt++) {
      try {
        const isPublished = yield* write(io);
        const now = Date.now();
        const bytes = size + (publishing.kept ?? 0);
        if (isPublished && isGone()) {
          this.#unlink(name); // in the moment between the last look and the renaming
          return false;
        }
        if (isPublished) {
          this.root.ledger.note(writtenLine(`${this.name}/${name}`, { bytes, createdAt: now, usedAt: now }));
          for (const other of others) if (existsSync(`${this.path}/${other}`)) this.#unlink(other); // it would be older
          warnOfLittleSpace(this.path);
        }
        return isPublished;
      } catch (error) {
        const code = codeOf(error);
        if (attempt === ATTEMPTS) throw error;
        if (["EMFILE", "ENFILE"].includes(code)) {
          if (!mayWait || io === asyncIo) throw error; // it has waited already
          io = asyncIo;
        }
        // Somebody put a folder in the place of the entry: it goes the way of what is cleared.
        else if (isDirectory(target)) this.setAside(target);
        else if (code === "ENOENT")
          continue; // what leads to it was removed meanwhile: it is made again, or not wanted any more
        else throw error;
      }
    }
  }

  // ---- removing ----

  remove(entry: EntryName): boolean {
    const { digest } = entry;
    if (!this.has()) return false;
    // First: what is published from now on was begun before.
    if (!noteRemoval(this.path, digest, this.root.permissions.file)) return false;
    if (!this.has(digest.slice(0, 2))) return false;
    const removed = this.#namesOf(entry).filter((name) => this.#unlink(name));
    if (removed.length > 0) this.dropKept(digest, []);
    return removed.length > 0;
  }

  /** Removes an entry under the very name that it has, with what is kept for it. @param name from the folder */
  removeFile(name: string): void {
    if (this.#unlink(name) && this.has(KEPT_FOLDER)) dropContents(this.path, `${this.path}/${name}`, []);
  }

  /** @returns whether there was an entry */
  #unlink(name: string): boolean {
    const file = `${this.path}/${name}`;
    try {
      unlinkSync(file);
    } catch (error) {
      if (codeOf(error) === "ENOENT" || isDirectory(file)) return false;
      throw error;
    }
    this.root.ledger.note(`- ${this.name}/${name}`);
    return true;
  }

  dropKept(digest: string, except: readonly string[]): void {
    if (!this.has(KEPT_FOLDER) || !this.has(digest.slice(0, 2))) return; // nothing was ever kept for it
    dropContents(this.path, this.fileOf(digest), except);
  }

  /** Set aside first, then deleted: a recursive delete beside a writer fails, and would let it write into what is going. */
  *clear(mayWait: boolean): Flow<number> {
    this.#clears++;
    if (!this.has()) return 0;
    const aside = this.setAside(this.path);
    if (aside === undefined) return 0;
    this.root.ledger.note(`c ${this.name}`);
    let count = 0;
    for (const shard of shardsIn(aside)) count += entriesIn(join(aside, shard)).length;
    try {
      yield* wait(mayWait ? rm(aside, DELETE) : rmSync(aside, DELETE));
    } catch {
      // The entries are gone all the same; what is left of them goes with the next sweep after this process.
    }
    return count;
  }

  /** Where it is now, `undefined` where it was gone already. */
  setAside(path: string): string | undefined {
    const aside = this.root.temporary();
    try {
      renameSync(path, aside);
      return aside;
    } catch (error) {
      if (codeOf(error) === "ENOENT") return undefined;
      throw error;
    }
  }
}

/** How often others may remove what an operation has made for itself. */
const ATTEMPTS = 5;

const DELETE = { recursive: true, force: true } as const;

/** The entries that are where a call looks for them. */
function entriesIn(shard: string): string[] {
  const digits = basename(shard);
  return namesIn(shard).filter((name) => digitsIn(digits, name) !== undefined);
}

import { resolve } from "node:path";
import { ByName } from "../../files/by-name.js";
import { type Cut, WHOLE } from "../../files/read-file.js";
import { run } from "../../flow.js";
import type {
  Awaitable,
  Contents,
  EntryName,
  Listing,
  Locks,
  Pieces,
  Publishing,
  Stamps,
  SyncEngine,
  Usage,
} from "../engine.js";
import { FileContents } from "./contents.js";
import { FileFolders } from "./folder.js";
import { FileListing } from "./listing.js";
import { FileLocks } from "./locks.js";
import { type FileEngineOptions, Root } from "./root.js";
import { Tree } from "./tree.js";
import { FileUsage } from "./usage.js";

export type { FileEngineOptions } from "./root.js";

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
export class FileEngine implements SyncEngine {
  static readonly #engines = new ByName<FileEngine>();

  /** The engine in a directory; the same object for the same directory and the same rules, while it is used. Makes nothing. */
  static at(dir: string, options: FileEngineOptions = {}): FileEngine {
    const path = resolve(dir);
    const name = `${options.isShared ? "shared" : "own"} ${options.assertUsable ? "checked" : "unchecked"} ${path}`;
    return FileEngine.#engines.of(name, () => new FileEngine(path, options));
  }

  readonly sync = true;
  readonly location: string;
  readonly listing: Listing;
  readonly locks: Locks;
  readonly contents: Contents;
  readonly usage: Usage;
  readonly stamps: Stamps;
  readonly pieces: Pieces;
  readonly #folders: FileFolders;

  private constructor(dir: string, options: FileEngineOptions) {
    const root = new Root(dir, options);
    const tree = new Tree(root);
    const folders = new FileFolders(root);
    this.location = root.given;
    this.listing = new FileListing(folders, tree);
    this.locks = new FileLocks(folders);
    this.contents = new FileContents(folders);
    this.usage = new FileUsage(root, tree);
    this.stamps = { of: (folder, entry) => folders.of(folder).stamp(entry) };
    this.pieces = { read: (folder, entry, cut: Cut, mayWait) => folders.of(folder).read(entry, cut, mayWait) };
    this.#folders = folders;
  }

  read(folder: string, entry: EntryName, mayWait: boolean): Awaitable<Buffer | undefined> {
    return this.#folders.of(folder).read(entry, WHOLE, mayWait) as Awaitable<Buffer | undefined>;
  }

  mark(folder: string): string {
    return this.#folders.of(folder).mark();
  }

  publish(folder: string, entry: EntryName, parts: readonly Uint8Array[], publishing: Publishing): Awaitable<boolean> {
    return run(this.#folders.of(folder).publish(entry, parts, publishing));
  }

  remove(folder: string, entry: EntryName): boolean {
    return this.#folders.of(folder).remove(entry);
  }

  clear(folder: string, mayWait: boolean): Awaitable<number> {
    return run(this.#folders.of(folder).clear(mayWait));
  }

  /** Nothing stays open. */
  close(): void {}
}

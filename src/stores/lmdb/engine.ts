import { run } from "../../flow.js";
import type {
  Contents,
  EntryName,
  Evicting,
  EvictionLimits,
  Listing,
  Locks,
  Publishing,
  SyncEngine,
  Usage,
} from "../engine.js";
import { hasLimits } from "../limits.js";
import { contentsIn } from "./contents.js";
import { Database } from "./database.js";
import { evictAfterLook, evictFromEnds } from "./evict.js";
import { LmdbFolder } from "./folder.js";
import { listingIn } from "./listing.js";
import { locksIn } from "./locks.js";

/**
 * The engine over one database:
 *
 *     <path>/=1/data.mdb, lock.mdb     the database, see database.ts and records.ts
 *     <path>/=1.lock, =1.gate          held while it is opened or written, see open-lock.ts
 *     <path>/=kept/<number>/...        contents of out files, see kept-contents.ts, of the folder of this number
 *     <path>/a/b/=1/=_locks            of keys, see key-lock.ts
 *     <path>/=_locks                   of out paths
 *     <path>/=_tmp/...                 being written, or being deleted
 */
export class LmdbEngine implements SyncEngine {
  readonly sync = true;
  readonly location: string;
  readonly listing: Listing;
  readonly locks: Locks;
  readonly contents: Contents;
  readonly usage: Usage;
  readonly #database: Database;
  /** Those that were asked for, by their names. */
  readonly #folders = new Map<string, LmdbFolder>();

  constructor(directory: string, mapSize: number | undefined) {
    const database = new Database(directory, mapSize, () => this.#noteUses());
    const folderOf = (name: string) => this.#folderOf(name);
    this.location = directory;
    this.#database = database;
    this.listing = listingIn(database, folderOf);
    this.locks = locksIn(database);
    this.contents = contentsIn(database, folderOf);
    this.usage = {
      use: (folder, { digest }) => folderOf(folder).uses.add(digest),
      usedAt: (folder, { digest }) => folderOf(folder).uses.at(digest),
      evict: (limits, parent, isThorough) => this.#evict(limits, parent, isThorough),
    };
  }

  #folderOf(name: string): LmdbFolder {
    let folder = this.#folders.get(name);
    if (!folder) {
      folder = new LmdbFolder(this.#database, name);
      this.#folders.set(name, folder);
    }
    return folder;
  }

  read(folder: string, entry: EntryName): Buffer | undefined {
    return this.#folderOf(folder).read(entry.digest);
  }

  mark(folder: string): string {
    return this.#folderOf(folder).mark();
  }

  publish(folder: string, { digest }: EntryName, parts: readonly Uint8Array[], publishing: Publishing): boolean {
    return this.#folderOf(folder).publish(digest, parts, publishing);
  }

  remove(folder: string, { digest }: EntryName): boolean {
    return this.#folderOf(folder).remove(digest);
  }

  clear(folder: string, mayWait: boolean): number | Promise<number> {
    return run(this.#folderOf(folder).clear(mayWait));
  }

  async close(): Promise<void> {
    await this.#database.close();
  }

  *#evict(limits: EvictionLimits, parent: string | undefined, isThorough: boolean): Generator<Evicting, void> {
    if (!hasLimits(limits)) return;
    this.#noteUses(parent);
    // All that there is to look at in a parent is in order already.
    if (isThorough && parent === undefined) yield* evictAfterLook(this.#database, limits);
    else yield* evictFromEnds(this.#database, limits, parent);
  }

  /** Writes down what was used, in the folders of a parent or in all. */
  #noteUses(parent?: string): void {
    for (const [name, folder] of this.#folders) {
      if (parent === undefined || name.startsWith(`${parent}/=1`)) folder.uses.note();
    }
  }
}

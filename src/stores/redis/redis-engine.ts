import type { AsyncEngine, Contents, EntryName, Listing, Publishing } from "../engine.js";
import { Connection } from "./connection.js";
import { RedisFolder } from "./folder.js";
import { foldersKey } from "./keys.js";
import { RedisLocks } from "./locks.js";

export interface RedisPlace {
  readonly url: string;
  /** The url without credentials, for messages. */
  readonly shown: string;
  /** What all keys begin with. */
  readonly prefix: string;
  /** Milliseconds of silence after which the server counts as down. */
  readonly timeout: number;
  /** Milliseconds for which a lock holds when its holder is gone. */
  readonly lockTtl: number;
}

/** Entries in a Redis server: what an engine has to give, each piece of it by the file that has the idea. */
export class RedisEngine implements AsyncEngine {
  readonly sync = false;
  readonly isRemote = true;
  readonly location: string;
  readonly remedy = "It is tried again by itself; see that the server runs, has room (maxmemory), and lets you write";
  readonly ageOnly = "Limit the server, by its maxmemory and maxmemory-policy (such as allkeys-lru), or use maxAge.";
  readonly listing: Listing;
  readonly locks: RedisLocks;
  readonly contents: Contents;
  readonly #connection: Connection;
  readonly #prefix: string;
  readonly #folders = new Map<string, RedisFolder>();

  constructor({ url, shown, prefix, timeout, lockTtl }: RedisPlace) {
    this.location = shown;
    this.#connection = new Connection(url, shown, timeout);
    this.#prefix = prefix;
    this.listing = {
      folders: (parent) => this.#names(parent),
      list: (folder, isRead) => this.#folder(folder).list(isRead),
    };
    this.locks = new RedisLocks(this.#connection, prefix, lockTtl, (folder) => this.#folder(folder).state);
    this.contents = {
      keep: (folder, digest, file) => this.#folder(folder).contents.keep(digest, file),
      path: (folder, _digest, sha256) => this.#folder(folder).contents.path(sha256),
      drop: (folder, digest, except) => this.#folder(folder).contents.drop(digest, except),
      list: (folder) => this.#folder(folder).contents.list(),
    };
  }

  #folder(name: string): RedisFolder {
    let folder = this.#folders.get(name);
    if (!folder) {
      folder = new RedisFolder(this.#connection, this.location, this.#prefix, name);
      this.#folders.set(name, folder);
    }
    return folder;
  }

  read(folder: string, { digest }: EntryName): Promise<Buffer | undefined> {
    return this.#folder(folder).read(digest);
  }

  mark(folder: string): Promise<string> {
    return this.#folder(folder).mark();
  }

  publish(
    folder: string,
    { digest }: EntryName,
    parts: readonly Uint8Array[],
    publishing: Publishing,
  ): Promise<boolean> {
    return this.#folder(folder).publish(digest, parts, publishing);
  }

  remove(folder: string, { digest }: EntryName): Promise<boolean> {
    return this.#folder(folder).remove(digest);
  }

  clear(folder: string): Promise<number> {
    this.locks.forgetHolders(folder);
    return this.#folder(folder).clear();
  }

  close(): Promise<void> {
    return this.#connection.close();
  }

  async *#names(parent: string | undefined): AsyncGenerator<string, void> {
    const names: Buffer[] = await this.#connection.send(["SMEMBERS", foldersKey(this.#prefix)]);
    for (const name of names.map(String)) {
      if (parent === undefined || name.slice(0, name.lastIndexOf("/")) === parent) yield name;
    }
  }
}

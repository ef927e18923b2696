import { OptionError, StoreError } from "../../errors.js";
import type { Held } from "../../files/locks/key-lock.js";
import { randomName } from "../../files/publish.js";
import { type Flow, wait } from "../../flow.js";
import { expiredBy, type RetentionLimits, type SizeLimits } from "../limits.js";
import type { Content, Evicted, Folder, FolderSize, Listed, Mark, Publishing, SeenFile } from "../store.js";
import type { Argument, Connection } from "./connection.js";
import { KeptContents, PIECE } from "./kept.js";
import { FolderKeys, foldersKey, pathLockKey, SHARDS } from "./keys.js";
import { HeldLock, holderIn, newToken } from "./lock.js";
import { CLEAR, FORGET, LOCK, MARK, PUBLISH, READ, REMOVE, type Script, WHICH } from "./scripts.js";

/** What the folders of a store share. */
export interface Server {
  readonly connection: Connection;
  /** For messages, without credentials. */
  readonly directory: string;
  readonly prefix: string;
  /** Milliseconds for which a lock holds when its holder is gone. */
  readonly lockTtl: number;
  /** As `Store.prune`, of a path or of all. */
  prune(limits: RetentionLimits, path: string | undefined): Promise<Evicted[]>;
}

/** An entry, as the index has it. */
interface Indexed {
  readonly digest: string;
  /** In ms since 1970. */
  readonly writtenAt: number;
  readonly bytes: number;
}

/** Keys that one command deletes, or asks for. */
const AT_ONCE = 256;

/** Milliseconds in which a large entry has to be written. */
const STAGED = 600_000;

export class RedisFolder implements Folder {
  readonly remedy = "It is tried again by itself; see that the server runs, has room (maxmemory), and lets you write";
  readonly location: string;
  readonly #server: Server;
  readonly #path: string;
  readonly #name: string;
  readonly #keys: FolderKeys;
  readonly #contents: KeptContents;
  /** As far as we know; whatever is asked with an old one is refused with the present one. */
  #generation = "none";
  /** Who held the locks that were not to be had. */
  readonly #holders = new Map<string, string>();
  /** The generations in which contents were kept for entries that are about to be published. */
  readonly #kept = new Map<string, string>();

  /** @param path of its function @param name of the folder, from the store */
  constructor(server: Server, path: string, name: string) {
    this.#server = server;
    this.#path = path;
    this.#name = name;
    this.#keys = new FolderKeys(server.prefix, name);
    this.#contents = new KeptContents(server.connection, this.#keys);
    this.location = `${server.directory} ${this.#keys.state}`;
  }

  get directory(): string {
    return this.#server.directory;
  }

  #run(script: Script, keys: readonly string[], args: readonly Argument[]): Promise<any> {
    return this.#server.connection.run(script, keys, args);
  }

  #send(...args: Argument[]): Promise<any> {
    return this.#server.connection.send(args);
  }

  /**
   * Runs a script that gives the generation first, and does nothing in another.
   * @param ask with the generation as we know it
   * @returns what the script gives besides; `undefined` where there is no generation: there was never anything
   */
  async #inGeneration(ask: (generation: string) => Promise<[Buffer | null, ...any[]]>): Promise<any[] | undefined> {
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      const asked = this.#generation;
      const [generation, ...rest] = await ask(asked);
      if (generation === null) return undefined;
      this.#generation = String(generation);
      if (this.#generation === asked) return rest;
    }
    throw new StoreError(`${this.location} is cleared again and again`);
  }

  async read(digest: string): Promise<Buffer | undefined> {
    const found = await this.#inGeneration((generation) =>
      this.#run(READ, [this.#keys.state, this.#keys.entry(generation, digest)], [generation, String(PIECE)]),
    );
    const [size, beginning] = (found ?? []) as [number?, Buffer?];
    if (size === undefined || beginning === undefined) return undefined;
    return beginning.length === size
      ? beginning
      : this.#readOn(this.#keys.entry(this.#generation, digest), size, beginning);
  }

  /** Where it is replaced meanwhile, the pieces do not fit, and neither does the checksum. */
  async #readOn(key: string, size: number, beginning: Buffer): Promise<Buffer> {
    const pieces = [beginning];
    for (let at = beginning.length; at < size; at += PIECE) {
      pieces.push(await this.#send("GETRANGE", key, String(at), String(Math.min(size, at + PIECE) - 1)));
    }
    return Buffer.concat(pieces);
  }

  async mark(): Promise<Mark> {
    const [[generation, fence]] = await Promise.all([
      this.#run(MARK, [this.#keys.state], [newGeneration()]),
      // So that it is found, also to be cleared before there is an entry. In another slot, so not in the same step; each
      // time, for a server that was started anew has forgotten it.
      this.#send("SADD", foldersKey(this.#server.prefix), this.#name),
    ]);
    this.#generation = String(generation);
    return `${generation} ${fence}` as Mark;
  }

  // ---- locks ----

  async tryLock(digest: string): Promise<Held | undefined> {
    const { connection, lockTtl } = this.#server;
    const token = newToken();
    let key = "";
    const found = await this.#inGeneration((generation) => {
      key = this.#keys.lock(generation, digest);
      return this.#run(LOCK, [this.#keys.state, key], [generation, token, String(lockTtl), newGeneration()]);
    });
    return this.#held(digest, token, String(found?.[0]), () => new HeldLock(connection, key, token, lockTtl));
  }

  lockHolder(digest: string): string | undefined {
    return this.#holders.get(digest);
  }

  async tryLockPath(digest: string): Promise<Held | undefined> {
    const { connection, lockTtl, prefix } = this.#server;
    const token = newToken();
    const key = pathLockKey(prefix, digest);
    const taken = await this.#send("SET", key, token, "NX", "PX", String(lockTtl));
    const holder = taken ? token : String((await this.#send("GET", key)) ?? "");
    return this.#held(digest, token, holder, () => new HeldLock(connection, key, token, lockTtl));
  }

  pathHolder(digest: string): string | undefined {
    return this.#holders.get(digest);
  }

  #held(digest: string, token: string, holder: string, hold: () => Held): Held | undefined {
    if (holder === token) {
      this.#holders.delete(digest);
      return hold();
    }
    this.#holders.set(digest, holderIn(holder));
    return undefined;
  }

  // ---- writing ----

  *publish(digest: string, parts: readonly Uint8Array[], mark: Mark, { isCurrent }: Publishing): Flow<boolean> {
    const [generation = "", fence = ""] = mark.split(" ");
    const bytes = Buffer.concat(parts);
    const staged = this.#keys.staged(generation, randomName());
    const isLarge = bytes.length > PIECE;
    if (isCurrent() && isLarge) yield* wait(this.#stage(staged, bytes));
    const isPublished = isCurrent() && (yield* wait(this.#publish(digest, bytes, generation, fence, staged, isLarge)));
    if (!isPublished && isLarge) yield* wait(this.#send("UNLINK", staged));
    yield* wait(this.#settleKept(digest, isPublished));
    return isPublished;
  }

  async #stage(key: string, bytes: Buffer): Promise<void> {
    for (let at = 0; at < bytes.length; at += PIECE) {
      await this.#send("APPEND", key, bytes.subarray(at, at + PIECE));
      if (at === 0) await this.#send("PEXPIRE", key, String(STAGED));
    }
  }

  async #publish(
    digest: string,
    bytes: Buffer,
    generation: string,
    fence: string,
    staged: string,
    isLarge: boolean,
  ): Promise<boolean> {
    const keys = this.#keys;
    const published = await this.#run(
      PUBLISH,
      [keys.state, keys.entry(generation, digest), keys.index(generation, digest), staged],
      [generation, fence, digest, String(Date.now()), String(bytes.length), ...(isLarge ? [] : [bytes])],
    );
    return published === 1;
  }

  /** What was kept for an entry that has not come about goes, but not from under an older one. */
  async #settleKept(digest: string, isPublished: boolean): Promise<void> {
    const generation = this.#kept.get(digest);
    this.#kept.delete(digest);
    if (generation === undefined || isPublished) return;
    const isThere = await this.#send("EXISTS", this.#keys.entry(generation, digest));
    if (!isThere) await this.#contents.drop(generation, digest, []);
  }

  async remove(digest: string): Promise<boolean> {
    const { state } = this.#keys;
    const keysIn = (generation: string) => [
      state,
      this.#keys.entry(generation, digest),
      this.#keys.index(generation, digest),
      this.#keys.contentsOf(generation, digest),
    ];
    const found = await this.#inGeneration((generation) => this.#run(REMOVE, keysIn(generation), [generation, digest]));
    if (!found) return false;
    const [removed, hasKept] = found;
    if (hasKept) await this.dropKept(digest, []);
    return removed === 1;
  }

  *clear(): Flow<number> {
    this.#holders.clear();
    yield* wait(this.#run(CLEAR, [this.#keys.state, this.#keys.dead], [newGeneration()]));
    return yield* wait(this.#deleteDead());
  }

  /** What is left of it when this process dies goes with the next clear. */
  async #deleteDead(): Promise<number> {
    const dead: Buffer[] = await this.#send("SMEMBERS", this.#keys.dead);
    let count = 0;
    for (const generation of dead.map(String)) {
      for (const shard of await this.#shards(generation)) {
        const digests = (await this.#indexed(generation, shard)).map(({ digest }) => digest);
        for (const some of pieces(digests, AT_ONCE)) {
          count += await this.#send("UNLINK", ...some.map((digest) => this.#keys.entry(generation, digest)));
        }
        await this.#send("UNLINK", this.#keys.index(generation, shard));
      }
      for (const [sha256, size] of await this.#contents.list(generation)) {
        await this.#contents.remove(generation, sha256, size);
      }
      await this.#send("SREM", this.#keys.dead, generation);
    }
    return count;
  }

  // ---- contents of out files ----

  *keep(digest: string, file: SeenFile): Flow<void> {
    const generation = this.#generation;
    this.#kept.set(digest, generation);
    yield* wait(this.#contents.keep(generation, digest, file));
  }

  async keptFile(_digest: string, sha256: string): Promise<string> {
    return this.#contents.fetch((await this.#present()) ?? "none", sha256);
  }

  dropKept(digest: string, except: readonly string[]): Promise<void> {
    return this.#contents.drop(this.#generation, digest, except);
  }

  // ---- limits ----

  /** Not to be seen from here: a source is in the name of a folder. */
  hasOfOtherSource(): boolean {
    return false;
  }

  use(): void {}

  usedAt(): undefined {
    return undefined;
  }

  async retain(own: RetentionLimits, whole: SizeLimits): Promise<Evicted[]> {
    assertAgeOnly(own);
    assertAgeOnly(whole);
    return []; // who reads judges the age
  }

  async prune(own: RetentionLimits, whole: SizeLimits): Promise<Evicted[]> {
    assertAgeOnly(whole);
    return this.#server.prune(own, this.#path);
  }

  get evicted(): Evicted {
    return { path: this.#path, limit: "maxAge", isUnused: false };
  }

  /** The entries that are too old. */
  async expired({ maxAge }: RetentionLimits): Promise<Indexed[]> {
    if (maxAge === undefined) return [];
    const found: Indexed[] = [];
    for await (const group of this.#groups()) {
      const isOld = ({ writtenAt }: Indexed) =>
        expiredBy({ createdAt: writtenAt, usedAt: writtenAt }, { maxAge }, Date.now()) !== undefined;
      found.push(...group.entries.filter(isOld));
    }
    return found;
  }

  // ---- all that there is ----

  async *list(): AsyncGenerator<readonly Listed[], void> {
    for await (const { generation, entries } of this.#groups()) {
      const group: Listed[] = [];
      for (const some of bySize(entries)) group.push(...(await this.#readAll(generation, some)));
      if (group.length > 0) yield group;
    }
  }

  async #readAll(generation: string, entries: readonly Indexed[]): Promise<Listed[]> {
    const keyOf = ({ digest }: Indexed) => this.#keys.entry(generation, digest);
    const [first] = entries;
    const found: (Buffer | null)[] =
      entries.length === 1 && first!.bytes > PIECE
        ? [await this.#readOn(keyOf(first!), first!.bytes, Buffer.alloc(0))]
        : await this.#send("MGET", ...entries.map(keyOf));
    const listed: Listed[] = [];
    for (const [i, { digest, bytes: size }] of entries.entries()) {
      const bytes = found[i];
      if (bytes && (bytes.length > 0 || size === 0)) listed.push({ digest, read: () => bytes });
      else await this.#forget(generation, digest);
    }
    return listed;
  }

  /** The server may have evicted it. */
  #forget(generation: string, digest: string): Promise<unknown> {
    return this.#run(FORGET, [this.#keys.index(generation, digest), this.#keys.entry(generation, digest)], [digest]);
  }

  async *sizes(): AsyncGenerator<FolderSize, void> {
    let kept: string | undefined;
    for await (const { generation, entries } of this.#groups()) {
      kept = generation;
      const there = await this.#which(entries.map(({ digest }) => this.#keys.entry(generation, digest)));
      const size = { entries: 0, bytes: 0, newest: 0 };
      for (const [i, { digest, writtenAt, bytes }] of entries.entries()) {
        if (!there[i]) {
          await this.#forget(generation, digest);
          continue;
        }
        size.entries++;
        size.bytes += bytes;
        size.newest = Math.max(size.newest, writtenAt);
      }
      yield size;
    }
    if (kept === undefined) return;
    const sizes = [...(await this.#contents.list(kept)).values()];
    yield { entries: 0, bytes: sizes.reduce((total, each) => total + each, 0), newest: 0 };
  }

  async *contents(): AsyncGenerator<readonly Content[], void> {
    for await (const group of this.list()) {
      yield group.map((listed) => ({
        ...listed,
        kind: "entry",
        location: `${this.location} ${listed.digest}`,
        remove: async () => {
          await this.remove(listed.digest);
        },
      }));
    }
    const generation = await this.#present();
    if (generation === undefined) return;
    const kept = await this.#contents.list(generation);
    yield [...kept].map(([sha256, size]) => ({
      kind: "kept",
      location: `${this.location} ${sha256}`,
      isWhole: () => this.#contents.isWhole(generation, sha256),
      remove: () => this.#contents.remove(generation, sha256, size),
    }));
  }

  async #present(): Promise<string | undefined> {
    const generation: Buffer | null = await this.#send("HGET", this.#keys.state, "g");
    if (generation === null) return undefined;
    this.#generation = String(generation);
    return this.#generation;
  }

  /** The entries as the index has them, by the beginnings of their digests. */
  async *#groups(): AsyncGenerator<{ readonly generation: string; readonly entries: readonly Indexed[] }, void> {
    const generation = await this.#present();
    if (generation === undefined) return;
    for (const shard of await this.#shards(generation)) {
      yield { generation, entries: await this.#indexed(generation, shard) };
    }
  }

  async #shards(generation: string): Promise<string[]> {
    const there = await this.#which(SHARDS.map((shard) => this.#keys.index(generation, shard)));
    return SHARDS.filter((_, i) => there[i]);
  }

  async #which(keys: readonly string[]): Promise<boolean[]> {
    const there: boolean[] = [];
    for (const some of pieces(keys, AT_ONCE)) there.push(...(await this.#run(WHICH, some, [])).map(Boolean));
    return there;
  }

  async #indexed(generation: string, shard: string): Promise<Indexed[]> {
    const pairs: Buffer[] = await this.#send("HGETALL", this.#keys.index(generation, shard));
    const found: Indexed[] = [];
    for (let i = 0; i < pairs.length; i += 2) {
      const [, writtenAt, bytes] = String(pairs[i + 1])
        .split(" ")
        .map(Number);
      found.push({ digest: String(pairs[i]), writtenAt: writtenAt!, bytes: bytes! });
    }
    return found;
  }
}

/** How often a folder may be cleared while it is asked. */
const ATTEMPTS = 100;

/** No generation comes twice, also where the server has lost all it knew. */
function newGeneration(): string {
  return randomName().slice(0, 16);
}

/** @throws OptionError where there are limits that only the server can keep */
export function assertAgeOnly(limits: RetentionLimits): void {
  for (const limit of ["maxIdle", "maxEntries", "maxBytes"] as const) {
    if (limits[limit] === undefined) continue;
    throw new OptionError(
      `A store of permacache/redis has no ${limit}. Limit the server, by its maxmemory and maxmemory-policy (such as allkeys-lru), or use maxAge.`,
    );
  }
}

function* pieces<T>(items: readonly T[], length: number): Generator<T[]> {
  for (let i = 0; i < items.length; i += length) yield items.slice(i, i + length);
}

/** So many together that they are one piece of what is sent; a larger one alone. */
function* bySize(entries: readonly Indexed[]): Generator<Indexed[]> {
  let some: Indexed[] = [];
  let bytes = 0;
  for (const each of entries) {
    if (some.length > 0 && (bytes + each.bytes > PIECE || some.length === AT_ONCE)) {
      yield some;
      some = [];
      bytes = 0;
    }
    some.push(each);
    bytes += each.bytes;
  }
  if (some.length > 0) yield some;
}

import { createRequire } from "node:module";
import type { LRUCache } from "lru-cache";
import { holdEntry } from "../../entry/entry.js";
import type { Identity } from "../../entry/identity.js";
import type { ReadableName } from "../../entry/readable-name.js";
import { OptionError } from "../../errors.js";
import type { WorkProgress } from "../../events.js";
import { type Flow, isThenable } from "../../flow.js";
import { FolderOver } from "../folder-over.js";
import type { RetentionLimits, SizeLimits } from "../limits.js";
import type { Content, EntryStamp, Evicted, Folder, Mark, Publishing, Store, StoredFolder } from "../store.js";

/**
 * Entries held in memory, before the stores of one cache. They are held as they are encoded, in buffers of their own: so
 * each hit is decoded anew, and what its caller does to it touches nothing here.
 *
 * A hit holds if the store says that its entry is still the same: by a look at the identity of the file, which costs less
 * than opening it. So what other processes replace or remove is seen at once. An entry that was written too shortly
 * before it was read has no identity that could be relied on, and is read from the store once more; those that this
 * process has just written are such. With `trust` entries also hold without a look for that long after the last one.
 */
export class MemoryTier {
  readonly #maxBytes: number;
  /** Milliseconds; 0: every hit looks. */
  readonly trust: number;
  readonly #stores = new WeakMap<Store, MemoryStore>();
  #entries: LRUCache<string, HeldEntry> | undefined;
  #folders = 0;

  constructor(maxBytes: number, trust: number) {
    this.#maxBytes = maxBytes;
    this.trust = trust;
  }

  /** @throws OptionError where entries of a store can only be trusted, and are not */
  assertFor({ hasStamps, directory }: Store): void {
    if (hasStamps || this.trust > 0) return;
    throw new OptionError(
      `The option "memory": ${directory} cannot tell whether an entry is still what it was, so say for how long that is to be trusted: memory: { maxBytes, trust: "1s" }.`,
    );
  }

  /** The store with this memory before it; always the same object for the same store. */
  over(store: Store): Store {
    let over = this.#stores.get(store);
    if (!over) {
      over = new MemoryStore(this, store);
      this.#stores.set(store, over);
    }
    return over;
  }

  newPrefix(): string {
    return `${this.#folders++} `;
  }

  get(name: string): HeldEntry | undefined {
    return this.#entries?.get(name);
  }

  /** Room for most of them matters more than a single one: what takes more than a quarter is not held. */
  takes(size: number): boolean {
    return size <= this.#maxBytes / 4;
  }

  set(name: string, entry: HeldEntry): void {
    this.#entries ??= newEntries(this.#maxBytes);
    this.#entries.set(name, entry);
  }

  drop(name: string): void {
    this.#entries?.delete(name);
  }

  dropAll(prefix: string): void {
    for (const name of this.#entries?.keys() ?? []) if (name.startsWith(prefix)) this.drop(name);
  }
}

interface HeldEntry {
  readonly bytes: Buffer;
  /** Of the entry when it was read; `undefined` where that cannot be relied on. */
  readonly stamp: EntryStamp | undefined;
  /** When the store was last looked at for it, by `performance.now()`. */
  seenAt: number;
}

function newEntries(maxBytes: number): LRUCache<string, HeldEntry> {
  // Loaded by the first entry: programs without this option do without.
  const { LRUCache: Lru } = createRequire(import.meta.url)("lru-cache") as typeof import("lru-cache");
  return new Lru({ maxSize: maxBytes, sizeCalculation: ({ bytes }) => Math.max(bytes.length, 1) });
}

class MemoryStore implements Store {
  readonly #tier: MemoryTier;
  readonly #store: Store;
  readonly #folders = new WeakMap<Folder, MemoryFolder>();
  /** What was seen before is not trusted any more. */
  readonly #since = { time: 0 };

  constructor(tier: MemoryTier, store: Store) {
    this.#tier = tier;
    this.#store = store;
  }

  get sync(): boolean {
    return this.#store.sync;
  }
  get isRemote(): boolean {
    return this.#store.isRemote ?? false;
  }
  get forSync(): Store | undefined {
    return this.#store.forSync && this.#tier.over(this.#store.forSync);
  }
  get directory(): string {
    return this.#store.directory;
  }
  get lock(): string {
    return this.#store.lock;
  }

  folder(identity: Identity): Folder {
    return this.#over(this.#store.folder(identity));
  }

  #over(folder: Folder): Folder {
    let over = this.#folders.get(folder);
    if (!over) {
      over = new MemoryFolder(this.#tier, folder, this.#since);
      this.#folders.set(folder, over);
    }
    return over;
  }

  exists(): ReturnType<Store["exists"]> {
    return this.#store.exists();
  }

  async *folders(path?: string): AsyncGenerator<StoredFolder, void> {
    for await (const each of this.#store.folders(path)) yield { ...each, folder: this.#over(each.folder) };
  }

  async prune(limits: RetentionLimits, onProgress?: (progress: WorkProgress) => void): Promise<Evicted[]> {
    const gone = await this.#store.prune(limits, onProgress);
    this.#since.time = performance.now();
    return gone;
  }

  temporary(): string {
    return this.#store.temporary();
  }

  close(): Promise<void> {
    this.#since.time = performance.now();
    return this.#store.close();
  }
}

class MemoryFolder extends FolderOver {
  readonly #tier: MemoryTier;
  readonly #prefix: string;
  readonly #since: { time: number };
  /** Counts what this process changes in the folder: what was read before that is not held after it. */
  #changes = 0;

  constructor(tier: MemoryTier, folder: Folder, since: { time: number }) {
    super(folder);
    this.#tier = tier;
    this.#prefix = tier.newPrefix();
    this.#since = since;
  }

  override read(digest: string, async: boolean, readable?: ReadableName): ReturnType<Folder["read"]> {
    const held = this.#tier.get(this.#prefix + digest);
    if (held && this.#isTrusted(held)) return held.bytes;
    // Before it is read: whatever takes the entry's place meanwhile has another stamp, and is not found by this one.
    const stamp = this.folder.stamp?.(digest, readable);
    if (stamp && held?.stamp?.isSame(stamp)) {
      held.seenAt = this.#now();
      return held.bytes;
    }
    const changes = this.#changes;
    const seenAt = this.#now();
    const read = this.folder.read(digest, async, readable);
    const hold = (bytes: Buffer | undefined) => {
      if (changes === this.#changes) this.#hold(digest, bytes, stamp, seenAt);
      return bytes;
    };
    return isThenable(read) ? (read as Promise<Buffer | undefined>).then(hold) : hold(read as Buffer | undefined);
  }

  #isTrusted({ seenAt }: HeldEntry): boolean {
    return this.#tier.trust > 0 && performance.now() - seenAt < this.#tier.trust && seenAt > this.#since.time;
  }

  /** Nobody asks for it without `trust`. */
  #now(): number {
    return this.#tier.trust > 0 ? performance.now() : 0;
  }

  #hold(digest: string, bytes: Buffer | undefined, stamp: EntryStamp | undefined, seenAt: number): void {
    const known = stamp?.isReliable() ? stamp : undefined;
    if (bytes && (known || this.#tier.trust > 0) && this.#tier.takes(bytes.length)) {
      const own = Buffer.from(bytes);
      holdEntry(own);
      this.#tier.set(this.#prefix + digest, { bytes: own, stamp: known, seenAt });
    } else {
      this.forget(digest);
    }
  }

  override forget(digest: string): void {
    this.#tier.drop(this.#prefix + digest);
    super.forget(digest);
  }

  #change(digest: string): void {
    this.#changes++;
    this.forget(digest);
  }

  override *publish(digest: string, parts: readonly Uint8Array[], mark: Mark, how: Publishing): Flow<boolean> {
    this.#change(digest);
    const isPublished = yield* super.publish(digest, parts, mark, how);
    this.#change(digest);
    // It is too young for a stamp that could be relied on.
    if (isPublished && this.#tier.trust > 0) this.#hold(digest, Buffer.concat(parts), undefined, performance.now());
    return isPublished;
  }

  /** Who locks a key wants to know what others have made of it. */
  override tryLock(digest: string): ReturnType<Folder["tryLock"]> {
    this.forget(digest);
    return super.tryLock(digest);
  }

  override remove(digest: string, readable?: ReadableName): ReturnType<Folder["remove"]> {
    this.#change(digest);
    const removed = super.remove(digest, readable);
    if (!isThenable(removed)) return removed as boolean;
    return (removed as Promise<boolean>).finally(() => this.#change(digest));
  }

  override *clear(async: boolean): Flow<number> {
    this.#dropAll();
    const count = yield* super.clear(async);
    this.#dropAll();
    return count;
  }

  #dropAll(): void {
    this.#changes++;
    this.#tier.dropAll(this.#prefix);
  }

  override retain(own: RetentionLimits, whole: SizeLimits): ReturnType<Folder["retain"]> {
    return this.#lookingAgain(super.retain(own, whole));
  }

  override prune(own: RetentionLimits, whole: SizeLimits): ReturnType<Folder["prune"]> {
    return this.#lookingAgain(super.prune(own, whole));
  }

  override async *contents(): AsyncGenerator<readonly Content[], void, undefined> {
    for await (const group of super.contents()) {
      yield group.map((content) => ({
        ...content,
        remove: async () => {
          await content.remove();
          this.#lookAgain();
        },
      }));
    }
  }

  #lookAgain(): void {
    this.#changes++;
    this.#since.time = performance.now();
  }

  /** Which entries had to go is not told: all are looked at again. */
  #lookingAgain(gone: ReturnType<Folder["prune"]>): ReturnType<Folder["prune"]> {
    const told = (evicted: Evicted[]) => {
      if (evicted.length > 0) this.#lookAgain();
      return evicted;
    };
    return isThenable(gone) ? (gone as Promise<Evicted[]>).then(told) : told(gone as Evicted[]);
  }
}

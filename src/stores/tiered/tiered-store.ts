import { existsSync } from "node:fs";
import { decodeEntry } from "../../entry/entry.js";
import { folderNames, type Identity } from "../../entry/identity.js";
import type { ReadableName } from "../../entry/readable-name.js";
import { OptionError, StoreError } from "../../errors.js";
import { type WorkProgress, warn } from "../../events.js";
import type { Held } from "../../files/locks/key-lock.js";
import { type Flow, run, wait } from "../../flow.js";
import { FolderOver } from "../folder-over.js";
import type { RetentionLimits, SizeLimits } from "../limits.js";
import type {
  AsyncStore,
  Content,
  EntryStamp,
  Evicted,
  Folder,
  FolderSize,
  Listed,
  Mark,
  PublicStore,
  Publishing,
  SeenFile,
  Store,
  StoredFolder,
  SyncStore,
} from "../store.js";
import { PublishQueue } from "./publish-queue.js";

/**
 * A store for each machine before one that all of them share: reads near, then far (and keeps near what it found there),
 * publishes to both. Keys are locked near first, so that one process of each machine contends for the far lock. A sync
 * function, where `near` can serve it, reads near only; what it computes is published to far in the background. While far
 * is out of reach, near goes on alone.
 *
 *     createCache({ store: tieredStore(lmdbStore({ path }), redisStore({ url })) })
 *
 * Limits hold in both, except for those that `far` leaves to its server. Listing methods show what is far, which is what all machines have in common; where that is out of
 * reach, what is near. `close()` of the cache waits for what is still to be published.
 * @throws OptionError where one of them is no store
 */
export function tieredStore<N extends PublicStore, F extends PublicStore>(
  near: N,
  far: F,
): N extends SyncStore ? SyncStore : AsyncStore {
  for (const [name, store] of Object.entries({ near, far })) {
    const { sync, folder } = (store ?? {}) as Partial<Store>;
    if (typeof sync === "boolean" && typeof folder === "function") continue;
    throw new OptionError(`tieredStore(): "${name}" is not a store: lmdbStore({ path }), redisStore({ url }).`);
  }
  if ((near as unknown) === far) throw new OptionError("tieredStore(): near and far are the same store.");
  return new TieredStore(near as unknown as Store, far as unknown as Store) as never;
}

export class TieredStore implements Store {
  readonly #near: Store;
  readonly #far: Far;
  readonly #queue = new PublishQueue((error) => this.#far.lost(error));
  readonly #folders = new Map<string, TieredFolder>();
  readonly forSync: Store | undefined;

  constructor(near: Store, far: Store) {
    this.#near = near;
    this.#far = new Far(near, far);
    this.forSync = near.sync ? new SyncSide(this, near, this.#far, this.#queue) : undefined;
  }

  get sync(): boolean {
    return this.#near.sync;
  }
  get isRemote(): boolean {
    return (this.#near.isRemote || this.#far.store.isRemote) ?? false;
  }
  /** Only of what is near. */
  get hasStamps(): boolean {
    return this.#near.hasStamps ?? false;
  }
  get directory(): string {
    return `${this.#near.directory} before ${this.#far.store.directory}`;
  }
  get lock(): string {
    return `${this.#near.lock} before ${this.#far.store.lock}`;
  }

  folder(identity: Identity): TieredFolder {
    const folder = this.#named(folderNames(identity).join("/"));
    folder.near ??= this.#near.folder(identity);
    folder.far ??= this.#far.store.folder(identity);
    return folder;
  }

  #named(name: string): TieredFolder {
    let folder = this.#folders.get(name);
    if (!folder) {
      folder = new TieredFolder(this, this.#far);
      this.#folders.set(name, folder);
    }
    return folder;
  }

  async exists(): Promise<boolean> {
    return (await this.#near.exists()) || (await this.#far.try(() => this.#far.store.exists(), false));
  }

  /** Of both: what has not reached far yet can be cleared all the same. */
  async *folders(path?: string): AsyncGenerator<StoredFolder, void, undefined> {
    const found = new Map<string, StoredFolder>();
    const add = async (side: "near" | "far", store: Store) => {
      for await (const each of store.folders(path)) {
        const names = [...folderNames({ path: each.path }).slice(0, -1), each.name].join("/");
        const folder = this.#named(names);
        folder[side] ??= each.folder;
        found.set(names, { path: each.path, name: each.name, folder });
      }
    };
    await add("near", this.#near);
    await this.#far.try(() => add("far", this.#far.store), undefined);
    // No path has a space, and none has what stands before it: this is the order of the paths.
    const place = ({ path: of, name }: StoredFolder) => `${of} ${name}`;
    yield* [...found.values()].sort((a, b) => (place(a) < place(b) ? -1 : 1));
  }

  async prune(limits: RetentionLimits, onProgress?: (progress: WorkProgress) => void): Promise<Evicted[]> {
    const far = await this.#far.try(() => this.#far.store.prune(limits, onProgress), undefined);
    const near = await this.#near.prune(limits, far ? undefined : onProgress);
    return longer(near, far);
  }

  temporary(): string {
    return this.#near.temporary();
  }

  /** What is published in the background is waited for first. */
  async close(): Promise<void> {
    await this.#queue.flushed();
    await this.#near.close();
    await this.#far.store.close();
  }
}

/** Most entries are in both, and are told of once. */
function longer(near: Evicted[], far: Evicted[] | undefined): Evicted[] {
  return far && far.length >= near.length ? far : near;
}

/** The store that may be out of reach. How long it takes to notice that is its own affair. */
class Far {
  readonly store: Store;
  readonly #near: Store;
  #isTold = false;

  constructor(near: Store, far: Store) {
    this.store = far;
    this.#near = near;
  }

  /** @param otherwise where it is out of reach */
  async try<T, D>(work: () => T | PromiseLike<T>, otherwise: D): Promise<T | D> {
    try {
      return await work();
    } catch (error) {
      this.lost(error);
      return otherwise;
    }
  }

  /** One warning. Each operation tries again, so nothing has to be done for it to recover. */
  lost(error: unknown): void {
    if (this.#isTold || error instanceof OptionError) return; // a limit that it leaves to its server
    this.#isTold = true;
    const message = `${this.store.directory} cannot be used (${reasonOf(error)}); until it can, the functions work with ${this.#near.directory} alone.`;
    warn(message, "ERR_PERMACACHE_STORE");
  }

  /** For what has to be known by who asked for it. */
  error(deed: string, error: unknown): StoreError {
    const message = `${this.#near.directory} has it ${deed}, but ${this.store.directory} cannot be used (${reasonOf(error)}). Try again when it can.`;
    return new StoreError(message, { cause: error });
  }
}

function reasonOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replace(/\.$/, "");
}

const RELEASED: Held = { release() {} };

/** What async functions, and caches as a whole, see. */
class TieredFolder implements Folder {
  /** One of them is missing while the folder was only found in the other store. */
  near: Folder | undefined;
  far: Folder | undefined;
  readonly #store: TieredStore;
  readonly #reach: Far;
  /** Counts what this process removes: what was found far before that is not put near after it. */
  #removals = 0;
  /** Removals that are not through yet: what is still to be found far is none any more. */
  #removing = 0;

  constructor(store: TieredStore, reach: Far) {
    this.#store = store;
    this.#reach = reach;
  }

  get directory(): string {
    return this.#store.directory;
  }
  get location(): string {
    return [this.near, this.far].flatMap((side) => side?.location ?? []).join(" before ");
  }
  get remedy(): string | undefined {
    return this.near?.remedy;
  }

  read(digest: string, async: boolean, readable?: ReadableName): ReturnType<Folder["read"]> {
    const bytes = this.near?.read(digest, async, readable);
    if (bytes instanceof Promise) return bytes.then((read) => read ?? this.#readFar(digest, readable));
    return bytes || !async ? bytes : this.#readFar(digest, readable);
  }

  async #readFar(digest: string, readable: ReadableName | undefined): Promise<Buffer | undefined> {
    const { near, far } = this;
    if (!far || this.#removing > 0) return undefined;
    const removals = this.#removals;
    const read = await this.#reach.try(() => far.read(digest, true, readable), undefined);
    if (!read || removals !== this.#removals) return undefined;
    const bytes = Buffer.from(read); // filling takes a while, in which others may read
    // Whose entry it is, and whether to believe it, is judged by who asked for it, here and there alike. But what is not
    // even whole would stand near before what is mended far.
    if (near && decodeEntry(bytes)) await this.#fill(near, digest, bytes, () => removals === this.#removals, readable);
    return bytes;
  }

  async #fill(near: Folder, digest: string, bytes: Buffer, isCurrent: () => boolean, readable?: ReadableName) {
    try {
      const mark = await near.mark();
      const how = { isCurrent, async: true, ...(readable && { readable }) };
      await run(near.publish(digest, [bytes], mark, how));
    } catch {
      // It is found far as well; what is wrong near is told when a result is to be stored.
    }
  }

  stamp(digest: string, readable?: ReadableName): EntryStamp | undefined {
    return this.near?.stamp?.(digest, readable);
  }

  forget(digest: string): void {
    this.near?.forget?.(digest);
    this.far?.forget?.(digest);
  }

  async mark(): Promise<Mark> {
    const far = this.#reach.try(() => this.far!.mark(), null);
    return JSON.stringify([await this.near!.mark(), await far]) as Mark;
  }

  *publish(digest: string, parts: readonly Uint8Array[], mark: Mark, how: Publishing): Flow<boolean> {
    const { near, far } = this;
    const [nearMark, farMark] = JSON.parse(mark) as [Mark, Mark | null];
    // Far may be slow, and the parts may be memory of the value, which is the caller's soon: near copies first.
    if (!(yield* near!.publish(digest, parts, nearMark, how))) return false;
    if (farMark === null) return true;
    let isPublished: boolean;
    try {
      isPublished = yield* far!.publish(digest, parts, farMark, { ...how, async: true });
    } catch (error) {
      this.#reach.lost(error);
      return true;
    }
    // Another machine has removed or replaced it meanwhile: that holds here, too.
    if (!isPublished && how.isCurrent()) yield* wait(near!.remove(digest, how.readable));
    return isPublished;
  }

  async tryLock(digest: string): Promise<Held | undefined> {
    const near = await this.near!.tryLock(digest);
    if (!near) return undefined;
    const far = await this.#reach.try(() => this.far!.tryLock(digest), RELEASED);
    if (!far) {
      near.release();
      return undefined;
    }
    return {
      release() {
        far.release();
        near.release();
      },
    };
  }

  lockHolder(digest: string): string | undefined {
    return this.near?.lockHolder(digest) ?? this.far?.lockHolder(digest);
  }

  /** Paths are those of a machine. */
  tryLockPath(digest: string, makes: boolean): Held | undefined | Promise<Held | undefined> {
    return this.near!.tryLockPath(digest, makes);
  }

  pathHolder(digest: string): string | undefined {
    return this.near?.pathHolder(digest);
  }

  async remove(digest: string, readable?: ReadableName): Promise<boolean> {
    const remove = (side: Folder | undefined) => side?.remove(digest, readable) ?? false;
    const [near, far] = await this.#removed("removed", remove, remove);
    return near || far;
  }

  *clear(async: boolean): Flow<number> {
    const near = (side: Folder | undefined) => (side ? run(side.clear(async)) : 0);
    const far = (side: Folder | undefined) => (side ? run(side.clear(true)) : 0);
    return Math.max(...(yield* wait(this.#removed("cleared", near, far))));
  }

  /** Begun near and far at once. @throws StoreError where far is out of reach; what is near is gone all the same */
  async #removed<T>(
    deed: string,
    near: (side: Folder | undefined) => T | Promise<T>,
    far: (side: Folder | undefined) => T | Promise<T>,
  ): Promise<[T, T]> {
    this.#removals++;
    this.#removing++;
    try {
      const fromNear = near(this.near);
      const fromFar = (async () => far(this.far))();
      fromFar.catch(() => {}); // it is waited for second
      const gone = await fromNear;
      try {
        return [gone, await fromFar];
      } catch (error) {
        throw this.#reach.error(deed, error);
      } finally {
        await near(this.near); // what others have found far in between, and put near
      }
    } finally {
      this.#removals++;
      this.#removing--;
    }
  }

  *keep(digest: string, file: SeenFile, async: boolean): Flow<void> {
    yield* this.near!.keep(digest, file, async);
    yield* wait(this.#reach.try(() => run(this.far!.keep(digest, file, true)), undefined));
  }

  async keptFile(digest: string, sha256: string): Promise<string> {
    const near = await this.near?.keptFile(digest, sha256);
    if (near !== undefined && existsSync(near)) return near;
    const far = this.far && (await this.#reach.try(() => this.far!.keptFile(digest, sha256), undefined));
    return far ?? near ?? "";
  }

  async dropKept(digest: string, except: readonly string[]): Promise<void> {
    await this.near?.dropKept(digest, except);
    await this.#reach.try(() => this.far?.dropKept(digest, except), undefined);
  }

  hasOfOtherSource(digest: string, readable?: ReadableName): boolean {
    return this.near?.hasOfOtherSource(digest, readable) ?? false;
  }

  use(digest: string, readable?: ReadableName): void {
    this.near?.use(digest, readable);
    try {
      this.far?.use(digest, readable);
    } catch (error) {
      this.#reach.lost(error);
    }
  }

  usedAt(digest: string, readable?: ReadableName): number | undefined {
    const near = this.near?.usedAt(digest, readable);
    let far: number | undefined;
    try {
      far = this.far?.usedAt(digest, readable);
    } catch (error) {
      this.#reach.lost(error);
    }
    return near === undefined || far === undefined ? (near ?? far) : Math.max(near, far);
  }

  retain(own: RetentionLimits, whole: SizeLimits): Promise<Evicted[]> {
    return this.#evicted((side) => side?.retain(own, whole) ?? []);
  }

  prune(own: RetentionLimits, whole: SizeLimits): Promise<Evicted[]> {
    return this.#evicted((side) => side?.prune(own, whole) ?? []);
  }

  async #evicted(evict: (side: Folder | undefined) => ReturnType<Folder["prune"]>): Promise<Evicted[]> {
    const near = await evict(this.near);
    return longer(near, await this.#reach.try(() => evict(this.far), undefined));
  }

  list(): AsyncGenerator<readonly Listed[], void, undefined> {
    return this.#farElseNear((side) => side.list());
  }

  sizes(): AsyncGenerator<FolderSize, void, undefined> {
    return this.#farElseNear((side) => side.sizes());
  }

  /** Near holds nothing but copies of what is far, and what could not get there: far tells what all machines have. */
  async *#farElseNear<T>(of: (side: Folder) => Iterable<T> | AsyncIterable<T>): AsyncGenerator<T, void, undefined> {
    const { near, far } = this;
    const items = far && iterated(of(far));
    const first = await this.#reach.try(() => items?.next(), undefined);
    if (items && first) {
      if (!first.done) yield first.value;
      if (!first.done) yield* items;
    } else if (near) {
      yield* iterated(of(near));
    }
  }

  /** Both: either may have been damaged. */
  async *contents(): AsyncGenerator<readonly Content[], void, undefined> {
    for (const side of [this.near, this.far]) if (side) yield* iterated(side.contents());
  }
}

async function* iterated<T>(items: Iterable<T> | AsyncIterable<T>): AsyncGenerator<T, void, undefined> {
  for await (const each of items) yield each;
}

/** What sync functions see: what is near. Far is told of it in the background. */
class SyncSide implements Store {
  readonly sync = true;
  readonly #both: TieredStore;
  readonly #near: Store;
  readonly #far: Far;
  readonly #queue: PublishQueue;
  readonly #folders = new WeakMap<Folder, SyncFolder>();

  constructor(both: TieredStore, near: Store, far: Far, queue: PublishQueue) {
    this.#both = both;
    this.#near = near;
    this.#far = far;
    this.#queue = queue;
  }

  get hasStamps(): boolean {
    return this.#near.hasStamps ?? false;
  }
  get directory(): string {
    return this.#near.directory;
  }
  get lock(): string {
    return this.#near.lock;
  }

  folder(identity: Identity): Folder {
    const near = this.#near.folder(identity);
    let folder = this.#folders.get(near);
    if (!folder) {
      folder = new SyncFolder(near, this.#far.store.folder(identity), this.#queue);
      this.#folders.set(near, folder);
    }
    return folder;
  }

  exists(): ReturnType<Store["exists"]> {
    return this.#near.exists();
  }
  folders(path?: string): AsyncIterable<StoredFolder> {
    return this.#near.folders(path);
  }
  prune(limits: RetentionLimits, onProgress?: (progress: WorkProgress) => void): Promise<Evicted[]> {
    return this.#near.prune(limits, onProgress);
  }
  temporary(): string {
    return this.#near.temporary();
  }
  close(): Promise<void> {
    return this.#both.close();
  }
}

class SyncFolder extends FolderOver {
  readonly #far: Folder;
  readonly #queue: PublishQueue;
  /** The marks of far that go with those of near: they are asked for when a computation begins, and come later. */
  readonly #marks = new Map<string, Promise<Mark | undefined>>();
  #marked = 0;

  constructor(near: Folder, far: Folder, queue: PublishQueue) {
    super(near);
    this.#far = far;
    this.#queue = queue;
  }

  override mark(): Mark {
    const near = this.folder.mark() as Mark; // no promise: it serves sync functions
    const name = String(this.#marked++);
    this.#marks.set(
      name,
      this.#queue.add(0, () => this.#far.mark()), // after what was removed before
    );
    if (this.#marks.size > MARKS) this.#marks.delete(this.#marks.keys().next().value!);
    return JSON.stringify([near, name]) as Mark;
  }

  override *publish(digest: string, parts: readonly Uint8Array[], mark: Mark, how: Publishing): Flow<boolean> {
    const [near, name] = JSON.parse(mark) as [Mark, string];
    const isPublished = yield* this.folder.publish(digest, parts, near, how);
    const farMark = this.#marks.get(name);
    if (!isPublished || !farMark) return isPublished;
    // The parts may be memory of the value, which is the caller's from now on.
    const bytes = Buffer.concat(parts);
    this.#queue.add(bytes.length, async () => {
      const mark = await farMark;
      if (mark !== undefined) await run(this.#far.publish(digest, [bytes], mark, { ...how, async: true }));
    });
    return true;
  }

  override remove(digest: string, readable?: ReadableName): ReturnType<Folder["remove"]> {
    const removed = this.folder.remove(digest, readable);
    this.#queue.add(0, () => this.#far.remove(digest, readable));
    return removed;
  }

  override *clear(async: boolean): Flow<number> {
    this.#queue.add(0, () => run(this.#far.clear(true)));
    return yield* this.folder.clear(async);
  }

  override *keep(digest: string, file: SeenFile, async: boolean): Flow<void> {
    yield* this.folder.keep(digest, file, async);
    this.#queue.add(0, () => run(this.#far.keep(digest, file, true)));
  }

  override dropKept(digest: string, except: readonly string[]): ReturnType<Folder["dropKept"]> {
    this.#queue.add(0, () => this.#far.dropKept(digest, except));
    return this.folder.dropKept(digest, except);
  }

  override retain(own: RetentionLimits, whole: SizeLimits): ReturnType<Folder["retain"]> {
    this.#queue.add(0, () => this.#far.retain(own, whole));
    return this.folder.retain(own, whole);
  }

  override prune(own: RetentionLimits, whole: SizeLimits): ReturnType<Folder["prune"]> {
    this.#queue.add(0, () => this.#far.prune(own, whole));
    return this.folder.prune(own, whole);
  }
}

/** Computations of a function that may be under way at once; what is beyond is published near only. */
const MARKS = 1_000;

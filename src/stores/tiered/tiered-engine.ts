import { decodeEntry } from "../../entry/entry.js";
import type { Awaitable, Contents, Engine, EntryName, Listing, Locks, Publishing, Tier, Usage } from "../engine.js";
import { keepsSizes } from "../evict.js";
import { Far } from "./far.js";
import { contentsOf, listingOf } from "./listing.js";
import { locksOf } from "./locks.js";
import { PublishQueue } from "./publish-queue.js";
import { withMark } from "./publishing.js";
import { Removals } from "./removals.js";
import { SyncSide } from "./sync-side.js";
import { usageOf, type Written } from "./usage.js";

/** What async functions, and caches as a whole, see: near, then far. */
export class TieredEngine implements Engine {
  readonly forSync: Engine | undefined;
  readonly listing: Listing | undefined;
  readonly locks: Locks | undefined;
  readonly contents: Contents | undefined;
  readonly usage: Usage | undefined;
  readonly #near: Engine;
  readonly #far: Far;
  readonly #queue = new PublishQueue((error) => this.#far.lost(error));
  readonly #written: Written = { bytes: 0 };
  /** By folder. */
  readonly #removals = new Map<string, Removals>();

  constructor(near: Engine, far: Engine) {
    this.#near = near;
    this.#far = new Far(near, far);
    this.listing = listingOf(near, this.#far);
    this.locks = locksOf(near, this.#far);
    this.contents = contentsOf(near, this.#far);
    this.usage = usageOf(near, this.#far, this.#written);
    this.forSync = near.sync ? new SyncSide(this, near.forSync ?? near, this.#far, this.#queue) : undefined;
  }

  get sync(): boolean {
    return this.#near.sync;
  }
  get isRemote(): boolean {
    return (this.#near.isRemote || this.#far.engine.isRemote) ?? false;
  }
  get location(): string {
    return `${this.#near.location} before ${this.#far.engine.location}`;
  }
  get remedy(): string | undefined {
    return this.#near.remedy;
  }
  /** Only the limits that near keeps can be asked for; far keeps what it can of them. */
  get ageOnly(): string | undefined {
    return keepsSizes(this.#near) ? undefined : (this.#near.ageOnly ?? "Use maxAge, or another near store.");
  }
  /** Only of what is near. */
  get stamps(): Engine["stamps"] {
    return this.#near.stamps;
  }
  /** Either may have been damaged. */
  get tiers(): readonly Tier[] {
    return [this.#near, this.#far.engine].flatMap((side): readonly Tier[] => side.tiers ?? [side]);
  }

  // ---- reading ----

  read(folder: string, entry: EntryName, mayWait: boolean): Awaitable<Uint8Array | undefined> {
    const bytes = this.#near.read(folder, entry, mayWait);
    if (bytes instanceof Promise) return bytes.then((read) => read ?? this.#readFar(folder, entry));
    return bytes || !mayWait ? bytes : this.#readFar(folder, entry);
  }

  async #readFar(folder: string, entry: EntryName): Promise<Uint8Array | undefined> {
    const isCurrent = this.#removalsIn(folder).watch();
    if (!isCurrent) return undefined;
    const read = await this.#far.try(() => this.#far.engine.read(folder, entry, true), undefined);
    if (!read || !isCurrent()) return undefined;
    const bytes = Buffer.from(read); // filling takes a while, in which others may read
    // Whose entry it is, and whether to believe it, is judged by who asked for it, here and there alike. But what is not
    // even whole would stand near before what is mended far.
    if (decodeEntry(bytes)) await this.#fill(folder, entry, bytes, isCurrent);
    return bytes;
  }

  async #fill(folder: string, entry: EntryName, bytes: Buffer, isCurrent: () => boolean): Promise<void> {
    try {
      const mark = await this.#near.mark(folder);
      await this.#near.publish(folder, entry, [bytes], { mark, isCurrent, mayWait: true, isDurable: false });
    } catch {
      // It is found far as well; what is wrong near is told when a result is to be stored.
    }
  }

  forget(folder: string, digest: string): void {
    this.#near.forget?.(folder, digest);
    this.#far.engine.forget?.(folder, digest);
  }

  // ---- publishing ----

  async mark(folder: string): Promise<string> {
    const far = this.#far.try(() => this.#far.engine.mark(folder), null);
    return JSON.stringify([await this.#near.mark(folder), await far]);
  }

  async publish(
    folder: string,
    entry: EntryName,
    parts: readonly Uint8Array[],
    publishing: Publishing,
  ): Promise<boolean> {
    const [nearMark, farMark] = JSON.parse(publishing.mark) as [string, string | null];
    this.#written.bytes = parts.reduce((total, part) => total + part.length, publishing.kept ?? 0);
    // Far may be slow, and the parts may be memory of the value, which is the caller's soon: near copies first.
    if (!(await this.#near.publish(folder, entry, parts, withMark(publishing, nearMark, publishing.mayWait))))
      return false;
    if (farMark === null) return true;
    let isPublished: boolean;
    try {
      isPublished = await this.#far.engine.publish(folder, entry, parts, withMark(publishing, farMark, true));
    } catch (error) {
      this.#far.lost(error);
      return true;
    }
    // Another machine has removed or replaced it meanwhile: that holds here, too.
    if (!isPublished && publishing.isCurrent()) await this.#near.remove(folder, entry);
    return isPublished;
  }

  // ---- removing ----

  async remove(folder: string, entry: EntryName): Promise<boolean> {
    const near = () => this.#near.remove(folder, entry);
    const far = () => this.#far.engine.remove(folder, entry);
    const [nearby, away] = await this.#remove(folder, "removed", near, far);
    return nearby || away;
  }

  async clear(folder: string, mayWait: boolean): Promise<number> {
    const near = () => this.#near.clear(folder, mayWait);
    const far = () => this.#far.engine.clear(folder, true);
    return Math.max(...(await this.#remove(folder, "cleared", near, far)));
  }

  /** Begun near and far at once. @throws StoreError where far is out of reach; what is near is gone all the same */
  #remove<T>(folder: string, deed: string, near: () => Awaitable<T>, far: () => Awaitable<T>): Promise<[T, T]> {
    return this.#removalsIn(folder).during(async () => {
      const fromNear = near();
      const fromFar = (async () => far())();
      fromFar.catch(() => {}); // it is waited for second
      const gone = await fromNear;
      try {
        return [gone, await fromFar];
      } catch (error) {
        throw this.#far.error(deed, error);
      } finally {
        await near(); // what others have found far in between, and put near
      }
    });
  }

  #removalsIn(folder: string): Removals {
    let removals = this.#removals.get(folder);
    if (!removals) {
      removals = new Removals();
      this.#removals.set(folder, removals);
    }
    return removals;
  }

  /** What is published in the background is waited for first. */
  async close(): Promise<void> {
    await this.#queue.flushed();
    await this.#near.close();
    await this.#far.engine.close();
  }
}

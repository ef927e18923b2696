import { holdEntry } from "../../entry/entry.js";
import { type Flow, performance, run, wait } from "../../flow.js";
import type {
  Awaitable,
  Contents,
  Engine,
  EntryName,
  EntryStamp,
  Listing,
  Locks,
  Publishing,
  Tier,
  Usage,
} from "../engine.js";
import type { HeldEntries, HeldEntry } from "./held-entries.js";
import { watchedListing, watchedUsage } from "./watched.js";

/**
 * An engine with a memory before it: what it does by itself, it does; what bears on an entry that is held is seen here. It
 * has no `stamps`, which are asked for here, and no `pieces`, because what is held is whole.
 */
export class MemoryEngine implements Engine {
  readonly sync: boolean;
  readonly location: string;
  readonly isRemote: boolean | undefined;
  readonly remedy: string | undefined;
  readonly ageOnly: string | undefined;
  readonly listing: Listing | undefined;
  readonly locks: Locks | undefined;
  readonly contents: Contents | undefined;
  readonly usage: Usage | undefined;
  readonly #held: HeldEntries;
  /** Milliseconds; 0: every hit looks. */
  readonly #trust: number;
  readonly #engine: Engine;
  readonly #over: (engine: Engine) => Engine;
  readonly #folders = new Map<string, HeldFolder>();
  /** The one that was asked for last. */
  #last: HeldFolder | undefined;
  /** What was seen before is not trusted any more. */
  #since = 0;

  /** @param over gives another engine with the same memory before it */
  constructor(held: HeldEntries, trust: number, engine: Engine, over: (engine: Engine) => Engine) {
    this.#held = held;
    this.#trust = trust;
    this.#engine = engine;
    this.#over = over;
    this.sync = engine.sync;
    this.location = engine.location;
    this.isRemote = engine.isRemote;
    this.remedy = engine.remedy;
    this.ageOnly = engine.ageOnly;
    this.listing = engine.listing && watchedListing(engine.listing, this.#lookAgain);
    this.locks = engine.locks && this.#locksOver(engine.locks);
    this.contents = engine.contents;
    this.usage = engine.usage && watchedUsage(engine.usage, this.#lookAgain);
  }

  get forSync(): Engine | undefined {
    return this.#engine.forSync && this.#over(this.#engine.forSync);
  }

  get tiers(): readonly Tier[] | undefined {
    return this.#engine.tiers?.map(({ listing, contents }) => ({
      listing: listing && watchedListing(listing, this.#lookAgain),
      contents,
    }));
  }

  read(folder: string, entry: EntryName, mayWait: boolean): Awaitable<Uint8Array | undefined> {
    const held = this.#held.get(this.#folder(folder).prefix + entry.digest);
    if (held && this.#isTrusted(held)) return held.bytes;
    return this.#readChecked(folder, entry, mayWait, held);
  }

  /** A function of its own: its closure costs a trusted hit nothing. */
  #readChecked(
    folder: string,
    entry: EntryName,
    mayWait: boolean,
    held: HeldEntry | undefined,
  ): Awaitable<Uint8Array | undefined> {
    const { digest } = entry;
    // Before it is read: whatever takes the entry's place meanwhile has another stamp, and is not found by this one.
    const stamp = this.#engine.stamps?.of(folder, entry);
    if (stamp && held?.stamp?.isSame(stamp)) {
      held.seenAt = this.#now();
      return held.bytes;
    }
    const of = this.#folder(folder);
    const { changes } = of;
    const seenAt = this.#now();
    const read = this.#engine.read(folder, entry, mayWait);
    const hold = (bytes: Uint8Array | undefined) => {
      if (changes === of.changes) this.#hold(folder, digest, bytes, stamp, seenAt);
      return bytes;
    };
    return read instanceof Promise ? read.then(hold) : hold(read);
  }

  #isTrusted({ seenAt }: HeldEntry): boolean {
    return this.#trust > 0 && performance.now() - seenAt < this.#trust && seenAt > this.#since;
  }

  /** Nobody asks for it without `trust`. */
  #now(): number {
    return this.#trust > 0 ? performance.now() : 0;
  }

  #hold(
    folder: string,
    digest: string,
    bytes: Uint8Array | undefined,
    stamp: EntryStamp | undefined,
    seenAt: number,
  ): void {
    const known = stamp?.isReliable() ? stamp : undefined;
    if (bytes && (known || this.#trust > 0) && this.#held.takes(bytes.length)) {
      const own = Buffer.from(bytes);
      holdEntry(own);
      this.#held.set(this.#folder(folder).prefix + digest, { bytes: own, stamp: known, seenAt });
    } else {
      this.forget(folder, digest);
    }
  }

  forget(folder: string, digest: string): void {
    this.#held.drop(this.#folder(folder).prefix + digest);
    this.#engine.forget?.(folder, digest);
  }

  mark(folder: string): Awaitable<string> {
    return this.#engine.mark(folder);
  }

  publish(folder: string, entry: EntryName, parts: readonly Uint8Array[], publishing: Publishing): Awaitable<boolean> {
    return run(this.#publish(folder, entry, parts, publishing));
  }

  *#publish(folder: string, entry: EntryName, parts: readonly Uint8Array[], publishing: Publishing): Flow<boolean> {
    const { digest } = entry;
    this.#change(folder, digest);
    const isPublished = yield* wait(this.#engine.publish(folder, entry, parts, publishing));
    this.#change(folder, digest);
    // It is too young for a stamp that could be relied on.
    if (isPublished && this.#trust > 0) {
      this.#hold(folder, digest, Buffer.concat(parts), undefined, performance.now());
    }
    return isPublished;
  }

  remove(folder: string, entry: EntryName): Awaitable<boolean> {
    this.#change(folder, entry.digest);
    const removed = this.#engine.remove(folder, entry);
    return removed instanceof Promise ? removed.finally(() => this.#change(folder, entry.digest)) : removed;
  }

  #change(folder: string, digest: string): void {
    this.#folder(folder).changes++;
    this.forget(folder, digest);
  }

  clear(folder: string, mayWait: boolean): Awaitable<number> {
    this.#dropAll(folder);
    const cleared = this.#engine.clear(folder, mayWait);
    return cleared instanceof Promise ? cleared.finally(() => this.#dropAll(folder)) : cleared;
  }

  #dropAll(folder: string): void {
    const of = this.#folder(folder);
    of.changes++;
    this.#held.dropAll(of.prefix);
  }

  close(): Awaitable<void> {
    this.#lookAgain();
    return this.#engine.close();
  }

  /** Where it is not told which entries had to go, all are looked at again. */
  readonly #lookAgain = (): void => {
    this.#since = performance.now();
  };

  /** Who locks a key wants to know what others have made of it. */
  #locksOver(locks: Locks): Locks {
    return {
      get kind() {
        return locks.kind;
      },
      tryLock: (name, makes) => {
        if (name.folder !== undefined) this.forget(name.folder, name.digest);
        return locks.tryLock(name, makes);
      },
      holder: (name) => locks.holder(name),
    };
  }

  #folder(name: string): HeldFolder {
    if (name === this.#last?.name) return this.#last;
    let folder = this.#folders.get(name);
    if (!folder) {
      folder = { name, prefix: this.#held.newPrefix(), changes: 0 };
      this.#folders.set(name, folder);
    }
    this.#last = folder;
    return folder;
  }
}

interface HeldFolder {
  readonly name: string;
  /** Of the names of its entries in the memory. */
  readonly prefix: string;
  /** Counts what this process changes in the folder: what was read before that is not held after it. */
  changes: number;
}

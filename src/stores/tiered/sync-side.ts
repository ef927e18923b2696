import { type Flow, run, wait } from "../../flow.js";
import type { Awaitable, Contents, Engine, EntryName, Publishing, Usage } from "../engine.js";
import { newTemporary } from "../temporary.js";
import type { Far } from "./far.js";
import type { PublishQueue } from "./publish-queue.js";
import { withMark } from "./publishing.js";
import { evictIn, type Written } from "./usage.js";

/** What sync functions see: what is near. Far is told of it in the background. */
export class SyncSide implements Engine {
  readonly sync = true;
  readonly location: string;
  readonly contents: Contents | undefined;
  readonly usage: Usage | undefined;
  readonly #both: Engine;
  readonly #near: Engine;
  readonly #far: Far;
  readonly #queue: PublishQueue;
  readonly #marks = new FarMarks();
  readonly #written: Written = { bytes: 0 };

  constructor(both: Engine, near: Engine, far: Far, queue: PublishQueue) {
    this.#both = both;
    this.#near = near;
    this.#far = far;
    this.#queue = queue;
    this.location = near.location;
    this.contents = near.contents && this.#contentsOver(near.contents);
    this.usage = both.usage && this.#newUsage();
  }

  /** Near has what was found far, too. */
  get isRemote(): boolean {
    return this.#both.isRemote ?? false;
  }
  get remedy(): string | undefined {
    return this.#both.remedy;
  }
  get ageOnly(): string | undefined {
    return this.#both.ageOnly;
  }
  get listing(): Engine["listing"] {
    return this.#near.listing;
  }
  get locks(): Engine["locks"] {
    return this.#near.locks;
  }
  get stamps(): Engine["stamps"] {
    return this.#near.stamps;
  }
  get pieces(): Engine["pieces"] {
    return this.#near.pieces;
  }

  read(folder: string, entry: EntryName, mayWait: boolean): Awaitable<Uint8Array | undefined> {
    return this.#near.read(folder, entry, mayWait);
  }

  forget(folder: string, digest: string): void {
    this.#near.forget?.(folder, digest);
  }

  mark(folder: string): string {
    const near = this.#near.mark(folder) as string; // no promise: it serves sync functions
    // After what was removed before.
    const far = this.#queue.add(0, () => this.#far.engine.mark(folder));
    return JSON.stringify([near, this.#marks.add(folder, far)]);
  }

  publish(folder: string, entry: EntryName, parts: readonly Uint8Array[], publishing: Publishing): Awaitable<boolean> {
    return run(this.#publish(folder, entry, parts, publishing));
  }

  *#publish(folder: string, entry: EntryName, parts: readonly Uint8Array[], publishing: Publishing): Flow<boolean> {
    const [near, name] = JSON.parse(publishing.mark) as [string, string];
    this.#written.bytes = parts.reduce((total, part) => total + part.length, publishing.kept ?? 0);
    const here = withMark(publishing, near, publishing.mayWait);
    const isPublished = yield* wait(this.#near.publish(folder, entry, parts, here));
    const farMark = this.#marks.get(folder, name);
    if (!isPublished || !farMark) return isPublished;
    // The parts may be memory of the value, which is the caller's from now on.
    const bytes = Buffer.concat(parts);
    const own = nameOf(entry);
    this.#queue.add(bytes.length, async () => {
      const mark = await farMark;
      if (mark !== undefined) await this.#far.engine.publish(folder, own, [bytes], withMark(publishing, mark, true));
    });
    return true;
  }

  remove(folder: string, entry: EntryName): Awaitable<boolean> {
    const removed = this.#near.remove(folder, entry);
    const own = nameOf(entry);
    this.#queue.add(0, () => this.#far.engine.remove(folder, own));
    return removed;
  }

  clear(folder: string, mayWait: boolean): Awaitable<number> {
    this.#queue.add(0, () => this.#far.engine.clear(folder, true));
    return this.#near.clear(folder, mayWait);
  }

  #contentsOver(near: Contents): Contents {
    const { engine } = this.#far;
    return {
      temporary: () => near.temporary?.() ?? newTemporary(),
      keep: (folder, digest, file, mayWait) => {
        const told = <T>(isKept: T) => {
          if (isKept) this.#queue.add(0, () => engine.contents?.keep(folder, digest, file, true));
          return isKept;
        };
        const isKept = near.keep(folder, digest, file, mayWait);
        return isKept instanceof Promise ? isKept.then(told) : told(isKept);
      },
      path: (folder, digest, sha256) => near.path(folder, digest, sha256),
      drop: (folder, digest, except) => {
        this.#queue.add(0, () => engine.contents?.drop(folder, digest, except));
        return near.drop(folder, digest, except);
      },
      list: (folder) => near.list(folder),
    };
  }

  #newUsage(): Usage {
    return {
      use: (folder, entry) => this.#near.usage?.use(folder, entry),
      usedAt: (folder, entry) => this.#near.usage?.usedAt(folder, entry),
      evict: (limits, parent, isThorough) => {
        const written = { ...this.#written };
        this.#queue.add(0, async () => {
          for await (const _ of evictIn(this.#far.engine, limits, parent, isThorough, written));
        });
        return evictIn(this.#near, limits, parent, isThorough, written);
      },
    };
  }

  close(): Awaitable<void> {
    return this.#both.close();
  }
}

/** What the background needs of a call, so that it does not keep its arguments. */
function nameOf({ digest, readable }: EntryName): EntryName {
  return { digest, readable };
}

/**
 * The marks of far that go with those of near: they are asked for when a computation begins, and come later. Of each folder
 * the last ones.
 */
class FarMarks {
  readonly #folders = new Map<string, Map<string, Promise<string | undefined>>>();
  #count = 0;

  /** @returns a name for the mark */
  add(folder: string, mark: Promise<string | undefined>): string {
    const marks = this.#folders.get(folder) ?? new Map<string, Promise<string | undefined>>();
    this.#folders.set(folder, marks);
    const name = String(this.#count++);
    marks.set(name, mark);
    if (marks.size > MARKS) marks.delete(marks.keys().next().value!);
    return name;
  }

  get(folder: string, name: string): Promise<string | undefined> | undefined {
    return this.#folders.get(folder)?.get(name);
  }
}

/** Computations of a function that may be under way at once; what is beyond is published near only. */
const MARKS = 1_000;

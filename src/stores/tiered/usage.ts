import type { Each, Engine, Evicted, Evicting, EvictionLimits, Usage } from "../engine.js";
import { keepsSizes, stepsOf } from "../evict.js";
import { hasLimits, isAhead } from "../limits.js";
import type { Far } from "./far.js";

/**
 * Limits hold in both, except for those that an engine leaves to its server. This is here also where neither of them
 * remembers uses: what stands on a listing would look at one of them alone.
 */
export function usageOf(near: Engine, far: Far, written: Written): Usage | undefined {
  if (![near, far.engine].some(({ usage, listing }) => usage ?? listing)) return undefined;
  return {
    use(folder, entry) {
      near.usage?.use(folder, entry);
      orLost(far, () => far.engine.usage?.use(folder, entry));
    },
    usedAt(folder, entry) {
      const nearby = near.usage?.usedAt(folder, entry);
      const away = orLost(far, () => far.engine.usage?.usedAt(folder, entry));
      if (nearby === undefined || away === undefined) return nearby ?? away;
      // One that is dated ahead is of a clock that was wrong.
      const [earlier, later] = [Math.min(nearby, away), Math.max(nearby, away)];
      return isAhead(later, Date.now()) ? earlier : later;
    },
    evict: (limits, parent, isThorough) =>
      evictBoth(
        new Side(evictIn(near, limits, parent, isThorough, written)),
        new Side(orLost(far, () => evictIn(far.engine, limits, parent, isThorough, written)) ?? [], far),
      ),
  };
}

/** The size of the entry that was written last: an engine that keeps limits by a listing adds it to its estimate. */
export interface Written {
  bytes: number;
}

/** The steps of the eviction in one of them. */
export function evictIn(
  engine: Engine,
  limits: EvictionLimits,
  parent: string | undefined,
  isThorough: boolean,
  { bytes }: Written,
): Each<Evicting> {
  const kept = keepsSizes(engine) ? limits : { maxAge: limits.maxAge };
  return hasLimits(kept) ? stepsOf(engine, kept, parent, isThorough ? undefined : bytes) : [];
}

/**
 * Most entries are in both, and are told of once. Both go on at the same pace: whoever stops between two steps was told of
 * all that is gone.
 */
async function* evictBoth(near: Side, far: Side): AsyncGenerator<Evicting, void> {
  const told = new Map<string, number>();
  const isFirst = (evicted: Evicted, count: number) => {
    if (count <= (told.get(nameOf(evicted)) ?? 0)) return false;
    told.set(nameOf(evicted), count);
    return true;
  };
  try {
    while (!near.isOver || !far.isOver) {
      const gone: Evicted[] = [];
      do {
        const behind = far.isOver || (!near.isOver && near.done <= far.done) ? near : far;
        for (const each of await behind.next()) if (isFirst(each, behind.count(each))) gone.push(each);
      } while (!near.isOver && !far.isOver && near.done !== far.done);
      if (gone.length > 0) yield { total: Math.max(near.total, far.total), gone };
    }
  } finally {
    for (const side of [near, far]) await side.stop();
  }
}

/** The eviction in one of them. */
class Side {
  isOver = false;
  /** How many entries are gone. */
  done = 0;
  total = 0;
  readonly #steps: Iterator<Evicting> | AsyncIterator<Evicting>;
  readonly #far: Far | undefined;
  /** How many are gone of a path, by a limit. */
  readonly #counts = new Map<string, number>();

  /** @param far where it may be out of reach */
  constructor(steps: Each<Evicting>, far?: Far) {
    this.#steps = Symbol.iterator in steps ? steps[Symbol.iterator]() : steps[Symbol.asyncIterator]();
    this.#far = far;
  }

  async next(): Promise<readonly Evicted[]> {
    const over = { done: true, value: undefined } as const;
    const step = await (this.#far ? this.#far.try(() => this.#steps.next(), over) : this.#steps.next());
    if (step.done) {
      this.isOver = true;
      return [];
    }
    this.done += step.value.gone.length;
    this.total = step.value.total;
    return step.value.gone;
  }

  async stop(): Promise<void> {
    if (!this.isOver) await this.#steps.return?.();
  }

  /** Counts an entry. @returns how many of its path are gone by its limit now */
  count(evicted: Evicted): number {
    const count = (this.#counts.get(nameOf(evicted)) ?? 0) + 1;
    this.#counts.set(nameOf(evicted), count);
    return count;
  }
}

function nameOf({ path, limit }: Evicted): string {
  return `${path} ${limit}`; // no path has a space
}

function orLost<T>(far: Far, work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    far.lost(error);
    return undefined;
  }
}

import type { Each, Engine, Evicted, Evicting, EvictionLimits, Usage } from "../engine.js";
import { keepsSizes, stepsOf } from "../evict.js";
import { hasLimits } from "../limits.js";
import type { Far } from "./far.js";

/** Limits hold in both, except for those that an engine leaves to its server. */
export function usageOf(near: Engine, far: Far, written: Written): Usage {
  return {
    use(folder, entry) {
      near.usage?.use(folder, entry);
      orLost(far, () => far.engine.usage?.use(folder, entry));
    },
    usedAt(folder, entry) {
      const nearby = near.usage?.usedAt(folder, entry);
      const away = orLost(far, () => far.engine.usage?.usedAt(folder, entry));
      return nearby === undefined || away === undefined ? (nearby ?? away) : Math.max(nearby, away);
    },
    evict: (limits, parent, isThorough) =>
      evictBoth(far, evictIn(near, limits, parent, isThorough, written), () =>
        evictIn(far.engine, limits, parent, isThorough, written),
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

/** Most entries are in both, and are told of once: of far those that near has not told of. */
async function* evictBoth(
  far: Far,
  nearby: Each<Evicting>,
  away: () => Each<Evicting>,
): AsyncGenerator<Evicting, void> {
  const told = new Map<string, number>();
  let done = 0;
  for await (const step of nearby) {
    for (const each of step.gone) told.set(nameOf(each), (told.get(nameOf(each)) ?? 0) + 1);
    done += step.gone.length;
    yield step;
  }
  try {
    for await (const { total, gone } of away()) {
      const others = gone.filter((each) => {
        const count = told.get(nameOf(each)) ?? 0;
        told.set(nameOf(each), count - 1);
        return count <= 0;
      });
      yield { total: Math.max(total, done), gone: others };
    }
  } catch (error) {
    far.lost(error);
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

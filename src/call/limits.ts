import { StoreError } from "../errors.js";
import { emit, isHeard } from "../events.js";
import type { Flow } from "../flow.js";
import type { Evicted } from "../stores/engine.js";
import type { Call } from "./bind.js";
import type { Plan } from "./plan.js";
import { warnOnce } from "./trouble.js";

/** What limits do to a result that is stored, and to the entries before it. */

/** A result that is returned and not stored. */
export class TooLargeError extends StoreError {
  readonly reason: string;

  /** @param limit the option that refuses it */
  constructor(
    { subject }: Plan,
    readonly limit: "maxValueBytes" | "maxBytes",
    what: string,
    size: number,
    most: number,
  ) {
    const reason = `${what} would have ${size} bytes, and ${limit} is ${most}`;
    super(`${subject}: the value is too large to be stored: ${reason}.`);
    this.reason = reason;
  }
}

/** The most bytes that an entry may have with its kept out files: what is larger would have to go at once, after all others. */
export function mostBytes(plan: Plan): number {
  const { limits } = plan.settings();
  if (!limits) return Number.POSITIVE_INFINITY;
  const { own, whole } = limits;
  return Math.min(own.maxBytes ?? Number.POSITIVE_INFINITY, whole.maxBytes ?? Number.POSITIVE_INFINITY);
}

/**
 * @param size of the entry, in bytes
 * @param kept of the contents of out files that are kept for it
 * @throws TooLargeError for an entry that alone is beyond a limit
 */
export function assertFits(plan: Plan, size: number, kept: number): void {
  const { maxValueBytes } = plan.settings();
  if (size > maxValueBytes) throw new TooLargeError(plan, "maxValueBytes", "its entry", size, maxValueBytes);
  const most = mostBytes(plan);
  const what = kept > 0 ? "its entry, with the out files that are kept for it," : "its entry";
  if (size + kept > most) throw new TooLargeError(plan, "maxBytes", what, size + kept, most);
}

/** Removes what is beyond the limits, after a write. @param bytes that were written */
export function* keepLimits({ plan, folder }: Call, bytes: number): Flow<void> {
  const { limits } = plan.settings();
  if (limits) evicted(plan, yield* folder.evict(limits.own, limits.whole, bytes));
}

/** Tells of entries that were removed because of limits. */
export function evicted(plan: Plan, gone: readonly Evicted[]): readonly Evicted[] {
  for (const { path, limit, isUnused } of gone) {
    plan.evictedUnused = isUnused ? plan.evictedUnused + 1 : 0;
    if (isHeard("evict")) emit({ type: "evict", path, reason: limit });
  }
  if (plan.evictedUnused >= THRASHING && plan.stats.hits === 0) {
    warnOnce(
      plan.warned,
      "thrashing",
      `${plan.subject}: the last ${plan.evictedUnused} entries that had to go were never used (${plan.stats.stores} stored, no hit). The cache is too small to be of use: raise ${gone.at(-1)?.limit ?? "its limits"}.`,
    );
  }
  return gone;
}

/** Entries that went without ever having been used, one after the other, until that is worth a warning. */
const THRASHING = 100;

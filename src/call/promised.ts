import type { DecodedEntry } from "../entry/entry.js";
import type { Plan } from "./plan.js";
import type { Flight } from "./single-flight.js";

/**
 * Whether the hit of a plain function is a promise. A plain function may give promises without saying so (`async: true`
 * says so), and then its hits are promises, too. But the entry may have been written by other source: an async function
 * that has become a sync one finds its old entries, and gives values.
 */

/** Whether a hit is a promise. Of an async function it always is. */
export function isHitPromised(plan: Plan, entry: Pick<DecodedEntry, "async" | "source">): boolean {
  if (!entry.async || plan.async) return entry.async;
  return isOfSource(plan, entry.source) || plan.gavePromise === true;
}

/**
 * Whether only a call of the function tells: it is a plain one, the entry was written by a plain function of other source
 * that gave a promise, and this process has not seen what this one gives.
 */
export function isHitUntold(
  plan: Plan,
  { isPlainPromise, source }: Pick<DecodedEntry, "isPlainPromise" | "source">,
): boolean {
  if (!isPlainPromise || plan.async || plan.gavePromise !== undefined) return false;
  return !isOfSource(plan, source);
}

/** Whether a call of the function may be given the promise of a running computation. */
export function mayJoin(plan: Plan, { plan: computing }: Flight<any>): boolean {
  if (plan.async || computing === plan) return true;
  return computing !== undefined && !computing.async && isOfSource(plan, computing.source);
}

/** Asked only where an entry is of a promise: `plan.source` takes a look at the whole syntax tree. */
function isOfSource(plan: Plan, source: string): boolean {
  return source !== "" && source === plan.source;
}

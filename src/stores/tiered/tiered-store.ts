import { assertArguments, OptionError } from "../../errors.js";
import type { AsyncEngine, Engine, SyncEngine } from "../engine.js";
import { TieredEngine } from "./tiered-engine.js";

/**
 * A store for each machine before one that all of them share: reads near, then far (and keeps near what it found there),
 * publishes to both. Keys are locked near first, so that one process of each machine contends for the far lock. A sync
 * function, where `near` can serve it, reads near only; what it computes is published to far in the background. While far
 * is out of reach, near goes on alone.
 *
 *     createCache({ store: tieredStore(lmdbStore({ path }), redisStore({ url })) })
 *
 * Limits hold in both, except for those that `far` leaves to its server. Listing methods show what is far, which is what all
 * machines have in common; where that is out of reach, what is near. `close()` of the cache waits for what is still to be
 * published.
 * @throws OptionError where one of them is no store
 */
export function tieredStore<N extends Engine, F extends Engine>(
  near: N,
  far: F,
): N extends SyncEngine ? SyncEngine : AsyncEngine;
export function tieredStore(...args: [near: Engine, far: Engine]): Engine {
  assertArguments("tieredStore()", args, 2, "For three tiers, give a tieredStore as one of the two.");
  const [near, far] = args;
  for (const [name, store] of Object.entries({ near, far })) {
    const { sync, read } = (store ?? {}) as Partial<Engine>;
    if (typeof sync === "boolean" && typeof read === "function") continue;
    throw new OptionError(`tieredStore(): "${name}" is not a store: lmdbStore({ path }), redisStore({ url }).`);
  }
  if (near === far) throw new OptionError("tieredStore(): near and far are the same store.");
  return new TieredEngine(near, far);
}

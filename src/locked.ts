import { throwIfAborted } from "./chunks.js";
import { context } from "./context.js";
import { emit, isHeard } from "./events.js";
import type { Held } from "./files/key-lock.js";
import { nextPause } from "./files/lock-waiting.js";
import { type Flow, wait } from "./flow.js";
import type { Call } from "./keyed-call.js";
import type { Terms } from "./look-up.js";
import type { Plan } from "./plan.js";
import { type Flight, runningOf } from "./single-flight.js";
import type { AbortSignalLike } from "./types.js";

/** What bears on the key locks of a computation. */
export interface LockTerms extends Terms {
  readonly plan: Plan;
  readonly signal: AbortSignalLike | undefined;
  /** Milliseconds to wait for the computations of others; 0: no key lock. */
  readonly maxWait: number;
}

/** The key locks that this thread holds. A sync call that waited meanwhile would keep their holders from going on. */
let heldHere = 0;

/**
 * Computes calls while their key locks are held, so that no other process computes them too. Those that others hold are
 * waited for, for as long as their holders live, or `maxWait`.
 *
 * Nobody waits while it holds: a call inside of a computation that holds a lock, and a sync one in a thread that holds any,
 * tries once, and otherwise computes. So two processes never wait for each other. A lock only saves work: where there is
 * none to be had, the call computes without.
 * @param look serves what is in the store by now. @returns the others, in order
 */
export function* underLocks(
  terms: LockTerms,
  flight: Flight<any>,
  calls: readonly Call[],
  look: (calls: readonly Call[]) => Flow<readonly Call[]>,
  compute: (calls: readonly Call[]) => Flow<void>,
): Flow<void> {
  const { plan, mode, maxWait } = terms;
  if (mode === "read-only" || maxWait === 0) return yield* compute(calls);
  const waiting = new Waiting(terms);
  for (let open = calls; ; ) {
    const isPatient = mode !== "refresh" && maxWait > waiting.passed && mayWait(plan);
    const held = yield* tryLocks(open);
    const isOurs = (call: Call) => !isPatient || held.has(call) || isComputedHere(call, flight);
    const [mine, others] = parted(open, isOurs);
    try {
      flight.isLocked = held.size > 0;
      const missing = yield* look(mine);
      if (missing.length > 0) yield* compute(missing);
    } finally {
      flight.isLocked = false;
      heldHere -= held.size;
      for (const lock of held.values()) lock.release();
    }
    if (others.length === 0) return;
    yield* waiting.pause(others);
    open = yield* look(others); // the value before the lock
    if (open.length === 0) return;
  }
}

/** Whether the holder is a computation of this process that could not be joined: one that waits for us, or is outdated. */
function isComputedHere({ folder, digest }: Call, flight: Flight<any>): boolean {
  return !runningOf(folder, digest)!.isAlone(flight);
}

function parted<T>(all: readonly T[], isFirst: (each: T) => boolean): [T[], T[]] {
  return [all.filter(isFirst), all.filter((each) => !isFirst(each))];
}

function mayWait({ async }: Plan): boolean {
  return !context.getStore()?.flight?.isInsideLock && (async || heldHere === 0);
}

/** In the order of the keys. */
function* tryLocks(calls: readonly Call[]): Flow<Map<Call, Held>> {
  const held = new Map<Call, Held>();
  for (const call of calls.toSorted((a, b) => (a.digest < b.digest ? -1 : 1))) {
    try {
      const lock = yield* wait(call.folder.tryLock(call.digest));
      if (lock) held.set(call, lock);
    } catch {
      held.set(call, NONE); // what is wrong with the directory is told when the result is to be stored
    }
  }
  heldHere += held.size;
  return held;
}

const NONE: Held = { release() {} };

/** Milliseconds after which the holder is named to those who listen. */
const LONG = 60_000;

class Waiting {
  readonly #terms: LockTerms;
  readonly #start = performance.now();
  #attempt = 0;
  #isNamed = false;

  constructor(terms: LockTerms) {
    this.#terms = terms;
  }

  get passed(): number {
    return performance.now() - this.#start;
  }

  *pause(calls: readonly Call[]): Flow<void> {
    const { plan, signal } = this.#terms;
    if (this.#attempt === 0) {
      plan.stats.waited += calls.length;
      this.#tell(calls);
    } else if (!this.#isNamed && this.passed > LONG) {
      this.#isNamed = true;
      this.#tell(calls);
    }
    this.#attempt++;
    yield* nextPause(this.#attempt, plan.async);
    if (plan.async) for (const call of calls) call.waited = true; // other code ran
    throwIfAborted(signal);
  }

  #tell(calls: readonly Call[]): void {
    if (!isHeard("wait")) return;
    for (const { plan, key, folder, digest } of calls) {
      const reason = this.#isNamed ? (folder.lockHolder(digest) ?? "a holder that cannot be told") : undefined;
      emit({ type: "wait", path: plan.path, version: plan.version, key, reason });
    }
  }
}

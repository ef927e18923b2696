import { nextPause } from "../files/locks/lock-waiting.js";
import { type AbortSignalLike, type Flow, performance, wait } from "../flow.js";
import type { Held } from "../stores/engine.js";
import { throwIfAborted } from "./batch/chunks.js";
import { type Call, digestOf } from "./bind.js";
import { emitWait, patience, tellOfWait } from "./patience.js";
import type { Plan } from "./plan.js";
import { type Flight, runningOf } from "./single-flight.js";
import type { Terms } from "./terms.js";

/**
 * What calls hold against other processes: first their out paths, then their keys. No two processes ever wait for each
 * other, because
 *
 * - who holds a key waits for nobody: in a computation that holds one, and in whatever that waits for in its process,
 *   locks are tried once. The same in a sync call while its thread holds a key: it would keep the holder from going on.
 * - who holds paths waits for keys only, never for paths: those of a call are locked all at once or not at all.
 *
 * So whoever is waited for comes to an end by itself. Nothing wrong follows where a lock cannot be had: a call without its
 * key computes what another one computes too, a call without its paths stores nothing.
 */

/** What bears on the locks of a call. */
export interface LockTerms extends Terms {
  readonly plan: Plan;
  readonly signal: AbortSignalLike | undefined;
  /** Milliseconds to wait for others, of this process and of other ones; 0: no key lock, and nobody is joined. */
  readonly maxWait: number;
}

/** The locks that this thread holds. */
let keysHeld = 0;
let pathsHeld = 0;

const holdsKeys = (flight: Flight<any>) => flight.holdsKeys;
const holdsAny = (flight: Flight<any>) => flight.holdsKeys || flight.holdsPaths;

/**
 * Computes calls while their keys are locked, so that no other process computes them too. Those that others hold are
 * waited for, for as long as their holders live, or `maxWait`; nothing is held meanwhile.
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
  const waiting = new Waiting(terms, ({ folder, digest }) => folder.lockHolder(digest));
  for (let open = calls; ; ) {
    const mayWait = !flight.isAnyBehind(holdsKeys) && (plan.async || keysHeld === 0);
    const isPatient = mode !== "refresh" && maxWait > waiting.passed && mayWait;
    const held = yield* tryLocks(open);
    const isOurs = (call: Call) => !isPatient || held.has(call) || isComputedHere(call, flight);
    const [mine, others] = parted(open, isOurs);
    try {
      flight.holdsKeys = held.size > 0;
      const missing = yield* look(mine);
      if (missing.length > 0) yield* compute(missing);
    } finally {
      flight.holdsKeys = false;
      keysHeld -= held.size;
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

/**
 * Keys of one computation that are locked: 0.1 s. The cost of each grows with their number. What is beyond is computed
 * without, which `chunkSize` prevents.
 */
const MOST = 4096;

/** In the order of the keys. */
function* tryLocks(calls: readonly Call[]): Flow<Map<Call, Held>> {
  const held = new Map<Call, Held>();
  const ordered = calls.toSorted((a, b) => (a.digest < b.digest ? -1 : 1));
  for (const call of ordered.slice(0, MOST)) {
    const lock = yield* tried(() => call.folder.tryLock(call.digest));
    if (lock) held.set(call, lock);
  }
  for (const call of ordered.slice(MOST)) held.set(call, NONE);
  keysHeld += held.size;
  return held;
}

function* tried(tryLock: () => Held | undefined | Promise<Held | undefined>): Flow<Held | undefined> {
  try {
    return yield* wait(tryLock());
  } catch {
    return NONE; // what is wrong with the directory is told when the result is to be stored
  }
}

const NONE: Held = { release() {} };

/**
 * Locks the out paths of a call, against all calls of other processes that have entries in the same directory. Those that
 * others hold are waited for, as keys are.
 * @param hold what keeps them from the other calls of this process
 * @param makes whether the store is made where it is missing
 * @returns what releases them; `undefined` where they are not to be had
 */
export function* lockPaths(
  call: Call,
  terms: LockTerms,
  hold: Flight<void>,
  makes: boolean,
): Flow<(() => void) | undefined> {
  const { plan, folder } = call;
  const digests = call.out.map(({ path }) => digestOf(path)).sort();
  const holder = () => digests.map((digest) => folder.pathHolder(digest)).find((each) => each !== undefined);
  const waiting = new Waiting(terms, holder);
  for (;;) {
    const mayWait = !hold.isAnyBehind(holdsAny) && (plan.async || keysHeld + pathsHeld === 0);
    const isPatient = terms.maxWait > waiting.passed && mayWait;
    const held: Held[] = [];
    const release = () => {
      for (const lock of held) lock.release();
    };
    for (const digest of digests) {
      const lock = yield* tried(() => folder.tryLockPath(digest, makes));
      if (!lock) break;
      held.push(lock);
    }
    if (held.length === digests.length) {
      hold.holdsPaths = true;
      pathsHeld += held.length;
      return () => {
        hold.holdsPaths = false;
        pathsHeld -= held.length;
        release();
      };
    }
    release();
    if (!isPatient) return undefined;
    yield* waiting.pause([call]);
  }
}

class Waiting {
  readonly #terms: LockTerms;
  readonly #holderOf: (call: Call) => string | undefined;
  readonly #start = performance.now();
  #attempt = 0;
  #isNamed = false;

  constructor(terms: LockTerms, holderOf: (call: Call) => string | undefined) {
    this.#terms = terms;
    this.#holderOf = holderOf;
  }

  get passed(): number {
    return performance.now() - this.#start;
  }

  *pause(calls: readonly Call[]): Flow<void> {
    const { plan, signal } = this.#terms;
    if (this.#attempt === 0) {
      plan.stats.waited += calls.length;
      for (const call of calls) emitWait(call);
    } else if (!this.#isNamed && this.passed > patience.long) {
      this.#isNamed = true;
      tellOfWait(calls, (call) => this.#holderOf(call) ?? "a holder that cannot be told", this.passed);
    }
    this.#attempt++;
    yield* nextPause(this.#attempt, plan.async);
    if (plan.async) for (const call of calls) call.waited = true; // other code ran
    throwIfAborted(signal);
  }
}

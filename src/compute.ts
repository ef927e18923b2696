import { type ChunkOptions, inChunks, throwIfAborted } from "./chunks.js";
import { context } from "./context.js";
import { decodeValue, type Payload } from "./entry/codecs.js";
import { type Flow, isThenable, wait } from "./flow.js";
import type { Call } from "./keyed-call.js";
import { consult, refreshId, runningFor, type Terms } from "./look-up.js";
import { assertWritten, stampsBefore } from "./out-files.js";
import { hit, miss, type Outcome } from "./outcome.js";
import type { Plan } from "./plan.js";
import { Flight, takeOff, touchDown } from "./single-flight.js";
import { encode, type Meta, markFor, shouldStore, store } from "./store-result.js";
import type { Folder, Mark } from "./stores/store.js";
import { reportEntry, warnOnce } from "./trouble.js";
import type { AbortSignalLike } from "./types.js";

/**
 * What is not in the store is computed, by this call or by whoever is at it already. One call, or the elements of a
 * batch that are missing:
 *
 *     chunk -> look again, where other code ran since -> join who computes it
 *           -> compute the rest -> encode -> publish
 *     wait for those that were joined
 */

/** How the function is run for some calls: for a single one, or for the elements of a batch. */
export interface Job extends Terms, ChunkOptions {
  readonly plan: Plan;
  readonly self: unknown;
  /** What the function is given for these calls. Where one has waited: bound again, `isSame` told for each. */
  argsFor(calls: readonly Call[]): unknown[];
  /** The result for each of these calls. @throws BatchError where there are not as many */
  resultsOf(value: unknown, calls: readonly Call[]): readonly unknown[];
  settle(call: Call, outcome: Outcome): void;
  /** A chunk is through. */
  progressed(): void;
}

/** What a computation hands to the calls that joined it. */
interface Landed {
  readonly outcome: Outcome;
  /** The encoded value, from which everybody gets a copy; `undefined` where it cannot be stored. */
  readonly payload: Payload | undefined;
}

/** By `refreshId` of the call. */
type Landings = ReadonlyMap<string, Landed>;

interface Joined {
  readonly call: Call;
  readonly landing: Promise<Landings>;
}

/** Settles all calls. */
export function* obtain(job: Job, calls: readonly Call[]): Flow<void> {
  let open = calls;
  while (open.length > 0) {
    const joined: Joined[] = [];
    yield* computeChunks(job, open, joined);
    const again: Call[] = [];
    for (const each of joined) if (!(yield* settleJoined(job, each))) again.push(each.call);
    open = again;
    if (joined.length > 0) job.progressed();
  }
}

function* computeChunks(job: Job, calls: readonly Call[], joined: Joined[]): Flow<void> {
  let hasRun = false;
  yield* inChunks(calls, job, function* (chunk) {
    if (hasRun) for (const call of chunk) hasWaited(call);
    hasRun = true;
    yield* computeMissing(job, chunk, joined);
    job.progressed();
  });
}

function* computeMissing(job: Job, chunk: readonly Call[], joined: Joined[]): Flow<void> {
  const missing: Call[] = [];
  for (const call of chunk) {
    const served = call.isLookedUp ? undefined : yield* consult(call, job);
    if (served) job.settle(call, served);
    else missing.push(call);
  }
  // From here until the flight has taken off nobody else runs.
  const own = missing.filter((call) => {
    const landing = runningFor<Landings>(call, job)?.join();
    if (!landing) return true;
    landing.catch(() => {}); // it is waited for later, and may fail before
    joined.push({ call, landing });
    return false;
  });
  if (own.length > 0) yield* compute(job, own);
}

/** Other code ran: the key, and the store, have to be looked at again. */
function hasWaited(call: Call): void {
  call.waited = true;
  call.isLookedUp = false;
}

/** False where the call has to be tried again. */
function* settleJoined(job: Job, { call, landing }: Joined): Flow<boolean> {
  const { plan } = job;
  hasWaited(call);
  plan.stats.waited++;
  try {
    const landings = yield* wait(orAborted(landing, job.signal));
    const landed = landings.get(refreshId(call.folder, call.digest));
    if (!landed || call.out.length > 0) return false; // out files: it has written elsewhere
    job.settle(call, hit(plan, copyOf(landed, plan)));
    return true;
  } catch (error) {
    throwIfAborted(job.signal);
    // The leader was told to stop; that is no answer for the others, who try themselves.
    if ((error as Error | undefined)?.name !== "AbortError") throw error;
    return false;
  }
}

function orAborted<T>(promise: Promise<T>, signal: AbortSignalLike | undefined): Promise<T> {
  if (!signal) return promise;
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort);
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}

/** Everybody who joined gets a copy, as from the store; only what cannot be copied is shared. */
function copyOf({ outcome, payload }: Landed, plan: Plan): Outcome {
  if (!payload) return { ...outcome, hit: true };
  try {
    const value = decodeValue(payload, Buffer.concat(payload.parts), plan.settings().codec);
    return { ...outcome, hit: true, value };
  } catch (error) {
    reportEntry(plan, error);
    return { ...outcome, hit: true };
  }
}

/** Runs the function for these calls, once. */
function* compute(job: Job, calls: readonly Call[]): Flow<void> {
  const { plan, mode, scope } = job;
  for (const call of calls) miss(call);
  const args = job.argsFor(calls);
  warnOfChange(plan, calls);
  const marks = mode === "read-only" ? new Map<Folder, Mark>() : marksFor(calls);
  const out = calls.length === 1 ? calls[0]!.out : [];
  const before = stampsBefore(out);
  const flight = new Flight<Landings>(mode === "refresh" ? scope : undefined, mode !== "read-only");
  for (const { folder, digest } of calls) {
    if (mode === "refresh") scope?.refreshed.add(refreshId(folder, digest));
    takeOff(folder, digest, flight);
  }
  const unstored = new Set(calls);
  try {
    const start = performance.now();
    const around = { scope: context.getStore()?.scope, flight };
    const result = context.run(around, () => plan.fn.apply(job.self, args));
    flight.canBeJoined = isThenable(result);
    const value = flight.canBeJoined ? yield* wait(result) : result;
    const duration = (performance.now() - start) / calls.length;
    const meta = { async: plan.async || flight.canBeJoined, createdAt: Date.now(), duration };
    const results = job.resultsOf(value, calls);
    assertWritten(plan.subject, out, before);
    const landed: Landed[] = [];
    for (const [i, call] of calls.entries()) {
      const mark = call.holds && call.isSame ? marks.get(call.folder) : undefined;
      const kept = yield* keepResult(call, results[i], meta, mark, flight);
      landed.push(kept);
      if (kept.outcome.bytes > 0) unstored.delete(call);
      job.settle(call, kept.outcome);
    }
    flight.land(flight.isJoined ? landingsOf(calls, landed) : NOBODY);
  } catch (error) {
    flight.fail(error);
    throw error;
  } finally {
    for (const { folder, digest } of calls) touchDown(folder, digest, flight);
    for (const { folder, digest } of scope ? unstored : []) scope?.refreshed.delete(refreshId(folder, digest));
  }
}

/** The function starts later than the key was taken: what it gets now may have another one. */
function warnOfChange(plan: Plan, calls: readonly Call[]): void {
  if (calls.every((call) => call.isSame)) return;
  warnOnce(
    plan.warned,
    "changed",
    `${plan.subject}: an argument was changed while the call waited to start. The result is returned and not stored.`,
  );
}

/** Of each folder; none where nothing can be stored in it. */
function marksFor(calls: readonly Call[]): Map<Folder, Mark> {
  const marks = new Map<Folder, Mark>();
  for (const call of calls) {
    if (!call.holds || !call.isSame || marks.has(call.folder)) continue;
    const mark = markFor(call);
    if (mark !== undefined) marks.set(call.folder, mark);
  }
  return marks;
}

function* keepResult(
  call: Call,
  value: unknown,
  meta: Meta,
  mark: Mark | undefined,
  flight: Flight<Landings>,
): Flow<Landed> {
  const { plan, key } = call;
  const isWanted = mark !== undefined && shouldStore(plan, value);
  const payload = isWanted || flight.isJoined ? encode(plan, value) : undefined;
  const bytes = isWanted && payload ? yield* store(call, payload, meta, mark, flight) : 0;
  return { outcome: { value, hit: false, key, ...meta, source: plan.source, bytes }, payload };
}

const NOBODY: Landings = new Map();

function landingsOf(calls: readonly Call[], landed: readonly Landed[]): Landings {
  return new Map(
    landed.map(({ outcome, payload }, i) => {
      const { folder, digest } = calls[i]!;
      // Large parts are the memory of the value itself, which is the caller's from now on.
      const copied = payload && { ...payload, parts: [Buffer.concat(payload.parts)] };
      return [refreshId(folder, digest), { outcome, payload: copied }];
    }),
  );
}

import { decodeValue, encodeValue, type Payload } from "../entry/codecs.js";
import { type Flow, isFlow, isThenable, performance, wait } from "../flow.js";
import type { Folder, Mark } from "../stores/folder.js";
import { isAbortError, orAborted } from "./aborts.js";
import { type ChunkOptions, inChunks, throwIfAborted } from "./batch/chunks.js";
import type { Call } from "./bind.js";
import { assertStackRoom, context, InvocationIn } from "./context.js";
import { type LockTerms, underLocks } from "./locks.js";
import { consult, refreshId, runningFor } from "./look-up.js";
import { warnOfOwnPath } from "./out-files/own-path.js";
import { assertWritten, stampsBefore } from "./out-files/record.js";
import { hit, miss, type Outcome } from "./outcome.js";
import { inTime, LATE } from "./patience.js";
import type { Plan } from "./plan.js";
import { Flight, takeOff, touchDown } from "./single-flight.js";
import { encode, type Meta, markFor, shouldStore, store } from "./store-result.js";
import { reportEntry, warnOnce } from "./trouble.js";

/**
 * What is not in the store is computed, by this call or by whoever is at it already. One call, or the elements of a
 * batch that are missing:
 *
 *     chunk -> look again, where other code ran since -> join who computes it in this process
 *           -> key locks -> look again -> compute -> encode -> publish
 *           -> wait for those that other processes compute
 *     wait for those that were joined
 */

/** How the function is run for some calls: for a single one, or for the elements of a batch. */
export interface Job extends LockTerms, ChunkOptions {
  readonly self: unknown;
  /** Results are on the disk before they are visible. */
  readonly isDurable: boolean;
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
  /** Whether it was to be encoded. */
  readonly isTried: boolean;
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
  const missing = yield* look(job, chunk, (call) => call.isLookedUp);
  // From here until the flight has taken off nobody else runs.
  const own = missing.filter((call) => {
    const landing = call.joins && job.maxWait > 0 ? runningFor<Landings>(call, job)?.join(job.within) : undefined;
    if (!landing) return true;
    landing.catch(() => {}); // it is waited for later, and may fail before
    joined.push({ call, landing });
    return false;
  });
  if (own.length > 0) yield* compute(job, own);
}

/** Other code ran: the key, and the store, have to be looked at again. */
export function hasWaited(call: Call): void {
  call.waited = true;
  call.isLookedUp = false;
}

/** False where the call has to be tried again. */
function* settleJoined(job: Job, { call, landing }: Joined): Flow<boolean> {
  const { plan } = job;
  hasWaited(call);
  plan.stats.waited++;
  try {
    const landings = yield* wait(inTime(orAborted(landing, job.signal), [call], job.maxWait));
    if (landings === LATE) {
      call.joins = false;
      return false;
    }
    const landed = landings.get(refreshId(call.folder, call.digest));
    if (!landed || call.out.length > 0) return false; // out files: it has written elsewhere
    const copy = copyOf(landed, plan);
    if (copy) job.settle(call, hit(plan, copy));
    else call.joins = false;
    return copy !== undefined;
  } catch (error) {
    throwIfAborted(job.signal);
    // The leader was told to stop; that is no answer for the others, who try themselves.
    if (!isAbortError(error)) throw error;
    return false;
  }
}

/**
 * Everybody who joined gets a copy, as from the store. What cannot be copied is the leader's alone: a stream, an iterator or a
 * `Response` can be read once, and others compute their own. A function is no such thing: it can be called by all of them.
 */
function copyOf({ outcome, payload }: Landed, plan: Plan): Outcome | undefined {
  if (!payload) return typeof outcome.value === "function" ? { ...outcome, hit: true } : undefined;
  try {
    const value = decodeValue(payload, Buffer.concat(payload.parts), plan.settings().codec);
    return { ...outcome, hit: true, value };
  } catch (error) {
    reportEntry(plan, error);
    return undefined;
  }
}

/** Computes these calls; whoever of this process wants one of them joins. */
function* compute(job: Job, calls: readonly Call[]): Flow<void> {
  const { plan, mode, scope } = job;
  if (job.within) assertStackRoom();
  const flight = new Flight<Landings>(mode === "refresh" ? scope : undefined, mode !== "read-only", job.within, plan);
  flight.canBeJoined = plan.async;
  const landed = new Map<Call, Landed>();
  for (const { folder, digest } of calls) {
    if (mode === "refresh") scope?.refreshed.add(refreshId(folder, digest));
    takeOff(folder, digest, flight);
  }
  try {
    yield* underLocks(
      job,
      flight,
      calls,
      (open) => look(job, open),
      (open) => runFor(job, open, flight, landed),
    );
    flight.land(flight.isJoined ? landingsOf(landed) : NOBODY);
  } catch (error) {
    flight.fail(error);
    throw error;
  } finally {
    for (const call of calls) {
      const { folder, digest } = call;
      touchDown(folder, digest, flight);
      if (scope && !landed.get(call)?.outcome.bytes) scope.refreshed.delete(refreshId(folder, digest));
    }
  }
}

/** Looks again: others may have been quicker. @returns what is still missing */
function* look(job: Job, calls: readonly Call[], isKnown: (call: Call) => boolean = () => false): Flow<Call[]> {
  const missing: Call[] = [];
  for (const call of calls) {
    const consulted = isKnown(call) ? undefined : consult(call, job);
    const served = isFlow(consulted) ? yield* consulted : consulted;
    if (served) job.settle(call, served);
    else missing.push(call);
  }
  return missing;
}

/** Runs the function for these calls, once. */
function* runFor(job: Job, calls: readonly Call[], flight: Flight<Landings>, landed: Map<Call, Landed>): Flow<void> {
  const { plan } = job;
  for (const call of calls) miss(call);
  const marks = job.mode === "read-only" ? new Map<Folder, Mark>() : yield* marksFor(calls);
  const args = job.argsFor(calls); // from here until the function starts nobody else runs
  warnOfChange(plan, calls);
  const out = calls.length === 1 ? calls[0]!.out : [];
  const before = stampsBefore(out);
  const start = performance.now();
  const around = { scope: context.getStore()?.scope, flight };
  const result: unknown = yield new InvocationIn(plan.fn, job.self, args, around);
  flight.canBeJoined = isThenable(result);
  plan.gavePromise = flight.canBeJoined;
  const value = flight.canBeJoined ? yield* wait(result) : result;
  const duration = (performance.now() - start) / calls.length;
  const isPlainPromise = !plan.async && flight.canBeJoined;
  const meta = { async: plan.async || flight.canBeJoined, isPlainPromise, createdAt: Date.now(), duration };
  const results = job.resultsOf(value, calls);
  assertWritten(plan.subject, out, before);
  const taken = calls.map((call, i) => takeResult(call, results[i], marks, flight, calls.length > 1));
  for (const [i, call] of calls.entries()) {
    const kept = yield* keepResult(job, call, taken[i]!, meta, flight);
    landed.set(call, kept);
    job.settle(call, kept.outcome);
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
function* marksFor(calls: readonly Call[]): Flow<Map<Folder, Mark>> {
  const marks = new Map<Folder, Mark>();
  for (const call of calls) {
    if (!call.holds || marks.has(call.folder)) continue;
    const mark = yield* markFor(call);
    if (mark !== undefined) marks.set(call.folder, mark);
  }
  return marks;
}

/** A result as it was when the function returned. */
interface Taken {
  readonly value: unknown;
  readonly payload: Payload | undefined;
  /** Whether it was to be encoded. */
  readonly isTried: boolean;
  /** `undefined`: it is not to be stored. */
  readonly mark: Mark | undefined;
}

/**
 * Done for all calls before the first entry is published: that may take a while, in which the function, or whoever else
 * holds the results, can change them.
 * @param isOneOfMany the payload shares no memory with the value then
 */
function takeResult(
  call: Call,
  value: unknown,
  marks: ReadonlyMap<Folder, Mark>,
  flight: Flight<Landings>,
  isOneOfMany: boolean,
): Taken {
  const { plan, folder, holds, isSame } = call;
  const mark = holds && isSame ? marks.get(folder) : undefined;
  if (mark !== undefined) warnOfOwnPath(plan, call.out, value);
  const isWanted = mark !== undefined && shouldStore(plan, value);
  const isTried = isWanted || flight.isJoined;
  const payload = isTried ? encode(plan, value) : undefined;
  return { value, payload: isOneOfMany ? copied(payload) : payload, isTried, mark: isWanted ? mark : undefined };
}

function* keepResult(
  { plan, isDurable }: Job,
  call: Call,
  { value, payload, isTried, mark }: Taken,
  meta: Meta,
  flight: Flight<Landings>,
): Flow<Landed> {
  const bytes = mark && payload ? yield* store({ call, payload, meta, mark, flight, isDurable }) : 0;
  return { outcome: { value, hit: false, key: call.key, ...meta, source: plan.source, bytes }, payload, isTried };
}

/** Large parts are the memory of the value itself. */
function copied(payload: Payload | undefined): Payload | undefined {
  return payload && { ...payload, parts: [Buffer.concat(payload.parts)] };
}

/** What is not stored, because it is too large or a codec refuses it, can mostly be copied all the same. */
function encodedToCopy(value: unknown): Payload | undefined {
  try {
    return encodeValue(value, "auto", false);
  } catch {
    return undefined;
  }
}

const NOBODY: Landings = new Map();

/** Where arguments were changed it is the result of another call: those who joined try again. */
function landingsOf(landed: ReadonlyMap<Call, Landed>): Landings {
  const same = [...landed].filter(([{ isSame }]) => isSame);
  return new Map(
    same.map(([{ plan, folder, digest }, { outcome, payload, isTried }]) => {
      // The value itself is the caller's from now on.
      const encoded = isTried ? payload : encode(plan, outcome.value);
      const own = copied(encoded ?? encodedToCopy(outcome.value));
      return [refreshId(folder, digest), { outcome, payload: own, isTried: true }];
    }),
  );
}

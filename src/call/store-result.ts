import { encodeValue, type Payload } from "../entry/codecs.js";
import { encodeEntry } from "../entry/entry.js";
import { bytesKept, contentsOf, NO_RECORD, textOf } from "../entry/out-record.js";
import { StoreError } from "../errors.js";
import { emit, isHeard } from "../events.js";
import { type Flow, wait } from "../flow.js";
import type { Evicted } from "../stores/engine.js";
import { ClearedError, type Mark } from "../stores/folder.js";
import type { Call } from "./bind.js";
import { context } from "./context.js";
import { assertSync } from "./look-up.js";
import { recordOutFiles } from "./out-files/out-file-calls.js";
import { warnOfOwnPath } from "./out-files/own-path.js";
import { assertWritten } from "./out-files/record.js";
import type { Outcome } from "./outcome.js";
import type { Plan } from "./plan.js";
import { abandon, Flight, runningOf, takeOff, touchDown } from "./single-flight.js";
import { reportLarge, reportStorage, reportValue, warnOnce } from "./trouble.js";

/** Where the result of a call is stored, and what follows from that. */

/** `undefined` where the result will not be stored. */
export function* markFor(call: Call): Flow<Mark | undefined> {
  const { plan, folder } = call;
  try {
    const mark = folder.mark();
    if (mark instanceof Promise) call.waited = true; // other code runs meanwhile
    return yield* wait(mark);
  } catch (error) {
    reportStorage(plan, folder, "written", error);
    return undefined;
  }
}

export function shouldStore(plan: Plan, value: unknown): boolean {
  const { shouldStore: isWanted } = plan.settings();
  if (!isWanted) return true;
  const wanted = isWanted(value);
  assertSync(plan, "shouldStore", wanted);
  return wanted;
}

export function encode(plan: Plan, value: unknown): Payload | undefined {
  const { codec, compress, maxValueBytes } = plan.settings();
  try {
    return encodeValue(value, codec, compress, maxValueBytes);
  } catch (error) {
    reportValue(plan, error);
    return undefined;
  }
}

export type Meta = Pick<Outcome, "async" | "isPlainPromise" | "createdAt" | "duration">;

function entryOf({ plan, key }: Call, payload: Payload, meta: Meta, record = ""): Uint8Array[] {
  return encodeEntry({ ...meta, identity: plan.identity, key, source: plan.source, record }, payload, plan.trust.seal);
}

/** An encoded result, and what decides whether it is still wanted when it is published. */
export interface Storing {
  readonly call: Call;
  readonly payload: Payload;
  readonly meta: Meta;
  readonly mark: Mark;
  readonly flight: Flight<any>;
  readonly isDurable: boolean;
}

/** @returns the bytes stored, 0 where it was not */
export function* store(storing: Storing): Flow<number> {
  const { call, flight } = storing;
  try {
    return yield* publish(storing, call.plan.async || flight.canBeJoined);
  } catch (error) {
    if (error instanceof ClearedError) return 0;
    if (error instanceof TooLargeError) reportLarge(call.plan, error.reason);
    else reportStorage(call.plan, call.folder, "written", error);
    return 0;
  }
}

/** @throws what the system throws */
function* publish({ call, payload, meta, mark, flight, isDurable }: Storing, canWait: boolean): Flow<number> {
  const { plan, folder, digest } = call;
  const running = runningOf(folder, digest)!;
  const record = call.out.length === 0 ? NO_RECORD : yield* recordOutFiles(call, canWait);
  if (!record) return 0;
  const parts = entryOf(call, payload, meta, textOf(record));
  const size = parts.reduce((total, part) => total + part.length, 0);
  const { maxValueBytes } = plan.settings();
  if (size > maxValueBytes) throw new TooLargeError(plan, size, maxValueBytes);
  const isCurrent = () => running.mayStore(flight);
  if (!(yield* wait(folder.publish(call, parts, { mark, isCurrent, mayWait: canWait, isDurable })))) return 0;
  running.stored(flight);
  if (plan.settings().keepOutFiles) yield* wait(folder.dropKept(digest, contentsOf(record)));
  const bytes = size + bytesKept(record);
  yield* stored(call, meta.duration, bytes);
  return bytes;
}

class TooLargeError extends StoreError {
  readonly reason: string;

  constructor({ subject }: Plan, size: number, most: number) {
    const reason = `its entry would have ${size} bytes, and maxValueBytes is ${most}`;
    super(`${subject}: the value is too large to be stored: ${reason}.`);
    this.reason = reason;
  }
}

function* stored({ plan, key, folder }: Call, duration: number, bytes: number): Flow<void> {
  plan.stats.stores++;
  const { limits } = plan.settings();
  if (limits) evicted(plan, yield* folder.evict(limits.own, limits.whole, bytes));
  if (isHeard("store")) emit({ type: "store", path: plan.path, version: plan.version, key, duration, bytes });
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

/**
 * Stores values for calls, as if they had been computed.
 * @throws StoreError where one cannot be stored; none is, then
 */
export function* prime(plan: Plan, calls: readonly Call[], values: readonly unknown[]): Flow<void> {
  const { codec, compress, maxValueBytes } = plan.settings();
  // All at once: what is published takes a while, in which the caller can change them.
  const payloads = values.map((value) => {
    const payload = encodeValue(value, codec, compress, maxValueBytes);
    return values.length > 1 ? { ...payload, parts: [Buffer.concat(payload.parts)] } : payload;
  });
  for (const [i, call] of calls.entries()) {
    warnOfOwnPath(plan, call.out, values[i]);
    yield* primeOne(call, payloads[i]!);
  }
}

function* primeOne(call: Call, payload: Payload): Flow<void> {
  const { plan, folder, digest } = call;
  abandon(folder, digest);
  const flight = new Flight<any>(undefined, true, context.getStore()?.flight);
  takeOff(folder, digest, flight);
  try {
    const mark = yield* wait(folder.mark());
    assertWritten(plan.subject, call.out, []);
    const isPlainPromise = !plan.async && plan.gavePromise === true;
    const meta = { async: plan.async || isPlainPromise, isPlainPromise, createdAt: Date.now(), duration: 0 };
    const { isDurable } = plan.settings();
    yield* publish({ call, payload, meta, mark, flight, isDurable }, plan.async);
  } finally {
    flight.fail(undefined);
    touchDown(folder, digest, flight);
  }
}

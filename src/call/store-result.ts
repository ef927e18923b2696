import { encodeValue, type Payload } from "../entry/codecs.js";
import { encodeEntry } from "../entry/entry.js";
import { bytesKept, contentsOf, NO_RECORD, textOf } from "../entry/out-record.js";
import { emit, isHeard } from "../events.js";
import { type Flow, wait } from "../flow.js";
import { ClearedError, type Mark } from "../stores/folder.js";
import type { Call } from "./bind.js";
import { context } from "./context.js";
import { assertFits, keepLimits, TooLargeError } from "./limits.js";
import { assertSync } from "./look-up.js";
import { keepOutFiles, recordOutFiles } from "./out-files/out-file-calls.js";
import { warnOfOwnPath } from "./out-files/own-path.js";
import { assertWritten } from "./out-files/record.js";
import type { Outcome } from "./outcome.js";
import type { Plan } from "./plan.js";
import { abandon, Flight, runningOf, takeOff, touchDown } from "./single-flight.js";
import { reportLarge, reportStorage, reportValue } from "./trouble.js";

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
    if (error instanceof TooLargeError) reportLarge(call.plan, error.limit, error.reason);
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
  const kept = bytesKept(record);
  const size = lengthOf(parts);
  assertFits(plan, size, kept);
  try {
    yield* keepOutFiles(call, record, canWait);
  } catch (error) {
    if (error instanceof ClearedError) return 0; // as one that is published then
    throw error;
  }
  const isCurrent = () => running.mayStore(flight);
  if (!(yield* wait(folder.publish(call, parts, { mark, isCurrent, mayWait: canWait, isDurable, kept })))) return 0;
  running.stored(flight);
  // Also where none is kept any more: an earlier call may have kept another one.
  if (plan.settings().keepOutFiles || call.record !== NO_RECORD) {
    yield* wait(folder.dropKept(digest, contentsOf(record)));
  }
  yield* stored(call, meta.duration, size + kept);
  return size + kept;
}

function lengthOf(parts: readonly Uint8Array[]): number {
  return parts.reduce((total, part) => total + part.length, 0);
}

function* stored(call: Call, duration: number, bytes: number): Flow<void> {
  const { plan, key } = call;
  plan.stats.stores++;
  yield* keepLimits(call, bytes);
  if (isHeard("store")) emit({ type: "store", path: plan.path, version: plan.version, key, duration, bytes });
}

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
  for (const [i, { key }] of calls.entries()) assertFits(plan, key.length + lengthOf(payloads[i]!.parts), 0);
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

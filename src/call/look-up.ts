import { decodeValue } from "../entry/codecs.js";
import { checksumOf, decodeEntry, type EntryBytes } from "../entry/entry.js";
import { bytesKept, NO_RECORD, type OutRecord } from "../entry/out-record.js";
import { isTrusted, recordIn } from "../entry/trust.js";
import { OptionError } from "../errors.js";
import { type Flow, isThenable, type MaybeFlow, wait } from "../flow.js";
import { silence } from "../key/originals.js";
import type { Folder } from "../stores/folder.js";
import { isExpired } from "../stores/limits.js";
import type { Call } from "./bind.js";
import type { Scope } from "./modes.js";
import { keptFileOf, serveOutFiles } from "./out-files/out-file-calls.js";
import { sourcesOf } from "./out-files/serve.js";
import { hit, metaOf, type Outcome } from "./outcome.js";
import type { Plan } from "./plan.js";
import { isHitPromised, isHitUntold, mayJoin } from "./promised.js";
import { type Flight, runningOf } from "./single-flight.js";
import { type Terms, writesIn } from "./terms.js";
import { reportEntry, reportStorage } from "./trouble.js";

/** An outcome from the store, with what the entry says of out files. */
export interface Found extends Outcome {
  readonly record: OutRecord;
  /** Whether only a call of the function tells if this is to be a promise. */
  readonly isUntold: boolean;
}

/**
 * Serves a call from the store, if it may be and can be: an undamaged entry that holds, out files in their places.
 */
export function consult(call: Call, terms: Terms): MaybeFlow<Outcome | undefined> {
  call.isLookedUp = true;
  if (terms.mode === "refresh" && !isRefreshed(call, terms.scope)) return undefined;
  const looked = lookUp(call);
  if (looked instanceof Promise || call.out.length > 0) return consultOn(call, terms, looked);
  return looked && !hasToLearn(call, terms, looked) ? serve(call, terms, looked) : undefined;
}

/** Computes once more rather than to give a promise to who expects a value, or a value to who expects a promise. */
function hasToLearn(call: Call, { mode }: Terms, { isUntold }: Found): boolean {
  if (!isUntold || mode === "only-if-cached") return false;
  call.missed = "other source";
  return true;
}

function* consultOn(call: Call, terms: Terms, looked: ReturnType<typeof lookUp>): Flow<Outcome | undefined> {
  const found = yield* wait(looked);
  const entry = found && !hasToLearn(call, terms, found) ? found : undefined;
  const served = entry && call.out.length > 0 ? yield* serveOutFiles(call, entry, writesIn(terms)) : entry;
  return served && serve(call, terms, served);
}

function serve(call: Call, terms: Terms, served: Outcome): Outcome {
  if (call.plan.settings().limits?.needUse && writesIn(terms)) noteUse(call);
  return hit(call.plan, served);
}

/** Where that cannot be noted, it was a hit all the same. */
function noteUse(call: Call): void {
  const { plan, folder } = call;
  try {
    folder.use(call);
  } catch (error) {
    reportStorage(plan, folder, "written", error);
  }
}

/** In a refresh scope an entry is old until a computation of that scope has landed. */
function isRefreshed({ folder, digest }: Call, scope: Scope | undefined): boolean {
  return isBegunIn(scope, folder, digest) && !runningOf(folder, digest)?.find((flight) => flight.scope === scope);
}

/** Whether a refresh scope has computed a key, or is computing it. */
function isBegunIn(scope: Scope | undefined, folder: Folder, digest: string): boolean {
  return scope !== undefined && scope.refreshed.size > 0 && scope.refreshed.has(refreshId(folder, digest));
}

export function refreshId(folder: Folder, digest: string): string {
  return `${folder.location} ${digest}`;
}

/** A running computation that the call may wait for instead of computing. A refresh waits for none begun before it. */
export function runningFor<T>({ plan, folder, digest }: Call, terms: Terms): Flight<T> | undefined {
  const running = runningOf<T>(folder, digest);
  if (!running) return undefined;
  const { mode, scope } = terms;
  if (mode === "refresh" && !isBegunIn(scope, folder, digest)) return undefined;
  return (
    (mode === "refresh" ? running.find((flight) => flight.scope === scope && mayJoin(plan, flight)) : undefined) ??
    running.find((flight) => (flight.stores || !writesIn(terms)) && mayJoin(plan, flight))
  );
}

/**
 * The entry of a call, if it is there, undamaged, of this very key, and still holds. No flow but a plain function: nearly
 * always the answer is there at once, and every hit comes by.
 */
function lookUp(call: Call): Found | undefined | Promise<Found | undefined> {
  const { plan, folder } = call;
  const failed = (error: unknown) => {
    call.missed = "absent";
    reportStorage(plan, folder, "read", error);
    return undefined;
  };
  let bytes: ReturnType<Folder["readPieces"]>;
  try {
    bytes = folder.readPieces(call, plan.async);
  } catch (error) {
    return failed(error);
  }
  if (!(bytes instanceof Promise)) return judge(call, bytes);
  call.waited = true;
  return bytes.catch(failed).then((read) => judge(call, read));
}

function judge(call: Call, bytes: EntryBytes | undefined): Found | undefined {
  const checksum = bytes && checksumOf(bytes);
  if (checksum !== undefined && checksum === call.rejected) return undefined;
  call.missed = bytes ? "damaged" : "absent";
  const found = bytes && decode(call, bytes);
  if (found && isValid(call, found)) return found;
  call.rejected = checksum;
  return undefined;
}

function isValid(call: Call, found: Found): boolean {
  const { validate } = call.plan.settings();
  if (!validate) return true;
  const holds = validate(found.value, metaOf(found));
  assertSync(call.plan, "validate", holds);
  if (!holds) call.missed = "invalid";
  return holds;
}

function decode(call: Call, bytes: EntryBytes): Found | undefined {
  const { plan, key } = call;
  const entry = decodeEntry(bytes);
  if (entry?.key !== key || entry.identity !== plan.identity) return undefined;
  const { trust } = plan;
  if (!isTrusted(bytes, entry, trust)) {
    call.missed = "unsigned";
    return undefined;
  }
  if (isPast(call, entry.createdAt)) {
    call.missed = "expired";
    return undefined;
  }
  const { createdAt, duration, source } = entry;
  try {
    const value = decodeValue(entry, entry.payload, plan.settings().codec, plan.settings().maxValueBytes);
    const record = entry.record === "" ? NO_RECORD : recordIn(entry, trust);
    const size = record === NO_RECORD ? entry.bytes : entry.bytes + bytesKept(record);
    // Name by name: to spread the entry would cost a fifth of a hit.
    const async = entry.async && isHitPromised(plan, entry);
    const isUntold = entry.isPlainPromise === true && isHitUntold(plan, entry);
    return { value, hit: true, key, async, createdAt, duration, source, bytes: size, record, isUntold };
  } catch (error) {
    reportEntry(plan, error);
    return undefined;
  }
}

function isPast(call: Call, createdAt: number): boolean {
  const { plan, folder } = call;
  const { limits } = plan.settings();
  if (!limits) return false;
  const now = Date.now();
  if (!isExpired({ createdAt, usedAt: createdAt }, limits.own, now)) return false;
  // Only now is it worth to ask when it was used.
  let usedAt: number | undefined;
  try {
    usedAt = folder.usedAt(call);
  } catch (error) {
    reportStorage(plan, folder, "read", error);
  }
  return isExpired({ createdAt, usedAt: Math.max(createdAt, usedAt ?? 0) }, limits.own, now);
}

/** A promise is truthy, whatever it resolves to. */
export function assertSync({ subject }: Plan, option: string, given: unknown): void {
  if (!isThenable(given)) return;
  silence(given);
  throw new OptionError(`${subject}: the option "${option}" gave a promise. It must decide at once: true or false.`);
}

/** The entry of a call that would be served. Changes nothing. */
export function* find(call: Call): Flow<Outcome | undefined> {
  const found = yield* wait(lookUp(call));
  if (!found || call.out.length === 0) return found;
  return (yield* sourcesOf(found.record, call.out, keptFileOf(call), call.plan.async)) && found;
}

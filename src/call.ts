import { sha256 } from "#sha256";
import { context } from "./context.js";
import { decodeValue, encodeValue, type Payload } from "./entry/codecs.js";
import { decodeEntry, encodeEntry } from "./entry/entry.js";
import { CacheMissError, OptionError, StoreError, UnkeyableValueError } from "./errors.js";
import { emit, isHeard } from "./events.js";
import { type Flow, isThenable, run, wait } from "./flow.js";
import { type Scope, scopeOf } from "./modes.js";
import type { CallSettings } from "./options.js";
import {
  type Asked,
  askedFor,
  assertWritten,
  bytesKept,
  contentsOf,
  type KeptFile,
  keep,
  merged,
  type OutRecord,
  parseRecord,
  recordOf,
  serve,
  sourcesOf,
  stampsBefore,
  textOf,
} from "./out-files.js";
import type { Plan } from "./plan.js";
import { ReadableName } from "./readable-name.js";
import { isExpired } from "./retention.js";
import { type Bound, byName } from "./signature/bind.js";
import { Flight, Running } from "./single-flight.js";
import type { Evicted, Folder, Mark } from "./stores/store.js";
import { reportEntry, reportStorage, reportValue, warnOnce } from "./trouble.js";
import type { EntryMeta, Mode } from "./types.js";

/**
 * The way of a call:
 *
 *     call -> bind arguments -> apply key functions -> canonical JSON -> digest         begin
 *          -> store: hit -> decode -> value                                             lookUp
 *                    miss -> join who computes it -> value                              answer
 *                            compute -> encode -> publish -> value                      compute
 */

/** A call that is bound and keyed. */
export interface Call {
  readonly plan: Plan;
  readonly self: unknown;
  readonly args: readonly unknown[];
  readonly bound: Bound;
  /** Canonical JSON. */
  readonly key: string;
  readonly digest: string;
  readonly readable: ReadableName;
  readonly folder: Folder;
  /** The out files that it asks for. */
  readonly out: readonly Asked[];
  /** It holds them: nobody else of this process writes to them. Always true without out files. */
  holds: boolean;
  /** What the entry says of out files, where there was one that could not be served. */
  record: OutRecord;
  /** Other code ran since the key was taken. */
  waited: boolean;
  /** Why there was no hit, for those who listen. */
  missed: string;
}

export interface Outcome {
  readonly value: unknown;
  readonly hit: boolean;
  readonly key: string;
  readonly async: boolean;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  readonly duration: number;
  readonly source: string;
  /** Of the entry, and of the out files that are kept with it; 0 where there is none. */
  readonly bytes: number;
  /** On a hit: from where out files were served. */
  readonly outFiles?: Readonly<Record<string, string>>;
}

/** An outcome from the store, with what the entry says of out files. */
interface Found extends Outcome {
  readonly record: OutRecord;
}

/** What a computation hands to the calls that joined it. */
interface Landed {
  readonly outcome: Outcome;
  /** The encoded value, from which everybody gets a copy; `undefined` where it cannot be stored. */
  readonly payload: Payload | undefined;
  readonly isStored: boolean;
}

export function begin(plan: Plan, self: unknown, args: readonly unknown[], settings: CallSettings): Call {
  const bound = plan.binder.bind(args);
  const key = keyOf(plan, bound, self);
  const folder = plan.folder(settings.dir ?? directoryOf(plan, bound));
  const out = plan.outParameters.length === 0 ? NONE : askedFor(plan.subject, plan.outParameters, bound.values);
  const digest = digestOf(key);
  const readable = new ReadableName(plan.path, key, digest, plan.settings().naming === "readable");
  const state = { holds: out.length === 0, record: NO_RECORD, waited: false, missed: "refresh" };
  return { plan, self, args, bound, key, digest, readable, folder, out, ...state };
}

/** @throws UnkeyableValueError, which says of which function */
function keyOf({ callKey, subject }: Plan, bound: Bound, self: unknown): string {
  try {
    return callKey(bound.values, self);
  } catch (error) {
    if (!(error instanceof UnkeyableValueError)) throw error;
    throw new UnkeyableValueError(
      `${subject}: ${error.message}`,
      error.cause === undefined ? {} : { cause: error.cause },
    );
  }
}

const NONE: readonly Asked[] = [];
const NO_RECORD = parseRecord("");

/** 160 bits: names stay short, and an entry holds its key in full. */
function digestOf(key: string): string {
  return sha256(key).slice(0, 40);
}

/** A function that gives something falsy means the directory of the cache. */
function directoryOf({ dir, binder, subject }: Plan, bound: Bound): string | undefined {
  if (typeof dir !== "function") return dir;
  const given = dir(byName(binder.names, bound.values)) || undefined;
  if (given === undefined || typeof given === "string") return given;
  throw new StoreError(`${subject}: the option "dir" gave ${typeof given} instead of the path of a directory.`);
}

export function* answer(plan: Plan, self: unknown, args: readonly unknown[], settings: CallSettings): Flow<Outcome> {
  const scope = settings.mode === undefined ? scopeOf(plan) : undefined;
  const mode = settings.mode ?? scope?.mode ?? plan.settings().mode;
  if (mode === "bypass") return yield* bypass(plan, self, args);
  const call = begin(plan, self, args, settings);
  return call.out.length === 0 ? yield* answerKeyed(call, mode, scope) : yield* answerHolding(call, mode, scope);
}

function* answerKeyed(call: Call, mode: Mode, scope: Scope | undefined): Flow<Outcome> {
  const { plan } = call;
  const isRepeated = mode === "refresh" && scope !== undefined && scope.refreshed.has(refreshId(call));
  const reads = mode !== "refresh" || isRepeated;
  const writes = mode === "read-write" || mode === "refresh";

  while (reads) {
    // In a refresh scope the entry is old until the computation of that scope has landed.
    const own = isRepeated ? runningOf(call)?.find((flight) => flight.scope === scope) : undefined;
    const looked = own ? undefined : lookUp(call);
    const entry = looked instanceof Promise ? yield* wait(looked) : looked;
    const served = entry && call.out.length > 0 ? yield* serveOutFiles(call, entry, writes) : entry;
    if (served) {
      if (writes && plan.settings().limits?.needUse) call.folder.use(call.digest, call.readable);
      return hit(plan, served);
    }
    if (mode === "only-if-cached") {
      miss(call);
      throw cacheMiss(call);
    }
    const flight = own ?? runningOf(call)?.find(({ stores }) => stores || !writes);
    const landing = flight?.join();
    if (!landing) break;
    call.waited = true;
    plan.stats.waited++;
    try {
      const landed = yield* wait(landing);
      if (call.out.length === 0) return hit(plan, copyOf(landed, plan));
      if (!landed.isStored) break; // it has written elsewhere, and nobody knows
    } catch (error) {
      // The leader was told to stop; that is no answer for the others, who try themselves.
      if ((error as Error | undefined)?.name !== "AbortError") throw error;
    }
  }
  return yield* compute(call, mode, scope);
}

function* bypass(plan: Plan, self: unknown, args: readonly unknown[]): Flow<Outcome> {
  const start = performance.now();
  const result = plan.fn.apply(self, plan.binder.bind(args).args);
  const value = isThenable(result) ? yield* wait(result) : result;
  const now = { createdAt: Date.now(), duration: performance.now() - start };
  return { value, hit: false, key: "", async: value !== result, ...now, source: plan.source, bytes: 0 };
}

/**
 * The entry of a call, if it is there, undamaged, of this very key, and still holds. No flow but a plain function: nearly
 * always the answer is there at once, and every hit comes by.
 */
function lookUp(call: Call): Found | undefined | Promise<Found | undefined> {
  const { plan, folder, digest, readable } = call;
  call.missed = "absent";
  const failed = (error: unknown) => {
    reportStorage(plan, folder, "read", error);
    return undefined;
  };
  let bytes: ReturnType<Folder["read"]>;
  try {
    bytes = folder.read(digest, plan.async, readable);
  } catch (error) {
    return failed(error);
  }
  if (!(bytes instanceof Promise)) return judge(call, bytes);
  call.waited = true;
  return bytes.catch(failed).then((read) => judge(call, read));
}

function judge(call: Call, bytes: Buffer | undefined): Found | undefined {
  call.missed = bytes ? "damaged" : "absent";
  const found = bytes && decode(call, bytes);
  const { validate } = call.plan;
  if (!found || !validate) return found;
  const holds = validate(found.value, metaOf(found));
  assertSync(call.plan, "validate", holds);
  if (holds) return found;
  call.missed = "invalid";
  return undefined;
}

function decode(call: Call, bytes: Buffer): Found | undefined {
  const { plan, key } = call;
  const entry = decodeEntry(bytes);
  if (entry?.key !== key || entry.identity !== plan.identity) return undefined;
  if (isPast(call, entry.createdAt)) {
    call.missed = "expired";
    return undefined;
  }
  const { async, createdAt, duration, source } = entry;
  try {
    const value = decodeValue(entry, entry.payload, plan.settings().codec);
    const record = entry.record === "" ? NO_RECORD : parseRecord(entry.record);
    const size = record === NO_RECORD ? entry.bytes : entry.bytes + bytesKept(record);
    // Name by name: to spread the entry would cost a fifth of a hit.
    return { value, hit: true, key, async, createdAt, duration, source, bytes: size, record };
  } catch (error) {
    reportEntry(plan, error);
    return undefined;
  }
}

function isPast({ plan, folder, digest, readable }: Call, createdAt: number): boolean {
  const { limits } = plan.settings();
  if (!limits) return false;
  const now = Date.now();
  if (!isExpired({ createdAt, usedAt: createdAt }, limits.own, now)) return false;
  // Only now is it worth to ask when it was used.
  return isExpired({ createdAt, usedAt: Math.max(createdAt, folder.usedAt(digest, readable) ?? 0) }, limits.own, now);
}

/** An entry as `entries()`, `peek()` and `validate` show it. */
export function metaOf({
  key,
  createdAt,
  duration,
  bytes,
}: Pick<Outcome, "key" | "createdAt" | "duration" | "bytes">): EntryMeta {
  return { key, createdAt: new Date(createdAt), duration, bytes };
}

/** A promise is truthy, whatever it resolves to. */
function assertSync({ subject }: Plan, option: string, given: unknown): void {
  if (isThenable(given))
    throw new OptionError(`${subject}: the option "${option}" gave a promise. It must decide at once: true or false.`);
}

/** The entry of a call that would be served. Changes nothing. */
export function* find(call: Call): Flow<Outcome | undefined> {
  const found = yield* wait(lookUp(call));
  if (!found || call.out.length === 0) return found;
  return (yield* sourcesOf(found.record, call.out, keptFileOf(call), call.plan.async)) && found;
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

function hit(plan: Plan, outcome: Outcome): Outcome {
  plan.stats.hits++;
  plan.stats.timeSaved += outcome.duration;
  if (isHeard("hit")) {
    const { key, duration, bytes } = outcome;
    emit({ type: "hit", path: plan.path, version: plan.version, key, duration, bytes });
  }
  return outcome;
}

function miss({ plan, key, folder, digest, readable, missed }: Call): void {
  plan.stats.misses++;
  if (!isHeard("miss")) return;
  const reason = missed === "absent" && folder.hasOfOtherSource(digest, readable) ? "other source" : missed;
  emit({ type: "miss", path: plan.path, version: plan.version, key, reason });
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

function cacheMiss({ plan, key, missed }: Call): CacheMissError {
  const what = missed === "absent" ? `there is no entry for ${key}` : `the entry for ${key} does not serve (${missed})`;
  return new CacheMissError(
    `${plan.subject}: ${what}, and the mode is "only-if-cached". Call it once in another mode, or catch this error.`,
    key,
  );
}

function* compute(call: Call, mode: Mode, scope: Scope | undefined): Flow<Outcome> {
  const { plan } = call;
  miss(call);
  const { args, isSame } = call.waited ? boundAgain(call) : { args: call.bound.args, isSame: true };
  const mark = mode === "read-only" || !call.holds || !isSame ? undefined : markFor(call);
  const before = stampsBefore(call.out);
  const flight = new Flight<Landed>(mode === "refresh" ? scope : undefined, mode !== "read-only");
  if (mode === "refresh") scope?.refreshed.add(refreshId(call));
  const landed = takeOff(call, flight);
  let isStored = false;
  try {
    const start = performance.now();
    const around = { scope: context.getStore()?.scope, flight };
    const result = context.run(around, () => plan.fn.apply(call.self, args));
    flight.canBeJoined = isThenable(result);
    const value = flight.canBeJoined ? yield* wait(result) : result;
    const meta = {
      async: plan.async || flight.canBeJoined,
      createdAt: Date.now(),
      duration: performance.now() - start,
    };
    assertWritten(plan.subject, call.out, before);
    const isWanted = mark !== undefined && shouldStore(plan, value);
    const payload = isWanted || flight.isJoined ? encode(plan, value) : undefined;
    const bytes = isWanted && payload ? yield* store(call, payload, meta, mark, flight) : 0;
    isStored = bytes > 0;
    const outcome = { value, hit: false, key: call.key, ...meta, source: plan.source, bytes };
    // Large parts are the memory of the value itself, which is the caller's from now on.
    const copied = flight.isJoined && payload ? { ...payload, parts: [Buffer.concat(payload.parts)] } : payload;
    flight.land({ outcome, payload: copied, isStored });
    return outcome;
  } catch (error) {
    flight.fail(error);
    throw error;
  } finally {
    landed();
    if (!isStored) scope?.refreshed.delete(refreshId(call));
  }
}

/** The function starts later than the key was taken: what it gets now may have another one. */
function boundAgain({ plan, self, args, key }: Call): { args: unknown[]; isSame: boolean } {
  const bound = plan.binder.bind(args);
  const isSame = plan.callKey(bound.values, self) === key;
  if (!isSame) {
    warnOnce(
      plan.warned,
      "changed",
      `${plan.subject}: an argument was changed while the call waited to start. The result is returned and not stored.`,
    );
  }
  return { args: bound.args, isSame };
}

/** `undefined` where the result will not be stored. */
function markFor({ plan, folder }: Call): Mark | undefined {
  try {
    return folder.mark();
  } catch (error) {
    reportStorage(plan, folder, "written", error);
    return undefined;
  }
}

function shouldStore(plan: Plan, value: unknown): boolean {
  const kept = plan.shouldStore ? plan.shouldStore(value) : true;
  assertSync(plan, "shouldStore", kept);
  return kept;
}

function encode(plan: Plan, value: unknown): Payload | undefined {
  const { codec, compress } = plan.settings();
  try {
    return encodeValue(value, codec, compress);
  } catch (error) {
    reportValue(plan, error);
    return undefined;
  }
}

type Meta = Pick<Outcome, "async" | "createdAt" | "duration">;

export function entryOf({ plan, key }: Call, payload: Payload, meta: Meta, record = ""): Uint8Array[] {
  return encodeEntry({ ...meta, identity: plan.identity, key, source: plan.source, record }, payload);
}

/** @returns the bytes stored, 0 where it was not */
function* store(call: Call, payload: Payload, meta: Meta, mark: Mark, flight: Flight<Landed>): Flow<number> {
  const { plan, folder, digest } = call;
  const canWait = plan.async || flight.canBeJoined;
  const running = runningOf(call)!;
  const isCurrent = () => running.mayStore(flight);
  try {
    const record = call.out.length === 0 ? NO_RECORD : yield* recordOutFiles(call, canWait);
    if (!record) return 0;
    const parts = entryOf(call, payload, meta, textOf(record));
    if (!(yield* folder.publish(digest, parts, mark, isCurrent, canWait, call.readable))) return 0;
    running.stored(flight);
    if (plan.keepOutFiles) folder.dropKept(digest, contentsOf(record));
    const bytes = parts.reduce((total, part) => total + part.length, 0) + bytesKept(record);
    stored(call, meta.duration, bytes);
    return bytes;
  } catch (error) {
    reportStorage(plan, folder, "written", error);
    return 0;
  }
}

function stored({ plan, key, folder }: Call, duration: number, bytes: number): void {
  plan.stats.stores++;
  const { limits } = plan.settings();
  if (limits) evicted(plan, folder.retain(limits.own, limits.whole));
  if (isHeard("store")) emit({ type: "store", path: plan.path, version: plan.version, key, duration, bytes });
}

// ---- out files ----

/**
 * As `answerKeyed`, while the out files are held: from before they are looked at until what was written is recorded, no
 * other call of this process writes to them. The call waits for those that hold one; where that could never end (a call
 * inside theirs), it goes on without, and stores nothing.
 */
function* answerHolding(call: Call, mode: Mode, scope: Scope | undefined): Flow<Outcome> {
  for (let holder = holderOf(call.out); holder; holder = holderOf(call.out)) {
    const released = holder.join();
    if (!released) break;
    call.waited = true;
    call.plan.stats.waited++;
    yield* wait(released);
  }
  const hold = new Flight<void>(undefined, false);
  hold.canBeJoined = true;
  call.holds = !holderOf(call.out);
  if (call.holds) for (const { path } of call.out) holders.set(path, hold);
  try {
    const around = { scope: context.getStore()?.scope, flight: hold };
    return yield* wait(context.run(around, () => run(answerKeyed(call, mode, scope))));
  } finally {
    for (const { path } of call.out) if (holders.get(path) === hold) holders.delete(path);
    hold.land();
  }
}

/** Who of this process writes to a path, or looks at what it wrote. */
const holders = new Map<string, Flight<void>>();

function holderOf(out: readonly Asked[]): Flight<void> | undefined {
  for (const { path } of out) if (holders.has(path)) return holders.get(path);
  return undefined;
}

function keptFileOf({ folder, digest }: Call): KeptFile {
  return (sha256) => folder.keptFile(digest, sha256);
}

/** Puts the out files in their places; `undefined` where one is nowhere any more, and the function has to run. */
function* serveOutFiles(call: Call, found: Found, writes: boolean): Flow<Outcome | undefined> {
  call.record = found.record;
  const served = yield* serve(found.record, call.out, keptFileOf(call), call.plan.async);
  if (!served) {
    call.missed = "out files";
    return undefined;
  }
  if (writes && served.record) yield* updateRecord(call, found, served.record);
  return { ...found, outFiles: served.from };
}

/** Writes what was learnt about out files into the entry, unless that is a newer one by now. */
function* updateRecord(call: Call, { createdAt }: Found, record: OutRecord): Flow<void> {
  const { plan, folder, digest } = call;
  try {
    const mark = folder.mark();
    const bytes = folder.read(digest, false, call.readable) as Buffer | undefined;
    const now = bytes && decodeEntry(bytes);
    if (now?.key !== call.key || now.identity !== plan.identity || now.createdAt !== createdAt) return;
    // What another process has learnt meanwhile is kept, behind ours.
    const text = textOf(merged(record, parseRecord(now.record)));
    const parts = encodeEntry({ ...now, record: text }, { ...now, parts: [Buffer.from(now.payload)] });
    yield* folder.publish(digest, parts, mark, () => true, plan.async, call.readable);
  } catch (error) {
    reportStorage(plan, folder, "written", error);
  }
}

/** `undefined` where another program writes to one of them at the same time. */
function* recordOutFiles(call: Call, canWait: boolean): Flow<OutRecord | undefined> {
  const { plan, folder, digest, out } = call;
  const record = yield* recordOf(out, call.record, canWait);
  if (!record) {
    warnOnce(
      plan.warned,
      "contested",
      `${plan.subject}: another program wrote to an out file while it was recorded. The result is returned and not stored.`,
    );
    return undefined;
  }
  return plan.keepOutFiles ? yield* keep(record, out, (file) => folder.keep(digest, file, canWait)) : record;
}

/**
 * Stores a value for a call, as if it had been computed.
 * @throws StoreError where it cannot be stored
 */
export function* prime(call: Call, value: unknown): Flow<void> {
  const { plan } = call;
  const { codec, compress } = plan.settings();
  const payload = encodeValue(value, codec, compress);
  abandon(call.folder, call.digest);
  const flight = new Flight<Landed>(undefined, true);
  const landed = takeOff(call, flight);
  try {
    const running = runningOf(call)!;
    const mark = call.folder.mark();
    assertWritten(plan.subject, call.out, []);
    const record = call.out.length === 0 ? NO_RECORD : yield* recordOutFiles(call, plan.async);
    if (!record) return;
    const parts = entryOf(call, payload, { async: plan.async, createdAt: Date.now(), duration: 0 }, textOf(record));
    if (
      yield* call.folder.publish(call.digest, parts, mark, () => running.mayStore(flight), plan.async, call.readable)
    ) {
      running.stored(flight);
      stored(call, 0, parts.reduce((total, part) => total + part.length, 0) + bytesKept(record));
    }
  } finally {
    flight.fail(undefined);
    landed();
  }
}

// ---- running computations ----

const runningByFolder = new WeakMap<Folder, Map<string, Running<Landed>>>();

function runningIn(folder: Folder): Map<string, Running<Landed>> {
  let all = runningByFolder.get(folder);
  if (!all) {
    all = new Map();
    runningByFolder.set(folder, all);
  }
  return all;
}

/** The computations of the key of a call that run in this process. */
function runningOf({ folder, digest }: Call): Running<Landed> | undefined {
  return runningIn(folder).get(digest);
}

/** Makes a computation known. @returns what to call when it is over */
function takeOff(call: Call, flight: Flight<Landed>): () => void {
  const all = runningIn(call.folder);
  const running = runningOf(call) ?? new Running<Landed>();
  all.set(call.digest, running);
  running.begin(flight);
  return () => {
    running.end(flight);
    if (running.isEmpty && all.get(call.digest) === running) all.delete(call.digest);
  };
}

/** Nobody joins the running computations of a key (or of all) from now on, and they store nothing. */
export function abandon(folder: Folder, digest?: string): void {
  const all = runningIn(folder);
  for (const running of digest === undefined ? all.values() : [all.get(digest)]) running?.abandon();
}

function refreshId({ folder, digest }: Call): string {
  return `${folder.location} ${digest}`;
}

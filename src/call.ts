import { sha256 } from "#sha256";
import { context } from "./context.js";
import { decodeValue, encodeValue, type Payload } from "./entry/codecs.js";
import { decodeEntry, encodeEntry } from "./entry/entry.js";
import { CacheMissError, StoreError } from "./errors.js";
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
import { type Bound, byName } from "./signature/bind.js";
import { Flight } from "./single-flight.js";
import type { Folder, Mark } from "./stores/store.js";
import { reportEntry, reportStorage, reportValue, warnOnce } from "./trouble.js";
import type { Mode } from "./types.js";

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
  readonly bound: Bound;
  /** Canonical JSON. */
  readonly key: string;
  readonly digest: string;
  readonly folder: Folder;
  /** The out files that it asks for. */
  readonly out: readonly Asked[];
  /** It holds them: nobody else of this process writes to them. Always true without out files. */
  holds: boolean;
  /** What the entry says of out files, where there was one that could not be served. */
  record: OutRecord;
  /** Other code ran since the key was taken. */
  waited: boolean;
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
  const key = plan.callKey(bound.values, self);
  const folder = plan.folder(settings.dir ?? directoryOf(plan, bound));
  const out = plan.outParameters.length === 0 ? NONE : askedFor(plan.subject, plan.outParameters, bound.values);
  const state = { holds: out.length === 0, record: NO_RECORD, waited: false };
  return { plan, self, bound, key, digest: digestOf(key), folder, out, ...state };
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
  const flights = flightsOf(call.folder);
  const isRepeated = mode === "refresh" && scope !== undefined && scope.refreshed.has(refreshId(call));
  const reads = mode !== "refresh" || isRepeated;
  const writes = mode === "read-write" || mode === "refresh";

  while (reads) {
    const running = flights.get(call.digest);
    // In a refresh scope the entry is old until the computation of that scope has landed.
    const entry = isRepeated && running?.scope === scope ? undefined : yield* lookUp(call);
    const served = entry && (yield* serveOutFiles(call, entry, writes));
    if (served) return hit(plan, served);
    if (mode === "only-if-cached") throw cacheMiss(call);
    const flight = flights.get(call.digest);
    const landing = flight && (flight.stores || !writes) ? flight.join() : undefined;
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

/** The entry of a call, if it is there, undamaged, and of this very key. */
function* lookUp(call: Call): Flow<Found | undefined> {
  const { plan, key } = call;
  const bytes = yield* read(call);
  const entry = bytes && decodeEntry(bytes);
  if (entry?.key !== key || entry.identity !== plan.identity) return undefined;
  try {
    const value = decodeValue(entry, entry.payload, plan.settings().codec);
    const record = entry.record === "" ? NO_RECORD : parseRecord(entry.record);
    return { ...entry, value, record, bytes: entry.bytes + bytesKept(record), hit: true };
  } catch (error) {
    reportEntry(plan, error);
    return undefined;
  }
}

function* read(call: Call): Flow<Buffer | undefined> {
  const { plan, folder, digest } = call;
  try {
    const bytes = folder.read(digest, plan.async);
    if (isThenable(bytes)) call.waited = true;
    return yield* wait(bytes);
  } catch (error) {
    reportStorage(plan, folder, "read", error);
    return undefined;
  }
}

/** The entry of a call that would be served. Changes nothing. */
export function* find(call: Call): Flow<Outcome | undefined> {
  const found = yield* lookUp(call);
  if (!found || call.out.length === 0) return found;
  return (yield* sourcesOf(found.record, call.out, keptFileOf(call), call.plan.async)) && found;
}

function hit(plan: Plan, outcome: Outcome): Outcome {
  plan.stats.hits++;
  plan.stats.timeSaved += outcome.duration;
  return outcome;
}

/** Everybody who joined gets a copy, as from the store; only what cannot be copied is shared. */
function copyOf({ outcome, payload }: Landed, plan: Plan): Outcome {
  if (!payload) return { ...outcome, hit: true };
  const value = decodeValue(payload, Buffer.concat(payload.parts), plan.settings().codec);
  return { ...outcome, hit: true, value };
}

function cacheMiss({ plan, key }: Call): CacheMissError {
  return new CacheMissError(
    `${plan.subject}: there is no entry for ${key}, and the mode is "only-if-cached". Call it once in another mode, or catch this error.`,
    key,
  );
}

function* compute(call: Call, mode: Mode, scope: Scope | undefined): Flow<Outcome> {
  const { plan, digest } = call;
  plan.stats.misses++;
  const mark = mode === "read-only" || !call.holds ? undefined : markFor(call);
  const before = stampsBefore(call.out);
  const flights = flightsOf(call.folder);
  const flight = new Flight<Landed>(mode === "refresh" ? scope : undefined, mode !== "read-only");
  if (mode === "refresh") {
    const older = flights.get(digest);
    if (older) older.isCurrent = false; // it would overwrite what is newer
    scope?.refreshed.add(refreshId(call));
  }
  flights.set(digest, flight);
  let isStored = false;
  try {
    const start = performance.now();
    const around = { scope: context.getStore()?.scope, flight };
    const result = context.run(around, () => plan.fn.apply(call.self, call.bound.args));
    flight.canBeJoined = isThenable(result);
    const value = flight.canBeJoined ? yield* wait(result) : result;
    const meta = {
      async: plan.async || flight.canBeJoined,
      createdAt: Date.now(),
      duration: performance.now() - start,
    };
    assertWritten(plan.subject, call.out, before);
    const payload = mark !== undefined || flight.isJoined ? encode(plan, value) : undefined;
    const bytes = mark !== undefined && payload ? yield* store(call, payload, meta, mark, flight) : 0;
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
    if (flights.get(digest) === flight) flights.delete(digest);
    if (!isStored) scope?.refreshed.delete(refreshId(call));
  }
}

/** `undefined` where the result will not be stored. */
function markFor({ plan, self, bound, key, folder, waited }: Call): Mark | undefined {
  if (waited && plan.callKey(bound.values, self) !== key) {
    warnOnce(
      plan.warned,
      "changed",
      `${plan.subject}: an argument was changed while the call waited to start. The result is returned and not stored.`,
    );
    return undefined;
  }
  try {
    return folder.mark();
  } catch (error) {
    reportStorage(plan, folder, "written", error);
    return undefined;
  }
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
  const isCurrent = () => flight.isCurrent;
  try {
    const record = call.out.length === 0 ? NO_RECORD : yield* recordOutFiles(call, canWait);
    if (!record) return 0;
    const parts = entryOf(call, payload, meta, textOf(record));
    if (!(yield* folder.publish(digest, parts, mark, isCurrent, canWait))) return 0;
    if (plan.keepOutFiles) folder.dropKept(digest, contentsOf(record));
    plan.stats.stores++;
    return parts.reduce((total, part) => total + part.length, 0) + bytesKept(record);
  } catch (error) {
    reportStorage(plan, folder, "written", error);
    return 0;
  }
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
  if (call.out.length === 0) return found;
  call.record = found.record;
  const served = yield* serve(found.record, call.out, keptFileOf(call), call.plan.async);
  if (!served) return undefined;
  if (writes && served.record) yield* updateRecord(call, found, served.record);
  return { ...found, outFiles: served.from };
}

/** Writes what was learnt about out files into the entry, unless that is a newer one by now. */
function* updateRecord(call: Call, { createdAt }: Found, record: OutRecord): Flow<void> {
  const { plan, folder, digest } = call;
  try {
    const mark = folder.mark();
    const bytes = folder.read(digest, false) as Buffer | undefined;
    const now = bytes && decodeEntry(bytes);
    if (now?.key !== call.key || now.identity !== plan.identity || now.createdAt !== createdAt) return;
    // What another process has learnt meanwhile is kept, behind ours.
    const text = textOf(merged(record, parseRecord(now.record)));
    const parts = encodeEntry({ ...now, record: text }, { ...now, parts: [Buffer.from(now.payload)] });
    yield* folder.publish(digest, parts, mark, () => true, plan.async);
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

// ---- flights ----

const flightsByFolder = new WeakMap<Folder, Map<string, Flight<Landed>>>();

/** The computations that run for the entries of a folder, by digest. */
function flightsOf(folder: Folder): Map<string, Flight<Landed>> {
  let flights = flightsByFolder.get(folder);
  if (!flights) {
    flights = new Map();
    flightsByFolder.set(folder, flights);
  }
  return flights;
}

/** Nobody joins them from now on, and they store nothing. */
export function abandon(folder: Folder, digest?: string): void {
  const flights = flightsOf(folder);
  for (const each of digest === undefined ? [...flights.keys()] : [digest]) {
    const flight = flights.get(each);
    if (flight) flight.isCurrent = false;
    flights.delete(each);
  }
}

function refreshId({ folder, digest }: Call): string {
  return `${folder.location} ${digest}`;
}

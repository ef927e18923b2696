import { sha256 } from "#sha256";
import type { CallKey } from "./call-key.js";
import { context } from "./context.js";
import { type Codec, decodeValue, encodeValue, type Payload } from "./entry/codecs.js";
import type { Compression } from "./entry/compression.js";
import { decodeEntry, encodeEntry } from "./entry/entry.js";
import { BindingError, CacheMissError, type PermacacheError, StoreError } from "./errors.js";
import { type Flow, isThenable, run, wait } from "./flow.js";
import { type Mode, type Scope, scopeOf } from "./modes.js";
import { type CallSettings, checkLimits, checkOptions, type FunctionSettings, type Limits } from "./options.js";
import { beyondLimits } from "./retention.js";
import { type Binder, type Bound, byName } from "./signature/bind.js";
import { Flight } from "./single-flight.js";
import type { Folder, Listed, Mark } from "./stores/store.js";
import { registerSubject } from "./subjects.js";
import { warn } from "./warnings.js";

/**
 * The way of a call:
 *
 *     call -> bind arguments -> apply key functions -> canonical JSON -> digest         begin
 *          -> store: hit -> decode -> value                                             lookUp
 *                    miss -> join who computes it -> value                              answer
 *                            compute -> encode -> publish -> value                      compute
 */

/** What is known of a wrapped function once and for all calls. */
export interface Plan {
  readonly fn: Function;
  /** For messages: `permacache "a/b"`. */
  readonly subject: string;
  /** See `identityText`. */
  readonly identity: string;
  /** SHA-256 of its source, `""` where that is out of reach. */
  readonly source: string;
  /** It returns promises, and so do its methods. */
  readonly async: boolean;
  /** Its key needs a receiver. */
  readonly keysThis: boolean;
  readonly binder: Binder;
  readonly callKey: CallKey;
  /** The option of the function. */
  readonly dir: FunctionSettings["dir"];
  /** Known at the first call. */
  settings(): Resolved;
  /** Its entries in a directory, by default in that of its cache. */
  folder(dir: string | undefined): Folder;
  readonly stats: Stats;
  /** The kinds of warning that were given: one each. */
  readonly warned: Set<string>;
}

/** The settings of a function, its cache and the environment. */
export interface Resolved {
  readonly mode: Mode;
  readonly codec: "auto" | "json" | Codec;
  readonly compress: false | Compression;
  readonly onError: "warn" | "throw" | ((error: PermacacheError) => void);
}

/** What happened in this process. */
export interface Stats {
  hits: number;
  misses: number;
  stores: number;
  /** Results and entries that could not be stored or read. */
  errors: number;
  /** Calls that waited for another's computation. */
  waited: number;
  /** What the hits took when they were computed, in ms. */
  timeSaved: number;
}

/** A call that is bound and keyed. */
interface Call {
  readonly plan: Plan;
  readonly self: unknown;
  readonly bound: Bound;
  /** Canonical JSON. */
  readonly key: string;
  readonly digest: string;
  readonly folder: Folder;
  /** Other code ran since the key was taken. */
  waited: boolean;
}

interface Outcome {
  readonly value: unknown;
  readonly hit: boolean;
  readonly key: string;
  readonly async: boolean;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  readonly duration: number;
  readonly source: string;
  /** Of the entry; 0 where there is none. */
  readonly bytes: number;
}

/** What a computation hands to the calls that joined it. */
interface Landed {
  readonly outcome: Outcome;
  /** The encoded value, from which everybody gets a copy; `undefined` where it cannot be stored. */
  readonly payload: Payload | undefined;
}

function begin(plan: Plan, self: unknown, args: readonly unknown[], settings: CallSettings): Call {
  const bound = plan.binder.bind(args);
  const key = plan.callKey(bound.values, self);
  const folder = plan.folder(settings.dir ?? directoryOf(plan, bound));
  return { plan, self, bound, key, digest: digestOf(key), folder, waited: false };
}

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

function* answer(plan: Plan, self: unknown, args: readonly unknown[], settings: CallSettings): Flow<Outcome> {
  const scope = settings.mode === undefined ? scopeOf(plan) : undefined;
  const mode = settings.mode ?? scope?.mode ?? plan.settings().mode;
  if (mode === "bypass") return yield* bypass(plan, self, args);

  const call = begin(plan, self, args, settings);
  const flights = flightsOf(call.folder);
  const isRepeated = mode === "refresh" && scope !== undefined && scope.refreshed.has(refreshId(call));
  const reads = mode !== "refresh" || isRepeated;
  const writes = mode === "read-write" || mode === "refresh";

  while (reads) {
    const running = flights.get(call.digest);
    // In a refresh scope the entry is old until the computation of that scope has landed.
    const entry = isRepeated && running?.scope === scope ? undefined : yield* lookUp(call);
    if (entry) return hit(plan, entry);
    if (mode === "only-if-cached") throw cacheMiss(call);
    const flight = flights.get(call.digest);
    const landing = flight && (flight.stores || !writes) ? flight.join() : undefined;
    if (!landing) break;
    call.waited = true;
    plan.stats.waited++;
    try {
      return hit(plan, copyOf(yield* wait(landing), plan));
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
function* lookUp(call: Call): Flow<Outcome | undefined> {
  const { plan, key, folder, digest } = call;
  try {
    const read = folder.read(digest, plan.async);
    if (isThenable(read)) call.waited = true;
    const bytes = yield* wait(read);
    const entry = bytes && decodeEntry(bytes);
    if (entry?.key !== key || entry.identity !== plan.identity) return undefined;
    const value = decodeValue(entry, entry.payload, plan.settings().codec);
    return { ...entry, value, hit: true };
  } catch (error) {
    report(plan, "read", `an entry in ${folder.location} could not be read, and counts as a miss`, error);
    return undefined;
  }
}

function hit(plan: Plan, outcome: Outcome): Outcome {
  plan.stats.hits++;
  plan.stats.timeSaved += outcome.duration;
  return outcome;
}

function copyOf({ outcome, payload }: Landed, plan: Plan): Outcome {
  if (!payload) return outcome;
  return { ...outcome, hit: true, value: decodeValue(payload, Buffer.concat(payload.parts), plan.settings().codec) };
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
  const mark = mode === "read-only" ? undefined : markFor(call);
  const flights = flightsOf(call.folder);
  const flight = new Flight<Landed>(mode === "refresh" ? scope : undefined, mark !== undefined);
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
    const payload = mark === undefined ? undefined : encode(plan, value);
    const bytes = mark !== undefined && payload ? yield* store(call, payload, meta, mark, flight) : 0;
    isStored = bytes > 0;
    const outcome = { value, hit: false, key: call.key, ...meta, source: plan.source, bytes };
    flight.land({ outcome, payload });
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
      plan,
      "changed",
      `${plan.subject}: an argument was changed while the call waited to start. The result is returned and not stored.`,
    );
    return undefined;
  }
  try {
    return folder.mark();
  } catch (error) {
    report(plan, "write", cannotWrite(folder), error);
    return undefined;
  }
}

function cannotWrite(folder: Folder): string {
  return `entries cannot be written to ${folder.location}; the function works, uncached. Make the directory writable or choose another \`dir\``;
}

function encode(plan: Plan, value: unknown): Payload | undefined {
  const { codec, compress } = plan.settings();
  try {
    return encodeValue(value, codec, compress);
  } catch (error) {
    report(
      plan,
      "value",
      "a result cannot be stored, and is returned uncached. Return plain data, register the class with defineType, or give a codec",
      error,
    );
    return undefined;
  }
}

type Meta = Pick<Outcome, "async" | "createdAt" | "duration">;

function entryOf({ plan, key }: Call, payload: Payload, meta: Meta): Uint8Array[] {
  return encodeEntry({ ...meta, identity: plan.identity, key, source: plan.source }, payload);
}

/** @returns the bytes stored, 0 where it was not */
function* store(call: Call, payload: Payload, meta: Meta, mark: Mark, flight: Flight<Landed>): Flow<number> {
  const { plan, folder, digest } = call;
  const parts = entryOf(call, payload, meta);
  const canWait = plan.async || flight.canBeJoined;
  try {
    if (!(yield* folder.publish(digest, parts, mark, () => flight.isCurrent, canWait))) return 0;
  } catch (error) {
    report(plan, "write", cannotWrite(folder), error);
    return 0;
  }
  plan.stats.stores++;
  return parts.reduce((total, part) => total + part.length, 0);
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
function abandon(folder: Folder, digest?: string): void {
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

// ---- trouble ----

/** Trouble with storage never costs the caller the result, unless the option `onError` says so. */
function report(plan: Plan, kind: string, what: string, error: unknown): void {
  plan.stats.errors++;
  const reason = error instanceof Error ? error.message : String(error);
  const trouble = new StoreError(`${plan.subject}: ${what} (${reason.replace(/\.$/, "")}).`, { cause: error });
  const { onError } = plan.settings();
  if (onError === "throw") throw trouble;
  if (onError === "warn") warnOnce(plan, kind, trouble.message, trouble.code);
  else onError(trouble);
}

function warnOnce(plan: Plan, kind: string, message: string, code = "ERR_PERMACACHE_STORE"): void {
  if (plan.warned.has(kind)) return;
  plan.warned.add(kind);
  warn(message, code);
}

// ---- the function that users hold ----

/** Calls the cached function: at once for a sync one, by a promise, also for errors, for an async one. */
function invoke<T>(plan: Plan, flow: Flow<T>): T | Promise<T> {
  if (!plan.async) return run(flow);
  try {
    return Promise.resolve(run(flow));
  } catch (error) {
    return Promise.reject(error);
  }
}

function valueOf(plan: Plan, outcome: Outcome): unknown {
  return outcome.hit && outcome.async && !plan.async ? Promise.resolve(outcome.value) : outcome.value;
}

/** An entry as `entries()` and `peek()` show it. */
function metaOf({ key, createdAt, duration, bytes }: Omit<Outcome, "value" | "hit">) {
  return { key, createdAt: new Date(createdAt), duration, bytes };
}

export function createCachedFunction(plan: Plan, settings: CallSettings = {}): Function {
  const cached = function (this: unknown, ...args: unknown[]): unknown {
    const self = "this" in settings ? settings.this : this;
    const answered = invoke(plan, answer(plan, self, args, settings));
    return isThenable(answered) ? answered.then((outcome) => outcome.value) : valueOf(plan, answered);
  };
  for (const key of Reflect.ownKeys(plan.fn)) {
    if (key !== "prototype") Object.defineProperty(cached, key, Object.getOwnPropertyDescriptor(plan.fn, key)!);
  }
  for (const [name, method] of Object.entries(managementOf(plan, settings))) {
    Object.defineProperty(cached, name, { value: method, configurable: true, writable: true, enumerable: false });
  }
  registerSubject(cached, plan);
  return cached;
}

function managementOf(plan: Plan, settings: CallSettings) {
  /** The call that a method asks about. */
  function callOf(args: readonly unknown[]): Call {
    if (plan.keysThis && !("this" in settings)) {
      throw new BindingError(
        `${plan.subject}: the key needs a receiver (this), which its methods are not given. Use .with({ this: object }), or cacheOf(object.method, object).`,
      );
    }
    return begin(plan, settings.this, args, settings);
  }
  const folder = () => plan.folder(settings.dir ?? (typeof plan.dir === "string" ? plan.dir : undefined));
  const method =
    <A extends unknown[], T>(flow: (...args: A) => Flow<T>) =>
    (...args: A) =>
      invoke(plan, flow(...args));

  return {
    original: plan.fn,
    key: (...args: unknown[]): string => callOf(args).key,
    has: method(function* (...args: unknown[]) {
      return (yield* lookUp(callOf(args))) !== undefined;
    }),
    peek: method(function* (...args: unknown[]) {
      const found = yield* lookUp(callOf(args));
      return found && { value: found.value, ...metaOf(found) };
    }),
    detail: method(function* (...args: unknown[]) {
      const key = callOf(args).key;
      const { value, hit, createdAt, duration, source } = yield* answer(plan, settings.this, args, settings);
      const sameSource = source !== "" && source === plan.source;
      return { value, hit, key, createdAt: new Date(createdAt), duration, sameSource };
    }),
    // biome-ignore lint/correctness/useYield: a flow, as the others
    delete: method(function* (...args: unknown[]) {
      const call = callOf(args);
      abandon(call.folder, call.digest);
      return call.folder.remove(call.digest);
    }),
    prime: method(function* (value: unknown, ...args: unknown[]) {
      const call = callOf(args);
      abandon(call.folder, call.digest);
      const { codec, compress } = plan.settings();
      const parts = entryOf(call, encodeValue(value, codec, compress), {
        async: plan.async,
        createdAt: Date.now(),
        duration: 0,
      });
      const isStored = yield* call.folder.publish(call.digest, parts, call.folder.mark(), () => true, plan.async);
      if (!isStored)
        throw new StoreError(`${plan.subject}: the entry was not stored, because the function was cleared meanwhile.`);
      plan.stats.stores++;
    }),
    clear: method(function* () {
      abandon(folder());
      return yield* folder().clear(plan.async);
    }),
    entries: () => (plan.async ? entriesAsync(plan, folder()) : entriesSync(plan, folder())),
    prune: method(function* (limits: Limits = {}) {
      const checked = checkLimits(`${plan.subject}: prune`, limits);
      const all = [...listed(plan, folder())].flat();
      const removed = beyondLimits(all, checked, Date.now()).filter(({ digest }) => folder().remove(digest));
      return removed.length;
    }),
    stats: (): Stats => ({ ...plan.stats }),
    with: (overrides: CallSettings) =>
      createCachedFunction(plan, { ...settings, ...checkOptions(`${plan.subject}.with()`, overrides, "call") }),
  };
}

/** The entries of a folder that are whole and of this function, group by group. */
function* listed(plan: Plan, folder: Folder) {
  for (const group of folder.list()) yield group.flatMap((each) => inspect(plan, each) ?? []);
}

function inspect(plan: Plan, { digest, read }: Listed) {
  const bytes = read();
  const entry = bytes && decodeEntry(bytes);
  return entry?.identity === plan.identity ? { ...entry, digest } : undefined;
}

function* entriesSync(plan: Plan, folder: Folder) {
  for (const group of listed(plan, folder)) yield* group.map(metaOf);
}

async function* entriesAsync(plan: Plan, folder: Folder) {
  for (const group of listed(plan, folder)) {
    yield* group.map(metaOf);
    await new Promise((resolve) => setImmediate(resolve)); // others have their turn
  }
}

import { answer } from "./call.js";
import { decodeEntry } from "./entry/entry.js";
import { BindingError, PermacacheError, StoreError } from "./errors.js";
import { codeOf } from "./files/io.js";
import { type Flow, isThenable, run } from "./flow.js";
import { begin, type Call } from "./keyed-call.js";
import { find } from "./look-up.js";
import { type CallSettings, checkLimits, checkOptions } from "./options.js";
import { bytesKept, parseRecord } from "./out-files.js";
import { metaOf, type Outcome } from "./outcome.js";
import type { Plan } from "./plan.js";
import { abandon } from "./single-flight.js";
import { evicted, prime } from "./store-result.js";
import type { Folder, Listed } from "./stores/store.js";
import { registerSubject } from "./subjects.js";
import type { Limits, Stats } from "./types.js";

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

export function createCachedFunction(plan: Plan, settings: CallSettings = {}): Function {
  const cached = function (this: unknown, ...args: unknown[]): unknown {
    const self = "this" in settings ? settings.this : this;
    const answered = invoke(plan, answer(plan, self, args, settings));
    return isThenable(answered) ? answered.then((outcome) => outcome.value) : valueOf(plan, answered);
  };
  const management = managementOf(plan, settings);
  for (const key of Reflect.ownKeys(plan.fn)) {
    if (key === "prototype" || key in management) continue;
    Object.defineProperty(cached, key, Object.getOwnPropertyDescriptor(plan.fn, key)!);
  }
  for (const [name, method] of Object.entries(management)) {
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
    return begin(plan, settings.this, args, settings.dir);
  }
  const folder = () => plan.folder(settings.dir ?? (typeof plan.dir === "string" ? plan.dir : undefined));
  const method =
    <A extends unknown[], T>(flow: (...args: A) => Flow<T>) =>
    (...args: A) =>
      invoke(plan, flow(...args));

  /** For methods that change the store: what the system says to that is told as trouble with the store. */
  const managing = <A extends unknown[], T>(flow: (...args: A) => Flow<T>) =>
    method((...args: A) => telling(flow(...args)));

  function* telling<T>(flow: Flow<T>): Flow<T> {
    try {
      return yield* flow;
    } catch (error) {
      throw storeTrouble(plan, folder(), error);
    }
  }

  return {
    original: plan.fn,
    key: (...args: unknown[]): string => callOf(args).key,
    has: method(function* (...args: unknown[]) {
      return (yield* find(callOf(args))) !== undefined;
    }),
    peek: method(function* (...args: unknown[]) {
      const found = yield* find(callOf(args));
      return found && { value: found.value, ...metaOf(found) };
    }),
    detail: method(function* (...args: unknown[]) {
      const key = callOf(args).key;
      const outcome = yield* answer(plan, settings.this, args, settings);
      const { value, hit, createdAt, duration, source, outFiles } = outcome;
      const sameSource = source !== "" && source === plan.source;
      return { value, hit, key, createdAt: new Date(createdAt), duration, sameSource, ...(outFiles && { outFiles }) };
    }),
    // biome-ignore lint/correctness/useYield: a flow, as the others
    delete: managing(function* (...args: unknown[]) {
      const call = callOf(args);
      abandon(call.folder, call.digest);
      return call.folder.remove(call.digest, call.readable);
    }),
    prime: managing(function* (value: unknown, ...args: unknown[]) {
      yield* prime(callOf(args), value);
    }),
    clear: managing(function* () {
      abandon(folder());
      return yield* folder().clear(plan.async);
    }),
    entries: () => (plan.async ? entriesAsync(plan, folder()) : entriesSync(plan, folder())),
    // biome-ignore lint/correctness/useYield: a flow, as the others
    prune: managing(function* (limits?: Limits) {
      const given = limits && { own: checkLimits(`${plan.subject}: prune`, limits), whole: {} };
      const { own, whole } = given ?? plan.settings().limits ?? { own: {}, whole: {} };
      return evicted(plan, folder().prune(own, whole)).length;
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
  if (entry?.identity !== plan.identity) return undefined;
  return { ...entry, digest, bytes: entry.bytes + bytesKept(parseRecord(entry.record)) };
}

function* entriesSync(plan: Plan, folder: Folder) {
  try {
    for (const group of listed(plan, folder)) yield* group.map(metaOf);
  } catch (error) {
    throw storeTrouble(plan, folder, error);
  }
}

async function* entriesAsync(plan: Plan, folder: Folder) {
  try {
    for (const group of listed(plan, folder)) {
      yield* group.map(metaOf);
      await new Promise((resolve) => setImmediate(resolve)); // others have their turn
    }
  } catch (error) {
    throw storeTrouble(plan, folder, error);
  }
}

/** What the system says becomes a StoreError; any other error stays what it is. */
function storeTrouble({ subject }: Plan, { location }: Folder, error: unknown): unknown {
  if (error instanceof PermacacheError || codeOf(error) === "" || !("syscall" in (error as object))) return error;
  return new StoreError(`${subject}: ${location}: ${(error as Error).message}.`, { cause: error });
}

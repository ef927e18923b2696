import { abandon, answer, begin, type Call, entryOf, find, type Outcome } from "./call.js";
import { encodeValue } from "./entry/codecs.js";
import { decodeEntry } from "./entry/entry.js";
import { BindingError, StoreError } from "./errors.js";
import { type Flow, isThenable, run } from "./flow.js";
import { type CallSettings, checkLimits, checkOptions } from "./options.js";
import { bytesKept, parseRecord } from "./out-files.js";
import type { Plan } from "./plan.js";
import { beyondLimits } from "./retention.js";
import type { Folder, Listed } from "./stores/store.js";
import { registerSubject } from "./subjects.js";
import type { EntryMeta, Limits, Stats } from "./types.js";

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
function metaOf({
  key,
  createdAt,
  duration,
  bytes,
}: Pick<Outcome, "key" | "createdAt" | "duration" | "bytes">): EntryMeta {
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
  if (entry?.identity !== plan.identity) return undefined;
  return { ...entry, digest, bytes: entry.bytes + bytesKept(parseRecord(entry.record)) };
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

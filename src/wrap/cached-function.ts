import { answerBatch, beginBatch, callAt, resultsOf } from "../call/batch/batch.js";
import { begin, beginOfBatch, invoke, Started } from "../call/begin.js";
import { bindCall, type Call } from "../call/bind.js";
import { answer } from "../call/call.js";
import { evicted } from "../call/limits.js";
import { find } from "../call/look-up.js";
import { metaOf, metaOfHead, type Outcome } from "../call/outcome.js";
import type { Plan } from "../call/plan.js";
import type { CallSettings } from "../call/settings.js";
import { abandon } from "../call/single-flight.js";
import type { Stats } from "../call/stats.js";
import { prime } from "../call/store-result.js";
import { registerSubject } from "../call/subjects.js";
import { storeTrouble } from "../call/trouble.js";
import type { EntryMeta } from "../entry/entry-meta.js";
import { headTrusted } from "../entry/trust.js";
import { assertArguments, BindingError } from "../errors.js";
import { type Flow, isFlow, wait, yieldToEventLoop } from "../flow.js";
import { inheritingNothing } from "../key/originals.js";
import type { Listed } from "../stores/engine.js";
import type { Folder } from "../stores/folder.js";
import type { Limits, RetentionLimits } from "../stores/limits.js";
import { checkLimits, checkOptions } from "./settings.js";

export function createCachedFunction(plan: Plan, settings: CallSettings = NO_SETTINGS): Function {
  const start = plan.batch ? beginOfBatch : begin;
  // The wrapped function is called right here: one frame stands between it and its caller, and a recursion gets far.
  const cached = function (this: unknown, ...args: unknown[]): unknown {
    const started = start(plan, "this" in settings ? settings.this : this, args, settings);
    if (!Started.is(started)) return started;
    const { invocation } = started;
    try {
      invocation.result = invocation.fn.apply(invocation.self, invocation.args);
    } catch (error) {
      invocation.threw(error);
    }
    return started.finish();
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
  function assertReceiver(): void {
    if (plan.keysThis && !("this" in settings)) {
      throw new BindingError(
        `${plan.subject}: the key needs a receiver (this), which its methods are not given. Use .with({ this: object }), or cacheOf(object.method, object).`,
      );
    }
  }

  /** The calls that a method asks about, and for each of its answers which of them: of a batch, one for each element. */
  function callsOf(args: readonly unknown[]): {
    readonly calls: readonly Call[];
    readonly positions: readonly number[];
  } {
    assertReceiver();
    if (!plan.batch) return { calls: [bindCall(plan, settings.this, args, settings.dir).call], positions: [0] };
    const batch = beginBatch(plan, settings.this, args, settings.dir);
    return { calls: batch.elements.map((_, position) => callAt(batch, position)), positions: batch.positions };
  }

  /** The answer of a method: for a batch, one for each element. */
  function told<T>(answers: readonly T[]): T | readonly T[] {
    return plan.batch ? answers : answers[0]!;
  }

  /** Asks about each call; equal elements have one answer. */
  const about = <T>(ask: (call: Call) => Flow<T>) =>
    function* (...args: unknown[]): Flow<T | readonly T[]> {
      const { calls, positions } = callsOf(args);
      const answers: T[] = [];
      for (const call of calls) answers.push(yield* ask(call));
      return told(positions.map((position) => answers[position]!));
    };

  function detailOf({ value, hit, key, createdAt, duration, source, outFiles }: Outcome) {
    const sameSource = source !== "" && source === plan.source;
    return { value, hit, key, createdAt: new Date(createdAt), duration, sameSource, ...(outFiles && { outFiles }) };
  }

  const folder = () => plan.folder(settings.dir ?? (typeof plan.dir === "string" ? plan.dir : undefined));
  const method =
    <A extends unknown[], T>(flow: (...args: A) => Flow<T>) =>
    (...args: A) =>
      invoke(plan, () => flow(...args));

  /** For methods that change the store: what the system says to that is told as trouble with the store. */
  const managing = <A extends unknown[], T>(flow: (...args: A) => Flow<T>) =>
    method((...args: A) => telling(flow(...args)));

  function* telling<T>(flow: Flow<T>): Flow<T> {
    try {
      return yield* flow;
    } catch (error) {
      throw storeTrouble(plan.subject, folder().location, error);
    }
  }

  return {
    original: plan.fn,
    key: (...args: unknown[]): string | readonly string[] => {
      const { calls, positions } = callsOf(args);
      return told(positions.map((position) => calls[position]!.key));
    },
    has: method(
      about(function* (call) {
        return (yield* find(call)) !== undefined;
      }),
    ),
    peek: method(
      about(function* (call) {
        const found = yield* find(call);
        return found && { value: found.value, ...metaOf(found) };
      }),
    ),
    detail: method(function* (...args: unknown[]) {
      assertReceiver();
      if (plan.batch) return yield* answerBatch(plan, settings.this, args, settings, detailOf, true);
      const { key } = bindCall(plan, settings.this, args, settings.dir).call; // also where the mode makes none
      const answered = answer(plan, settings.this, args, settings);
      return detailOf({ ...(isFlow(answered) ? yield* answered : answered), key });
    }),
    delete: managing(
      about(function* (call) {
        abandon(call.folder, call.digest);
        return yield* wait(call.folder.remove(call));
      }),
    ),
    prime: managing(function* (value: unknown, ...args: unknown[]) {
      const { calls, positions } = callsOf(args);
      const values = plan.batch ? resultsOf(plan, value, positions.length, "prime was given") : [value];
      const firsts = new Map(positions.map((position, at) => [position, at] as const).reverse());
      const distinct = calls.map((_, position) => values[firsts.get(position)!]);
      yield* prime(plan, calls, distinct);
    }),
    clear: managing(function* (...extra: unknown[]) {
      assertArguments(`${plan.subject}: clear()`, extra, 0, WAYS_OUT);
      abandon(folder());
      return yield* wait(folder().clear(plan.async));
    }),
    entries: (...extra: unknown[]) => {
      assertArguments(`${plan.subject}: entries()`, extra, 0, "peek(...args) tells of the entry of one call.");
      return plan.async ? entriesAsync(plan, folder()) : entriesSync(plan, folder());
    },
    prune: managing(function* (limits?: Limits, ...extra: unknown[]) {
      assertArguments(
        `${plan.subject}: prune()`,
        [limits, ...extra],
        1,
        "delete(...args) removes the entry of one call.",
      );
      const given = limits !== undefined && {
        own: checkLimits(`${plan.subject}: prune`, limits),
        whole: NO_LIMITS.whole,
      };
      const { own, whole } = given || (plan.settings().limits ?? NO_LIMITS);
      return evicted(plan, yield* folder().evict(own, whole)).length;
    }),
    stats: (...extra: unknown[]): Stats => {
      assertArguments(`${plan.subject}: stats()`, extra, 0);
      return { ...plan.stats };
    },
    with: (overrides: unknown, ...extra: unknown[]) => {
      assertArguments(
        `${plan.subject}: with()`,
        [overrides, ...extra],
        1,
        "The arguments of the call come in a second call: with(overrides)(...args).",
      );
      const given = checkOptions(`${plan.subject}.with()`, overrides, "call");
      if (given.dir !== undefined) plan.folder(given.dir); // throws where the cache has a store
      return createCachedFunction(plan, inheritingNothing<CallSettings>(settings, given));
    },
  };
}

const NO_LIMITS = { own: inheritingNothing<RetentionLimits>({}), whole: inheritingNothing<RetentionLimits>({}) };
const NO_SETTINGS: CallSettings = inheritingNothing({});

const WAYS_OUT =
  "delete(...args) removes the entry of one call; cache.clear(path) removes all of a path; clear() removes all entries of this function.";

/**
 * The entries of a group that are whole and of this function, one by one: what was read of one is garbage before the next
 * is read, and costs the collector nothing.
 */
function* metasOf(plan: Plan, group: readonly Listed[]): Generator<EntryMeta, void> {
  for (const each of group) {
    const bytes = each.read() as Buffer | undefined;
    const head = bytes && headTrusted(bytes, plan.trust);
    if (head?.identity === plan.identity) yield metaOfHead(head);
  }
}

function* entriesSync(plan: Plan, folder: Folder) {
  try {
    const groups = folder.list() as Iterable<readonly Listed[]>; // a sync function has a sync store
    for (const group of groups) yield* metasOf(plan, group);
  } catch (error) {
    throw storeTrouble(plan.subject, folder.location, error);
  }
}

async function* entriesAsync(plan: Plan, folder: Folder) {
  try {
    for await (const group of folder.list()) {
      for (const meta of metasOf(plan, group)) yield meta; // `yield*` would wait for each once more
      await yieldToEventLoop();
    }
  } catch (error) {
    throw storeTrouble(plan.subject, folder.location, error);
  }
}

import { CacheMissError } from "../errors.js";
import { type Flow, Invocation, isFlow, isThenable, type MaybeFlow, performance, wait } from "../flow.js";
import { type BoundCall, bindCall, type Call, keyed } from "./bind.js";
import { type Job, obtain } from "./compute.js";
import { context } from "./context.js";
import { consult } from "./look-up.js";
import { holding } from "./out-files/out-file-calls.js";
import { miss, type Outcome } from "./outcome.js";
import type { Plan } from "./plan.js";
import { scopeIn } from "./scopes.js";
import type { CallSettings } from "./settings.js";
import { type Terms, writesIn } from "./terms.js";

/**
 * The way of a call:
 *
 *     call -> bind arguments -> apply key functions -> canonical JSON -> digest         bindCall   bind.ts
 *          -> store: hit -> decode -> value                                             consult    look-up.ts
 *                    miss -> join who computes it -> value                              obtain     compute.ts
 *                            compute -> encode -> publish -> value                      store      store-result.ts
 */
export function answer(
  plan: Plan,
  self: unknown,
  args: readonly unknown[],
  settings: CallSettings,
): MaybeFlow<Outcome> {
  const terms = termsOf(plan, settings);
  if (terms.mode === "bypass") return uncached(plan, self, plan.binder.bind(args).args);
  const begun = bindCall(plan, self, args, settings.dir);
  const { call } = begun;
  if (call.out.length > 0) {
    const lockTerms = { ...terms, plan, ...storingTerms(plan, settings) };
    return holding(call, lockTerms, writesIn(terms), (within) => {
      const inside = { ...terms, within };
      return answerKeyed(begun, inside, settings, consult(call, inside));
    });
  }
  const served = consult(call, terms);
  return served === undefined || isFlow(served) ? answerKeyed(begun, terms, settings, served) : served;
}

/** The narrowest mode: of the call, of a scope, else of the function. */
export function termsOf(plan: Plan, settings: CallSettings): Terms {
  const around = context.getStore();
  const scope = settings.mode === undefined ? scopeIn(around, plan) : undefined;
  const mode = settings.mode ?? scope?.mode ?? plan.settings().mode;
  return { mode, scope, within: around?.flight };
}

/** What bears on computing and storing: of the call, else of the function. */
export function storingTerms(plan: Plan, { maxWait, isDurable, signal }: CallSettings) {
  const own = plan.settings();
  return { maxWait: maxWait ?? own.maxWait, isDurable: isDurable ?? own.isDurable, signal };
}

function* answerKeyed(
  begun: BoundCall,
  terms: Terms,
  settings: CallSettings,
  consulted: ReturnType<typeof consult>,
): Flow<Outcome> {
  const { call } = begun;
  const served = isFlow(consulted) ? yield* consulted : consulted;
  if (served) return served;
  assertMayCompute(call, terms);
  let outcome: Outcome | undefined;
  const job: Job = {
    ...terms,
    plan: call.plan,
    self: begun.self,
    ...storingTerms(call.plan, settings),
    chunkSize: 1,
    concurrency: 1,
    argsFor: () => (call.waited ? boundAgain(begun) : begun.bound.args),
    resultsOf: (value) => [value],
    settle: (_call, settled) => {
      outcome = settled;
    },
    progressed: () => {},
  };
  yield* obtain(job, [call]);
  return outcome!;
}

/** The function starts later than the key was taken: what it gets now may have another one. */
function boundAgain({ call, self, args }: BoundCall): unknown[] {
  const { plan, key } = call;
  const bound = plan.binder.bind(args);
  call.isSame = keyed(plan, () => plan.callKey.of(bound.values, self)) === key;
  return bound.args;
}

/** @throws CacheMissError where the mode forbids to compute */
export function assertMayCompute(call: Call, { mode }: Terms): void {
  if (mode !== "only-if-cached") return;
  miss(call);
  const { plan, key, missed } = call;
  const what = missed === "absent" ? `there is no entry for ${key}` : `the entry for ${key} does not serve (${missed})`;
  throw new CacheMissError(
    `${plan.subject}: ${what}, and the mode is "only-if-cached". Call it once in another mode, or catch this error.`,
    key,
  );
}

/** Runs the function, and nothing else. @param args what it receives */
export function* uncached(plan: Plan, self: unknown, args: readonly unknown[]): Flow<Outcome> {
  const start = performance.now();
  const result: unknown = yield new Invocation(plan.fn, self, args);
  plan.gavePromise = isThenable(result);
  const value = plan.gavePromise ? yield* wait(result) : result;
  const now = { createdAt: Date.now(), duration: performance.now() - start };
  return { value, hit: false, key: "", async: value !== result, ...now, source: plan.source, bytes: 0 };
}

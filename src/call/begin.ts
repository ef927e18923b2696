import { type Flow, Invocation, isFlow, type MaybeFlow, resume, run, runOn, type Step } from "../flow.js";
import { answerBatch } from "./batch/batch.js";
import { answer } from "./call.js";
import type { Outcome } from "./outcome.js";
import type { Plan } from "./plan.js";
import type { CallSettings } from "./settings.js";

/**
 * The driver of a call, in two halves: `begin` comes as far as it can, and gives either what the caller gets, or a
 * `Started` call. Whoever wraps the function then calls it and goes on with `finish`. So a single frame of this library
 * stands between the function and its caller.
 */
export class Started {
  readonly invocation: Invocation;
  readonly #plan: Plan;
  readonly #flow: Flow<any>;
  readonly #deliver: (answer: any) => unknown;

  constructor(plan: Plan, flow: Flow<any>, invocation: Invocation, deliver: (answer: any) => unknown) {
    this.#plan = plan;
    this.#flow = flow;
    this.invocation = invocation;
    this.#deliver = deliver;
  }

  /** Asks no value of the user's for its prototype: that could be a Proxy. */
  static is(value: unknown): value is Started {
    return typeof value === "object" && value !== null && #flow in value;
  }

  /** The function has returned, or thrown. @returns what the caller gets */
  finish(): unknown {
    this.invocation.leave();
    return settled(this.#plan, () => {
      const answer = runOn(this.#flow, resume(this.#flow, this.invocation));
      return answer instanceof Promise ? answer.then(this.#deliver) : this.#deliver(answer);
    });
  }
}

/** @returns what the caller gets, or a `Started` call */
export function begin(plan: Plan, self: unknown, args: readonly unknown[], settings: CallSettings): unknown {
  if (!plan.async) return begun(plan, answer(plan, self, args, settings), delivered);
  try {
    return begun(plan, answer(plan, self, args, settings), promised);
  } catch (error) {
    return Promise.reject(error);
  }
}

/** The same for a call with parallel arguments. */
export function beginOfBatch(plan: Plan, self: unknown, args: readonly unknown[], settings: CallSettings): unknown {
  let isOnePromised = plan.async;
  const pick = (outcome: Outcome) => {
    isOnePromised ||= isPromised(outcome);
    return outcome.value;
  };
  const deliver = (values: unknown) => (isOnePromised ? Promise.resolve(values) : values);
  return settled(plan, () => begun(plan, answerBatch(plan, self, args, settings, pick), deliver));
}

function begun<T>(plan: Plan, answered: MaybeFlow<T>, deliver: (answer: T) => unknown): unknown {
  if (!isFlow(answered)) return deliver(answered);
  const step: Step<T> = answered.next();
  if (step.done) return deliver(step.value);
  if (!(step.value instanceof Invocation)) return (runOn(answered, step) as Promise<T>).then(deliver);
  step.value.enter();
  return new Started(plan, answered, step.value, deliver);
}

function delivered(outcome: Outcome): unknown {
  return isPromised(outcome) ? Promise.resolve(outcome.value) : outcome.value;
}

function promised({ value }: Outcome): Promise<unknown> {
  return Promise.resolve(value);
}

/** Of a function that gave a promise, and does not say that it always does: a hit is one, too. */
function isPromised({ hit, async }: Outcome): boolean {
  return hit && async;
}

/** Runs a method: at once for a sync function, by a promise for an async one. */
export function invoke<T>(plan: Plan, flow: () => Flow<T>): T | Promise<T> {
  return settled(plan, () => {
    const result = run(flow());
    return plan.async ? Promise.resolve(result) : result;
  }) as T | Promise<T>;
}

/** An async function never throws. */
function settled(plan: Plan, act: () => unknown): unknown {
  if (!plan.async) return act();
  try {
    return act();
  } catch (error) {
    return Promise.reject(error);
  }
}

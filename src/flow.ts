import timers from "node:timers";

/**
 * Sync and async are one flow, written once as a generator. In it `yield* wait(x)` reads as `await x`, but costs no turn
 * of the event loop where `x` is no promise. `run` gives the result at once where no promise was met, else a promise.
 *
 * A flow does not call the user's function: it yields an `Invocation`, and whoever drives the flow makes the call. So the
 * frames of the flow are off the stack while the function runs: its stack traces show its own callers, and it can recurse.
 */
export type Flow<T> = Generator<PromiseLike<unknown> | Invocation, T, any>;

/** A call of the user's function. */
export class Invocation {
  /** What the function returned, or threw. */
  result: unknown;
  hasThrown = false;

  constructor(
    readonly fn: Function,
    readonly self: unknown,
    readonly args: readonly unknown[],
  ) {}

  /** Called right before and right after the function: here nothing has to be done. */
  enter(): void {}
  leave(): void {}

  threw(error: unknown): void {
    this.result = error;
    this.hasThrown = true;
  }
}

/** Where a flow stopped. */
export type Step<T> = IteratorResult<PromiseLike<unknown> | Invocation, T>;

/** Goes on with a flow after the function that it stopped for has returned, or thrown. */
export function resume<T>(flow: Flow<T>, invocation: Invocation): Step<T> {
  return invocation.hasThrown ? flow.throw(invocation.result) : flow.next(invocation.result);
}

function invoke(invocation: Invocation): void {
  invocation.enter();
  try {
    invocation.result = invocation.fn.apply(invocation.self, invocation.args);
  } catch (error) {
    invocation.threw(error);
  } finally {
    invocation.leave();
  }
}

export function* wait<T>(value: T | PromiseLike<T>): Flow<T> {
  // What is no promise does not go up through all the flows around and back: 10 of 100 us of a cold call.
  return isThenable(value) ? ((yield value) as T) : (value as T);
}

export function isThenable(value: unknown): value is PromiseLike<unknown> {
  if (value === null || (typeof value !== "object" && typeof value !== "function")) return false;
  try {
    return typeof (value as { then?: unknown }).then === "function";
  } catch {
    return false; // a Proxy, or a getter: whoever gets the value may read it, or not
  }
}

/** A flow, or what would be its result where none is needed: a hit does without generators, which saves 0.2 of its 6 us. */
export type MaybeFlow<T> = T | Flow<T>;

export function isFlow<T>(value: MaybeFlow<T>): value is Flow<T> {
  return Object.prototype.isPrototypeOf.call(ANY_FLOW, value as object);
}

/** The prototype of what generator functions return. */
const ANY_FLOW = Object.getPrototypeOf(wait).prototype;

export function run<T>(flow: Flow<T>): T | Promise<T> {
  return runOn(flow, flow.next());
}

/** Runs a flow from where it stopped. */
export function runOn<T>(flow: Flow<T>, from: Step<T>): T | Promise<T> {
  let step = from;
  while (!step.done) {
    if (!(step.value instanceof Invocation)) return runAsync(flow, step.value);
    invoke(step.value);
    step = resume(flow, step.value);
  }
  return step.value;
}

async function runAsync<T>(flow: Flow<T>, first: PromiseLike<unknown>): Promise<T> {
  let step: Step<T> = { done: false, value: first };
  while (!step.done) {
    const { value } = step;
    if (value instanceof Invocation) {
      invoke(value);
      step = resume(flow, value);
      continue;
    }
    let result: unknown;
    try {
      result = await value;
    } catch (error) {
      step = flow.throw(error);
      continue;
    }
    step = flow.next(result);
  }
  return step.value;
}

/**
 * The timers as they were when this package was loaded. Tests fake the global ones, and those of `node:timers`, to move
 * the time of their own code: whoever waits for a faked timer waits until somebody moves it, which may be never.
 */
export const { setTimeout, clearTimeout, setInterval, clearInterval, setImmediate } = { ...timers };

/** The clock for durations and bounds, for the same reason. `Date` stays that of the program: it tells how old entries are. */
export const performance = { now: globalThis.performance.now.bind(globalThis.performance) };

/** Lets other code run: for work that takes long. */
export function yieldToEventLoop(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** The part of an AbortSignal that is used: no types of the DOM or of Node are needed. */
export interface AbortSignalLike {
  readonly aborted: boolean;
  readonly reason: unknown;
  addEventListener(type: "abort", listener: () => void): void;
  removeEventListener(type: "abort", listener: () => void): void;
}

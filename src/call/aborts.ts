import type { AbortSignalLike } from "../flow.js";

/**
 * Who waits for a signal. Each signal has one listener, however many calls wait with it: Node warns of more than ten. It
 * has none while nobody waits.
 */
class Waiters {
  readonly #signal: AbortSignalLike;
  readonly #all = new Set<() => void>();
  readonly #tell = () => {
    for (const waiter of this.#all) waiter();
  };

  constructor(signal: AbortSignalLike) {
    this.#signal = signal;
  }

  add(waiter: () => void): void {
    if (this.#all.size === 0) this.#signal.addEventListener("abort", this.#tell);
    this.#all.add(waiter);
  }

  delete(waiter: () => void): void {
    this.#all.delete(waiter);
    if (this.#all.size === 0) this.#signal.removeEventListener("abort", this.#tell);
  }
}

const bySignal = new WeakMap<AbortSignalLike, Waiters>();

function waitersOf(signal: AbortSignalLike): Waiters {
  let waiters = bySignal.get(signal);
  if (!waiters) {
    waiters = new Waiters(signal);
    bySignal.set(signal, waiters);
  }
  return waiters;
}

/** What the promise gives, or the reason of the signal, whichever comes first. */
export function orAborted<T>(promise: Promise<T>, signal: AbortSignalLike | undefined): Promise<T> {
  if (!signal) return promise;
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    const waiters = waitersOf(signal);
    waiters.add(abort);
    promise.then(resolve, reject).finally(() => waiters.delete(abort));
  });
}

/** Whether a function says that it was told to stop. What it threw may be anything, also a Proxy that throws when it is read. */
export function isAbortError(error: unknown): boolean {
  try {
    return (error as Error | null | undefined)?.name === "AbortError";
  } catch {
    return false;
  }
}

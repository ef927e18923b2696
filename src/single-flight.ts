import { context } from "./context.js";
import type { Scope } from "./modes.js";

/**
 * One running computation, which other calls of the same key in this process may join instead of computing.
 * @typeParam T what the computation hands to those who joined
 */
export class Flight<T> {
  /** Whether it is known to be asynchronous. A synchronous one cannot be waited for. */
  canBeJoined = false;
  /** False once its key was deleted, its function cleared, or a newer computation has begun: its result is not stored. */
  isCurrent = true;
  /** The computation that this one was begun in, and which waits for it. */
  private readonly parent: Flight<any> | undefined;
  private readonly waitsFor = new Set<Flight<any>>();
  private landing: Landing<T> | undefined;

  /**
   * @param scope the refresh scope that began it, if one did
   * @param stores whether its result is to be stored
   */
  constructor(
    readonly scope: Scope | undefined,
    readonly stores: boolean,
  ) {
    this.parent = context.getStore()?.flight;
    this.parent?.waitsFor.add(this);
  }

  /** The result of the computation, `undefined` where waiting for it could never end. */
  join(): Promise<T> | undefined {
    const waiter = context.getStore()?.flight;
    if (!this.canBeJoined || (waiter && this.awaits(waiter))) return undefined;
    this.landing ??= new Landing<T>();
    if (!waiter) return this.landing.promise;
    waiter.waitsFor.add(this);
    return this.landing.promise.finally(() => waiter.waitsFor.delete(this));
  }

  get isJoined(): boolean {
    return this.landing !== undefined;
  }

  /** Whether this computation waits, itself or through others, for that one: A -> B -> A would hang. */
  private awaits(other: Flight<any>, seen = new Set<Flight<any>>()): boolean {
    if (this === other) return true;
    seen.add(this);
    for (const next of this.waitsFor) if (!seen.has(next) && next.awaits(other, seen)) return true;
    return false;
  }

  land(result: T): void {
    this.parent?.waitsFor.delete(this);
    this.landing?.resolve(result);
  }

  fail(error: unknown): void {
    this.parent?.waitsFor.delete(this);
    this.landing?.reject(error);
  }
}

/** Made when somebody joins: without a listener a failure would be an unhandled rejection. */
class Landing<T> {
  resolve!: (result: T) => void;
  reject!: (error: unknown) => void;
  readonly promise = new Promise<T>((resolve, reject) => {
    this.resolve = resolve;
    this.reject = reject;
  });
}

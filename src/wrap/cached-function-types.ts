import type { Stats } from "../call/stats.js";
import type { EntryMeta } from "../entry/entry-meta.js";
import type {
  AnyFunction,
  CallArguments,
  IsAny,
  KwArguments,
  KwNames,
  Like,
  Plain,
  Result,
} from "../signature/function-types.js";
import type { Limits } from "../stores/limits.js";
import type { Names, Options, Overrides } from "./options.js";

/** The types of cached functions, and of what makes them. They are inferred from the function that is wrapped. */

export interface Peek<T> extends EntryMeta {
  readonly value: T;
}

export interface Detail<T> {
  readonly value: T;
  /** Whether it was served, from the cache or from another call's computation. */
  readonly hit: boolean;
  /** Canonical JSON. */
  readonly key: string;
  readonly createdAt: Date;
  /** Of the computation, in milliseconds. */
  readonly duration: number;
  /** Whether the function had the source that it has now when the value was computed. */
  readonly sameSource: boolean;
  /** On a hit of a function with out files: by name, the path from which each was served; its own where it still held. */
  readonly outFiles?: Readonly<Record<string, string>>;
}

/** The methods of a cached function. They take the arguments of a call; they return promises on async functions. */
export interface Management<F extends AnyFunction, Args = Plain> {
  /** The canonical JSON key of a call. Never a promise. */
  key(...args: CallArguments<F, Args>): string;
  /** Whether the call would be served from the cache. */
  has(...args: CallArguments<F, Args>): Like<F, boolean>;
  /** The entry of the call, if there is one. Never computes. */
  peek(...args: CallArguments<F, Args>): Like<F, Peek<Result<F>> | undefined>;
  /** Calls the function, and tells about the call. */
  detail(...args: CallArguments<F, Args>): Like<F, Detail<Result<F>>>;
  /** Removes the entry of the call. A computation that runs is returned, not stored. */
  delete(...args: CallArguments<F, Args>): Like<F, boolean>;
  /** Stores a value for a call. Throws a `StoreError` where it cannot be stored. */
  prime(value: Result<F>, ...args: CallArguments<F, Args>): Like<F, void>;
  /** Removes all entries of this version; gives their number. Computations that run are returned, not stored. */
  clear(): Like<F, number>;
  /** Removes the entries beyond the limits (by default, those of the options) now; gives their number. */
  prune(limits?: Limits): Like<F, number>;
  entries(): IsAny<ReturnType<F>> extends true
    ? any
    : ReturnType<F> extends PromiseLike<any>
      ? AsyncIterable<EntryMeta>
      : Iterable<EntryMeta>;
  /** Of this function in this process. Never a promise. */
  stats(): Stats;
  /** The same cached function with options for the calls made through it. */
  with(overrides: Overrides): CachedFunction<F, Args>;
  with<T>(overrides: Overrides & { this: T }): CachedFunction<OmitThisParameter<F>, Args>;
  /** The function that was wrapped. */
  readonly original: F;
}

export type KwCall<F extends AnyFunction, Args = Plain> = (
  this: ThisParameterType<F>,
  ...args: KwArguments<F, Args>
) => ReturnType<F>;
export type CachedFunction<F extends AnyFunction, Args = Plain> = KwCall<F, Args> & F & Management<F, Args>;

export type Returning<V> = { (...args: any): V | PromiseLike<V>; <_>(...args: any): V | PromiseLike<V> };
export interface Wrap<Args = Plain, Value = any, Fn extends AnyFunction = AnyFunction> {
  <F extends Fn & Returning<Value>>(fn: F, context?: undefined): CachedFunction<F, Args>;
  <This, F extends Fn & ((this: This, ...args: any) => Value | PromiseLike<Value>)>(
    method: F,
    context: ClassMethodDecoratorContext<This, F>,
  ): F;
}
export interface KeywordsWrap<Args = Plain, Value = any, Fn extends AnyFunction = AnyFunction> {
  <F extends Fn & Returning<Value>>(fn: F, context?: undefined): KeywordsCall<F, Args> & CachedFunction<F, Args>;
  <This, F extends Fn & ((this: This, ...args: any) => Value | PromiseLike<Value>)>(
    method: F,
    context: ClassMethodDecoratorContext<This, F>,
  ): F;
}
export type KeywordsCall<F extends AnyFunction, Args = Plain> = (
  this: ThisParameterType<F>,
  named: KwNames<F, Args>,
) => ReturnType<F>;

type Element<F extends AnyFunction> = Result<F> extends readonly (infer E)[] ? E : never;

/** As `Management`, with an answer for each element where a method takes a call. */
export interface BatchManagement<F extends AnyFunction, Args = Plain>
  extends Omit<Management<F, Args>, "key" | "has" | "peek" | "detail" | "delete" | "with"> {
  key(...args: CallArguments<F, Args>): string[];
  has(...args: CallArguments<F, Args>): Like<F, boolean[]>;
  peek(...args: CallArguments<F, Args>): Like<F, (Peek<Element<F>> | undefined)[]>;
  detail(...args: CallArguments<F, Args>): Like<F, Detail<Element<F>>[]>;
  delete(...args: CallArguments<F, Args>): Like<F, boolean[]>;
  with(overrides: Overrides): BatchFunction<F, Args>;
  with<T>(overrides: Overrides & { this: T }): BatchFunction<OmitThisParameter<F>, Args>;
}
export type BatchFunction<F extends AnyFunction, Args = Plain> = KwCall<F, Args> & F & BatchManagement<F, Args>;

/** @typeParam Value of an element */
export interface BatchWrap<Args = Plain, Value = any, Fn extends AnyFunction = AnyFunction> {
  <F extends Fn & Returning<readonly Value[]>>(fn: F, context?: undefined): BatchFunction<F, Args>;
  <This, F extends Fn & ((this: This, ...args: any) => readonly Value[] | PromiseLike<readonly Value[]>)>(
    method: F,
    context: ClassMethodDecoratorContext<This, F>,
  ): F;
}

/** `permacache(path, options)(fn)`, also as a decorator of methods. */
export interface Permacache<Fn extends AnyFunction = AnyFunction> {
  <Args extends Plain = Plain, Value = any>(
    path: string,
    options: Options<NoInfer<Args>, Value> & { parallel: Names<NoInfer<Args>> },
  ): BatchWrap<Args, Value, Fn>;
  <Args extends Plain = Plain, Value = any>(
    path: string,
    options: Options<NoInfer<Args>, Value> & { keywords: true },
  ): KeywordsWrap<Args, Value, Fn>;
  <Args extends Plain = Plain, Value = any>(
    path: string,
    options?: Options<NoInfer<Args>, Value>,
  ): Wrap<Args, Value, Fn>;
}

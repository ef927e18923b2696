import type { Codec } from "./entry/codecs.js";
import type { PermacacheError } from "./errors.js";
import type { KeyFunction } from "./key/key-functions.js";

/**
 * The types that users see. They infer from the function that is wrapped: its parameters, generics, overloads and
 * result are kept. Nothing here needs the types of Node or of the DOM.
 */

/** Any function. The second signature is there so that a lambda takes no parameter types from it: `(x: number, y = 2)` keeps `y: number`. */
export type AnyFunction = { (...args: any): any; <_>(...args: any): any };
export type AnyAsyncFunction = { (...args: any): PromiseLike<any>; <_>(...args: any): PromiseLike<any> };
export type Plain = Record<string, any>;
type IsAny<T> = 0 extends 1 & T ? true : false;
type IsLoose<Args> = string extends keyof Args ? true : false;

// ---- keyword calls ----

declare const kwBrand: unique symbol;
/** Named arguments, made by `kw()`. */
export interface Kw<out Args = Plain> {
  readonly [kwBrand]: Args;
}

// ---- reading a function type ----

/** P where it looks like an options object (no methods: so no array, Date, Map, class instance), else never. */
type ObjectParameter<P> = P extends object
  ? [Extract<P[keyof P], (...args: any) => any>] extends [never]
    ? P
    : never
  : never;
/** The names a keyword call may use. Given Args win; one object parameter is read as destructured; else loose. */
export type KwNames<F extends AnyFunction, Args = Plain> =
  IsLoose<Args> extends false
    ? Partial<Args>
    : Required<Parameters<F>> extends [infer P]
      ? IsAny<P> extends true
        ? Plain
        : [ObjectParameter<P>] extends [never]
          ? Plain
          : Partial<ObjectParameter<P>>
      : Plain;
type Prefixes<P extends readonly unknown[], K> = number extends P["length"]
  ? P extends readonly [infer H, ...infer R]
    ? [kw: K] | [H, ...Prefixes<R, K>]
    : P extends readonly (infer E)[]
      ? [...rest: E[], kw: K]
      : never
  : P extends readonly []
    ? [kw: K]
    : P extends readonly [_?: infer H, ...rest: infer R]
      ? [kw: K] | [H, ...Prefixes<R, K>]
      : never;
export type KwArguments<F extends AnyFunction, Args = Plain> = Prefixes<Parameters<F>, Kw<KwNames<F, Args>>>;

type Overloads<F> = F extends {
  (...a: infer A1): infer _R1;
  (...a: infer A2): infer _R2;
  (...a: infer A3): infer _R3;
  (...a: infer A4): infer _R4;
}
  ? A1 | A2 | A3 | A4
  : never;

/** What a call, or a method that takes a call, accepts. */
export type CallArguments<F extends AnyFunction, Args = Plain> =
  unknown extends ThisParameterType<F>
    ? Overloads<F> | Parameters<F> | KwArguments<F, Args>
    : [use_with_this_first: never];

export type Result<F extends AnyFunction> = Awaited<ReturnType<F>>;
/** T for a sync function, Promise<T> for an async one, both where the type leaves it open. */
export type Like<F extends AnyFunction, T> =
  IsAny<ReturnType<F>> extends true
    ? any
    : [ReturnType<F>] extends [never]
      ? T
      : ReturnType<F> extends infer R
        ? R extends PromiseLike<any>
          ? Promise<T>
          : T
        : never;

// ---- options ----

/**
 * What a call may do with the cache:
 *
 * | mode               | reads | writes | on a miss              |
 * | ------------------ | ----- | ------ | ---------------------- |
 * | `"read-write"`     | yes   | yes    | computes               |
 * | `"read-only"`      | yes   | no     | computes               |
 * | `"refresh"`        | no    | yes    | computes               |
 * | `"bypass"`         | no    | no     | computes               |
 * | `"only-if-cached"` | yes   | no     | throws `CacheMissError` |
 */
export type Mode = "read-write" | "read-only" | "refresh" | "bypass" | "only-if-cached";
/** Milliseconds, or a text such as `"2d"`. */
export type Duration = number | string;
/** Bytes, or a text such as `"10GB"`. */
export type Size = number | string;

/** What goes when there is too much: by default nothing is ever removed. */
export interface Limits {
  /** Since the entry was written. */
  maxAge?: Duration | undefined;
  /** Since the entry was last used. */
  maxIdle?: Duration | undefined;
  /** The least recently used go first. */
  maxEntries?: number | undefined;
  maxBytes?: Size | undefined;
}

export interface EntryMeta {
  /** Canonical JSON. */
  readonly key: string;
  readonly createdAt: Date;
  /** Of the computation, in milliseconds. */
  readonly duration: number;
  /** Of the entry as it is stored. */
  readonly bytes: number;
}

/**
 * Options of a cache, which are defaults for its functions. A function's `maxAge` and `maxIdle` replace those of its
 * cache; `maxEntries` and `maxBytes` hold at both.
 */
export interface SharedOptions extends Limits {
  /** Default: `"read-write"`, or `PERMACACHE_MODE`. A narrower place wins: call, scope, function, cache, environment. */
  mode?: Mode | undefined;
  /**
   * How results are written. `"auto"` (default): JSON text where that is lossless, else structured clone. `"json"`: JSON
   * text always, with tags for what JSON lacks.
   */
  codec?: "auto" | "json" | Codec | undefined;
  /** Default: `false`. `"zstd"` where this Node has it. */
  compress?: false | "gzip" | "brotli" | "zstd" | undefined;
  /** Names of entry files: `"hash"` (default), or `"readable"`: function, arguments and a short hash. Found under either. */
  naming?: "hash" | "readable" | undefined;
  /**
   * What happens when a result cannot be stored, or the storage fails: `"warn"` (default) warns once per function and
   * returns the result uncached, `"throw"` throws the `StoreError`, a function is given it.
   */
  onError?: "warn" | "throw" | ((error: PermacacheError) => void) | undefined;
  /**
   * How long a call waits for another process that computes the same key, before it computes itself. Default: for as long
   * as that lives. 0: no key lock, nobody waits.
   */
  maxWait?: Duration | undefined;
  /**
   * `"none"` (default): a killed process loses nothing that was published; a power cut may cost entries, never give a wrong
   * one. `"file"`: what is published is on the disk first (fsync), three to four times as slow.
   */
  durability?: "none" | "file" | undefined;
}

/** Where the entries of a cache live, other than in a directory: made by `lmdbStore`, `redisStore` or `tieredStore`. */
export interface Store {
  /** Whether sync functions can be cached there. */
  readonly sync: boolean;
}
export interface SyncStore extends Store {
  readonly sync: true;
}
/** One that has to be waited for: only for functions that return promises. */
export interface AsyncStore extends Store {
  readonly sync: false;
}

/** Entries held in memory, besides the store: encoded, so that each hit is a copy of its own all the same. */
export interface MemoryOptions {
  /** Of all entries together: beyond that the least recently used go. One of more than a quarter of it is not held. */
  maxBytes: Size;
  /**
   * How long an entry is served without a look at the store after the last one. Meanwhile what other processes replace or
   * remove is not seen. Default: each hit looks, at the identity of the entry's file.
   */
  trust?: Duration | undefined;
}

export interface CacheOptions extends SharedOptions {
  /** Where entries live. Default: `PERMACACHE_DIR`, else the per-user cache directory of the platform. */
  dir?: string | undefined;
  /**
   * Other users share the directories of this cache, and may choose the results of its functions. Default: `false`, a
   * directory of another user, or one that others may write to, is refused. What is made has the permissions that the umask
   * leaves. Without a `secret` entries are JSON, and `codec: "auto"` is `"json"`: nothing else is decoded.
   */
  shared?: boolean | undefined;
  /**
   * Signs entries (HMAC-SHA-256); one that is not signed is a miss, and is replaced. At least 32 bytes, of a text in UTF-8.
   * Of several the first signs and all are known: `[new, old]` for a while, then `new`. Who has it can sign; it is not
   * written anywhere.
   */
  secret?: string | Uint8Array | readonly (string | Uint8Array)[] | undefined;
  /** Of an entry as it would be stored: a larger result is returned uncached, with one warning. Default: no limit. */
  maxValueBytes?: Size | undefined;
  /** Default: none are held. */
  memory?: MemoryOptions | undefined;
}

type NameOf<Args> = keyof Args & string;
type OneOrMore<T> = T | readonly T[];

/**
 * Options of a function.
 * @typeParam Args its parameters by name, to have names and values checked: `permacache<{ x: number }>(path, options)`
 * @typeParam Value what it returns, or what its promise resolves to
 */
export interface Options<Args = Plain, Value = any> extends SharedOptions {
  /**
   * What stands in the key: per parameter (and `this`) a transform, or `null` to ignore the argument; or one function of
   * all bound arguments. Not part of the identity: who changes it changes `version`.
   */
  keyFunction?:
    | ({ [K in keyof Args]?: KeyFunction<Args[K]> | undefined } & { this?: KeyFunction<any> | undefined })
    | ((bound: Partial<Args>) => unknown)
    | undefined;
  /** For defaults that cannot be read from the source: `{ y: () => CONFIG }`. Given the earlier parameters; the function receives that very value. */
  defaults?: { [K in keyof Args]?: (earlier: Partial<Args>) => Args[K] } | undefined;
  /** For functions that do not show their signature (native, bound, down-levelled): `"(x, y = 2)"`. */
  signature?: string | undefined;
  /** A call whose only argument is a plain object is a keyword call. Default: `false`. */
  keywords?: boolean | undefined;
  /** Says that a plain function returns promises, so that its methods do, too. Default: what the function shows. */
  async?: boolean | undefined;
  /** Of the cache's, if falsy. A function is given the bound arguments. */
  dir?: string | ((bound: Partial<Args>) => string | null | undefined | false | 0) | undefined;
  /** Part of the identity: another version has other entries. */
  version?: string | undefined;
  /**
   * Parameters that are paths (or file URLs) the function writes. They are not in the key. A call is served while, for
   * each that it gives, a file that it wrote or was given still holds: that one is copied to the path.
   */
  outFile?: OneOrMore<NameOf<Args>> | undefined;
  /** Adds the function's own source to its identity, normalised over its syntax tree: an edited body has other entries. Default: `false`. */
  source?: boolean | undefined;
  /** Whether a result is kept. Default: all that can be stored. */
  shouldStore?: ((value: Value) => boolean) | undefined;
  /** Whether an entry still holds; where not, the call is a miss. Default: they do. */
  validate?: ((value: Value, meta: EntryMeta) => boolean) | undefined;
  /** Keeps the content of out files in the cache, too: a hit survives the deletion of every file outside. Default: `false`. */
  keepOutFiles?: boolean | undefined;
  /**
   * Parameters that are equally long sequences (arrays, strings, typed arrays, other iterables): the function returns an
   * array with a result for each element, and each has an entry of its own. Only missing elements reach the function.
   */
  parallel?: OneOrMore<NameOf<Args>> | undefined;
  /** Of a batch: the function is called for at most so many elements at once, and what it gives is stored each time. Default: all. */
  chunkSize?: number | undefined;
  /** Of a batch of an async function: chunks that are computed at the same time. Default: 1. */
  concurrency?: number | undefined;
  /** Of a batch: told when it was looked up, and after each chunk. */
  onProgress?: ((progress: Progress) => void) | undefined;
}

/** How far a batch is, in elements. */
export interface Progress {
  /** Those that have their result. */
  readonly done: number;
  /** Those of them that were served. */
  readonly cached: number;
  readonly total: number;
}

/** The part of an AbortSignal that is used: no types of the DOM or of Node are needed. */
export interface AbortSignalLike {
  readonly aborted: boolean;
  readonly reason: unknown;
  addEventListener(type: "abort", listener: () => void): void;
  removeEventListener(type: "abort", listener: () => void): void;
}

/** Options of a call: `f.with(overrides)(...args)`. */
export interface Overrides {
  mode?: Mode | undefined;
  dir?: string | undefined;
  /** Stops before the function is run, for a batch before the next chunk: the call fails with the reason, what is done is kept. */
  signal?: AbortSignalLike | undefined;
  /** Of a batch: told when it was looked up, and after each chunk. */
  onProgress?: ((progress: Progress) => void) | undefined;
  maxWait?: Duration | undefined;
  durability?: "none" | "file" | undefined;
}

// ---- events ----

/**
 * What the diagnostics channels `permacache:hit`, `:miss`, `:wait`, `:store`, `:evict` and `:error` carry. A wait is for
 * the computation of another process.
 */
export interface CacheEvent {
  readonly type: "hit" | "miss" | "wait" | "store" | "evict" | "error";
  readonly path: string;
  readonly version?: string | undefined;
  /** Canonical JSON. */
  readonly key?: string | undefined;
  /** Of a miss: `"absent"`, `"expired"`, `"damaged"`, `"invalid"`, `"refresh"`, `"out files"`, `"other source"` or `"unsigned"` (also: a structured clone in a shared directory); of an eviction: the limit; of a wait that is long: who computes. */
  readonly reason?: string | undefined;
  /** Of the computation, in milliseconds. */
  readonly duration?: number | undefined;
  /** Of the entry. */
  readonly bytes?: number | undefined;
  readonly error?: unknown;
}

// ---- cached functions ----

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

/** Of this process. */
export interface Stats {
  hits: number;
  misses: number;
  stores: number;
  /** Results and entries that could not be stored or read. */
  errors: number;
  /** Calls that waited for the computation of another. */
  waited: number;
  /** What the hits took when they were computed, in milliseconds. */
  timeSaved: number;
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

// ---- batches ----

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
    options: Options<NoInfer<Args>, Value> & { parallel: OneOrMore<NameOf<NoInfer<Args>>> },
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

// ---- caches ----

/** What has to be done in all, and how much of that is. */
export interface WorkProgress {
  readonly done: number;
  readonly total: number;
}
export interface WorkOptions {
  /** Told now and then, and at the end. */
  onProgress?: ((progress: WorkProgress) => void) | undefined;
}

/** What there is of one version of a path. */
export interface PathSummary {
  readonly path: string;
  readonly version: string | undefined;
  readonly entries: number;
  /** Of the entries and of what is kept with them. */
  readonly bytes: number;
  /** When the newest was written; `undefined` where there is none. */
  readonly newest: Date | undefined;
}

/** An entry of a path, of whatever version. */
export interface PathEntry extends EntryMeta {
  readonly version: string | undefined;
}

/** The entries of a path, without the function: of one version where `open` was given that, else of all. */
export interface OpenPath {
  /** The key of named arguments; a text is a key already. */
  key(named: Plain | string): string;
  /** Whether there is an entry that holds. Out files are not looked at: which are asked for is not known here. */
  has(named: Plain | string): Promise<boolean>;
  /** The entry; of several versions, the newest. */
  peek(named: Plain | string): Promise<(Peek<unknown> & PathEntry) | undefined>;
  delete(named: Plain | string): Promise<boolean>;
  entries(): AsyncIterable<PathEntry>;
  /** Removes the entries; gives their number. */
  clear(): Promise<number>;
  /** Removes the entries beyond the limits (by default, those of the cache) now, of all versions; gives their number. */
  prune(limits?: Limits): Promise<number>;
}

export interface Verified {
  /** Entries and kept files that were read. */
  readonly checked: number;
  /** Where damaged ones are: files whose content is not what was written, not that of their place, or, with a `secret`, not signed. */
  readonly damaged: readonly string[];
  /** How many of these were removed: all with `fix`, else none. */
  readonly removed: number;
}

/** A place where entries live, with defaults for its functions. */
export interface Cache<Fn extends AnyFunction = AnyFunction> {
  readonly permacache: Permacache<Fn>;
  /**
   * Caches one call where it is made, under the function's name and source: an edited function computes anew. Captured
   * variables are not in the key.
   */
  call<F extends Fn>(fn: F, ...args: CallArguments<F>): ReturnType<F>;
  /** What there is, version by version, in the order of paths. */
  list(): AsyncIterable<PathSummary>;
  /**
   * The entries of a path, without its function.
   * @param options `version`: of that one only; `null`: of those without a version
   * @throws PathError
   */
  open(path: string, options?: { version?: string | null | undefined }): OpenPath;
  /** Of all functions of this cache in this process. */
  stats(): Promise<CacheStats>;
  /** Removes the entries beyond the limits (by default, those of the cache) now, of all paths; gives their number. */
  prune(limits?: Limits, options?: WorkOptions): Promise<number>;
  /** Removes all entries; gives their number. Computations that run are returned, not stored. */
  clear(): Promise<number>;
  /** Reads everything, and tells what is damaged. With `fix` that is removed: it would be a miss anyway. */
  verify(options?: { fix?: boolean | undefined } & WorkOptions): Promise<Verified>;
  /**
   * Writes the entries of a path, all versions, and kept out files into a zip file; ".zip" may be left out. The same
   * entries make the same bytes. Gives the number of entries.
   * @throws StoreError where there are none, or the file cannot be written
   */
  exportTo(path: string, file: string, options?: WorkOptions): Promise<number>;
  /**
   * Takes over the entries of such a file under a path, which may be another one; ".zip" may be left out. All of it is
   * verified before the first is written. Gives the number of entries that were added.
   * @throws StoreError where the file is not such an archive, whole and undamaged; or where the path has entries, unless
   *   `merge`, which keeps what is there and adds the rest
   */
  importFrom(path: string, file: string, options?: { merge?: boolean | undefined } & WorkOptions): Promise<number>;
  /** Lets go of what the engine holds open. Functions that are called later open it again. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface CacheStats extends Stats {
  /** Where the entries are. */
  readonly directory: string;
  /**
   * How computations of one key exclude each other across processes: `"kernel"` (locks that end with their process, where
   * fs-native-extensions loads) or `"portable"`.
   */
  readonly lock: string;
}

/** The cache behind `permacache`. */
export interface DefaultCache extends Cache {
  /** Sets options of the default cache, before a function of it is first called. */
  configure(options: CacheOptions & { store?: Store | undefined }): void;
}

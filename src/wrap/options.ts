import { MODES, type Mode, modeInVariable } from "../call/modes.js";
import type { Progress } from "../call/settings.js";
import type { Codec } from "../entry/codecs.js";
import type { EntryMeta } from "../entry/entry-meta.js";
import type { PermacacheError } from "../errors.js";
import type { AbortSignalLike } from "../flow.js";
import type { KeyFunction } from "../key/key-functions.js";
import type { Plain } from "../signature/function-types.js";
import type { Engine } from "../stores/engine.js";
import type { Duration, Limits, Size } from "../stores/limits.js";
import {
  AGE,
  absolute,
  anything,
  areNames,
  COUNT,
  isCodec,
  isCompression,
  isDefaults,
  isDirectory,
  isErrorHandling,
  isKeyFunction,
  isMemory,
  isSecret,
  isSignal,
  isStore,
  isVersion,
  isWhole,
  moreThanZero,
  numbersOfMemory,
  ofType,
  oneOf,
  type Place,
  type Rule,
  SIZE,
  waiting,
} from "./option-rules.js";

/**
 * Every option is declared here, once: `OptionTypes` has its type and what users read about it, `OPTIONS` has where it may
 * stand, its rule, its default, and how it becomes a setting. All else follows from the two: the types that users see, the
 * checks and the lists in their messages, the settings of functions and calls (settings.ts).
 *
 * To add an option, add it to both, and its setting to `Settings` in call/settings.ts. The compiler tells if one of the two is
 * missing here.
 */

/**
 * @typeParam Args the parameters of the function by name
 * @typeParam Value what the function returns, or what its promise resolves to
 */
interface OptionTypes<Args = Plain, Value = any> extends Limits {
  /** Default: `"read-write"`, or `PERMACACHE_MODE`. A narrower place wins: call, scope, function, cache, environment. */
  mode?: Mode | undefined;
  /**
   * Where entries live. Default: `PERMACACHE_DIR`, else the per-user cache directory of the platform. That of a function
   * may be a function of the bound arguments; where that returns something falsy, the directory of the cache holds.
   */
  dir?: string | ((bound: Partial<Args>) => string | null | undefined | false | 0) | undefined;
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
   * How long a call waits for another one, of this or another process, that computes the same key or writes the same out
   * file, before it computes itself. Default: for as long as that lives. 0: no key lock, nobody waits.
   */
  maxWait?: Duration | undefined;
  /**
   * `"none"` (default): a killed process loses nothing that was published; a power cut may cost entries, never give a wrong
   * one. `"file"`: what is published is on the disk first (fsync), three to four times as slow.
   */
  durability?: "none" | "file" | undefined;
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
  /** Where entries live instead of a directory: made by `lmdbStore`, `redisStore` or `tieredStore`. */
  store?: Engine | undefined;
  /**
   * The most bytes that an entry may have, before it is compressed. A larger result is returned uncached, with one warning, and
   * a compressed entry is never unpacked to more. Default: no limit on results; compressed entries are unpacked to at most
   * 64 MB or 100 times their size.
   */
  maxValueBytes?: Size | undefined;
  /** Default: none are held. */
  memory?: MemoryOptions | undefined;
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
  /** Part of the identity: another version has other entries. */
  version?: string | undefined;
  /** Adds the function's own source to its identity, normalised over its syntax tree: an edited body has other entries. Default: `false`. */
  source?: boolean | undefined;
  /** Whether a result is kept. Default: all that can be stored. */
  shouldStore?: ((value: Value) => boolean) | undefined;
  /** Whether an entry still holds; where not, the call is a miss. Default: they do. */
  validate?: ((value: Value, meta: EntryMeta) => boolean) | undefined;
  /**
   * Parameters that are paths (or file URLs) the function writes. They are not in the key. A call is served while, for
   * each that it gives, a file that it wrote or was given still holds: that one is copied to the path.
   */
  outFile?: Names<Args> | undefined;
  /** Keeps the content of out files in the cache, too: a hit survives the deletion of every file outside. Default: `false`. */
  keepOutFiles?: boolean | undefined;
  /**
   * Parameters that are equally long sequences (arrays, strings, typed arrays, other iterables): the function returns an
   * array with a result for each element, and each has an entry of its own. Only missing elements reach the function.
   */
  parallel?: Names<Args> | undefined;
  /** Of a batch: the function is called for at most so many elements at once, and what it gives is stored each time. Default: all. */
  chunkSize?: number | undefined;
  /** Of a batch of an async function: chunks that are computed at the same time. Default: 1. */
  concurrency?: number | undefined;
  /** Of a batch: told when it was looked up, and after each chunk. */
  onProgress?: ((progress: Progress) => void) | undefined;
  /** The receiver of the calls, `undefined` included. */
  this?: unknown;
  /** Stops before the function is run, for a batch before the next chunk: the call fails with the reason, what is done is kept. */
  signal?: AbortSignalLike | undefined;
}

/** Parameters by name, one or more. */
export type Names<Args> = (keyof Args & string) | readonly (keyof Args & string)[];

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

/** @typeParam T what users give */
export interface Option<T = any> {
  /** The places where it may stand. A narrower one goes before: call, function, cache, environment. */
  readonly at: readonly Place[];
  readonly rule: Rule;
  /** What users need not write. Without it, nobody giving the option means `undefined`. */
  readonly byDefault?: T;
  /** Reads an environment variable, for where no option is given. */
  readonly environment?: () => T | undefined;
  /** Makes the setting of what was given. Without it they are the same. */
  readonly read?: (given: T) => unknown;
  /** What was given as it stays from now on; of the same type. */
  readonly settled?: (given: T) => T;
  /** The name of the setting, where it is another one. */
  readonly setting?: string;
  /** The setting in a cache whose entries anybody may have written. */
  readonly whereOpen?: (setting: T) => T;
  /** It is a limit: that of a function replaces that of its cache ("age"), or both hold, each for its entries ("size"). */
  readonly limit?: "age" | "size";
  /** `undefined` is a value of it like any other, not the same as no option. */
  readonly mayBeUndefined?: true;
}

const everywhere = ["cache", "function", "call"] as const;
const shared = ["cache", "function"] as const;
const ofCache = ["cache"] as const;
const ofFunction = ["function"] as const;
const ofCall = ["call"] as const;

/** In the order in which messages list them. */
export const OPTIONS = {
  mode: {
    at: everywhere, // `withMode` stands between the call and the function
    rule: oneOf(...MODES),
    byDefault: "read-write",
    environment: () => modeInVariable("PERMACACHE_MODE"),
  },
  dir: {
    at: everywhere,
    rule: isDirectory,
    environment: () => process.env.PERMACACHE_DIR || undefined,
    settled: (given) => (typeof given === "string" ? absolute(given) : given), // whoever gives it means a place, now
  },
  codec: {
    at: shared,
    rule: isCodec,
    byDefault: "auto",
    whereOpen: (codec) => (codec === "auto" ? "json" : codec),
  },
  compress: { at: shared, rule: isCompression, byDefault: false },
  naming: { at: shared, rule: oneOf("hash", "readable"), byDefault: "hash" },
  onError: { at: shared, rule: isErrorHandling, byDefault: "warn" },
  maxAge: { at: shared, ...moreThanZero(AGE), limit: "age" },
  maxIdle: { at: shared, ...moreThanZero(AGE), limit: "age" },
  maxEntries: { at: shared, ...moreThanZero(COUNT), limit: "size" },
  maxBytes: { at: shared, ...moreThanZero(SIZE), limit: "size" },
  maxWait: { at: everywhere, ...waiting, byDefault: Number.POSITIVE_INFINITY },
  durability: {
    at: everywhere,
    rule: oneOf("none", "file"),
    byDefault: "none",
    read: (given) => given === "file",
    setting: "isDurable",
  },
  shared: { at: ofCache, rule: ofType("boolean"), byDefault: false },
  secret: { at: ofCache, rule: isSecret, read: (given) => [given].flat() as readonly (string | Uint8Array)[] },
  store: { at: ofCache, rule: isStore, read: (given) => given as Engine },
  maxValueBytes: { at: ofCache, ...moreThanZero(SIZE), byDefault: Number.POSITIVE_INFINITY },
  memory: { at: ofCache, rule: isMemory, read: numbersOfMemory },
  keyFunction: { at: ofFunction, rule: isKeyFunction },
  defaults: {
    at: ofFunction,
    rule: isDefaults,
    read: (given) => given as Readonly<Record<string, (earlier: any) => unknown>>,
  },
  signature: { at: ofFunction, rule: ofType("string") },
  keywords: { at: ofFunction, rule: ofType("boolean"), byDefault: false },
  async: { at: ofFunction, rule: ofType("boolean") },
  version: { at: ofFunction, rule: isVersion },
  source: { at: ofFunction, rule: ofType("boolean"), byDefault: false },
  shouldStore: { at: ofFunction, rule: ofType("function") },
  validate: { at: ofFunction, rule: ofType("function") },
  outFile: { at: ofFunction, rule: areNames, read: (given) => [given].flat() as readonly string[] },
  keepOutFiles: { at: ofFunction, rule: ofType("boolean"), byDefault: false },
  parallel: { at: ofFunction, rule: areNames, read: (given) => [given].flat() as readonly string[] },
  chunkSize: { at: ofFunction, rule: isWhole, byDefault: Number.POSITIVE_INFINITY },
  concurrency: { at: ofFunction, rule: isWhole, byDefault: 1 },
  onProgress: { at: ["function", "call"], rule: ofType("function") },
  this: { at: ofCall, rule: anything, mayBeUndefined: true },
  signal: { at: ofCall, rule: isSignal },
} as const satisfies { readonly [K in keyof OptionTypes]-?: Option<Exclude<OptionTypes[K], undefined>> };

type Name = keyof OptionTypes;
type Row<K extends Name> = (typeof OPTIONS)[K];
type NamesAt<P extends Place> = { [K in Name]: P extends Row<K>["at"][number] ? K : never }[Name];

// ---- the types that users see ----

/**
 * Options of a cache, which are defaults for its functions. A function's `maxAge` and `maxIdle` replace those of its
 * cache; `maxEntries` and `maxBytes` hold at both.
 */
export interface CacheOptions extends Pick<OptionTypes, Exclude<NamesAt<"cache">, "store">> {
  /** Where entries live. Default: `PERMACACHE_DIR`, else the per-user cache directory of the platform. */
  dir?: string | undefined; // and `createCache` has `store` in its overloads
}

/**
 * Options of a function.
 * @typeParam Args its parameters by name, to have names and values checked: `permacache<{ x: number }>(path, options)`
 * @typeParam Value what it returns, or what its promise resolves to
 */
export interface Options<Args = Plain, Value = any> extends Pick<OptionTypes<Args, Value>, NamesAt<"function">> {}

/** Options of a call: `f.with(overrides)(...args)`. */
export interface Overrides extends Pick<OptionTypes, Exclude<NamesAt<"call">, "this">> {
  dir?: string | undefined; // and `with` has `this` in its overloads
}

// ---- the settings that they give ----

type Read<K extends Name, T> = Row<K> extends { read: (given: any) => infer R } ? R : Exclude<T, undefined>;
type Setting<K extends Name> = Row<K> extends { setting: infer S extends string } ? S : K;
type Given<T> = { readonly [K in keyof T & Name as Setting<K>]?: Read<K, T[K]> };
type Defaulted = { [K in Name]: Row<K> extends { byDefault: unknown } ? K : never }[Name];

/** What was given at each place, as settings. */
export interface GivenAt {
  cache: Given<CacheOptions & { store?: Engine }>;
  function: Given<Options>;
  call: Given<Overrides & { this?: unknown }>;
}
export type CacheSettings = GivenAt["cache"];
export type FunctionSettings = GivenAt["function"];

/** The settings that are there even where nothing was given. */
export type DefaultSettings = { readonly [K in Defaulted as Setting<K>]: Read<K, OptionTypes[K]> };

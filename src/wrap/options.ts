import { isUint8Array } from "node:util/types";
import bytes from "bytes";
import ms from "ms";
import { MODES } from "../call/modes.js";
import type { Codec } from "../entry/codecs.js";
import { compressionOf } from "../entry/compression.js";
import { type Secret, SHORTEST_SECRET } from "../entry/seal.js";
import { OptionError, type PermacacheError } from "../errors.js";
import type { RetentionLimits } from "../stores/limits.js";
import type { Store } from "../stores/store.js";
import type { AbortSignalLike, EntryMeta, Limits, Mode, Progress } from "../types.js";

/** What stands at a cache and at a function. */
export interface SharedSettings {
  readonly mode?: Mode | undefined;
  readonly dir?: string | ((bound: any) => unknown) | undefined;
  readonly codec?: "auto" | "json" | Codec | undefined;
  readonly compress?: false | "gzip" | "brotli" | "zstd" | undefined;
  readonly naming?: "hash" | "readable" | undefined;
  readonly onError?: "warn" | "throw" | ((error: PermacacheError) => void) | undefined;
  readonly maxAge?: number | string | undefined;
  readonly maxIdle?: number | string | undefined;
  readonly maxEntries?: number | undefined;
  readonly maxBytes?: number | string | undefined;
  readonly maxWait?: number | string | undefined;
  readonly durability?: "none" | "file" | undefined;
}

export interface CacheSettings extends SharedSettings {
  readonly shared?: boolean | undefined;
  readonly secret?: Secret | readonly Secret[] | undefined;
  readonly store?: Store | undefined;
  readonly maxValueBytes?: number | string | undefined;
  readonly memory?: { readonly maxBytes: number | string; readonly trust?: number | string | undefined } | undefined;
}

export interface FunctionSettings extends SharedSettings {
  readonly keyFunction?:
    | Readonly<Record<string, ((value: any) => unknown) | null>>
    | ((bound: any) => unknown)
    | undefined;
  readonly defaults?: Readonly<Record<string, (earlier: any) => unknown>> | undefined;
  readonly signature?: string | undefined;
  readonly keywords?: boolean | undefined;
  readonly async?: boolean | undefined;
  readonly version?: string | undefined;
  readonly source?: boolean | undefined;
  readonly shouldStore?: ((value: any) => boolean) | undefined;
  readonly validate?: ((value: any, meta: EntryMeta) => boolean) | undefined;
  readonly outFile?: string | readonly string[] | undefined;
  readonly keepOutFiles?: boolean | undefined;
  readonly parallel?: string | readonly string[] | undefined;
  readonly chunkSize?: number | undefined;
  readonly concurrency?: number | undefined;
  readonly onProgress?: ((progress: Progress) => void) | undefined;
}

export interface CallSettings {
  readonly mode?: Mode | undefined;
  readonly dir?: string | undefined;
  readonly this?: unknown;
  readonly maxWait?: number | string | undefined;
  readonly durability?: "none" | "file" | undefined;
  readonly signal?: AbortSignalLike | undefined;
  readonly onProgress?: ((progress: Progress) => void) | undefined;
}

type Place = "cache" | "function" | "call";

interface Rule {
  readonly places: readonly Place[];
  /** What is wrong with the value, `undefined` where nothing is. */
  problem(value: unknown, place: Place): string | undefined;
}

const oneOf =
  (...values: readonly unknown[]) =>
  (value: unknown) =>
    values.includes(value) ? undefined : `must be one of ${values.map((each) => JSON.stringify(each)).join(", ")}`;
const ofType = (type: string) => (value: unknown) => (typeof value === type ? undefined : `must be a ${type}`);
const everywhere: readonly Place[] = ["cache", "function", "call"];
const shared: readonly Place[] = ["cache", "function"];
const ofCache: readonly Place[] = ["cache"];
const ofFunction: readonly Place[] = ["function"];

/** How a limit is written: what it must be, and the number it stands for, NaN where it is none. */
const LIMITS: Readonly<Record<keyof RetentionLimits, { must: string; read(value: unknown): unknown }>> = {
  maxAge: { must: 'milliseconds, or a text such as "2d"', read: milliseconds },
  maxIdle: { must: 'milliseconds, or a text such as "2d"', read: milliseconds },
  maxEntries: { must: "a number of entries", read: (value) => value },
  maxBytes: { must: 'bytes, or a text such as "10GB"', read: byteCount },
};

const RULES: Readonly<Record<string, Rule>> = {
  __proto__: null as never,
  mode: { places: everywhere, problem: oneOf(...MODES) },
  dir: {
    places: everywhere,
    problem: (value, place) => {
      if (typeof value === "string" && value !== "" && !value.includes("\0")) return undefined;
      if (place === "function" && typeof value === "function") return undefined;
      return `must be the path of a directory${place === "function" ? ", or a function of the bound arguments that gives one" : ""}`;
    },
  },
  codec: {
    places: shared,
    problem: (value) => {
      if (value === "auto" || value === "json") return undefined;
      const { name, encode, decode } = (value ?? {}) as Partial<Codec>;
      const isCodec =
        typeof name === "string" && name !== "" && typeof encode === "function" && typeof decode === "function";
      return isCodec ? undefined : 'must be "auto", "json" or { name, encode, decode }';
    },
  },
  compress: {
    places: shared,
    problem: (value) => {
      const problem = oneOf(false, "gzip", "brotli", "zstd")(value);
      if (!problem && value) compressionOf(value as "gzip");
      return problem;
    },
  },
  naming: { places: shared, problem: oneOf("hash", "readable") },
  onError: {
    places: shared,
    problem: (value) =>
      typeof value === "function"
        ? undefined
        : oneOf("warn", "throw")(value) && 'must be "warn", "throw" or a function',
  },
  ...limitRules(),
  maxWait: {
    places: everywhere,
    problem: (value) => (waitOf(value) >= 0 ? undefined : 'must be milliseconds, at least 0, or a text such as "10s"'),
  },
  durability: { places: everywhere, problem: oneOf("none", "file") },
  shared: { places: ofCache, problem: ofType("boolean") },
  secret: { places: ofCache, problem: secretProblem },
  store: {
    places: ofCache,
    problem: (value) => {
      const { sync, folder, folders } = (value ?? {}) as Partial<Store>;
      const isStore = typeof sync === "boolean" && typeof folder === "function" && typeof folders === "function";
      return isStore
        ? undefined
        : "must be a store: lmdbStore({ path }), redisStore({ url }) or tieredStore(near, far)";
    },
  },
  maxValueBytes: {
    places: ofCache,
    problem: (value) => (isPositive(byteCount(value)) ? undefined : `must be more than 0: ${LIMITS.maxBytes.must}`),
  },
  memory: { places: ofCache, problem: memoryProblem },
  keyFunction: {
    places: ofFunction,
    problem: (value) =>
      typeof value === "function" || isRecord(value)
        ? undefined
        : "must be an object of transforms by parameter name, or a function of the bound arguments",
  },
  defaults: {
    places: ofFunction,
    problem: (value) =>
      isRecord(value) && Object.values(value).every((each) => typeof each === "function")
        ? undefined
        : "must be an object of functions by parameter name: { y: () => CONFIG }",
  },
  signature: { places: ofFunction, problem: ofType("string") },
  keywords: { places: ofFunction, problem: ofType("boolean") },
  async: { places: ofFunction, problem: ofType("boolean") },
  version: {
    places: ofFunction,
    problem: (value) => (typeof value === "string" && value !== "" ? undefined : "must be a string that is not empty"),
  },
  source: { places: ofFunction, problem: ofType("boolean") },
  shouldStore: { places: ofFunction, problem: ofType("function") },
  validate: { places: ofFunction, problem: ofType("function") },
  outFile: { places: ofFunction, problem: namesProblem },
  keepOutFiles: { places: ofFunction, problem: ofType("boolean") },
  parallel: { places: ofFunction, problem: namesProblem },
  chunkSize: { places: ofFunction, problem: wholeProblem },
  concurrency: { places: ofFunction, problem: wholeProblem },
  onProgress: { places: ["function", "call"], problem: ofType("function") },
  this: { places: ["call"], problem: () => undefined },
  signal: {
    places: ["call"],
    problem: (value) => {
      const { aborted, addEventListener } = (value ?? {}) as Partial<AbortSignalLike>;
      const isSignal = typeof aborted === "boolean" && typeof addEventListener === "function";
      return isSignal ? undefined : "must be an AbortSignal: new AbortController().signal";
    },
  },
};

function memoryProblem(value: unknown): string | undefined {
  if (!isRecord(value)) return 'must be { maxBytes, trust? }, such as { maxBytes: "100MB" }';
  const unknown = Object.keys(value).find((name) => name !== "maxBytes" && name !== "trust");
  if (unknown !== undefined) return `has no "${unknown}": it is { maxBytes, trust? }`;
  if (!isPositive(byteCount(value.maxBytes))) return `needs a maxBytes of more than 0: ${LIMITS.maxBytes.must}`;
  if (value.trust === undefined || isPositive(milliseconds(value.trust))) return undefined;
  return 'has a trust that must be more than 0: milliseconds, or a text such as "1s"';
}

/** Says nothing of what was given. */
function secretProblem(value: unknown): string | undefined {
  const secrets: unknown[] = Array.isArray(value) ? value : [value];
  const lengths = secrets.map((secret) => {
    if (typeof secret === "string") return Buffer.byteLength(secret);
    return isUint8Array(secret) ? secret.length : 0;
  });
  if (lengths.length > 0 && lengths.every((length) => length >= SHORTEST_SECRET)) return undefined;
  return `must be a text or a Uint8Array of at least ${SHORTEST_SECRET} bytes, or an array of such: the first signs, all of them are known. A new one: require("node:crypto").randomBytes(${SHORTEST_SECRET}).toString("base64")`;
}

function namesProblem(value: unknown): string | undefined {
  const names = Array.isArray(value) ? value : [value];
  const areNames = names.length > 0 && names.every((name) => typeof name === "string" && name !== "");
  const areDistinct = areNames && new Set(names).size === names.length;
  return areDistinct ? undefined : "must be the name of a parameter, or an array of names";
}

function wholeProblem(value: unknown): string | undefined {
  return Number.isSafeInteger(value) && (value as number) > 0 ? undefined : "must be a whole number of at least 1";
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * The options, checked: what follows trusts them. An option that is `undefined` counts as not given.
 * @param subject for messages: `permacache("a/b")`
 * @throws OptionError for an unknown option, or one of the wrong type or in the wrong place
 */
export function checkOptions<O extends object>(subject: string, options: O | undefined, place: Place): O {
  if (options === undefined) return {} as O;
  if (!isRecord(options))
    throw new OptionError(
      `${subject}: the options must be an object, not ${options === null ? "null" : typeof options}. A function to wrap comes in a second call: permacache(path, options)(fn).`,
    );
  const checked: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(options)) {
    const rule = RULES[name];
    if (!rule) {
      throw new OptionError(
        `${subject}: there is no option "${name}". Options of a ${place} are ${optionsOf(place).join(", ")}.`,
      );
    }
    if (!rule.places.includes(place)) {
      throw new OptionError(
        `${subject}: the option "${name}" is one of a ${rule.places.join(" or ")}, not of a ${place}.`,
      );
    }
    if (value === undefined && name !== "this") continue;
    const problem = rule.problem(value, place);
    if (problem) throw new OptionError(`${subject}: the option "${name}" ${problem}.`);
    checked[name] = value;
  }
  return checked as O;
}

/**
 * Options of a method.
 * @param types what `typeof` has to say of each
 * @throws OptionError for an unknown option, or one of the wrong type
 */
export function checkMethodOptions<O extends object>(
  subject: string,
  options: O | undefined,
  types: Readonly<Record<keyof O & string, "boolean" | "function" | "string" | "string or null">>,
): Partial<O> {
  if (options === undefined) return {};
  if (!isRecord(options)) throw new OptionError(`${subject}: the options must be an object.`);
  for (const [name, value] of Object.entries(options)) {
    const type = Object.hasOwn(types, name) ? types[name as keyof O & string] : undefined;
    if (type === undefined)
      throw new OptionError(`${subject}: there is no option "${name}". Options are ${Object.keys(types).join(", ")}.`);
    if (value !== undefined && !type.split(" or ").includes(value === null ? "null" : typeof value))
      throw new OptionError(`${subject}: the option "${name}" must be a ${type}.`);
  }
  return options;
}

function optionsOf(place: Place): string[] {
  return Object.keys(RULES).filter((name) => RULES[name]!.places.includes(place));
}

function limitRules(): Record<string, Rule> {
  return Object.fromEntries(
    Object.entries(LIMITS).map(([name, { must, read }]) => [
      name,
      {
        places: shared,
        problem: (value: unknown) => (isPositive(read(value)) ? undefined : `must be more than 0: ${must}`),
      },
    ]),
  );
}

/**
 * Limits as numbers.
 * @throws OptionError where one is unknown, or is not a positive number of its unit
 */
export function checkLimits(subject: string, limits: Limits): RetentionLimits {
  const numbers: Record<string, number> = {};
  for (const [name, value] of Object.entries(limits)) {
    const limit = Object.hasOwn(LIMITS, name) ? LIMITS[name as keyof RetentionLimits] : undefined;
    if (!limit)
      throw new OptionError(`${subject}: there is no limit "${name}". Limits are ${Object.keys(LIMITS).join(", ")}.`);
    if (value === undefined) continue;
    const number = limit.read(value);
    if (!isPositive(number))
      throw new OptionError(`${subject}: the limit "${name}" must be more than 0: ${limit.must}.`);
    numbers[name] = number;
  }
  return numbers;
}

function isPositive(value: unknown): value is number {
  return typeof value === "number" && value > 0;
}

/** Milliseconds; NaN for what is no time. @param maxWait as long as it takes, where it is not given */
export function waitOf(maxWait: unknown = Number.POSITIVE_INFINITY): number {
  const wait = milliseconds(maxWait);
  return typeof wait === "number" ? wait : Number.NaN;
}

/** Bytes, of an option that was checked; no limit where it is not given. */
export function bytesOf(size: number | string | undefined): number {
  return size === undefined ? Number.POSITIVE_INFINITY : (byteCount(size) as number);
}

/** NaN for a text that is none. */
function milliseconds(text: unknown): unknown {
  return typeof text === "string" && /[a-z]$/.test(text) && text.length < 100
    ? (ms(text as ms.StringValue) ?? Number.NaN)
    : text;
}

/** NaN for a text that is none: the package `bytes` would read "10 parsecs" as 10. */
function byteCount(text: unknown): unknown {
  if (typeof text !== "string") return text;
  return /^\d+(\.\d+)? ?[kmgtp]?b$/i.test(text) ? bytes.parse(text) : Number.NaN;
}

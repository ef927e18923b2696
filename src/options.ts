import bytes from "bytes";
import ms from "ms";
import type { Codec } from "./entry/codecs.js";
import { compressionOf } from "./entry/compression.js";
import { OptionError, type PermacacheError } from "./errors.js";
import { MODES } from "./modes.js";
import type { RetentionLimits } from "./retention.js";
import type { Limits, Mode } from "./types.js";

/** What stands at a cache and at a function. */
export interface SharedSettings {
  readonly mode?: Mode | undefined;
  readonly dir?: string | ((bound: any) => unknown) | undefined;
  readonly codec?: "auto" | "json" | Codec | undefined;
  readonly compress?: false | "gzip" | "brotli" | "zstd" | undefined;
  readonly onError?: "warn" | "throw" | ((error: PermacacheError) => void) | undefined;
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
  readonly outFile?: string | readonly string[] | undefined;
  readonly keepOutFiles?: boolean | undefined;
}

export interface CallSettings {
  readonly mode?: Mode | undefined;
  readonly dir?: string | undefined;
  readonly this?: unknown;
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
const ofFunction: readonly Place[] = ["function"];

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
  onError: {
    places: shared,
    problem: (value) =>
      typeof value === "function"
        ? undefined
        : oneOf("warn", "throw")(value) && 'must be "warn", "throw" or a function',
  },
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
  outFile: {
    places: ofFunction,
    problem: (value) => {
      const names = Array.isArray(value) ? value : [value];
      const areNames = names.length > 0 && names.every((name) => typeof name === "string" && name !== "");
      return areNames && new Set(names).size === names.length
        ? undefined
        : "must be the name of a parameter, or an array of names";
    },
  },
  keepOutFiles: { places: ofFunction, problem: ofType("boolean") },
  this: { places: ["call"], problem: () => undefined },
};

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
      `${subject}: the options must be an object, not ${options === null ? "null" : typeof options}.`,
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

function optionsOf(place: Place): string[] {
  return Object.keys(RULES).filter((name) => RULES[name]!.places.includes(place));
}

/** @throws OptionError where one is unknown, or is not a positive number of its unit */
export function checkLimits(subject: string, limits: Limits): RetentionLimits {
  const { maxAge, maxEntries, maxBytes, ...rest } = limits;
  const unknown = Object.keys(rest)[0];
  if (unknown !== undefined)
    throw new OptionError(`${subject}: there is no limit "${unknown}". Limits are maxAge, maxEntries, maxBytes.`);
  return {
    maxAge: positive(subject, "maxAge", milliseconds(maxAge), 'milliseconds, or a text such as "2d"'),
    maxEntries: positive(subject, "maxEntries", maxEntries, "a number of entries"),
    maxBytes: positive(subject, "maxBytes", byteCount(maxBytes), 'bytes, or a text such as "10GB"'),
  };
}

/** NaN for a text that is none. */
function milliseconds(text: unknown): unknown {
  return typeof text === "string" && text !== "" && text.length < 100
    ? (ms(text as ms.StringValue) ?? Number.NaN)
    : text;
}

/** NaN for a text that is none: the package `bytes` would read "10 parsecs" as 10. */
function byteCount(text: unknown): unknown {
  if (typeof text !== "string") return text;
  return /^\d+(\.\d+)? ?[kmgtp]?b$/i.test(text) ? bytes.parse(text) : Number.NaN;
}

function positive(subject: string, name: string, value: unknown, what: string): number | undefined {
  if (value === undefined) return undefined;
  if (typeof value === "number" && value > 0) return value;
  throw new OptionError(`${subject}: the limit "${name}" must be more than 0: ${what}.`);
}

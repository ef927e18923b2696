import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { isUint8Array } from "node:util/types";
import bytes from "bytes";
import ms from "ms";
import type { Codec } from "../entry/codecs.js";
import { type Compression, compressionOf } from "../entry/compression.js";
import { SHORTEST_SECRET } from "../entry/seal.js";
import type { AbortSignalLike } from "../flow.js";
import { inheritingNothing } from "../key/originals.js";
import type { Engine } from "../stores/engine.js";

/** A place where an option may stand. */
export type Place = "cache" | "function" | "call";

/** Says what is wrong with the value of an option, to follow `the option "x"`; `undefined` where nothing is. */
export type Rule = (value: unknown, place: Place) => string | undefined;

export const anything: Rule = () => undefined;

export const oneOf =
  (...values: readonly unknown[]) =>
  (value: unknown) =>
    values.includes(value) ? undefined : `must be one of ${values.map((each) => JSON.stringify(each)).join(", ")}`;

export const ofType =
  (type: "boolean" | "function" | "string"): Rule =>
  (value) =>
    typeof value === type ? undefined : `must be a ${type}`;

export const isDirectory: Rule = (value, place) => {
  if (typeof value === "string" && value !== "" && !value.includes("\0")) return undefined;
  if (place === "function" && typeof value === "function") return undefined;
  return `must be the path of a directory${place === "function" ? ", or a function of the bound arguments that gives one" : ""}`;
};

/** The place that a path means now: `process.chdir` does not move it. `~` is the home directory, as in a shell. */
export function absolute(path: string): string {
  return resolve(/^~(?=$|[\\/])/.test(path) ? join(homedir(), path.slice(1)) : path);
}

export const isCodec: Rule = (value) => {
  if (value === "auto" || value === "json") return undefined;
  const { name, encode, decode } = (value ?? {}) as Partial<Codec>;
  const isOwn = typeof name === "string" && name !== "" && typeof encode === "function" && typeof decode === "function";
  return isOwn ? undefined : 'must be "auto", "json" or { name, encode, decode }';
};

/** @throws OptionError where this Node lacks the compression */
export const isCompression: Rule = (value) => {
  const problem = oneOf(false, "gzip", "brotli", "zstd")(value);
  if (!problem && value) compressionOf(value as Compression);
  return problem;
};

export const isErrorHandling: Rule = (value) =>
  typeof value === "function" ? undefined : oneOf("warn", "throw")(value) && 'must be "warn", "throw" or a function';

// ---- times, sizes and numbers ----

/** A quantity as users write it: how to say what it must be, and how to read the number, NaN for anything else. */
interface Quantity {
  readonly must: string;
  readonly read: (value: unknown) => number;
}

export const AGE: Quantity = { must: 'milliseconds, or a text such as "2d"', read: milliseconds };
export const COUNT: Quantity = { must: "a number of entries", read: numeric };
export const SIZE: Quantity = { must: 'bytes, or a text such as "10GB"', read: byteCount };

/** A quantity of more than 0, which is read as a number. */
export function moreThanZero({ must, read }: Quantity): { rule: Rule; read: Quantity["read"] } {
  return { rule: (value) => (read(value) > 0 ? undefined : `must be more than 0: ${must}`), read };
}

/** A time to wait, which may be 0, and is read as a number. */
export const waiting: { rule: Rule; read: Quantity["read"] } = {
  rule: (value) => (milliseconds(value) >= 0 ? undefined : 'must be milliseconds, at least 0, or a text such as "10s"'),
  read: milliseconds,
};

export const isWhole: Rule = (value) =>
  Number.isSafeInteger(value) && (value as number) > 0 ? undefined : "must be a whole number of at least 1";

function numeric(value: unknown): number {
  return typeof value === "number" ? value : Number.NaN;
}

function milliseconds(value: unknown): number {
  if (typeof value !== "string" || !/[a-z]$/.test(value) || value.length >= 100) return numeric(value);
  return ms(value as ms.StringValue) ?? Number.NaN;
}

/** The package `bytes` alone would read "10 parsecs" as 10. */
function byteCount(value: unknown): number {
  if (typeof value !== "string") return numeric(value);
  return /^\d+(\.\d+)? ?[kmgtp]?b$/i.test(value) ? (bytes.parse(value) ?? Number.NaN) : Number.NaN;
}

// ---- options of a cache ----

/** Never repeats a secret in the message. */
export const isSecret: Rule = (value) => {
  const secrets: unknown[] = Array.isArray(value) ? value : [value];
  const lengths = secrets.map((secret) => {
    if (typeof secret === "string") return Buffer.byteLength(secret);
    return isUint8Array(secret) ? secret.length : 0;
  });
  if (lengths.length > 0 && lengths.every((length) => length >= SHORTEST_SECRET)) return undefined;
  return `must be a text or a Uint8Array of at least ${SHORTEST_SECRET} bytes, or an array of such: the first signs, all of them are known. A new one: require("node:crypto").randomBytes(${SHORTEST_SECRET}).toString("base64")`;
};

export const isStore: Rule = (value) => {
  const engine = (value ?? {}) as Partial<Engine>;
  const members = ["read", "mark", "publish", "remove", "clear", "close"] as const;
  const hasMembers = typeof engine.sync === "boolean" && members.every((name) => typeof engine[name] === "function");
  return hasMembers ? undefined : "must be a store: lmdbStore({ path }), redisStore({ url }) or tieredStore(near, far)";
};

export const isMemory: Rule = (value) => {
  if (!isRecord(value)) return 'must be { maxBytes, trust? }, such as { maxBytes: "100MB" }';
  const unknown = Object.keys(value).find((name) => name !== "maxBytes" && name !== "trust");
  if (unknown !== undefined) return `has no "${unknown}": it is { maxBytes, trust? }`;
  if (!(byteCount(value.maxBytes) > 0)) return `needs a maxBytes of more than 0: ${SIZE.must}`;
  const { trust } = inheritingNothing(value);
  if (trust === undefined || milliseconds(trust) > 0) return undefined;
  return 'has a trust that must be more than 0: milliseconds, or a text such as "1s"';
};

// ---- options of a function, and of a call ----

export const isKeyFunction: Rule = (value) =>
  typeof value === "function" || isRecord(value)
    ? undefined
    : "must be an object of transforms by parameter name, or a function of the bound arguments";

export const isDefaults: Rule = (value) =>
  isRecord(value) && Object.values(value).every((each) => typeof each === "function")
    ? undefined
    : "must be an object of functions by parameter name: { y: () => CONFIG }";

export const isVersion: Rule = (value) =>
  typeof value === "string" && value !== "" ? undefined : "must be a string that is not empty";

export const areNames: Rule = (value) => {
  const names = Array.isArray(value) ? value : [value];
  const areTexts = names.length > 0 && names.every((name) => typeof name === "string" && name !== "");
  const areDistinct = areTexts && new Set(names).size === names.length;
  return areDistinct ? undefined : "must be the name of a parameter, or an array of names";
};

export const isSignal: Rule = (value) => {
  const { aborted, addEventListener } = (value ?? {}) as Partial<AbortSignalLike>;
  const hasMembers = typeof aborted === "boolean" && typeof addEventListener === "function";
  return hasMembers ? undefined : "must be an AbortSignal: new AbortController().signal";
};

/** Not a Map, a Date and the like, in which nothing is given by name. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const prototype = Object.getPrototypeOf(value);
  const isPlain = prototype === null || Object.getPrototypeOf(prototype) === null;
  return isPlain || Object.keys(value).length > 0;
}

export function numbersOfMemory(given: { maxBytes: unknown; trust?: unknown }) {
  const { maxBytes, trust } = inheritingNothing(given);
  return { maxBytes: byteCount(maxBytes), trust: trust === undefined ? 0 : milliseconds(trust) };
}

import { assertArguments, isInstance, OptionError, UnkeyableValueError } from "../errors.js";
import { canonicalDigest, canonicalJson } from "./canonical-json.js";
import { hasOwn, isArray, isPromise, silence, tagOf } from "./originals.js";

/** What stands in the key for an argument: a function of it, or `null` to ignore it. */
export type KeyFunction<V = any> = ((value: V) => unknown) | null;

/** SHA-256 of the canonical JSON of a value, as 64 hex digits. For arguments too large to stand in the key. */
export function stableHash(value: unknown): string {
  return canonicalDigest(value);
}

/**
 * `String(value)`, for values whose text is stable and tells them apart.
 * @throws UnkeyableValueError for arrays, and for objects whose text is the inherited `[object ...]`
 */
export function str(value: unknown): string {
  if (typeof value !== "object" || value === null) return String(value);
  let text: string;
  let inherited: string;
  try {
    if (isArray(value)) throw new UnkeyableValueError("str: the text of an array hides its structure; use stableHash.");
    text = String(value);
    inherited = tagOf(value);
  } catch (error) {
    if (isInstance(error, UnkeyableValueError)) throw error;
    throw new UnkeyableValueError("str: the object has no text; use stableHash.", { cause: error });
  }
  if (text === inherited) {
    throw new UnkeyableValueError(
      `str: the text ${text} is the same for all such objects; use stableHash, or give the class a toString().`,
    );
  }
  return text;
}

/** Stands for "nothing in the key". */
export const leftOut: unique symbol = Symbol("left out of the key");

/** How `dropIf` tells "dropped" from "mapped to undefined"; a plain call returns `undefined` for both. */
const decide: unique symbol = Symbol("dropIf");

type Dropping<V> = ((value: V) => unknown) & { [decide](value: V): unknown };

/**
 * Leaves the argument out of the key where the test holds; else it stands there as mapped (as it is, without mapper).
 * Entries made before the parameter existed are then still found. An omitted parameter without default is tested as
 * `undefined`, and is not mapped.
 */
export function dropIf<V = any>(test: (value: V) => boolean, mapper?: (value: V) => unknown): (value: V) => unknown;
export function dropIf(...args: [test: (value: any) => boolean, mapper?: (value: any) => unknown]) {
  assertArguments("dropIf()", args, 2);
  return dropping(args[0], args[1]);
}

function dropping<V>(test: (value: V) => boolean, mapper?: (value: V) => unknown): (value: V) => unknown {
  if (typeof test !== "function") throw new OptionError("dropIf: the test must be a function.");
  if (mapper !== undefined && typeof mapper !== "function")
    throw new OptionError("dropIf: the mapper must be a function.");
  const transform = ((value: V) => {
    const decided = transform[decide](value);
    return decided === leftOut ? undefined : decided;
  }) as Dropping<V>;
  transform[decide] = (value) =>
    isDropped(test, value) ? leftOut : mapper && value !== undefined ? mapper(value) : value;
  return transform;
}

/** A promise would always hold, whatever it resolves to. */
function isDropped<V>(test: (value: V) => unknown, value: V): boolean {
  const holds = test(value);
  if (!isPromise(holds)) return Boolean(holds);
  silence(holds);
  throw new OptionError("dropIf: the test gave a promise. It must decide at once: true or false.");
}

/** `dropIf` for values structurally equal to this one: `{ t: dropIfEqual(0) }` keeps the entries made before `t` was added. */
export function dropIfEqual(value: unknown, mapper?: (value: any) => unknown): (value: any) => unknown;
export function dropIfEqual(...args: [value: unknown, mapper?: (value: any) => unknown]) {
  assertArguments("dropIfEqual()", args, 2);
  const value = args[0];
  const mapper = args[1];
  const text = textOf(value);
  return dropping((other) => (text === undefined ? Object.is(other, value) : textOf(other) === text), mapper);
}

/** A value without canonical JSON (a function, say) is equal to itself only. */
function textOf(value: unknown): string | undefined {
  try {
    return canonicalJson(value);
  } catch (error) {
    if (isInstance(error, UnkeyableValueError)) return undefined;
    throw error;
  }
}

/** What stands in the key for a bound value (`undefined`: omitted, without default), or `leftOut`. */
export function applyKeyFunction(transform: KeyFunction, value: unknown): unknown {
  if (transform === null) return null;
  if (hasOwn(transform, decide)) return (transform as Dropping<unknown>)[decide](value);
  if (value === undefined) return leftOut;
  const mapped = transform(value);
  return mapped === undefined ? leftOut : mapped;
}

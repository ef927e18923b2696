import { types } from "node:util";
import { messageOf } from "./binding-error.js";
import { setOwn } from "./defaults.js";
import type { Call, PatternStep, Step } from "./steps.js";

/** Takes values apart by the patterns of parameters, as the language would: `({ a, b = 2 }, [c])`. */

/** What stands in the key for an element, and what of it the function receives (undefined: leave it out). */
interface Taken {
  readonly value: unknown;
  readonly given: unknown;
}

export function takeApart(pattern: PatternStep, source: unknown, call: Call): Taken {
  return pattern.kind === "object" ? takeObject(pattern, source, call) : takeArray(pattern, source, call);
}

function takeObject(pattern: PatternStep, source: any, call: Call): Taken {
  if (source === undefined || source === null) {
    throw call.error(`${source} cannot be destructured`, "pass an object.");
  }
  const value = {};
  const given = {};
  for (const step of pattern.steps as readonly Step[]) {
    const taken = take(step, source[step.key], call);
    if (taken.value !== undefined) setProperty(value, step.key, taken.value);
    // What is omitted must not be found on Object.prototype instead.
    if (taken.given !== undefined || step.key in given) setProperty(given, step.key, taken.given);
  }
  if (pattern.rest !== undefined) {
    const rest = restOfObject(source, pattern.keys);
    call.locals[pattern.rest.slot] = rest;
    const keys = Reflect.ownKeys(rest) as (keyof typeof rest)[];
    if (pattern.rest.index >= 0) call.values[pattern.rest.index] = keys.length > 0 ? rest : undefined;
    for (const key of keys) {
      setOwn(value, key, rest[key]);
      setOwn(given, key, rest[key]);
    }
  }
  return { value, given };
}

function takeArray(pattern: PatternStep, source: unknown, call: Call): Taken {
  const items = itemsOf(source, call);
  const value: unknown[] = [];
  const given: unknown[] = [];
  for (let i = 0; i < pattern.steps.length; i++) {
    const step = pattern.steps[i];
    if (step === undefined) continue;
    const taken = take(step, items[i], call);
    if (taken.value !== undefined) setItem(value, i, taken.value);
    if (taken.given !== undefined) setItem(given, i, taken.given);
  }
  if (pattern.rest !== undefined) {
    const start = pattern.steps.length;
    const rest = Array.from(items).slice(start);
    call.locals[pattern.rest.slot] = rest;
    if (pattern.rest.index >= 0) call.values[pattern.rest.index] = rest.length > 0 ? rest : undefined;
    for (const [i, item] of rest.entries()) {
      setItem(value, start + i, item);
      setItem(given, start + i, item);
    }
  }
  return { value, given };
}

/** Other iterables are refused: they can be read only once, or in no certain order. */
function itemsOf(source: unknown, call: Call): ArrayLike<unknown> {
  if (Array.isArray(source) || types.isTypedArray(source)) return source;
  if (typeof source === "string") return Array.from(source);
  const what = source === null || source === undefined ? String(source) : `a value of type ${typeof source}`;
  throw call.error(
    `an array pattern got ${what}`,
    "pass an array, a typed array or a string ([...iterable] makes one).",
  );
}

/** A property or element of a pattern. */
function take(step: Step, input: unknown, call: Call): Taken {
  let value = input;
  let passes = true;
  if (value === undefined && step.fallback !== undefined) {
    value = fill(step, call);
    passes = step.passesFallback;
  }
  const isWhole = step.pattern === undefined || (value === undefined && step.unreadable);
  const taken = isWhole ? { value, given: value } : takeApart(step.pattern, value, call);
  if (step.slot >= 0) call.locals[step.slot] = taken.value;
  if (step.index >= 0) call.values[step.index] = taken.value;
  return passes ? taken : { value: taken.value, given: undefined };
}

/** What the default of a place gives for this call. */
export function fill(step: Step, call: Call): unknown {
  try {
    return step.fallback!(call);
  } catch (cause) {
    const whose = step.key === "" ? "a pattern" : JSON.stringify(step.key);
    throw call.error(`the default of ${whose} failed (${messageOf(cause)})`, "pass a value for it.", cause);
  }
}

/** What the names of a keyword call make of a pattern; undefined where they give none of it. */
export function fromNames(pattern: PatternStep, named: Readonly<Record<string, unknown>>): object | undefined {
  const items: unknown[] = [];
  const object: Record<string, unknown> = Object.create(null);
  let found = false;
  for (const [i, step] of pattern.steps.entries()) {
    const value = step === undefined ? undefined : named[step.key];
    if (value === undefined) continue;
    found = true;
    items[i] = value;
    object[step!.key] = value;
  }
  if (!found) return undefined;
  return pattern.kind === "object" ? object : items;
}

/** The own enumerable properties that the pattern does not name; only these are read. */
function restOfObject(source: unknown, named: ReadonlySet<PropertyKey>): Record<PropertyKey, unknown> {
  const from = Object(source);
  const rest = {};
  for (const key of Reflect.ownKeys(from)) {
    if (named.has(key) || !Object.getOwnPropertyDescriptor(from, key)?.enumerable) continue;
    setOwn(rest, key, from[key]);
  }
  return rest;
}

function setProperty(object: Record<string, unknown>, key: string, value: unknown): void {
  if (key === "__proto__") setOwn(object, key, value);
  else object[key] = value;
}

/** Without holes: a gap is filled with undefined. */
function setItem(array: unknown[], index: number, item: unknown): void {
  while (array.length < index) array.push(undefined);
  array[index] = item;
}

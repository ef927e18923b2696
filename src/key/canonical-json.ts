import stringify from "fast-json-stable-stringify";
import { hasOwnBesidesElements } from "#own-properties";
import { sha256 } from "#sha256";
import { PermacacheError, UnkeyableValueError } from "../errors.js";
import { type Builtin, bytesOf, classNameOf, isSubclassOfBuiltin, kindOf, shapeOf, type TypedArray } from "./kinds.js";
import { taggedPrimitive } from "./primitives.js";
import { definitionOf } from "./registered-types.js";
import { placeOf, type Walk } from "./walk.js";

/**
 * Canonical JSON: two values have one text exactly if they are structurally equal, and the text is the same in every
 * process and on every machine. Two steps: what JSON lacks is replaced by tagged objects, then the tree is printed
 * with sorted keys.
 *
 *     undefined NaN Infinity -Infinity -0    {"$type":"undefined"} ...
 *     12n                                    {"$type":"bigint","value":"12"}
 *     new Date(0)                            {"$type":"Date","value":"1970-01-01T00:00:00.000Z"}; an invalid one null
 *     /a/g, lastIndex not 0                  {"$type":"RegExp","flags":"g","lastIndex":1,"source":"a"}
 *     new URL("a:b")                         {"$type":"URL","value":"a:b"}
 *     new Map([[1, 2]])                      {"$type":"Map","entries":[[1,2]]}, sorted by their texts
 *     new Set([1])                           {"$type":"Set","values":[1]}, sorted by their texts
 *     [1, , 3]                               {"$type":"Array","items":{"0":1,"2":3},"length":3}
 *     new TypeError("m")                     {"$type":"TypeError","message":"m","name":"TypeError"}, with cause, errors, properties
 *     new Number(1)                          {"$type":"Number","value":1}
 *     new Float64Array(2), Buffer ...        {"$type":"Float64Array","length":2,"sha256":"..."}
 *     { $type: 1 }                           {"$type":"object","value":{"$type":1}}: the escape
 *     a class with [keySymbol]() or toJSON() {"$type":"class Point","value":...}
 *     a class of defineType                  {"$type":"type Point","value":...}
 *
 * No name of a built-in has a space, so no class can pass for one.
 */

/** The method by which a class gives the data that stands for an instance in keys: `Symbol.for("permacache.key")`. */
export const keySymbol: unique symbol = Symbol.for("permacache.key");

/**
 * The canonical JSON text of a value.
 * @param value anything that can be keyed, to any depth that the stack holds (thousands of levels)
 * @throws UnkeyableValueError, which names the place inside the value (`data.layers[0]`) and the mends
 */
export function canonicalJson(value: unknown): string {
  return print(value, { ancestors: [], path: [] });
}

/** As `canonicalJson`, for the argument of this name, or its element `at`: errors name the place from there. */
export function canonicalArgument(name: string, value: unknown, at?: number): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "boolean" || (Number.isSafeInteger(value) && !Object.is(value, -0))) return String(value);
  return print(
    value,
    at === undefined ? { ancestors: [CALL], path: [name] } : { ancestors: [CALL, ARGUMENT], path: [name, at] },
  );
}

/** Stand for the call, around its arguments, and for an argument, around its elements. */
const CALL = {};
const ARGUMENT = {};

interface KeyWalk extends Walk {
  /** Those of the ancestors that are deep down. */
  deep?: Set<object>;
}

function print(value: unknown, walk: KeyWalk): string {
  try {
    return stringify(tag(value, walk));
  } catch (error) {
    if (error instanceof PermacacheError) throw error;
    throw unkeyable(walk, reasonOf(error), { cause: error });
  }
}

function reasonOf(error: unknown): string {
  const message = (error as { message?: unknown } | null | undefined)?.message;
  if (typeof message !== "string") return "cannot be read: what was thrown is no error";
  // The words of V8, SpiderMonkey and JavaScriptCore for a full stack, and for a text beyond the longest string.
  if (/^(Maximum call stack|too much recursion|Invalid string length|allocation size|Out of memory)/.test(message))
    return "is nested too deeply or is too large to be written as JSON; key it by a part of it";
  return `cannot be read: ${message.replace(/\.$/, "")}`;
}

function unkeyable(walk: Walk, problem: string, options?: { cause: unknown }): UnkeyableValueError {
  return new UnkeyableValueError(`${placeOf(walk)} ${problem}.`, options);
}

/** Two stack frames a level, this and that of the container: the depth that can be keyed hangs on it. */
function tag(value: unknown, walk: KeyWalk): unknown {
  if (typeof value !== "object" || value === null) return tagPrimitive(value, walk);
  const isDeep = walk.ancestors.length >= SHALLOW;
  if (isDeep) assertNew(value, walk);
  const builtin = kindOf(value);
  const depth = walk.ancestors.push(value) - 1;
  walk.path[depth] = undefined; // what a sibling left behind; to set the length is a quarter of a walk over small objects
  const tagged =
    builtin?.kind === "plain"
      ? tagPlain(value as Record<string, unknown>, walk)
      : builtin?.kind === "array"
        ? tagArray(value as unknown[], walk)
        : builtin
          ? tagBuiltin(value, builtin, walk)
          : tagInstance(value, walk);
  walk.ancestors.pop();
  if (isDeep) walk.deep?.delete(value);
  return tagged;
}

/**
 * Cycles are looked for below so many levels only, where whoever runs in one arrives: a third less for the walk over a
 * tree of 10,000 nodes in 26 levels.
 */
const SHALLOW = 32;

/** By a set: the walk over 1,000 levels takes 1.4 ms, and 2.4 ms where the ancestors are searched as a list. */
function assertNew(value: object, walk: KeyWalk): void {
  const { ancestors } = walk;
  walk.deep ??= new Set();
  const { deep } = walk;
  let isInside = deep.has(value);
  for (let i = 0; i < SHALLOW && !isInside; i++) isInside = ancestors[i] === value;
  deep.add(value);
  if (!isInside) return;
  ancestors.push(value);
  ancestors.length = ancestors.findIndex((each, i) => ancestors.indexOf(each) < i); // where it came round first
  throw unkeyable(
    walk,
    "refers back to an object that contains it (a cycle); map it to data without cycles with a key function",
  );
}

/** Tags what stands at `step` inside the innermost ancestor. */
function child(step: string | number, value: unknown, walk: KeyWalk): unknown {
  walk.path[walk.ancestors.length - 1] = step;
  return tag(value, walk);
}

/** As `child`, for a property that is still to be read: a getter may throw. */
function property(of: object, key: string | number, walk: KeyWalk): unknown {
  walk.path[walk.ancestors.length - 1] = key;
  return tag((of as Record<string | number, unknown>)[key], walk);
}

/** Whether a value is a primitive that JSON has: nearly all are, and need no call of `tag`. */
function isJson(value: unknown): boolean {
  if (typeof value === "number") return Number.isFinite(value) && !Object.is(value, -0);
  return typeof value === "string" || typeof value === "boolean" || value === null;
}

function tagPrimitive(value: unknown, walk: KeyWalk): unknown {
  if (typeof value !== "function" && typeof value !== "symbol") return taggedPrimitive(value);
  throw unkeyable(
    walk,
    `is a ${typeof value}, which has no text of its own; leave it out of the key with a key function (null), or map it to data`,
  );
}

function tagBuiltin(value: object, { kind, name }: Builtin, walk: KeyWalk): unknown {
  if (kind === "typed array" || kind === "Buffer") {
    if (hasOwnBesidesElements(value as TypedArray))
      throw unkeyable(walk, `is a ${name} with a property of its own; pass the two as plain data`);
  } else if (kind !== "Error") {
    refuseProperties(value, name, walk);
  }
  switch (kind) {
    case "typed array":
    case "Buffer":
    case "DataView": {
      const bytes = bytesOf(value as ArrayBufferView);
      const length = (value as Uint8Array).length ?? bytes.length;
      return { $type: name, length, sha256: sha256(bytes) };
    }
    case "Error":
      return tagError(value, name, walk);
    case "Map":
      return { $type: name, entries: sorted(tagArray([...(value as Map<unknown, unknown>)], walk)) };
    case "Set":
      return { $type: name, values: sorted(tagArray([...(value as Set<unknown>)], walk)) };
    case "Date": {
      const time = (value as Date).getTime();
      return { $type: name, value: Number.isNaN(time) ? null : new Date(time).toISOString() };
    }
    case "RegExp": {
      const { source, flags, lastIndex } = value as RegExp;
      return { $type: name, source, flags, ...(lastIndex !== 0 && { lastIndex: child("lastIndex", lastIndex, walk) }) };
    }
    case "URL":
      return { $type: name, value: (value as URL).href };
    case "boxed":
      return { $type: name, value: child("valueOf()", value.valueOf(), walk) };
    case "ArrayBuffer": {
      const bytes = new Uint8Array(value as ArrayBuffer);
      return { $type: name, length: bytes.length, sha256: sha256(bytes) };
    }
  }
}

/** The object itself where it is JSON already; a copy with tags where it is not. */
function tagPlain(value: Record<string, unknown>, walk: KeyWalk): unknown {
  // Half of what a small object costs here, and nothing cheaper tells of symbols that are not enumerable.
  if (Object.getOwnPropertySymbols(value).length > 0) throw symbolKey(walk);
  const depth = walk.ancestors.length - 1;
  const keys = Object.keys(value);
  // Without a prototype `__proto__` is a key like any other, and no hidden or inherited toJSON speaks for the object.
  const bare = (): Record<string, unknown> => Object.create(null);
  let copy = typeof value.toJSON === "function" ? bare() : undefined;
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i]!;
    walk.path[depth] = key; // before the read: a getter may throw
    const before = value[key];
    const after = isJson(before) ? before : tag(before, walk);
    if (after !== before && !copy) {
      copy = bare();
      for (let j = 0; j < i; j++) copy[keys[j]!] = value[keys[j]!];
    }
    if (copy) copy[key] = after;
  }
  return Object.hasOwn(value, "$type") ? { $type: "object", value: copy ?? value } : (copy ?? value);
}

function tagArray(array: readonly unknown[], walk: KeyWalk): unknown {
  const { holes, extra, keys } = shapeOf(array);
  if (extra !== undefined || Object.getOwnPropertySymbols(array).length > 0) {
    throw unkeyable(
      walk,
      `is an array with a further property ("${extra ?? "a symbol"}"); pass a plain array or an object`,
    );
  }
  if (holes) {
    const items: Record<string, unknown> = {};
    for (const key of keys) items[key] = property(array, Number(key), walk);
    return { $type: "Array", length: array.length, items };
  }
  const depth = walk.ancestors.length - 1;
  let copy: unknown[] | undefined;
  for (let i = 0; i < array.length; i++) {
    walk.path[depth] = i;
    const before = array[i];
    const after = isJson(before) ? before : tag(before, walk);
    if (after !== before) copy ??= array.slice(0, i);
    copy?.push(after);
  }
  return copy ?? array;
}

/** Stand apart, or (`stack`) not at all, whether they are enumerable or not. */
const OF_EVERY_ERROR = ["name", "message", "cause", "errors", "stack"];

function tagError(error: object, name: string, walk: KeyWalk): unknown {
  // Node gives its own errors hidden symbols; an enumerable one was put there by the program.
  if (Object.getOwnPropertySymbols(error).some((symbol) => Object.prototype.propertyIsEnumerable.call(error, symbol))) {
    throw symbolKey(walk);
  }
  const tagged: Record<string, unknown> = { $type: name };
  for (const key of ["name", "message"]) tagged[key] = property(error, key, walk);
  for (const key of ["cause", "errors"]) if (Object.hasOwn(error, key)) tagged[key] = property(error, key, walk);
  const keys = Object.keys(error).filter((key) => !OF_EVERY_ERROR.includes(key));
  if (keys.length > 0) {
    const properties = Object.create(null) as Record<string, unknown>;
    for (const key of keys) properties[key] = property(error, key, walk);
    tagged.properties = properties;
  }
  return tagged;
}

function refuseProperties(value: object, name: string, walk: KeyWalk): void {
  // The keys of a boxed string begin with its characters.
  const [own] = Object.keys(value).slice(name === "String" ? (value as String).length : 0);
  if (own !== undefined)
    throw unkeyable(walk, `is a ${name} with a property of its own ("${own}"); pass the two as plain data`);
  if (Object.getOwnPropertySymbols(value).length > 0) throw symbolKey(walk);
}

function symbolKey(walk: KeyWalk): UnkeyableValueError {
  return unkeyable(walk, "has a symbol as property key, which has no text; map it to data with a key function");
}

/** Spread, a Map or Set is an array without holes, and stays one when tagged. */
function sorted(tagged: unknown): unknown[] {
  return (tagged as unknown[])
    .map((each) => ({ each, text: stringify(each) }))
    .sort((a, b) => (a.text < b.text ? -1 : a.text > b.text ? 1 : 0))
    .map(({ each }) => each);
}

/** By the first of: its `[keySymbol]()`, its registration, its `toJSON()`. */
function tagInstance(value: object, walk: KeyWalk): unknown {
  const name = classNameOf(value);
  const { [keySymbol]: toKey, toJSON } = value as { [keySymbol]?: unknown; toJSON?: unknown };
  if (typeof toKey === "function") {
    return { $type: `class ${name}`, value: child("keySymbol()", toKey.call(value), walk) };
  }
  const definition = definitionOf(value);
  if (definition) return { $type: `type ${definition.name}`, value: child("encode()", definition.encode(value), walk) };
  // Names of one or two letters come from minifiers: they change from build to build, and are given twice.
  if (typeof toJSON === "function" && name.length > 2 && !isSubclassOfBuiltin(value)) {
    return { $type: `class ${name}`, value: child("toJSON()", toJSON.call(value), walk) };
  }
  if (Object.hasOwn(value, Symbol.for("permacache.kw"))) {
    throw unkeyable(walk, "is kw(...), which names arguments and stands only as the last argument of a call");
  }
  if (name === "Promise") throw unkeyable(walk, "is a promise, which has no canonical JSON; await it first");
  throw unkeyable(
    walk,
    `is an instance of ${name === "" ? "a class without a name" : `class ${name}`}, which has no canonical JSON` +
      `${typeof toJSON === "function" ? " (its toJSON is not used: the name looks minified, or the class extends a built-in)" : ""}; ` +
      'give the class a method [Symbol.for("permacache.key")]() that returns data, register it with defineType, or map the argument with a key function',
  );
}

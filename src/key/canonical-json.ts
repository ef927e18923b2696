import { hasOwnBesidesElements } from "#own-properties";
import { sha256, sha256OfParts } from "#sha256";
import {
  assertNew,
  type KeyWalk,
  keyError,
  LONGEST_TEXT,
  SHALLOW,
  startWalk,
  symbolKey,
  TOO_LARGE,
  unkeyable,
} from "./key-walk.js";
import { type Builtin, bytesOf, classNameOf, isSubclassOfBuiltin, kindOf, methodOf, shapeOf } from "./kinds.js";
import {
  apply,
  create,
  getOwnPropertySymbols,
  hasOwn,
  hrefOf,
  isEnumerable,
  isoOf,
  keys as keysOf,
  lengthOf,
  mapEach,
  regExpFlags,
  regExpSource,
  setDelete,
  setEach,
  silence,
  sort,
  stringify,
  timeOf,
  typedArrayName,
  unboxed,
} from "./originals.js";
import { taggedPrimitive } from "./primitives.js";
import { LARGE, printParts, printSorted } from "./print.js";
import { definitionOf } from "./registered-types.js";
import { copyOf } from "./walk.js";

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
  return print(value, startWalk(LONGEST_TEXT));
}

/** SHA-256 of the canonical JSON, of whatever length: a large text never stands in memory as a whole. */
export function canonicalDigest(value: unknown): string {
  const walk = startWalk(Number.POSITIVE_INFINITY);
  try {
    const tree = tag(value, walk);
    return walk.size > LARGE ? sha256OfParts(printParts(tree, true)) : sha256(printSorted(tree, walk.size));
  } catch (error) {
    throw keyError(error, walk);
  }
}

/** As `canonicalJson`, for the argument of this name, or its element `at`: errors name the place from there. */
export function canonicalArgument(name: string, value: unknown, at?: number): string {
  if (typeof value === "string" && value.length <= LARGE) return stringify(value);
  if (typeof value === "boolean" || (Number.isSafeInteger(value) && !Object.is(value, -0))) return String(value);
  const walk = startWalk(LONGEST_TEXT);
  walk.ancestors[walk.depth] = CALL;
  walk.path[walk.depth++] = name;
  if (at !== undefined) {
    walk.ancestors[walk.depth] = ARGUMENT;
    walk.path[walk.depth++] = at;
  }
  return print(value, walk);
}

/** Stand for the call, around its arguments, and for an argument, around its elements. */
const CALL = {};
const ARGUMENT = {};

function print(value: unknown, walk: KeyWalk): string {
  try {
    const tree = tag(value, walk);
    return printSorted(tree, walk.size);
  } catch (error) {
    throw keyError(error, walk);
  }
}

/**
 * A tree of our own that says what the value is: each property of the value is read once, so no getter and no proxy
 * can give the printer something else. Two stack frames a level, this and that of the container: the depth that can be
 * keyed hangs on it.
 */
function tag(value: unknown, walk: KeyWalk): unknown {
  if (typeof value !== "object" || value === null) return tagPrimitive(value, walk);
  const { depth } = walk;
  const isDeep = depth >= SHALLOW;
  if (isDeep) assertNew(value, walk);
  const builtin = kindOf(value);
  walk.ancestors[depth] = value;
  walk.path[depth] = undefined; // what a sibling left behind
  walk.depth = depth + 1;
  const tagged =
    builtin?.kind === "plain"
      ? tagPlain(value as Record<string, unknown>, walk)
      : builtin?.kind === "array"
        ? tagArray(value as unknown[], walk)
        : builtin
          ? tagBuiltin(value, builtin, walk)
          : tagInstance(value, walk);
  walk.depth = depth;
  if (isDeep && walk.deep) setDelete(walk.deep, value);
  return tagged;
}

/** Tags what stands at `step` inside the innermost ancestor. */
function child(step: string | number, value: unknown, walk: KeyWalk): unknown {
  walk.path[walk.depth - 1] = step;
  return tag(value, walk);
}

/** As `child`, for a property that is still to be read: a getter may throw. */
function property(of: object, key: string | number, walk: KeyWalk): unknown {
  walk.path[walk.depth - 1] = key;
  return tag((of as Record<string | number, unknown>)[key], walk);
}

/** Whether a value is a primitive that JSON has: nearly all are, and need no call of `tag`. */
function isJson(value: unknown): boolean {
  if (typeof value === "string") return value.length <= LARGE;
  if (typeof value === "number") return Number.isFinite(value) && !Object.is(value, -0);
  return typeof value === "boolean" || value === null;
}

function tagPrimitive(value: unknown, walk: KeyWalk): unknown {
  if (typeof value === "string") {
    if (value.length > LARGE) walk.size += value.length;
    if (walk.size > walk.longest) throw unkeyable(walk, TOO_LARGE);
    return value;
  }
  if (typeof value !== "function" && typeof value !== "symbol") return taggedPrimitive(value);
  throw unkeyable(
    walk,
    `is a ${typeof value}, which has no text of its own; leave it out of the key with a key function (null), or map it to data`,
  );
}

function tagBuiltin(value: object, { kind, name }: Builtin, walk: KeyWalk): unknown {
  if (kind === "typed array" || kind === "Buffer") {
    if (hasOwnBesidesElements(value))
      throw unkeyable(walk, `is a ${name} with a property of its own; pass the two as plain data`);
  } else if (kind !== "Error") {
    refuseProperties(value, name, walk);
  }
  switch (kind) {
    case "typed array":
    case "Buffer":
    case "DataView": {
      const bytes = bytesOf(value as ArrayBufferView);
      const length = typedArrayName(value) === undefined ? bytes.byteLength : lengthOf(value);
      return { $type: name, length, sha256: sha256(bytes) };
    }
    case "Error":
      return tagError(value, name, walk);
    case "Map": {
      const entries: unknown[] = [];
      mapEach(value as Map<unknown, unknown>, (each, key) => {
        entries[entries.length] = [key, each];
      });
      return { $type: name, entries: sorted(tagArray(entries, walk), walk) };
    }
    case "Set": {
      const values: unknown[] = [];
      setEach(value as Set<unknown>, (each) => {
        values[values.length] = each;
      });
      return { $type: name, values: sorted(tagArray(values, walk), walk) };
    }
    case "Date":
      return { $type: name, value: Number.isNaN(timeOf(value)) ? null : isoOf(value) };
    case "RegExp": {
      const tagged = { $type: name, source: regExpSource(value), flags: regExpFlags(value) };
      const { lastIndex } = value as RegExp;
      return Object.is(lastIndex, 0) ? tagged : { ...tagged, lastIndex: child("lastIndex", lastIndex, walk) };
    }
    case "URL":
      return { $type: name, value: hrefOf(value) };
    case "boxed":
      return { $type: name, value: child("valueOf()", unboxed(value, name), walk) };
    case "ArrayBuffer": {
      const bytes = new Uint8Array(value as ArrayBuffer);
      return { $type: name, length: bytes.byteLength, sha256: sha256(bytes) };
    }
  }
}

function tagPlain(value: Record<string, unknown>, walk: KeyWalk): unknown {
  // A quarter of what a small object costs here, and nothing cheaper tells of symbols that are not enumerable.
  if (getOwnPropertySymbols(value).length > 0) throw symbolKey(walk);
  const copy = copyOf(value, walk);
  const depth = walk.depth - 1;
  const names = keysOf(copy);
  walk.size += names.length;
  for (let i = 0; i < names.length; i++) {
    const name = names[i]!;
    const each = copy[name];
    if (isJson(each)) continue;
    walk.path[depth] = name;
    copy[name] = tag(each, walk); // its own property: no setter is called, and `__proto__` is a key like any other
  }
  return hasOwn(copy, "$type") ? { $type: "object", value: copy } : copy;
}

function tagArray(array: readonly unknown[], walk: KeyWalk): unknown {
  const shape = shapeOf(array);
  const { length, holes, extra, keys } = shape;
  if (extra !== undefined || getOwnPropertySymbols(array).length > 0) {
    throw unkeyable(
      walk,
      `is an array with a further property ("${extra ?? "a symbol"}"); pass a plain array or an object`,
    );
  }
  if (holes) {
    walk.size += keys!.length;
    const items: Record<string, unknown> = create(null);
    for (let i = 0; i < keys!.length; i++) items[keys![i]!] = property(array, Number(keys![i]), walk);
    return { $type: "Array", length, items };
  }
  walk.size += length;
  const depth = walk.depth - 1;
  // In the place of the keys, one after the other: the list has elements of its own already.
  const copy: unknown[] = keys ?? [];
  for (let i = 0; i < length; i++) {
    walk.path[depth] = i; // before the read: a getter may throw
    const each = array[i];
    copy[i] = isJson(each) ? each : tag(each, walk);
  }
  return copy;
}

/** Stand apart, or (`stack`) not at all, whether they are enumerable or not. */
const OF_EVERY_ERROR: Readonly<Record<string, boolean>> = {
  __proto__: null as never,
  name: true,
  message: true,
  cause: true,
  errors: true,
  stack: true,
};

function tagError(error: object, name: string, walk: KeyWalk): unknown {
  // Node gives its own errors hidden symbols; an enumerable one was put there by the program.
  const symbols = getOwnPropertySymbols(error);
  for (let i = 0; i < symbols.length; i++) if (isEnumerable(error, symbols[i]!)) throw symbolKey(walk);
  const tagged: Record<string, unknown> = create(null);
  tagged.$type = name;
  // What the prototype says of them may have been changed.
  tagged.name = hasOwn(error, "name") ? property(error, "name", walk) : name;
  tagged.message = hasOwn(error, "message") ? property(error, "message", walk) : "";
  if (hasOwn(error, "cause")) tagged.cause = property(error, "cause", walk);
  if (hasOwn(error, "errors")) tagged.errors = property(error, "errors", walk);
  const properties: Record<string, unknown> = create(null);
  const keys = keysOf(error);
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i]!;
    if (OF_EVERY_ERROR[key] !== true) properties[key] = property(error, key, walk);
  }
  if (keysOf(properties).length > 0) tagged.properties = properties;
  return tagged;
}

function refuseProperties(value: object, name: string, walk: KeyWalk): void {
  // The keys of a boxed string begin with its characters.
  const own = keysOf(value)[name === "String" ? (value as String).length : 0];
  if (own !== undefined)
    throw unkeyable(walk, `is a ${name} with a property of its own ("${own}"); pass the two as plain data`);
  if (getOwnPropertySymbols(value).length > 0) throw symbolKey(walk);
}

/** The entries of a Map or the values of a Set, tagged, in the order of their texts. */
function sorted(tagged: unknown, { size }: KeyWalk): unknown[] {
  const list = tagged as unknown[];
  const texts: { each: unknown; text: string }[] = [];
  for (let i = 0; i < list.length; i++) texts[i] = { each: list[i], text: printSorted(list[i], size) };
  sort(texts, (a, b) => (a.text < b.text ? -1 : a.text > b.text ? 1 : 0));
  for (let i = 0; i < list.length; i++) list[i] = texts[i]!.each;
  return list;
}

/** By the first of: its `[keySymbol]()`, its registration, its `toJSON()`. */
function tagInstance(value: object, walk: KeyWalk): unknown {
  const name = classNameOf(value);
  const toKey = methodOf(value, keySymbol);
  if (toKey) return { $type: `class ${name}`, value: child("keySymbol()", apply(toKey, value, []), walk) };
  const definition = definitionOf(value);
  if (definition) return { $type: `type ${definition.name}`, value: child("encode()", definition.encode(value), walk) };
  const toJSON = methodOf(value, "toJSON");
  // Names of one or two letters come from minifiers: they change from build to build, and are given twice.
  if (toJSON && name.length > 2 && !isSubclassOfBuiltin(value)) {
    return { $type: `class ${name}`, value: child("toJSON()", apply(toJSON, value, []), walk) };
  }
  if (hasOwn(value, Symbol.for("permacache.kw"))) {
    throw unkeyable(walk, "is kw(...), which names arguments and stands only as the last argument of a call");
  }
  silence(value); // the caller gets an error instead of what is awaited
  if (name === "Promise") throw unkeyable(walk, "is a promise, which has no canonical JSON; await it first");
  throw unkeyable(
    walk,
    `is an instance of ${name === "" ? "a class without a name" : `class ${name}`}, which has no canonical JSON` +
      `${toJSON ? " (its toJSON is not used: the name looks minified, or the class extends a built-in)" : ""}; ` +
      'give the class a method [Symbol.for("permacache.key")]() that returns data, register it with defineType, or map the argument with a key function',
  );
}

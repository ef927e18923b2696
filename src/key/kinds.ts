/**
 * What a value is: told by its exact prototype and its internal slots, across realms, never by `instanceof`.
 * Keys and stored values share this one opinion.
 */

import { hasOwnBesidesElements, isCollection, isExotic, isNativeError } from "#own-properties";
import {
  bufferLength,
  bufferPrototype,
  execute,
  getOwnPropertyDescriptor,
  getPrototypeOf,
  hasOwn,
  hrefOf,
  isArray,
  isView,
  keys as keysOf,
  mapSize,
  ownKeys,
  placeOfBytes,
  regExpSource,
  setSize,
  sourceOf,
  tagOf,
  timeOf,
  typedArrayName,
  URL,
  unboxed,
  weakGet,
  weakSet,
} from "./originals.js";

export type Kind =
  | "plain"
  | "array"
  | "Map"
  | "Set"
  | "Date"
  | "RegExp"
  | "URL"
  | "Error"
  | "boxed"
  | "ArrayBuffer"
  | "DataView"
  | "Buffer"
  | "typed array";

export interface Builtin {
  readonly kind: Kind;
  /** The name of the constructor: `"TypeError"` for kind `"Error"`. */
  readonly name: string;
}

const KINDS: Readonly<Record<string, Kind>> = {
  __proto__: null as never,
  Object: "plain",
  Array: "array",
  Map: "Map",
  Set: "Set",
  Date: "Date",
  RegExp: "RegExp",
  Error: "Error",
  EvalError: "Error",
  RangeError: "Error",
  ReferenceError: "Error",
  SyntaxError: "Error",
  TypeError: "Error",
  URIError: "Error",
  AggregateError: "Error",
  Number: "boxed",
  String: "boxed",
  Boolean: "boxed",
  BigInt: "boxed",
  ArrayBuffer: "ArrayBuffer",
  DataView: "DataView",
  Int8Array: "typed array",
  Uint8Array: "typed array",
  Uint8ClampedArray: "typed array",
  Int16Array: "typed array",
  Uint16Array: "typed array",
  Int32Array: "typed array",
  Uint32Array: "typed array",
  Float16Array: "typed array",
  Float32Array: "typed array",
  Float64Array: "typed array",
  BigInt64Array: "typed array",
  BigUint64Array: "typed array",
};

const PLAIN: Builtin = { kind: "plain", name: "Object" };
const ARRAY: Builtin = { kind: "array", name: "Array" };

const NATIVE = /^function (\w+)\(\)\s*\{\s*\[native code\]\s*\}$/;

/** The name of a function of the language or its host. */
function nativeName(type: Function): string | undefined {
  return execute(NATIVE, sourceOf(type))?.[1];
}

/** Throws a TypeError where the value lacks the internal slot that its prototype promises. */
function assertSlot(value: object, { kind, name }: Builtin): void {
  if (kind === "plain") assertPlain(value);
  else if (kind === "Map") mapSize(value);
  else if (kind === "Set") setSize(value);
  else if (kind === "Date") timeOf(value);
  else if (kind === "RegExp") regExpSource(value);
  else if (kind === "URL") hrefOf(value);
  else if (kind === "ArrayBuffer") bufferLength(value);
  else assertType(value, hasSlot(value, kind, name));
}

function hasSlot(value: object, kind: Kind, name: string): boolean {
  if (kind === "Error") return isNativeError(value);
  if (kind === "boxed") return isBoxed(value, name);
  if (kind === "array") return isArray(value);
  if (kind === "DataView") return isView(value) && typedArrayName(value) === undefined;
  return typedArrayName(value) === (kind === "Buffer" ? "Uint8Array" : name);
}

function isBoxed(value: object, name: string): boolean {
  try {
    unboxed(value, name);
    return true;
  } catch {
    return false;
  }
}

/**
 * Throws a TypeError for what has the prototype of a plain object and is none: a Map, say, whose prototype was set to
 * null. To ask for every type would take half as long as the key of a small object does: what has properties of its
 * own as well is asked only whether it is a collection.
 */
function assertPlain(value: object): void {
  const mayBeAny = tagOf(value) !== "[object Object]" || keysOf(value).length === 0;
  if (mayBeAny ? isExotic(value) : isCollection(value)) assertType(value, false);
}

function assertType(value: object, isRight: boolean): void {
  if (!isRight) throw new TypeError(`it has the prototype of another type (${tagOf(value)})`);
}

/** What each prototype met so far belongs to; `null`: a class, not a built-in. */
const prototypes = new WeakMap<object, Builtin | null>();

function classify(prototype: object): Builtin | null {
  if (prototype === URL?.prototype) return { kind: "URL", name: "URL" };
  if (prototype === bufferPrototype) return { kind: "Buffer", name: "Buffer" };
  const type = ownValue(prototype, "constructor");
  if (typeof type !== "function" || type.prototype !== prototype) return null;
  const name = nativeName(type);
  const kind = name === undefined ? undefined : KINDS[name];
  return kind ? { kind, name: name! } : null;
}

/** The value of an own property, unless a getter gives it. */
function ownValue(of: object, key: PropertyKey): unknown {
  const descriptor = getOwnPropertyDescriptor(of, key);
  return descriptor && hasOwn(descriptor, "value") ? descriptor.value : undefined;
}

/** Those of this realm, before somebody gives one another constructor. */
const NAMES = keysOf(KINDS);
for (let i = 0; i < NAMES.length; i++) {
  const type = (globalThis as Record<string, unknown>)[NAMES[i]!];
  if (typeof type === "function" && nativeName(type) === NAMES[i]) builtinOf(type.prototype);
}

/** The built-in type that has this prototype. */
export function builtinOf(prototype: object): Builtin | null {
  let found = weakGet(prototypes, prototype);
  if (found === undefined) {
    found = classify(prototype);
    weakSet(prototypes, prototype, found);
  }
  return found;
}

const objectPrototype = Object.prototype;
const arrayPrototype = Array.prototype;

/**
 * The exact built-in type of an object; `null` for an instance of a class, of a subclass of a built-in, or of a
 * built-in that is not data (Promise, WeakMap ...). An object without prototype is plain.
 * @throws TypeError where it pretends to be a built-in.
 */
export function kindOf(value: object): Builtin | null {
  const prototype = getPrototypeOf(value);
  if (prototype === objectPrototype || prototype === null) {
    assertPlain(value);
    return PLAIN;
  }
  if (prototype === arrayPrototype && isArray(value)) return ARRAY;
  const found = builtinOf(prototype);
  if (found) assertSlot(value, found);
  return found;
}

/** Whether an instance of a class inherits from a built-in data type: `class Grid extends Float64Array`. */
export function isSubclassOfBuiltin(value: object): boolean {
  for (let p = getPrototypeOf(value); p !== null; p = getPrototypeOf(p)) {
    const found = builtinOf(p);
    if (found && found.kind !== "plain") return true;
  }
  return false;
}

/** The name of the class of an instance, `""` where it has none. */
export function classNameOf(value: object): string {
  const type: unknown = getPrototypeOf(value)?.constructor;
  return typeof type === "function" && typeof type.name === "string" ? type.name : "";
}

/**
 * A method that an instance of a class has, from itself or its class. What somebody has added to a prototype of the
 * language (`Object.prototype.toJSON`) says nothing of a class.
 */
export function methodOf(value: object, key: PropertyKey): Function | undefined {
  for (let p = value; p !== null; p = getPrototypeOf(p)) {
    if (p !== value && builtinOf(p)?.kind === "plain") return undefined;
    if (!hasOwn(p, key)) continue;
    const method: unknown = (value as Record<PropertyKey, unknown>)[key];
    if (typeof method !== "function") return undefined;
    const type = ownValue(p, "constructor");
    const isAdded = typeof type === "function" && nativeName(type) !== undefined && nativeName(method) === undefined;
    return isAdded ? undefined : method;
  }
  return undefined;
}

/** The bytes of a typed array, Buffer or DataView, without a copy. */
export function bytesOf(view: ArrayBufferView): Uint8Array {
  const { buffer, byteOffset, byteLength } = placeOfBytes(view);
  return new Uint8Array(buffer, byteOffset, byteLength);
}

export interface Shape {
  readonly length: number;
  readonly holes: boolean;
  /** The name of a property that is no index. */
  readonly extra: string | undefined;
  /** A list of one's own, unless the array is large and dense. */
  readonly keys: string[] | undefined;
}

/** The elements from which on the keys of an array would take several times the memory of the array. */
const MANY = 10_000;

/** Own keys come with the indices first, so the count and the last one tell. */
export function shapeOf(array: readonly unknown[]): Shape {
  const { length } = array;
  if (length >= MANY && isDense(array, length)) return { length, holes: false, extra: undefined, keys: undefined };
  const keys = keysOf(array);
  const count = keys.length;
  if (count === length && (count === 0 || keys[count - 1] === `${count - 1}`)) {
    return { length, holes: false, extra: undefined, keys };
  }
  let extra: string | undefined;
  for (let i = 0; i < count && extra === undefined; i++) if (!isIndex(keys[i]!)) extra = keys[i];
  return { length, holes: true, extra, keys };
}

function isDense(array: readonly unknown[], length: number): boolean {
  if (hasOwnBesidesElements(array)) return false;
  for (let i = 0; i < length; i++) if (!hasOwn(array, i)) return false;
  return true;
}

function isIndex(key: string): boolean {
  return `${Number(key) >>> 0}` === key && key !== "4294967295";
}

/** Whether an array has properties that are not enumerable, or symbols, besides its length. */
export function hasHidden(array: readonly unknown[], { keys }: Shape): boolean {
  return keys !== undefined && ownKeys(array).length !== keys.length + 1;
}

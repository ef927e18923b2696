/**
 * What a value is: told by its exact prototype and its internal slots, across realms, never by `instanceof`.
 * Keys and stored values share this one opinion.
 */

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

export type TypedArray = Uint8Array | Float64Array | BigInt64Array;

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

function getter(prototype: object, name: PropertyKey): (this: unknown) => unknown {
  return Object.getOwnPropertyDescriptor(prototype, name)!.get!;
}
const mapSize = getter(Map.prototype, "size");
const setSize = getter(Set.prototype, "size");
const regExpSource = getter(RegExp.prototype, "source");
const bufferLength = getter(ArrayBuffer.prototype, "byteLength");
const viewLength = getter(DataView.prototype, "byteLength");
const typedArrayName = getter(Object.getPrototypeOf(Uint8Array.prototype), Symbol.toStringTag);

/** `URL` and `Buffer` belong to the host, not to the language: one of each, where there is one. */
declare const globalThis: { URL?: typeof URL; Buffer?: { prototype: object } };

const { toString } = Object.prototype;

/** Throws a TypeError where the value lacks the internal slot that its prototype promises. */
function assertSlot(value: object, { kind, name }: Builtin): void {
  if (kind === "plain") assertTag(value, "Object");
  else if (kind === "Map") mapSize.call(value);
  else if (kind === "Set") setSize.call(value);
  else if (kind === "Date") Date.prototype.getTime.call(value);
  else if (kind === "RegExp") regExpSource.call(value);
  else if (kind === "URL") getter(globalThis.URL!.prototype, "href").call(value);
  else if (kind === "Error") assertTag(value, "Error");
  else if (kind === "boxed") assertTag(value, name);
  else if (kind === "ArrayBuffer") bufferLength.call(value);
  else if (kind === "DataView") viewLength.call(value);
  else if (kind === "array") assertEqual(Array.isArray(value), true);
  else if (kind === "typed array") assertEqual(typedArrayName.call(value), name);
  else if (kind === "Buffer") assertEqual(typedArrayName.call(value), "Uint8Array");
}

/** The class tag of `Object.prototype.toString` shows the slot, unless `Symbol.toStringTag` hides it (BigInt has one of its own). */
function assertTag(value: object, name: string): void {
  assertEqual(Object.prototype.toString.call(value), `[object ${name}]`);
}

function assertEqual(actual: unknown, expected: unknown): void {
  if (actual !== expected) throw new TypeError(`it has the prototype of another type (${String(actual)})`);
}

/** What each prototype met so far belongs to; `null`: a class, not a built-in. */
const prototypes = new WeakMap<object, Builtin | null>();

function classify(prototype: object): Builtin | null {
  if (prototype === globalThis.URL?.prototype) return { kind: "URL", name: "URL" };
  if (prototype === globalThis.Buffer?.prototype) return { kind: "Buffer", name: "Buffer" };
  const type: unknown = Object.getOwnPropertyDescriptor(prototype, "constructor")?.value;
  if (typeof type !== "function" || type.prototype !== prototype) return null;
  const name = NATIVE.exec(Function.prototype.toString.call(type))?.[1];
  const kind = name === undefined ? undefined : KINDS[name];
  return kind ? { kind, name: name! } : null;
}

/** The built-in type that has this prototype. */
export function builtinOf(prototype: object): Builtin | null {
  let found = prototypes.get(prototype);
  if (found === undefined) {
    found = classify(prototype);
    prototypes.set(prototype, found);
  }
  return found;
}

/**
 * The exact built-in type of an object; `null` for an instance of a class, of a subclass of a built-in, or of a
 * built-in that is not data (Promise, WeakMap ...). An object without prototype is plain.
 * @throws TypeError where it pretends to be a built-in.
 */
export function kindOf(value: object): Builtin | null {
  const prototype = Object.getPrototypeOf(value);
  if (prototype === Object.prototype || prototype === null) {
    // First without the words of the refusal, which take most of the time.
    if (toString.call(value) !== "[object Object]") assertSlot(value, PLAIN);
    return PLAIN;
  }
  if (prototype === Array.prototype && Array.isArray(value)) return ARRAY;
  const found = builtinOf(prototype);
  if (found) assertSlot(value, found);
  return found;
}

/** Whether an instance of a class inherits from a built-in data type: `class Grid extends Float64Array`. */
export function isSubclassOfBuiltin(value: object): boolean {
  for (let p = Object.getPrototypeOf(value); p !== null; p = Object.getPrototypeOf(p)) {
    const found = builtinOf(p);
    if (found && found.kind !== "plain") return true;
  }
  return false;
}

/** The name of the class of an instance, `""` where it has none. */
export function classNameOf(value: object): string {
  const type: unknown = Object.getPrototypeOf(value)?.constructor;
  return typeof type === "function" && typeof type.name === "string" ? type.name : "";
}

/** The bytes of a typed array, Buffer or DataView, without a copy. */
export function bytesOf(view: ArrayBufferView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

/**
 * For an array: `"dense"`, `"holes"`, or the name of a property that is no index.
 * Own keys come with the indices first, so the count and the last one tell.
 */
export function shapeOf(array: readonly unknown[]): { holes: boolean; extra: string | undefined; keys: string[] } {
  const keys = Object.keys(array);
  const last = keys.at(-1);
  if (keys.length === array.length && (last === undefined || last === String(keys.length - 1))) {
    return { holes: false, extra: undefined, keys };
  }
  return { holes: true, extra: keys.find((key) => String(Number(key) >>> 0) !== key || key === "4294967295"), keys };
}

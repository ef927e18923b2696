/**
 * Methods of the built-ins as they were when the package was loaded. Their prototypes belong to the whole program:
 * libraries add to them and replace what is there. Keys and entries must stay the same whatever they do, so the rooms
 * `key` and `entry` call no method that can be replaced, and read no property that can be inherited.
 */

const { call } = Function.prototype;

/** The method as a function whose first argument is the receiver. */
function method<T, A extends unknown[], R>(of: (this: T, ...args: A) => R): (self: T, ...args: A) => R {
  return call.bind(of as never) as never;
}

const { defineProperty } = Object;
export const { create, getOwnPropertyDescriptor, getOwnPropertySymbols, getPrototypeOf, keys } = Object;
export const { setPrototypeOf } = Object;
export const { apply, ownKeys } = Reflect;
export const { isArray } = Array;
export const { isView } = ArrayBuffer;
export const { parse, stringify } = JSON;

/** The own properties of objects in one that inherits nothing: what was added to `Object.prototype` is not among them. */
export function inheritingNothing<T extends object>(...given: readonly T[]): T {
  return Object.assign(Object.create(null), ...given);
}

export const hasOwn: (of: object, key: PropertyKey) => boolean = Object.hasOwn;
export const isEnumerable = method(Object.prototype.propertyIsEnumerable) as (of: object, key: PropertyKey) => boolean;
export const tagOf = method(Object.prototype.toString) as (of: unknown) => string;
export const sourceOf = method(Function.prototype.toString) as (of: Function) => string;

export const sort = method(Array.prototype.sort) as <T>(list: T[], compare?: (a: T, b: T) => number) => T[];
export const joined = method(Array.prototype.join) as (list: readonly string[], separator: string) => string;
export const sliceOf = method(String.prototype.slice) as (text: string, from: number, to?: number) => string;
export const codeAt = method(String.prototype.charCodeAt) as (text: string, at: number) => number;
export const execute = method(RegExp.prototype.exec) as (pattern: RegExp, text: string) => RegExpExecArray | null;

export const mapGet = method(Map.prototype.get) as <K, V>(map: ReadonlyMap<K, V>, key: K) => V | undefined;
export const mapSet = method(Map.prototype.set) as <K, V>(map: Map<K, V>, key: K, value: V) => void;
export const mapHas = method(Map.prototype.has) as (map: ReadonlyMap<any, unknown>, key: unknown) => boolean;
export const mapDelete = method(Map.prototype.delete) as (map: Map<any, unknown>, key: unknown) => boolean;
export const mapEach = method(Map.prototype.forEach) as <K, V>(
  map: ReadonlyMap<K, V>,
  each: (value: V, key: K) => void,
) => void;
export const setHas = method(Set.prototype.has) as (set: ReadonlySet<any>, value: unknown) => boolean;
export const setAdd = method(Set.prototype.add) as <T>(set: Set<T>, value: T) => void;
export const setDelete = method(Set.prototype.delete) as (set: Set<any>, value: unknown) => boolean;
export const setEach = method(Set.prototype.forEach) as <T>(set: ReadonlySet<T>, each: (value: T) => void) => void;
export const weakGet = method(WeakMap.prototype.get) as <V>(map: WeakMap<object, V>, key: object) => V | undefined;
export const weakSet = method(WeakMap.prototype.set) as <V>(map: WeakMap<object, V>, key: object, value: V) => void;

const then = method(Promise.prototype.then) as (
  promise: unknown,
  fulfilled: undefined,
  rejected: () => void,
) => unknown;
export function isPromise(value: unknown): boolean {
  try {
    return typeof (value as { then?: unknown } | null | undefined)?.then === "function";
  } catch {
    return false;
  }
}

/** A promise that nobody awaits must not end the process where it is rejected. */
export function silence(value: unknown): void {
  try {
    then(value, undefined, () => {});
  } catch {
    // It is none.
  }
}

/** An accessor as a function; `undefined` where this runtime lacks it. */
function accessor<R>(prototype: object | undefined, name: PropertyKey): (self: unknown) => R {
  const get = prototype && getOwnPropertyDescriptor(prototype, name)?.get;
  return (get && method(get as never)) as never;
}

export const mapSize = accessor<number>(Map.prototype, "size");
export const setSize = accessor<number>(Set.prototype, "size");
export const timeOf = method(Date.prototype.getTime) as (date: unknown) => number;
export const isoOf = method(Date.prototype.toISOString) as (date: unknown) => string;
export const bufferLength = accessor<number>(ArrayBuffer.prototype, "byteLength");
export const isResizable = accessor<boolean>(ArrayBuffer.prototype, "resizable");

const typedArray: object = getPrototypeOf(Uint8Array.prototype);
export const typedArrayName = accessor<string | undefined>(typedArray, Symbol.toStringTag);
export const lengthOf = accessor<number>(typedArray, "length");
const arrayBytes = {
  buffer: accessor<ArrayBuffer>(typedArray, "buffer"),
  offset: accessor<number>(typedArray, "byteOffset"),
  length: accessor<number>(typedArray, "byteLength"),
};
const viewBytes = {
  buffer: accessor<ArrayBuffer>(DataView.prototype, "buffer"),
  offset: accessor<number>(DataView.prototype, "byteOffset"),
  length: accessor<number>(DataView.prototype, "byteLength"),
};
/** Where the bytes of a typed array, Buffer or DataView are. */
export function placeOfBytes(view: ArrayBufferView): { buffer: ArrayBuffer; byteOffset: number; byteLength: number } {
  const { buffer, offset, length } = typedArrayName(view) === undefined ? viewBytes : arrayBytes;
  return { buffer: buffer(view), byteOffset: offset(view), byteLength: length(view) };
}

const VALUE_OF: Readonly<Record<string, (boxed: unknown) => unknown>> = {
  __proto__: null as never,
  Number: method(Number.prototype.valueOf) as never,
  String: method(String.prototype.valueOf) as never,
  Boolean: method(Boolean.prototype.valueOf) as never,
  BigInt: method(BigInt.prototype.valueOf) as never,
};
/** The primitive in a boxed one. @param name its constructor's */
export function unboxed(value: object, name: string): unknown {
  return VALUE_OF[name]!(value);
}

export const regExpSource = accessor<string>(RegExp.prototype, "source");
/** In the order of `flags`, whose own getter reads properties that can be replaced. */
const FLAGS = [
  flag("d", "hasIndices"),
  flag("g", "global"),
  flag("i", "ignoreCase"),
  flag("m", "multiline"),
  flag("s", "dotAll"),
  flag("u", "unicode"),
  flag("v", "unicodeSets"),
  flag("y", "sticky"),
];
function flag(letter: string, name: string) {
  return { letter, isSet: accessor<boolean>(RegExp.prototype, name) as ((regExp: object) => boolean) | undefined };
}
export function regExpFlags(regExp: object): string {
  let flags = "";
  for (let i = 0; i < FLAGS.length; i++) if (FLAGS[i]!.isSet?.(regExp)) flags += FLAGS[i]!.letter;
  return flags;
}

/** `URL` and `Buffer` belong to the host, not to the language: one of each, where there is one. */
declare const globalThis: { URL?: new (text: string) => { href: string }; Buffer?: { prototype: object } };
export const { URL } = globalThis;
export const bufferPrototype = globalThis.Buffer?.prototype;
export const hrefOf = accessor<string>(URL?.prototype, "href");

/**
 * Gives an object a property of its own. An assignment would call a setter that somebody gave `Object.prototype`, and
 * a descriptor with a prototype would inherit from there.
 */
export function define(target: object, key: PropertyKey, value: unknown, enumerable = true): void {
  if (enumerable && !(key in target)) (target as Record<PropertyKey, unknown>)[key] = value;
  else defineProperty(target, key, { __proto__: null, value, enumerable, configurable: true, writable: true } as never);
}

/** The place to cut a text at, or just after it: never between the halves of a character. */
export function endOfSlice(text: string, end: number): number {
  if (end >= text.length) return text.length;
  const last = codeAt(text, end - 1);
  return last >= 0xd800 && last < 0xdc00 ? end + 1 : end;
}

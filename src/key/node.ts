import { createHash, hash } from "node:crypto";
import { inspect, types } from "node:util";
import {
  endOfSlice,
  getPrototypeOf,
  hrefOf,
  isArray,
  isView,
  lengthOf,
  ownKeys,
  placeOfBytes,
  setPrototypeOf,
  sliceOf,
  typedArrayName,
} from "./originals.js";

// One file, and not one for each of the imports that lead here: each takes a thirtieth of the time to load the package.

/** SHA-256 in 64 hex digits; a string counts as its UTF-8 bytes. Chosen by the import `#sha256` where there is Node. */
export function sha256(data: string | Uint8Array): string {
  return typeof data === "string" && data.length > LARGE ? sha256OfParts([data]) : hash("sha256", data, "hex");
}

/** Characters. Of a longer text no whole copy is made in UTF-8. */
const LARGE = 2 ** 20;

/** The digest of a text in parts; none ends between the halves of a character. */
export function sha256OfParts(parts: readonly string[]): string {
  const digest = createHash("sha256");
  for (let i = 0; i < parts.length; i++) {
    const part = parts[i]!;
    for (let at = 0; at < part.length; ) {
      const end = endOfSlice(part, at + LARGE);
      digest.update(sliceOf(part, at, end));
      at = end;
    }
  }
  return digest.digest("hex");
}

/** Typed arrays by name: what their prototypes say of their constructors may have been changed. */
const TYPES: Readonly<Record<string, new (buffer: ArrayBuffer, byteOffset: number, length: number) => object>> = {
  __proto__: null as never,
  Int8Array,
  Uint8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
  Float16Array: (globalThis as { Float16Array?: any }).Float16Array,
};

/**
 * Whether a typed array, Buffer or array has properties besides its elements. Listing its keys would list every element;
 * inspecting it does not, and a bare twin (of a typed array on the same memory) tells the difference.
 */
export function hasOwnBesidesElements(array: object): boolean {
  const length = isArray(array) ? array.length + 1 : lengthOf(array); // an array has `length` as well
  // What a proxy shows, inspecting does not.
  if (isArray(array) && types.isProxy(array)) return ownKeys(array).length > length;
  try {
    return isOther(array, isArray(array) ? new Array(array.length) : bareTwin(array as ArrayBufferView));
  } catch {
    return ownKeys(array).length > length; // inspecting asks what may have been replaced
  }
}

function bareTwin(array: ArrayBufferView): object {
  const { buffer, byteOffset } = placeOfBytes(array);
  const twin = new TYPES[typedArrayName(array)!]!(buffer, byteOffset, lengthOf(array));
  return setPrototypeOf(twin, getPrototypeOf(array));
}

function isOther(array: object, twin: object): boolean {
  const options = { maxArrayLength: 0, depth: 0, customInspect: false, showHidden: true };
  return inspect(array, options) !== inspect(twin, options);
}

/** Whether an object is a Map, a Set or a view on bytes, whatever its prototype. */
export function isCollection(value: object): boolean {
  return isView(value) || types.isMap(value) || types.isSet(value);
}

/** Whether an object is more than its properties, whatever its prototype. */
export function isExotic(value: object): boolean {
  return (
    isCollection(value) ||
    isArray(value) ||
    types.isAnyArrayBuffer(value) ||
    types.isDate(value) ||
    types.isRegExp(value) ||
    types.isNativeError(value) ||
    types.isPromise(value) ||
    types.isBoxedPrimitive(value) ||
    types.isWeakMap(value) ||
    types.isWeakSet(value) ||
    types.isGeneratorObject(value) ||
    types.isMapIterator(value) ||
    types.isSetIterator(value) ||
    types.isArgumentsObject(value) ||
    types.isModuleNamespaceObject(value) ||
    types.isExternal(value) ||
    (getPrototypeOf(value) === null && isUrl(value))
  );
}

/** To throw takes 6 us, so it is asked only of what has lost its prototype: an empty object is common. */
function isUrl(value: object): boolean {
  try {
    hrefOf(value);
    return true;
  } catch {
    return false;
  }
}

export const { isNativeError } = types;

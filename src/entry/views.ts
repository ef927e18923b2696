/** Constructors by name, and no others: an entry cannot name a class of its own choice. As they were at the start. */

type ViewType = new (buffer: ArrayBuffer, byteOffset: number, length: number) => ArrayBufferView;

const VIEWS: Readonly<Record<string, ViewType | undefined>> = {
  __proto__: null as never,
  DataView,
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
  Float16Array: (globalThis as { Float16Array?: ViewType }).Float16Array, // not in every Node that is supported
};

const ERRORS: Readonly<Record<string, (new (message?: any) => Error) | undefined>> = {
  __proto__: null as never,
  Error,
  EvalError,
  RangeError,
  ReferenceError,
  SyntaxError,
  TypeError,
  URIError,
  AggregateError,
};

export function viewNamed(name: string): ViewType | undefined {
  return VIEWS[name];
}

/** Bytes of an element of a typed array; 1 for a DataView and a Buffer. */
export function unitOf(name: string): number {
  return (VIEWS[name] as { BYTES_PER_ELEMENT?: number } | undefined)?.BYTES_PER_ELEMENT ?? 1;
}

export function isErrorName(name: string): boolean {
  return ERRORS[name] !== undefined;
}

/** An error of this type, without any property. */
export function bareError(name: string): Error {
  const error = new ERRORS[name]!(NOTHING);
  const keys = Reflect.ownKeys(error);
  for (let i = 0; i < keys.length; i++) Reflect.deleteProperty(error, keys[i]!); // its own message and stack
  return error;
}

/** No errors, for an AggregateError, which asks them for an iterator. */
const NOTHING = {
  __proto__: null,
  [Symbol.iterator]: () => ({ __proto__: null, next: () => ({ __proto__: null, done: true }) }),
  toString: () => "",
};

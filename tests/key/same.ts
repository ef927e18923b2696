/**
 * Structural equality, written without the code under test: numbers by `Object.is`, plain objects by their own
 * enumerable properties whatever their prototype, Map and Set without order, binary data by type and bytes.
 */
export function same(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  const type = typeOf(a);
  if (type !== typeOf(b)) return false;
  if (ArrayBuffer.isView(a)) return sameBytes(bytesOf(a), bytesOf(b as ArrayBufferView));
  switch (type) {
    case "ArrayBuffer":
      return sameBytes(new Uint8Array(a as ArrayBuffer), new Uint8Array(b as ArrayBuffer));
    case "Array":
      return (a as unknown[]).length === (b as unknown[]).length && sameProperties(a, b);
    case "Map":
      return sameMembers([...(a as Map<unknown, unknown>)], [...(b as Map<unknown, unknown>)]);
    case "Set":
      return sameMembers([...(a as Set<unknown>)], [...(b as Set<unknown>)]);
    case "Date":
      return Object.is(Number(a), Number(b));
    case "RegExp":
      return String(a) === String(b) && (a as RegExp).lastIndex === (b as RegExp).lastIndex;
    case "URL":
      return String(a) === String(b);
    case "Number":
    case "String":
    case "Boolean":
    case "BigInt":
      return Object.is(a.valueOf(), b.valueOf());
    case "Object":
      return sameProperties(a, b);
    default:
      return sameProperties(partsOf(a as Error), partsOf(b as Error));
  }
}

function typeOf(value: object): string {
  return Object.getPrototypeOf(value)?.constructor.name ?? "Object";
}

function sameProperties(a: object, b: object): boolean {
  const keys = Object.keys(a);
  return (
    keys.length === Object.keys(b).length &&
    keys.every((key) => Object.hasOwn(b, key) && same(Reflect.get(a, key), Reflect.get(b, key)))
  );
}

/** Each of one has a partner in the other. */
function sameMembers(a: unknown[], b: unknown[]): boolean {
  const left = [...b];
  for (const each of a) {
    const at = left.findIndex((other) => same(each, other));
    if (at < 0) return false;
    left.splice(at, 1);
  }
  return left.length === 0;
}

function partsOf(error: Error): object {
  const {
    name,
    message,
    cause,
    errors,
    stack: _,
    ...rest
  } = Object.fromEntries(
    [...Object.keys(error), "message", "cause", "errors"]
      .filter((key) => Object.hasOwn(error, key))
      .map((key) => [key, Reflect.get(error, key)]),
  ) as Record<string, unknown>;
  const has = { cause: Object.hasOwn(error, "cause"), errors: Object.hasOwn(error, "errors") };
  return { name: name ?? error.name, message: message ?? error.message, cause, errors, has, rest };
}

function bytesOf(view: ArrayBufferView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

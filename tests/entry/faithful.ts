import { isDeepStrictEqual } from "node:util";
import { type Codec, decodeValue, encodeValue } from "../../src/entry/codecs.js";
import type { Compression } from "../../src/entry/compression.js";

/** The value as a hit gives it, from bytes that are wiped afterwards as a read buffer would be. */
export function hitOf(
  value: unknown,
  codec: "auto" | "json" | Codec = "auto",
  compression: false | Compression = false,
) {
  const payload = encodeValue(value, codec, compression);
  const bytes = Buffer.concat([Buffer.from("odd"), ...payload.parts]);
  const hit = decodeValue(payload, bytes.subarray(3), codec);
  bytes.fill(0xee);
  return hit;
}

/** What `isDeepStrictEqual` does not look at: the first difference of two values, `undefined` where there is none. */
export function differenceOf(a: unknown, b: unknown): string | undefined {
  const twins = new Map<object, object>();
  const taken = new Set<object>();

  function compare(x: unknown, y: unknown, place: string): string | undefined {
    if (typeof x !== "object" || x === null) return Object.is(x, y) ? undefined : `${place}: another primitive`;
    if (typeof y !== "object" || y === null) return `${place}: no object`;
    // Two places have one object exactly where the other value has one there.
    if (twins.has(x)) return twins.get(x) === y ? undefined : `${place}: sharing is lost`;
    if (taken.has(y)) return `${place}: sharing is invented`;
    twins.set(x, y);
    taken.add(y);
    if (Object.getPrototypeOf(x) !== Object.getPrototypeOf(y)) return `${place}: another prototype`;
    if (x instanceof ArrayBuffer) {
      return Buffer.from(x).equals(Buffer.from(y as ArrayBuffer)) ? undefined : `${place}: other bytes`;
    }
    if (ArrayBuffer.isView(x)) return isDeepStrictEqual(x, y) ? undefined : `${place}: other elements`;
    if (x instanceof Date && !Object.is(x.getTime(), (y as Date).getTime())) return `${place}: another time`;
    if (x instanceof URL && x.href !== (y as URL).href) return `${place}: another URL`;
    if (x instanceof RegExp && String(x) !== String(y)) return `${place}: another RegExp`;
    if (x instanceof Map || x instanceof Set) {
      const difference = compare([...x], [...(y as Set<unknown>)], `${place}.entries`);
      if (difference) return difference;
    }
    const keys = Reflect.ownKeys(x);
    const keysOfY = Reflect.ownKeys(y);
    const inOrder = x instanceof Error ? new Set(keysOfY).size === keys.length : isDeepStrictEqual(keys, keysOfY);
    if (!inOrder) return `${place}: other keys`;
    for (const key of keys) {
      const [own, twin] = [Object.getOwnPropertyDescriptor(x, key), Object.getOwnPropertyDescriptor(y, key)];
      if (own?.enumerable !== twin?.enumerable) return `${place}.${String(key)}: hidden or shown`;
      const difference = compare((x as any)[key], (y as any)[key], `${place}.${String(key)}`);
      if (difference) return difference;
    }
    return undefined;
  }

  const difference = compare(a, b, "value");
  // It calls two invalid dates different.
  const isFit = ![...twins.keys()].some((each) => each instanceof Date && Number.isNaN(each.getTime()));
  return difference ?? (isFit && !isDeepStrictEqual(a, b) ? "not deeply equal" : undefined);
}

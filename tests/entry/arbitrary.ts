import fc from "fast-check";
import { defineType } from "../../src/key/registered-types.js";

/** Values of all kinds that can be stored. */

export class Box {
  constructor(readonly content: unknown) {}
}
/** Its name in entries. */
export const BOX = "tests/Box";
defineType(Box, {
  name: BOX,
  encode: ({ content }) => ({ content }),
  decode: ({ content }) => new Box(content),
});

const number = fc.oneof(fc.double(), fc.integer(), fc.constantFrom(-0, NaN, Infinity, -Infinity));
const text = fc.string({ unit: "binary" });
const key = fc.oneof(text, fc.constantFrom("__proto__", "constructor", "toString", "$type", "0", "-1", "length"));
const primitive = fc.oneof(
  number,
  text,
  fc.boolean(),
  fc.bigInt(),
  fc.constantFrom(null, undefined, "Map", "ref", "shared", "undefined"),
);

const bytes = fc.uint8Array({ maxLength: 40 });
const VIEWS = [Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint32Array, Float32Array, Float64Array, BigInt64Array, DataView]; // biome-ignore format: one line
/** Several views on one buffer. */
const views = fc
  .tuple(
    fc.uint8Array({ minLength: 64, maxLength: 64 }),
    fc.array(fc.tuple(fc.constantFrom(...VIEWS), fc.nat(5), fc.nat(2)), { minLength: 1, maxLength: 3 }),
    fc.boolean(),
  )
  .map(([content, cuts, whole]): unknown[] => {
    const { buffer } = content.slice();
    const made = cuts.map(([View, start, length]) => new View(buffer, start * 8, length));
    return whole ? [...made, buffer] : made;
  });
/** A leaf is a function that makes it: shrinking must not see what a test changed. */
const leaf: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 4, arbitrary: primitive },
  fc.date({ noInvalidDate: false }),
  fc.constantFrom("a", "[\\s\\S]", "é/").map((source) => Object.assign(new RegExp(source, "gu"), { lastIndex: 2 })),
  fc.webUrl().map((url) => new URL(url)),
  bytes.map((each) => Buffer.from(each)),
  bytes.map((each) => each.slice().buffer),
);

export const { value } = fc.letrec<{ value: unknown; list: unknown[] }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, depthSize: "small", withCrossShrink: true },
    leaf,
    views,
    tie("list"),
    fc.tuple(tie("list"), fc.nat(3)).map(([list, hole]) => {
      delete list[hole];
      return list;
    }),
    fc.array(fc.tuple(key, tie("value")), { maxLength: 4 }).map(Object.fromEntries),
    fc.array(fc.tuple(key, tie("value")), { maxLength: 3 }).map((entries) => {
      const bare = Object.create(null);
      for (const [name, each] of entries) bare[name] = each;
      return bare;
    }),
    fc.array(fc.tuple(tie("value"), tie("value")), { maxLength: 3 }).map((entries) => new Map(entries)),
    tie("list").map((list) => new Set(list)),
    fc.tuple(tie("value"), text).map(([cause, message]) => new TypeError(message, { cause })),
    tie("list").map((errors) => Object.assign(new AggregateError(errors), { code: "E" })),
    tie("value").map((content) => new Box(content)),
    // The same object in several places, and a cycle.
    tie("value").map((each) => [each, { each }, new Map([[each, each]])]),
    tie("list").map((list) => Object.assign(list, { 0: { list } })),
  ),
  list: fc.array(tie("value") as fc.Arbitrary<unknown>, { maxLength: 4 }),
}));

/** A cycle through a Box is refused, and stays out: a list that contains itself may stand inside one, but not around one. */
export function hasRefusedCycle(root: unknown): boolean {
  const around: unknown[] = [];
  const seen = new Set<unknown>();
  return (function visit(each: unknown): boolean {
    if (typeof each !== "object" || each === null) return false;
    const at = around.indexOf(each);
    if (at >= 0) return around.slice(at).some((inner) => inner instanceof Box);
    if (seen.has(each)) return false;
    seen.add(each);
    around.push(each);
    const parts =
      each instanceof Map ? [...each].flat() : each instanceof Set ? [...each] : Reflect.ownKeys(each).map((name) => (each as any)[name]); // biome-ignore format: one line
    const found = ArrayBuffer.isView(each) ? false : parts.some(visit);
    around.pop();
    return found;
  })(root);
}

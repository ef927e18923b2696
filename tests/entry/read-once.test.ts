import test from "ava";
import { encodeValue } from "../../src/entry/codecs.js";
import { StoreError } from "../../src/errors.js";
import { defineType } from "../../src/key/registered-types.js";
import { hitOf } from "./faithful.js";

class Box {
  constructor(readonly content: unknown) {}
}
defineType(Box, {
  name: "read-once.test/Box",
  encode: ({ content }) => content,
  decode: (content) => new Box(content),
});

const CODECS = ["auto", "json"] as const;

test("a result whose getter changes is stored as it was read, once", (t) => {
  for (const codec of CODECS) {
    let count = 0;
    const value = { get a() { return ++count; }, get b() { return count === 1 ? undefined : 7; } }; // biome-ignore format: one line
    t.deepEqual(hitOf(value, codec), { a: 1, b: undefined });
    t.is(count, 1);
  }
});

test("a property that is gone at the second look, and a proxy that shows it once", (t) => {
  for (const codec of CODECS) {
    const value = { get a() { delete (value as any).a; return 1; } }; // biome-ignore format: one line
    t.deepEqual(hitOf(value, codec), { a: 1 });
    for (const target of [{ a: 1, b: { c: [2n] } }, [1, [2n], "x"]]) {
      const reads: PropertyKey[] = [];
      const proxy = new Proxy(target, {
        get(of, key) {
          reads.push(key);
          return Reflect.get(of, key);
        },
      });
      t.deepEqual(hitOf(proxy, codec), target);
      t.deepEqual(reads.filter((key) => typeof key === "string" && key !== "length"), Object.keys(target)); // biome-ignore format: one line
    }
  }
});

test("a getter that changes what was read before it changes nothing", (t) => {
  for (const codec of CODECS) {
    const value = {
      object: { x: 1 } as any,
      list: [1],
      map: new Map([[1, 2]]),
      error: new Error("m"),
      later: {
        get last() {
          value.object.x = () => 1;
          value.list.length = 0;
          value.map.clear();
          value.error.message = "other";
          return 1;
        },
      },
    };
    const hit = hitOf(value, codec) as typeof value;
    t.deepEqual([hit.object, hit.list, hit.map, hit.error.message], [{ x: 1 }, [1], new Map([[1, 2]]), "m"]);
  }
});

test("elements, keys of Errors and holes are read once", (t) => {
  for (const codec of CODECS) {
    for (const [value, key] of [
      [[0, 0], 1],
      [new Array(3), 1],
      [new Error("m"), "cause"],
      [Object.create(null), "x"],
    ] as const) {
      // biome-ignore format: one line
      let count = 0;
      Object.defineProperty(value, key, {
        enumerable: true,
        configurable: true,
        get: () => (count++ === 0 ? [1] : () => 1),
      });
      t.deepEqual((hitOf(value, codec) as any)[key], [1]);
      t.is(count, 1);
    }
  }
});

test("a getter that makes a registered instance anew each time", (t) => {
  for (const codec of CODECS) {
    let count = 0;
    const value = Object.defineProperty({}, "x", { get: () => new Box(++count), enumerable: true });
    t.deepEqual(hitOf(value, codec), { x: new Box(1) });
    t.is(count, 1);
  }
});

test("encode is called once for each instance, and its data is read once", (t) => {
  let count = 0;
  const box = new Box(Object.defineProperty({}, "x", { get: () => ++count, enumerable: true }));
  for (const codec of CODECS) {
    count = 0;
    t.deepEqual(hitOf([box, box], codec), [new Box({ x: 1 }), new Box({ x: 1 })]);
    t.is(count, 1);
  }
});

test("a getter that throws, also what throws when it is looked at, is named by its place", (t) => {
  const hostile = new Proxy({}, { get() { throw new Error("hostile"); }, getPrototypeOf() { throw new Error("hostile"); } }); // biome-ignore format: one line
  for (const thrown of [new Error("boom"), hostile, null]) {
    const value = { a: [{ get b() { throw thrown; } }] }; // biome-ignore format: one line
    const error = t.throws(() => encodeValue(value, "auto", false), { instanceOf: StoreError });
    t.regex(error.message, /^a\[0\]\.b cannot be read/);
  }
});

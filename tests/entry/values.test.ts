// biome-ignore-all lint/suspicious/noSparseArray: holes are values
import { runInNewContext } from "node:vm";
import test from "ava";
import { decodeValue, encodeValue, type Payload } from "../../src/entry/codecs.js";
import { defineType } from "../../src/key/registered-types.js";
import { differenceOf, hitOf } from "./faithful.js";

const CODECS = ["auto", "json"] as const;

const faithful = test.macro({
  exec(t, make: () => unknown) {
    const value = make();
    for (const codec of CODECS) {
      for (const compression of [false, "gzip", "brotli"] as const) {
        t.is(differenceOf(value, hitOf(value, codec, compression)), undefined, `${codec} ${compression}`);
      }
    }
  },
  title: (title = "") => `a hit equals ${title}`,
});

class Point {
  constructor(
    readonly x: unknown,
    readonly y: unknown = 0,
  ) {}
}
defineType(Point, {
  name: "values.test/Point",
  aliases: ["values.test/OldPoint"],
  encode: ({ x, y }) => [x, y] as const,
  decode: ([x, y]) => new Point(x, y),
});

function withCycle(): unknown {
  const value: any = { list: [1], map: new Map(), set: new Set(), error: new Error("e"), bare: Object.create(null) };
  value.self = value;
  value.list.push(value.list, value);
  value.map.set("map", value.map).set(value.map, value);
  value.set.add(value.set).add(value);
  value.error.cause = value.error;
  value.bare.bare = value.bare;
  value.$type = value;
  return value;
}

function withProperties<T extends object>(value: T, properties: object): T {
  return Object.assign(value, properties);
}

test("undefined", faithful, () => undefined);
test("null", faithful, () => null);
test("true", faithful, () => true);
test("-0", faithful, () => [-0, 0, { z: -0 }]);
test("numbers that JSON lacks", faithful, () => [NaN, Infinity, -Infinity, 5e-324, 2 ** 53 + 2]);
test("bigints", faithful, () => [0n, -1n, 2n ** 200n]);
test("any text", faithful, () => ["", "ü", "😀", "\ud800", "\0\u2028", "x".repeat(70_000)]);
test("text of odd length beside wide text", faithful, () => [1n, "a", "日本", "abc", "日"]);
test("an array with holes", faithful, () => [
  [, 1, , undefined, ,],
  new Array(3),
  Object.assign([], { 4294967294: 1 }),
]);
test("undefined as a property", faithful, () => ({ a: undefined, b: [undefined] }));
test("an object without prototype", faithful, () =>
  Object.assign(Object.create(null), { a: 1, b: Object.create(null) }),
);
test("keys in their order", faithful, () => ({ b: 1, a: 2, 10: 3, 9: 4, "-1": 5, "": 6 }));
test("the keys __proto__ and constructor", faithful, () => [
  JSON.parse('{"__proto__":{"x":1},"constructor":{"prototype":{"y":2}},"toString":1,"hasOwnProperty":2}'),
  JSON.parse('{"__proto__":null,"n":{"__proto__":[1]}}'),
  withProperties(JSON.parse('{"__proto__":{"x":1}}'), { $type: "Map", big: 1n }),
  Object.defineProperty(Object.create(null), "__proto__", { value: 1, enumerable: true }),
]);
test("objects that look tagged", faithful, () => [
  { $type: "undefined" },
  { $type: "ref", id: 0 },
  { $type: { $type: "Map", entries: [] } },
  withProperties(Object.create(null), { $type: "shared" }),
]);
test("a Map and its order", faithful, () => new Map<unknown, unknown>([["b", 1], ["a", new Map()], [{ k: 1 }, [2]], [NaN, -0], [undefined, null], [[1, 2], [3]]])); // biome-ignore format: one line
test("a Set and its order", faithful, () => new Set([2, 1, "x", NaN, undefined, null, [new Set([1])]]));
test("dates", faithful, () => [new Date(0), new Date(NaN), new Date(-1), new Date(8.64e15)]);
test("a RegExp", faithful, () => [/a\/"b/gimsuyd, withProperties(/x/g, { lastIndex: 3 }), withProperties(/x/, { lastIndex: -0 }), /(?:)/]); // biome-ignore format: one line
test("a URL", faithful, () => [new URL("https://u:p@example.org:8080/a%20b?q=ü#h"), new URL("data:text/plain,x")]);
test("every built-in error", faithful, () => [
  new Error("plain"),
  new EvalError("e"),
  new RangeError("e"),
  new ReferenceError("e"),
  new SyntaxError("e"),
  new TypeError("e", { cause: new Error("c", { cause: undefined }) }),
  new URIError("e"),
  new AggregateError([new Error("1"), 2], "many", { cause: null }),
  new Error(),
]);
test("an error with properties", faithful, () => [
  withProperties(new Error("m"), { code: "E_X", errno: -2, name: "Custom", __proto__: 1 }),
  withProperties(new Error(), { message: "shown", extra: new Map([[1, 2n]]) }),
  Object.defineProperty(new Error("m"), "name", { value: "Hidden", enumerable: false, configurable: true }),
  Object.defineProperty(new Error("m"), "stack", { value: undefined }),
]);
test("binary data of every type", faithful, () => {
  const bytes = Uint8Array.from({ length: 32 }, (_, i) => i * 7);
  const types = [Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array, Float32Array, Float64Array, BigInt64Array, BigUint64Array]; // biome-ignore format: one line
  return [
    ...types.map((Type) => new Type(bytes.slice().buffer)),
    ...types.map((Type) => new Type(0)),
    ...types.map((Type) => new Type(bytes.slice().buffer, 8, 1)),
    new DataView(bytes.slice().buffer, 3, 5),
    bytes.slice().buffer,
    new ArrayBuffer(0),
    Buffer.from("a buffer"),
    Buffer.alloc(0),
  ];
});
test("NaN and -0 in a typed array", faithful, () => new Float64Array([NaN, -0, Infinity]));
test("large binary data", faithful, () => ({ a: new Float64Array(20_000).fill(1.5), b: Buffer.alloc(70_000, 7) }));
test("cycles", faithful, withCycle);
test("shared objects", faithful, () => {
  const shared = [
    {},
    [1],
    new Map(),
    new Set([1]),
    new Date(1),
    /x/,
    new URL("a:b"),
    new Error("e"),
    new ArrayBuffer(2),
    new Uint8Array(3),
    Buffer.from("b"),
    Object.create(null),
    [, 1],
    { $type: 1 },
    new Point(1),
  ]; // biome-ignore format: one line
  return [shared, { shared, again: [...shared] }, new Map(shared.map((each) => [each, each]))];
});
test("registered instances", faithful, () => [
  new Point(1, 2),
  { deep: new Map([[new Point(1n), new Set([new Point(-0)])]]) },
]);
test(
  "a registered instance inside another",
  faithful,
  () => new Point(new Point(new Uint8Array([1])), [new Point(undefined)]),
);
test("a registered instance in two places", faithful, () => {
  const point = new Point({ x: 1 });
  return { a: point, b: [point, point.x] };
});
test("a cycle beside a registered instance", faithful, () => {
  const value: any = { point: new Point(1) };
  value.self = value;
  return value;
});

test("a thousand levels come back", (t) => {
  for (const codec of CODECS) {
    let hit: any = hitOf(
      Array.from({ length: 490 }).reduce<unknown>((inner) => [{ inner }], 1n),
      codec,
    );
    for (let level = 0; level < 490; level++) hit = hit[0].inner;
    t.is(hit, 1n);
  }
});

test("frozen objects and accessors come back as ordinary properties", (t) => {
  const hit: any = hitOf(Object.freeze({ get x() { return 1n; }, list: Object.freeze([1]) })); // biome-ignore format: one line
  t.deepEqual(Object.getOwnPropertyDescriptor(hit, "x"), {
    value: 1n,
    writable: true,
    enumerable: true,
    configurable: true,
  });
  t.false(Object.isFrozen(hit.list));
});

test("values of another realm come back as values of this one", (t) => {
  const value = runInNewContext(
    `({ list: [1, , 3], map: new Map([[{}, new Set([1n])]]), date: new Date(5), error: new TypeError("e"), bytes: new Float32Array([1]), re: /x/g })`,
  );
  for (const codec of CODECS) {
    const hit: any = hitOf(value, codec);
    t.deepEqual(hit.map, new Map([[{}, new Set([1n])]]));
    t.deepEqual([hit.date, hit.re, hit.bytes, hit.list], [new Date(5), /x/g, new Float32Array([1]), [1, , 3]]);
    t.true(hit.error instanceof TypeError);
    t.is(hit.error.message, "e");
  }
});

// ---- formats ----

const format = test.macro({
  exec(t, value: unknown, expected: Payload["format"]) {
    t.is(encodeValue(value, "auto", false).format, expected);
    t.is(encodeValue(value, "json", false).format, "tagged");
  },
  title: (title = "") => `the format of ${title}`,
});
test("plain data is JSON", format, { a: [1, "x", null, true, { b: -1.5 }], $type: "x" }, "json");
test("text is JSON", format, "\ud800", "json");
test("-0 is structured clone", format, [-0], "clone");
test("undefined is structured clone", format, undefined, "clone");
test("a hole is structured clone", format, new Array(1), "clone");
test("sharing is structured clone", format, ((a) => [a, a])({}), "clone");
test("no prototype is structured clone", format, Object.create(null), "clone");
test("binary is structured clone", format, new Uint8Array(1), "clone");

test("JSON payloads are the JSON text of the value", (t) => {
  const value = { b: [1, { a: null }], $type: "x" };
  t.is(Buffer.concat(encodeValue(value, "auto", false).parts).toString(), JSON.stringify(value));
});

test("tagged payloads are JSON text, binary as base64", (t) => {
  const text = Buffer.concat(
    encodeValue({ bytes: Buffer.from("hello"), u: undefined }, "json", false).parts,
  ).toString();
  t.deepEqual(JSON.parse(text), {
    bytes: { $type: "Buffer", buffer: { $type: "ArrayBuffer", base64: "aGVsbG8=" }, byteOffset: 0, length: 5 },
    u: { $type: "undefined" },
  });
});

// ---- memory of its own ----

const buffers = test.macro({
  exec(t, make: () => ArrayBufferView[], lengths: number[], sharing: number[]) {
    const views = make();
    for (const codec of CODECS) {
      const hits = hitOf(views, codec) as ArrayBufferView[];
      t.deepEqual(hits, views);
      t.deepEqual(hits.map((hit) => hit.buffer.byteLength), lengths, "bytes"); // biome-ignore format: one line
      t.deepEqual(hits.map((hit) => hits.findIndex((other) => other.buffer === hit.buffer)), sharing, "sharing"); // biome-ignore format: one line
    }
  },
  title: (title = "") => `the memory of ${title}`,
});
test("a view on a part", buffers, () => [new Uint8Array(new ArrayBuffer(100), 3, 5)], [5], [0]);
test("two small pooled Buffers", buffers, () => [Buffer.from("one"), Buffer.from("two")], [3, 3], [0, 1]);
test("overlapping Buffers", buffers, () => ((b) => [b.subarray(1, 6), b.subarray(3, 9)])(Buffer.from("0123456789")), [8, 8], [0, 0]); // biome-ignore format: one line
test("arrays cut from the pool", buffers, () => [Buffer.from("one"), Buffer.from("two")].map((b) => new Uint8Array(b.buffer, b.byteOffset, b.length)), [3, 3], [0, 1]); // biome-ignore format: one line
test("two views on one buffer", buffers, () => ((b) => [new Uint8Array(b, 8, 4), new Float64Array(b, 24, 2)])(new ArrayBuffer(64)), [32, 32], [0, 0]); // biome-ignore format: one line
test("views of odd alignment", buffers, () => ((b) => [new Uint8Array(b, 3, 1), new Float64Array(b, 8, 1)])(new ArrayBuffer(64)), [16, 16], [0, 0]); // biome-ignore format: one line
test("empty views", buffers, () => ((b) => [new Uint8Array(b, 4, 0), new Uint8Array(b, 4, 0)])(new ArrayBuffer(8)), [0, 0], [0, 0]); // biome-ignore format: one line

test("a buffer that stands in the value is kept whole and shared with its views", (t) => {
  const buffer = Uint8Array.from([1, 2, 3, 4]).buffer;
  for (const codec of CODECS) {
    const hit: any = hitOf({ view: new Uint8Array(buffer, 1, 2), buffer }, codec);
    t.is(hit.view.buffer, hit.buffer);
    t.deepEqual([...new Uint8Array(hit.buffer)], [1, 2, 3, 4]);
  }
});

test("nothing of the pool leaks into an entry", (t) => {
  const [first, secret, last] = [Buffer.from("first"), Buffer.from("SECRET"), Buffer.from("last")] as const;
  const view = ({ buffer, byteOffset, length }: Buffer) => new Uint8Array(buffer, byteOffset, length);
  for (const value of [
    [first, last],
    [view(first), view(last)],
    [first, view(last)],
    [first.subarray(1), first.subarray(2)],
  ]) {
    const bytes = Buffer.concat(encodeValue(value, "auto", false).parts);
    t.false(bytes.includes("SECRET"));
    t.false(bytes.includes("first") && !value.some((each) => each.length === 5));
  }
  t.is(secret.toString(), "SECRET");
});

test("each decode gives a value of its own", (t) => {
  const value = { list: [1], bytes: new Uint8Array([1]), map: new Map([[1, { x: 1 }]]) };
  for (const codec of CODECS) {
    const payload = encodeValue(value, codec, false);
    const bytes = Buffer.concat(payload.parts);
    const before = Buffer.from(bytes);
    const hit = decodeValue(payload, bytes, codec) as typeof value;
    hit.list.push(2);
    hit.bytes.fill(9);
    hit.map.get(1)!.x = 2;
    t.deepEqual(decodeValue(payload, bytes, codec), value);
    t.deepEqual(bytes, before);
  }
});

test("no prototype is polluted", (t) => {
  const text = '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}';
  for (const codec of CODECS) {
    const hit: any = hitOf([JSON.parse(text), { $type: "x", n: JSON.parse(text) }], codec);
    t.is(hit[0].polluted, undefined);
    t.is(({} as any).polluted, undefined);
    t.is((Object as any).polluted, undefined);
  }
});

// ---- registered types ----

test("an entry under an earlier name of a type is read", (t) => {
  const payload = encodeValue(new Point(1, 2), "json", false);
  const text = Buffer.concat(payload.parts).toString().replace("values.test/Point", "values.test/OldPoint");
  t.deepEqual(decodeValue(payload, Buffer.from(text), "json"), new Point(1, 2));
});

test("an entry of a type that is not registered cannot be decoded", (t) => {
  const payload = encodeValue(new Point(1, 2), "json", false);
  const text = Buffer.concat(payload.parts).toString().replace("values.test/Point", "constructor");
  t.throws(() => decodeValue(payload, Buffer.from(text), "json"), {
    message: /"type constructor", which is not registered/,
  });
});

const hostile = test.macro({
  exec(t, tree: unknown) {
    const payload = { format: "tagged", compression: false, codecName: "", lengths: [] } as const;
    t.throws(() => decodeValue(payload, Buffer.from(JSON.stringify(tree)), "json"));
  },
  title: (title = "") => `a tree with ${title} is refused`,
});
test("a class of its own choice", hostile, { $type: "Function", value: "x" });
test("a name of the prototype", hostile, { $type: "constructor" });
test("a reference to nothing", hostile, { $type: "ref", id: 0 });
test("the name __proto__", hostile, { $type: "__proto__" });

import * as module from "node:os";
import vm from "node:vm";
import test from "ava";
import { UnkeyableValueError } from "../../src/errors.js";
import { canonicalArgument } from "../../src/key/canonical-json.js";
import { canonicalJson, stableHash } from "../../src/key/index.js";

const SHA256_OF_NOTHING = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const SHA256_OF_1_2 = "a12871fee210fb8619291eaea194581cbd2531e4b23759d225f6806923f63222";

const texts = test.macro({
  exec(t, value: unknown, text: string) {
    t.is(canonicalJson(value), text);
    t.notThrows(() => JSON.parse(text));
  },
  title: (name, _, text) => `${name ?? "stands as"} ${text}`,
});

// ---- JSON as it is ----

test(texts, null, "null");
test(texts, true, "true");
test(texts, 1.5, "1.5");
test(texts, 1e21, "1e+21");
test(texts, 5e-324, "5e-324");
test(texts, 'a"\\\n\u2028', '"a\\"\\\\\\n\u2028"');
test("a lone surrogate", texts, "\ud800", '"\\ud800"');
test("a pair of surrogates", texts, "\u{1f600}", '"\u{1f600}"');
test(texts, [1, [2, []]], "[1,[2,[]]]");
test(texts, { b: 1, a: { d: 2, c: 3 } }, '{"a":{"c":3,"d":2},"b":1}');
test("integer-like keys are sorted as texts", texts, { 10: 1, 9: 2, b: 3, "01": 4 }, '{"01":4,"10":1,"9":2,"b":3}');
test(
  "keys are sorted by UTF-16 code units, in any locale",
  texts,
  { "\uff5e": 1, "\u{1f600}": 2, ä: 3, z: 4, Z: 5, a: 6, i: 7, ı: 8 },
  '{"Z":5,"a":6,"i":7,"z":4,"ä":3,"ı":8,"\u{1f600}":2,"\uff5e":1}',
);
test("an object without prototype", texts, Object.assign(Object.create(null), { a: 1 }), '{"a":1}');
test("__proto__ is a key", texts, JSON.parse('{"__proto__":1,"a":2}'), '{"__proto__":1,"a":2}');
test(
  "__proto__ beside tags",
  texts,
  { b: { ["__proto__"]: 1, c: 2n }, ["__proto__"]: -0 },
  '{"__proto__":{"$type":"-0"},"b":{"__proto__":1,"c":{"$type":"bigint","value":"2"}}}',
);
test("constructor and toString are keys", texts, { constructor: 1, toString: 2 }, '{"constructor":1,"toString":2}');

// ---- tags ----

test(texts, undefined, '{"$type":"undefined"}');
test(texts, Number.NaN, '{"$type":"NaN"}');
test(texts, Number.POSITIVE_INFINITY, '{"$type":"Infinity"}');
test(texts, Number.NEGATIVE_INFINITY, '{"$type":"-Infinity"}');
test(texts, -0, '{"$type":"-0"}');
test(texts, 12n, '{"$type":"bigint","value":"12"}');
test(texts, -(2n ** 70n), '{"$type":"bigint","value":"-1180591620717411303424"}');
test(texts, new Date(0), '{"$type":"Date","value":"1970-01-01T00:00:00.000Z"}');
test(texts, new Date(8.64e15), '{"$type":"Date","value":"+275760-09-13T00:00:00.000Z"}');
test("an invalid date", texts, new Date(Number.NaN), '{"$type":"Date","value":null}');
test(texts, /a"\//gi, '{"$type":"RegExp","flags":"gi","source":"a\\"\\\\/"}');
test(
  "a lastIndex that is not 0",
  texts,
  Object.assign(/a/g, { lastIndex: 3 }),
  '{"$type":"RegExp","flags":"g","lastIndex":3,"source":"a"}',
);
test(texts, new URL("HTTP://Example.com/ü"), '{"$type":"URL","value":"http://example.com/%C3%BC"}');
test(
  "Map entries are sorted",
  texts,
  new Map<unknown, unknown>([
    ["b", 1],
    ["a", undefined],
  ]),
  '{"$type":"Map","entries":[["a",{"$type":"undefined"}],["b",1]]}',
);
test("Set values are sorted by their texts", texts, new Set([10, 9, "a"]), '{"$type":"Set","values":["a",10,9]}');
test("equal members of a Set are counted", texts, new Set([{}, {}]), '{"$type":"Set","values":[{},{}]}');
test(
  "sets in sets",
  texts,
  new Set([new Set([2, 1]), new Set([-0])]),
  '{"$type":"Set","values":[{"$type":"Set","values":[0]},{"$type":"Set","values":[1,2]}]}',
);
// biome-ignore lint/suspicious/noSparseArray: it is the case
test("a hole", texts, [1, , 3], '{"$type":"Array","items":{"0":1,"2":3},"length":3}');
test("only holes", texts, new Array(2), '{"$type":"Array","items":{},"length":2}');
test("undefined is no hole", texts, [undefined], '[{"$type":"undefined"}]');
test("an Error", texts, new Error("m"), '{"$type":"Error","message":"m","name":"Error"}');
test("a TypeError", texts, new TypeError("m"), '{"$type":"TypeError","message":"m","name":"TypeError"}');
test(
  "an Error with a cause",
  texts,
  new RangeError("m", { cause: undefined }),
  '{"$type":"RangeError","cause":{"$type":"undefined"},"message":"m","name":"RangeError"}',
);
test(
  "an AggregateError",
  texts,
  new AggregateError([1], "m"),
  '{"$type":"AggregateError","errors":[1],"message":"m","name":"AggregateError"}',
);
test(
  "an Error with properties",
  texts,
  Object.assign(new Error("m"), { name: "N", code: "E", $type: 1n }),
  '{"$type":"Error","message":"m","name":"N","properties":{"$type":{"$type":"bigint","value":"1"},"code":"E"}}',
);
test(texts, Object(1), '{"$type":"Number","value":1}');
test(texts, Object(-0), '{"$type":"Number","value":{"$type":"-0"}}');
test(texts, Object("a"), '{"$type":"String","value":"a"}');
test(texts, Object(false), '{"$type":"Boolean","value":false}');
test(texts, Object(1n), '{"$type":"BigInt","value":{"$type":"bigint","value":"1"}}');

for (const Type of [
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
]) {
  test(texts, new Type(0), `{"$type":"${Type.name}","length":0,"sha256":"${SHA256_OF_NOTHING}"}`);
}
test(texts, new Uint8Array([1, 2]), `{"$type":"Uint8Array","length":2,"sha256":"${SHA256_OF_1_2}"}`);
test(texts, new Uint16Array([0x201]), `{"$type":"Uint16Array","length":1,"sha256":"${SHA256_OF_1_2}"}`);
test(texts, Buffer.from([1, 2]), `{"$type":"Buffer","length":2,"sha256":"${SHA256_OF_1_2}"}`);
test(texts, new Uint8Array([1, 2]).buffer, `{"$type":"ArrayBuffer","length":2,"sha256":"${SHA256_OF_1_2}"}`);
test(
  texts,
  new DataView(new Uint8Array([0, 1, 2, 0]).buffer, 1, 2),
  `{"$type":"DataView","length":2,"sha256":"${SHA256_OF_1_2}"}`,
);
test(
  "a view counts with its own bytes only",
  texts,
  new Uint8Array([9, 1, 2, 9]).subarray(1, 3),
  `{"$type":"Uint8Array","length":2,"sha256":"${SHA256_OF_1_2}"}`,
);
test(
  "shared memory, as it is now",
  texts,
  new Uint8Array(new SharedArrayBuffer(0)),
  `{"$type":"Uint8Array","length":0,"sha256":"${SHA256_OF_NOTHING}"}`,
);

// ---- the escape ----

test(texts, { $type: 1 }, '{"$type":"object","value":{"$type":1}}');
test(texts, { $type: undefined, a: 1 }, '{"$type":"object","value":{"$type":{"$type":"undefined"},"a":1}}');
test(
  "an escape in an escape",
  texts,
  { $type: "object", value: { $type: 1 } },
  '{"$type":"object","value":{"$type":"object","value":{"$type":"object","value":{"$type":1}}}}',
);
test("an inherited name is not escaped", texts, { type: 1, $typ: 2 }, '{"$typ":2,"type":1}');

const differ = test.macro<unknown[]>({
  exec(t, ...values: unknown[]) {
    t.is(new Set(values.map(canonicalJson)).size, values.length);
    t.is(new Set(values.map(stableHash)).size, values.length);
  },
  title: (name = "") => `no two are the same: ${name}`,
});

test("a value and its own tag", differ, new Date(0), { $type: "Date", value: "1970-01-01T00:00:00.000Z" });
test("undefined and its tag", differ, undefined, { $type: "undefined" }, "undefined", null);
test("kinds of one", differ, 1, "1", 1n, Object(1), Object(1n), Object("1"), [1], new Set([1]), { 0: 1 });
test("zeros", differ, 0, -0, Object(0), Object(-0), 0n, "0", "-0", false);
// biome-ignore lint/suspicious/noSparseArray: it is the case
test("holes", differ, [,], [undefined], [null], [], [, ,], [, undefined], [undefined, ,], { length: 1 });
test(
  "what is empty",
  differ,
  {},
  [],
  new Map(),
  new Set(),
  "",
  null,
  new ArrayBuffer(0),
  new Uint8Array(0),
  new Error(),
);
test("bytes", differ, new Uint8Array(8), Buffer.alloc(8), new Int8Array(8), new Float64Array(1), new BigInt64Array(1));
test("errors", differ, new Error("a"), new TypeError("a"), Object.assign(new Error("a"), { name: "TypeError" }));
test("a cause and a property", differ, new Error("", { cause: 1 }), Object.assign(new Error(""), { why: 1 }));
test("a Map and its entries", differ, new Map([[1, 2]]), new Set([[1, 2]]), [[1, 2]], { entries: [[1, 2]] });
test("where the boundary is", differ, new Map([["a", "b,c"]]), new Map([["a,b", "c"]]), ["a,b"], ["a", "b"], ['a","b']);
test("lone surrogates", differ, "\ud800", "\ud801", "\udc00", "\ufffd", "\\ud800");
test("__proto__ and nothing", differ, JSON.parse('{"__proto__":{}}'), {}, JSON.parse('{"__proto__":null}'));

const same = test.macro<unknown[]>({
  exec(t, ...values: unknown[]) {
    t.is(new Set(values.map(canonicalJson)).size, 1);
  },
  title: (name = "") => `the same: ${name}`,
});

test("properties in any order", same, { a: 1, b: 2 }, { b: 2, a: 1 });
test("objects with and without prototype", same, { a: 1 }, Object.assign(Object.create(null), { a: 1 }));
test(
  "a Map in any order",
  same,
  new Map([
    [{}, 1],
    [[], 2],
  ] as any),
  new Map([
    [[], 2],
    [{}, 1],
  ] as any),
);
test("a Set in any order", same, new Set([1, -0, "b"]), new Set(["b", 0, 1]));
test("an Error, wherever it was made", same, new Error("m"), (() => new Error("m"))());
test(
  "an Error whose cause was assigned",
  same,
  new Error("m", { cause: 1 }),
  Object.assign(new Error("m"), { cause: 1 }),
);
test("an element that occurs twice", same, [{ a: 1 }, { a: 1 }], new Array(2).fill({ a: 1 }));
test("a Date with another time zone", same, new Date("2020-01-01T12:00:00Z"), new Date("2020-01-01T14:00:00+02:00"));

test("the text of a long chain of assigned causes grows evenly", (t) => {
  let error = new Error("last");
  for (let i = 0; i < 100; i++) error = Object.assign(new Error("m"), { cause: error });
  t.true(canonicalJson(error).length < 10_000);
});

test("a key changes nothing in the value", (t) => {
  const value = Object.freeze({ b: Object.freeze([1, undefined]), a: new Map([[1, -0]]), $type: 1 });
  canonicalJson(value);
  t.deepEqual(Object.keys(value), ["b", "a", "$type"]);
  t.deepEqual(value.b, [1, undefined]);
});

test("Object.prototype is not touched by a key __proto__", (t) => {
  canonicalJson(JSON.parse('{"__proto__":{"polluted":1},"a":{"constructor":{"prototype":{"polluted":1}}}}'));
  t.is(({} as { polluted?: unknown }).polluted, undefined);
});

// ---- other realms ----

for (const source of [
  "({ b: 1, a: [undefined] })",
  "Object.create(null)",
  "[1, [2]]",
  "new Map([[1, new Set([2])]])",
  "new Date(5)",
  "/a/g",
  "new RangeError('m', { cause: 1 })",
  "Object(1)",
  "Object('a')",
  "Object(1n)",
  "new Uint8Array([1, 2])",
  "new DataView(new ArrayBuffer(2))",
  "new ArrayBuffer(3)",
  "[1, , 2]",
  "({ $type: -0 })",
]) {
  test(`a value of another realm: ${source}`, (t) => {
    t.is(canonicalJson(vm.runInNewContext(source)), canonicalJson(vm.runInThisContext(source)));
  });
}

// ---- refused ----

const refused = test.macro({
  exec(t, value: unknown, ...words: RegExp[]) {
    const error = t.throws(() => canonicalJson(value), { instanceOf: UnkeyableValueError });
    t.is(error.code, "ERR_PERMACACHE_UNKEYABLE");
    t.is(error.name, "UnkeyableValueError");
    for (const word of words) t.regex(error.message, word);
    t.notRegex(error.message, /\.\.$/);
  },
  title: (name = "") => `refused: ${name}`,
});

class Point {
  x = 1;
}
class Grid extends Float64Array {}
class List extends Array {}
class Names extends Map {}
class Moment extends Date {}
class Failure extends Error {}

test("a function", refused, () => 1, /^The value is a function.*null.*map it to data\.$/);
test("a class", refused, Point, /is a function/);
test("a symbol", refused, Symbol("s"), /is a symbol/);
test("a boxed symbol", refused, Object(Symbol("s")), /class Symbol/);
test("a symbol as key", refused, { a: { [Symbol("s")]: 1 } }, /^a has a symbol as property key/);
test("a symbol as key of an array", refused, Object.assign([1], { [Symbol("s")]: 1 }), /a symbol/);
test("a symbol as key of a Map", refused, Object.assign(new Map(), { [Symbol("s")]: 1 }), /a symbol/);
test("a symbol as key of an Error", refused, Object.assign(new Error(), { [Symbol("s")]: 1 }), /a symbol/);
test("a promise", refused, { p: Promise.resolve(1) }, /^p is a promise.*await it/);
test("a generator", refused, (function* () {})(), /is an instance of/);
test("a WeakMap", refused, new WeakMap(), /class WeakMap/);
test("a SharedArrayBuffer", refused, new SharedArrayBuffer(1), /class SharedArrayBuffer/);
test("URLSearchParams", refused, new URLSearchParams("a=1"), /class URLSearchParams/);
test(
  "an instance of a class",
  refused,
  { data: { layers: [new Point()] } },
  /^data\.layers\[0\] is an instance of class Point/,
  /\[Symbol\.for\("permacache\.key"\)\]\(\)/,
  /defineType/,
  /key function\.$/,
);
test("an instance of a class without a name", refused, new (class {})(), /a class without a name/);
test("an object that inherits from another", refused, Object.create({ a: 1 }), /is an instance of/);
test("one whose prototype names a built-in", refused, Object.create({ constructor: Object }), /is an instance of/);
test("a subclass of a typed array", refused, new Grid(1), /class Grid/);
test("a subclass of Array", refused, new List(), /class List/);
test("a subclass of Map", refused, new Names(), /class Names/);
test("a subclass of Date, in spite of toJSON", refused, new Moment(), /class Moment/);
test("a subclass of Error", refused, new Failure("m"), /class Failure/);
test(
  "a further property of an array",
  refused,
  Object.assign([1], { note: 1 }),
  /a further property \("note"\).*plain array/,
);
test("a match of a RegExp", refused, { m: /a/.exec("a") }, /^m is an array with a further property \("index"\)/);
test("a property beyond the last index", refused, Object.assign([1], { 4294967295: 1 }), /"4294967295"/);
test("a further property beside a hole", refused, Object.assign(new Array(1), { "01": 1 }), /"01"/);
test("a property of a Map", refused, Object.assign(new Map(), { note: 1 }), /is a Map with a property.*"note"/);
test("a property of a Date", refused, Object.assign(new Date(0), { note: 1 }), /is a Date with a property.*"note"/);
test("a property of a RegExp", refused, Object.assign(/a/, { note: 1 }), /is a RegExp with a property.*"note"/);
test("a property of a URL", refused, Object.assign(new URL("a:b"), { note: 1 }), /is a URL with a property.*"note"/);
test("a property of an ArrayBuffer", refused, Object.assign(new ArrayBuffer(1), { note: 1 }), /"note"/);
test("a property of a DataView", refused, Object.assign(new DataView(new ArrayBuffer(1)), { note: 1 }), /"note"/);
test("a property of a boxed number", refused, Object.assign(Object(1), { note: 1 }), /"note"/);
test("a property of a boxed string", refused, Object.assign(Object("ab"), { 7: 1 }), /"7"/);
test("a property NaN of a boxed string", refused, Object.assign(Object("ab"), { NaN: 1 }), /"NaN"/);

// Prototypes that promise what is not there.
test("no Map", refused, Object.create(Map.prototype), /cannot be read/);
test("no Set", refused, Object.create(Set.prototype), /cannot be read/);
test("no Date", refused, Object.create(Date.prototype), /cannot be read/);
test("no RegExp", refused, Object.create(RegExp.prototype), /cannot be read/);
test("no URL", refused, Object.create(URL.prototype), /cannot be read/);
test("no Error", refused, Object.create(Error.prototype), /another type/);
test("no array", refused, Object.create(Array.prototype), /another type/);
test("no Number", refused, Object.create(Number.prototype), /another type/);
test("no BigInt", refused, Object.create(BigInt.prototype), /cannot be read/);
test("no Uint8Array", refused, Object.create(Uint8Array.prototype), /another type/);
test("no Buffer", refused, Object.create(Buffer.prototype), /another type/);
test(
  "an Int8Array as Uint8Array",
  refused,
  Object.setPrototypeOf(new Int8Array(1), Uint8Array.prototype),
  /another type/,
);
test("an array as object", refused, Object.setPrototypeOf([1], null), /another type/);
test("a Date as object", refused, Object.setPrototypeOf(new Date(), Object.prototype), /another type/);
test("a Date as Map", refused, Object.setPrototypeOf(new Date(), Map.prototype), /cannot be read/);
function argumentsOf(..._: unknown[]) {
  // biome-ignore lint/complexity/noArguments: it is the case
  return arguments;
}
test("the arguments object", refused, argumentsOf(1), /another type/);
test("a module", refused, module, /./);
test("Math", refused, Math, /./);
test("a detached buffer", refused, detached(), /cannot be read/);

function detached(): Uint8Array {
  const view = new Uint8Array(8);
  structuredClone(view.buffer, { transfer: [view.buffer] });
  return view;
}

const broken = test.macro({
  exec(t, value: unknown, place: string, isCause: (cause: unknown) => boolean) {
    const error = t.throws(() => canonicalJson(value), { instanceOf: UnkeyableValueError });
    t.true(error.message.startsWith(`${place} cannot be read`), error.message);
    t.true(isCause(error.cause));
  },
  title: (name = "") => `cannot be read: ${name}`,
});

const boom = new Error("boom");
const thrower = (thrown: unknown) => ({
  enumerable: true,
  get() {
    throw thrown;
  },
});

test("a getter", broken, { a: [0, Object.defineProperty({ x: 1 }, "y", thrower(boom))] }, "a[1].y", (c) => c === boom);
test(
  "a getter that throws a RangeError",
  broken,
  Object.defineProperty({}, "y", thrower(new RangeError("r"))),
  "y",
  (c) => c instanceof RangeError,
);
test(
  "a getter that throws no error",
  broken,
  Object.defineProperty({}, "y", thrower("text")),
  "y",
  (c) => c === "text",
);
test("a getter that throws null", broken, Object.defineProperty({}, "y", thrower(null)), "y", (c) => c === null);
test(
  "a getter that throws an object without text",
  broken,
  Object.defineProperty({}, "y", thrower(Object.create(null))),
  "y",
  () => true,
);
test("a getter in an array", broken, [1, Object.defineProperty([7, 8], 1, thrower(boom))], "[1][1]", (c) => c === boom);
test(
  "a getter beside a hole",
  broken,
  { a: Object.defineProperty(new Array(3), 2, thrower(boom)) },
  "a[2]",
  (c) => c === boom,
);
test(
  "a getter of an Error",
  broken,
  { e: Object.defineProperty(new Error("m"), "code", thrower(boom)) },
  "e.code",
  (c) => c === boom,
);
test(
  "the message of an Error",
  broken,
  { e: Object.defineProperty(new Error("m"), "message", thrower(boom)) },
  "e.message",
  (c) => c === boom,
);

test("a revoked proxy", broken, { a: [revoked({})] }, "a[0]", (c) => c instanceof TypeError);
test("a revoked proxy of an array", broken, revoked([]), "The value", (c) => c instanceof TypeError);

function revoked(target: object): object {
  const { proxy, revoke } = Proxy.revocable(target, {});
  revoke();
  return proxy;
}

test("a proxy is what it shows", (t) => {
  t.is(canonicalJson(new Proxy({ a: [1, undefined] }, {})), canonicalJson({ a: [1, undefined] }));
  t.is(canonicalJson(new Proxy([1, -0], {})), canonicalJson([1, -0]));
  t.throws(() => canonicalJson(new Proxy(new Map(), {})), { instanceOf: UnkeyableValueError });
});

test("a getter is what it gives", (t) => {
  const value = {
    a: 1,
    get b() {
      return [new Date(0)];
    },
  };
  t.is(canonicalJson(value), canonicalJson({ a: 1, b: [new Date(0)] }));
});

// ---- cycles and depth ----

const self: Record<string, unknown> = { a: {} };
(self.a as Record<string, unknown>).b = [self];
test("an object in itself", refused, self, /^a\.b\[0\] refers back to an object that contains it \(a cycle\)/);
const list: unknown[] = [1];
list.push(list);
test("an array in itself", refused, list, /^\[1\] refers back/);
const map = new Map<unknown, unknown>();
map.set("k", map);
test("a Map in itself", refused, { map }, /^map\[0\]\[1\] refers back/);
const cause = new Error("m");
cause.cause = cause;
test("an Error that caused itself", refused, cause, /^cause refers back/);

function nested(levels: number, wrap: (inner: unknown) => unknown): unknown {
  let value: unknown = 1;
  for (let i = 0; i < levels; i++) value = wrap(value);
  return value;
}

// Cycles are not looked for in the same way on all levels.
for (const before of [0, 1, 30, 31, 32, 33, 34, 100]) {
  test(`cycles below ${before} levels are found where they come round first`, (t) => {
    for (const length of [1, 2, 3, 16, 31, 32, 33, 34, 100]) {
      const start: Record<string, unknown> = { first: [1] };
      start.next = nested(length - 1, (inner) => (inner === 1 ? { next: start } : { next: inner }));
      if (length === 1) start.next = start;
      const value = nested(before, (inner) => (inner === 1 ? [start] : [inner]));
      const whole = before === 0 ? start : value;
      const steps = ["[0]".repeat(before), ".next".repeat(length)].join("").replace(/^\./, "");
      const { message } = t.throws(() => canonicalJson(whole), { instanceOf: UnkeyableValueError });
      const place = message.slice(0, message.indexOf(" refers back"));
      t.is(place, before + length > 50 ? `${firstSteps(steps, 50)}...` : steps);
    }
  });

  test(`what stands twice below ${before} levels is no cycle`, (t) => {
    const twice = { a: [1] };
    const make = (first: unknown, second: unknown) => nested(before, (inner) => (inner === 1 ? [first, second, [first, { b: second }]] : [inner])); // biome-ignore format: one line
    t.is(canonicalJson(make(twice, twice)), canonicalJson(make({ a: [1] }, { a: [1] })));
  });
}

function firstSteps(place: string, count: number): string {
  return place
    .split(/(?=\[)|(?=\.)/)
    .slice(0, count)
    .join("");
}

test("a cycle through a Map, whose entries are other arrays each time, deep down", (t) => {
  for (let before = 28; before < 36; before++) {
    const map = new Map<unknown, unknown>();
    map.set("k", map);
    const value = nested(before, (inner) => [inner === 1 ? map : inner]);
    const { message } = t.throws(() => canonicalJson(value), { instanceOf: UnkeyableValueError });
    t.true(message.startsWith(`${"[0]".repeat(before)}[0][1] refers back`));
  }
});

test("a cycle in an element of a parallel argument", (t) => {
  const error = t.throws(() => canonicalArgument("xs", self, 3), { instanceOf: UnkeyableValueError });
  t.regex(error.message, /^xs\[3\]\.a\.b\[0\] refers back/);
});

const deep = test.macro({
  exec(t, wrap: (inner: unknown) => unknown) {
    t.is(canonicalJson(nested(2000, wrap)), canonicalJson(nested(2000, wrap)));
    t.not(canonicalJson(nested(2000, wrap)), canonicalJson(nested(1999, wrap)));
  },
  title: (name = "") => `${name} in ${name}: 2,000 levels`,
});
test("arrays", deep, (inner) => [inner]);
test("objects", deep, (inner) => ({ a: inner }));
test("arrays with a tag", deep, (inner) => [undefined, inner]);
test("escaped objects", deep, (inner) => ({ $type: inner }));

const tooDeep = /is nested too deeply.*key it by a part of it\.$/;
test(
  "200,000 arrays",
  refused,
  nested(200_000, (inner) => [inner]),
  tooDeep,
);
test(
  "200,000 objects",
  refused,
  nested(200_000, (inner) => ({ a: inner })),
  tooDeep,
);
test(
  "200,000 sets",
  refused,
  nested(200_000, (inner) => new Set([inner])),
  tooDeep,
);
test(
  "200,000 maps",
  refused,
  nested(200_000, (inner) => new Map([[inner, 1]])),
  tooDeep,
);
test(
  "200,000 causes",
  refused,
  nested(200_000, (cause) => new Error("m", { cause })),
  tooDeep,
);

test("the place of what is refused deep down is cut", (t) => {
  const value = nested(500, (inner) => [inner === 1 ? () => 1 : inner]);
  const error = t.throws(() => canonicalJson(value), { instanceOf: UnkeyableValueError });
  t.regex(error.message, /^(\[0\])+\.\.\. is a function/);
  t.true(error.message.length < 500);
});

test("a huge sparse array costs what it holds", (t) => {
  const sparse: unknown[] = [];
  sparse[4e9 - 1] = 1;
  sparse[7] = -0;
  t.is(canonicalJson(sparse), '{"$type":"Array","items":{"3999999999":1,"7":{"$type":"-0"}},"length":4000000000}');
  t.is(canonicalJson(new Array(2 ** 32 - 1)), '{"$type":"Array","items":{},"length":4294967295}');
});

// ---- places ----

const place = test.macro({
  exec(t, value: unknown, expected: string) {
    const error = t.throws(() => canonicalJson(value), { instanceOf: UnkeyableValueError });
    t.is(error.message.slice(0, error.message.indexOf(" is a function")), expected);
  },
  title: (_, __, expected) => `the place ${expected}`,
});
const f = () => 1;

test(place, f, "The value");
test(place, [f], "[0]");
test(place, { data: { layers: [f] } }, "data.layers[0]");
test("the place of an object beside a deeper one", refused, { a: { deep: [1] }, b: new Point() }, /^b is an instance/);
test(place, { data: { done: [{ deep: [1, 2] }, "x"], layers: [1, f] } }, "data.layers[1]");
test(place, { "a b": { "": f } }, '["a b"][""]');
test(place, { "0": f }, '["0"]');
test(place, { s: new Set([1, [f]]) }, "s[1][0]");
test(place, { m: new Map([[1, { v: f }]]) }, "m[0][1].v");
test(place, { e: new Error("m", { cause: [f] }) }, "e.cause[0]");
test(place, { e: Object.assign(new Error("m"), { detail: f }) }, "e.detail");
// biome-ignore lint/suspicious/noSparseArray: it is the case
test(place, [, { a: f }], "[1].a");
test(place, { $type: f }, "$type");

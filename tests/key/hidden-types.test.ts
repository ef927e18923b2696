import test from "ava";
import { encodeValue } from "../../src/entry/codecs.js";
import { StoreError, UnkeyableValueError } from "../../src/errors.js";
import { canonicalJson } from "../../src/key/canonical-json.js";

const MADE: Record<string, () => object> = {
  Map: () => new Map([[1, 2]]),
  Set: () => new Set([1]),
  WeakMap: () => new WeakMap(),
  WeakSet: () => new WeakSet(),
  Date: () => new Date(0),
  RegExp: () => /a/,
  Error: () => new Error("m"),
  Promise: () => Promise.resolve(1),
  "a boxed number": () => Object(1),
  "a boxed string": () => Object("ab"),
  "a boxed boolean": () => Object(true),
  "a boxed bigint": () => Object(1n),
  "a boxed symbol": () => Object(Symbol("s")),
  ArrayBuffer: () => new ArrayBuffer(2),
  SharedArrayBuffer: () => new SharedArrayBuffer(2),
  DataView: () => new DataView(new ArrayBuffer(2)),
  Uint8Array: () => new Uint8Array(2),
  Float64Array: () => new Float64Array(2),
  Buffer: () => Buffer.from("ab"),
  array: () => [1],
  generator: () => (function* () {})(),
  "an iterator of a Map": () => new Map().values(),
  "an iterator of a Set": () => new Set().values(),
};

for (const [name, make] of Object.entries(MADE)) {
  for (const prototype of [null, Object.prototype]) {
    test(`${name} with the prototype ${prototype && "of an object"} is neither keyed nor stored as an object`, (t) => {
      const value = { a: [Object.setPrototypeOf(make(), prototype)] };
      const error = t.throws(() => canonicalJson(value), { instanceOf: UnkeyableValueError });
      t.regex(error.message, /^a\[0\] cannot be read: it has the prototype of another type/);
      for (const codec of ["auto", "json"] as const) {
        t.throws(() => encodeValue(value, codec, false), { instanceOf: StoreError, message: /^a\[0\] / });
      }
    });
  }
}

test("a URL without prototype is neither keyed nor stored as an object", (t) => {
  const value = Object.setPrototypeOf(new URL("a:b"), null);
  t.throws(() => canonicalJson(value), { instanceOf: UnkeyableValueError });
  t.throws(() => encodeValue(value, "auto", false), { instanceOf: StoreError });
});

for (const name of ["Map", "Set", "Uint8Array"]) {
  test(`${name} with another prototype and a property of its own`, (t) => {
    const value = Object.assign(Object.setPrototypeOf(MADE[name]!(), Object.prototype), { note: 1 });
    t.throws(() => canonicalJson(value), { instanceOf: UnkeyableValueError });
    t.throws(() => encodeValue(value, "auto", false), { instanceOf: StoreError });
  });
}

test("a RegExp whose lastIndex is -0 has another key than one where it is 0", (t) => {
  const zero = /a/g;
  const negative = Object.assign(/a/g, { lastIndex: -0 });
  t.is(canonicalJson(zero), '{"$type":"RegExp","flags":"g","source":"a"}');
  t.is(canonicalJson(negative), '{"$type":"RegExp","flags":"g","lastIndex":{"$type":"-0"},"source":"a"}');
});

test("a RegExp is keyed by its own flags and source, not by what getters of its prototype say", (t) => {
  const value = Object.defineProperty(/a/gi, "flags", { value: "m" });
  t.is(canonicalJson(value), '{"$type":"RegExp","flags":"gi","source":"a"}');
});

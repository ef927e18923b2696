// biome-ignore-all lint/suspicious/noSparseArray: holes are values
import { runInNewContext } from "node:vm";
import test from "ava";
import { encodeValue } from "../../src/entry/codecs.js";
import { StoreError } from "../../src/errors.js";
import { defineType } from "../../src/key/registered-types.js";

const refused = test.macro({
  exec(t, make: () => unknown, ...words: string[]) {
    const value = make();
    for (const codec of ["auto", "json"] as const) {
      const error = t.throws(() => encodeValue(value, codec, false), {
        instanceOf: StoreError,
        code: "ERR_PERMACACHE_STORE",
      });
      for (const word of words) t.true(error.message.includes(word), `${word} in: ${error.message}`);
    }
  },
  title: (title = "") => `refused: ${title}`,
});

class Grid {}
class Floats extends Float64Array {}
class Registered {
  constructor(public data: unknown) {}
}
defineType(Registered, { name: "unstorable.test/Registered", encode: ({ data }) => (typeof data === "function" ? data() : data), decode: (data) => new Registered(data) }); // biome-ignore format: one line

const place = (part: unknown) => ({ data: { layers: [part] } });
const PLACE = "data.layers[0] ";
const thrower = () => {
  throw new Error("broken");
};
const hidden = <T extends object>(target: T) =>
  Object.defineProperty(target, "h", { value: 1, enumerable: false, configurable: true });
const revoked = (target: object) => {
  const { proxy, revoke } = Proxy.revocable(target, {});
  revoke();
  return proxy;
};
function transferred(buffer: ArrayBuffer): ArrayBuffer {
  structuredClone(buffer, { transfer: [buffer] });
  return buffer;
}
function nested(levels: number, wrap: (inner: unknown) => unknown): unknown {
  let value: unknown = 1;
  for (let i = 0; i < levels; i++) value = wrap(value);
  return value;
}

test("a function", refused, () => () => 1, "The value is a function");
test("a function in a value", refused, () => place(() => 1), `${PLACE}is a function`);
test("a symbol", refused, () => place(Symbol("s")), `${PLACE}is a symbol`);
test("a symbol as key", refused, () => place({ [Symbol("s")]: 1 }), `${PLACE}has a symbol`);
test("a hidden property", refused, () => place(hidden({})), `${PLACE}has a symbol or a hidden property`);
test("a class instance", refused, () => place(new Grid()), `${PLACE}is an instance of class Grid`, "defineType");
test("an object with an odd prototype", refused, () => place(Object.create({})), PLACE);
test("a boxed number", refused, () => place(Object(1)), `${PLACE}is a boxed primitive (Number)`);
test("a boxed string", refused, () => place(Object("s")), PLACE);
test("a boxed bigint", refused, () => place(Object(1n)), PLACE);
test("a boxed symbol", refused, () => place(Object(Symbol())), PLACE);
test("a promise", refused, () => place(Promise.resolve()), `${PLACE}is an instance of class Promise`);
test("a WeakMap", refused, () => place(new WeakMap()), PLACE);
test("a WeakRef", refused, () => place(new WeakRef({})), PLACE);
test("a generator", refused, () => place((function* () {})()), PLACE);
test("an iterator", refused, () => place([1].values()), PLACE);
test("arguments", refused, () => place(runInNewContext("(function () { return arguments })()")), PLACE);
test("Math", refused, () => place(Math), PLACE);
test("a Headers object", refused, () => place(new Headers()), PLACE);
test("a DOMException", refused, () => place(new DOMException("x")), PLACE);
test(
  "a subclass of Array",
  refused,
  () => place(new (class List extends Array {})()),
  `${PLACE}is an instance of class List`,
);
test("a subclass of Map", refused, () => place(new (class M extends Map {})()), PLACE);
test(
  "a subclass of Error",
  refused,
  () => place(new (class MyError extends Error {})()),
  `${PLACE}is an instance of class MyError`,
);
test("a subclass of a typed array", refused, () => place(new Floats(2)), PLACE);
test(
  "a property of an array",
  refused,
  () => place(Object.assign([1], { x: 1 })),
  `${PLACE}is an array with a further property ("x")`,
);
test("a property of an array with holes", refused, () => place(Object.assign([, 1], { x: 1 })), PLACE);
test("a property in the place of an element", refused, () => place(Object.assign(new Array(1), { "-1": 1 })), PLACE);
test("a hidden property of an array", refused, () => place(hidden([1])), PLACE);
test("a symbol of an array", refused, () => place(Object.assign([1], { [Symbol()]: 1 })), PLACE);
for (const make of [
  () => new Map(),
  () => new Set(),
  () => new Date(),
  () => /x/,
  () => new URL("a:b"),
  () => new ArrayBuffer(1),
  () => new DataView(new ArrayBuffer(1)),
  () => new Uint8Array(1),
  () => new Float64Array(0),
  () => Buffer.from("b"),
]) {
  const { name } = make().constructor;
  test(
    `a property of a ${name}`,
    refused,
    () => place(Object.assign(make(), { x: 1 })),
    `${PLACE}is a ${name} with a property of its own`,
  );
  test(`a hidden property of a ${name}`, refused, () => place(hidden(make())), `${PLACE}is a ${name} with`);
  test(
    `a symbol of a ${name}`,
    refused,
    () => place(Object.assign(make(), { [Symbol("s")]: 1 })),
    `${PLACE}is a ${name} with`,
  );
  if (name !== "RegExp")
    test(`a lastIndex of a ${name}`, refused, () => place(Object.assign(make(), { lastIndex: 1 })), PLACE);
}
test("a lastIndex that is no number", refused, () => place(Object.assign(/x/, { lastIndex: {} })), PLACE);
test(
  "a hidden property of an error",
  refused,
  () => place(hidden(new Error("e"))),
  `${PLACE}is an error with a hidden property (h)`,
);
test("a symbol of an error", refused, () => place(Object.assign(new Error("e"), { [Symbol("s")]: 1 })), PLACE);
test(
  "a function in an error",
  refused,
  () => place(new Error("e", { cause: () => 1 })),
  "data.layers[0].cause is a function",
);
test("shared memory", refused, () => place(new SharedArrayBuffer(1)), PLACE);
test(
  "a view on shared memory",
  refused,
  () => place(new Uint8Array(new SharedArrayBuffer(1))),
  `${PLACE}is backed by shared memory`,
);
test(
  "resizable memory",
  refused,
  () => place(runInNewContext("new ArrayBuffer(1, { maxByteLength: 2 })")),
  `${PLACE}is backed by a resizable`,
);
test(
  "a view on resizable memory",
  refused,
  () => place(runInNewContext("new Uint8Array(new ArrayBuffer(1, { maxByteLength: 2 }))")),
  PLACE,
);
test("memory that was transferred", refused, () => place(transferred(new ArrayBuffer(1))), PLACE);
test("a getter that throws", refused, () => place(Object.defineProperty({}, "x", { get: thrower, enumerable: true })), "data.layers[0].x cannot be read", "broken"); // biome-ignore format: one line
test("a getter that throws a RangeError", refused, () => place(Object.defineProperty({}, "x", { get: () => new Array(-1), enumerable: true })), "data.layers[0].x cannot be read"); // biome-ignore format: one line
test("a revoked proxy", refused, () => place(revoked({})), PLACE);
test("a revoked proxy of an array", refused, () => place(revoked([])), PLACE);
test("a proxy of a Map", refused, () => place(new Proxy(new Map(), {})), PLACE);
test("a proxy that throws", refused, () => place(new Proxy({}, { ownKeys: thrower })), PLACE);
test("a Map that is none", refused, () => place(Object.create(Map.prototype)), PLACE);
test("a key of a Map", refused, () => place(new Map([[() => 1, 1]])), "data.layers[0][0] is a function");
test("a value of a Map", refused, () => place(new Map<unknown, unknown>([[1, 1], [2, () => 1]])), "data.layers[0][1] is a function"); // biome-ignore format: one line
test("a member of a Set", refused, () => place(new Set([1, Symbol()])), "data.layers[0][1] is a symbol");
test("the second of two places", refused, () => [{ a: 1 }, { b: { c: 2 } }, () => 1], "[2] is a function");
test("a place with odd names", refused, () => ({ "a b": { "": () => 1 } }), '["a b"][""] is a function');
test(
  "an encode that throws",
  refused,
  () => place(new Registered(thrower)),
  "data.layers[0].encode() cannot be read",
  "broken",
);
test(
  "an encode that gives a function",
  refused,
  () => place(new Registered([() => 1])),
  "data.layers[0].encode()[0] is a function",
);
test("a cycle through a registered instance", refused, () => {
  const instance = new Registered([]);
  (instance.data as unknown[]).push({ back: instance });
  return place(instance);
}, "data.layers[0].encode()[0].back refers back to an instance of a registered type"); // biome-ignore format: one line
test("an instance that encodes to itself", refused, () => {
  const instance = new Registered(0);
  instance.data = instance;
  return instance;
}, "refers back"); // biome-ignore format: one line
test("200,000 arrays in each other", refused, () => nested(200_000, (inner) => [inner]), "is nested too deeply");
test("200,000 objects in each other", refused, () => nested(200_000, (a) => ({ a })), "is nested too deeply");
test("200,000 Maps in each other", refused, () => nested(200_000, (a) => new Map([[a, 1]])), "is nested too deeply");
test(
  "200,000 errors in each other",
  refused,
  () => nested(200_000, (cause) => new Error("e", { cause })),
  "is nested too deeply",
);
test(
  "200,000 registered instances in each other",
  refused,
  () => nested(200_000, (a) => new Registered(a)),
  "is nested too deeply",
);

test("a refused value has the error of its getter as cause", (t) => {
  const cause = new Error("mine");
  const value = Object.defineProperty({}, "x", { get() { throw cause; }, enumerable: true }); // biome-ignore format: one line
  t.is(t.throws(() => encodeValue(value, "auto", false)).cause, cause);
});

import test from "ava";
import { UnkeyableValueError } from "../../src/errors.js";
import { canonicalJson } from "../../src/key/canonical-json.js";

/** An object whose getters count how often they are read. */
function counted(values: Record<string, unknown>): { object: object; reads: Record<string, number> } {
  const reads: Record<string, number> = {};
  const object = {};
  for (const [key, value] of Object.entries(values)) {
    reads[key] = 0;
    const get = () => {
      reads[key]!++;
      return value;
    };
    Object.defineProperty(object, key, { get, enumerable: true });
  }
  return { object, reads };
}

test("a key reads each property of an object once, beside tags too", (t) => {
  const { object, reads } = counted({ a: 1, b: undefined, c: { d: [1n] }, e: "x" });
  t.is(canonicalJson(object), canonicalJson({ a: 1, b: undefined, c: { d: [1n] }, e: "x" }));
  t.deepEqual(reads, { a: 1, b: 1, c: 1, e: 1 });
});

test("a getter that changes gives the key what it gave first", (t) => {
  let count = 0;
  const value = { a: 1, get b() { return ++count; }, c: -0 }; // biome-ignore format: one line
  t.is(canonicalJson(value), canonicalJson({ a: 1, b: 1, c: -0 }));
});

test("a getter that turns into what JSON lacks", (t) => {
  let count = 0;
  const value = { get x() { return count++ === 0 ? 1 : Number.NaN; } }; // biome-ignore format: one line
  t.is(canonicalJson(value), '{"x":1}');
});

test("a getter that changes what was read before it", (t) => {
  const value = { a: { x: 1 as unknown, list: [1, 2] as unknown[] }, get b() { return 2; } }; // biome-ignore format: one line
  Object.defineProperty(value, "b", { enumerable: true, get: () => { value.a.x = Number.NaN; value.a.list.length = 0; return 2; } }); // biome-ignore format: one line
  const late = { b: { get c() { value.a.x = undefined; return 1; } } }; // biome-ignore format: one line
  const text = canonicalJson([value.a, late]);
  t.is(text, '[{"list":[1,2],"x":1},{"b":{"c":1}}]');
});

test("a proxy is asked once for each of its properties", (t) => {
  for (const target of [{ a: 1, b: undefined }, [1, undefined, 3]]) {
    const reads: PropertyKey[] = [];
    const proxy = new Proxy(target, {
      get(of, key) {
        reads.push(key);
        return Reflect.get(of, key);
      },
    });
    t.is(canonicalJson(proxy), canonicalJson(target));
    t.deepEqual(reads.filter((key) => typeof key === "string" && key !== "length"), Object.keys(target)); // biome-ignore format: one line
  }
});

test("an element, and what an Error has, are read once", (t) => {
  let count = 0;
  const getter = { enumerable: true, configurable: true, get: () => (count++ === 0 ? "first" : 1n) };
  for (const value of [[0, 0], new Array(3), new Error("m"), Object.assign(new Error("m"), { code: 1 })]) {
    count = 0;
    Object.defineProperty(
      value,
      Array.isArray(value) ? 1 : value.message && "code" in value ? "code" : "cause",
      getter,
    );
    t.true(canonicalJson(value).includes('"first"'));
    t.is(count, 1);
  }
});

test("a getter that throws once only is refused at the place of its object", (t) => {
  let count = 0;
  const boom = new Error("boom");
  const value = { a: { get b() { if (count++ === 0) throw boom; return 1; } } }; // biome-ignore format: one line
  const error = t.throws(() => canonicalJson(value), { instanceOf: UnkeyableValueError });
  t.is(error.message, "a cannot be read: boom.");
  t.is(error.cause, boom);
});

test("a getter that throws what throws when it is looked at", (t) => {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  const hostile = new Proxy({}, { get() { throw proxy; }, getPrototypeOf() { throw proxy; } }); // biome-ignore format: one line
  const value = { a: { get b() { throw hostile; } } }; // biome-ignore format: one line
  const error = t.throws(() => canonicalJson(value), { instanceOf: UnkeyableValueError });
  t.regex(error.message, /^a\.b cannot be read/);
  t.is(error.cause, hostile);
  t.throws(() => canonicalJson({ x: proxy }), { instanceOf: UnkeyableValueError, message: /^x cannot be read/ });
});

for (const trap of ["ownKeys", "getOwnPropertyDescriptor", "getPrototypeOf", "get"] as const) {
  test(`a proxy whose trap ${trap} throws`, (t) => {
    const boom = new Error("boom");
    for (const target of [{ a: 1 }, [1]]) {
      const proxy = new Proxy(target, { [trap]: () => { throw boom; } }); // biome-ignore format: one line
      const error = t.throws(() => canonicalJson({ p: [proxy] }), { instanceOf: UnkeyableValueError });
      t.regex(error.message, /^p\[0\].* cannot be read: boom\.$/);
      t.is(error.cause, boom);
    }
  });
}

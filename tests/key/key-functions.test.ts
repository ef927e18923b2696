import { createHash } from "node:crypto";
import test from "ava";
import { OptionError, UnkeyableValueError } from "../../src/errors.js";
import { canonicalJson, dropIf, dropIfEqual, stableHash, str } from "../../src/key/index.js";

// ---- stableHash ----

for (const value of [
  1,
  "ü",
  null,
  undefined,
  { b: [1], a: -0 },
  new Map([[1, new Set([2])]]),
  "\ud800",
  Buffer.alloc(9),
]) {
  const text = canonicalJson(value);
  test(`stableHash is the SHA-256 of ${text}`, (t) => {
    t.regex(stableHash(value), /^[0-9a-f]{64}$/);
    t.is(stableHash(value), createHash("sha256").update(text, "utf8").digest("hex"));
  });
}

test("stableHash refuses what has no canonical JSON, and says where", (t) => {
  t.throws(() => stableHash({ layers: [() => 1] }), {
    instanceOf: UnkeyableValueError,
    message: /^layers\[0\] is a function/,
  });
});

// ---- str ----

const text = test.macro({
  exec: (t, value: unknown, expected: string) => t.is(str(value), expected),
  title: (name, _, expected) => `str: ${name ?? expected}`,
});
test(text, "a", "a");
test(text, "", "");
test(text, 1.5, "1.5");
test(text, null, "null");
test(text, undefined, "undefined");
test(text, 12n, "12");
test(text, true, "true");
test(text, new URL("http://a/b"), "http://a/b");
test(text, /a/g, "/a/g");
test(text, new TypeError("m"), "TypeError: m");
test("a class with toString", text, { toString: () => "Point(1)" }, "Point(1)");
test("a class with Symbol.toPrimitive", text, { [Symbol.toPrimitive]: () => "p" }, "p");
test("a text of its own that looks like an inherited one", text, { toString: () => "[object 17]" }, "[object 17]");
test("a string that looks like one", text, "[object Object]", "[object Object]");

const noText = test.macro({
  exec(t, value: unknown) {
    const error = t.throws(() => str(value), { instanceOf: UnkeyableValueError });
    t.is(error.code, "ERR_PERMACACHE_UNKEYABLE");
    t.regex(error.message, /stableHash/);
  },
  title: (name = "") => `str refuses ${name}`,
});
test("an array", noText, [1, 2]);
test("an empty array", noText, []);
test("a subclass of Array", noText, new (class List extends Array {})());
test("a plain object", noText, { a: 1 });
test("an object without prototype", noText, Object.create(null));
test("a Map", noText, new Map());
test("an ArrayBuffer", noText, new ArrayBuffer(1));
test("a class without toString", noText, new (class Point {})());
test("a class with Symbol.toStringTag only", noText, { [Symbol.toStringTag]: "Point" });
test("a promise", noText, Promise.resolve());
test("a revoked proxy", noText, revoked());

function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

test("str: a toString that throws is the cause", (t) => {
  const boom = new Error("boom");
  const value = {
    toString() {
      throw boom;
    },
  };
  t.is(t.throws(() => str(value), { instanceOf: UnkeyableValueError }).cause, boom);
});

// ---- dropIf: how they stand in the key of a call is told in call-key.test.ts ----

test("dropIf, called by itself, gives the mapped value, and undefined where it drops", (t) => {
  t.is(dropIf((x: number) => x === 0)(0), undefined);
  t.is(dropIf((x: number) => x === 0)(2), 2);
  t.is(dropIf((x: number) => x === 0, String)(2), "2");
  t.is(dropIfEqual([0])([0]), undefined);
  t.is(dropIfEqual([0], String)([1]), "1");
});

for (const [name, make] of Object.entries({
  "a test that is no function": () => dropIf(1 as never),
  "a mapper that is no function": () => dropIf(() => true, 1 as never),
  "a mapper of dropIfEqual that is no function": () => dropIfEqual(1, 1 as never),
})) {
  test(`refused at once: ${name}`, (t) => {
    t.throws(make, { instanceOf: OptionError, code: "ERR_PERMACACHE_OPTION" });
  });
}

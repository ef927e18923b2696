import test from "ava";
import fc from "fast-check";
import { createCallKey, type KeyFunctions } from "../../src/call/key.js";
import { OptionError, UnkeyableValueError } from "../../src/errors.js";
import { canonicalJson, dropIf, dropIfEqual, stableHash, str } from "../../src/key/index.js";

/** The key of a call of `f`, for arguments given by name. */
function keyOf(bound: Record<string, unknown>, keyFunction?: KeyFunctions, self?: unknown): string {
  return createCallKey("f(...)", Object.keys(bound), keyFunction).of(Object.values(bound), self);
}

const key = test.macro({
  exec(t, bound: Record<string, unknown>, keyFunction: KeyFunctions | undefined, expected: string) {
    t.is(keyOf(bound, keyFunction), expected);
    t.notThrows(() => JSON.parse(expected));
  },
  title: (name, _, __, expected) => `${name ?? "the key"}: ${expected}`,
});

// ---- without transforms ----

test("no parameters", key, {}, undefined, "{}");
test("names are sorted", key, { y: 2, x: 1, Z: 3 }, undefined, '{"Z":3,"x":1,"y":2}');
test(
  "values are tagged",
  key,
  { x: -0, y: [undefined], z: 1n },
  undefined,
  `{"x":{"$type":"-0"},"y":[{"$type":"undefined"}],"z":{"$type":"bigint","value":"1"}}`,
);
test("an omitted parameter is not there", key, { x: 1, y: undefined }, undefined, '{"x":1}');
test("null is there", key, { x: null }, undefined, '{"x":null}');
test("text is quoted", key, { x: 'a"\ud800' }, undefined, '{"x":"a\\"\\ud800"}');
test(
  "a parameter $type is escaped",
  key,
  { $type: 1, x: 2 },
  undefined,
  '{"$type":"object","value":{"$type":1,"x":2}}',
);
test("an omitted parameter $type is not", key, { $type: undefined, x: 2 }, undefined, '{"x":2}');
test("a parameter __proto__", key, { ["__proto__"]: 1, x: 2 }, undefined, '{"__proto__":1,"x":2}');
test(
  "parameters like members of Object.prototype",
  key,
  { constructor: 1, toString: 2 },
  undefined,
  '{"constructor":1,"toString":2}',
);

test("it is the canonical JSON of the arguments by name", (t) => {
  const names = fc.uniqueArray(fc.constantFrom("x", "y", "$type", "__proto__", "constructor", "Z", "é", "_", "toJSON"));
  const values = fc.oneof(
    fc.anything({ withBigInt: true, withDate: true, withMap: true, withSet: true }),
    fc.constant(-0),
  );
  fc.assert(
    fc.property(names, fc.infiniteStream(values), (names, stream) => {
      const named: Record<string, unknown> = Object.create(null);
      for (const name of names) named[name] = stream.next().value;
      const given = Object.fromEntries(Object.entries(named).filter(([, value]) => value !== undefined));
      t.is(createCallKey("f", names).of(Object.values(named), undefined), canonicalJson(given));
    }),
  );
});

// ---- transforms ----

test("stableHash", key, { x: { b: [1], a: 2 } }, { x: stableHash }, `{"x":"${stableHash({ a: 2, b: [1] })}"}`);
test("str", key, { x: 12, y: new URL("a:b") }, { x: str, y: str }, '{"x":"12","y":"a:b"}');
test("null", key, { x: () => 1, y: 2 }, { x: null }, '{"x":null,"y":2}');
test("null, omitted", key, { x: undefined, y: 2 }, { x: null }, '{"x":null,"y":2}');
test("any function", key, { x: new Set([3]) }, { x: (set) => [...set] }, '{"x":[3]}');
test("a function that gives undefined", key, { x: 1, y: 2 }, { x: () => undefined }, '{"y":2}');
test("a function that gives null", key, { x: 1 }, { x: () => null }, '{"x":null}');
test(
  "what a function gives is tagged",
  key,
  { x: 1 },
  { x: () => ({ $type: -0 }) },
  '{"x":{"$type":"object","value":{"$type":{"$type":"-0"}}}}',
);
test(
  "the order of a Map where it matters",
  key,
  {
    m: new Map([
      ["b", 1],
      ["a", 2],
    ]),
  },
  { m: (m) => [...m] },
  '{"m":[["b",1],["a",2]]}',
);
test("an undefined transform is none", key, { x: 1 }, { x: undefined }, '{"x":1}');
test("a transform of __proto__", key, { ["__proto__"]: 1 }, { ["__proto__"]: (x: number) => x + 1 }, '{"__proto__":2}');
test("a transform of $type", key, { $type: 1 }, { $type: null }, '{"$type":"object","value":{"$type":null}}');
test("no transform is inherited", key, { constructor: 1, toString: 2 }, {}, '{"constructor":1,"toString":2}');

test("any function is not called for an omitted parameter", (t) => {
  const never = () => t.fail();
  t.is(keyOf({ x: undefined, y: undefined, z: undefined }, { x: never, y: stableHash, z: str }), "{}");
});

test("dropIf: dropped", key, { x: 1, t: 5 }, { t: dropIf((t) => t > 3) }, '{"x":1}');
test("dropIf: kept", key, { x: 1, t: 2 }, { t: dropIf((t) => t > 3) }, '{"t":2,"x":1}');
test(
  "dropIf: mapped",
  key,
  { t: [2] },
  {
    t: dropIf(
      (t) => t === 0,
      ([t]) => t,
    ),
  },
  '{"t":2}',
);
test(
  "dropIf: mapped to undefined is not dropped",
  key,
  { t: 1 },
  {
    t: dropIf(
      () => false,
      () => undefined,
    ),
  },
  '{"t":{"$type":"undefined"}}',
);
test("dropIf: omitted", key, { t: undefined }, { t: dropIf((t) => t === 0) }, '{"t":{"$type":"undefined"}}');
test(
  "dropIf: omitted is not mapped",
  key,
  { t: undefined },
  {
    t: dropIf(
      (t) => t === 0,
      (t) => t.id,
    ),
  },
  '{"t":{"$type":"undefined"}}',
);
test("dropIf: omitted and dropped", key, { t: undefined }, { t: dropIf((t) => t === undefined) }, "{}");
test("dropIfEqual: dropped", key, { x: 1, t: 0 }, { t: dropIfEqual(0) }, '{"x":1}');
test("dropIfEqual: kept", key, { x: 1, t: "0" }, { t: dropIfEqual(0) }, '{"t":"0","x":1}');
test("dropIfEqual: mapped", key, { t: 3 }, { t: dropIfEqual(0, (t) => t * 2) }, '{"t":6}');
test("dropIfEqual: omitted", key, { t: undefined }, { t: dropIfEqual(0) }, '{"t":{"$type":"undefined"}}');
test("dropIfEqual: omitted, and equal", key, { t: undefined }, { t: dropIfEqual(undefined) }, "{}");
test("dropIfEqual: -0 is not 0", key, { t: -0 }, { t: dropIfEqual(0) }, '{"t":{"$type":"-0"}}');
test("dropIfEqual: NaN is NaN", key, { t: Number.NaN }, { t: dropIfEqual(Number.NaN) }, "{}");
test(
  "dropIfEqual: by structure",
  key,
  { t: { b: new Set([2, 1]), a: [1n] } },
  { t: dropIfEqual({ a: [1n], b: new Set([1, 2]) }) },
  "{}",
);
test("dropIfEqual: not by structure", key, { t: { a: 1 } }, { t: dropIfEqual({ a: [1] }) }, '{"t":{"a":1}}');
test("dropIfEqual: a function is itself", key, { t: Math.max }, { t: dropIfEqual(Math.max) }, "{}");
test("dropIfEqual: and no other", key, { t: Math.min }, { t: dropIfEqual(Math.max, (t) => t.name) }, '{"t":"min"}');
test(
  "dropIfEqual: mapped though it has no text",
  key,
  { t: Math.max },
  { t: dropIfEqual(0, (t) => t.name) },
  '{"t":"max"}',
);

test("dropIfEqual compares with the value as it was", (t) => {
  const value = [1];
  const transform = dropIfEqual(value);
  value.push(2);
  t.is(keyOf({ t: [1] }, { t: transform }), "{}");
});

test("a parameter added later keeps the entries made before", (t) => {
  t.is(keyOf({ x: 1, added: false }, { added: dropIfEqual(false) }), keyOf({ x: 1 }));
  t.not(keyOf({ x: 1, added: true }, { added: dropIfEqual(false) }), keyOf({ x: 1 }));
});

// ---- the whole call ----

test("one function of all arguments", key, { x: 1, y: [2] }, ({ x, y }) => [x, y], "[1,[2]]");
test("one function that passes them on", key, { y: 2, x: 1 }, (bound) => bound, '{"x":1,"y":2}');
test("one function: omitted ones are not there", key, { x: 1, y: undefined }, (bound) => Object.keys(bound), '["x"]');
test("one function: __proto__ is a name", key, { ["__proto__"]: 1 }, (bound) => Object.keys(bound), '["__proto__"]');
test("one function that gives undefined", key, { x: 1 }, () => undefined, '{"$type":"undefined"}');
test("one function that gives a text", key, { x: 1 }, ({ x }) => `v${x}`, '"v1"');

// ---- this ----

const receiver = { id: 7, size: 1 };

test("`this` is not in the key unless it is asked for", (t) => {
  t.is(keyOf({ x: 1 }, {}, receiver), '{"x":1}');
});
test("`this` by a transform, sorted among the names", (t) => {
  const keyFunction = { this: (self: typeof receiver) => self.id };
  t.is(keyOf({ x: 1, a: 2 }, keyFunction, receiver), '{"a":2,"this":7,"x":1}');
});
test("`this` ignored", (t) => {
  t.is(keyOf({ x: 1 }, { this: null }, receiver), '{"this":null,"x":1}');
  t.is(keyOf({ x: 1 }, { this: null }, undefined), '{"this":null,"x":1}');
});
test("`this` as its hash", (t) => {
  t.is(keyOf({}, { this: stableHash }, receiver), `{"this":"${stableHash(receiver)}"}`);
});
test("`this` left out", (t) => {
  t.is(keyOf({ x: 1 }, { this: () => undefined }, receiver), '{"x":1}');
});
test("`this` that cannot be keyed is named", (t) => {
  t.throws(() => keyOf({}, { this: (self: object) => self }, { a: [new (class Model {})()] }), {
    instanceOf: UnkeyableValueError,
    message: /^this\.a\[0\] is an instance of class Model/,
  });
});

// ---- errors ----

const badOption = test.macro({
  exec(t, keyFunction: unknown, message: RegExp) {
    t.throws(() => createCallKey("load(x, y)", ["x", "y"], keyFunction as KeyFunctions), {
      instanceOf: OptionError,
      code: "ERR_PERMACACHE_OPTION",
      message,
    });
  },
  title: (name = "") => `refused at once: ${name}`,
});
test(
  "a name that is no parameter",
  badOption,
  { z: null },
  /"z" is not a parameter of load\(x, y\); its parameters are x, y\./,
);
test("a name that every object has", badOption, { toString: null }, /"toString" is not a parameter/);
test("__proto__ that is no parameter", badOption, { ["__proto__"]: null }, /"__proto__" is not a parameter/);
test(
  "a transform that is no function",
  badOption,
  { x: "id" },
  /the transform of "x" must be a function or null, not string/,
);
test("a transform of this that is no function", badOption, { this: 1 }, /the transform of "this" must be/);

test("a parameter that is called this cannot be told from the receiver", (t) => {
  t.throws(() => createCallKey("f({ this: self })", ["this"], { this: null }), {
    instanceOf: OptionError,
    message: /receiver/,
  });
  t.is(keyOf({ this: 1 }), '{"this":1}');
});

const unkeyable = test.macro({
  exec(t, bound: Record<string, unknown>, keyFunction: KeyFunctions | undefined, message: RegExp) {
    t.throws(() => keyOf(bound, keyFunction), {
      instanceOf: UnkeyableValueError,
      code: "ERR_PERMACACHE_UNKEYABLE",
      message,
    });
  },
  title: (name = "") => `has no key: ${name}`,
});
test("an argument", unkeyable, { x: 1, callback: () => 1 }, undefined, /^callback is a function/);
test(
  "inside an argument",
  unkeyable,
  { data: { layers: [{ done: 1 }, Symbol("s")] } },
  undefined,
  /^data\.layers\[1\] is a symbol/,
);
test("what a transform gives", unkeyable, { data: 1 }, { data: () => ({ a: () => 1 }) }, /^data\.a is a function/);
test("what dropIf keeps", unkeyable, { data: () => 1 }, { data: dropIf(() => false) }, /^data is a function/);
test(
  "what the mapper of dropIf gives",
  unkeyable,
  { data: 1 },
  {
    data: dropIf(
      () => false,
      () => [() => 1],
    ),
  },
  /^data\[0\] is a function/,
);
test(
  "what stableHash is given",
  unkeyable,
  { data: { layers: [() => 1] } },
  { data: stableHash },
  /^data: layers\[0\] is a function/,
);
test("an array for str", unkeyable, { data: [1] }, { data: str }, /^data: str: .*stableHash/);
test("what the whole function gives", unkeyable, { data: 1 }, () => [() => 1], /^\[0\] is a function/);
test("a promise that a transform gives", unkeyable, { data: 1 }, { data: async (x) => x }, /^data is a promise.*await/);
test("an argument in itself", unkeyable, { data: cyclic() }, undefined, /^data\.self refers back/);

function cyclic(): object {
  const object: Record<string, unknown> = {};
  object.self = object;
  return object;
}

test("an error of a transform passes through as it is", (t) => {
  const boom = new RangeError("boom");
  const thrower = () => {
    throw boom;
  };
  t.is(
    t.throws(() => keyOf({ x: 1 }, { x: thrower })),
    boom,
  );
  t.is(
    t.throws(() => keyOf({ x: 1 }, { x: dropIf(thrower) })),
    boom,
  );
  t.is(
    t.throws(() => keyOf({ x: 1 }, thrower)),
    boom,
  );
});

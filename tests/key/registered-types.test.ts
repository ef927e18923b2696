import test from "ava";
import { OptionError, UnkeyableValueError } from "../../src/errors.js";
import { canonicalJson, defineType, keySymbol } from "../../src/key/index.js";
import { definitionNamed } from "../../src/key/registered-types.js";

class Point {
  constructor(
    readonly x: number,
    readonly y: number,
  ) {}
}

const codec = {
  encode: (p: Point) => ({ x: p.x, y: p.y }),
  decode: (d: { x: number; y: number }) => new Point(d.x, d.y),
};

// ---- classes that say it themselves ----

test("keySymbol is a registered symbol", (t) => {
  t.true(keySymbol === Symbol.for("permacache.key"));
});

const texts = test.macro({
  exec: (t, value: unknown, text: string) => t.is(canonicalJson(value), text),
  title: (name = "") => name,
});

class Keyed {
  constructor(readonly data: unknown) {}
  [keySymbol]() {
    return this.data;
  }
  toJSON() {
    return "not this";
  }
}
class SubKeyed extends Keyed {}
class Grid extends Float64Array {
  [keySymbol]() {
    return [...this];
  }
}
class Money {
  constructor(readonly cents: bigint) {}
  toJSON() {
    return this.cents;
  }
}

test(
  "[keySymbol]() with the name of the class",
  texts,
  new Keyed([1, -0]),
  '{"$type":"class Keyed","value":[1,{"$type":"-0"}]}',
);
test(
  "[keySymbol]() may give undefined",
  texts,
  new Keyed(undefined),
  '{"$type":"class Keyed","value":{"$type":"undefined"}}',
);
test("[keySymbol]() is inherited, the name is not", texts, new SubKeyed(1), '{"$type":"class SubKeyed","value":1}');
test("[keySymbol]() serves a subclass of a built-in", texts, Grid.of(1, 2), '{"$type":"class Grid","value":[1,2]}');
test(
  "[keySymbol]() of a class without a name",
  texts,
  new (class {
    [keySymbol]() {
      return 1;
    }
  })(),
  '{"$type":"class ","value":1}',
);
test("toJSON()", texts, new Money(5n), '{"$type":"class Money","value":{"$type":"bigint","value":"5"}}');
test(
  "toJSON() of one that holds others",
  texts,
  [new Money(1n), new Keyed(new Money(2n))],
  '[{"$type":"class Money","value":{"$type":"bigint","value":"1"}},{"$type":"class Keyed","value":{"$type":"class Money","value":{"$type":"bigint","value":"2"}}}]',
);

test("an instance is not its data, and not of another class with the same", (t) => {
  const others = [new Keyed(1), new SubKeyed(1), 1, { $type: "class Keyed", value: 1 }];
  t.is(new Set(others.map(canonicalJson)).size, others.length);
});

test("a class called like a built-in does not pass for it", (t) => {
  const Fake = {
    Date: class Date {
      toJSON() {
        return "1970-01-01T00:00:00.000Z";
      }
    },
  }.Date;
  t.is(canonicalJson(new Fake()), '{"$type":"class Date","value":"1970-01-01T00:00:00.000Z"}');
});

const refused = test.macro({
  exec(t, value: unknown, message: RegExp) {
    t.throws(() => canonicalJson({ data: [value] }), { instanceOf: UnkeyableValueError, message });
  },
  title: (name = "") => `refused: ${name}`,
});

class t {
  toJSON() {
    return 1;
  }
}
class ab extends t {}
class abc extends ab {}
test("toJSON() of a class with a name of one letter", refused, new t(), /^data\[0\] is an instance of class t,/);
test("toJSON() of a class with a name of two letters", refused, new ab(), /^data\[0\] is an instance of class ab,/);
test("toJSON() of a class with a name of three letters", texts, new abc(), '{"$type":"class abc","value":1}');
test(
  "toJSON() of a class without a name",
  refused,
  new (class {
    toJSON() {
      return 1;
    }
  })(),
  /a class without a name/,
);
test(
  "toJSON() of a subclass of a built-in",
  refused,
  new (class Tags extends Set {
    toJSON() {
      return [...this];
    }
  })(),
  /class Tags/,
);
test("what [keySymbol]() gives", refused, new Keyed({ a: () => 1 }), /^data\[0\]\.keySymbol\(\)\.a is a function/);
test(
  "[keySymbol]() that gives the instance",
  refused,
  new (class Self {
    [keySymbol]() {
      return this;
    }
  })(),
  /^data\[0\]\.keySymbol\(\) refers back/,
);
test(
  "[keySymbol]() that never ends",
  refused,
  new (class Endless {
    [keySymbol]() {
      return new Keyed(new (this.constructor as any)());
    }
  })(),
  /nested too deeply/,
);
test("toJSON as text", refused, { __proto__: { toJSON: "text" } }, /is an instance of/);

test("an error of a method is the cause", (t) => {
  const boom = new Error("boom");
  class Broken {
    [keySymbol]() {
      throw boom;
    }
  }
  const error = t.throws(() => canonicalJson({ a: new Broken() }), {
    instanceOf: UnkeyableValueError,
    message: /^a cannot be read: boom\.$/,
  });
  t.is(error.cause, boom);
});

// ---- defineType ----

test("a registered class stands under its name", (t) => {
  class Vector extends Point {}
  t.throws(() => canonicalJson([new Vector(1, 2)]), { message: /defineType/ });
  defineType(Vector, { ...codec, name: "geo/vector", decode: (d) => new Vector(d.x, d.y) });
  t.is(canonicalJson([new Vector(1, -0)]), '[{"$type":"type geo/vector","value":{"x":1,"y":{"$type":"-0"}}}]');
});

test("a registration is for exactly that class", (t) => {
  class Base extends Point {}
  class Derived extends Base {}
  defineType(Base, { ...codec, name: "Base" });
  t.throws(() => canonicalJson(new Derived(1, 2)), { instanceOf: UnkeyableValueError, message: /class Derived/ });
});

test("first [keySymbol](), then the registration, then toJSON()", (t) => {
  class Both extends Keyed {}
  defineType(Both, { name: "Both", encode: () => "registered", decode: () => new Both(1) });
  t.is(canonicalJson(new Both(1)), '{"$type":"class Both","value":1}');
  class Price extends Money {}
  defineType(Price, { name: "Price", encode: (p) => Number(p.cents), decode: (n: number) => new Price(BigInt(n)) });
  t.is(canonicalJson(new Price(3n)), '{"$type":"type Price","value":3}');
});

test("a registered name is not a class name", (t) => {
  class Coin extends Money {}
  const before = canonicalJson(new Coin(1n));
  defineType(Coin, { name: "Coin", encode: (c) => c.cents, decode: (c: bigint) => new Coin(c) });
  t.is(before, '{"$type":"class Coin","value":{"$type":"bigint","value":"1"}}');
  t.not(canonicalJson(new Coin(1n)), before);
});

test("subclasses of built-ins, with short names, can be registered", (t) => {
  class B extends Map<string, number> {}
  defineType(B, { name: "Bag", encode: (b) => [...b], decode: (entries: [string, number][]) => new B(entries) });
  t.is(canonicalJson(new B([["a", 1]])), '{"$type":"type Bag","value":[["a",1]]}');
});

test("what encode() gives is refused with its place", (t) => {
  class Job {}
  defineType(Job, { name: "Job", encode: () => ({ run: () => 1 }), decode: () => new Job() });
  t.throws(() => canonicalJson({ a: new Job() }), { message: /^a\.encode\(\)\.run is a function/ });
});

test("a class may be registered again, under its name or another", (t) => {
  class Again extends Point {}
  defineType(Again, { ...codec, name: "Again" });
  defineType(Again, { ...codec, name: "Again", encode: (p) => ({ ...codec.encode(p), y: 9 }) });
  t.is(canonicalJson(new Again(1, 2)), '{"$type":"type Again","value":{"x":1,"y":9}}');
  defineType(Again, { ...codec, name: "AgainNew", aliases: ["Again"] });
  t.is(canonicalJson(new Again(1, 2)), '{"$type":"type AgainNew","value":{"x":1,"y":2}}');
  t.is(definitionNamed("Again"), definitionNamed("AgainNew"));
});

test("a name that a class gave up is free again", (t) => {
  class Old extends Point {}
  class New extends Point {}
  defineType(Old, { ...codec, name: "Freed" });
  defineType(Old, { ...codec, name: "Other" });
  t.is(definitionNamed("Freed"), undefined);
  t.notThrows(() => defineType(New, { ...codec, name: "Freed" }));
});

test("one name for two classes is refused, aliases included, and changes nothing", (t) => {
  class First extends Point {}
  class Second extends Point {}
  defineType(First, { ...codec, name: "First", aliases: ["Erst"] });
  const clash = { instanceOf: OptionError, code: "ERR_PERMACACHE_OPTION", message: /belongs to another class already/ };
  t.throws(() => defineType(Second, { ...codec, name: "First" }), clash);
  t.throws(() => defineType(Second, { ...codec, name: "Erst" }), clash);
  t.throws(() => defineType(Second, { ...codec, name: "Second", aliases: ["First"] }), clash);
  t.throws(() => defineType(Second, { ...codec, name: "Second", aliases: ["Erst"] }), clash);
  t.throws(() => canonicalJson(new Second(1, 2)), { instanceOf: UnkeyableValueError });
  t.is(definitionNamed("Second"), undefined);
});

const badDefinition = test.macro({
  exec(t, type: unknown, definition: unknown, message: RegExp) {
    t.throws(() => defineType(type as typeof Point, definition as never), {
      instanceOf: OptionError,
      code: "ERR_PERMACACHE_OPTION",
      message,
    });
  },
  title: (name = "") => `defineType refuses ${name}`,
});
test("an instance for a class", badDefinition, new Point(1, 2), { ...codec, name: "P" }, /must be a class/);
test("nothing for a class", badDefinition, undefined, { ...codec, name: "P" }, /must be a class/);
test("a function that is no class", badDefinition, () => 1, { ...codec, name: "P" }, /must be a class/);
test("no definition", badDefinition, Point, undefined, /name/);
test("no name", badDefinition, Point, codec, /name/);
test("an empty name", badDefinition, Point, { ...codec, name: "" }, /name/);
test("no encode", badDefinition, Point, { name: "P", decode: codec.decode }, /encode/);
test("no decode", badDefinition, Point, { name: "P", encode: codec.encode }, /decode/);
test("aliases that are no array", badDefinition, Point, { ...codec, name: "P", aliases: "Q" }, /aliases/);
test("an empty alias", badDefinition, Point, { ...codec, name: "P", aliases: [""] }, /aliases/);
test("Object", badDefinition, Object, { ...codec, name: "P" }, /Object is built in/);
test("Date", badDefinition, Date, { ...codec, name: "P" }, /Date is built in/);
test("Buffer", badDefinition, Buffer, { ...codec, name: "P" }, /Buffer is built in/);

test("a built-in that is no data for itself can be registered", (t) => {
  defineType(URLSearchParams, {
    name: "URLSearchParams",
    encode: String,
    decode: (text: string) => new URLSearchParams(text),
  });
  t.is(canonicalJson(new URLSearchParams("a=1")), '{"$type":"type URLSearchParams","value":"a=1"}');
});

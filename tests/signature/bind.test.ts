import { runInNewContext } from "node:vm";
import test from "ava";
import { BindingError, OptionError } from "../../src/errors.js";
import { byName, createBinder } from "../../src/signature/bind.js";
import { kw } from "../../src/signature/kw.js";
import { readSignature } from "../../src/signature/parse.js";
import { bind, evaluate, type Options, thrownBy } from "./evaluate.js";

/** The function takes the call so: the values of the key, and what it receives. */
const takes = test.macro({
  exec(t, source: string, args: unknown[], values: unknown[], received: unknown[], options: Options = {}) {
    t.deepEqual(bind(source, args, options), { values, args: received });
  },
  title: (title, source) => `${source} takes ${title}`,
});

const xyz = "function f(x, y = 2, z = 3) {}";
test("a positional call", takes, xyz, [2], [2, 2, 3], [2]);
test("its defaults written out", takes, xyz, [2, 2, 3], [2, 2, 3], [2, 2, 3]);
test("undefined in a gap", takes, xyz, [2, undefined, 3], [2, 2, 3], [2, undefined, 3]);
test("trailing undefined", takes, xyz, [2, undefined, undefined], [2, 2, 3], [2]);
test("a mixed call", takes, xyz, [2, kw({ z: 3, y: 2 })], [2, 2, 3], [2, 2, 3]);
test("a mixed call with a gap", takes, xyz, [2, kw({ z: 5 })], [2, 2, 5], [2, undefined, 5]);
test("a keyword call", takes, xyz, [kw({ z: 3, x: 2, y: 2 })], [2, 2, 3], [2, 2, 3]);
test("a keyword that is undefined", takes, xyz, [kw({ x: 2, y: undefined })], [2, 2, 3], [2]);
test("a keyword for what is undefined by position", takes, xyz, [2, undefined, kw({ y: 7 })], [2, 7, 3], [2, 7]);
test("an undefined keyword for what is given", takes, xyz, [2, kw({ x: undefined })], [2, 2, 3], [2]);
test("an empty keyword call", takes, xyz, [2, kw({})], [2, 2, 3], [2]);
test("no argument", takes, xyz, [], [undefined, 2, 3], []);
test("arguments beyond its parameters", takes, "(x) => x", ["a", 0, ["a"]], ["a"], ["a"]);
test("kw beyond its parameters", takes, "(x, y) => x", [1, undefined, 3, kw({ y: 2 })], [1, 2], [1, 2]);
test(
  "null, false, 0 and an empty text",
  takes,
  "(a = 1, b = 1, c = 1, d = 1) => a",
  [null, false, 0, ""],
  [null, false, 0, ""],
  [null, false, 0, ""],
);
test("nothing", takes, "() => 1", [1, 2], [], []);
test("names of Object.prototype", takes, "(constructor, toString) => 1", [1, kw({ toString: 2 })], [1, 2], [1, 2]);
test(
  "names of Object.prototype, omitted",
  takes,
  "(x, constructor, toString) => 1",
  [kw({ x: 1 })],
  [1, undefined, undefined],
  [1],
);
test("__proto__ by name", takes, "(x, __proto__) => 1", [kw({ x: 1, ["__proto__"]: 2 })], [1, 2], [1, 2]);

test("a rest", takes, "(x, ...r) => x", [1, 2, 3], [1, [2, 3]], [1, 2, 3]);
test("an empty rest", takes, "(x, ...r) => x", [1], [1, undefined], [1]);
test("a rest of undefined", takes, "(x, ...r) => x", [1, undefined], [1, [undefined]], [1, undefined]);
test("a rest after a gap", takes, "(x, y = 5, ...r) => x", [1, undefined, 3], [1, 5, [3]], [1, undefined, 3]);
test("a rest before kw", takes, "(x, y, ...r) => x", [1, undefined, 3, kw({ y: 2 })], [1, 2, [3]], [1, 2, 3]);

const options = "function f({ x, y = 2, z = 3 }) {}";
test("an object", takes, options, [{ x: 2 }], [2, 2, 3], [{ x: 2 }]);
test("an object in another order", takes, options, [{ z: 3, x: 2 }], [2, 2, 3], [{ x: 2, z: 3 }]);
test("an object by kw", takes, options, [kw({ x: 2 })], [2, 2, 3], [{ x: 2 }]);
test("properties it does not name", takes, options, [{ x: 2, q: 1 }], [2, 2, 3], [{ x: 2 }]);
test("properties that are undefined", takes, options, [{ x: 2, y: undefined }], [2, 2, 3], [{ x: 2 }]);
test("an empty keyword call for an object", takes, options, [kw({})], [undefined, 2, 3], [{}]);
test("inherited properties", takes, options, [Object.create({ x: 2 })], [2, 2, 3], [{ x: 2 }]);
test("a primitive for an object", takes, "({ length }) => length", ["abc"], [3], [{ length: 3 }]);
test(
  "an object without prototype",
  takes,
  "({ toString, a }) => a",
  [Object.create(null)],
  [undefined, undefined],
  [{ toString: undefined }],
);
test("an omitted object with a default", takes, "({ x = 1, y } = {}) => x", [], [1, undefined], []);
test("an omitted object with a default that is not empty", takes, "({ x = 1, y } = { y: 5 }) => x", [], [1, 5], []);
test(
  "kw for a part of an object with a default",
  takes,
  "({ x = 1, y } = { y: 5 }) => x",
  [kw({ x: 3 })],
  [3, undefined],
  [{ x: 3 }],
);
test(
  "an undefined kw for a part of an object with a default",
  takes,
  "({ y } = { y: 5 }) => x",
  [kw({ y: undefined })],
  [5],
  [],
);
test(
  "an object whose variables have other names",
  takes,
  "({ a: b, c = b }, d = b) => b",
  [{ a: 1 }],
  [1, 1, 1],
  [{ a: 1 }],
);
test(
  "quoted and numeric properties",
  takes,
  "({ 'a b': x, 7: y }) => x",
  [{ "a b": 1, 7: 2 }],
  [1, 2],
  [{ "a b": 1, 7: 2 }],
);
test(
  "the rest of an object",
  takes,
  "({ a, ...r }) => r",
  [{ c: 3, a: 1, b: 2 }],
  [1, { c: 3, b: 2 }],
  [{ a: 1, c: 3, b: 2 }],
);
test("an empty rest of an object", takes, "({ a, ...r }) => r", [{ a: 1 }], [1, undefined], [{ a: 1 }]);
test(
  "only own enumerable properties as the rest",
  takes,
  "({ ...r }) => r",
  [Object.create({ a: 1 }, { b: { value: 1 } })],
  [undefined],
  [{}],
);
test(
  "a default that reads the empty rest of an object",
  takes,
  "({ ...r }, x = typeof r) => r",
  [{}],
  [undefined, "object"],
  [{}],
);
test("parameters around an object", takes, "(a, { b } = {}, c = b) => a", [1, kw({ b: 2 })], [1, 2, 2], [1, { b: 2 }]);
test("an empty pattern", takes, "({}, x) => x", [5, 1], [1], [{}, 1]);

test(
  "a nested object",
  takes,
  "({ p: { x, y = x } }) => x",
  [{ p: { x: 1, q: 9 } }],
  [{ x: 1, y: 1 }],
  [{ p: { x: 1 } }],
);
test(
  "a nested object by kw",
  takes,
  "({ p: { x, y = x } }) => x",
  [kw({ p: { x: 1, q: 9 } })],
  [{ x: 1, y: 1 }],
  [{ p: { x: 1 } }],
);
test("a nested object by its default", takes, "({ p: { x = 1 } = {} }) => x", [{}], [{ x: 1 }], [{}]);
test(
  "a nested rest, which stands beside the names",
  takes,
  "({ p: { x, ...r } }) => x",
  [{ p: { x: 1, q: 9 } }],
  [{ x: 1, q: 9 }],
  [{ p: { x: 1, q: 9 } }],
);
test("a nested array", takes, "({ p: [x, , z = 3] }) => x", [{ p: [1, 2] }], [[1, undefined, 3]], [{ p: [1] }]);
test("a nested array and what trails", takes, "({ p: [x, y] }) => x", [{ p: [1, undefined, 3] }], [[1]], [{ p: [1] }]);
test(
  "a nested rest of an array",
  takes,
  "({ p: [x, ...r] }) => x",
  [{ p: [undefined, 2, undefined] }],
  [[undefined, 2, undefined]],
  [{ p: [undefined, 2, undefined] }],
);

test("an array", takes, "([a, , b = 5]) => a", [[1, 2]], [1, 5], [[1]]);
test("an array with a hole that is not read", takes, "([a, , b]) => a", [[1, 2, 3, 4]], [1, 3], [[1, undefined, 3]]);
test("an array by kw", takes, "([a, b]) => a", [kw({ b: 2 })], [undefined, 2], [[undefined, 2]]);
test("an omitted array with a default", takes, "([a, b] = [1, 2]) => a", [], [1, 2], []);
test("an empty keyword call for an array", takes, "([a = 1]) => a", [kw({})], [1], [[]]);
test("a typed array", takes, "([a, ...r]) => a", [new Uint8Array([1, 2, 3])], [1, [2, 3]], [[1, 2, 3]]);
test("a string, by code point", takes, "([a, b]) => a", ["💾x"], ["💾", "x"], [["💾", "x"]]);
test("an array of another realm", takes, "([a]) => a", [runInNewContext("[1]")], [1], [[1]]);
test("an empty rest of an array", takes, "([a, ...r]) => a", [[1]], [1, undefined], [[1]]);
test("an array in an array", takes, "([a, [b]]) => a", [[1, [2, 3]]], [1, [2]], [[1, [2]]]);
test("an array in an array by kw", takes, "([a, [b]]) => a", [kw({ a: 1, 1: [2] })], [1, [2]], [[1, [2]]]);

test(
  "arguments as passed",
  takes,
  "function f(x, y = 2) { return arguments.length; }",
  [1, undefined],
  [[1, undefined]],
  [1, undefined],
);
test("no arguments", takes, "function f() { return arguments.length; }", [], [[]], []);
test("arguments by signature", takes, "function f() { return arguments[1]; }", [1, kw({ y: 3 })], [1, 3], [1, 3], {
  signature: "(x, y = 2)",
});
test("defaults that only the signature tells", takes, "Math.pow", [3], [3, 2], [3, 2], { signature: "(x, y = 2)" });
test("nested defaults that only the signature tells", takes, "(o) => o", [], [{ x: 1 }, 2], [{ p: { x: 1 }, q: 2 }], {
  signature: "({ p: { x = 1 } = {}, q = 2 } = {})",
});

const keywords = { keywords: true };
test("a plain object as keywords", takes, xyz, [{ x: 2, z: 3 }], [2, 2, 3], [2, undefined, 3], keywords);
test("one of another realm as keywords", takes, xyz, [runInNewContext("({ x: 2 })")], [2, 2, 3], [2], keywords);
test(
  "one without prototype as keywords",
  takes,
  xyz,
  [Object.assign(Object.create(null), { x: 2 })],
  [2, 2, 3],
  [2],
  keywords,
);
test("kw beside keywords", takes, xyz, [kw({ x: 2 })], [2, 2, 3], [2], keywords);
test(
  "two objects as no keywords",
  takes,
  "(x, y) => x",
  [{ a: 1 }, { b: 2 }],
  [{ a: 1 }, { b: 2 }],
  [{ a: 1 }, { b: 2 }],
  keywords,
);
test("a Map as no keywords", takes, "(x) => x", [new Map()], [new Map()], [new Map()], keywords);
test("an array as no keywords", takes, "(x) => x", [[1]], [[1]], [[1]], keywords);
test("a plain object as keywords for a pattern", takes, options, [{ x: 2 }], [2, 2, 3], [{ x: 2 }], keywords);

test("a default given as an option", takes, "(x, y = CONFIG) => x", [1], [1, "c"], [1, "c"], {
  defaults: { y: () => "c" },
});
test("one given the earlier parameters", takes, "(x, y = load(x), z) => x", [1], [1, 2, undefined], [1, 2], {
  defaults: { y: ({ x }) => x + 1 },
});
test("one for a parameter without default", takes, "(x, y) => x", [1], [1, 2], [1, 2], { defaults: { y: () => 2 } });
test("one before a readable one", takes, "(x = load(), y = x) => x", [], [1, 1], [1], { defaults: { x: () => 1 } });
test("one that is not needed", takes, "(x = load()) => x", [3], [3], [3], { defaults: { x: () => 1 } });
test("one inside of a pattern", takes, "({ x = load(), y } = { y: 7 }) => x", [], [1, 7], [{ x: 1, y: 7 }], {
  defaults: { x: () => 1 },
});
test("one for a nested pattern", takes, "({ p: { x } }) => x", [{}], [{ x: 1 }], [{ p: { x: 1 } }], {
  defaults: { p: () => ({ x: 1, y: 2 }) },
});

const ignored = { ignored: new Set(["t"]) };
test("an ignored default", takes, "(x, t = Date.now()) => x", [1], [1, undefined], [1], ignored);
test(
  "an ignored default in a pattern",
  takes,
  "({ x, t = Date.now() }) => x",
  [{ x: 1 }],
  [1, undefined],
  [{ x: 1 }],
  ignored,
);
test(
  "an ignored nested default",
  takes,
  "({ x, t: { u = Date.now() } }) => x",
  [{ x: 1, t: {} }],
  [1, {}],
  [{ x: 1, t: {} }],
  ignored,
);
test(
  "an ignored default of a nested pattern",
  takes,
  "({ x, t: { u } = load() }) => x",
  [{ x: 1 }],
  [1, undefined],
  [{ x: 1 }],
  ignored,
);
test("an ignored argument", takes, "(x, t = Date.now()) => x", [1, 2], [1, 2], [1, 2], ignored);

test("what option defaults are given has no prototype and no omitted names", (t) => {
  const seen: object[] = [];
  const defaults = { z: (earlier: object) => void seen.push(earlier) };
  bind("({ a: b }, x, y, z, w) => 1", [{ a: 1 }, 2, undefined, undefined, 4], { defaults });
  t.is(Object.getPrototypeOf(seen[0]), null);
  t.deepEqual({ ...seen[0] }, { a: 1, x: 2 });
});

test("values pass through untouched", (t) => {
  const value = { a: [1] };
  const { values, args } = bind("({ p: { x } }, [y], z, ...r) => 1", [{ p: { x: value } }, [value], value, value]);
  t.is((values[0] as any).x, value);
  t.is((args[0] as any).p.x, value);
  for (const place of [values[1], values[2], (values[3] as unknown[])[0], (args[1] as unknown[])[0], args[2], args[3]])
    t.is(place, value);
});

test("what option defaults gave is what the function receives", (t) => {
  const value = {};
  const { values, args } = bind("(x = load()) => x", [], { defaults: { x: () => value } });
  t.is(values[0], value);
  t.is(args[0], value);
});

test("a getter that a pattern names is read once, any other never", (t) => {
  let reads = 0;
  const argument = { get x() { return ++reads; }, get y() { throw new Error("read"); } }; // biome-ignore format: one line
  const { values, args } = bind("({ x }) => x", [argument]);
  t.deepEqual(values, [1]);
  t.is(evaluate("({ x }) => x")(...args), 1);
  t.is(reads, 1);
});

test("the arguments of the caller stay as they are", (t) => {
  const args = Object.freeze([1, Object.freeze({ a: 1 }), Object.freeze([2])]);
  t.notThrows(() => bind("(x, { a, ...r }, [b, ...s], ...q) => x", args));
  const rest = bind("function f() { arguments; }", args);
  t.not(rest.args, args);
});

test("byName leaves the omitted out and has no prototype", (t) => {
  const named = byName(["x", "__proto__", "z"], [1, 2, undefined]);
  t.is(Object.getPrototypeOf(named), null);
  t.deepEqual(Object.entries(named), [
    ["x", 1],
    ["__proto__", 2],
  ]);
});

/** The call is refused with a message that has all the words. */
const refused = test.macro({
  exec(t, source: string, args: unknown[], words: string[], options: Options = {}) {
    const error = thrownBy(() => bind(source, args, options));
    t.true(error instanceof BindingError, error.stack);
    t.is(error.code, "ERR_PERMACACHE_BINDING");
    for (const word of words) t.true(error.message.includes(word), error.message);
  },
  title: (title, source) => `${source} refuses ${title}`,
});

test(
  "an unknown name",
  refused,
  "function f(x, y = 2) {}",
  [2, kw({ q: 1 })],
  ['f(x, y = 2): unknown name "q" in the call f(2, kw({ q: 1 })); its parameters are x, y.'],
);
test("an unknown name that is undefined", refused, xyz, [kw({ q: undefined })], ['unknown name "q"']);
test(
  "an unknown name, a call without parameters",
  refused,
  "function f() {}",
  [kw({ q: 1 })],
  ['unknown name "q"', "it has no parameters"],
);
test("a name of Object.prototype", refused, xyz, [kw({ constructor: 1 })], ['unknown name "constructor"']);
test(
  "a name given twice",
  refused,
  xyz,
  [2, kw({ x: 2 })],
  ['"x" is given both by position and by name in the call f(2, kw({ x: 2 }))', "give it once"],
);
test(
  "a part of an object that is given",
  refused,
  options,
  [{ x: 2 }, kw({ y: 2 })],
  ['"y" is given both', "give it once"],
);
test(
  "the name of a rest",
  refused,
  "(x, ...r) => x",
  [1, kw({ r: [2] })],
  ['the rest "r" is given by name', "by position"],
);
test(
  "the name of a rest of an object",
  refused,
  "({ x, ...r }) => x",
  [kw({ x: 1, r: {} })],
  ['the rest "r" is given by name'],
);
test(
  "the name of a rest of an array",
  refused,
  "([x, ...r]) => x",
  [kw({ x: 1, r: [] })],
  ['the rest "r" is given by name'],
);
test(
  "kw before the end",
  refused,
  xyz,
  [kw({ x: 1 }), 2],
  ["kw(...) is not the last argument in the call f(kw({ x: 1 }), 2)", "move it to the end"],
);
test("two kw", refused, xyz, [kw({ x: 1 }), kw({ y: 1 })], ["kw(...) is not the last argument"]);
test("an unknown name in a keyword object", refused, xyz, [{ x: 1, q: 2 }], ['unknown name "q"'], keywords);
test(
  "kw",
  refused,
  "function f() { return arguments; }",
  [1, kw({ x: 1 })],
  ["takes no kw, because the function reads arguments", 'signature: "(x, y = 2)"'],
);
test(
  "nothing for an object",
  refused,
  options,
  [],
  ["undefined cannot be destructured in the call f()", "pass an object"],
);
test("null for an object", refused, options, [null], ["null cannot be destructured in the call f(null)"]);
test("null for an object with a default", refused, "({ x = 1 } = {}) => x", [null], ["null cannot be destructured"]);
test("nothing for a nested object", refused, "({ p: { x } }) => x", [{}], ["undefined cannot be destructured"]);
test(
  "nothing for an array",
  refused,
  "([x]) => x",
  [],
  ["an array pattern got undefined", "pass an array, a typed array or a string"],
);
test(
  "a Set for an array",
  refused,
  "([x]) => x",
  [new Set([1])],
  ["an array pattern got a value of type object", "[...iterable]"],
);
test("a number for an array", refused, "([x]) => x", [1], ["an array pattern got a value of type number"]);
test(
  "a default that fails",
  refused,
  "function f(xs, n = xs.length) {}",
  [],
  ['f(xs, n = xs.length): the default of "n" failed', "in the call f()", "pass a value"],
);
test(
  "a default of a pattern that fails",
  refused,
  "(o, { x } = o.p.q) => x",
  [{}],
  ["the default of a pattern failed"],
);
test(
  "a default that spreads an iterator",
  refused,
  "(xs, ys = [...xs]) => ys",
  [new Set([1])],
  ["only an array, a typed array or a string can be spread"],
);
test("option defaults that fail", refused, "(x = load()) => x", [], ['the default of "x" failed (no)'], { defaults: { x: () => { throw new Error("no"); } } }); // biome-ignore format: one line
test(
  "option defaults that give undefined for a default",
  refused,
  "(x = 1) => x",
  [],
  ["option defaults gave undefined"],
  { defaults: { x: () => undefined } },
);
test("a getter that fails", refused, "({ x }) => x", [{ get x() { throw new Error("no"); } }], ["reading an argument failed (no)"]); // biome-ignore format: one line

test("the cause of a failed default is kept", (t) => {
  const cause = new Error("no");
  const defaults = { x: () => { throw cause; } }; // biome-ignore format: one line
  t.is(thrownBy(() => bind("(x) => x", [], { defaults })).cause, cause);
});

test("a message survives any argument, and stays short", (t) => {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  const hostile = { get [Symbol.toStringTag]() { throw new Error("no"); } }; // biome-ignore format: one line
  const throwing = new Proxy({}, { get() { throw new Error("no"); } }); // biome-ignore format: one line
  for (const argument of [
    proxy,
    hostile,
    throwing,
    "x".repeat(9999),
    Array.from({ length: 999 }, () => "y".repeat(99)),
    Symbol("s"),
    () => 1,
  ]) {
    const { message } = thrownBy(() =>
      bind("function f(...r) {}", [argument, argument, argument, argument, kw({ q: argument })]),
    );
    t.true(message.startsWith('f(...r): unknown name "q" in the call f('), message);
    t.true(message.length < 330, message);
  }
});

/** The options do not fit the function. */
const misfit = test.macro({
  exec(t, source: string, options: Options, words: string[]) {
    const error = thrownBy(() => createBinder(readSignature(evaluate(source)), options));
    t.true(error instanceof OptionError, error.stack);
    t.is(error.code, "ERR_PERMACACHE_OPTION");
    for (const word of words) t.true(error.message.includes(word), error.message);
  },
  title: (title, source) => `${source} does not go with ${title}`,
});

test("defaults of an unknown name", misfit, xyz, { defaults: { q: () => 1 } }, [
  'defaults: "q" is no parameter of f(',
  "Its parameters are x, y, z",
]);
test("defaults of a name of Object.prototype", misfit, xyz, { defaults: { toString: () => "" } }, [
  '"toString" is no parameter',
]);
test("defaults of the variable of a pattern", misfit, "({ a: b }) => b", { defaults: { b: () => 1 } }, [
  '"b" is no parameter',
  "Its parameters are a",
]);
test("defaults of a rest", misfit, "(x, ...r) => x", { defaults: { r: () => [] } }, [
  '"r" is a rest, which takes no default',
]);
test("defaults of the rest of a pattern", misfit, "({ x, ...r }) => x", { defaults: { r: () => [] } }, [
  '"r" is a rest',
]);
test("defaults that are no function", misfit, xyz, { defaults: { y: 2 as never } }, [
  '"y" is no function',
  "y: () => value",
]);
const readsArguments = "function f(x) { return arguments; }";
const mend = ["f(x) reads arguments", 'signature: "(x, y = 2)"'];
test("keywords", misfit, readsArguments, keywords, mend);
test("defaults", misfit, readsArguments, { defaults: { x: () => 1 } }, mend);
test("an ignored name", misfit, readsArguments, { ignored: new Set(["x"]) }, mend);

test("a function that reads arguments goes with an ignored this", (t) => {
  t.notThrows(() =>
    createBinder(readSignature(evaluate(readsArguments)), { ignored: new Set(["this"]), defaults: {} }),
  );
});

import test from "ava";
import { SignatureError } from "../../src/errors.js";
import { readSignature } from "../../src/signature/parse.js";
import { evaluate, thrownBy } from "./evaluate.js";

/** The function that an expression gives has this text and these names. */
const reads = test.macro({
  exec(t, expression: string, text: string, names: string[]) {
    const signature = readSignature(evaluate(expression));
    t.is(signature.text, text);
    t.deepEqual(signature.names, names);
    t.false(signature.readsThis);
    t.false(signature.readsArguments);
  },
  title: (title = "") => `form: ${title}`,
});

test("declaration", reads, "(() => { function f(x, y = 2) { return x + y; } return f; })()", "(x, y = 2)", ["x", "y"]);
test("expression", reads, "function (x, y = 2) { return x + y; }", "(x, y = 2)", ["x", "y"]);
test("named expression", reads, "function g(x, y = 2) { return x + y; }", "(x, y = 2)", ["x", "y"]);
test("arrow with parentheses", reads, "(x, y = 2) => x + y", "(x, y = 2)", ["x", "y"]);
test("arrow without parentheses", reads, "x => x", "(x)", ["x"]);
test("arrow that returns an object", reads, "(x) => ({ x })", "(x)", ["x"]);
test("async function", reads, "async function f(x, y = 2) { await x; }", "(x, y = 2)", ["x", "y"]);
test("async arrow", reads, "async (x, y = 2) => { await x; }", "(x, y = 2)", ["x", "y"]);
test("async arrow without parentheses", reads, "async x => await x", "(x)", ["x"]);
test("method", reads, "new (class { m(x, y = 2) {} })().m", "(x, y = 2)", ["x", "y"]);
test("async method", reads, "new (class { async m(x, y = 2) {} })().m", "(x, y = 2)", ["x", "y"]);
test("computed method", reads, "new (class { ['a' + 'b'](x, y = 2) {} })().ab", "(x, y = 2)", ["x", "y"]);
test("quoted method", reads, "new (class { 'a b'(x, y = 2) {} })()['a b']", "(x, y = 2)", ["x", "y"]);
test("numeric method", reads, "new (class { 12(x, y = 2) {} })()[12]", "(x, y = 2)", ["x", "y"]);
test("static method", reads, "(class { static m(x, y = 2) {} }).m", "(x, y = 2)", ["x", "y"]);
test("static async method", reads, "(class { static async m(x, y = 2) {} }).m", "(x, y = 2)", ["x", "y"]);
test("private method", reads, "new (class { #m(x, y = 2) {} get() { return this.#m; } })().get()", "(x, y = 2)", [
  "x",
  "y",
]);
test("static private method", reads, "(class A { static #m(x) {} static get() { return A.#m; } }).get()", "(x)", ["x"]);
test(
  "method that uses a private name",
  reads,
  "(class A { static #p = 1; static m(x) { return A.#p in x; } }).m",
  "(x)",
  ["x"],
);
test("method with the name of a keyword", reads, "({ function(x) {} }).function", "(x)", ["x"]);
test("method named async", reads, "({ async(x) {} }).async", "(x)", ["x"]);
test("method named get", reads, "({ get(x) {} }).get", "(x)", ["x"]);
test("class field, arrow", reads, "new (class { f = (x, y = 2) => x + y; })().f", "(x, y = 2)", ["x", "y"]);
test("class field, function", reads, "new (class { f = function (x, y = 2) {}; })().f", "(x, y = 2)", ["x", "y"]);
test("object method", reads, "({ m(x, y = 2) {} }).m", "(x, y = 2)", ["x", "y"]);
test("object method, async and computed", reads, "({ async ['m'](x) {} }).m", "(x)", ["x"]);
test("getter", reads, "Object.getOwnPropertyDescriptor({ get m() { return 1; } }, 'm').get", "()", []);
test("no parameters", reads, "() => 1", "()", []);
test("rest", reads, "(x, ...more) => x", "(x, ...more)", ["x", "more"]);
test("names beyond ASCII", reads, "(größe, $x, _) => 1", "(größe, $x, _)", ["größe", "$x", "_"]);
test(
  "comments and line breaks",
  reads,
  "(x, // first\n  y /* second */ = 2) => x",
  "(x, // first y /* second */ = 2)",
  ["x", "y"],
);
test("a comment at the end", reads, "function f(x) { return x; } // end", "(x)", ["x"]);
test(
  "object pattern",
  reads,
  "({ a, b: c = 1, 'd e': f, 7: g, ...h }) => 1",
  "({ a, b: c = 1, 'd e': f, 7: g, ...h })",
  ["a", "b", "d e", "7", "h"],
);
test("array pattern", reads, "([a, , b = 1, [c], ...d]) => 1", "([a, , b = 1, [c], ...d])", ["a", "b", "3", "d"]);
test("nested pattern", reads, "(x, { y: { z }, w: [v] } = {}) => 1", "(x, { y: { z }, w: [v] } = {})", ["x", "y", "w"]);
test(
  "toString overridden by a wrapper",
  reads,
  "Object.assign((x, y = 2) => x, { toString: () => '(q) => 1' })",
  "(x, y = 2)",
  ["x", "y"],
);
test("sloppy code", reads, "function f(x) { with (x) { return 010; } }", "(x)", ["x"]);

// By a variable: the fixture is plain JavaScript, without types.
const moduleFixture = "../fixtures/signature/module.js";

test("import.meta in the source is read", async (t) => {
  const { located } = await import(moduleFixture);
  t.deepEqual(readSignature(located).names, ["name"]);
});

test("a very long parameter list is shortened for messages", (t) => {
  const { text, names } = readSignature(evaluate(`(${Array.from({ length: 99 }, (_, i) => `p${i}`)}) => 1`));
  t.is(names.length, 99);
  t.true(text.length < 130);
  t.true(text.endsWith("…)"));
});

test("the name is that of the function, or anonymous", (t) => {
  t.is(readSignature(evaluate("function f() {}")).name, "f");
  t.is(readSignature(evaluate("() => 1")).name, "anonymous");
  t.is(readSignature(evaluate("Object.defineProperty(() => 1, 'name', { value: 1 })")).name, "anonymous");
});

test("the source is the function's own text", (t) => {
  t.is(readSignature(evaluate("({ m(x) { return 1; } }).m")).source, "m(x) { return 1; }");
  t.is(readSignature(Math.max, "(x, y)").source, undefined);
});

const isAsync = test.macro({
  exec(t, expression: string, expected: boolean) {
    t.is(readSignature(evaluate(expression), "(x)").async, expected);
  },
  title: (_, expression, expected) => `async is ${expected}: ${expression}`,
});

test(isAsync, "(x) => x", false);
test(isAsync, "(x) => Promise.resolve(x)", false);
test(isAsync, "async (x) => x", true);
test(isAsync, "({ async m(x) {} }).m", true);
test(isAsync, "(async (x) => x).bind(null)", true);
test(isAsync, "new Proxy(async (x) => x, {})", true);

const readsOthers = test.macro({
  exec(t, expression: string, others: "" | "this" | "arguments" | "this arguments") {
    const signature = readSignature(evaluate(expression));
    t.is(signature.readsThis, others.includes("this"));
    t.is(signature.readsArguments, others.includes("arguments"));
    if (signature.readsArguments) t.deepEqual(signature.names, ["arguments"]);
  },
  title: (_, expression, others) => `reads ${others || "neither this nor arguments"}: ${expression}`,
});

test(readsOthers, "function f(x) { return this.y; }", "this");
test(readsOthers, "function f(x = this.y) {}", "this");
test(readsOthers, "function f({ x = this }) {}", "this");
test(readsOthers, "function f() { return () => () => this; }", "this");
test(readsOthers, "({ m() { return super.m(); } }).m", "this");
test(readsOthers, "function f() { class A extends this.B {} }", "this");
test(readsOthers, "function f() { return class { [this.k]() {} }; }", "this");
test(readsOthers, "function f() { return { [this.k]: 1 }; }", "this");
test(readsOthers, "function f() { return [...this]; }", "this");
test(readsOthers, "function f() { return function () { return this; }; }", "");
test(readsOthers, "function f() { function g() { return this; } }", "");
test(readsOthers, "function f() { return { m() { return this; }, get g() { return this; } }; }", "");
test(readsOthers, "function f() { return class { x = this; m() { this; } static { this; } }; }", "");
test(readsOthers, "function f() { return { this: 1 }.this; }", "");
test(readsOthers, "() => function () { return this; }", "");

test(readsOthers, "function f(x) { return arguments.length; }", "arguments");
test(readsOthers, "function f(x) { return () => arguments[0]; }", "arguments");
test(readsOthers, "function f(x) { return { arguments }; }", "arguments");
test(readsOthers, "function f(x = arguments[1]) {}", "arguments");
test(readsOthers, "function f(x, x) { return arguments; }", "arguments");
test(readsOthers, "function f() { return this.g(...arguments); }", "this arguments");
test(readsOthers, "function f(x) { return x.arguments; }", "");
test(readsOthers, "function f(x) { return { arguments: x }; }", "");
test(readsOthers, "function f(x) { arguments: for (;;) break arguments; }", "");
test(readsOthers, "function f(arguments) { return arguments; }", "");
test(readsOthers, "function f({ a: [arguments] = [] }) { return arguments; }", "");
test(readsOthers, "function f() { return function () { return arguments; }; }", "");
test(readsOthers, "function f() { return (() => arguments); }", "arguments");
test(readsOthers, "(function () { return () => arguments.length; })(1)", "");

test(readsOthers, "function f(x) { return __awaiter(this, void 0, void 0, function* () { yield x; }); }", "");
test(
  readsOthers,
  "function f(x) { return (0, tslib_1.__awaiter)(this, void 0, void 0, function* () { yield x; }); }",
  "",
);
test(readsOthers, "function f(x) { return __awaiter(this, void 0, void 0, function* () { yield this.x; }); }", "this");
test(readsOthers, "function f(x) { return __awaiter(this, arguments, void 0, function* (x, y = 2) {}); }", "arguments");
test(
  readsOthers,
  "function f(x) { return __awaiter(this, void 0, void 0, function () { return __generator(this, function (_a) { return this; }); }); }",
  "this",
);
test(readsOthers, "(x) => __awaiter(this, void 0, void 0, function* () { yield x; })", "");
test(readsOthers, "function f(x) { return other(this); }", "this");

test("with a given signature, arguments do not count and this still does", (t) => {
  const signature = readSignature(evaluate("function f() { return this.g(arguments); }"), "(x, y = 2)");
  t.true(signature.readsThis);
  t.false(signature.readsArguments);
  t.deepEqual(signature.names, ["x", "y"]);
});

const gives = test.macro({
  exec(t, fn: Function, given: string, names: string[], text: string = given) {
    const signature = readSignature(fn, given);
    t.deepEqual(signature.names, names);
    t.is(signature.text, text);
  },
  title: (title = "") => `option signature, ${title}`,
});

test("given for a native function", gives, Math.max, "(x, y = 2)", ["x", "y"]);
test("given for a bound function", gives, evaluate("((a, b) => b).bind(null, 1)"), "(b)", ["b"]);
test("given for a Proxy", gives, evaluate("new Proxy((a, b) => b, {})"), "(b)", ["b"]);
test("given for a function that has another", gives, evaluate("(a) => a"), "(b)", ["b"]);
test("given without parentheses", gives, Math.max, "x, y = 2", ["x", "y"], "(x, y = 2)");
test("given as one name", gives, Math.max, " x ", ["x"], "(x)");
test("given with patterns and rest", gives, Math.max, "({ a, b: [c] }, ...d)", ["a", "b", "d"]);
test("given as empty", gives, Math.max, "()", []);

const refused = test.macro({
  exec(t, expression: string, words: string[], given?: string) {
    const error = thrownBy(() => readSignature(evaluate(expression), given));
    t.true(error instanceof SignatureError, error.stack);
    t.is(error.code, "ERR_PERMACACHE_SIGNATURE");
    for (const word of words) t.true(error.message.includes(word), error.message);
  },
  title: (title = "") => `refused: ${title}`,
});

const option = 'signature: "(x, y = 2)"';
test("native", refused, "Math.max", ["max is native, bound or a Proxy", option]);
test("native constructor", refused, "Map", ["Map", option]);
test("bound", refused, "(function f(x) {}).bind(null)", ["bound f", option]);
test("Proxy", refused, "new Proxy(function f(x) {}, {})", ["f is native", option]);
test("class", refused, "class A { constructor(x) {} }", ["A is a class", "Wrap a function that makes one", "new A(x)"]);
test("class, though a signature is given", refused, "class A {}", ["A is a class"], "(x)");
test("generator", refused, "function* g() {}", ["g is a generator", "collects them into an array"]);
test("async generator", refused, "async function* g() {}", ["g is a generator", "collects them into an array"]);
test("generator method", refused, "({ *g() {} }).g", ["g is a generator", "into an array"]);
test("bound generator", refused, "(function* g() {}).bind(null)", ["bound g is a generator", "into an array"]);
test(
  "bound generator, though a signature is given",
  refused,
  "(function* g() {}).bind(null)",
  ["is a generator"],
  "(x)",
);
test("Proxy of an async generator", refused, "new Proxy(async function* g() {}, {})", ["g is a generator"]);
test("arrow that reads this", refused, "(x) => this.y", ["an arrow's this is captured", "Use a function or a method"]);
test("arrow in a class field", refused, "new (class { f = (x) => this.y; })().f", ["f: an arrow's this is captured"]);
test("arrow that reads this, though a signature is given", refused, "(x) => this", ["arrow's this is captured"], "(x)");
test("arrow that reads super", refused, "({ m() { return () => super.m; } }).m()", ["arrow's this is captured"]);
test("arrow that hands this to __awaiter for use", refused, "(x) => __awaiter(this, 0, 0, function* () { this.y; })", [
  "arrow's this",
]);
test("a name twice", refused, "function f(a, a) {}", ['f(a, a): the name "a" would stand twice', "Rename"]);
test("a name twice, by pattern", refused, "(x, { x: y }) => 1", ['"x" would stand twice', "Rename"]);
test("a name twice in one pattern", refused, "({ x: y, x: z }) => 1", ['"x" would stand twice']);
test("a name twice in a nested pattern", refused, "({ a: { x: y, x: { z } } }) => 1", ['"x" would stand twice']);
test("an index twice", refused, "([[a]], [[b]]) => 1", ['"0" would stand twice']);
test("a property named this beside the receiver", refused, "function f({ this: t }) { return this; }", [
  '"this" would stand twice',
]);
test("computed property", refused, "({ ['a']: b }) => 1", ["a computed property name cannot stand in the key", option]);
test("computed property in a nested pattern", refused, "({ c: { [1]: b } }) => 1", [
  "a computed property name",
  option,
]);
test("rest that is a pattern", refused, "(x, ...[y, z]) => 1", ["a rest that is taken apart", option]);
for (const given of [
  "",
  "(x, y",
  "x y",
  "{ x }",
  "(x) => 1",
  "(x) => 0, (y)",
  "function (x) {}",
  "async (x)",
  "(x)) + ((y)",
  "(x = 1), y",
]) {
  test(
    `bad option signature ${JSON.stringify(given)}`,
    refused,
    "Math.max",
    ["max: the option signature", "parentheses included", option],
    given,
  );
}

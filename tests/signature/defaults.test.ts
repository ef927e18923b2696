// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the strings are source text
import test from "ava";
import { SignatureError } from "../../src/errors.js";
import { createBinder } from "../../src/signature/bind.js";
import { readSignature } from "../../src/signature/parse.js";
import { bind, evaluate, type Options, thrownBy } from "./evaluate.js";

/** The default of `d` after the parameters `a` and `o` is what the language makes of it. */
const readable = test.macro({
  exec(t, text: string, a: unknown = 5, o: unknown = { p: { q: [1, 2] }, n: null }) {
    const source = `(a, o, d = ${text}) => d`;
    const [, , value] = bind(source, [a, o]).values;
    t.deepEqual(value, evaluate(source)(a, o));
  },
  title: (_, text, a) => `readable: ${text}${a === undefined ? "" : `, a = ${String(a)}`}`,
});

for (const text of [
  "'s'",
  "2",
  "1.5e3",
  "0xff",
  "1_000",
  "-0",
  "10n",
  "true",
  "null",
  "/a+/gi",
  "undefined",
  "NaN",
  "Infinity",
  "-Infinity",
  "void 0",
  "!0",
]) {
  test(readable, text);
}
for (const text of ["[]", "[1, 'b', [a]]", "[1, , 2]", "[, ]", "[...o.p.q, 3]", "[...'ab']", "[...[1, 2]]"])
  test(readable, text);
for (const text of [
  "{}",
  "{ x: 1, 'y z': { a }, 3: a }",
  "{ ['k' + a]: a }",
  "{ ...o.p, z: 1 }",
  "{ z: 1, ...null }",
  "{ ['__proto__']: 1 }",
  "{ a, 'a': 2 }",
]) {
  test(readable, `(${text})`);
}
for (const text of ["`x`", "`${a}:${o.p.q}!`", "`\\n${a}`"]) test(readable, text);
for (const text of ["-a", "+'3'", "!a", "~a", "typeof a", "void a"]) test(readable, text);
for (const operator of [
  "+",
  "-",
  "*",
  "/",
  "%",
  "**",
  "<<",
  ">>",
  ">>>",
  "&",
  "|",
  "^",
  "==",
  "!=",
  "===",
  "!==",
  "<",
  "<=",
  ">",
  ">=",
  "&&",
  "||",
  "??",
]) {
  test(readable, `a ${operator} 2`);
}
for (const text of [
  "o.n ?? 1",
  "o.n || 1",
  "o.n && 1",
  "'p' in o",
  "a ? 1 : 2",
  "o.n ? 1 : 2",
  "(a + 1) * 2",
  "a > 3 && o.p",
])
  test(readable, text);
for (const text of ["Math.PI", "Math.LN2 * 2", "Number.MAX_SAFE_INTEGER", "Number.EPSILON", "Number.NaN"])
  test(readable, text);
for (const text of [
  "a",
  "o.p.q[0]",
  "o['p'].q",
  "o.p.q['len' + 'gth']",
  "o?.p?.q",
  "o.n?.x.y.z",
  "o.none?.[a].b",
  "'abc'.length",
  "[1, 2][1]",
])
  test(readable, text);
/** Counters are left away; they would throw here. */
const counted = test.macro({
  exec(t, text: string, value: unknown) {
    t.deepEqual(bind(`(a, d = ${text}) => d`, [5]).values[1], value);
  },
  title: (_, text) => `readable: the coverage counter in ${text}`,
});

test(counted, "(cov_1a2b().b[0][0]++, 2)", 2);
test(counted, "(cov_1a2b.b[0][0]++, cov_1a2b().s[1]++, a)", 5);
test(counted, "(__cov_x.b['1'][0]++, [a])", [5]);
test(counted, "a || (cov_1().b[1][1]++, 2)", 5);
test(counted, "a && (cov_1().b[1][1]++, 2)", 2);

test(readable, "a.length", "text");
test(readable, "a.length", new Float32Array(3));

test("a default is made anew by every call", (t) => {
  const binder = createBinder(readSignature(evaluate("(a = [{}], b = {}, c = /x/g) => a")));
  const [first, second] = [binder.bind([]).values, binder.bind([]).values];
  t.deepEqual(first, second);
  for (const i of [0, 1, 2]) t.not(first[i], second[i]);
});

test("what stands around a default that is not read does not run", (t) => {
  t.deepEqual(bind("(a, b = a || missing.x.y, c = 1) => a", [1], { defaults: { b: () => 2 } }).values, [1, 2, 1]);
});

test("an earlier parameter hides a global", (t) => {
  t.deepEqual(bind("(Math, x = Math.PI) => x", [{ PI: 3 }]).values[1], 3);
  t.deepEqual(bind("(undefined, x = undefined) => x", [4]).values[1], 4);
  t.deepEqual(bind("(NaN, x = NaN) => x", [4]).values[1], 4);
});

/** The default of `d` is refused: the message names it, says why, and tells both mends. */
const unreadable = test.macro({
  exec(t, text: string, reason: string, arrow = `() => ${text}`) {
    const source = `function f(a, d = ${text}, later = 1) {}`;
    const error = thrownBy(() => bind(source, [1]));
    t.true(error instanceof SignatureError, error.stack);
    t.is(error.code, "ERR_PERMACACHE_SIGNATURE");
    t.true(error.message.startsWith("f(a, d = "), error.message);
    for (const words of [
      `the default of "d", ${text}, cannot be read`,
      reason,
      `defaults: { d: ${arrow} }`,
      "keyFunction: { d: null }",
    ]) {
      t.true(error.message.includes(words), error.message);
    }
    t.notThrows(() => bind(source, [1], { ignored: new Set(["d"]) }));
    t.notThrows(() => bind(source, [1], { defaults: { d: () => 1 } }));
  },
  title: (_, text) => `unreadable: ${text}`,
});

test(unreadable, "CONFIG", "CONFIG is a variable outside");
test(unreadable, "CONFIG.x", "CONFIG is a variable outside");
test(unreadable, "process", "process is a variable outside");
test(unreadable, "typeof CONFIG", "CONFIG is a variable outside");
test(unreadable, "Date.now()", "it has a call");
test(unreadable, "a.size()", "it has a call", "({ a }) => a.size()");
test(unreadable, "a?.size()", "it has a call", "({ a }) => a?.size()");
test(unreadable, "new Map()", "it has a call");
test(unreadable, "() => 1", "it has a function", "() => () => 1");
test(unreadable, "function () {}", "it has a function");
test(unreadable, "class {}", "it has a class");
test(unreadable, "a = 1", "it has an assignment", "({ a }) => a = 1");
test(unreadable, "a++", "it has an assignment", "({ a }) => a++");
test(unreadable, "tag`x`", "it has a call");
test(unreadable, "`${CONFIG}`", "CONFIG is a variable outside");
test(unreadable, "[...CONFIG]", "CONFIG is a variable outside");
test(unreadable, "[1, load()]", "it has a call");
test(unreadable, "{ m() {} }", "it has a function", "() => ({ m() {} })");
test(unreadable, "{ get m() { return 1; } }", "it has a function", "() => ({ get m() { return 1; } })");
test(unreadable, "{ __proto__: null }", "it sets a prototype", "() => ({ __proto__: null })");
test(unreadable, "{ '__proto__': a }", "it sets a prototype", "({ a }) => ({ '__proto__': a })");
test(unreadable, "{ ...CONFIG }", "CONFIG is a variable outside", "() => ({ ...CONFIG })");
test(unreadable, "delete a.x", "it has delete", "({ a }) => delete a.x");
test(unreadable, "Math", "Math is a variable outside");
test(unreadable, "Math.max", "Math.max is no constant");
test(unreadable, "Math['PI' + a]", "Math[...] is no constant", "({ a }) => Math['PI' + a]");
test(unreadable, "Number.length", "Number.length is no constant");
test(unreadable, "Number.prototype", "Number.prototype is no constant");
test(unreadable, "this.x", "it reads this");
test(unreadable, "new.target", "it has import.meta or new.target");
test(unreadable, "import('x')", "it has an import");
test(unreadable, "d", "d is not an earlier parameter");
test(unreadable, "later", "later is not an earlier parameter");
test(unreadable, "later.x + a", "later is not an earlier parameter", "({ a }) => later.x + a");

/** A signature with a default that cannot be read is refused with all the words. */
const refused = test.macro({
  exec(t, source: string, words: string[], options: Options = {}) {
    const error = thrownBy(() => createBinder(readSignature(evaluate(source), options.signature), options));
    t.true(error instanceof SignatureError, error.stack);
    t.is(error.code, "ERR_PERMACACHE_SIGNATURE");
    for (const word of words) t.true(error.message.includes(word), error.message);
  },
  title: (title, source) => `refused: ${title ?? source}`,
});

test("a later parameter of a global's name", refused, "(x = Math.PI, Math) => x", ["Math is not an earlier parameter"]);
test("one in a pattern", refused, "({ a: b, c = load(b) }) => c", [
  '"c", load(b),',
  "defaults: { c: ({ a: b }) => load(b) }",
  "keyFunction: { c: null }",
]);
test("a sequence", refused, "(a, d = (a++, 2)) => d", ["it is a sequence", "defaults: { d: ({ a }) => (a++, 2) }"]);
test("a sequence beside a counter", refused, "(a, d = (load(), cov_1().b[0][0]++, 2)) => d", ["it is a sequence"]);
test("one under a quoted name", refused, "({ 'a-b': c = load() }) => c", [
  'defaults: { "a-b": () => load() }',
  'keyFunction: { "a-b": null }',
]);
test("one in a nested pattern", refused, "({ p: { x = load() } }) => x", ['"p", load(),', "keyFunction: { p: null }"]);
test(
  "one in a nested pattern, which defaults do not mend",
  refused,
  "({ p: { x = load() } }) => x",
  ["keyFunction: { p: null }"],
  { defaults: { p: () => 1 } },
);
test("one of a whole pattern", refused, "({ x } = load()) => x", [
  "the default of a pattern, load(),",
  "write the defaults inside",
  "option signature",
]);
test(
  "one of a whole pattern, though its names are ignored",
  refused,
  "({ x } = load()) => x",
  ["the default of a pattern"],
  { ignored: new Set(["x"]) },
);
test(
  "one that refers to an ignored one",
  refused,
  "(t = Date.now(), u = t) => u",
  ['"u", t,', "t is not an earlier parameter with a known value"],
  { ignored: new Set(["t"]) },
);
test(
  "one that refers to a part of an ignored one",
  refused,
  "({ t: { a } = load() }, u = a) => u",
  ['"u", a,', "known value"],
  { ignored: new Set(["t"]) },
);
test("one in a given signature", refused, "Math.max", ["max(x = CONFIG)", "defaults: { x: () => CONFIG }"], {
  signature: "(x = CONFIG)",
});
test("only the second of two mended", refused, "(x = A, y = B) => x", ['"y", B,'], { defaults: { x: () => 1 } });

test("one that refers to an ignored one, itself ignored", (t) => {
  t.deepEqual(bind("(t = Date.now(), u = t) => u", [], { ignored: new Set(["t", "u"]) }).values, [
    undefined,
    undefined,
  ]);
});

test("a default of a function that reads arguments is not read", (t) => {
  t.deepEqual(bind("function f(x = load()) { return arguments; }", [1]).args, [1]);
});

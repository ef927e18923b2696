// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the strings are source text
import { createRequire } from "node:module";
import { runInThisContext } from "node:vm";
import { parse, type Token } from "acorn";
import test from "ava";
import { transformSync } from "esbuild";
import ts from "typescript";
import { normalisedSource } from "../../src/sources/normalise.js";
import { evaluate } from "../signature/evaluate.js";

// CommonJS, and without types here.
const { createInstrumenter } = createRequire(import.meta.url)("istanbul-lib-instrument");

function normalised(source: string): string {
  const text = normalisedSource(source);
  if (text === undefined) throw new Error(`cannot be parsed: ${source}`);
  return text;
}

const same = test.macro({
  exec: (t, a: string, b: string) => t.is(normalised(a), normalised(b)),
  title: (_, a, b) => `same: ${JSON.stringify(a)} and ${JSON.stringify(b)}`,
});

const different = test.macro({
  exec: (t, a: string, b: string) => t.not(normalised(a), normalised(b)),
  title: (_, a, b) => `different: ${JSON.stringify(a)} and ${JSON.stringify(b)}`,
});

for (const [a, b] of [
  ["a=>a*a", "( a ) => /* squared */ a *\n a // so"],
  ["function f(a) { return a }", "function f(\n  a,\n) {\n  return (a);\n}"],
  ["function f(a) { g(a); ; return a; }", "function f(a) { g(a)\n return a }"],
  ["function f(a) { for (;;); }", "function f(a) { for (;;) {} }"],
  [
    "function f(a) { if (a) return 1; else if (b) g(); }",
    "function f(a) { if (a) { return 1 } else { if (b) { g() } } }",
  ],
  ["function f(a) { if (a) g(); }", "function f(a) { if (a) { g(); } else {} }"],
  ["function f(a) { with (a) b(); }", "function f(a) { with (a) { b(); } }"],
  ["x => x", "x => { return x; }"],
  ["x => ({ x })", "x => { return { x, }; }"],
  ["x => (a, (b, c))", "x => ((a, b), c)"],
  ["() => 'it\\'s'", '() => "it\'s"'],
  ["() => '\\x41\\u0042\\u{43}\\\n'", '() => "ABC"'],
  ["() => 1e3", "() => 1_000.0"],
  ["() => 0x10", "() => 16"],
  ["() => 0b10n", "() => 2n"],
  ["() => 1e999", "() => 2e999"],
  ["() => `\\x41${b}`", "() => `A${b}`"],
  ["() => `a\r\nb`", "() => `a\nb`"],
  ["() => ({ a: 1, 'b': 2, 3: 3 })", "() => ({ 'a': 1, b: 2, '3': 3 })"],
  ["({ 'a': b }) => b", "({ a: b }) => b"],
  ["() => class { 'a'() {} 'b' = 1; get 'c'() {} }", "() => class { a() {}; b = 1\nget c() {} }"],
  ["() => class { 'constructor'() {} }", "() => class { constructor() {} }"],
  ["() => new A", "() => new A()"],
  ["function f() { 'use strict'; return 1 }", 'function f() {\n"use strict"\nreturn 1 }'],
  ["fit(x) { return x }", "fit ( x ) {return x;}"],
  ["async fit(x) { return super.fit(x) }", "async 'fit'(x) { return super.fit(x) }"],
  ["#fit(x) { return this.#x + x }", "#fit(x) { return (this.#x) + x }"],
  ["() => \\u0061b", "() => ab"],
  ["(a, b = 2) => a + b", "(a, b = (cov_1a().b[0][0]++, 2)) => { cov_1a().f[0]++; cov_1a().s[1]++; return a + b; }"],
  ["() => a || b", "() => (cov_1a.b[0][0]++, a) || (cov_1a.b[0][1]++, b)"],
  ["() => a || b", "() => (__cov_a$B1.b['1'][0]++, a) || (__cov_a$B1.b['1'][1]++, b)"],
  ["() => (a, b)", "() => (cov_1a().s[0]++, a, b)"],
] as const) {
  test(same, a, b);
}

for (const [a, b] of [
  ["function f(a) { return a*a }", "function f(a) { return\n a*a }"],
  ["function f(a) { return a }", "function g(a) { return a }"],
  ["function f(a) { return a }", "function (a) { return a }"],
  ["function (a) { return a }", "(a) => a"],
  ["function (a) { return a }", "async function (a) { return a }"],
  ["fit(x) { return x }", "async fit(x) { return x }"],
  ["(a) => a", "async (a) => a"],
  ["(a) => a", "(...a) => a"],
  ["(a) => a", "(a = undefined) => a"],
  ["() => undefined", "() => {}"],
  ["() => ({})", "() => {}"],
  ["() => { return; }", "() => {}"],
  ["() => { 'use strict'; return x }", "() => x"],
  ["() => { return x(); function x() {} }", "() => x()"],
  ["function f() { 'use strict'; }", "function f() { ('use strict'); }"],
  ["function f() { 'use strict'; }", "function f() { 'use\\x20strict'; }"],
  ["function f() { 'use strict'; }", "function f() { cov_1a().f[0]++; 'use strict'; }"],
  ["() => 1", "() => '1'"],
  ["() => 1", "() => 1n"],
  ["() => 1e999", "() => 'Infinity'"],
  ["() => 1e999", "() => Infinity"],
  ["() => null", "() => 'null'"],
  ["() => null", "() => undefined"],
  ["() => true", "() => 'true'"],
  ["() => 0", "() => -0"],
  ["() => 9007199254740993n", "() => 9007199254740992n"],
  ["() => /a/", "() => /a/i"],
  ["() => /a/", "() => /b/"],
  ["() => /a/", "() => '/a/'"],
  ["() => /\\//", "() => /[/]/"],
  ["() => 'a'", "() => `a`"],
  ["() => '\\ud800'", "() => '\\\\ud800'"],
  ["() => '\\ud800'", "() => '\\ud801'"],
  ["() => t`\\x41`", "() => t`A`"],
  ["() => t`\\u`", "() => t`\\x`"],
  ["() => t`a`", "() => t(`a`)"],
  ["() => `a${b}c`", "() => `ac${b}`"],
  ["() => a?.b", "() => a.b"],
  ["() => a?.b.c", "() => (a?.b).c"],
  ["() => a?.b.c", "() => a?.b?.c"],
  ["() => a?.()", "() => a()"],
  ["() => a.b", "() => a[b]"],
  ["() => a.b", "() => a.#b"],
  ["() => ({ a: 1 })", "() => ({ ['a']: b })"],
  ["() => ({ a: 1 })", "() => ({ [a]: 1 })"],
  ["() => ({ ['a']: 1 })", "() => ({ [a]: 1 })"],
  ["() => ({ __proto__ })", "() => ({ __proto__: __proto__ })"],
  ["() => ({ a() {} })", "() => ({ a: function () {} })"],
  ["() => ({ a() {} })", "() => ({ get a() {} })"],
  ["() => ({ get a() {} })", "() => ({ set a(_) {} })"],
  ["() => ({ a() {} })", "() => ({ *a() {} })"],
  ["() => ({ a, b })", "() => ({ b, a })"],
  ["() => class { a = 1 }", "() => class { static a = 1 }"],
  ["() => class { a() {} }", "() => class { 'a' = function () {} }"],
  ["() => class { a }", "() => class { #a }"],
  ["() => class { '#a' }", "() => class { #a }"],
  ["() => class { 'constructor'() {} }", "() => class { ['constructor']() {} }"],
  ["() => class { static { a() } }", "() => class { static a() {} }"],
  ["() => class A extends B {}", "() => class A {}"],
  ["() => { var a }", "() => { let a }"],
  ["() => { let a }", "() => { let a = undefined }"],
  ["() => { let a, b }", "() => { let a; let b }"],
  ["() => a++", "() => ++a"],
  ["() => a++", "() => a--"],
  ["() => a - (b - c)", "() => a - b - c"],
  ["() => (a, b)()", "() => b()"],
  ["() => (0, a.b)()", "() => a.b()"],
  ["() => a && (b || c)", "() => a && b || c"],
  ["() => [, a]", "() => [a]"],
  ["() => [a, ,]", "() => [a,]"],
  ["() => [...a]", "() => [a]"],
  ["() => new a.b()", "() => new (a.b())"],
  ["function f() { return new.target }", "function f() { return import.meta }"],
  ["() => import(a)", "() => import(a, b)"],
  ["() => { if (a) { b() } c() }", "() => { if (a) { b(); c() } }"],
  ["() => { if (a) b(); }", "() => { if (a) {} else b(); }"],
  ["() => { if (a) { if (b) c(); } else d(); }", "() => { if (a) { if (b) c(); else d(); } }"],
  ["() => { { let a = 1 } }", "() => { let a = 1 }"],
  ["() => { for (const a of b); }", "() => { for (const a in b); }"],
  ["async () => { for (const a of b); }", "async () => { for await (const a of b); }"],
  ["() => { while (a) b() }", "() => { do b(); while (a) }"],
  ["() => { a: for (;;) break a }", "() => { a: for (;;) break }"],
  ["() => { switch (a) { case 1: b() } }", "() => { switch (a) { default: b() } }"],
  ["() => { switch (a) { case 1: b(); case 2: } }", "() => { switch (a) { case 1: case 2: b() } }"],
  ["() => { try { a() } catch { b() } }", "() => { try { a() } finally { b() } }"],
  ["() => { try { a() } catch { b() } }", "() => { try { a() } catch (e) { b() } }"],
  ["function f() { yield\n* 2 }", "function f() { yield * 3 }"],
  ["function f() { function* g() { yield a } }", "function f() { function* g() { yield* a } }"],
  // Close to a counter, but none.
  ["() => { cov_xy[0]++; return 1; }", "() => 1"],
  ["() => { cov_x_y.s[0]++; return 1; }", "() => 1"],
  ["() => { cov_x++; return 1; }", "() => 1"],
  ["() => { cov.s[0]++; return 1; }", "() => 1"],
  ["() => { cov_1a.n[0]++; return 1; }", "() => 1"],
  ["() => { cov_1a.s[i]++; return 1; }", "() => 1"],
  ["() => { cov_1a.s++; return 1; }", "() => 1"],
  ["() => { cov_1a().s[0]--; return 1; }", "() => 1"],
  ["() => { ++cov_1a().s[0]; return 1; }", "() => 1"],
  ["() => { cov_1a(x()).s[0]++; return 1; }", "() => 1"],
  ["() => (1, cov_1a().s[0]++)", "() => 1"],
  ["() => cov_1a().s[0]++", "() => {}"],
] as const) {
  test(different, a, b);
}

for (const [what, source] of [
  ["native code", "function () { [native code] }"],
  ["a class", "class A {}"],
  ["no function", "1 + 1"],
  ["junk", "function ("],
  ["nothing", ""],
  ["deeper nesting than the stack takes", `() => ${"[".repeat(50_000)}${"]".repeat(50_000)}`],
  ["a longer chain than the stack takes", `() => a${".a".repeat(50_000)}`],
] as const) {
  test(`no text: ${what}`, (t) => t.is(normalisedSource(source), undefined));
}

test("the text stays as it is: a change of it would recompute everything that is kept", (t) => {
  t.is(
    normalisedSource("async (a, b = 0x10) => `${a.b}\\n` + /x/g"),
    '{"async":true,"body":{"left":{"expressions":[{"object":{"name":"a","type":"Identifier"},"property":' +
      '{"name":"b","type":"Identifier"},"type":"MemberExpression"}],"quasis":[{"type":"TemplateElement","cooked":""},' +
      '{"type":"TemplateElement","cooked":"\\n"}],"type":"TemplateLiteral"},"operator":"+","right":{"type":"Literal",' +
      '"pattern":"x","flags":"g"},"type":"BinaryExpression"},"params":[{"name":"a","type":"Identifier"},{"left":' +
      '{"name":"b","type":"Identifier"},"right":{"type":"Literal","number":"16"},"type":"AssignmentPattern"}],' +
      '"type":"ArrowFunctionExpression"}',
  );
});

/** Each can stand where an expression can. */
const functions = [
  "x => x",
  "async x => await x",
  "x => ({ x, y: { ...x } })",
  "(a, b) => a && b || (c ?? 4)",
  "(a, b) => (a ? b : (a, b), (a && b) ? (a, c) : a && (b || a))",
  "(xs) => xs.map((x, i) => xs.filter((y) => y > x).reduce((s, y) => s + y * i, 0))",
  "function () {}",
  'function (a) { "use strict"; if (a) return 1; else return `<${a}\\n> ${`${a}`}`; }',
  "function f(a, b = 2, { c = 3, d: { e } = {}, ...rest } = {}, [g = a || b, , h] = []) { return [a, b, c, e, rest, g, h]; }",
  `function simulate(steps, { dt = 0.01, seed = 0x2a, drag = .5 } = {}) {
    let state = seed >>> 0, x = 0, v = 1, path = [];
    const random = () => (state = (state * 1664525 + 1013904223) % 4294967296) / 2 ** 32;
    for (let i = 0; i < steps; i++) {
      const force = -x - drag * v + (random() - .5);
      v += force * dt; x += v * dt
      if (Math.abs(x) > 1e6) throw new RangeError("diverged at step " + i + " of " + steps);
      if (i % 10 === 0 && !(v < 0)) path.push({ i, x, 'v': v, "energy total": x * x + v * v });
      else if (v === 0) continue;
      else { delete path.last; v = void 0 }
    }
    while (path.length > 100) path.pop();
    do path.unshift(null); while (path.length < 3)
    return path
  }`,
  `async function fetchAll(urls, { retries = 3, signal } = {}) {
    const out = new Map();
    outer: for (const url of urls) {
      for (let attempt = 1; ; attempt++) {
        try {
          signal?.throwIfAborted();
          const response = await fetch(url, { signal, headers: { accept: 'application/json', 'x-try': \`\${attempt}\` } });
          if (!response.ok) continue outer;
          out.set(url, await response.json());
          break;
        } catch (error) {
          if (attempt >= retries || error?.name === "AbortError") throw error;
        } finally { await signal }
      }
    }
    return [...out].sort(([a], [b]) => a < b ? -1 : 1);
  }`,
  `function parseTokens(text) {
    const tokens = [], pattern = /\\s*(?:(\\d+)|([a-z_]\\w*)|(.))/giy;
    for (let match; (match = pattern.exec(text)); ) {
      switch (match[1] ? 0 : match[2] ? 1 : 2) {
        case 0: tokens.push(["number", +match[1]]); break;
        case 1: { const name = match[2]; tokens.push(["name", name]); break }
        case 2:
        default: tokens.push(["other", match[3], text.length / 2 / 1]);
      }
    }
    for (const key in tokens) if (key in pattern) debugger;
    return tokens.length ? tokens : null;
  }`,
  `function outer(n) {
    "use strict";
    class Counter extends (n ? Object : Array) {
      static zero = 0; #n = n; plain; handler = () => this.#n; 'quoted' = 1;
      static { Counter.one = 1; }
      constructor(...args) { super(...args); this.total ??= args.length; }
      get n() { return this.#n } set n(value) { this.#n = value; }
      static async *each(k) { for (let i = 0; i < k; ++i) yield* [i]; }
      [Symbol.iterator]() { return super.keys?.() }
      has() { return #n in this }
    }
    function inner(k) { return k <= 1 ? 1n : BigInt(k) * inner(k - 1); }
    var named = function () { return named.name }, anonymous = class {};
    label: { if (n) break label; named?.[anonymous](); }
    if (n) ; else named();
    const object = { get p() { return 1 }, set p(v) {}, async q() {}, *r() {}, ["s" + n]: 2, 1: 3, n };
    const tagged = String.raw\`\\x41\${n}\\n\`;
    n ||= 1; n &&= 2; n **= 2;
    ({ a: n, b: [n] = [] } = object);
    return new Counter, typeof tagged, new.target, arguments, [, n], inner;
  }`,
  "(a) => { /* istanbul ignore else */ if (a) return 1; /* istanbul ignore next */ if (!a) b(); for (;;) ; }",
  "function (n) { with (n) m(); }",
];

/** Comments in each gap between two tokens, and line breaks where the language takes them. */
function spread(source: string): string {
  const tokens: Token[] = [];
  const text = `(${source})`;
  parse(text, { ecmaVersion: "latest", onToken: tokens, allowSuperOutsideMethod: true });
  let out = "";
  let end = 1;
  let before = "template";
  for (const token of tokens.slice(1, -2)) {
    const label = token.type.label;
    const word = text.slice(token.start, token.end);
    const inTemplate = label === "template" || before === "template";
    const isRestricted =
      /^(return|break|continue|throw|yield|async)$/.test(before) || ["++", "--", "=>"].includes(word);
    if (!inTemplate) out += isRestricted ? " /* x; */ " : " // it's `x`\n\n /* \n */ ";
    out += text.slice(end, token.start) + word;
    end = token.end;
    before = label === "template" ? label : word;
  }
  return out;
}

const printer = ts.createPrinter({ removeComments: true });

const reprints: Readonly<Record<string, (source: string) => string>> = {
  "comments and line breaks": spread,
  esbuild: (source) => transformSync(`made = ${source}`, { target: "esnext" }).code,
  "esbuild, one line": (source) => transformSync(`made = ${source}`, { target: "esnext", minifyWhitespace: true }).code,
  typescript: (source) => printer.printFile(ts.createSourceFile("a.js", `made = ${source}`, ts.ScriptTarget.ESNext)),
};

/** From `made = <function>;` */
const withoutAssignment = (code: string) => code.replace(/^made\s*=\s*/, "").replace(/;\s*$/, "");

for (const [how, reprint] of Object.entries(reprints)) {
  test(`every function has the same text after reprinting: ${how}`, (t) => {
    for (const source of functions) {
      const printed = withoutAssignment(reprint(source));
      t.deepEqual(JSON.parse(normalised(printed)), JSON.parse(normalised(source)), printed);
      t.is(normalised(printed), normalised(source));
    }
  });
}

for (const options of [{ compact: false }, { compact: true }]) {
  test(`every function has the same text with istanbul's counters: ${JSON.stringify(options)}`, (t) => {
    const sloppy = functions.filter((source) => !source.includes("with ("));
    const methods = ["m(a = 1) { if (a) return a || 2; }", "async m(a) { for (const b of a) await b; }"];
    const code = `var out = [${sloppy.join(",\n")}, ${methods.map((method) => `({ ${method} }).m`).join()}];`;
    const instrumented = createInstrumenter({ ...options, esModules: true }).instrumentSync(code, "/normalise.js");
    const out: Function[] = runInThisContext(`(() => {${instrumented}\nreturn out; })()`);
    t.is(out.length, sloppy.length + 2);
    [...sloppy, ...methods].forEach((source, i) => {
      const counted = String(out[i]);
      t.regex(counted, /cov_\w+\(\)\.f\[\d+\]\+\+/);
      t.deepEqual(JSON.parse(normalised(counted)), JSON.parse(normalised(source)), counted);
      t.is(normalised(counted), normalised(source));
    });
  });
}

/** Another word of the same kind; `undefined` where no other is known. */
function changed({ type, value }: Token & { value?: any }, word: string): string | undefined {
  if (type.label === "name" || type.label === "privateId") return `${word}_`;
  if (type.label === "num") return typeof value === "bigint" ? `${value + 1n}n` : String(value + 1);
  if (type.label === "string") return `${word.slice(0, -1)}z${word.at(-1)}`;
  if (type.label === "regexp") return word.replace("/", "/z");
  if (type.label === "template") return `${word}z`;
  return others[word];
}

const others: Readonly<Record<string, string>> = Object.fromEntries(
  [
    "+ -, * /, % *, ** *, ++ --, && ||, ?? ||, || &&, < <=, > >=, <= <, >= >, === !==, == !=, >>> >>, ! ~, = +=",
    "+= -=, *= /=, **= *=, ??= ||=, ||= &&=, &&= ??=, ?. ., . ?., typeof void, void typeof, delete void, in instanceof",
    "const var, var const, true false, null true, this null, break continue, continue break, while if, of in",
  ].flatMap((line) => line.split(", ").map((pair) => pair.split(" "))),
);

test("every function has another text after a change of any name, literal or operator", (t) => {
  let changes = 0;
  for (const source of functions) {
    const text = normalised(source);
    const tokens: Token[] = [];
    parse(`(${source})`, { ecmaVersion: "latest", onToken: tokens, allowSuperOutsideMethod: true });
    for (const token of tokens) {
      const [start, end] = [token.start - 1, token.end - 1];
      const word = source.slice(start, end);
      const other = changed(token, word);
      if (other === undefined) continue;
      const edited = source.slice(0, start) + other + source.slice(end);
      if (normalisedSource(edited) !== undefined) changes++;
      t.not(normalisedSource(edited), text, `${word} to ${other} in ${edited}`);
    }
  }
  t.true(changes > 400, String(changes)); // the others do not parse
});

test("the source of a real function", (t) => {
  const source = "function (a) { return a * 2 }";
  t.is(normalisedSource(String(evaluate(source))), normalisedSource(source));
  t.is(normalisedSource(String(Math.max)), undefined);
});

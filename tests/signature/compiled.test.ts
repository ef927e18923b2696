import { createRequire } from "node:module";
import { runInThisContext } from "node:vm";
import test from "ava";
import { type TransformOptions, transformSync } from "esbuild";
import ts from "typescript";
import { createBinder } from "../../src/signature/bind.js";
import { kw } from "../../src/signature/kw.js";
import { readSignature } from "../../src/signature/parse.js";
import { bind, thrownBy } from "./evaluate.js";

// CommonJS, and without types here.
const { createInstrumenter } = createRequire(import.meta.url)("istanbul-lib-instrument");

/** The value of `out` after running compiled code. */
function run(code: string): any {
  return runInThisContext(`(() => {${code}\nreturn out; })()`);
}

function tsc(source: string, target: ts.ScriptTarget, importHelpers = false): any {
  const compilerOptions = {
    target,
    module: importHelpers ? ts.ModuleKind.CommonJS : ts.ModuleKind.None,
    importHelpers,
  };
  return run(`const exports = {}, require = () => ({}); ${ts.transpileModule(source, { compilerOptions }).outputText}`);
}

const source = `
  function plain(x: number, y = 2) { return x + y; }
  function pattern({ x, y = 2 }: any, ...more: number[]) { return x + y + more.length; }
  async function waits(x: number, y = 2) { return (await x) + y; }
  async function plainWaits(x: number, y: number) { return (await x) + y; }
  class A {
    q = 1;
    field = (x: number, y = 2) => x + y;
    method(x: number, y = 2) { return x + y; }
    async reads(x: number) { return this.q + (await x); }
    async readsNot(x: number) { return await x; }
    static #hidden(x: number, y = 2) { return x + y; }
    static get hidden() { return A.#hidden; }
  }
  const a = new A();
  const out = {
    plain, pattern, waits, plainWaits, arrow: (x: number, y = 2) => x + y, asyncArrow: async (x: number, y = 2) => (await x) + y,
    field: a.field, method: a.method, reads: a.reads, readsNot: a.readsNot, hidden: A.hidden, object: { m(x: number, y = 2) { return x + y; } }.m,
  };`;

/** The names each function has after compilation; with "this" where it reads that. */
const shows = test.macro((t, functions: Record<string, Function>, expected: Record<string, string>) => {
  const seen = Object.fromEntries(
    Object.entries(functions).map(([name, fn]) => {
      const { names, readsThis } = readSignature(fn);
      return [name, [...names, ...(readsThis ? ["this"] : [])].join(" ")];
    }),
  );
  t.deepEqual(seen, expected);
});

const asWritten = {
  plain: "x y",
  pattern: "x y more",
  waits: "x y",
  plainWaits: "x y",
  arrow: "x y",
  asyncArrow: "x y",
  field: "x y",
  method: "x y",
  reads: "x this",
  readsNot: "x",
  hidden: "x y",
  object: "x y",
};

test("tsc to ES2022 keeps all", shows, tsc(source, ts.ScriptTarget.ES2022), asWritten);
test("tsc to ES2017 keeps all", shows, tsc(source, ts.ScriptTarget.ES2017), asWritten);
// Async functions with defaults go through `arguments`; the others keep their names.
const es2015 = { ...asWritten, waits: "arguments", asyncArrow: "x_1 args_1" };
test("tsc to ES2015 hides async defaults", shows, tsc(source, ts.ScriptTarget.ES2015), es2015);
test("tsc to ES5 hides rests and async defaults", shows, tsc(source, ts.ScriptTarget.ES5), {
  ...es2015,
  pattern: "arguments",
  asyncArrow: "arguments",
});

const imports =
  "import x from 'x'; async function waits(x) { return await x; } const out = { waits, m: { async m(x) { return this; } }.m };";
test("tsc with tslib", shows, tsc(imports, ts.ScriptTarget.ES2015, true), { waits: "x", m: "x this" });

test("tsc to ES5 moves defaults into the body, and signature gives them back", (t) => {
  const { plain } = tsc(source, ts.ScriptTarget.ES5);
  t.deepEqual(createBinder(readSignature(plain)).bind([1]).values, [1, undefined]);
  const { values, args } = createBinder(readSignature(plain, "(x, y = 2)")).bind([kw({ x: 1 })]);
  t.deepEqual(values, [1, 2]);
  t.is(plain(...args), 3);
});

test("tsc to ES5 hides a rest, and signature gives it back", (t) => {
  const { pattern } = tsc(source, ts.ScriptTarget.ES5);
  const { values, args } = createBinder(readSignature(pattern, "({ x, y = 2 }, ...more)")).bind([{ x: 1 }, 8, 9]);
  t.deepEqual(values, [1, 2, [8, 9]]);
  t.is(pattern(...args), 5);
});

function esbuild(options: TransformOptions): any {
  return run(transformSync(source, { loader: "ts", ...options }).code);
}

test("esbuild keeps all", shows, esbuild({ target: "es2022" }), asWritten);
test("esbuild with keepNames keeps all", shows, esbuild({ target: "es2022", keepNames: true }), asWritten);
test(
  "esbuild with minified white space and syntax keeps all",
  shows,
  esbuild({ target: "es2022", minifyWhitespace: true, minifySyntax: true }),
  asWritten,
);
test("esbuild to ES2015 keeps all", shows, esbuild({ target: "es2015" }), asWritten);

test("esbuild minified keeps the number of parameters and their defaults", (t) => {
  const out = esbuild({ target: "es2022", minify: true });
  for (const fn of [out.plain, out.arrow, out.method, out.waits, out.hidden]) {
    const signature = readSignature(fn);
    t.is(signature.names.length, 2);
    t.deepEqual(createBinder(signature).bind([1]).values, [1, 2]);
  }
  t.deepEqual(readSignature(out.pattern).names.slice(0, 2), ["x", "y"]); // properties keep their names
});

test("minified defaults are read", (t) => {
  const code =
    "const out = (x, a = undefined, b = true, c = Infinity, d = Math.PI, e = Number.MAX_SAFE_INTEGER, f = 'l' + x) => x;";
  const fn = run(transformSync(code, { minify: true }).code);
  t.deepEqual(createBinder(readSignature(fn)).bind(["x"]).values, [
    "x",
    undefined,
    true,
    Infinity,
    Math.PI,
    Number.MAX_SAFE_INTEGER,
    "lx",
  ]);
});

test("istanbul counters around defaults are not counted as part of them, nor run", (t) => {
  const code = `function f(x, y = 2, { z = x + 1, w = [x || y, x ? 1 : 2] } = {}, [v = { k: x && 3 }] = []) { return [y, z, w, v]; }
    const g = (x, y = x ?? 5) => y;
    const h = new (class { async m(x, y = 2) { return y; } })().m;`;
  const instrumented: string = createInstrumenter({ compact: false, esModules: false }).instrumentSync(code, "/a.js");
  t.true(instrumented.includes("++, 2)"));
  const { f, g, h, counts } = run(`${instrumented}
    const out = { f, g, h, counts: () => JSON.stringify(globalThis.__coverage__["/a.js"].b) };`);
  const before = counts();
  const { values, args } = createBinder(readSignature(f)).bind([7]);
  t.deepEqual(values, [7, 2, 8, [7, 1], { k: 3 }]);
  t.deepEqual(createBinder(readSignature(g)).bind([7]).values, [7, 7]);
  t.deepEqual(createBinder(readSignature(h)).bind([7]).values, [7, 2]);
  t.is(counts(), before);
  t.deepEqual(f(...args), values.slice(1));
  t.not(counts(), before);
});

test("istanbul: a default that cannot be read is named without its counter", (t) => {
  const { message } = thrownBy(() => bind("(x, y = (cov_1().b[0][0]++, load())) => y", [1]));
  t.true(message.includes('the default of "y", load(), cannot be read'), message);
  t.true(message.includes("defaults: { y: () => load() }"), message);
});

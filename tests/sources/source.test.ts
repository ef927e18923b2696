import test, { type ExecutionContext } from "ava";
import { OptionError, SignatureError } from "../../src/index.js";
import { newCache, warningsOf } from "../place.js";
import { evaluate } from "../signature/evaluate.js";

/** Wraps sources under one path, each with `source: true`; `ran` counts computations. */
function wrapping(t: ExecutionContext, options: object = {}) {
  const { permacache, files } = newCache(t);
  const state = { ran: 0 };
  (globalThis as any).sourceTestRan = () => state.ran++;
  const wrap = (source: string | Function, more: object = {}): any =>
    permacache("edited", { source: true, ...options, ...more })(
      (typeof source === "string" ? evaluate(source) : source) as (...args: any[]) => any,
    );
  return { wrap, files, state };
}

const BASE = `(a, b = "x") => { sourceTestRan(); if (a > 1) { return a * 2 + b; } return a; }`;

test.serial("one function in two layouts is one function: nothing is warned of", async (t) => {
  const { wrap } = wrapping(t);
  t.deepEqual(await warningsOf(() => [wrap("(a) => a * a")(3), wrap("(a) => a*a")(3)]), []);
});

for (const [what, source] of [
  ["comments", `(a, b = "x") => { /* one */ sourceTestRan(); if (a > 1) { return a * 2 + b; } return a; // two\n }`],
  ["layout", `(a,b="x")=>{\n\n\tsourceTestRan()\n\tif(a>1){return a*2+b}\n\treturn a\n}`],
  ["quotes", `(a, b = 'x') => { sourceTestRan(); if (a > 1) { return a * 2 + b; } return a; }`],
  ["parentheses", `(a, b = ("x")) => { (sourceTestRan()); if ((a > 1)) { return (a * 2) + b; } return (a); }`],
  ["braces", `(a, b = "x") => { sourceTestRan(); if (a > 1) return a * 2 + b; return a; }`],
] as const) {
  test.serial(`${what} do not matter`, async (t) => {
    const { wrap, files, state } = wrapping(t);
    t.is(wrap(BASE)(3), "6x");
    t.is(wrap(source)(3), "6x");
    t.is(state.ran, 1);
    t.is(files().length, 1);
  });
}

for (const [what, edited, expected] of [
  ["an operator", "(a) => { sourceTestRan(); return a + 2; }", 5],
  ["a literal", "(a) => { sourceTestRan(); return a * 3; }", 9],
  ["a text", `(a) => { sourceTestRan(); return a * "2"; }`, 6],
  ["the order of operations", "(a) => { sourceTestRan(); return 2 * a; }", 6],
  ["a default", "(a, b = 2) => { sourceTestRan(); return a * 2; }", 6],
] as const) {
  test.serial(`${what} changed: it recomputes; changed back: the old value`, (t) => {
    const { wrap, files, state } = wrapping(t);
    const original = "(a) => { sourceTestRan(); return a * 2; }";
    t.is(wrap(original)(3), 6);
    t.is(wrap(edited)(3), expected);
    t.is(state.ran, 2);
    t.is(wrap(original)(3), 6);
    t.is(wrap(edited)(3), expected);
    t.is(state.ran, 2);
    t.is(files().length, 2);
  });
}

test.serial("a line break that changes the meaning changes the source", (t) => {
  const { wrap } = wrapping(t);
  t.is(wrap("function square(a) { return a*a }")(3), 9);
  t.is(wrap("function square(a) { return\n a*a }")(3), undefined);
  t.is(wrap("function square(a) { return a\n*a }")(3), 9);
});

test.serial("without it an edit keeps the entries, and sameSource tells", (t) => {
  const { wrap } = wrapping(t, { source: false });
  t.is(wrap("(a) => a * 2")(3), 6);
  const edited = wrap("(a) => a * 3");
  t.like(edited.detail(3), { value: 6, hit: true, sameSource: false });
  t.like(wrap("(a) => (a*2) // again").detail(3), { value: 6, hit: true, sameSource: true });
  t.like(edited.with({ mode: "refresh" }).detail(3), { value: 9, hit: false, sameSource: true });
});

test.serial("with it sameSource is true of every entry", (t) => {
  const { wrap } = wrapping(t);
  for (const source of ["(a) => a * 2", "(a) => a * 3"]) {
    t.like(wrap(source).detail(3), { hit: false, sameSource: true });
    t.like(wrap(source).detail(3), { hit: true, sameSource: true });
  }
});

test.serial("async functions, and object patterns, alike", async (t) => {
  const { wrap, state } = wrapping(t);
  t.is(await wrap("async ({ a }) => { sourceTestRan(); await null; return a; }")({ a: 1 }), 1);
  t.is(await wrap("async ({a}) => { sourceTestRan(); await null; return (a); }")({ a: 1 }), 1);
  t.is(await wrap("async ({ a }) => { sourceTestRan(); await null; return -a; }")({ a: 1 }), -1);
  t.is(state.ran, 2);
});

test.serial("methods: the body counts, the receiver by its key function", (t) => {
  const { wrap, state } = wrapping(t, { keyFunction: { this: (self: { id: number }) => self.id } });
  const classOf = (body: string): any => evaluate(`class Model { constructor(id) { this.id = id; } train(x) { sourceTestRan(); ${body}\n } }`); // biome-ignore format: one line
  const call = (body: string, id: number) => {
    const Model = classOf(body);
    return wrap(Model.prototype.train).call(new Model(id), 10);
  };
  t.is(call("return this.id + x;", 1), 11);
  t.is(call("return (this.id) + x; // again", 1), 11);
  t.is(call("return this.id + x;", 2), 12);
  t.is(state.ran, 2);
  t.is(call("return this.id - x;", 1), -9);
  t.is(call("return this.id + x;", 1), 11);
  t.is(state.ran, 3);
});

test.serial("by the decorator", (t) => {
  const { permacache } = newCache(t);
  let ran = 0;
  const fitted = () => {
    class Model {
      @permacache("decorated", { source: true })
      train(x: number) {
        ran++;
        return x + 1;
      }
    }
    return new Model().train(1);
  };
  t.deepEqual([fitted(), fitted()], [2, 2]);
  t.is(ran, 1);
});

test.serial("versions and sources live side by side", (t) => {
  const { wrap, files, state } = wrapping(t);
  const sources = ["(a) => { sourceTestRan(); return a; }", "(a) => { sourceTestRan(); return -a; }"];
  const versions = [undefined, "1", "2"];
  const all = () => versions.flatMap((version) => sources.map((source) => wrap(source, { version })(1)));
  t.deepEqual(all(), [1, -1, 1, -1, 1, -1]);
  t.deepEqual(all(), [1, -1, 1, -1, 1, -1]);
  t.is(state.ran, 6);
  t.is(files().length, 6);
});

test.serial("clear, entries, prune by age and delete are of this source and version", (t) => {
  const { wrap } = wrapping(t);
  const [one, two] = [wrap("(a) => a + 1"), wrap("(a) => a + 2")];
  const other = wrap("(a) => a + 1", { version: "2" });
  const unsourced = wrap("(a) => a + 1", { source: false });
  for (const f of [one, two, other, unsourced]) for (const a of [1, 2, 3]) f(a);
  t.true(one.delete(3));
  t.deepEqual([one, two, other, unsourced].map((f) => f.has(3)), [false, true, true, true]); // biome-ignore format: one line
  t.deepEqual([...one.entries()].map(({ key }) => key).sort(), ['{"a":1}', '{"a":2}']);
  t.is([...two.entries()].length, 3);
  t.is(one.clear(), 2);
  t.deepEqual([one, two, other, unsourced].map((f) => [...f.entries()].length), [0, 3, 3, 3]); // biome-ignore format: one line
});

test.serial("limits cover all sources of a path", (t) => {
  const { wrap, files } = wrapping(t, { maxEntries: 3 });
  for (const source of ["(a) => a + 1", "(a) => a + 2"]) for (const a of [1, 2, 3]) wrap(source)(a);
  t.is(files().length, 3);
});

for (const [what, fn] of [
  ["native", Math.max],
  ["bound", ((x: number) => x).bind(undefined)],
  ["a Proxy", new Proxy((x: number) => x, {})],
] as const) {
  test.serial(`${what}, without a signature: a SignatureError that says what to do`, (t) => {
    const { wrap } = wrapping(t);
    t.throws(() => wrap(fn), { instanceOf: SignatureError, code: "ERR_PERMACACHE_SIGNATURE" });
  });
  test.serial(`${what}, with a signature: it works, and the signature stands for the source`, (t) => {
    const { wrap } = wrapping(t);
    const f = wrap(fn, { signature: "(x)" });
    t.is(f(4), 4);
    t.like(f.detail(4), { value: 4, hit: true });
    t.false(wrap(fn, { signature: "(x, y = 1)" }).has(4));
  });
}

test.serial("source: false, and no source, are the same identity; another type is refused", (t) => {
  const { wrap } = wrapping(t);
  wrap("(a) => a", { source: false })(1);
  t.true(wrap("(a) => a", { source: undefined }).has(1));
  t.throws(() => wrap("(a) => a", { source: "yes" }), {
    instanceOf: OptionError,
    message: /"source" must be a boolean/,
  });
});

test.serial("coverage counters do not matter", (t) => {
  const { wrap, state } = wrapping(t);
  (globalThis as any).cov_1 = () => ({ s: [0], f: [0], b: [[0]] });
  t.is(wrap("(a) => { sourceTestRan(); return a; }")(1), 1);
  t.is(wrap("(a) => { cov_1().f[0]++; cov_1().s[0]++; sourceTestRan(); cov_1().s[0]++; return a; }")(1), 1);
  t.is(state.ran, 1);
});

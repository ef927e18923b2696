import test from "ava";
import {
  createCache,
  dropIfEqual,
  kw,
  OptionError,
  permacache,
  SignatureError,
  stableHash,
  str,
  UnkeyableValueError,
} from "../../../src/index.js";
import { failureOf } from "../../place.js";
import { KINDS, placeOf, recording } from "./recording.js";

// ---- keys ----

const TRANSFORMS: [string, any, unknown[], unknown[]][] = [
  ["stableHash", stableHash, [{ a: 1, b: 2 }, { b: 2, a: 1 }, { a: 2 }], [{ a: 1, b: 2 }, { a: 2 }]],
  ["str", str, [1, "1", 2n], [1, 2n]],
  ["null", null, [1, 2, 3], [1]],
  ["dropIfEqual", dropIfEqual(0), [0, undefined, 1], [0, undefined, 1]],
  ["a function", (x: string) => x.toLowerCase(), ["A", "b", "a"], ["A", "b"]],
];
for (const [name, transform, elements, distinct] of TRANSFORMS) {
  test(`key functions see the element: ${name}`, (t) => {
    const { f, ran } = recording(t, { keyFunction: { xs: transform } });
    f(elements);
    t.deepEqual(ran, [distinct]);
    f(elements);
    t.is(ran.length, 1);
  });
}

test("equal keys get the result of the first", (t) => {
  const { f } = recording(t, { keyFunction: { xs: (x: number) => x % 2 } });
  t.deepEqual(
    f([3, 4, 5, 6]).map(([x]: any) => x),
    [3, 4, 3, 4],
  );
  t.deepEqual(
    f([6, 5]).map(([x]: any) => x),
    [4, 3],
  );
});

test("a whole-call key function is given one element, and the other arguments", (t) => {
  const seen: unknown[] = [];
  const { f, ran } = recording(t, {
    keyFunction: (bound: any) => {
      seen.push({ ...bound });
      return [bound.xs, bound.factor];
    },
  });
  f("ab", 3);
  t.deepEqual(seen, [
    { xs: "a", factor: 3 },
    { xs: "b", factor: 3 },
  ]);
  t.deepEqual(f.key("ab", 3), ['["a",3]', '["b",3]']);
  f(["b", "c"], 3);
  t.deepEqual(ran, ["ab", ["c"]]);
});

test("what a key function says of an element is told with its place", (t) => {
  const { f } = recording(t, { keyFunction: { xs: str } });
  t.throws(() => f([1, {}]), { instanceOf: UnkeyableValueError, message: /"recording": xs\[1\]: .*stableHash/ });
});

test("a constant argument is keyed once, however many elements there are", async (t) => {
  for (const kind of KINDS) {
    let count = 0;
    class Settings {
      toJSON() {
        count++;
        return { depth: 3 };
      }
    }
    const { f } = recording(t, { keyFunction: { factor: (settings: Settings) => settings } }, kind);
    f.key([1, 2, 3, 4, 5], new Settings());
    t.is(count, 1);
    const settings = new Settings();
    await f.with({ mode: "only-if-cached" }).has([1, 2, 3], settings);
    t.is(count, 2);
    await f.with({ mode: "read-only" })([1, 2, 3, 4, 5], 4);
    t.is(count, 2);
  }
});

test("a key function of a constant argument is called once, of the element once each", (t) => {
  const seen: unknown[] = [];
  const note = (value: unknown) => {
    seen.push(value);
    return value;
  };
  const { f } = recording(t, { keyFunction: { xs: note, factor: note } });
  f([1, 2, 3], 5);
  t.deepEqual(seen, [5, 1, 2, 3]);
});

test("an element that cannot be keyed is named by its place, and nothing runs", async (t) => {
  for (const kind of KINDS) {
    const { f, ran, files } = recording(t, {}, kind);
    const error = await failureOf(() => f([1, 2, { deep: [() => 1] }]));
    t.true(error instanceof UnkeyableValueError);
    t.regex(error.message, /permacache "recording".*xs\[2\]\.deep\[0\]/);
    t.regex((await failureOf(() => f([1], () => 1))).message, /"recording": factor is a function/);
    t.is(ran.length, 0);
    t.is(files().length, 0);
  }
});

test("a single call and batches share entries as the keys say", (t) => {
  const { permacache: wrap, files } = placeOf(t);
  const one: any = wrap("shared", { version: "1" })((xs: number, factor = 2) => xs * factor);
  let ran: number[][] = [];
  const many: any = wrap("shared", { version: "1", parallel: "xs" })((xs: number[], factor = 2) => {
    ran.push(xs);
    return xs.map((x) => x * factor);
  });
  one(1);
  t.deepEqual(many([1, 2]), [2, 4]);
  t.deepEqual(ran, [[2]]);
  ran = [];
  t.true(one.has(2));
  t.is(one.with({ mode: "only-if-cached" })(2), 4);
  t.deepEqual(one.key(kw({ xs: 2 })), many.key([2])[0]);
  t.is(files().length, 2);
});

test("the key of an element is that of a single call, whatever the parameters are called", (t) => {
  const { permacache: wrap } = placeOf(t);
  const options = { keyFunction: { $type: dropIfEqual(0) } };
  const one: any = wrap("dollar", { version: "1", ...options })((b: any, $type: any, a: any = 1) => [b, $type, a]);
  const many: any = wrap("dollar", { version: "1", parallel: ["$type", "b"], ...options })(
    (b: any, $type: any, a: any = 1) => [b, $type, a],
  );
  for (const [b, type] of [
    [1, 0],
    [1, 2],
    [undefined, undefined],
    [undefined, 0],
    [{ $type: "x" }, "undefined"],
  ]) {
    t.is(many.key([b], [type], 4)[0], one.key(b, type, 4));
    t.is(many.key([b], [type])[0], one.key(b, type));
  }
});

// ---- signatures and options ----

test("a default that looks at a parallel argument is a SignatureError", (t) => {
  const wrap: any = permacache("batch/defaults", { parallel: "xs" });
  for (const fn of [
    (xs: any[], _n = xs.length) => xs,
    (xs: any[], { n: _n = xs[0] } = {} as any) => xs,
    ({ xs, n: _n = xs.length }: any) => xs,
    ({ xs: ys, n: _n = ys.length }: any) => ys,
    (xs: any[], _a = 1, [_b = [xs]] = [] as any) => xs,
  ]) {
    t.throws(() => wrap(fn), { instanceOf: SignatureError, message: /refers to a parallel parameter/ });
  }
  const both: any = permacache("batch/defaults/both", { parallel: ["xs", "ys"] } as any);
  t.throws(() => both((xs: any[], ys = xs) => ys), { instanceOf: SignatureError });
  t.notThrows(() => wrap((xs: any[], a = 1, _b = a) => xs));
});

test("a function in `defaults` is not given the parallel arguments", (t) => {
  const seen: unknown[] = [];
  const { permacache: wrap } = placeOf(t);
  const f: any = wrap("defaults", {
    parallel: "xs",
    defaults: {
      c: (earlier: any) => {
        seen.push({ ...earlier });
        return (earlier.a ?? 0) + 1;
      },
    },
  })((a: number, xs: number[], c?: number) => xs.map((x) => [a, x, c]));
  t.deepEqual(f(1, [5, 6]), [
    [1, 5, 2],
    [1, 6, 2],
  ]);
  t.deepEqual(seen, [{ a: 1 }]);
  t.deepEqual(f.key(1, [5]), ['{"a":1,"c":2,"xs":5}']);
});

const REFUSED: [string, object, (...args: any) => any, RegExp][] = [
  ["chunkSize without parallel", { chunkSize: 2 }, (xs: any) => xs, /chunkSize goes with parallel/],
  ["concurrency without parallel", { concurrency: 2 }, (xs: any) => xs, /concurrency goes with parallel/],
  ["onProgress without parallel", { onProgress: () => {} }, (xs: any) => xs, /onProgress goes with parallel/],
  ["a name that is no parameter", { parallel: "ys" }, (xs: any) => xs, /"ys" is not a parameter of/],
  ["one of two", { parallel: ["xs", "ys"] }, (xs: any) => xs, /"ys" is not a parameter of/],
  ["a rest", { parallel: "xs" }, (...xs: any) => xs, /"xs" is not a parameter/],
  ["a rest in a pattern", { parallel: "xs" }, ({ ...xs }: any) => xs, /"xs" is not a parameter/],
  ["a pattern", { parallel: "xs" }, ({ xs: [a] }: any) => a, /"xs" is not a parameter/],
  ["the variable of a renamed property", { parallel: "ys" }, ({ xs: ys }: any) => ys, /"ys" is not a parameter/],
  ["this", { parallel: "this" }, (xs: any) => xs, /"this" is not a parameter/],
  [
    "a function that reads arguments",
    { parallel: "arguments" },
    function () {
      // biome-ignore lint/complexity/noArguments: that is what it is about
      return arguments;
    },
    /"arguments" is not a parameter/,
  ],
];
for (const [what, options, fn, words] of REFUSED) {
  test(`refused with the function: ${what}`, (t) => {
    t.throws(() => (permacache("batch/refused", options as any) as any)(fn), {
      instanceOf: OptionError,
      message: words,
    });
  });
}

for (const [what, options] of [
  ["parallel: 3", { parallel: 3 }],
  ["parallel: []", { parallel: [] }],
  ['parallel: ""', { parallel: "" }],
  ["a name twice", { parallel: ["xs", "xs"] }],
  ["chunkSize: 0", { parallel: "xs", chunkSize: 0 }],
  ["chunkSize: 1.5", { parallel: "xs", chunkSize: 1.5 }],
  ["chunkSize: Infinity", { parallel: "xs", chunkSize: Number.POSITIVE_INFINITY }],
  ["concurrency: -1", { parallel: "xs", concurrency: -1 }],
  ["concurrency: text", { parallel: "xs", concurrency: "2" }],
  ["onProgress: true", { parallel: "xs", onProgress: true }],
  ["signal at a function", { parallel: "xs", signal: new AbortController().signal }],
] as const) {
  test(`refused when wrapping: ${what}`, (t) => {
    t.throws(() => permacache("batch/refused", options as any), { instanceOf: OptionError });
  });
}

test("refused at a cache and at a call", (t) => {
  t.throws(() => createCache({ parallel: "xs" } as any), { instanceOf: OptionError });
  const { f } = recording(t);
  for (const wrong of [
    { signal: {} },
    { signal: new AbortController() },
    { onProgress: 1 },
    { chunkSize: 2 },
    { parallel: "xs" },
    { concurrency: 2 },
  ]) {
    t.throws(() => f.with(wrong), { instanceOf: OptionError });
  }
});

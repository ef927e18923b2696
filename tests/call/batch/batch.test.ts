import { setImmediate as turn } from "node:timers/promises";
import test, { type ExecutionContext } from "ava";
import {
  BatchError,
  BindingError,
  CacheMissError,
  type CacheOptions,
  cacheOf,
  createCache,
  dropIfEqual,
  kw,
  OptionError,
  permacache,
  SignatureError,
  StoreError,
  stableHash,
  str,
  UnkeyableValueError,
  withMode,
} from "../../../src/index.js";
import { failureOf, newCache, newDirectory, warningsOf } from "../../place.js";

const KINDS = ["sync", "async"] as const;
type Kind = (typeof KINDS)[number];

/** A cache of the test's own, of which only the entries are looked at. */
function placeOf(t: ExecutionContext, options: CacheOptions = {}) {
  const place = newCache(t, options);
  return { ...place, files: () => place.files().filter((file) => file.endsWith(".entry")) };
}

/** A function of sequences `xs` and a factor; it notes what it is given, and each result tells its element. */
function recording(t: ExecutionContext, options: object = {}, kind: Kind = "sync") {
  const place = placeOf(t);
  const ran: any[] = [];
  const compute = (xs: any, factor: number) => {
    ran.push(xs);
    return Array.from(xs, (x) => [x, factor]);
  };
  const f: any =
    kind === "sync"
      ? place.permacache("recording", { parallel: "xs", ...options })((xs: any, factor = 2) => compute(xs, factor))
      : place.permacache("recording", { parallel: "xs", ...options })(async (xs: any, factor = 2) =>
          compute(xs, factor),
        );
  return { ...place, f, ran };
}

/** A promise, and what resolves it. */
function gate() {
  let open!: () => void;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

async function rejections(action: () => Promise<unknown>): Promise<unknown[]> {
  const seen: unknown[] = [];
  const listener = (reason: unknown) => seen.push(reason);
  process.on("unhandledRejection", listener);
  try {
    await action();
    for (let i = 0; i < 3; i++) await turn();
  } finally {
    process.off("unhandledRejection", listener);
  }
  return seen;
}

// ---- the words of the page ----

test("permacache: parallel arguments: one entry per element, mapped or not", (t) => {
  const plain = recording(t);
  t.deepEqual(plain.f([1, 2, 3]), [
    [1, 2],
    [2, 2],
    [3, 2],
  ]);
  t.is(plain.files().length, 3);
  t.deepEqual(plain.f.key([1, 2, 3]), ['{"factor":2,"xs":1}', '{"factor":2,"xs":2}', '{"factor":2,"xs":3}']);
  const mapped = recording(t, { keyFunction: { xs: (x: { id: number }) => x.id } });
  mapped.f([{ id: 1 }, { id: 2, more: "data" }]);
  t.deepEqual(mapped.f([{ id: 2 }, { id: 1 }]), [
    [{ id: 2, more: "data" }, 2],
    [{ id: 1 }, 2],
  ]);
  t.is(mapped.files().length, 2);
  t.is(mapped.ran.length, 1);
});

test("permacache: two parallel arguments zip (a string is a sequence too)", (t) => {
  const ran: unknown[] = [];
  const zip: any = placeOf(t).permacache("zip", { parallel: ["xs", "letters"] })((xs: number[], letters: string) => {
    ran.push([xs, letters]);
    return xs.map((x, i) => `${x}${letters[i]}`);
  });
  t.deepEqual(zip([1, 2, 3], "abc"), ["1a", "2b", "3c"]);
  t.deepEqual(zip.key([1, 2], "ab"), ['{"letters":"a","xs":1}', '{"letters":"b","xs":2}']);
  t.deepEqual(zip([1, 2, 3, 1], "adcb"), ["1a", "2d", "3c", "1b"]);
  t.deepEqual(ran, [
    [[1, 2, 3], "abc"],
    [[2, 1], "db"],
  ]);
});

test("permacache: unequal lengths: `Incompatible lengths: 3, 4`", async (t) => {
  const { permacache: wrap, files } = placeOf(t);
  const zip: any = wrap("unequal", { parallel: ["xs", "ys"] })((xs: any[], ys: any[]) => [xs, ys]);
  for (const action of [zip, zip.key, zip.has, zip.delete, zip.with({ mode: "bypass" })]) {
    t.throws(() => action([1, 2, 3], [1, 2, 3, 4]), { instanceOf: BatchError, message: /Incompatible lengths: 3, 4/ });
  }
  const slow: any = wrap("unequal/async", { parallel: ["xs", "ys"] })(async (xs: any[], ys: any[]) => [xs, ys]);
  t.regex((await failureOf(() => slow([1, 2, 3], "abcd"))).message, /Incompatible lengths: 3, 4/);
  t.is(files().length, 0);
});

for (const kind of KINDS) {
  test(`permacache: duplicates in one call computed once, ${kind}`, async (t) => {
    const { f, ran, files } = recording(t, {}, kind);
    t.deepEqual(
      (await f([2, 1, 2, 2, 1])).map(([x]: any) => x),
      [2, 1, 2, 2, 1],
    );
    t.deepEqual(ran, [[2, 1]]);
    t.is(files().length, 2);
  });

  test(`permacache: order kept; only missing ones computed, ${kind}`, async (t) => {
    const { f, ran } = recording(t, {}, kind);
    await f([5, 3]);
    t.deepEqual(
      (await f([9, 5, 1, 3, 7])).map(([x]: any) => x),
      [9, 5, 1, 3, 7],
    );
    t.deepEqual(ran, [
      [5, 3],
      [9, 1, 7],
    ]);
    await f([7, 9, 1, 3, 5]);
    t.is(ran.length, 2);
  });

  test(`permacache: other arguments constant, ${kind}`, async (t) => {
    const { f, ran } = recording(t, {}, kind);
    t.deepEqual(await f([1, 2], 10), [
      [1, 10],
      [2, 10],
    ]);
    t.deepEqual(await f([1, 2], 20), [
      [1, 20],
      [2, 20],
    ]);
    t.deepEqual(await f([1], 10), [[1, 10]]);
    t.is(ran.length, 2);
  });
}

test("permacache: out files not with parallel", (t) => {
  for (const options of [{ outFile: "loc" }, { outFile: "loc", keepOutFiles: true }]) {
    const wrap = permacache("batch/out", { parallel: "xs", ...options } as any) as any;
    t.throws(() => wrap((xs: any[], loc: string) => [xs, loc]), {
      instanceOf: OptionError,
      message: /outFile does not go with parallel/,
    });
  }
});

// ---- how it is called ----

test("by position, by name, with the options as an object, and with keywords: true: one set of entries", (t) => {
  const place = placeOf(t);
  let ran = 0;
  const scaled = (xs: number[], factor: number) => {
    ran++;
    return xs.map((x) => x * factor);
  };
  const named: any = place.permacache("spelled", { parallel: "xs", version: "1" })((xs: number[], factor = 2) =>
    scaled(xs, factor),
  );
  const loose: any = place.permacache("spelled", { parallel: "xs", version: "1", keywords: true })(
    (xs: number[], factor = 2) => scaled(xs, factor),
  );
  const object: any = place.permacache("spelled", { parallel: "xs", version: "1" })(
    ({ xs, factor = 2 }: { xs: number[]; factor?: number }) => scaled(xs, factor),
  );
  const array: any = place.permacache("spelled", { parallel: "xs", version: "1" })(([xs, factor = 2]: any) =>
    scaled(xs, factor),
  );
  for (const call of [
    () => named([1, 2]),
    () => named([1, 2], 2),
    () => named(kw({ xs: [1, 2] })),
    () => named([1, 2], kw({ factor: 2 })),
    () => loose({ factor: 2, xs: [1, 2] }),
    () => object({ xs: [1, 2] }),
    () => object(kw({ xs: [1, 2], factor: 2 })),
    () => array([[1, 2]]),
    () => array([[1, 2], 2]),
  ]) {
    t.deepEqual(call(), [2, 4]);
  }
  t.is(ran, 1);
  t.deepEqual(object({ factor: 3, xs: [1, 2] }), [3, 6]);
  t.deepEqual(array([[2, 3], 3]), [6, 9]);
  t.deepEqual(named(kw({ factor: 3, xs: [4, 3] })), [12, 9]);
  t.is(ran, 4);
});

test("the function is given the missing elements where they stood: the rest of the object as it was passed", (t) => {
  const given: unknown[] = [];
  const f: any = placeOf(t).permacache("objects", { parallel: "xs" })((first: number, { xs, ...rest }: any) => {
    given.push([first, xs, rest]);
    return xs;
  });
  f(7, { xs: [1, 2], a: 1 });
  f(7, { a: 1, xs: [3, 1] });
  t.deepEqual(given, [
    [7, [1, 2], { a: 1 }],
    [7, [3], { a: 1 }],
  ]);
});

test("a parallel parameter with a default is a sequence when it is omitted, also in a pattern", (t) => {
  const place = placeOf(t);
  const given: unknown[] = [];
  const plus = (xs: number[], ys: number[]) => {
    given.push([xs, ys]);
    return xs.map((x, i) => x + ys[i]!);
  };
  const plain: any = place.permacache("omitted", { parallel: ["xs", "ys"] })((xs: any, ys = [10, 20]) => plus(xs, ys));
  const object: any = place.permacache("omitted/object", { parallel: ["xs", "ys"] })(({ xs, ys = [10, 20] }: any) =>
    plus(xs, ys),
  );
  const array: any = place.permacache("omitted/array", { parallel: ["xs", "ys"] })(([xs, ys = [10, 20]]: any) =>
    plus(xs, ys),
  );
  for (const [f, call] of [
    [plain, [[1, 2]]],
    [object, [{ xs: [1, 2] }]],
    [array, [[[1, 2]]]],
  ] as const) {
    f.prime([11], ...(f === plain ? [[1], [10]] : f === object ? [{ xs: [1], ys: [10] }] : [[[1], [10]]]));
    t.deepEqual(f(...call), [11, 22]);
    t.deepEqual(given.pop(), [[2], [20]]);
  }
});

test("no sequence: BatchError that names the argument; nothing runs", async (t) => {
  const { f, ran } = recording(t);
  for (const wrong of [undefined, null, 3, true, {}, { length: 2, 0: 1, 1: 2 }, () => 1, new Date(0)]) {
    t.throws(() => f(wrong), { instanceOf: BatchError, message: /"recording".*parallel argument "xs" must be/ });
    t.throws(() => f.key(wrong), { instanceOf: BatchError });
    t.throws(() => f.with({ mode: "bypass" })(wrong), { instanceOf: BatchError });
  }
  t.throws(() => f(), { instanceOf: BatchError });
  const { f: slow } = recording(t, {}, "async");
  t.true((await failureOf(() => slow(3))) instanceof BatchError);
  t.true(slow(3).catch(() => {}) instanceof Promise);
  t.is(ran.length, 0);
});

test("an empty batch is an empty array, and the function is not called", async (t) => {
  for (const kind of KINDS) {
    const { f, ran } = recording(t, {}, kind);
    for (const mode of ["read-write", "read-only", "refresh", "bypass", "only-if-cached"]) {
      t.deepEqual(await recording(t, { concurrency: 2 }, kind).f.with({ mode })([]), []);
      for (const empty of [[], "", new Set(), new Uint8Array(0)]) t.deepEqual(await f.with({ mode })(empty), []);
    }
    t.deepEqual(f.key([]), []);
    t.deepEqual(await f.has([]), []);
    t.deepEqual(await f.detail([]), []);
    await f.prime([], []);
    t.is(ran.length, 0);
  }
});

// ---- sequences ----

test("missing elements come as a sequence of the argument's type", (t) => {
  const big = new BigInt64Array([1n, 2n, 3n]);
  const bytes = Uint8Array.of(9, 1, 2, 3, 9);
  const sequences: [string, any, any, any][] = [
    ["array", [1, 2, 3], [2], [1, 3]],
    ["string", "abc", "b", "ac"],
    ["UTF-16 units, also lone ones", "a\ud83d\ude00", "\ud83d", "a\ude00"],
    [
      "typed array",
      new Float64Array([1.5, -0, Number.NaN]),
      new Float64Array([-0]),
      new Float64Array([1.5, Number.NaN]),
    ],
    ["bigint array", big, new BigInt64Array([2n]), new BigInt64Array([1n, 3n])],
    ["view", bytes.subarray(1, 4), Uint8Array.of(2), Uint8Array.of(1, 3)],
    ["clamped", new Uint8ClampedArray([1, 2, 3]), new Uint8ClampedArray([2]), new Uint8ClampedArray([1, 3])],
    ["Buffer", Buffer.from("abc"), Buffer.from("b"), Buffer.from("ac")],
    ["view of a Buffer", Buffer.from("xabcx").subarray(1, 4), Buffer.from("b"), Buffer.from("ac")],
    ["Set", new Set([1, 2, 3]), [2], [1, 3]],
    [
      "Map",
      new Map([
        ["a", 1],
        ["b", 2],
      ]),
      [["b", 2]],
      [["a", 1]],
    ],
  ];
  for (const [name, whole, first, rest] of sequences) {
    const { f, ran } = recording(t);
    f(first);
    const results = f(whole);
    t.deepEqual(ran, [first, rest], name);
    t.is(Object.getPrototypeOf(ran[1]), Object.getPrototypeOf(rest), name);
    const elements = typeof whole === "string" ? whole.split("") : [...whole];
    t.deepEqual(
      results.map(([x]: any) => x),
      elements,
      name,
    );
    t.deepEqual(f(whole), results, name);
    t.is(ran.length, 2, name);
  }
});

test("generators are read once, other iterables as they iterate", async (t) => {
  for (const kind of KINDS) {
    const { f, ran } = recording(t, { chunkSize: 2 }, kind);
    function* numbers() {
      yield* [3, 1, 3, 2];
    }
    t.deepEqual(
      (await f(numbers())).map(([x]: any) => x),
      [3, 1, 3, 2],
    );
    t.deepEqual(ran, [[3, 1], [2]]);
  }
  const { f, ran } = recording(t);
  f(new (class extends Array<number> {})(1, 2, 3));
  f(Object("ab"));
  t.deepEqual(
    ran.map((xs) => [...xs]),
    [
      [1, 2, 3],
      ["a", "b"],
    ],
  );
});

test("a hole and an undefined element are one element, which stays undefined: never default-filled, not in the key", (t) => {
  const { f, ran } = recording(t);
  // biome-ignore lint/suspicious/noSparseArray: that is what it is about
  const results = f([1, , undefined, null]);
  t.deepEqual(ran, [[1, undefined, null]]);
  t.deepEqual(
    results.map(([x]: any) => x),
    [1, undefined, undefined, null],
  );
  t.deepEqual(f.key([undefined, null]), ['{"factor":2}', '{"factor":2,"xs":null}']);
  const own: any = placeOf(t).permacache("own/default", { parallel: "xs" })((xs: any = ["no"]) => xs);
  t.deepEqual(own([undefined]), [undefined]);
  t.deepEqual(own.key([undefined]), ["{}"]);
});

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

// ---- results ----

for (const kind of KINDS) {
  test(`a result that is not an array of the right length: BatchError, nothing stored, ${kind}`, async (t) => {
    const { permacache: wrap, files } = placeOf(t);
    let result: unknown;
    const options = { parallel: "_xs" } as const;
    const f: any =
      kind === "sync"
        ? wrap("wrong", options)((_xs: any) => result as any)
        : wrap("wrong", options)(async (_xs: any) => result as any);
    for (const wrong of [
      [1, 2],
      [1, 2, 3, 4],
      [],
      undefined,
      null,
      "abc",
      3,
      new Uint8Array(3),
      { length: 3 },
      new Set([1, 2, 3]),
    ]) {
      result = wrong;
      for (const mode of ["read-write", "refresh", "read-only", "bypass"]) {
        const error = await failureOf(() => f.with({ mode })([1, 2, 3]));
        t.true(error instanceof BatchError);
        t.is(error.code, "ERR_PERMACACHE_BATCH");
        t.regex(error.message, /permacache "wrong".*3 elements/);
      }
    }
    t.is(files().length, 0);
    result = [1, 2, 3];
    t.deepEqual(await f([1, 2, 3]), [1, 2, 3]);
  });
}

test("a result with holes is undefined there, now and from the cache", (t) => {
  const { permacache: wrap } = placeOf(t);
  // biome-ignore lint/suspicious/noSparseArray: that is what it is about
  const f: any = wrap("holes", { parallel: "_xs" })((_xs: any) => [1, , 3]);
  t.deepEqual(f("abc"), [1, undefined, 3]);
  t.deepEqual(f.with({ mode: "only-if-cached" })("abc"), [1, undefined, 3]);
});

test("a plain function that returns promises: results stored when they resolve, hits follow the entries", async (t) => {
  const { permacache: wrap } = placeOf(t);
  let ran = 0;
  const f: any = wrap("promised", { parallel: "xs" })((xs: number[]) => {
    ran++;
    return Promise.resolve(xs.map((x) => x * 2));
  });
  t.deepEqual(await f([1, 1, 2]), [2, 2, 4]);
  t.true(f([1]) instanceof Promise);
  t.true(f([1, 3]) instanceof Promise);
  t.deepEqual(await f([2, 3]), [4, 6]);
  t.is(ran, 2);
  const said: any = wrap("promised/said", { parallel: "xs", async: true })((xs: number[]) =>
    Promise.resolve(xs.map((x) => x * 2)),
  );
  t.true(said([]) instanceof Promise);
  t.deepEqual(await said([1, 2]), [2, 4]);
  t.deepEqual(await said.has([1, 3]), [true, false]);
});

test("a function that cannot store a result returns it: the others are stored", (t) => {
  const errors: unknown[] = [];
  const { permacache: wrap, files } = placeOf(t, { onError: (error) => errors.push(error) });
  const f: any = wrap("unstorable", { parallel: "xs" })((xs: number[]) => xs.map((x) => (x === 2 ? () => x : x)));
  const [one, two, three] = f([1, 2, 3]);
  t.is(two(), 2);
  t.deepEqual([one, three], [1, 3]);
  t.is(files().length, 2);
  t.deepEqual(f.has([1, 2, 3]), [true, false, true]);
  t.is(errors.length, 1);
  t.true(errors[0] instanceof StoreError);
});

test("onError: throw: an element that cannot be stored fails the call", async (t) => {
  for (const kind of KINDS) {
    const { permacache: wrap } = placeOf(t, { onError: "throw" });
    const list = (xs: number[]) => xs.map((x) => (x === 2 ? () => x : x));
    const f: any =
      kind === "sync"
        ? wrap("strict", { parallel: "xs", chunkSize: 1 })((xs: number[]) => list(xs))
        : wrap("strict", { parallel: "xs", chunkSize: 1 })(async (xs: number[]) => list(xs));
    t.true((await failureOf(() => f([1, 2, 3]))) instanceof StoreError);
    t.deepEqual(await f.has([1, 2, 3]), [true, false, false]);
  }
});

test.serial("an element that cannot be stored: one warning per function", async (t) => {
  const { permacache: wrap } = placeOf(t);
  const f: any = wrap("unstorable/warned", { parallel: "xs", chunkSize: 1 })((xs: any[]) => xs.map(() => () => 1));
  const warnings = await warningsOf(() => f([1, 2, 3]));
  t.is(warnings.length, 1);
  t.regex(warnings[0]!, /unstorable\/warned/);
});

test("promises as results of elements cannot be stored, and are returned", async (t) => {
  const errors: unknown[] = [];
  const { permacache: wrap, files } = placeOf(t, { onError: (error) => errors.push(error) });
  const f: any = wrap("promises", { parallel: "xs" })((xs: number[]) => xs.map(async (x) => x));
  t.deepEqual(await Promise.all(f([1, 2])), [1, 2]);
  t.is(files().length, 0);
  t.is(errors.length, 2);
});

test("shouldStore and validate decide for each element", (t) => {
  const { f, ran } = recording(t, { shouldStore: ([x]: any) => x !== 2 });
  f([1, 2, 3]);
  f([1, 2, 3]);
  t.deepEqual(ran, [[1, 2, 3], [2]]);
  let bad = -1;
  const metas: any[] = [];
  const checked = recording(t, {
    validate: ([x]: any, meta: any) => {
      metas.push(meta.key);
      return x !== bad;
    },
  });
  checked.f([1, 2, 3]);
  bad = 3;
  t.deepEqual(checked.f.has([1, 2, 3]), [true, true, false]);
  checked.f([1, 2, 3]);
  t.deepEqual(checked.ran, [[1, 2, 3], [3]]);
  t.true(metas.includes('{"factor":2,"xs":3}'));
});

test("results from the cache are fresh copies", (t) => {
  const { permacache: wrap } = placeOf(t);
  const f: any = wrap("fresh", { parallel: "xs" })((xs: number[]) => xs.map((x) => ({ x })));
  const [first] = f([1]);
  first.x = 99;
  const [second] = f([1]);
  t.deepEqual(second, { x: 1 });
  second.x = 98;
  t.deepEqual(f([1]), [{ x: 1 }]);
});

test("an error of the function passes through unchanged, and nothing is stored", async (t) => {
  for (const kind of KINDS) {
    const boom = new Error("boom");
    const { permacache: wrap, files } = placeOf(t);
    const fail = (): any[] => {
      throw boom;
    };
    const f: any =
      kind === "sync"
        ? wrap("boom", { parallel: "_xs" })((_xs: any) => fail())
        : wrap("boom", { parallel: "_xs" })(async (_xs: any) => fail());
    t.is(await failureOf(() => f([1, 2])), boom);
    t.is(files().length, 0);
  }
});

test("what the function returned is what is stored, also where it is changed while entries are written", async (t) => {
  const { permacache: wrap } = placeOf(t);
  const text = "large".repeat(50_000); // such entries are written by promises
  const bytes = () => new Uint8Array(200_000).fill(1);
  const f: any = wrap("changed/results", { parallel: "xs", concurrency: 2, chunkSize: 4 })(async (xs: number[]) => {
    const results: any[] = xs.map((x) => ({ x, text, bytes: bytes() }));
    setImmediate(() => {
      for (const each of results.splice(0)) {
        each.x = -1;
        each.bytes.fill(2);
      }
    });
    return results;
  });
  const elements = [1, 2, 3, 4, 5, 6, 7, 8];
  t.is((await f(elements)).length, 8);
  t.deepEqual(
    (await f.with({ mode: "only-if-cached" })(elements)).map(({ x, bytes: [first] }: any) => [x, first]),
    elements.map((x) => [x, 1]),
  );
});

// ---- modes ----

for (const kind of KINDS) {
  for (const [mode, reads, writes] of [
    ["read-write", true, true],
    ["read-only", true, false],
    ["refresh", false, true],
    ["bypass", false, false],
  ] as const) {
    for (const how of ["call", "scope", "function"] as const) {
      test(`mode ${mode}, by ${how}, ${kind}`, async (t) => {
        const { f, ran, dir, permacache: wrap } = recording(t, {}, kind);
        await f([1, 2]);
        const inMode = how === "function" ? recordingIn(wrap, mode, kind, ran) : f;
        ran.length = 0;
        const call = () => inMode([1, 3, 3]);
        const results = await (how === "call"
          ? f.with({ mode })([1, 3, 3])
          : how === "scope"
            ? withMode(mode, call)
            : call());
        t.deepEqual(
          results.map(([x]: any) => x),
          [1, 3, 3],
        );
        t.deepEqual(ran, [reads ? [3] : mode === "bypass" ? [1, 3, 3] : [1, 3]]);
        t.deepEqual(await f.has([1, 2, 3]), [true, true, writes]);
        t.truthy(dir);
      });
    }
  }

  test(`mode only-if-cached: hits are served, a miss is a CacheMissError with its key, ${kind}`, async (t) => {
    const { f, ran } = recording(t, {}, kind);
    await f([1, 2]);
    const only = f.with({ mode: "only-if-cached" });
    t.deepEqual(await only([2, 1]), [
      [2, 2],
      [1, 2],
    ]);
    for (const call of [() => only([1, 5, 6]), () => withMode("only-if-cached", () => f([1, 5, 6]), f)]) {
      const error = await failureOf(call);
      t.true(error instanceof CacheMissError);
      t.is(error.key, '{"factor":2,"xs":5}');
    }
    t.is(ran.length, 1);
  });

  test(`in a refresh scope each key is computed once, ${kind}`, async (t) => {
    const { f, ran } = recording(t, {}, kind);
    await f([1, 2, 3]);
    ran.length = 0;
    await withMode("refresh", async () => {
      await f([1, 2]);
      await f([2, 3]);
      await f([3, 1, 2]);
    });
    t.deepEqual(ran, [[1, 2], [3]]);
    await f([1, 2, 3]);
    t.is(ran.length, 2);
  });
}

function recordingIn(wrap: any, mode: string, kind: Kind, ran: any[]): any {
  const compute = (xs: any, factor: number) => {
    ran.push(xs);
    return Array.from(xs, (x) => [x, factor]);
  };
  const options = { parallel: "xs", mode };
  return kind === "sync"
    ? wrap("recording", options)((xs: any, factor = 2) => compute(xs, factor))
    : wrap("recording", options)(async (xs: any, factor = 2) => compute(xs, factor));
}

test("a refresh scope computes each key once also across concurrent batches, and again where it failed", async (t) => {
  const { permacache: wrap } = placeOf(t);
  const ran: number[][] = [];
  let fails = true;
  const f: any = wrap("refresh/failed", { parallel: "xs", chunkSize: 2 })(async (xs: number[]) => {
    ran.push(xs);
    await turn();
    if (fails && xs.includes(3)) throw new Error("not yet");
    return xs.map((x) => x * 10);
  });
  await withMode("refresh", async () => {
    const both = await Promise.all([f([1, 2]), f([2, 1])]);
    t.deepEqual(both, [
      [10, 20],
      [20, 10],
    ]);
    await t.throwsAsync(f([1, 2, 3, 4, 5]), { message: "not yet" });
    fails = false;
    t.deepEqual(await f([1, 2, 3, 4, 5]), [10, 20, 30, 40, 50]);
  });
  t.deepEqual(ran, [[1, 2], [3, 4], [3, 4], [5]]);
});

test("bypass makes no keys, respects chunkSize, and tells progress", (t) => {
  const told: unknown[] = [];
  const { f, ran, files } = recording(t, { chunkSize: 2, onProgress: (progress: object) => told.push(progress) });
  const unkeyable = [() => 1, () => 2, () => 3];
  t.is(f.with({ mode: "bypass" })(unkeyable).length, 3);
  t.deepEqual(ran, [unkeyable.slice(0, 2), unkeyable.slice(2)]);
  t.deepEqual(told, [
    { done: 2, cached: 0, total: 3 },
    { done: 3, cached: 0, total: 3 },
  ]);
  t.is(files().length, 0);
});

// ---- where and which version ----

test("dir as a function of the element: each in its directory; the same key in two is two entries", (t) => {
  const { permacache: wrap, dir, files } = placeOf(t);
  const [a, b] = [newDirectory(t), newDirectory(t)];
  const ran: any[] = [];
  const f: any = wrap("placed", {
    parallel: "xs",
    dir: ({ xs }: any) => ({ a, b })[xs.at as string],
    keyFunction: { xs: (x: any) => x.id },
  })((xs: any[]) => {
    ran.push(xs);
    return xs.map(({ at, id }) => `${at}${id}`);
  });
  const elements = ["a", "b", "a", "", "b"].map((at, i) => ({ at, id: i < 2 ? 0 : i }));
  t.deepEqual(f(elements), ["a0", "b0", "a2", "3", "b4"]);
  t.is(ran[0].length, 5);
  t.deepEqual(f(elements), ["a0", "b0", "a2", "3", "b4"]);
  t.is(ran.length, 1);
  t.is(files().length, 1);
  t.deepEqual([...f.with({ dir: a }).entries()].length, 2);
  t.deepEqual(f.delete([{ at: "a", id: 0 }]), [true]);
  t.deepEqual(f.has(elements), [false, true, true, true, true]);
  t.deepEqual(f.with({ dir }).has(elements), [false, false, false, true, false]);
});

test("version and source are part of the identity", (t) => {
  const { permacache: wrap } = placeOf(t);
  let ran = 0;
  const make = (options: object): any =>
    wrap("versions", { parallel: "xs", ...options } as any)((xs: any) => {
      ran++;
      return [...xs];
    });
  make({ version: "1" })([1, 2]);
  make({ version: "1" })([1, 2]);
  t.is(ran, 1);
  make({ version: "2" })([1, 2]);
  t.is(ran, 2);
  make({ version: "1", source: true })([1, 2]);
  make({ version: "1", source: true })([2, 1]);
  t.is(ran, 3);
});

test("this stands in the key of each element; a decorator works", async (t) => {
  const { permacache: wrap } = placeOf(t);
  const ran: unknown[] = [];
  class Model {
    constructor(readonly id: number) {}
    @wrap("model/rows", { parallel: "xs", keyFunction: { this: (model: Model) => model.id } })
    rows(xs: number[]) {
      ran.push([this.id, xs]);
      return xs.map((x) => x * this.id);
    }
    @wrap("model/slow", { parallel: "xs", chunkSize: 1, keyFunction: { this: (model: Model) => model.id } })
    async slow(xs: number[]) {
      return xs.map((x) => x * this.id);
    }
  }
  const [two, three] = [new Model(2), new Model(3)];
  t.deepEqual(two.rows([1, 2]), [2, 4]);
  t.deepEqual(three.rows([1, 2]), [3, 6]);
  t.deepEqual(new Model(2).rows([2, 3]), [4, 6]);
  t.deepEqual(ran, [
    [2, [1, 2]],
    [3, [1, 2]],
    [2, [3]],
  ]);
  t.deepEqual(await three.slow([1, 2]), [3, 6]);
  const methods: any = cacheOf(two.rows, two);
  t.deepEqual(methods.key([1]), ['{"this":2,"xs":1}']);
  t.deepEqual(methods.has([1, 9]), [true, false]);
  t.deepEqual(await (cacheOf(three.slow, three) as any).has([1, 9]), [true, false]);
  t.throws(() => (cacheOf(two.rows) as any).has([1]), { instanceOf: BindingError });
  t.throws(() => (cacheOf(two.rows) as any).detail([1]), { instanceOf: BindingError });
});

// ---- methods ----

for (const kind of KINDS) {
  test(`methods answer per element, duplicates too, ${kind}`, async (t) => {
    const { f, ran } = recording(t, {}, kind);
    await f([1, 2]);
    t.deepEqual(await f.has([2, 3, 1, 2]), [true, false, true, true]);
    const peeked = await f.peek([3, 1, 1]);
    t.is(peeked[0], undefined);
    t.deepEqual(
      peeked.slice(1).map(({ value, key }: any) => [value, key]),
      [
        [[1, 2], '{"factor":2,"xs":1}'],
        [[1, 2], '{"factor":2,"xs":1}'],
      ],
    );
    t.true(peeked[1].createdAt instanceof Date && peeked[1].bytes > 0 && peeked[1].duration >= 0);
    const detail = await f.detail([3, 1, 3]);
    t.deepEqual(
      detail.map(({ value: [x], hit, key, sameSource }: any) => [x, hit, key, sameSource]),
      [
        [3, false, '{"factor":2,"xs":3}', true],
        [1, true, '{"factor":2,"xs":1}', true],
        [3, false, '{"factor":2,"xs":3}', true],
      ],
    );
    t.deepEqual(ran, [[1, 2], [3]]);
    t.deepEqual(await f.delete([1, 9, 1]), [true, false, true]);
    t.deepEqual(await f.has([1, 2, 3]), [false, true, true]);
    const keys: string[] = [];
    for await (const { key } of f.entries()) keys.push(key);
    t.deepEqual(keys.sort(), ['{"factor":2,"xs":2}', '{"factor":2,"xs":3}']);
    t.is(await f.clear(), 2);
    t.deepEqual(await f.has([1, 2, 3]), [false, false, false]);
  });

  test(`detail tells the keys in every mode, ${kind}`, async (t) => {
    const { f } = recording(t, {}, kind);
    for (const mode of ["bypass", "read-only", "refresh", "read-write", "only-if-cached"]) {
      const told = await f.with({ mode }).detail(new Set([1, 2]));
      t.deepEqual(
        told.map(({ key }: any) => key),
        ['{"factor":2,"xs":1}', '{"factor":2,"xs":2}'],
        mode,
      );
    }
  });

  test(`prime stores a value for each element, ${kind}`, async (t) => {
    const { f, ran, files } = recording(t, {}, kind);
    await f.prime(["a", "b", "c"], [1, 2, 1]);
    t.deepEqual(await f([2, 1]), ["b", "a"]);
    t.is(ran.length, 0);
    for (const wrong of [["a"], [], "ab", undefined, ["a", "b", "c"]]) {
      t.true((await failureOf(() => f.prime(wrong, [3, 4]))) instanceof BatchError);
    }
    t.true((await failureOf(() => f.prime(["a", () => 1], [3, 4]))) instanceof StoreError);
    t.is(files().length, 2);
  });
}

test("prime stores what it was given, also where that is changed while entries are written", async (t) => {
  const { f } = recording(t, {}, "async");
  const values = [1, 2, 3].map((x) => ({ x, text: "large".repeat(50_000) }));
  const priming = f.prime(values, [1, 2, 3]);
  setImmediate(() => {
    for (const value of values) value.x = -1;
  });
  await priming;
  t.deepEqual(
    (await f([1, 2, 3])).map(({ x }: any) => x),
    [1, 2, 3],
  );
});

test("stats count elements", (t) => {
  const { f } = recording(t);
  f([1, 2, 3]);
  f([2, 3, 4]);
  const { hits, misses, stores } = f.stats();
  t.deepEqual([hits, misses, stores], [2, 4, 4]);
});

test("limits hold for elements", (t) => {
  const { f, files } = recording(t, { maxEntries: 5 });
  f(Array.from({ length: 50 }, (_, x) => x));
  t.true(files().length <= 6);
});

test("it keeps name, length and own properties", (t) => {
  const { permacache: wrap } = placeOf(t);
  const fn = Object.assign((xs: any[], _n: number) => xs, { extra: 1 });
  const f: any = wrap("kept", { parallel: "xs" })(fn);
  t.is(f.extra, 1);
  t.is(f.original, fn);
});

// ---- chunks ----

for (const kind of KINDS) {
  test(`chunkSize splits what is missing, and a failure loses only its chunk, ${kind}`, async (t) => {
    const { permacache: wrap } = placeOf(t);
    const ran: number[][] = [];
    let bad = 5;
    const compute = (xs: number[]) => {
      ran.push(xs);
      if (xs.includes(bad)) throw new Error("bad element");
      return xs.map((x) => x * 10);
    };
    const options = { parallel: "xs", chunkSize: 2 } as const;
    const f: any =
      kind === "sync"
        ? wrap("chunks", options)((xs: number[]) => compute(xs))
        : wrap("chunks", options)(async (xs: number[]) => compute(xs));
    await f([2]);
    t.is((await failureOf(() => f([1, 2, 3, 4, 5, 6, 7]))).message, "bad element");
    t.deepEqual(ran, [[2], [1, 3], [4, 5]]);
    t.deepEqual(await f.has([1, 2, 3, 4, 5, 6]), [true, true, true, false, false, false]);
    bad = -1;
    t.deepEqual(await f([1, 2, 3, 4, 5, 6, 7]), [10, 20, 30, 40, 50, 60, 70]);
    t.deepEqual(ran.slice(3), [
      [4, 5],
      [6, 7],
    ]);
  });

  test(`a chunk with a result of the wrong length loses only that chunk, ${kind}`, async (t) => {
    const { permacache: wrap } = placeOf(t);
    const options = { parallel: "xs", chunkSize: 2 } as const;
    const short = (xs: number[]) => xs.filter((x) => x !== 4);
    const f: any =
      kind === "sync"
        ? wrap("chunks/short", options)((xs: number[]) => short(xs))
        : wrap("chunks/short", options)(async (xs: number[]) => short(xs));
    t.true((await failureOf(() => f([1, 2, 3, 4]))) instanceof BatchError);
    t.deepEqual(await f.has([1, 2, 3, 4]), [true, true, false, false]);
  });
}

test("each chunk is stored before the next begins", (t) => {
  const { permacache: wrap, files } = placeOf(t);
  const counts: number[] = [];
  const f: any = wrap("chunks/stored", { parallel: "xs", chunkSize: 2 })((xs: number[]) => {
    counts.push(files().length);
    return xs;
  });
  f([1, 2, 3, 4, 5]);
  t.deepEqual(counts, [0, 2, 4]);
});

test("concurrency: never more than n at once, and n where there is work", async (t) => {
  for (const concurrency of [1, 2, 3, 10]) {
    const { permacache: wrap } = placeOf(t);
    let running = 0;
    let most = 0;
    const ran: number[] = [];
    const f: any = wrap("concurrent", { parallel: "xs", chunkSize: 2, concurrency })(async (xs: number[]) => {
      most = Math.max(most, ++running);
      ran.push(xs[0]!);
      for (let i = 0; i <= xs[0]! % 3; i++) await turn();
      running--;
      return xs.map((x) => x * 10);
    });
    const elements = Array.from({ length: 15 }, (_, x) => x);
    t.deepEqual(
      await f(elements),
      elements.map((x) => x * 10),
    );
    t.is(most, Math.min(concurrency, 8));
    t.deepEqual(
      ran,
      ran.toSorted((a, b) => a - b),
    );
    running = 0;
    t.is((await f.with({ mode: "bypass" })(elements)).length, 15);
  }
});

test("concurrency without chunkSize: all is one chunk", async (t) => {
  const { f, ran } = recording(t, { concurrency: 3 }, "async");
  t.deepEqual(await f("ab"), [
    ["a", 2],
    ["b", 2],
  ]);
  t.is((await f.with({ mode: "bypass" })([1, 2])).length, 2);
  t.deepEqual(ran, ["ab", [1, 2]]);
});

test("concurrency in a sync function is one after the other", (t) => {
  const { f, ran } = recording(t, { chunkSize: 1, concurrency: 4 });
  t.is(f([1, 2, 3]).length, 3);
  t.deepEqual(ran, [[1], [2], [3]]);
});

test.serial(
  "concurrency: a failure starts no new chunk; those that run are stored; the first failure is told",
  async (t) => {
    const { permacache: wrap } = placeOf(t);
    const gates = [gate(), gate(), gate()];
    const ran: number[] = [];
    const f: any = wrap("concurrent/failed", { parallel: "xs", chunkSize: 1, concurrency: 3 })(async (xs: number[]) => {
      const x = xs[0];
      ran.push(x!);
      await gates[x!]!.opened;
      if (x !== 0) throw new Error(`failed: ${x}`);
      return [x];
    });
    const unhandled = await rejections(async () => {
      const failing = failureOf(() => f([1, 0, 2, 0.5, 0.25]));
      gates[2]!.open(); // the last of the three fails first
      await turn();
      gates[1]!.open();
      await turn();
      gates[0]!.open();
      t.is((await failing).message, "failed: 2");
    });
    t.deepEqual(unhandled, []);
    t.deepEqual(ran, [1, 0, 2]);
    t.deepEqual(await f.has([0, 1, 2]), [true, false, false]);
  },
);

// ---- signal ----

for (const kind of KINDS) {
  test(`signal: before the first chunk nothing runs, but hits are served, ${kind}`, async (t) => {
    const { f, ran } = recording(t, {}, kind);
    await f([1]);
    const reason = new Error("enough");
    const stopped = f.with({ signal: AbortSignal.abort(reason) });
    t.is(await failureOf(() => stopped([1, 2])), reason);
    t.deepEqual(await stopped([1]), [[1, 2]]);
    t.is(await failureOf(() => stopped.with({ mode: "bypass" })([2])), reason);
    t.is(ran.length, 1);
  });

  test(`signal: stops before the next chunk, and what is done is kept, ${kind}`, async (t) => {
    const { permacache: wrap } = placeOf(t);
    const controller = new AbortController();
    const compute = (xs: number[]) => {
      if (xs.includes(3)) controller.abort();
      return xs;
    };
    const options = { parallel: "xs", chunkSize: 2 } as const;
    const f: any =
      kind === "sync"
        ? wrap("signal", options)((xs: number[]) => compute(xs))
        : wrap("signal", options)(async (xs: number[]) => compute(xs));
    const error = await failureOf(() => f.with({ signal: controller.signal })([1, 2, 3, 4, 5, 6]));
    t.is(error.name, "AbortError");
    t.deepEqual(await f.has([1, 2, 3, 4, 5, 6]), [true, true, true, true, false, false]);
    t.deepEqual(await f([1, 2, 3, 4, 5, 6]), [1, 2, 3, 4, 5, 6]);
  });
}

test("signal: a call that waits for another's computation is let go; the other goes on, and its result is stored", async (t) => {
  const { permacache: wrap } = placeOf(t);
  const { opened, open } = gate();
  const ran: number[][] = [];
  const f: any = wrap("signal/waiting", { parallel: "xs" })(async (xs: number[]) => {
    ran.push(xs);
    await opened;
    return xs;
  });
  const leader = f([1, 2]);
  const controller = new AbortController();
  const waiter = failureOf(() => f.with({ signal: controller.signal })([2, 1]));
  await turn();
  controller.abort(new Error("no patience"));
  t.is((await waiter).message, "no patience");
  open();
  t.deepEqual(await leader, [1, 2]);
  t.deepEqual(await f.has([1, 2]), [true, true]);
  t.deepEqual(ran, [[1, 2]]);
});

test("signal: who joined a batch that was stopped computes by itself", async (t) => {
  const { permacache: wrap } = placeOf(t);
  const controller = new AbortController();
  let ran = 0;
  const f: any = wrap("signal/leader", { parallel: "xs" })(async (xs: number[]) => {
    if (ran++ > 0) return xs;
    await turn();
    controller.signal.throwIfAborted();
    return xs;
  });
  const leader = failureOf(() => f([1, 2]));
  const waiter = f([2, 3]);
  controller.abort();
  t.is((await leader).name, "AbortError");
  t.deepEqual(await waiter, [2, 3]);
});

test.serial("signal: with concurrency the chunks that run come to their end and are stored", async (t) => {
  const { permacache: wrap } = placeOf(t);
  const controller = new AbortController();
  const { opened, open } = gate();
  const f: any = wrap("signal/concurrent", { parallel: "xs", chunkSize: 1, concurrency: 2 })(async (xs: number[]) => {
    if (xs[0] === 2) controller.abort();
    else await opened;
    return xs;
  });
  const unhandled = await rejections(async () => {
    const stopped = failureOf(() => f.with({ signal: controller.signal })([1, 2, 3, 4]));
    await turn();
    open();
    t.is((await stopped).name, "AbortError");
  });
  t.deepEqual(unhandled, []);
  t.deepEqual(await f.has([1, 2, 3, 4]), [true, true, false, false]);
});

test("signal on a function without parallel stops before it runs", async (t) => {
  const { permacache: wrap } = placeOf(t);
  const f: any = wrap("signal/single")((x: number) => x);
  f(1);
  const stopped = f.with({ signal: AbortSignal.abort(new Error("stop")) });
  t.is(stopped(1), 1);
  t.is((await failureOf(() => stopped(2))).message, "stop");
});

// ---- progress ----

test("onProgress counts elements, duplicates included: when looked up, and after each chunk", async (t) => {
  for (const kind of KINDS) {
    const told: any[] = [];
    const own: any[] = [];
    const { f } = recording(t, { chunkSize: 2, onProgress: (progress: object) => told.push(progress) }, kind);
    await f([1]);
    told.length = 0;
    await f([1, 1, 2, 3, 3, 3, 4]);
    t.deepEqual(told, [
      { done: 2, cached: 2, total: 7 },
      { done: 6, cached: 2, total: 7 },
      { done: 7, cached: 2, total: 7 },
    ]);
    told.length = 0;
    await f.with({ onProgress: (progress: object) => own.push(progress) })([1, 5]);
    t.deepEqual(told, []);
    t.deepEqual(own, [
      { done: 1, cached: 1, total: 2 },
      { done: 2, cached: 1, total: 2 },
    ]);
  }
});

test("onProgress: what another call computes counts as cached; it ends at the total", async (t) => {
  const { permacache: wrap } = placeOf(t);
  const { opened, open } = gate();
  const f: any = wrap("progress/joined", { parallel: "xs" })(async (xs: number[]) => {
    await opened;
    return xs;
  });
  const told: any[] = [];
  const first = f([1, 2]);
  const second = f.with({ onProgress: (progress: object) => told.push(progress) })([1, 2, 3]);
  open();
  await first;
  await second;
  t.deepEqual(told.at(0), { done: 0, cached: 0, total: 3 });
  t.deepEqual(told.at(-1), { done: 3, cached: 2, total: 3 });
});

test("onProgress that throws fails the call; what is done is kept", async (t) => {
  for (const kind of KINDS) {
    const boom = new Error("progress");
    const { f } = recording(
      t,
      {
        chunkSize: 1,
        onProgress: ({ done }: any) => {
          if (done === 2) throw boom;
        },
      },
      kind,
    );
    t.is(await failureOf(() => f([1, 2, 3])), boom);
    t.deepEqual(await f.has([1, 2, 3]), [true, true, false]);
  }
});

// ---- single-flight ----

test("batches that overlap compute each element once", async (t) => {
  const { permacache: wrap } = placeOf(t);
  const ran: number[] = [];
  const f: any = wrap("overlap", { parallel: "xs", chunkSize: 2 })(async (xs: number[]) => {
    ran.push(...xs);
    await turn();
    return xs.map((x) => ({ x }));
  });
  const results = await Promise.all([f([1, 2, 3, 4, 5]), f([5, 4, 3, 2, 1]), f([3, 6]), f([6, 1, 7])]);
  t.deepEqual(
    results.map((each) => each.map(({ x }: any) => x)),
    [
      [1, 2, 3, 4, 5],
      [5, 4, 3, 2, 1],
      [3, 6],
      [6, 1, 7],
    ],
  );
  t.deepEqual(
    ran.toSorted((a, b) => a - b),
    [1, 2, 3, 4, 5, 6, 7],
  );
  t.is(new Set(results.flat()).size, results.flat().length, "each has copies of its own");
});

test("a batch and a single call share a computation, both ways", async (t) => {
  const { permacache: wrap } = placeOf(t);
  const ran: unknown[] = [];
  const one: any = wrap("single/batch", { version: "1" })(async (xs: number) => {
    ran.push(xs);
    await turn();
    return xs * 2;
  });
  const many: any = wrap("single/batch", { version: "1", parallel: "xs" })(async (xs: number[]) => {
    ran.push(xs);
    await turn();
    return xs.map((x) => x * 2);
  });
  t.deepEqual(await Promise.all([one(1), many([1, 2])]), [2, [2, 4]]);
  t.deepEqual(await Promise.all([many([3, 4]), one(3)]), [[6, 8], 6]);
  t.deepEqual(ran, [1, [2], [3, 4]]);
});

test("who joined an element that shouldStore refuses has a copy of its own", async (t) => {
  const { permacache: wrap } = placeOf(t);
  const text = "large".repeat(50_000); // such entries are written by promises
  const f: any = wrap("joined/late", { parallel: "xs", shouldStore: ({ x }: any) => x !== 1 })(async (xs: number[]) =>
    xs.map((x) => ({ x, text: x === 1 ? "" : text })),
  );
  const first = f([1, 2, 3, 4, 5, 6]);
  await turn(); // by now the function has returned
  const joined: any[] = [];
  let isDone = false;
  first.then(() => {
    isDone = true;
  });
  while (!isDone) {
    joined.push(f([1]));
    await turn();
  }
  const all = [await first, ...(await Promise.all(joined))].map(([each]) => each);
  t.is(new Set(all).size, all.length);
  t.true(all.every(({ x }) => x === 1));
});

test("an error of a chunk is that of all who joined it; their own elements are stored", async (t) => {
  const { permacache: wrap } = placeOf(t);
  const boom = new Error("boom");
  const f: any = wrap("joined/failed", { parallel: "xs" })(async (xs: number[]) => {
    await turn();
    if (xs.includes(2)) throw boom;
    return xs;
  });
  const unhandled = await rejections(async () => {
    const errors = await Promise.all([failureOf(() => f([1, 2])), failureOf(() => f([2, 3]))]);
    t.deepEqual(errors, [boom, boom]);
  });
  t.deepEqual(unhandled, []);
  t.deepEqual(await f.has([1, 2, 3]), [false, false, true]);
});

test("what was joined is given to no one where another chunk fails first", async (t) => {
  const { permacache: wrap } = placeOf(t);
  const { opened, open } = gate();
  const f: any = wrap("joined/forgotten", { parallel: "xs", chunkSize: 1 })(async (xs: number[]) => {
    const x = xs[0];
    if (x === 9) throw new Error("own");
    await opened;
    throw new Error("leader");
  });
  const unhandled = await rejections(async () => {
    const leader = failureOf(() => f([1]));
    t.is((await failureOf(() => f([1, 9]))).message, "own");
    open();
    t.is((await leader).message, "leader");
  });
  t.deepEqual(unhandled, []);
});

test("batches inside of batches, and recursion, do not hang", async (t) => {
  const { permacache: wrap } = placeOf(t);
  const ran: number[] = [];
  const sums: any = wrap("recursive", { parallel: "ns", chunkSize: 2, concurrency: 2 })(async (ns: number[]) => {
    ran.push(...ns);
    await turn();
    const below = await sums(ns.filter((n) => n > 0).map((n) => n - 1));
    let i = 0;
    return ns.map((n) => (n > 0 ? n + below[i++] : 0));
  });
  t.deepEqual(await sums([10, 9, 8, 7, 3, 10]), [55, 45, 36, 28, 6, 55]);
  ran.length = 0;
  await sums([10, 4]);
  t.deepEqual(ran, []);
  const sync: any = wrap("recursive/sync", { parallel: "ns" })((ns: number[]): number[] => {
    const below = ns.length === 0 ? [] : sync(ns.filter((n) => n > 0).map((n) => n - 1));
    let i = 0;
    return ns.map((n) => (n > 0 ? n + below[i++] : 0));
  });
  t.deepEqual(sync([5, 6, 5]), [15, 21, 15]);
});

test("a computation that asks for itself, and two that ask for each other, come to an end", async (t) => {
  const { permacache: wrap } = placeOf(t);
  const depth = new Map<number, number>();
  const other = [1, 0, 3, 2];
  const f: any = wrap("circle", { parallel: "xs", chunkSize: 1, concurrency: 4 })(async (xs: number[]) => {
    const x = xs[0]!;
    const level = (depth.get(x) ?? 0) + 1;
    depth.set(x, level);
    await turn();
    if (level < 3) await f([x, other[x]!]);
    return xs;
  });
  t.deepEqual(await f([0, 1, 2, 3]), [0, 1, 2, 3]);
  const [a, b] = await Promise.all([f.with({ mode: "refresh" })([0, 1]), f.with({ mode: "refresh" })([1, 0])]);
  t.deepEqual(
    [a, b],
    [
      [0, 1],
      [1, 0],
    ],
  );
});

test("an element that is deleted while it is computed is returned, not stored", async (t) => {
  const { permacache: wrap } = placeOf(t);
  const { opened, open } = gate();
  const f: any = wrap("deleted", { parallel: "xs" })(async (xs: number[]) => {
    await opened;
    return xs;
  });
  const running = f([1, 2, 3]);
  await f.delete([2]);
  open();
  t.deepEqual(await running, [1, 2, 3]);
  t.deepEqual(await f.has([1, 2, 3]), [true, false, true]);
});

test("what others store between chunks is not computed again", async (t) => {
  const { permacache: wrap } = placeOf(t);
  const ran: number[][] = [];
  const f: any = wrap("between", { parallel: "xs", chunkSize: 1 })((xs: number[]) => {
    ran.push(xs);
    if (xs[0] === 1) f.prime(["primed"], [2]);
    return xs;
  });
  t.deepEqual(f([1, 2, 3]), [1, "primed", 3]);
  t.deepEqual(ran, [[1], [3]]);
});

// ---- arguments that change ----

for (const kind of KINDS) {
  for (const what of ["an element", "a constant argument"]) {
    test.serial(
      `${what} that the function changes between chunks: returned, not stored, one warning, ${kind}`,
      async (t) => {
        const { permacache: wrap, files } = placeOf(t);
        const elements = [1, 2, 3].map((id) => ({ id }));
        const constant = { by: 1 };
        const compute = (xs: any[], factor: any) => {
          if (what === "an element") for (const element of elements) element.id += 10;
          else constant.by++;
          return xs.map(({ id }) => [id, factor.by]);
        };
        const options = { parallel: "xs", chunkSize: 1 } as const;
        const f: any =
          kind === "sync"
            ? wrap("changing", options)((xs: any[], factor: any) => compute(xs, factor))
            : wrap("changing", options)(async (xs: any[], factor: any) => compute(xs, factor));
        const warnings = await warningsOf(async () => t.is((await f(elements, constant)).length, 3));
        t.is(warnings.length, 1);
        t.regex(warnings[0]!, /changing.*an argument was changed/);
        t.is(files().length, 1, "the first chunk was keyed and begun at once");
        const ids = [{ id: 1 }, { id: 2 }, { id: 3 }];
        t.deepEqual(await f.has(ids, { by: 1 }), [true, false, false]);
      },
    );
  }
}

test.serial("an argument that the caller changes while the batch runs: nothing wrong is stored", async (t) => {
  const { permacache: wrap } = placeOf(t);
  const f: any = wrap("caller", { parallel: "xs", chunkSize: 1 })(async (xs: any[], constant: any) => {
    await turn();
    return xs.map(({ id }) => [id, constant.by]);
  });
  const elements = [1, 2, 3].map((id) => ({ id }));
  const constant = { by: 1 };
  await warningsOf(async () => {
    const running = f(elements, constant);
    elements[1]!.id = 20;
    await turn();
    constant.by = 5;
    elements.length = 0;
    t.is((await running).length, 3);
  });
  const stored: unknown[] = [];
  for (const id of [1, 2, 3, 20]) {
    for (const by of [1, 5]) {
      const [found] = await f.peek([{ id }], { by });
      if (found) stored.push([id, by, ...found.value]);
    }
  }
  t.deepEqual(stored, [[1, 1, 1, 1]]);
  t.deepEqual(await f.has([{ id: 2 }, { id: 3 }], { by: 1 }), [false, false]);
});

test.serial("an argument that changes while large entries are read: nothing wrong is stored", async (t) => {
  const { permacache: wrap } = placeOf(t);
  const f: any = wrap("read/changed", { parallel: "xs" })(async (xs: any[], constant: any) =>
    xs.map(({ id }) => (id === 0 ? "large".repeat(50_000) : [id, constant.by])),
  );
  await f([{ id: 0 }], { by: 1 });
  for (const change of ["element", "constant"]) {
    const element = { id: change === "element" ? 1 : 2 };
    const constant = { by: 1 };
    const { id } = element;
    await warningsOf(async () => {
      const running = f([element, { id: 0 }], constant);
      if (change === "element") element.id = 99;
      else constant.by = 99;
      await running;
    });
    t.deepEqual(await f([{ id }], { by: 1 }), [[id, 1]], change);
  }
});

test.serial("an argument that changes while many elements are looked up: nothing wrong is stored", async (t) => {
  const { permacache: wrap } = placeOf(t);
  const f: any = wrap("many/changed", { parallel: "xs", shouldStore: (id: number) => id < 3 || id > 2000 })(
    async (xs: any[]) => xs.map(({ id }) => id),
  );
  const elements = Array.from({ length: 2500 }, (_, id) => ({ id }));
  await warningsOf(async () => {
    const running = f(elements);
    elements[1]!.id = -1;
    elements[2400]!.id = -1;
    await running;
  });
  t.deepEqual(await f.has([{ id: 1 }, { id: 2 }, { id: 2400 }, { id: 2401 }]), [false, true, false, true]);
});

test.serial("an argument that onProgress changes: nothing wrong is stored", async (t) => {
  const { permacache: wrap } = placeOf(t);
  const elements = [{ id: 1 }, { id: 2 }];
  const f: any = wrap("progress/changed", {
    parallel: "xs",
    onProgress: () => {
      elements[0]!.id = 99;
    },
  })((xs: any[]) => xs.map(({ id }) => id));
  await warningsOf(() => t.deepEqual(f(elements), [99, 2]));
  t.deepEqual(f.has([{ id: 1 }, { id: 2 }]), [false, true]);
});

test.serial("who joins an element whose argument was changed does not get the result of another", async (t) => {
  const { permacache: wrap } = placeOf(t);
  const begun = gate();
  const { opened, open } = gate();
  const f: any = wrap("joined/changed", { parallel: "xs", chunkSize: 1 })(async (xs: any[]) => {
    await turn();
    if (xs[0].id === 99) {
      begun.open();
      await opened;
    }
    return xs.map(({ id }) => id);
  });
  const elements = [{ id: 1 }, { id: 2 }];
  await warningsOf(async () => {
    const leader = f(elements);
    elements[1]!.id = 99;
    await begun.opened;
    const joined = f([{ id: 2 }]);
    open();
    t.deepEqual(await leader, [1, 99]);
    t.deepEqual(await joined, [2]);
  });
  t.deepEqual(await f.with({ mode: "only-if-cached" })([{ id: 2 }]), [2]);
});

test("an input array that changes after an async call is what it was", async (t) => {
  const { f, ran } = recording(t, { chunkSize: 1 }, "async");
  for (const make of [() => [1, 2, 3], () => Uint8Array.of(1, 2, 3), () => Buffer.from([1, 2, 3])]) {
    await f.clear();
    ran.length = 0;
    const input: any = make();
    const running = f(input);
    input.fill(9);
    if (Array.isArray(input)) input.length = 0;
    t.deepEqual(
      (await running).map(([x]: any) => x),
      [1, 2, 3],
    );
    t.deepEqual(await f.has([1, 2, 3, 9]), [true, true, true, false]);
  }
});

test("a function that changes the sequence it was given changes nothing", (t) => {
  const { permacache: wrap } = placeOf(t);
  const f: any = wrap("emptied", { parallel: "xs", chunkSize: 2 })((xs: number[]) => {
    const results = xs.map((x) => x * 2);
    xs.length = 0;
    return results;
  });
  const input = [1, 2, 3];
  t.deepEqual(f(input), [2, 4, 6]);
  t.deepEqual(input, [1, 2, 3]);
  t.deepEqual(f.with({ mode: "only-if-cached" })([3, 2, 1]), [6, 4, 2]);
});

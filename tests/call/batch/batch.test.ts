import test from "ava";
import { BatchError, kw, OptionError, permacache } from "../../../src/index.js";
import { failureOf } from "../../place.js";
import { KINDS, placeOf, recording } from "./recording.js";

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

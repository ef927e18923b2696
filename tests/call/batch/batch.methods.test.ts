import test from "ava";
import { BatchError, BindingError, cacheOf, StoreError } from "../../../src/index.js";
import { failureOf, newDirectory } from "../../place.js";
import { KINDS, placeOf, recording } from "./recording.js";

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

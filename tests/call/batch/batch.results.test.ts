import test from "ava";
import { BatchError, StoreError } from "../../../src/index.js";
import { failureOf, warningsOf } from "../../place.js";
import { KINDS, placeOf, recording } from "./recording.js";

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

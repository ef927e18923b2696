import { setImmediate as turn } from "node:timers/promises";
import test from "ava";
import { CacheMissError, withMode } from "../../../src/index.js";
import { failureOf } from "../../place.js";
import { KINDS, type Kind, placeOf, recording } from "./recording.js";

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

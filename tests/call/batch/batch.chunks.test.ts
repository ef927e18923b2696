import { setImmediate as turn } from "node:timers/promises";
import test from "ava";
import { BatchError } from "../../../src/index.js";
import { failureOf } from "../../place.js";
import { gate, KINDS, placeOf, recording, rejections } from "./recording.js";

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

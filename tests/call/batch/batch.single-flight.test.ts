import { setImmediate as turn } from "node:timers/promises";
import test from "ava";
import { failureOf } from "../../place.js";
import { gate, placeOf, rejections } from "./recording.js";

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

import { setImmediate as nextTurn } from "node:timers/promises";
import test from "ava";
import { newCache } from "../place.js";

// Many calls of async functions that are in flight at once.

const MANY = 800;

test.serial("up to hundreds of calls start in the tick in which they are made", async (t) => {
  const { permacache } = newCache(t);
  const started: number[] = [];
  const f = permacache("few")(async (x: number) => {
    started.push(x);
    await nextTurn();
    return x;
  });
  const calls = Array.from({ length: 400 }, (_, i) => f(i));
  t.is(started.length, 400);
  await Promise.all(calls);
});

test.serial("of thousands each starts, though none of them ends before all have started", async (t) => {
  const { permacache } = newCache(t);
  let started = 0;
  let finish = () => {};
  const gate = new Promise<void>((resolve) => {
    finish = resolve;
  });
  const f = permacache("many")(async (x: number) => {
    if (++started === MANY) finish();
    await gate;
    return [x];
  });
  const calls = Array.from({ length: MANY }, (_, i) => f(i));
  const joined = calls.map((_, i) => f(i));
  const values = await Promise.all(calls);
  t.deepEqual(
    values,
    values.map((_, i) => [i]),
  );
  t.deepEqual(await Promise.all(joined), values);
  t.is(started, MANY);
  t.is(f.stats().stores, MANY);
});

test.serial("while thousands begin and end, other code runs", async (t) => {
  const { permacache } = newCache(t);
  let turns = 0;
  let isOver = false;
  const f = permacache("turns")(async (x: number) => x);
  const calls = Promise.all(Array.from({ length: MANY }, (_, i) => f(i)));
  void calls.then(() => {
    isOver = true;
  });
  for (; !isOver; turns++) await nextTurn();
  t.true(turns > 10, `${turns} turns`);
  t.is((await calls).length, MANY);
});

test.serial("an argument that changes while its call waits to start: the result is returned, not stored", async (t) => {
  const { permacache } = newCache(t);
  const f = permacache("changed")(async (x: { n: number }) => x.n);
  const args = Array.from({ length: MANY }, (_, n) => ({ n }));
  const calls = args.map((each) => f(each));
  args[MANY - 1]!.n = -1;
  t.is((await Promise.all(calls)).at(-1), -1);
  t.false(await f.has({ n: MANY - 1 }));
  t.false(await f.has({ n: -1 }));
});

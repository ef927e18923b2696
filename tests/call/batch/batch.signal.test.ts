import { setImmediate as turn } from "node:timers/promises";
import test from "ava";
import { failureOf } from "../../place.js";
import { gate, KINDS, placeOf, recording, rejections } from "./recording.js";

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

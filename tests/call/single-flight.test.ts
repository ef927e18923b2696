import test from "ava";
import { newCache } from "../place.js";

test("concurrent calls of one key compute once; each gets a copy of its own", async (t) => {
  const { permacache } = newCache(t);
  let computed = 0;
  const f = permacache("once")(async (x: number) => {
    computed++;
    await null;
    return [x];
  });
  const results = await Promise.all([f(1), f(1), f(1), f(2)]);
  t.deepEqual(results, [[1], [1], [1], [2]]);
  t.is(computed, 2);
  t.is(new Set(results).size, 4);
  t.is(f.stats().waited, 2);
  results[0]!.push(9);
  t.deepEqual(await f(1), [1]);
});

test("two functions under one path share the computation", async (t) => {
  const { permacache } = newCache(t);
  let computed = 0;
  const of = () => permacache("shared")(async (x: number) => ++computed * x);
  t.deepEqual(await Promise.all([of()(1), of()(1)]), [1, 1]);
});

test("those who wait share the leader's error, and nothing is stored", async (t) => {
  const { permacache, files } = newCache(t);
  const failure = new Error("mine");
  let computed = 0;
  const f = permacache("error")(async (_x: number) => {
    computed++;
    await null;
    throw failure;
  });
  const results = await Promise.allSettled([f(1), f(1)]);
  t.deepEqual(
    results.map((each) => (each as PromiseRejectedResult).reason),
    [failure, failure],
  );
  t.is(computed, 1);
  t.deepEqual(files(), []);
});

test("an abort of the leader is no answer for the others", async (t) => {
  const { permacache } = newCache(t);
  let computed = 0;
  const f = permacache("abort")(async (x: number) => {
    if (++computed === 1) {
      await null;
      throw Object.assign(new Error("stopped"), { name: "AbortError" });
    }
    return x;
  });
  const [leader, other] = await Promise.allSettled([f(1), f(1)]);
  t.is(leader.status, "rejected");
  t.deepEqual(other, { status: "fulfilled", value: 1 });
});

test("a result that cannot be copied is shared", async (t) => {
  const { permacache } = newCache(t, { onError: () => {} });
  const f = permacache("function")(async (_x: number) => () => 1);
  const [a, b] = await Promise.all([f(1), f(1)]);
  t.is(a, b);
});

test("recursion on the same key does not hang", async (t) => {
  const { permacache } = newCache(t);
  let depth = 0;
  const f: (x: number) => Promise<number> = permacache("recursive")(async (x: number): Promise<number> => {
    await null;
    return ++depth === 3 ? depth : f(x);
  });
  t.is(await f(1), 3);
});

test("A -> B -> A does not hang, also where both were begun outside", async (t) => {
  const { permacache } = newCache(t);
  let depth = 0;
  const a: (x: number) => Promise<number> = permacache("ping")(async (x: number): Promise<number> => {
    await null;
    return ++depth > 6 ? depth : await b(x);
  });
  const b: (x: number) => Promise<number> = permacache("pong")(async (x: number): Promise<number> => {
    await null;
    return ++depth > 6 ? depth : await a(x);
  });
  const results = await Promise.all([a(1), b(1)]);
  t.true(results.every((each) => each > 6));
});

test("nested calls of one inner key still compute it once", async (t) => {
  const { permacache } = newCache(t);
  let computed = 0;
  const inner = permacache("inner")(async (x: number) => {
    computed++;
    await new Promise((resolve) => setImmediate(resolve));
    return x;
  });
  const outer = permacache("outer")(async (x: number) => inner(0).then((zero) => zero + x));
  t.deepEqual(await Promise.all([outer(1), outer(2), outer(3)]), [1, 2, 3]);
  t.is(computed, 1);
});

for (const method of ["delete", "clear"] as const) {
  test(`a computation begun before ${method} is returned, not stored, and not joined afterwards`, async (t) => {
    const { permacache, files } = newCache(t);
    let finish!: (value: number) => void;
    let computed = 0;
    const f: any = permacache("slow")((_x: number) => {
      computed++;
      return new Promise<number>((resolve) => (finish = resolve));
    });
    const running = f(1);
    const finishFirst = finish;
    if (method === "clear") f.clear();
    else f.delete(1);
    const after = f(1);
    t.is(computed, 2);
    finishFirst(1);
    t.is(await running, 1);
    t.is(f.has(1), false);
    finish(2);
    t.is(await after, 2);
    t.is(f.peek(1).value, 2);
    t.is(files().length, 1);
  });
}

test("a sync computation that deletes its own key is returned, not stored", (t) => {
  const { permacache } = newCache(t);
  const f: any = permacache("self")((x: number): number => {
    f.delete(x);
    return x;
  });
  t.is(f(1), 1);
  t.false(f.has(1));
});

test("a value primed while a computation runs is not overwritten by it", async (t) => {
  const { permacache } = newCache(t);
  let finish!: (value: number) => void;
  const f: any = permacache("primed")((_x: number) => new Promise<number>((resolve) => (finish = resolve)));
  const running = f(1);
  f.prime(7, 1);
  finish(1);
  t.is(await running, 1);
  t.is(f.peek(1).value, 7);
});

test("an argument changed while the call waited: the result is returned, not stored", async (t) => {
  const { permacache } = newCache(t);
  let fail!: (error: Error) => void;
  let computed = 0;
  const f = permacache("changed")((xs: number[]) =>
    ++computed === 1 ? new Promise<number>((_resolve, reject) => (fail = reject)) : Promise.resolve(xs.length),
  );
  const xs = [1];
  const leader = f([1]);
  const waiting = f(xs); // joins, and starts itself when the leader stops
  xs.push(2);
  fail(Object.assign(new Error("stopped"), { name: "AbortError" }));
  await t.throwsAsync(leader);
  t.is(await waiting, 2);
  t.false(f.has([1]) as unknown as boolean);
  t.false(f.has([1, 2]) as unknown as boolean);
});

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { type AnyAsyncFunction, type AsyncStore, type Cache, createCache } from "../../../src/index.js";
import { redisStore } from "../../../src/stores/redis/redis-store.js";
import { needs } from "../../needs.js";
import { DAY, failureOf, newDirectory, warningsOf } from "../../place.js";
import { ask, newPlace, newServer } from "./redis-server.js";

/** What users see of a cache in Redis. Serial: warnings are of the whole process. */
const withRedis = needs("redis-server").serial;

const PATIENT = 20_000;

/** Caches of two machines. */
async function twoCaches() {
  const { url, prefix } = await newPlace();
  const newOne = () => createCache({ store: redisStore({ url, prefix, timeout: PATIENT }) });
  return { url, prefix, a: newOne(), b: newOne() };
}

function doubling(cache: Cache<AnyAsyncFunction>, options: { maxAge?: string } = {}) {
  const calls: number[] = [];
  const double = cache.permacache(
    "redis/double",
    options,
  )(async (n: number) => {
    calls.push(n);
    await null;
    return n * 2;
  });
  return { double, calls };
}

withRedis("what one machine has computed is a hit on the other", async (t) => {
  const { a, b } = await twoCaches();
  const [here, there] = [doubling(a), doubling(b)];
  t.is(await here.double(2), 4);
  t.is(await there.double(2), 4);
  t.deepEqual([here.calls, there.calls], [[2], []]);
  const listed = [];
  for await (const each of b.list()) listed.push(each);
  t.like(listed, [{ path: "redis/double", entries: 1 }]);
  t.like(await b.verify(), { checked: 1, damaged: [] });
  t.is(await b.clear(), 1);
  t.is(await here.double(2), 4);
  t.deepEqual(here.calls, [2, 2]);
});

withRedis("calls at once on two machines are computed once", async (t) => {
  const { a, b } = await twoCaches();
  const [here, there] = [doubling(a), doubling(b)];
  const numbers = Array.from({ length: 50 }, (_, n) => n);
  const all = await Promise.all(numbers.flatMap((n) => [here.double(n), there.double(n)]));
  t.deepEqual(
    all,
    numbers.flatMap((n) => [n * 2, n * 2]),
  );
  t.is(here.calls.length + there.calls.length, 50);
});

withRedis("a computation begun before a delete on another machine is not stored", async (t) => {
  const { a, b } = await twoCaches();
  let begin = () => {};
  const hasBegun = new Promise<void>((resolve) => (begin = resolve));
  let end = () => {};
  const mayEnd = new Promise<void>((resolve) => (end = resolve));
  const slow = a.permacache("redis/slow")(async (n: number) => {
    begin();
    await mayEnd;
    return n;
  });
  const value = slow(1);
  await hasBegun;
  await b.open("redis/slow").delete({ n: 1 });
  end();
  t.is(await value, 1);
  t.false(await b.open("redis/slow").has({ n: 1 }));
});

withRedis("an out file is kept there, and restored on another machine", async (t) => {
  const { a, b } = await twoCaches();
  const runs: string[] = [];
  const on = (cache: typeof a) =>
    cache.permacache("redis/out", { outFile: "out", keepOutFiles: true })(async (n: number, out: string) => {
      runs.push(out);
      writeFileSync(out, `content ${n}`);
      return n;
    });
  const [first, second] = [join(newDirectory(t), "first"), join(newDirectory(t), "second")];
  await on(a)(1, first);
  writeFileSync(first, "changed");
  t.is(await on(b)(1, second), 1);
  t.is(readFileSync(second, "utf8"), "content 1");
  t.deepEqual(runs, [first]);
});

withRedis("without a server, functions work, with one warning, and no password in it", async (t) => {
  const server = await newServer(t);
  await server.kill();
  const url = server.url.replace("//", "//:hunter2@");
  const cache = createCache({ store: redisStore({ url, timeout: PATIENT }) });
  const { double, calls } = doubling(cache);
  const warnings = await warningsOf(async () => {
    for (const n of [1, 1, 2]) t.is(await double(n), n * 2);
  });
  t.deepEqual(calls, [1, 1, 2]);
  t.is(warnings.length, 1);
  t.regex(warnings[0]!, /127\.0\.0\.1.*ECONNREFUSED/);
  t.notRegex(warnings[0]!, /hunter2/);
  const failure = await failureOf(() => cache.clear());
  t.is(failure.code, "ERR_PERMACACHE_STORE");
  t.notRegex(failure.message, /hunter2/);
});

for (const [what, command] of [
  ["is full", ["maxmemory", "1"]],
  ["may not be written to", ["min-replicas-to-write", "1"]],
] as const) {
  withRedis(`a server that ${what} costs the entries, not the results`, async (t) => {
    const server = await newServer(t);
    const { double, calls } = doubling(createCache({ store: redisStore({ url: server.url, timeout: PATIENT }) }));
    await double(1);
    await ask(server.url, "CONFIG", "SET", ...command);
    const warnings = await warningsOf(async () => {
      for (const n of [1, 2, 2]) t.is(await double(n), n * 2);
    });
    t.deepEqual(calls, [1, 2, 2]);
    t.is(warnings.length, 1);
  });
}

for (const [what, disturb, restore] of [
  ["killed, and started again", "kill", "start"],
  ["stopped, and goes on", "pause", "resume"],
] as const) {
  withRedis(`a server is ${what} in the middle of 1,000 calls`, async (t) => {
    const server = await newServer(t);
    const { double, calls } = doubling(createCache({ store: redisStore({ url: server.url, timeout: 300 }) }));
    await warningsOf(async () => {
      for (let i = 0; i < 1_000; i++) {
        if (i === 300) await server[disturb]();
        if (i === 600) await server[restore]();
        t.is(await double(i % 50), (i % 50) * 2);
      }
    });
    t.true(calls.length >= 300);
    await untilHit(t, double, calls);
  });
}

async function untilHit(t: ExecutionContext, double: (n: number) => Promise<number>, calls: number[]): Promise<void> {
  for (let before = -1; before !== calls.length; ) {
    before = calls.length;
    t.is(await double(1), 2);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

for (const limit of ["maxIdle", "maxEntries", "maxBytes"] as const) {
  test(`${limit} is refused when a function is wrapped, by the cache's option and by its own`, async (t) => {
    const newStore = () => redisStore({ url: "redis://localhost" });
    const double = async (n: number) => n * 2;
    const ofCache = createCache({ store: newStore(), [limit]: 1_000 });
    const ofFunction = createCache({ store: newStore() });
    const failures = [
      await failureOf(() => ofCache.permacache("redis/limits")(double)),
      await failureOf(() => ofFunction.permacache("redis/limits", { [limit]: 1_000 })(double)),
    ];
    for (const { code, message } of failures) {
      t.is(code, "ERR_PERMACACHE_OPTION");
      t.regex(message, /maxmemory-policy/);
    }
  });
}

withRedis("maxAge is kept, by who reads and by prune", async (t) => {
  const { a } = await twoCaches();
  const { double, calls } = doubling(a, { maxAge: "1d" });
  await double(1);
  await double(1);
  t.deepEqual(calls, [1]);
  const { now } = Date;
  Date.now = () => now() + 2 * DAY;
  try {
    await double(1);
    t.deepEqual(calls, [1, 1]);
    await double(1);
    t.deepEqual(calls, [1, 1]);
    Date.now = () => now() + 4 * DAY;
    t.is(await a.open("redis/double").prune({ maxAge: "1d" }), 1);
    t.is(await a.open("redis/double").prune({ maxAge: "1d" }), 0);
  } finally {
    Date.now = now;
  }
});

withRedis("a sync function is refused when it is wrapped", async (t) => {
  const { a } = await twoCaches();
  const failure = await failureOf(() => a.permacache("redis/sync")(((n: number) => n) as never));
  t.is(failure.code, "ERR_PERMACACHE_OPTION");
  t.regex(failure.message, /tieredStore/);
});

test("the store is one that has to be waited for, by its type", (t) => {
  const store: AsyncStore = redisStore({ url: "redis://localhost" });
  t.false(store.sync);
});

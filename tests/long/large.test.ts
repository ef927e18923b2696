import test from "ava";
import { newCache } from "../place.js";

const MB = 1024 * 1024;

test("a value of 1 GB comes back, sync and async, each typed array with a buffer of its own", async (t) => {
  const { permacache } = newCache(t);
  const make = (megabytes: number) => ({ numbers: new Float64Array((megabytes * MB) / 8).fill(1.5), label: "large" });
  const sync = permacache("large/sync")(make);
  const async = permacache("large/async")(async (megabytes: number) => make(megabytes));
  for (const f of [sync, async]) {
    await f(1024);
    const { numbers, label } = await f(1024);
    t.is(f.stats().hits, 1);
    t.is(label, "large");
    t.is(numbers.length, (1024 * MB) / 8);
    t.is(numbers.buffer.byteLength, 1024 * MB);
    t.true(numbers.every((each) => each === 1.5));
  }
});

test("a value of more than a string can hold is returned uncached, or faithful", (t) => {
  const errors: Error[] = [];
  const { permacache } = newCache(t, { onError: (error) => errors.push(error) });
  const f = permacache("long/strings")((n: number) => Array.from({ length: n }, () => "x".repeat(100 * MB)));
  const before = f(6);
  const after = f(6);
  t.is(f.stats().hits + errors.length, f.stats().hits === 1 ? 1 : 2);
  t.deepEqual(
    after.map((each) => each.length),
    before.map((each) => each.length),
  );
});

test("20,000 entries: listed, pruned, cleared; every one is served before", (t) => {
  const { permacache, files } = newCache(t);
  const f = permacache("many")((x: number) => x * 2);
  for (let x = 0; x < 20_000; x++) f(x);
  for (let x = 0; x < 20_000; x++) if (f(x) !== x * 2) t.fail(`${x}`);
  t.is(f.stats().hits, 20_000);
  t.is(new Set([...f.entries()].map(({ key }) => key)).size, 20_000);
  t.is(f.prune({ maxEntries: 15_000 }), 5_000);
  t.is(f.clear(), 15_000);
  t.deepEqual(files(), []);
});

import test from "ava";
import { OptionError, StoreError } from "../../src/index.js";
import { failureOf, newCache } from "../place.js";

/** Every method on a sync and on an async function: what is awaited is the same. */
function both(t: any): any[] {
  const { permacache } = newCache(t);
  return [permacache("sync")((x: number, y = 2) => x + y), permacache("async")(async (x: number, y = 2) => x + y)];
}

test("methods are sync on sync functions, promises on async ones; key and stats are always sync", async (t) => {
  const [sync, async] = both(t);
  for (const [name, args] of [
    ["has", [1]],
    ["peek", [1]],
    ["detail", [1]],
    ["delete", [1]],
    ["prime", [3, 1]],
    ["clear", []],
    ["prune", []],
  ] as const) {
    t.false(sync[name](...args) instanceof Promise, name);
    const promise = async[name](...args);
    t.true(promise instanceof Promise, name);
    await promise;
  }
  for (const f of [sync, async]) {
    t.is(f.key(1), '{"x":1,"y":2}');
    t.is(f.stats().errors, 0);
  }
  t.is(typeof sync.entries()[Symbol.iterator], "function");
  t.is(typeof async.entries()[Symbol.asyncIterator], "function");
});

test("has and peek tell what a call would give, and never compute", async (t) => {
  for (const f of both(t)) {
    t.false(await f.has(1));
    t.is(await f.peek(1), undefined);
    await f(1);
    t.true(await f.has(1, 2));
    const { value, key, createdAt, duration, bytes } = await f.peek(1);
    t.is(value, 3);
    t.is(key, '{"x":1,"y":2}');
    t.true(createdAt instanceof Date && Math.abs(Date.now() - createdAt.getTime()) < 60_000);
    t.true(duration >= 0 && bytes > 88);
    t.is(f.stats().hits, 0);
  }
});

test("detail tells about the call", async (t) => {
  const { permacache } = newCache(t);
  const f = permacache("detail")((x: number) => x);
  const { createdAt, duration, ...miss } = f.detail(1);
  t.deepEqual(miss, { value: 1, hit: false, key: '{"x":1}', sameSource: true });
  t.deepEqual(f.detail(1), { ...miss, createdAt, duration, hit: true });
  const edited = permacache("detail")((x: number) => x + 0);
  t.false(edited.detail(1).sameSource);
  t.true(edited.detail(2).sameSource);
});

test("delete removes one entry and tells whether there was one", async (t) => {
  for (const f of both(t)) {
    await f(1);
    await f(2);
    t.true(await f.delete(1));
    t.false(await f.delete(1));
    t.false(await f.has(1));
    t.true(await f.has(2));
  }
});

test("prime stores a value for a call, undefined too; it throws where that cannot be stored", async (t) => {
  for (const f of both(t)) {
    await f.prime(77, 1);
    t.is(await f(1, 2), 77);
    await f.prime(undefined, 1);
    t.is(await f(1), undefined);
    const error = await failureOf(() => f.prime(() => 1, 3));
    t.true(error instanceof StoreError);
    t.is(error.code, "ERR_PERMACACHE_STORE");
    t.false(await f.has(3));
  }
});

test("clear removes all entries of the function and no others", async (t) => {
  const { permacache, files } = newCache(t);
  const inner = permacache("a/b")((x: number) => x);
  const beside = permacache("a-b")((x: number) => x);
  const f = permacache("a")((x: number) => x);
  for (let i = 0; i < 10; i++) [f(i), inner(i), beside(i)];
  t.is(f.clear(), 10);
  t.is(f.clear(), 0);
  t.is(files().length, 20);
  t.true(inner.has(1) && beside.has(1));
  f(1);
  t.true(f.has(1));
});

test("entries lists what is there", async (t) => {
  for (const f of both(t)) {
    for (let i = 0; i < 5; i++) await f(i);
    const seen: any[] = [];
    for await (const entry of f.entries()) seen.push(entry);
    t.deepEqual(
      seen.map(({ key }) => key).sort(),
      [0, 1, 2, 3, 4].map((x) => `{"x":${x},"y":2}`),
    );
    for (const entry of seen) t.deepEqual(Object.keys(entry), ["key", "createdAt", "duration", "bytes"]);
  }
});

test("prune removes what is beyond the limits, oldest first", async (t) => {
  for (const f of both(t)) {
    for (let i = 0; i < 5; i++) {
      await f.prime(i, i);
      await new Promise((resolve) => setTimeout(resolve, 2)); // entries are dated in milliseconds
    }
    t.is(await f.prune(), 0);
    t.is(await f.prune({ maxAge: "2d", maxBytes: "1MB", maxEntries: 5 }), 0);
    t.is(await f.prune({ maxEntries: 3 }), 2);
    t.deepEqual(await Promise.all([0, 1, 2, 3, 4].map((x) => f.has(x))), [false, false, true, true, true]);
    const { bytes } = await f.peek(4);
    t.is(await f.prune({ maxBytes: bytes + 1 }), 2);
    t.true(await f.has(4));
  }
});

for (const limits of [
  { maxAge: 0 },
  { maxAge: -1 },
  { maxAge: "soon" },
  { maxEntries: Number.NaN },
  { maxBytes: "10 parsecs" },
  { maxSize: 3 },
]) {
  test(`prune refuses ${JSON.stringify(limits)}`, (t) => {
    const f: any = newCache(t).permacache("prune")((x: number) => x);
    const error = t.throws(() => f.prune(limits), { instanceOf: OptionError });
    t.regex(error.message, /limit/);
  });
}

test("stats count what happened in this process", async (t) => {
  for (const f of both(t)) {
    await f(1);
    await f(1);
    await f.with({ mode: "read-only" })(2);
    const { timeSaved, ...counts } = f.stats();
    t.deepEqual(counts, { hits: 1, misses: 2, stores: 1, errors: 0, waited: 0 });
    t.true(timeSaved > 0);
    f.stats().hits = 100;
    t.is(f.stats().hits, 1);
  }
});

test("with gives the same function with options for its calls, and they add up", (t) => {
  const { permacache, dir } = newCache(t);
  const f = permacache("with")((x: number) => x);
  const elsewhere = f.with({ dir: `${dir}-2` });
  elsewhere(1);
  t.false(f.has(1));
  t.true(elsewhere.has(1));
  t.true(elsewhere.with({ mode: "refresh" }).has(1));
  t.deepEqual([...elsewhere.entries()].length, 1);
  t.is(elsewhere.clear(), 1);
  t.is(elsewhere.name, f.name);
  t.is(elsewhere.original, f.original);
  t.is(elsewhere.stats().misses, f.stats().misses);
});

test("dir as a function of the bound arguments; falsy means the default", (t) => {
  const { permacache, dir } = newCache(t);
  const f = permacache<{ path?: string }>("dir", {
    dir: ({ path }) => path && `${dir}/${path}/.local`,
    keyFunction: { path: null },
  })((path?: string) => path ?? "default");
  t.is(f(), "default");
  t.is(f("here"), "here");
  t.is(f(), "default");
  t.true(f.has("here"));
  t.false(f.has("there"));
  t.is([...f.entries()].length, 1);
  t.is(f.with({ dir: `${dir}/here/.local` }).clear(), 1);
});

import test, { type ExecutionContext } from "ava";
import { type CacheOptions, createCache, defaultCache, fileStore, OptionError, permacache, StoreError, tempCache } from "../../src/index.js"; // biome-ignore format: one line
import { FileEngine } from "../../src/stores/file/file-engine.js";
import { failureOf, filesIn, newDirectory, warningsOf } from "../place.js";
import { remote } from "./remote-store.js";

const SECRET = "x".repeat(32);

/** A cache on a store behind promises. */
function prepare(t: ExecutionContext, options: CacheOptions = {}, isRemote = false) {
  const dir = newDirectory(t);
  const far = remote(FileEngine.at(dir));
  const store: any = isRemote ? withFlag(far.store) : far.store;
  return { dir, far, store, cache: createCache({ store, ...options }) };
}

function withFlag(store: object): object {
  return new Proxy(store, {
    get: (target, name) => (name === "isRemote" ? true : Reflect.get(target, name)),
  });
}

test("all functions of a cache use the store that it was given", async (t) => {
  const { cache, far, dir } = prepare(t);
  const f = cache.permacache("engines/f")(async (x: number) => [x]);
  t.deepEqual(await f(1), [1]);
  t.deepEqual(await f(1), [1]);
  t.deepEqual(await cache.call(async function named(x: number) { return x; }, 2), 2); // biome-ignore format: one line
  t.deepEqual([f.stats().hits, f.stats().misses], [1, 1]);
  t.is(filesIn(dir).length, 2);
  t.true(far.asked.includes("publish"));
});

test("a plain function that says async: true is one", async (t) => {
  const f = prepare(t).cache.permacache("engines/promises", { async: true })((x: number) => Promise.resolve([x]));
  t.deepEqual([await f(1), await f(1)], [[1], [1]]);
  t.true(await f.has(1));
  t.is(f.stats().hits, 1);
});

const REFUSED: [string, (cache: any) => unknown][] = [
  ["a sync function", (cache) => cache.permacache("engines/sync")((x: number) => x)],
  ["a function that says that it is sync", (cache) => cache.permacache("engines/not", { async: false })(async () => 1)],
  ["a call of a sync function", (cache) => cache.call(function named() { return 1; })], // biome-ignore format: one line
];
for (const [what, wrap] of REFUSED) {
  test(`refused on a store that has to be waited for, when wrapping: ${what}`, (t) => {
    const { cache } = prepare(t);
    t.throws(() => wrap(cache), { instanceOf: OptionError, message: /sync.*async: true.*tieredStore\(near, far\)/ });
  });
}

test("a directory besides a store is refused: of the cache, of a function, of a call", async (t) => {
  const { store, cache, dir } = prepare(t);
  const message = /store/;
  t.throws(() => createCache({ store, dir }), { instanceOf: OptionError, message });
  t.throws(() => tempCache("engines", { store } as never), { instanceOf: OptionError, message });
  for (const own of [dir, () => dir, () => undefined]) {
    const wrap = () => cache.permacache("engines/dir", { dir: own })(async (x: number) => x);
    t.throws(wrap, { instanceOf: OptionError, message });
  }
  const f = cache.permacache("engines/dir")(async (x: number) => x);
  t.throws(() => f.with({ dir }), { instanceOf: OptionError, message });
});

test("what is no store is refused", (t) => {
  for (const store of [null, "redis://localhost", {}, { sync: true }, Promise.resolve(fileStore())])
    t.throws(() => createCache({ store } as never), { instanceOf: OptionError, message: /"store" must be a store/ });
});

test("a cache as a whole is managed on any store", async (t) => {
  const { cache, store } = prepare(t);
  const f = cache.permacache("engines/whole", { version: "2" })(async (x: number) => [x]);
  for (let i = 0; i < 5; i++) await f(i);
  const listed = [];
  for await (const { path, version, entries } of cache.list()) listed.push([path, version, entries]);
  t.deepEqual(listed, [["engines/whole", "2", 5]]);
  t.deepEqual((await cache.open("engines/whole").peek({ x: 3 }))?.value, [3]);
  t.deepEqual(await cache.verify(), { checked: 5, damaged: [], removed: 0 });
  const file = `${newDirectory(t)}/entries.zip`;
  t.is(await cache.exportTo("engines/whole", file), 5);
  t.is(await cache.clear(), 5);
  t.is(await cache.importFrom("engines/whole", file), 5);
  t.deepEqual(await f(4), [4]);
  t.is(f.stats().hits, 1);
  t.is(await cache.prune({ maxEntries: 2 }), 3);
  t.is((await cache.stats()).directory, store.location);
  t.is(await f.clear(), 2);
  await cache.close();
  t.deepEqual(await f(1), [1]);
});

test("close closes the store", async (t) => {
  let closed = 0;
  const { store } = prepare(t);
  const counted = new Proxy(store, {
    get: (target, name) => (name === "close" ? async () => closed++ : Reflect.get(target, name)),
  });
  {
    await using cache = createCache({ store: counted });
    await cache.permacache("engines/closed")(async () => 1)();
  }
  t.is(closed, 1);
});

test.serial("an engine that is down costs no result: one warning, and it is used again", async (t) => {
  const { cache, far } = prepare(t);
  const f = cache.permacache("engines/down")(async (x: number) => [x]);
  far.isDown = true;
  const warnings = await warningsOf(async () => {
    for (const x of [1, 1, 2]) t.deepEqual(await f(x), [x]);
  });
  t.is(warnings.length, 1);
  far.isDown = false;
  t.deepEqual([await f(1), await f(1)], [[1], [1]]);
  t.is(f.stats().hits, 1);
});

// ---- trust ----

/** What structured clone is for. */
const rich = () => new Map([[1, new Uint8Array([1])]]);
const formatOf = (dir: string) => (filesIn(dir).length === 1 ? "one entry" : "none");

test("a remote store without a secret holds JSON, and believes nothing else", async (t) => {
  const { cache, dir } = prepare(t, {}, true);
  const near = createCache({ dir }).permacache("engines/trust")(async (_x: number) => rich());
  await near(1); // structured clone
  const f = cache.permacache("engines/trust")(async (_x: number) => rich());
  t.deepEqual(await f(1), rich());
  t.deepEqual([f.stats().misses, f.stats().errors], [1, 0]);
  t.deepEqual(await f(1), rich());
  t.is(f.stats().hits, 1);
  t.is(formatOf(dir), "one entry");
  t.deepEqual(await near(1), rich()); // tagged JSON is read everywhere
  t.is(near.stats().hits, 1);
});

test("with a secret it holds signed entries, of any kind", async (t) => {
  const { cache, dir } = prepare(t, { secret: SECRET }, true);
  const f = cache.permacache("engines/signed")(async (_x: number) => rich());
  await f(1);
  t.deepEqual(await f(1), rich());
  t.is(f.stats().hits, 1);
  const unsigned = createCache({ dir }).permacache("engines/signed")(async (_x: number) => rich());
  t.true(await unsigned.delete(1));
  await unsigned(1);
  t.false(await f.has(1));
});

// ---- maxValueBytes ----

for (const maxValueBytes of [2_000, "2kB"]) {
  test.serial(`a result beyond maxValueBytes is returned uncached, with one warning: ${maxValueBytes}`, async (t) => {
    const { permacache: wrap } = createCache({ dir: newDirectory(t), maxValueBytes });
    const f = wrap(`engines/large-${maxValueBytes}`)((n: number) => "x".repeat(n));
    const warnings = await warningsOf(() => {
      for (const n of [10_000, 10_000, 10_001, 100, 100]) t.is(f(n).length, n);
    });
    t.is(warnings.length, 1);
    t.regex(warnings[0]!, /too large.*maxValueBytes.*\d{5} bytes/);
    t.deepEqual([f.stats().hits, f.stats().stores, f.stats().errors], [1, 1, 3]);
    t.throws(() => f.prime("x".repeat(5_000), 1), { instanceOf: StoreError, message: /maxValueBytes/ });
    t.false(f.has(1));
  });
}

test("maxValueBytes counts the entry before it is compressed, and onError tells of it", async (t) => {
  const errors: unknown[] = [];
  const options: CacheOptions = { maxValueBytes: 1_000, onError: (error) => errors.push(error) };
  const { cache } = prepare(t, options);
  const plain = cache.permacache("engines/plain")(async (n: number) => "x".repeat(n));
  const small = cache.permacache("engines/small", { compress: "gzip" })(async (n: number) => "x".repeat(n));
  for (const f of [plain, small]) for (const n of [500, 10_000]) await f(n);
  t.is(errors.length, 2, "who reads decompresses no more than that");
  t.true(errors.every((error) => error instanceof StoreError));
  t.deepEqual([await plain.has(10_000), await small.has(10_000)], [false, false]);
  t.deepEqual([await plain.has(500), await small.has(500)], [true, true]);
});

for (const maxValueBytes of [0, -1, "much", true]) {
  test(`maxValueBytes is refused: ${maxValueBytes}`, (t) => {
    t.throws(() => createCache({ maxValueBytes } as never), { instanceOf: OptionError, message: /"maxValueBytes"/ });
  });
}

// ---- the default cache: one a process, so all in one test ----

test.serial(
  "the default cache is given a store before its first use; a sync function is told at its call",
  async (t) => {
    const { store } = prepare(t);
    const early = permacache("engines/early")((x: number) => x);
    const later = permacache("engines/later")(async (x: number) => x);
    t.throws(() => defaultCache.configure({ store, dir: "x" }), { instanceOf: OptionError });
    defaultCache.configure({ store });
    t.throws(() => permacache("engines/now")((x: number) => x), { instanceOf: OptionError, message: /tieredStore/ });
    t.is(await later(1), 1);
    t.true((await failureOf(() => early(1))) instanceof OptionError);
    t.is((await defaultCache.stats()).directory, store.location);
  },
);

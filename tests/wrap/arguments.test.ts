import { join } from "node:path";
import test from "ava";
import {
  BindingError,
  cacheOf,
  createCache,
  defaultCache,
  defineType,
  dropIf,
  dropIfEqual,
  fileStore,
  kw,
  OptionError,
  PathError,
  tempCache,
  tieredStore,
  verbose,
} from "../../src/index.js";
import { lmdbStore } from "../../src/stores/lmdb/lmdb-store.js";
import { redisStore } from "../../src/stores/redis/redis-store.js";
import { failureOf, newDirectory } from "../place.js";

// An argument that is given is read, or refused: none is ignored in silence.

function cacheOfTest(t: any) {
  return createCache({ dir: join(newDirectory(t), "cache") });
}

/** A sync, an async and a batch function with two entries each. */
async function functions(t: any): Promise<any[]> {
  const { permacache } = cacheOfTest(t);
  const sync = permacache("sync")((x: number) => x);
  const async = permacache("async")(async (x: number) => x);
  const batch = permacache("batch", { parallel: "xs" })((xs: number[]) => xs);
  for (const x of [1, 2]) await async(sync(x));
  batch([1, 2]);
  return [sync, async, batch];
}

test("clear of a cached function refuses an argument, names the ways out, and removes nothing", async (t) => {
  for (const f of await functions(t)) {
    for (const args of [[2], [undefined], [{ x: 2 }], [1, 2]]) {
      const error = await failureOf(() => f.clear(...args));
      t.true(error instanceof OptionError, String(error));
      t.regex(error.message, /delete\(\.\.\.args\)/);
      t.regex(error.message, /cache\.clear\(path\)/);
    }
    let count = 0;
    for await (const _ of f.entries()) count++;
    t.is(count, 2);
    t.is(await f.clear(), 2);
  }
});

test("entries, stats, prune and with refuse what they do not read", async (t) => {
  for (const f of await functions(t)) {
    const before = f.stats();
    for (const act of [
      () => f.entries(2),
      () => f.entries({ values: 1 }),
      () => f.stats(1),
      () => f.prune(2),
      () => f.prune("1d"),
      () => f.prune(null),
      () => f.prune([]),
      () => f.prune(new Map([["maxAge", 1]])),
      () => f.prune({ maxAge: 1 }, 2),
      () => f.with({ mode: "bypass" }, 2),
      () => f.with(2),
      () => f.with(new Map([["mode", "bypass"]])),
    ]) {
      t.true((await failureOf(act)) instanceof OptionError, act.toString());
    }
    t.deepEqual(f.stats(), before);
  }
});

test("an async function rejects where a sync one throws", async (t) => {
  const [, async] = await functions(t);
  const promise = async.clear(2);
  t.true(promise instanceof Promise);
  await t.throwsAsync(promise, { instanceOf: OptionError });
});

test("cache.clear(path) removes one path, of all versions, and nothing else", async (t) => {
  const cache = cacheOfTest(t);
  const paths = ["m/g", "m/g/h", "m/G", "m"];
  for (const path of paths) cache.permacache(path)((x: number) => x)(1);
  cache.permacache("m/g", { version: "2" })((x: number) => x)(1);
  t.is(await cache.clear("m/g"), 2);
  const left: string[] = [];
  for await (const { path } of cache.list()) left.push(path);
  t.deepEqual(left.sort(), ["m", "m/G", "m/g/h"]);
  t.is(await cache.clear("m/g"), 0);
  for (const path of [undefined, null, "", "../m", 2, {}]) {
    t.true((await failureOf(() => cache.clear(path as any))) instanceof PathError, String(path));
  }
  t.true((await failureOf(() => (cache as any).clear("m", "m/G"))) instanceof OptionError);
  t.is(await cache.clear(), 3);
});

test("a computation of a path that is cleared meanwhile is returned, not stored", async (t) => {
  const cache = cacheOfTest(t);
  let finish!: () => void;
  const wait = new Promise<void>((resolve) => {
    finish = resolve;
  });
  const f = cache.permacache("slow")(async (x: number) => {
    await wait;
    return x;
  });
  const running = f(1);
  await cache.clear("slow");
  finish();
  t.is(await running, 1);
  t.false(await f.has(1));
});

test("methods of a cache refuse what they do not read", async (t) => {
  const cache: any = cacheOfTest(t);
  cache.permacache("a")((x: number) => x)(1);
  for (const act of [
    () => cache.list("a"),
    () => cache.stats("a"),
    () => cache.close("a"),
    () => cache.prune(2),
    () => cache.prune(null),
    () => cache.prune("a", { maxAge: 1 }),
    () => cache.prune({}, {}, 1),
    () => cache.verify("a"),
    () => cache.verify({ fix: true }, 1),
    () => cache.verify({ fixes: true }),
    () => cache.open("a", "1"),
    () => cache.open("a", { version: "1" }, 1),
    () => cache.exportTo("a", "f", {}, 1),
    () => cache.exportTo("a", "f", { merge: true }),
    () => cache.importFrom("a", "f", {}, 1),
    () => cache.permacache("a", {}, (x: number) => x),
    () => cache.permacache("a")((x: number) => x, undefined, 1),
    () => cache.permacache("a", new Map([["version", "2"]])),
  ]) {
    t.true((await failureOf(act)) instanceof OptionError, act.toString());
  }
});

test("the methods of an open path refuse what they do not read", async (t) => {
  const cache = cacheOfTest(t);
  cache.permacache("a")((x: number) => x)(1);
  const open: any = cache.open("a");
  for (const act of [
    () => open.clear({ x: 1 }),
    () => open.clear(undefined),
    () => open.entries({ x: 1 }),
    () => open.prune({ maxAge: 1 }, 1),
    () => open.prune(2),
    () => open.prune(null),
    () => open.has({ x: 1 }, { x: 2 }),
    () => open.peek({ x: 1 }, 2),
    () => open.delete({ x: 1 }, 2),
    () => open.key({ x: 1 }, 2),
    () => open.has(1),
    () => open.delete(),
  ]) {
    t.true((await failureOf(act)) instanceof OptionError, act.toString());
  }
  t.true(await open.has({ x: 1 }));
  t.is(await open.clear(), 1);
});

test("whatever makes a cache, a store or a transform refuses what it does not read", (t) => {
  const dir = newDirectory(t);
  const any: any = { createCache, tempCache, fileStore, tieredStore, lmdbStore, redisStore };
  const f = createCache({ dir }).permacache("a")((x: number) => x);
  for (const act of [
    () => any.createCache({ dir }, {}),
    () => any.createCache(new Map([["dir", dir]])),
    () => any.tempCache("a", {}, {}),
    () => any.fileStore({ dir }, 1),
    () => any.tieredStore(fileStore({ dir }), fileStore({ dir: join(dir, "b") }), fileStore({ dir: join(dir, "c") })),
    () => any.lmdbStore({ path: dir }, 1),
    () => any.redisStore({ url: "redis://localhost" }, 1),
    () => (defaultCache as any).configure({}, 1),
    () => (cacheOf as any)(f, undefined, 1),
    () => (dropIf as any)(() => true, undefined, 1),
    () => (dropIfEqual as any)(0, undefined, 1),
    () => (verbose as any)(false, 1),
    () => (verbose as any)("no"),
    () => (verbose as any)(0),
    () => (defineType as any)(class A {}, { name: "A", encode: () => 1, decode: () => 1 }, 1),
    () => (defineType as any)(class A {}, { name: "A", alias: ["B"], encode: () => 1, decode: () => 1 }),
  ]) {
    t.throws(act, { instanceOf: OptionError }, act.toString());
  }
  t.throws(() => (kw as any)({ x: 1 }, { y: 2 }), { instanceOf: BindingError });
});

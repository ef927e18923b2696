import { readFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { decodeEntry } from "../../src/entry/entry.js";
import { createCache, fileStore } from "../../src/index.js";
import { lmdbStore } from "../../src/stores/lmdb/lmdb-store.js";
import { tieredStore } from "../../src/stores/tiered/tiered-store.js";
import { newCache, newDirectory, warningsOf } from "../place.js";

// A sync function gives values, always: whatever wrote the entry, and whoever else computes.

const places: Record<string, (dir: string) => any> = {
  files: (dir) => ({ dir }),
  "files, held in memory": (dir) => ({ dir, memory: { maxBytes: "1MB" } }),
  lmdb: (dir) => ({ store: lmdbStore({ path: dir }) }),
  tiered: (dir) => ({
    store: tieredStore(fileStore({ dir: join(dir, "near") }), fileStore({ dir: join(dir, "far") })),
  }),
};

for (const [name, optionsIn] of Object.entries(places)) {
  test(`an async function that became a sync one gives values on a hit (${name})`, async (t) => {
    const cache: any = createCache(optionsIn(newDirectory(t)));
    await cache.permacache("f")(async (x: number) => x * 2)(1);
    let runs = 0;
    const f: any = cache.permacache("f")((x: number) => {
      runs++;
      return x * 2;
    });
    for (let i = 0; i < 2; i++) {
      t.is(f(1), 2);
      t.is(f.detail(1).value, 2);
      t.true(f.detail(1).hit);
      t.is(f.peek(1).value, 2);
      t.is(f.with({ mode: "only-if-cached" })(1), 2);
      t.is(f.with({ mode: "read-only" })(1), 2);
    }
    t.is(runs, 0);
    t.is(f(2), 4);
    t.is(f(2), 4);
    await cache.close();
  });

  test(`likewise in batches, of which some elements are new (${name})`, async (t) => {
    const cache: any = createCache(optionsIn(newDirectory(t)));
    await cache.permacache("b", { parallel: "xs" })(async (xs: number[]) => xs.map((x) => x * 2))([1, 2]);
    const f: any = cache.permacache("b", { parallel: "xs" })((xs: number[]) => xs.map((x) => 2 * x));
    t.deepEqual(f([1, 2]), [2, 4]);
    t.deepEqual(f([1, 3]), [2, 6]);
    t.deepEqual(f([]), []);
    t.deepEqual(
      f.detail([1, 3]).map(({ value, hit }: any) => [value, hit]),
      [
        [2, true],
        [6, true],
      ],
    );
    await cache.close();
  });
}

test("likewise with out files", async (t) => {
  const { permacache } = newCache(t);
  const { writeFileSync } = await import("node:fs");
  const file = join(newDirectory(t), "out");
  await permacache("o", { outFile: "to" })(async (x: number, to: string) => {
    writeFileSync(to, String(x));
    return x;
  })(1, file);
  const f: any = permacache("o", { outFile: "to" })((x: number, to: string) => {
    writeFileSync(to, String(x));
    return x + 0;
  });
  t.is(f(1, file), 1);
  t.is(f(1, `${file}2`), 1);
});

/** An async twin that is at it until it is told to finish. */
function twinOf(permacache: any, options: any, map: (x: any) => any) {
  let finish!: () => void;
  const wait = new Promise<void>((resolve) => {
    finish = resolve;
  });
  const twin = permacache(
    "twins",
    options,
  )(async (xs: any) => {
    await wait;
    return map(xs);
  });
  return { twin, finish };
}

test("while an async twin computes, a sync function computes for itself", async (t) => {
  const { permacache } = newCache(t);
  const { twin, finish } = twinOf(permacache, {}, (x) => x * 2);
  const running = twin(1);
  const f: any = permacache("twins")((x: number) => x * 2);
  t.is(f(1), 2);
  t.is(f.detail(1).value, 2);
  t.is(f.with({ mode: "refresh" })(1), 2);
  t.is(f.with({ maxWait: 1 })(1), 2);
  finish();
  t.is(await running, 2);
  t.is(f(1), 2);
});

test("likewise a batch, while an async twin computes some of its elements", async (t) => {
  const { permacache } = newCache(t);
  const { twin, finish } = twinOf(permacache, { parallel: "xs" }, (xs) => xs.map((x: number) => x * 2));
  const running = twin([1, 2]);
  const f: any = permacache("twins", { parallel: "xs" })((xs: number[]) => xs.map((x) => x * 2));
  t.deepEqual(f([2, 3]), [4, 6]);
  finish();
  t.deepEqual(await running, [2, 4]);
  t.deepEqual(f([1, 2]), [2, 4]);
});

test("an async function may join a plain one that gave a promise", async (t) => {
  const { permacache } = newCache(t);
  let runs = 0;
  const plain: any = permacache("p")((x: number) => {
    runs++;
    return Promise.resolve(x);
  });
  const async: any = permacache("p")(async (x: number) => {
    runs++;
    return x;
  });
  t.deepEqual(await Promise.all([plain(1), async(1), plain(1)]), [1, 1, 1]);
  t.is(runs, 1);
});

test("a plain function that gives promises gives them on hits, in the next process too", async (t) => {
  const { dir, permacache, files } = newCache(t);
  const wrap = (of: any) => of("p")((x: number) => Promise.resolve(x)) as any;
  const f = wrap(permacache);
  t.true(f(1) instanceof Promise);
  t.true(f(1) instanceof Promise);
  await f(1);
  t.true(decodeEntry(readFileSync(files()[0]!))!.isPlainPromise);
  const next = wrap(createCache({ dir }).permacache); // which has not seen what it gives
  t.true(next(1) instanceof Promise);
  t.is(await next(1), 1);
  t.true(wrap(createCache({ dir }).permacache).with({ mode: "only-if-cached" })(1) instanceof Promise);
});

test("where that cannot be told, the function is called once to learn", async (t) => {
  const { dir, permacache } = newCache(t);
  for (const x of [1, 2]) await permacache("p")((n: number) => Promise.resolve(n))(x);
  let runs = 0;
  const sync: any = createCache({ dir }).permacache("p")((n: number) => {
    runs++;
    return n + 0;
  });
  t.is(sync(1), 1);
  t.is(runs, 1);
  t.is(sync(1), 1);
  t.is(sync(2), 2);
  t.is(runs, 1);
  await permacache("p")((n: number) => Promise.resolve(n))(3);
  const edited: any = createCache({ dir }).permacache("p")((n: number) => {
    runs++;
    return Promise.resolve(n + 0);
  });
  t.true(edited(3) instanceof Promise);
  t.is(runs, 2);
  t.true(edited(3) instanceof Promise);
  await permacache("p")((n: number) => Promise.resolve(n))(4);
  t.true(edited(4) instanceof Promise);
  t.is(runs, 2);
  t.is(sync(4), 4);
});

test("likewise in a batch", async (t) => {
  const { dir, permacache } = newCache(t);
  await permacache("p", { parallel: "ns" })((ns: number[]) => Promise.resolve(ns))([1, 2]);
  let runs = 0;
  const sync: any = createCache({ dir }).permacache("p", { parallel: "ns" })((ns: number[]) => {
    runs++;
    return ns.map((n) => n);
  });
  t.deepEqual(sync([1, 2]), [1, 2]);
  t.deepEqual(sync([1, 2]), [1, 2]);
  t.is(runs, 1);
});

test.serial("a sync function does not wait, and warns of nothing, while an async twin computes", async (t) => {
  const { permacache } = newCache(t);
  const { twin, finish } = twinOf(permacache, {}, (x) => x);
  const running = twin(1);
  const f: any = permacache("twins", { version: undefined })((x: number) => x);
  t.deepEqual(
    (await warningsOf(() => t.is(f(1), 1))).filter((text) => !text.includes("different source")),
    [],
  );
  t.is(f.stats().waited, 0);
  finish();
  await running;
});

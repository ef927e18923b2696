import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { createCache, fileStore, StoreError, tieredStore } from "../../src/index.js";
import { lmdbStore } from "../../src/stores/lmdb/lmdb-store.js";
import { failureOf, filesIn, newCache, newDirectory, warningsOf } from "../place.js";
import { fullEngine } from "./map-engine.full.js";
import { mapEngine } from "./map-engine.js";

// What a limit counts: what is there, with what is kept for it, and nothing else.

type Place = (t: ExecutionContext) => any;

/** By the engine, what makes a cache on it. */
const PLACES: Record<string, Place> = {
  files: (t) => ({ dir: join(newDirectory(t), "cache") }),
  "files with names": (t) => ({ dir: join(newDirectory(t), "cache"), naming: "readable" }),
  "files behind a memory": (t) => ({ dir: join(newDirectory(t), "cache"), memory: { maxBytes: "10MB" } }),
  lmdb: (t) => ({ store: lmdbStore({ path: join(newDirectory(t), "lmdb") }) }),
  tiered: (t) => ({
    store: tieredStore(
      fileStore({ dir: join(newDirectory(t), "near") }),
      fileStore({ dir: join(newDirectory(t), "far") }),
    ),
  }),
  "a listing": () => ({ store: mapEngine() }),
};

/** A function in two manners: both are called the same. */
const MANNERS = ["sync", "async"] as const;

function textsOf(permacache: any, manner: (typeof MANNERS)[number], options: object): any {
  const text = (x: number, size: number) => String(x % 10).repeat(size);
  return permacache(
    "texts",
    options,
  )(manner === "sync" ? (x: number, size: number) => text(x, size) : async (x: number, size: number) => text(x, size));
}

async function keysOf(f: any): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of f.entries()) keys.push(key);
  return keys.sort();
}

for (const [name, place] of Object.entries(PLACES)) {
  for (const manner of MANNERS) {
    for (const level of ["function", "cache"] as const) {
      test.serial(
        `${name}, ${manner}: a result above the maxBytes of the ${level} is returned, not stored, and evicts nothing`,
        async (t) => {
          const limits = { maxBytes: "100KB" };
          const cache: any = createCache({ ...place(t), ...(level === "cache" ? limits : {}) });
          const f = textsOf(cache.permacache, manner, level === "function" ? limits : {});
          await warningsOf(async () => {
            for (let x = 0; x < 10; x++) await f(x, 100);
          }); // LMDB says that it is experimental
          const before = await keysOf(f);
          t.is(before.length, 10);
          const warnings = await warningsOf(async () => {
            for (const x of [100, 101, 100]) t.is((await f(x, 200_000)).length, 200_000);
          });
          t.deepEqual(await keysOf(f), before);
          t.is(warnings.length, 1, warnings.join("\n"));
          t.regex(warnings[0]!, /too large to be stored.*Raise maxBytes.*maxBytes is 102400/s);

          const primed = await failureOf(() => f.prime("z".repeat(200_000), 300, 200_000));
          t.true(primed instanceof StoreError);
          t.regex(primed.message, /too large.*maxBytes is 102400/s);
          t.is((await keysOf(f)).length, 10);

          // A batch stores the others, and prime of a batch none.
          const sizes = (xs: number[]) => xs.map((size) => "y".repeat(size));
          const many: any = cache.permacache("batch", { parallel: "xs", ...(level === "function" ? limits : {}) })(
            manner === "sync" ? sizes : async (xs: number[]) => sizes(xs),
          );
          await warningsOf(async () => t.is((await many([100, 200_000, 101])).length, 3));
          t.is((await keysOf(many)).length, 2);
          const [a, b] = ["a".repeat(10), "b".repeat(200_000)];
          t.true((await failureOf(() => many.prime([a, b], [103, 104]))) instanceof StoreError);
          t.is((await keysOf(many)).length, 2);
          t.is((await keysOf(f)).length, 10);
          await cache.close();
        },
      );
    }
  }
}

test.serial("kept out files count for what a result may have, and none stays behind", async (t) => {
  const { permacache, files } = newCache(t);
  const out = newDirectory(t);
  const f = permacache("large/out", { maxBytes: "10KB", outFile: "loc", keepOutFiles: true })(
    (x: number, loc: string) => {
      writeFileSync(loc, String(x).repeat(x < 5 ? 1_000 : 20_000));
      return x;
    },
  );
  for (let x = 0; x < 5; x++) f(x, join(out, `${x}`));
  const before = files();
  const warnings = await warningsOf(() => t.is(f(5, join(out, "5")), 5));
  t.regex(warnings.join("\n"), /with the out files that are kept for it/);
  t.deepEqual(files(), before);
});

// ---- kept out files ----

const KEEPING: Record<string, Place> = { ...PLACES, "a listing": () => ({ store: listed() }) };

/** An engine that keeps contents, and has its limits from its listing. */
function listed() {
  const { usage: _, ...engine } = fullEngine();
  return engine;
}

for (const [name, place] of Object.entries(KEEPING)) {
  for (const manner of MANNERS) {
    test.serial(
      `${name}, ${manner}: kept out files count for maxBytes also once their entry is written for a second path`,
      async (t) => {
        const cache: any = createCache(place(t));
        const out = newDirectory(t);
        const write = (x: number, loc: string) => writeFileSync(loc, String(x % 10).repeat(20_000));
        const f: any = cache.permacache("kept", { maxBytes: "200KB", outFile: "loc", keepOutFiles: true })(
          manner === "sync" ? write : async (x: number, loc: string) => write(x, loc),
        );
        for (let x = 0; x < 30; x++) {
          await f(x, join(out, `${x}`));
          await f(x, join(out, `${x}-again`)); // its entry is written once more
        }
        t.is(f.stats().hits, 30);
        const left = async () => (await keysOf(f)).length;
        t.true((await left()) <= 11 && (await left()) >= 5, `${await left()} entries of 20 KB`);
        await f.prune();
        t.true((await left()) <= 10, `${await left()} after prune`);
        await cache.prune({ maxBytes: "100KB" });
        t.true((await left()) <= 5 && (await left()) > 0, `${await left()} after a prune of the cache`);
        await cache.close();
      },
    );
  }
}

test("a ledger that is made anew, and a prune without one, count kept out files", async (t) => {
  for (const naming of ["hash", "readable"] as const) {
    const { permacache, dir } = newCache(t, { naming });
    const out = newDirectory(t);
    const of = (options: object) =>
      permacache("anew", { outFile: "loc", keepOutFiles: true, ...options })((x: number, loc: string) =>
        writeFileSync(loc, String(x % 10).repeat(20_000)),
      );
    for (let x = 0; x < 20; x++) of({})(x, join(out, `${x}`));
    t.false(existsSync(join(dir, "=_ledger")));
    const cache = createCache({ dir });
    t.is(await cache.prune({ maxBytes: "300KB" }), 6);
    const f = of({ maxBytes: "200KB" });
    f(100, join(out, "100"));
    t.true(existsSync(join(dir, "=_ledger")));
    t.true([...f.entries()].length <= 10);
    rmSync(join(dir, "=_ledger"));
    const g = of({ maxBytes: "100KB" });
    g(101, join(out, "101"));
    t.true([...g.entries()].length <= 5);
  }
});

test("a record that forgets a kept content drops it", (t) => {
  const { permacache, files } = newCache(t);
  const out = newDirectory(t);
  let text = "a".repeat(1000);
  const of = (keepOutFiles: boolean): any =>
    permacache("drops", { outFile: "loc", keepOutFiles })((_x: number, loc: string) => writeFileSync(loc, text));
  of(true)(1, join(out, "1"));
  t.is(files().length, 3);
  rmSync(join(out, "1"));
  for (const file of files()) if (!file.endsWith(".entry")) writeFileSync(file, "damaged");
  text = "b".repeat(1000);
  of(false)(1, join(out, "1"));
  t.is(files().length, 1);
});

// ---- what somebody else has removed ----

const entriesIn = (dir: string) => filesIn(dir).filter((each) => each.endsWith(".entry"));

for (const naming of ["hash", "readable"] as const) {
  for (const level of ["function", "cache"] as const) {
    test(`${naming}, limits of the ${level}: entries that were removed by hand do not count`, (t) => {
      const limits = { maxEntries: 20 };
      const { permacache, dir } = newCache(t, { naming, ...(level === "cache" ? limits : {}) });
      const f: any = permacache("hand", level === "function" ? limits : {})((x: number) => x);
      for (let x = 0; x < 18; x++) f(x);
      f.delete(0); // so that a survivor is the least recently used
      f(0);
      const survivor = entriesIn(dir).find((file) => readFileSync(file).includes('{"x":1}'))!;
      for (const file of entriesIn(dir)) if (file !== survivor) rmSync(file);
      for (let x = 100; x < 105; x++) f(x);
      t.is(entriesIn(dir).length, 6);
      t.true(f.has(1));
      for (let x = 105; x < 119; x++) f(x);
      t.true(f.has(1));
      t.is(entriesIn(dir).length, 20);
      f(119);
      t.false(f.has(1) && entriesIn(dir).length > 20);
    });
  }
}

test("a shard and a folder that were removed by hand do not count, also for prune, and for maxBytes", async (t) => {
  const { permacache, dir } = newCache(t);
  const f: any = permacache("a/b", { maxBytes: "100KB" })((x: number) => "x".repeat(5_000) + x);
  const other: any = permacache("c", { maxEntries: 100 })((x: number) => x);
  for (let x = 0; x < 15; x++) f(x);
  other(1);
  const all = entriesIn(join(dir, "a"));
  for (const file of all.slice(1)) rmSync(join(file, ".."), { recursive: true, force: true });
  const left = entriesIn(join(dir, "a"));
  for (let x = 20; x < 30; x++) f(x);
  for (const file of left) t.true(existsSync(file));
  rmSync(join(dir, "a"), { recursive: true });
  for (let x = 40; x < 50; x++) f(x);
  t.is(entriesIn(join(dir, "a")).length, 10);
  t.is(f.prune(), 0);
  t.is(await createCache({ dir }).prune({ maxEntries: 11 }), 0);
});

test("of many entries that were removed by hand enough are found before one goes that is there", (t) => {
  const { permacache, dir } = newCache(t);
  const f: any = permacache("many", { maxEntries: 300 })((x: number) => x);
  for (let x = 0; x < 300; x++) f(x);
  const all = entriesIn(dir).map((file) => ({ file, at: statSync(file).mtimeMs }));
  all.sort((a, b) => a.at - b.at);
  for (const { file } of all.slice(10)) rmSync(file); // the least recently used stay
  for (let x = 1000; x < 1100; x++) f(x);
  t.is(entriesIn(dir).length, 110);
});

import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import test, { type ExecutionContext } from "ava";
import type { Cache, CacheOptions, PathSummary } from "../../src/index.js";
import {
  createCache,
  defaultCache,
  defineType,
  OptionError,
  PathError,
  StoreError,
  tempCache,
} from "../../src/index.js";
import { DAY, failureOf, filesIn, newDirectory } from "../place.js";

/** A cache in a directory of the test's own, with its methods. */
function prepare(t: ExecutionContext, options: CacheOptions = {}) {
  const dir = join(newDirectory(t), "cache");
  return { dir, cache: createCache({ dir, ...options }) };
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const each of items) found.push(each);
  return found;
}

function fill(cache: Cache, path: string, count: number, version?: string) {
  const f = cache.permacache(path, { version })((x: number) => ({ x, text: "x".repeat(100) }));
  for (let n = 0; n < count; n++) f(n);
  return f;
}

// ---- list ----

test("list gives each version of each path once, in the order of paths", async (t) => {
  const { cache } = prepare(t);
  const before = Date.now();
  fill(cache, "b", 3);
  fill(cache, "a", 2, "2");
  fill(cache, "a/b", 1);
  fill(cache, "a-b", 1);
  fill(cache, "a", 4);
  fill(cache, "A", 1, "x".repeat(200));
  const rows = await all(cache.list());
  const shown = rows.map(({ path, version, entries }) => [path, version, entries]);
  t.deepEqual(shown, [["A", "x".repeat(200), 1], ["a", undefined, 4], ["a", "2", 2], ["a-b", undefined, 1], ["a/b", undefined, 1], ["b", undefined, 3]]); // biome-ignore format: one line
  for (const { newest } of rows) t.true(newest!.getTime() > before - 5_000 && newest!.getTime() < Date.now() + 5_000);
  t.deepEqual(Object.keys(rows[0]!), ["path", "version", "entries", "bytes", "newest"]);
});

test("list counts the bytes of files, and kept out files once", async (t) => {
  const { cache, dir } = prepare(t);
  fill(cache, "plain", 5);
  const sizeOfFiles = filesIn(dir).reduce((sum, file) => sum + readFileSync(file).length, 0);
  t.is((await all(cache.list()))[0]!.bytes, sizeOfFiles);
  const render = cache.permacache("render", { outFile: "to", keepOutFiles: true })((x: number, to: string) => {
    writeFileSync(to, "p".repeat(10_000));
    return x;
  });
  for (const x of [1, 2]) render(x, join(dirname(dir), `out-${x}`));
  const row = (await all(cache.list())).find(({ path }) => path === "render")!;
  t.is(row.entries, 2);
  t.true(row.bytes > 10_000 && row.bytes < 15_000, `${row.bytes}`);
});

test("sources of one version are one row, and cleared ones none", async (t) => {
  const { cache } = prepare(t);
  cache.permacache("f", { source: true, version: "1" })((x: number) => x)(1);
  cache.permacache("f", { source: true, version: "1" })((x: number) => x + 1)(1);
  fill(cache, "g", 2).clear();
  const rows = await all(cache.list());
  t.deepEqual(
    rows.map(({ path, version, entries }) => [path, version, entries]),
    [["f", "1", 2]],
  );
});

test("list can be left early, and looks no further then", async (t) => {
  const { cache, dir } = prepare(t);
  for (const path of ["a", "b", "c"]) fill(cache, path, 1);
  let first: PathSummary | undefined;
  for await (const each of cache.list()) {
    first = each;
    rmSync(dir, { recursive: true });
    break;
  }
  t.is(first?.path, "a");
});

test("looking at a directory that is not there makes nothing", async (t) => {
  const { cache, dir } = prepare(t);
  t.deepEqual(await all(cache.list()), []);
  const path = cache.open("a");
  t.false(await path.has({ x: 1 }));
  t.is(await path.peek({ x: 1 }), undefined);
  t.false(await path.delete({ x: 1 }));
  t.deepEqual(await all(path.entries()), []);
  t.deepEqual([await path.clear(), await path.prune({ maxAge: 1 }), await cache.clear(), await cache.prune({ maxEntries: 1 })], [0, 0, 0, 0]); // biome-ignore format: one line
  t.deepEqual(await cache.verify({ fix: true }), { checked: 0, damaged: [], removed: 0 });
  t.is((await cache.stats()).directory, dir);
  await cache.close();
  t.false(existsSync(dir));
});

// ---- open ----

test("key is that of the function's call; a text is a key already", (t) => {
  const { cache } = prepare(t);
  const f = cache.permacache("f")((x: number, y = 2) => x + y);
  const path = cache.open("f");
  t.is(path.key({ y: 2, x: 1 }), f.key(1));
  t.is(path.key({ y: 2, x: 1, z: undefined }), f.key(1));
  t.is(path.key(f.key(1)), f.key(1));
  for (const wrong of [1, null, undefined, [1], new Map(), "not json", () => 1]) {
    t.throws(() => path.key(wrong as any), { instanceOf: OptionError, message: /cache\.open\("f"\)/ });
  }
});

test("has, peek and delete reach the entries of a path without its function", async (t) => {
  for (const naming of ["hash", "readable"] as const) {
    const { cache } = prepare(t, { naming });
    const f = cache.permacache("f")((x: number) => ({ x, at: new Date(5) }));
    f(1);
    f(2);
    const path = createCache({ dir: (await cache.stats()).directory }).open("f");
    t.true(await path.has({ x: 1 }));
    t.true(await path.has('{"x":1}'));
    t.false(await path.has({ x: 3 }));
    t.deepEqual(await path.peek({ x: 1 }), { ...f.peek(1)!, version: undefined });
    t.is(await path.peek({ x: 3 }), undefined);
    t.true(await path.delete({ x: 1 }));
    t.false(await path.delete({ x: 1 }));
    t.false(f.has(1));
    t.true(f.has(2));
  }
});

test("many questions at once get their own answers", async (t) => {
  const { cache } = prepare(t);
  fill(cache, "f", 20);
  const path = cache.open("f");
  const found = await Promise.all(Array.from({ length: 20 }, (_, x) => path.peek({ x })));
  t.deepEqual(found.map((each: any) => each?.value.x), Array.from({ length: 20 }, (_, x) => x)); // biome-ignore format: one line
});

test("a path is opened with all its versions, the newest first, or with one", async (t) => {
  const { cache } = prepare(t);
  const version = (name: string | undefined) => cache.permacache("f", { version: name })((x: number) => `${name} ${x}`);
  for (const name of ["old", undefined, "v".repeat(150)]) {
    version(name)(1);
    await new Promise((resolve) => setTimeout(resolve, 3)); // entries are dated in milliseconds
  }
  version("old")(2);
  t.is((await cache.open("f").peek({ x: 1 }))?.value, `${"v".repeat(150)} 1`);
  t.is((await cache.open("f", { version: "old" }).peek({ x: 1 }))?.value, "old 1");
  t.is((await cache.open("f", { version: "v".repeat(150) }).peek({ x: 1 }))?.value, `${"v".repeat(150)} 1`);
  t.is((await cache.open("f", { version: null }).peek({ x: 1 }))?.value, "undefined 1");
  t.is(await cache.open("f", { version: "none" }).peek({ x: 1 }), undefined);
  const entries = await all(cache.open("f").entries());
  t.deepEqual(entries.map((each) => `${each.version} ${each.key}`).sort(), ['old {"x":1}', 'old {"x":2}', 'undefined {"x":1}', `${"v".repeat(150)} {"x":1}`].sort()); // biome-ignore format: one line
  t.deepEqual(Object.keys(entries[0]!).sort(), ["bytes", "createdAt", "duration", "key", "version"]);
  t.is((await all(cache.open("f", { version: "old" }).entries())).length, 2);
  t.is(await cache.open("f", { version: "old" }).clear(), 2);
  t.true(await cache.open("f").delete({ x: 1 }));
  t.is(await cache.open("f").clear(), 0);
});

test.serial("an entry that the limits of the cache take for expired is not there", async (t) => {
  const { cache } = prepare(t, { maxAge: "1d" });
  fill(cache, "f", 1);
  const path = cache.open("f");
  t.true(await path.has({ x: 0 }));
  const { now } = Date;
  Date.now = () => now() + 2 * DAY;
  try {
    t.false(await path.has({ x: 0 }));
    t.is(await path.peek({ x: 0 }), undefined);
  } finally {
    Date.now = now;
  }
});

test("a value whose class is not registered: peek says so, has does not mind", async (t) => {
  const { cache, dir } = prepare(t);
  class Unknown {}
  const type = { name: "inventory-Other", encode: () => 1, decode: () => new Unknown() };
  defineType(Unknown, { ...type, name: "inventory-Unknown" });
  cache.permacache("f")((_x: number) => new Unknown())(1);
  defineType(Unknown, type); // as in a program that does not know the name
  const path = createCache({ dir }).open("f");
  t.true(await path.has({ _x: 1 }));
  const error = await failureOf(() => path.peek({ _x: 1 }));
  t.true(error instanceof StoreError);
  t.regex(error.message, /inventory-Unknown.*defineType/);
  t.deepEqual(await cache.verify(), { checked: 1, damaged: [], removed: 0 });
});

test("a call after a clear or delete does not join a computation begun before", async (t) => {
  const { cache } = prepare(t);
  for (const deed of [() => cache.clear(), () => cache.open("f").clear(), () => cache.open("f").delete({ x: 1 })]) {
    let runs = 0;
    const finish: (() => void)[] = [];
    const f = cache.permacache("f")(async (x: number) => {
      runs++;
      await new Promise<void>((resolve) => finish.push(resolve));
      return x;
    });
    const before = f(1);
    await deed();
    const after = f(1);
    await new Promise((resolve) => setImmediate(resolve));
    t.is(runs, 2);
    for (const each of finish) each();
    t.deepEqual(await Promise.all([before, after]), [1, 1]);
    await cache.clear();
  }
});

test("a computation begun before a clear or delete is returned, not stored", async (t) => {
  const { cache } = prepare(t);
  const deeds: (() => Promise<unknown>)[] = [
    () => cache.clear(),
    () => cache.open("f").clear(),
    () => cache.open("f").delete({ x: 1 }),
  ];
  for (const deed of deeds) {
    let finish: (value: number) => void = () => {};
    const f = cache.permacache("f")(async (x: number) => x + (await new Promise<number>((resolve) => { finish = resolve; }))); // biome-ignore format: one line
    const running = f(1);
    await deed();
    finish(1);
    t.is(await running, 2);
    t.false(await f.has(1));
  }
});

for (const [name, action] of Object.entries<(cache: any) => unknown>({
  "a path that is none": (cache) => cache.open("../a"),
  "an unknown option of open": (cache) => cache.open("a", { source: "x" }),
  "a version that is no text": (cache) => cache.open("a", { version: 2 }),
  "an unknown option of prune": (cache) => cache.prune({ maxAge: 1 }, { fix: true }),
  "an unknown limit": (cache) => cache.prune({ maxSize: 1 }),
  "a limit that is none": (cache) => cache.prune({ maxAge: "soon" }),
  "an unknown limit of a path": (cache) => cache.open("a").prune({ maxSize: 1 }),
  "an unknown option of verify": (cache) => cache.verify({ repair: true }),
  "a fix that is not boolean": (cache) => cache.verify({ fix: "yes" }),
  "progress that is no function": (cache) => cache.verify({ onProgress: 1 }),
})) {
  test(`refused: ${name}`, async (t) => {
    const error = await failureOf(() => action(prepare(t).cache));
    t.true(error instanceof (name === "a path that is none" ? PathError : OptionError), String(error));
  });
}

// ---- the whole cache ----

test("stats are the sum of all functions of the cache, and of single calls", async (t) => {
  const { cache, dir } = prepare(t);
  const f = fill(cache, "f", 2);
  f(1);
  const g = fill(cache, "g", 1);
  const named = (x: number) => x;
  for (let i = 0; i < 3; i++) cache.call(named, 1);
  const { timeSaved, lock, ...stats } = await cache.stats();
  t.deepEqual(stats, { hits: 3, misses: 4, stores: 4, errors: 0, waited: 0, directory: dir });
  t.true(["kernel", "portable"].includes(lock));
  t.true(timeSaved >= f.stats().timeSaved + g.stats().timeSaved);
  t.is((await createCache({ dir }).stats()).hits, 0);
});

test("clear removes all entries of all paths", async (t) => {
  const { cache } = prepare(t);
  const f = fill(cache, "f", 3);
  fill(cache, "g/h", 2, "2");
  t.is(await cache.clear(), 5);
  t.is(await cache.clear(), 0);
  t.deepEqual(await all(cache.list()), []);
  t.false(f.has(1));
  f(1);
  t.true(f.has(1));
});

test.serial(
  "prune holds the limits, by default those of the cache, over all paths; and says what it evicts",
  async (t) => {
    const { cache, dir } = prepare(t);
    for (const path of ["f", "g"]) fill(cache, path, 5);
    t.is(await cache.prune(), 0);
    t.false(existsSync(join(dir, "=_ledger")));
    const told: unknown[] = [];
    const { subscribe, unsubscribe } = await import("node:diagnostics_channel");
    const evicted: string[] = [];
    const listener = (event: any) => void evicted.push(event.reason);
    subscribe("permacache:evict", listener);
    t.is(await cache.prune({ maxEntries: 7 }, { onProgress: (progress) => told.push(progress) }), 3);
    unsubscribe("permacache:evict", listener);
    t.deepEqual(evicted, Array(3).fill("maxEntries"));
    t.deepEqual(told.at(-1), { done: 3, total: 3 });
    t.is(await createCache({ dir, maxEntries: 6 }).prune(), 1);
    t.is(await cache.open("g").prune({ maxEntries: 1 }), 4);
    t.is((await all(cache.list())).find(({ path }) => path === "g")?.entries, 1);
  },
);

// ---- verify ----

/** Stores entries in all formats; gives the files. */
function withFormats(t: ExecutionContext) {
  const { cache, dir } = prepare(t);
  const value = { text: "x".repeat(50), at: new Date(5), bytes: new Uint8Array(9), map: new Map([[1, new Array(2)]]) };
  cache.permacache("json")((x: number) => x)(1);
  cache.permacache("clone", { version: "2" })((_x: number) => value)(1);
  cache.permacache("tagged", { codec: "json", compress: "gzip", naming: "readable" })((_x: number) => value)(1);
  const own = { name: "mine", encode: () => "not json", decode: () => 1 };
  cache.permacache("own", { codec: own, source: true })((_x: number) => value)(1);
  return { cache, dir, files: filesIn(dir) };
}

test("verify: all is well, in every format", async (t) => {
  const { cache } = withFormats(t);
  const told: { done: number; total: number }[] = [];
  t.deepEqual(await cache.verify({ onProgress: (each) => told.push(each) }), { checked: 4, damaged: [], removed: 0 });
  t.deepEqual(told.at(-1), { done: 4, total: 4 });
});

test("verify: what is damaged, misplaced or strange is told by its path, and removed with fix only", async (t) => {
  const { cache, dir, files } = withFormats(t);
  const [json, clone, tagged, own] = ["json", "clone", "tagged", "own"].map((path) => files.find((file) => file.startsWith(join(dir, path)))!); // biome-ignore format: one line
  const flipped = readFileSync(clone!);
  flipped[flipped.length - 1]! ^= 1;
  writeFileSync(clone!, flipped);
  truncateSync(tagged!, 40);
  const ofOtherPath = join(dirname(own!), "f".repeat(38).concat(".entry"));
  writeFileSync(ofOtherPath, readFileSync(json!));
  const ofOtherKey = join(dirname(json!), "f".repeat(38).concat(".entry"));
  writeFileSync(ofOtherKey, readFileSync(json!));
  const note = join(dirname(json!), "note.txt");
  writeFileSync(note, "");
  writeFileSync(join(dir, "json/note.txt"), "");
  const damaged = [clone!, tagged!, ofOtherPath, ofOtherKey, note].sort();
  t.deepEqual(await cache.verify(), { checked: 6, damaged, removed: 0 });
  t.true(damaged.every((file) => existsSync(file)));
  t.deepEqual(await cache.verify({ fix: true }), { checked: 6, damaged, removed: 5 });
  t.deepEqual(
    damaged.filter((file) => existsSync(file)),
    [],
  );
  t.deepEqual(await cache.verify(), { checked: 2, damaged: [], removed: 0 });
  t.true(existsSync(join(dir, "json/note.txt")));
});

test("verify: a kept out file that is not what was written goes for all entries that share it", async (t) => {
  const { cache, dir } = prepare(t);
  let runs = 0;
  const f = cache.permacache("render", { outFile: "to", keepOutFiles: true })((_x: number, to: string) => {
    writeFileSync(to, "content");
    return ++runs;
  });
  const out = (x: number) => join(dirname(dir), `out-${x}`);
  for (const x of [1, 2]) f(x, out(x));
  t.deepEqual(await cache.verify(), { checked: 3, damaged: [], removed: 0 });
  const [kept] = filesIn(join(dir, "render/=1/=kept"));
  chmodSync(kept!, 0o600);
  writeFileSync(kept!, "CONTENT");
  t.deepEqual(await cache.verify(), { checked: 3, damaged: [kept!], removed: 0 });
  t.deepEqual(await cache.verify({ fix: true }), { checked: 3, damaged: [kept!], removed: 1 });
  t.deepEqual(
    filesIn(dir).filter((file) => !file.endsWith(".entry")),
    [],
  );
  for (const x of [1, 2]) rmSync(out(x));
  f(1, out(1));
  t.is(runs, 3);
  t.is(readFileSync(out(1), "utf8"), "content");
});

test("with fix the ledger forgets what was removed", async (t) => {
  const { cache, dir } = prepare(t, { maxEntries: 100 });
  fill(cache, "f", 4);
  for (const file of filesIn(dir).slice(0, 2)) truncateSync(file, 3);
  t.is((await cache.verify({ fix: true })).removed, 2);
  t.is(await cache.prune({ maxEntries: 2 }), 0);
});

// ---- trouble, and the end ----

test("what the system says is a StoreError that names the directory", async (t) => {
  const file = join(newDirectory(t), "file");
  writeFileSync(file, "");
  const { cache, dir } = prepare(t);
  fill(cache, "f", 1);
  const [entry] = filesIn(dir);
  const shard = dirname(entry!);
  rmSync(shard, { recursive: true });
  writeFileSync(shard, "");
  const error = await failureOf(() => all(cache.open("f").entries()));
  t.true(error instanceof StoreError);
  t.true(error.message.includes(dir), error.message);
  t.deepEqual((await cache.verify({ fix: true })).damaged, [shard]);
  t.deepEqual(await all(cache.open("f").entries()), []);
});

test("after a close the functions of a cache work on", async (t) => {
  const { cache } = prepare(t);
  const f = fill(cache, "f", 1);
  await cache.close();
  await cache[Symbol.asyncDispose]();
  t.true(f.has(0));
});

test("every cache has all of it: the default one, which is in use then, and temporary ones", async (t) => {
  const methods = ["list", "open", "stats", "prune", "clear", "verify", "exportTo", "importFrom", "close"] as const;
  const directory = join(newDirectory(t), "default");
  defaultCache.configure({ dir: directory });
  const temporary = tempCache(join(newDirectory(t), "temporary"));
  for (const cache of [defaultCache, temporary]) {
    for (const name of methods) t.is(typeof cache[name], "function", name);
    t.is(typeof cache[Symbol.asyncDispose], "function");
    t.deepEqual(await all(cache.list()), []);
  }
  t.throws(() => defaultCache.configure({ dir: `${directory}-2` }), { instanceOf: OptionError });
  t.is((await defaultCache.stats()).directory, directory);
  t.deepEqual(readdirSync(dirname(directory)), []);
});

test("a path goes into an archive and comes back under another, with the options checked", async (t) => {
  const { cache, dir } = prepare(t);
  fill(cache, "f", 3);
  const file = join(dirname(dir), "entries.zip");
  t.is(await cache.exportTo("f", file), 3);
  t.is(await cache.importFrom("g", file), 3);
  t.true(await cache.open("g").has({ x: 2 }));
  t.true((await failureOf(() => cache.importFrom("g", file))) instanceof StoreError);
  for (const wrong of [
    () => cache.exportTo("f", ""),
    () => cache.exportTo("f", file, { merge: true } as any),
    () => cache.importFrom("h", file, { merge: 1 } as any),
  ]) {
    // biome-ignore format: one line
    t.true((await failureOf(wrong)) instanceof OptionError);
  }
  t.true((await failureOf(() => cache.exportTo("../f", file))) instanceof PathError);
});

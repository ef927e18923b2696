import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import test, { type ExecutionContext } from "ava";
import { exportTo } from "../../../src/cache/archive/export.js";
import { importFrom } from "../../../src/cache/archive/import.js";
import { decodeEntry, encodeEntry } from "../../../src/entry/entry.js";
import type { CacheOptions, WorkProgress } from "../../../src/index.js";
import { createCache, defineType } from "../../../src/index.js";
import { FileEngine } from "../../../src/stores/file/file-engine.js";
import { Store } from "../../../src/stores/store.js";
import { differenceOf } from "../../entry/faithful.js";
import { needs } from "../../needs.js";
import { failureOf, filesIn, newDirectory } from "../../place.js";

const run = promisify(execFile);

/** A cache, its store, and a place for archives. */
function newPlace(t: ExecutionContext<any>, options: CacheOptions = {}) {
  const root = newDirectory(t);
  const dir = join(root, "cache");
  return {
    root,
    dir,
    store: Store.over(FileEngine.at(dir)),
    ...createCache({ dir, ...options }),
    archive: join(root, "archive.zip"),
  };
}

function entriesIn(dir: string): string[] {
  return filesIn(dir).filter((file) => file.endsWith(".entry"));
}

/** Counts its computations. */
function counted(value: (x: any) => unknown = (x) => x * x) {
  const calls: unknown[] = [];
  const fn = (x: any) => {
    calls.push(x);
    return value(x);
  };
  return { fn, calls };
}

const throwing = (x: any): any => {
  throw new Error(`computed ${x}`);
};

test("export f, import as g: g hits, h misses", async (t) => {
  const { store, permacache, archive } = newPlace(t);
  const { fn } = counted();
  const f = permacache("pkg/f")(fn);
  for (const x of [1, 2, 3]) f(x);
  t.is(await exportTo(store, "pkg/f", archive), 3);
  t.is(await importFrom(store, "pkg/g", archive), 3);
  const g = permacache("pkg/g")(throwing);
  t.deepEqual(
    [1, 2, 3].map((x) => g(x)),
    [1, 4, 9],
  );
  const h = counted();
  permacache("pkg/h")(h.fn)(1);
  t.deepEqual(h.calls, [1]);
  t.deepEqual([...g.entries()].map(({ key }: any) => key).sort(), ['{"x":1}', '{"x":2}', '{"x":3}']);
});

test("across caches and processes", async (t) => {
  const { store, permacache, archive } = newPlace(t);
  permacache("pkg/f")((x: number) => new Map([[x, new Date(x)]]))(7);
  await exportTo(store, "pkg/f", archive);
  const there = join(newDirectory(t), "cache");
  await importFrom(Store.over(FileEngine.at(there)), "pkg/g", archive);
  const source = `import { permacache } from "permacache";
    const g = permacache("pkg/g")((x) => { throw new Error("computed"); });
    const h = permacache("pkg/h")((x) => "computed");
    console.log(g(7).get(7).getTime(), h(7));`;
  const { stdout } = await run(process.execPath, ["--input-type=module", "-e", source], {
    env: { ...process.env, PERMACACHE_DIR: there },
  });
  t.is(stdout.trim(), "7 computed");
});

for (const [given, written] of [
  ["a", "a.zip"],
  ["a.zip", "a.zip"],
  ["a.ZIP", "a.ZIP"],
  ["a.zip.old", "a.zip.old.zip"],
] as const) {
  test(`".zip" given or left out: ${given}`, async (t) => {
    const { root, store, permacache } = newPlace(t);
    permacache("f")((x: number) => x)(1);
    await exportTo(store, "f", join(root, given));
    t.deepEqual(readdirSync(root).sort(), [written, "cache"].sort());
    t.is(await importFrom(store, "g", join(root, given)), 1);
  });
}

test("the entry stays what it was: key, time, duration, source; and says nothing of where it came from", async (t) => {
  const { store, permacache, archive } = newPlace(t);
  const f = permacache("pkg/f")(async (x: number) => [x, undefined]);
  await f(1);
  const before = (await f.peek(1))!;
  await exportTo(store, "pkg/f", archive);
  await importFrom(store, "pkg/g", archive);
  const g = permacache("pkg/g")(async (x: number) => [x, undefined]);
  t.deepEqual(await g.peek(1), { ...before, bytes: (await g.peek(1))!.bytes });
  t.true((await g.detail(1)).sameSource);
  t.true(g(1) instanceof Promise);
});

test("all versions and sources travel, and stay apart", async (t) => {
  const { store, permacache, archive } = newPlace(t);
  const versions = [undefined, "1", "2 ü", "A", "a", "x".repeat(300)];
  for (const version of versions) permacache("f", { version })((x: number) => `${version} ${x}`)(1);
  permacache("f", { source: true })((x: number) => x + 10)(1);
  permacache("f", { source: true })((x: number) => x + 20)(1);
  t.is(await exportTo(store, "f", archive), 8);
  t.is(await importFrom(store, "g", archive), 8);
  for (const version of versions) t.is(permacache("g", { version })(throwing)(1), `${version} 1`);
  const ten = permacache("g", { source: true })((x: number) => x + 10);
  const thirty = permacache("g", { source: true })((x: number) => x + 30);
  t.true(ten.has(1));
  t.false(thirty.has(1));
});

test("paths that begin like it are not exported", async (t) => {
  const { store, permacache, archive } = newPlace(t);
  for (const path of ["a", "a/b", "a/3f", "A", "a-b"]) permacache(path)((x: number) => `${path} ${x}`)(1);
  t.is(await exportTo(store, "a", archive), 1);
  t.is(await importFrom(store, "b", archive), 1);
  t.is(permacache("b")(throwing)(1), "a 1");
});

test("a path that has entries, of any version, is refused; merge keeps what is there and adds the rest", async (t) => {
  const { store, permacache, archive } = newPlace(t);
  const f = permacache("f")((x: number) => `f ${x}`);
  for (const x of [1, 2, 3]) f(x);
  await exportTo(store, "f", archive);
  permacache("other", { version: "9" })((x: number) => x)(1);
  const g = permacache("g")((x: number) => `g ${x}`);
  g(2);
  for (const path of ["g", "other"]) {
    const error = await failureOf(() => importFrom(store, path, archive));
    t.is(error.name, "StoreError");
    t.regex(error.message, new RegExp(`"${path}" has entries.*merge`));
  }
  t.deepEqual([...g.entries()].length, 1);
  t.is(await importFrom(store, "g", archive, { merge: true }), 2);
  t.deepEqual(
    [1, 2, 3].map((x) => g(x)),
    ["f 1", "g 2", "f 3"],
  );
  t.is(await importFrom(store, "g", archive, { merge: true }), 0);
  t.is(await importFrom(store, "f", archive, { merge: true }), 0);
});

test("merge replaces an entry that is damaged, under either of its names", async (t) => {
  const { dir, store, permacache, archive } = newPlace(t);
  permacache("f")((x: number) => `f ${x}`)(1);
  await exportTo(store, "f", archive);
  for (const naming of ["hash", "readable"] as const) {
    const g = permacache(`g-${naming}`, { naming })((x: number) => `g ${x}`);
    g(1);
    const [file] = entriesIn(join(dir, `g-${naming}`));
    writeFileSync(file!, readFileSync(file!).fill(0, 50));
    t.is(await importFrom(store, `g-${naming}`, archive, { merge: true }), 1);
    t.is(g(1), "f 1");
    t.is(entriesIn(join(dir, `g-${naming}`)).length, 1);
  }
});

test("a path without entries cannot be exported", async (t) => {
  const { root, store, permacache, archive } = newPlace(t);
  for (const exists of [false, true]) {
    const error = await failureOf(() => exportTo(store, "nothing/here", archive));
    t.is(error.name, "StoreError");
    t.regex(error.message, /"nothing\/here" has no entries/);
    t.deepEqual(readdirSync(root), exists ? ["cache"] : []);
    permacache("nothing")((x: number) => x)(1);
  }
});

test("damaged entries stay behind", async (t) => {
  const { dir, store, permacache, archive } = newPlace(t);
  const f = permacache("f")((x: number) => x);
  for (let x = 0; x < 10; x++) f(x);
  const [first, second, third, fourth] = entriesIn(join(dir, "f"));
  writeFileSync(first!, readFileSync(first!).subarray(0, -1));
  writeFileSync(second!, readFileSync(third!)); // of another key
  rmSync(fourth!);
  t.is(await exportTo(store, "f", archive), 7);
  t.is(await importFrom(store, "g", archive), 7);
  for (const file of entriesIn(join(dir, "g"))) rmSync(file);
  for (const file of entriesIn(join(dir, "f"))) writeFileSync(file, "damaged");
  const error = await failureOf(() => exportTo(store, "f", archive));
  t.regex(error.message, /no entries/);
  t.is(await importFrom(store, "g", archive), 7, "the archive that was there is whole");
});

test("entries with names for people travel, also where an entry has both names", async (t) => {
  const { dir, store, permacache, archive } = newPlace(t);
  permacache("f", { naming: "hash" })((x: number) => `old ${x}`)(1);
  const [hash] = entriesIn(join(dir, "f"));
  const { payload, ...header } = decodeEntry(readFileSync(hash!))!;
  const old = Buffer.concat(encodeEntry({ ...header, createdAt: 1 }, { ...header, parts: [payload] }));
  const f = permacache("f", { naming: "readable" })((x: number) => `new ${x}`);
  f.delete(1);
  for (const x of [1, 2]) f(x);
  writeFileSync(hash!, old);
  t.is(await exportTo(store, "f", archive), 2);
  await importFrom(store, "g", archive);
  t.deepEqual(
    [1, 2].map((x) => permacache("g", { naming: "readable" })(throwing)(x)),
    ["new 1", "new 2"],
  );
});

// ---- bytes ----

test("the same entries make the same bytes: in another directory, after an import, exported again, in another time zone", async (t) => {
  const here = newPlace(t);
  const f = here.permacache("f", { version: "2" })((x: number) =>
    x % 2 ? { x } : [x, undefined, new Map([[x, { x }]])],
  );
  for (let x = 0; x < 40; x++) f(x);
  here.permacache("f", { codec: "json" })((x: number) => (x % 2 ? { x } : { $type: 1, x: -0 }))(1);
  here.permacache("f", { codec: "json" })((x: number) => (x % 2 ? { x } : { $type: 1, x: -0 }))(2);
  here.permacache("f", { compress: "gzip", naming: "readable" })((x: number) => [x])(3);
  await exportTo(here.store, "f", here.archive);
  const bytes = readFileSync(here.archive);
  const again = join(here.root, "again.zip");
  await exportTo(here.store, "f", again);
  t.true(bytes.equals(readFileSync(again)));
  for (const compress of [false, "brotli"] as const) {
    const there = newPlace(t);
    await importFrom(there.store, "f", here.archive, { compress });
    await exportTo(there.store, "f", there.archive);
    t.true(bytes.equals(readFileSync(there.archive)), String(compress));
  }
  const zoned = join(here.root, "zoned.zip");
  const root = join(import.meta.dirname, "../../..");
  const source = `import { exportTo } from "${root}/src/cache/archive/export.ts"; import { FileEngine } from "${root}/src/stores/file/file-engine.ts"; import { Store } from "${root}/src/stores/store.ts";
    await exportTo(Store.over(FileEngine.at(${JSON.stringify(here.dir)})), "f", ${JSON.stringify(zoned)});`;
  const script = join(here.root, "zoned.mts");
  writeFileSync(script, source);
  await run(process.execPath, ["--import=tsx", script], { cwd: root, env: { ...process.env, TZ: "Pacific/Apia" } });
  t.true(bytes.equals(readFileSync(zoned)));
});

test("the archive says nothing of paths on this machine", async (t) => {
  const { root, store, permacache, archive } = newPlace(t);
  const f = permacache("f", { outFile: "loc", keepOutFiles: true })((x: number, loc?: string) => {
    if (loc !== undefined) writeFileSync(loc, `${x}`);
    return x;
  });
  f(1, join(root, "secret-name"));
  await exportTo(store, "f", archive);
  const there = newPlace(t);
  await importFrom(there.store, "f", archive);
  const [file] = entriesIn(there.dir);
  const { record } = decodeEntry(readFileSync(file!))!;
  t.deepEqual(JSON.parse(record).written, {});
  t.false(readFileSync(file!).includes("secret-name"));
});

// ---- values ----

const shared = { same: [1] };
const floats = new Float64Array([1, 2, 3, 4]);
const cycle: any = { list: [] };
cycle.list.push(cycle);
const VALUES: Record<string, unknown> = {
  undefined: undefined,
  null: null,
  numbers: [-0, NaN, Infinity, 1e21],
  bigint: 2n ** 100n,
  text: "\ud800 ü \0",
  holes: Object.assign(new Array(4), { 0: 1, 2: 3 }),
  bare: Object.assign(Object.create(null), { x: 1 }),
  "keys of its prototype": JSON.parse('{"__proto__":{"x":1},"constructor":1,"$type":"ref","id":0}'),
  collections: new Map<unknown, unknown>([[{ a: 1 }, new Set([new Date(5), /a/gu])]]),
  "an invalid date": new Date(NaN),
  url: new URL("https://a.b/c?d=ü"),
  error: Object.assign(new AggregateError([new TypeError("b", { cause: shared })], "a"), { code: 7 }),
  bytes: [Buffer.from("bytes"), new Uint8Array(70_000).buffer, new DataView(new ArrayBuffer(3))],
  "views that share": [floats.subarray(1), new Uint8Array(floats.buffer, 8, 3)],
  sharing: [shared, shared, { shared }],
  cycle,
  "a value of 5 MB": { text: "x".repeat(2_000_000), bytes: Buffer.alloc(3_000_000, 7) },
};

for (const codec of ["auto", "json"] as const) {
  test(`values of all kinds (codec ${codec})`, async (t) => {
    const { store, permacache, archive } = newPlace(t, { codec });
    const f = permacache("f")((name: string) => VALUES[name]);
    for (const name of Object.keys(VALUES)) f(name);
    t.is(await exportTo(store, "f", archive), Object.keys(VALUES).length);
    await importFrom(store, "g", archive);
    const g = permacache("g")((name: string) => throwing(name));
    for (const [name, value] of Object.entries(VALUES)) {
      t.is(differenceOf(value, g(name)), undefined, name);
    }
  });
}

test("entries of a codec of one's own", async (t) => {
  const codec = { name: "rot", encode: (value: string) => [...value].reverse().join(""), decode: (data: Uint8Array) => [...Buffer.from(data).toString()].reverse().join("") }; // biome-ignore format: one line
  const { store, permacache, archive } = newPlace(t);
  for (const compress of [false, "gzip"] as const) {
    permacache(`f-${compress}`, { codec, compress })((x: string) => x)("abc");
    await exportTo(store, `f-${compress}`, archive);
    await importFrom(store, `g-${compress}`, archive, { compress });
    t.is(permacache(`g-${compress}`, { codec })(throwing)("abc"), "abc");
  }
});

test("compress: how entries are written here, whatever they were there", async (t) => {
  const { dir, store, permacache, archive } = newPlace(t, { compress: "brotli" });
  for (const value of [new Array(1000).fill("a"), [undefined, "b".repeat(5000)]]) {
    const path = `f${typeof value[0]}`;
    permacache(path)((x: number) => (x === 1 ? value : undefined))(1);
    await exportTo(store, path, archive);
    for (const compress of [false, "gzip", "brotli"] as const) {
      await importFrom(store, `${path}/${compress}`, archive, { compress });
      t.deepEqual(permacache(`${path}/${compress}`)(throwing)(1), value);
      const [file] = entriesIn(join(dir, path, `${compress}`));
      t.is(decodeEntry(readFileSync(file!))!.compression, compress);
    }
  }
});

test("entries are fast here: structured clone, where they are not plain JSON", async (t) => {
  const { dir, store, permacache, archive } = newPlace(t, { codec: "json" });
  permacache("f/json")((x: number) => ({ x }))(1);
  permacache("f/clone")((x: number) => new Map([[x, x]]))(1);
  for (const format of ["json", "clone"]) {
    await exportTo(store, `f/${format}`, archive);
    await importFrom(store, `g/${format}`, archive);
    t.is(decodeEntry(readFileSync(entriesIn(join(dir, "g", format))[0]!))!.format, format as "json");
  }
});

// ---- classes ----

test("classes that neither side registers are carried, and none of their functions is called", async (t) => {
  const { store, permacache, archive } = newPlace(t);
  class Point {
    constructor(readonly x: number) {}
  }
  let coded = 0;
  defineType(Point, {
    name: "archive.test/Point",
    encode: ({ x }) => [++coded, x],
    decode: ([, x]: number[]) => [++coded, new Point(x!)][1] as Point,
  });
  permacache("f")((x: number) => [new Map([[new Point(x), 1n]])])(5);
  const before = coded;
  await exportTo(store, "f", archive);
  await importFrom(store, "g", archive);
  t.is(coded, before);
  const [[[point]]] = (permacache("g")(throwing)(5) as Map<Point, bigint>[]).map((map) => [...map]) as any;
  t.deepEqual(point, new Point(5));
  t.true(point instanceof Point);
});

test("classes that are registered only in the process that reads, in the end", async (t) => {
  const { dir, store, archive } = newPlace(t);
  const type = `class Point { constructor(x) { this.x = x; } }
    defineType(Point, { name: "pkg/Point", encode: ({ x }) => ({ x }), decode: ({ x }) => new Point(x) });`;
  const program = async (source: string) =>
    (
      await run(
        process.execPath,
        ["--input-type=module", "-e", `import { defineType, permacache } from "permacache"; ${source}`],
        {
          env: { ...process.env, PERMACACHE_DIR: dir },
        },
      )
    ).stdout.trim();
  await program(`${type} permacache("pkg/f")((x) => new Set([new Point(x)]))(3);`);
  await exportTo(store, "pkg/f", archive);
  await importFrom(store, "pkg/g", archive);
  const read = `const [p] = permacache("pkg/g")((x) => { throw 1; })(3); console.log(p.constructor.name, p.x);`;
  t.is(await program(`${type} ${read}`), "Point 3");
  const miss = `const [p] = permacache("pkg/g", { onError: () => {} })((x) => ["computed"])(3); console.log(p);`;
  t.is(await program(miss), "computed");
});

// ---- out files ----

function newOutFiles(t: ExecutionContext<any>) {
  const place = newPlace(t);
  const calls: number[] = [];
  const fn = (x: number, loc?: string, more?: string) => {
    calls.push(x);
    if (loc !== undefined) writeFileSync(loc, `file ${x}`, { mode: 0o640 });
    if (more !== undefined) writeFileSync(more, "the same in each");
    return { x };
  };
  const options = { outFile: ["loc", "more"] as const, keepOutFiles: true };
  const wrap = (path: string, permacache = place.permacache) => permacache<any>(path, options)(fn);
  return { ...place, calls, wrap };
}

test("kept out files travel: a hit restores them when every file outside is gone", async (t) => {
  const { root, store, wrap, archive, calls } = newOutFiles(t);
  const f = wrap("f");
  const outside = join(root, "outside");
  mkdirSync(outside);
  for (const x of [1, 2, 3]) f(x, join(outside, `${x}`), join(outside, `more ${x}`));
  f(4); // writes none
  chmodSync(join(outside, "1"), 0o640);
  await exportTo(store, "f", archive);
  rmSync(outside, { recursive: true });
  const there = newPlace(t);
  t.is(await importFrom(there.store, "g", archive), 4);
  rmSync(join(root, "cache"), { recursive: true });
  calls.length = 0;
  const g = wrap("g", there.permacache);
  for (const x of [1, 2, 3]) {
    const [loc, more] = [join(there.root, "new", `${x}`), join(there.root, "new", `more ${x}`)];
    t.true(g.has(x, loc, more));
    t.deepEqual(g(x, loc, more), { x });
    t.is(readFileSync(loc, "utf8"), `file ${x}`);
    t.is(readFileSync(more, "utf8"), "the same in each");
    t.is(statSync(loc).mode & 0o777, 0o640 & ~process.umask());
  }
  g(4);
  t.deepEqual(calls, []);
  // Served anew from what was restored, and from what is kept.
  rmSync(join(there.root, "new"), { recursive: true });
  g(1, join(there.root, "anew"));
  t.deepEqual(calls, []);
  t.deepEqual(readdirSync(join(there.dir, "=_tmp")), []);
});

test("equal contents are in the archive once, and the same entries with them make the same bytes", async (t) => {
  const { root, store, wrap, archive } = newOutFiles(t);
  const f = wrap("f");
  const content = createHash("sha256").update("the same in each").digest("hex");
  for (const x of [1, 2]) f(x, join(root, `${x}`), join(root, `more ${x}`));
  await exportTo(store, "f", archive);
  t.is(
    readFileSync(archive).toString("latin1").split(`contents/${content}`).length,
    3,
    "where it stands, and in the list",
  );
  const there = newPlace(t);
  await importFrom(there.store, "f", archive);
  await exportTo(there.store, "f", there.archive);
  t.true(readFileSync(archive).equals(readFileSync(there.archive)));
});

test("without kept contents the value travels: served where no out file is asked for", async (t) => {
  const { root, store, permacache, archive } = newPlace(t);
  const calls: number[] = [];
  const wrap = (path: string) =>
    permacache(path, { outFile: "loc" })((x: number, loc?: string) => {
      calls.push(x);
      if (loc !== undefined) writeFileSync(loc, `${x}`);
      return x;
    });
  wrap("f")(1, join(root, "a"));
  await exportTo(store, "f", archive);
  await importFrom(store, "g", archive);
  wrap("g")(1);
  t.deepEqual(calls, [1]);
  wrap("g")(1, join(root, "b"));
  t.deepEqual(calls, [1, 1]);
});

test("a kept content that is damaged, or gone, stays behind, and its call computes anew", async (t) => {
  const { root, dir, store, wrap, archive, calls } = newOutFiles(t);
  const f = wrap("f");
  for (const x of [1, 2]) f(x, join(root, `${x}`));
  for (const file of filesIn(dir).filter((each) => each.endsWith(".kept"))) {
    if (readFileSync(file, "utf8") === "file 1") writeFileSync(file, "file 9");
  }
  t.is(await exportTo(store, "f", archive), 2);
  const there = newPlace(t);
  await importFrom(there.store, "g", archive);
  calls.length = 0;
  const g = wrap("g", there.permacache);
  for (const x of [1, 2]) g(x, join(there.root, `${x}`));
  t.deepEqual(calls, [1]);
  t.is(readFileSync(join(there.root, "1"), "utf8"), "file 1");
});

// ---- work ----

test("progress is told now and then, and at the end", async (t) => {
  const { store, permacache, archive } = newPlace(t);
  const f = permacache("f")((x: number) => x);
  for (let x = 0; x < 300; x++) f(x);
  for (const work of [
    (onProgress: (progress: WorkProgress) => void) => exportTo(store, "f", archive, { onProgress }),
    (onProgress: (progress: WorkProgress) => void) => importFrom(store, "g", archive, { onProgress }),
  ]) {
    const told: WorkProgress[] = [];
    await work((progress) => told.push(progress));
    t.true(told.length > 2);
    const { done, total } = told.at(-1)!;
    t.is(done, total);
    for (const [i, each] of told.slice(1).entries()) {
      t.true(each.done >= told[i]!.done && each.done <= each.total && each.total === total);
    }
    t.is(told.filter((each) => each.done === each.total).length, 1);
  }
});

test("an error of onProgress passes through, and leaves nothing behind", async (t) => {
  const { root, store, permacache, archive } = newPlace(t);
  const f = permacache("f")((x: number) => x);
  for (let x = 0; x < 300; x++) f(x);
  const error = new Error("mine");
  const onProgress = () => {
    throw error;
  };
  t.is(await failureOf(() => exportTo(store, "f", archive, { onProgress })), error);
  t.deepEqual(readdirSync(root), ["cache"]);
  await exportTo(store, "f", archive);
  t.is(await failureOf(() => importFrom(store, "g", archive, { onProgress })), error);
});

test("a larger number of entries, and of kept contents, streams", async (t) => {
  const { root, store, permacache, archive, wrap } = newOutFiles(t);
  const f = permacache("f")((x: number) => ({ x }));
  for (let x = 0; x < 3000; x++) f(x);
  t.is(await exportTo(store, "f", archive), 3000);
  t.is(await importFrom(store, "g", archive), 3000);
  const g = permacache("g")(throwing);
  for (let x = 0; x < 3000; x++) t.deepEqual(g(x), { x });
  const out = wrap("out");
  for (let x = 0; x < 40; x++) out(x, join(root, "loc"), join(root, "more"));
  await exportTo(store, "out", archive);
  t.is(await importFrom(store, "out2", archive), 40);
});

test("an archive that is replaced is replaced whole", async (t) => {
  const { root, store, permacache, archive } = newPlace(t);
  const f = permacache("f")((x: number) => x);
  f(1);
  await exportTo(store, "f", archive);
  f(2);
  t.is(await exportTo(store, "f", archive), 2);
  t.is(await importFrom(store, "g", archive), 2);
  t.deepEqual(readdirSync(root).sort(), ["archive.zip", "cache"]);
});

test("where the archive cannot be written that is told, and nothing is left behind", async (t) => {
  const { root, dir, store, permacache } = newPlace(t);
  permacache("f")((x: number) => x)(1);
  const missing = await failureOf(() => exportTo(store, "f", join(root, "missing", "a.zip")));
  t.is(missing.name, "StoreError");
  t.regex(missing.message, /missing.a\.zip cannot be written/);
  mkdirSync(join(root, "taken.zip"));
  t.is((await failureOf(() => exportTo(store, "f", join(root, "taken")))).name, "StoreError");
  t.deepEqual(readdirSync(root).sort(), ["cache", "taken.zip"]);
  t.deepEqual(readdirSync(join(dir, "=_tmp")), []);
});

needs("posix")("a directory that may not be written keeps the archive that is there", async (t) => {
  const { root, dir, store, permacache } = newPlace(t);
  permacache("f")((x: number) => x)(1);
  const folder = join(root, "read-only");
  mkdirSync(folder);
  writeFileSync(join(folder, "a.zip"), "old");
  chmodSync(folder, 0o555);
  t.is(await exportTo(store, "f", join(root, "good")), 1);
  const project = join(import.meta.dirname, "../../..");
  const script = join(root, "export.mts");
  writeFileSync(
    script,
    `const [{ exportTo }, { importFrom }, { FileEngine }, { Store }] = await Promise.all([import("${project}/src/cache/archive/export.ts"), import("${project}/src/cache/archive/import.ts"), import("${project}/src/stores/file/file-engine.ts"), import("${project}/src/stores/store.ts")]);
    if (process.getuid() === 0) process.setuid(1000); // root may write anywhere
    for (const work of [
      () => exportTo(Store.over(FileEngine.at(${JSON.stringify(dir)}, { isShared: true })), "f", ${JSON.stringify(join(folder, "a.zip"))}),
      () => importFrom(Store.over(FileEngine.at(${JSON.stringify(join(folder, "cache"))})), "f", ${JSON.stringify(join(root, "good.zip"))}),
    ]) console.log(await work().then(String, (error) => error.name + ": " + error.message));`,
  );
  for (const each of [root, dir, ...readdirSync(dir, { recursive: true }).map((name) => join(dir, String(name)))]) {
    if (each !== folder) chmodSync(each, 0o777);
  }
  const { stdout } = await run(process.execPath, ["--import=tsx", script], { cwd: project });
  const [exported, imported] = stdout.trim().split("\n");
  t.regex(exported!, /^StoreError: .*a\.zip cannot be written/);
  t.regex(imported!, /^StoreError: .*cannot be written/);
  t.is(readFileSync(join(folder, "a.zip"), "utf8"), "old");
  t.deepEqual(readdirSync(folder), ["a.zip"]);
});

test("a path that is none is a PathError", async (t) => {
  const { store, archive } = newPlace(t);
  for (const path of ["", "../x", "a//b"]) {
    t.is((await failureOf(() => exportTo(store, path, archive))).name, "PathError");
    t.is((await failureOf(() => importFrom(store, path, archive))).name, "PathError");
  }
});

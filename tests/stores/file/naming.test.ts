import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import test, { type ExecutionContext } from "ava";
import { type CacheOptions, createCache, OptionError } from "../../../src/index.js";
import { filesIn, newDirectory } from "../../place.js";

const READABLE = /^[A-Za-z0-9.@_-]+_[0-9a-f]{20}\.entry$/;
const HASH = /^[0-9a-f]{38}\.entry$/;

/** One directory, seen by caches of either naming. */
function namings(t: ExecutionContext, options: CacheOptions = {}) {
  const dir = join(newDirectory(t), "cache");
  const of = (naming: "hash" | "readable") => createCache({ dir, naming, ...options }).permacache;
  const entries = () => filesIn(dir).filter((file) => file.endsWith(".entry"));
  return {
    dir,
    hash: of("hash"),
    readable: of("readable"),
    entries,
    names: () => entries().map((each) => basename(each)),
  };
}

test("square_12_3_<20 hex digits>.entry: last segment and arguments, in the order of the key", (t) => {
  const { dir, readable, entries } = namings(t);
  readable("my-project/square")((x: number, y = 3) => x * y)(12);
  const [file, ...others] = entries();
  t.deepEqual(others, []);
  t.regex(basename(file!), /^square_12_3_[0-9a-f]{20}\.entry$/);
  t.regex(relative(dir, file!), /^my-project\/square\/=1\/[0-9a-f]{2}\/square_/);
  t.is(basename(file!).slice(-26, -24), basename(dirname(file!)), "in the folder of its digest");
});

const NAMES: [string, unknown[], RegExp][] = [
  ["no argument", [], /^f_[0-9a-f]{20}\.entry$/],
  ["text", ["abc"], /^f_abc_[0-9a-f]{20}\.entry$/],
  ["text with separators", ['a/b\\c:d*e?f"g<h>i|j'], /^f_a-b-c-d-e-f-g-h-i-j_[0-9a-f]{20}\.entry$/],
  ["empty text", [""], /^f__[0-9a-f]{20}\.entry$/],
  ["a way out", ["../../../etc/passwd"], /^f_..-..-..-etc-passwd_[0-9a-f]{20}\.entry$/],
  ["NUL and newlines", ["a\0b\nc\r"], /^f_a-b-c-_[0-9a-f]{20}\.entry$/],
  ["accents", ["größe"], /^f_gr-e_[0-9a-f]{20}\.entry$|^f_gr-+e_/],
  ["other scripts", ["日本語"], /^f_-_[0-9a-f]{20}\.entry$/],
  ["half a character", ["\ud800x"], /^f_-x_[0-9a-f]{20}\.entry$/],
  ["an underscore and the end of a name", ["_0123456789abcdef0123.entry"], READABLE],
  ["a negative number, true, null", [-1.5, true, null], /^f_-1.5_true_null_[0-9a-f]{20}\.entry$/],
  ["an array", [[1, 2]], /^f_-1-2-_[0-9a-f]{20}\.entry$/],
  ["an object", [{ a: 1 }], /^f_-a-1-_[0-9a-f]{20}\.entry$/],
  ["what JSON lacks", [NaN, undefined, 5n], READABLE],
  ["long text", ["x".repeat(5000)], /^f_x{70,}_[0-9a-f]{20}\.entry$/],
  ["many arguments", [Array.from({ length: 1000 }, (_, i) => i)], READABLE],
  ["characters that fill more than a byte each", ["ü".repeat(200)], READABLE],
];
for (const [what, args, expected] of NAMES) {
  test(`a safe name of at most 100 characters, and a hit: ${what}`, (t) => {
    const { readable, names, dir } = namings(t);
    let ran = 0;
    const f: any = readable("p/f")((_a?: unknown, _b?: unknown, _c?: unknown) => ++ran);
    t.is(f(...args), 1);
    t.is(f(...args), 1);
    const [name, ...others] = names();
    t.deepEqual(others, []);
    t.regex(name!, expected);
    t.regex(name!, READABLE);
    t.true(name!.length <= 100);
    t.deepEqual(readdirSync(dir).sort(), ["=_tmp", "CACHEDIR.TAG", "p"], "nothing outside");
  });
}

test("paths of any form: names stay safe and short", (t) => {
  const { readable, names } = namings(t);
  const paths = ["x".repeat(100), "a/..x", "...", "-", "@scope/x", "a_b", "A", "a.entry"];
  for (const path of paths) {
    const f = readable(path)((x: string) => x);
    t.is(f("y".repeat(90)), f("y".repeat(90)));
    t.is(f.stats().hits, 1, path);
    t.is([...f.entries()].length, 1, path);
  }
  for (const name of names()) {
    t.regex(name, READABLE);
    t.true(name.length <= 100);
  }
});

test("no name is that of a device of Windows", (t) => {
  const { readable, names } = namings(t);
  for (const path of ["con", "com1.txt", "p/nul.x"]) readable(path)((x: number) => x)(1);
  for (const name of names()) t.notRegex(name, /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i);
});

test("calls that look alike, or differ only beyond what the name shows, are told apart", (t) => {
  const { readable, names } = namings(t);
  const f = readable("alike")((x: unknown) => x);
  const values = ["a/b", "a-b", "a:b", "A-B", "1", 1, ["1"], `${"x".repeat(500)}1`, `${"x".repeat(500)}2`];
  for (const x of values) t.deepEqual(f(x), x);
  for (const x of values) t.deepEqual(f(x), x);
  t.is(f.stats().hits, values.length);
  t.is(new Set(names().map((name) => name.toLowerCase())).size, values.length);
});

test("a key function of the whole call", (t) => {
  const { readable, names } = namings(t);
  for (const key of [5, "text", [1], null]) readable("f", { keyFunction: () => key })(() => 1)();
  t.is(names().length, 4);
  for (const name of names()) t.regex(name, READABLE);
});

for (const naming of ["hash", "readable"] as const) {
  test(`a key of ${naming === "hash" ? "ordinary " : "readable "}naming may be a thousand levels deep`, (t) => {
    const f: any = namings(t, { onError: "throw" })[naming]("deep")((_x: unknown) => 1);
    let deep: unknown = 1;
    for (let level = 0; level < 1000; level++) deep = [deep];
    t.is(f(deep), 1);
    t.true(f.detail(deep).hit);
  });
}

// ---- the other naming ----

for (const [first, second] of [
  ["hash", "readable"],
  ["readable", "hash"],
] as const) {
  const pattern = second === "hash" ? HASH : READABLE;

  test(`stored under ${first}: found, peeked at, listed and deleted under ${second}`, (t) => {
    const caches = namings(t);
    caches[first]("f")((x: number) => `old ${x}`)(1);
    const f = caches[second]("f")((x: number) => `new ${x}`);
    t.true(f.has(1));
    t.is(f.peek(1)!.value, "old 1");
    t.is(f(1), "old 1");
    t.deepEqual([...f.entries()].map(({ key }) => key), ['{"x":1}']); // biome-ignore format: one line
    t.is(caches.names().length, 1);
    t.true(f.delete(1));
    t.deepEqual(caches.names(), []);
    t.false(f.delete(1));
  });

  test(`stored under ${first}, stored anew under ${second}: one entry, the new one`, async (t) => {
    const caches = namings(t);
    caches[first]("f")((x: number) => `old ${x}`)(1);
    const f = caches[second]("f")((x: number) => `new ${x}`);
    t.is(f.with({ mode: "refresh" })(1), "new 1");
    t.is(caches.names().length, 1);
    t.regex(caches.names()[0]!, pattern);
    t.is(caches[first]("f")((x: number) => `newest ${x}`)(1), "new 1");
    f.prime("primed 1", 1);
    t.is(caches.names().length, 1);
    caches[first]("f")((x: number) => `old ${x}`).prime("other 1", 1);
    t.is(caches.names().length, 1);
    t.is(f(1), "other 1");
  });

  test(`stored under ${first}: a damaged one is replaced under ${second}`, (t) => {
    const caches = namings(t);
    caches[first]("f")((x: number) => `old ${x}`)(1);
    writeFileSync(caches.entries()[0]!, "damaged");
    t.is(caches[second]("f")((x: number) => `new ${x}`)(1), "new 1");
    t.is(caches.names().length, 1);
    t.regex(caches.names()[0]!, pattern);
  });

  test(`stored under ${first}: clear and prune under ${second} count them`, (t) => {
    const caches = namings(t);
    for (let i = 0; i < 5; i++) caches[first]("f")((x: number) => x)(i);
    const f = caches[second]("f")((x: number) => x);
    f(10);
    t.is([...f.entries()].length, 6);
    t.is(f.prune({ maxEntries: 4 }), 2);
    t.is(caches.names().length, 4);
    t.is(f.clear(), 4);
    t.deepEqual(caches.names(), []);
  });

  test(`stored under ${first}: limits under ${second} take them, the least recently written first`, (t) => {
    const caches = namings(t);
    for (let i = 0; i < 5; i++) caches[first]("f", { maxEntries: 5 })((x: number) => x)(i);
    const f = caches[second]("f", { maxEntries: 3 })((x: number) => x);
    f(10);
    t.is(caches.names().length, 3);
    t.deepEqual([2, 3, 4, 10].map((x) => f.has(x)), [false, true, true, true]); // biome-ignore format: one line
  });

  test(`stored under ${first}: used under ${second}, it is not the least recently used`, (t) => {
    const caches = namings(t);
    const before = caches[first]("f", { maxEntries: 3 })((x: number) => x);
    for (const x of [1, 2, 3]) before(x);
    const f = caches[second]("f", { maxEntries: 3 })((x: number) => x);
    t.true(f.detail(1).hit);
    f(4);
    t.deepEqual([1, 2, 3, 4].map((x) => f.has(x)), [true, false, true, true]); // biome-ignore format: one line
  });

  test.serial(`stored under ${first}: maxIdle counts from the last use under ${second}`, (t) => {
    const caches = namings(t);
    caches[first]("f", { maxIdle: "2d" })((x: number) => x)(1);
    const f = caches[second]("f", { maxIdle: "2d" })((x: number) => x);
    const { now } = Date;
    const later = (days: number, action: () => void) => {
      Date.now = () => now() + days * 24 * 60 * 60 * 1000;
      try {
        action();
      } finally {
        Date.now = now;
      }
    };
    later(1.5, () => t.true(f.detail(1).hit));
    later(3, () => t.true(f.has(1)));
  });

  test(`stored under ${first}: kept out files are served and dropped under ${second}`, (t) => {
    const caches = namings(t);
    const out = newDirectory(t);
    const write = (x: number, to: string) => writeFileSync(to, `content ${x}`);
    const options = { outFile: "to", keepOutFiles: true } as const;
    caches[first]("f", options)(write)(1, join(out, "a"));
    rmSync(join(out, "a"));
    const f: any = caches[second]("f", options)(write);
    f(1, join(out, "b"));
    t.is(readFileSync(join(out, "b"), "utf8"), "content 1");
    t.is(f.stats().hits, 1);
    t.is(caches.names().length, 1);
    t.true(f.delete(1));
    t.deepEqual(filesIn(caches.dir), []);
  });
}

// ---- management and limits under readable names ----

test("has, delete, entries, clear, prune, stats; sync and async", async (t) => {
  const { readable, names } = namings(t);
  const functions: any[] = [readable("s")((x: number) => x), readable("a")(async (x: number) => x)];
  for (const f of functions) {
    for (let x = 0; x < 6; x++) await f(x);
    t.true(await f.has(0));
    t.true(await f.delete(0));
    t.false(await f.has(0));
    let keys = 0;
    for await (const { key } of f.entries()) keys += /^\{"x":[1-5]\}$/.test(key) ? 1 : 100;
    t.is(keys, 5);
    t.is(await f.prune({ maxEntries: 3 }), 2);
    t.is(await f.clear(), 3);
    t.deepEqual(names(), []);
    t.like(f.stats(), { misses: 6, stores: 6, errors: 0 });
  }
});

test("maxEntries and maxBytes", (t) => {
  const { readable, names } = namings(t, { maxEntries: 5 });
  const f = readable("f", { maxEntries: 3 })((x: number) => x);
  for (let x = 0; x < 10; x++) f(x);
  t.is(names().length, 3);
  f(7);
  f(20);
  t.deepEqual([7, 8, 9, 20].map((x) => f.has(x)), [true, false, true, true]); // biome-ignore format: one line
  const g = readable("g", { maxBytes: "10KB" })((x: number) => "x".repeat(4000 + x));
  for (let x = 0; x < 5; x++) g(x);
  t.is([...g.entries()].length, 2);
});

test("entries of readable names made before there were limits count", (t) => {
  const { readable, names } = namings(t);
  for (let i = 0; i < 20; i++) readable("f")((x: number) => x)(i);
  readable("f", { maxEntries: 5 })((x: number) => x)(100);
  t.is(names().length, 5);
});

test("kept out files go with their entry: by a limit, delete, clear", (t) => {
  const { readable, dir, names } = namings(t);
  const out = newDirectory(t);
  const f = readable("f", { outFile: "to", keepOutFiles: true, maxEntries: 2 })((x: number, to: string) => {
    writeFileSync(to, `content ${x}`);
  });
  for (let x = 0; x < 5; x++) f(x, join(out, `${x}`));
  t.is(names().length, 2);
  t.is(filesIn(dir).filter((file) => file.endsWith(".kept")).length, 2);
  t.is(filesIn(join(dir, "f/=1/=kept")).length, 2);
  t.true(f.delete(4, join(out, "4")));
  t.is(filesIn(join(dir, "f/=1/=kept")).length, 1);
  f.clear();
  t.deepEqual(filesIn(dir), []);
});

test("versions and sources have folders of their own", (t) => {
  const { readable, names } = namings(t);
  const all = [{}, { version: "2" }, { source: true }].map((options) => readable("f", options)((x: number) => x));
  for (const f of all) f(1);
  t.is(names().length, 3);
  t.is(new Set(names()).size, 1);
  t.is(all[1]!.clear(), 1);
  t.is(names().length, 2);
});

test("files that only look like entries are left alone", (t) => {
  const { readable, dir, entries } = namings(t);
  const f = readable("f")((x: number) => x);
  f(1);
  const shard = dirname(entries()[0]!);
  for (const name of ["f_1.entry", "notes.txt", "f_1_0123456789ABCDEF0123.entry"])
    writeFileSync(join(shard, name), "mine");
  mkdirSync(join(shard, "f_1_00000000000000000000.entry"));
  t.deepEqual([...f.entries()].map(({ key }) => key), ['{"x":1}']); // biome-ignore format: one line
  t.true(existsSync(join(dir, "f")));
  t.is(f(1), 1);
});

test("naming can be given per function, against the cache's", (t) => {
  const { hash, names } = namings(t);
  hash("f", { naming: "readable" })((x: number) => x)(1);
  t.regex(names()[0]!, READABLE);
  t.throws(() => hash("f", { naming: "pretty" as "hash" }), { instanceOf: OptionError, message: /"naming" must be one of "hash", "readable"/ }); // biome-ignore format: one line
});

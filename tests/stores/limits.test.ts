import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { createCache, OptionError, withMode } from "../../src/index.js";
import { DAY, later, newCache, newDirectory, warningsOf } from "../place.js";

test.serial("maxAge: an expired entry is a miss at once, and is replaced", (t) => {
  const { permacache, files } = newCache(t);
  let computed = 0;
  const f = permacache("age", { maxAge: "2d" })((_x: number) => ++computed);
  t.is(f(1), 1);
  later(DAY, () => t.is(f(1), 1));
  later(3 * DAY, () => {
    t.false(f.has(1));
    t.is(f.peek(1), undefined);
    t.is(f(1), 2);
    t.is(f(1), 2);
  });
  t.is(files().length, 1);
});

test.serial("maxAge: another write takes expired entries away", (t) => {
  const { permacache, files } = newCache(t);
  const f = permacache("gone", { maxAge: 1000 })((x: number) => x);
  for (let x = 0; x < 5; x++) f(x);
  later(DAY, () => f(9));
  t.is(files().length, 1);
});

test.serial("maxIdle counts from the last use", (t) => {
  const { permacache, files } = newCache(t);
  let computed = 0;
  const f = permacache("idle", { maxIdle: "2d" })((x: number) => [x, ++computed]);
  f(1);
  f(2);
  later(1.5 * DAY, () => f(1));
  later(3 * DAY, () => {
    t.true(f.has(1));
    t.false(f.has(2));
    t.deepEqual(f(1), [1, 1]);
    t.deepEqual(f(2), [2, 3]);
  });
  later(10 * DAY, () => f(3));
  t.is(files().length, 1);
});

test.serial("a function's ages replace those of its cache", (t) => {
  const { permacache } = newCache(t, { maxAge: "1d", maxIdle: "1h" });
  const own = permacache("own", { maxAge: "10d", maxIdle: "10d" })((x: number) => x);
  const shared = permacache("shared")((x: number) => x);
  own(1);
  shared(1);
  later(2 * DAY, () => t.deepEqual([own.has(1), shared.has(1)], [true, false]));
});

test.serial("limits belong to who reads: none are stored", (t) => {
  const { permacache } = newCache(t);
  const strict = permacache("strict", { maxAge: 1000 })((x: number) => x);
  const lax = permacache("strict")((x: number) => x);
  strict(1);
  later(DAY, () => t.deepEqual([strict.has(1), lax.has(1)], [false, true]));
});

test("maxEntries: the least recently used go first", (t) => {
  const { permacache, files } = newCache(t);
  const f = permacache("lru", { maxEntries: 3 })((x: number) => x);
  for (const x of [1, 2, 3]) f(x);
  f(1);
  f(4);
  t.deepEqual(
    [1, 2, 3, 4].map((x) => f.has(x)),
    [true, false, true, true],
  );
  f(3);
  f(5);
  t.deepEqual(
    [1, 3, 4, 5].map((x) => f.has(x)),
    [false, true, true, true],
  );
  t.is(files().length, 3);
});

test("maxEntries: 1 evicts the older", (t) => {
  const { permacache, files } = newCache(t);
  const f = permacache("one", { maxEntries: 1 })((x: number) => x);
  f(1);
  f(2);
  t.deepEqual([f.has(1), f.has(2)], [false, true]);
  t.is(files().length, 1);
});

test("maxBytes, with the contents of kept out files", (t) => {
  const { permacache, files } = newCache(t);
  const f = permacache("bytes", { maxBytes: "10KB" })((x: number) => "x".repeat(3000 + x));
  for (let x = 0; x < 10; x++) f(x);
  const total = files().reduce((sum, file) => sum + statSync(file).size, 0);
  t.true(total <= 10 * 1024 && total > 6 * 1024, `${total}`);
  const out = newDirectory(t);
  const g = permacache("bytes/kept", { maxBytes: "10KB", outFile: "loc", keepOutFiles: true })(
    (x: number, loc: string) => writeFileSync(loc, String(x).repeat(4000)),
  );
  for (let x = 0; x < 5; x++) g(x, join(out, `${x}`));
  t.is([...g.entries()].length, 2);
});

test("size limits hold at the function and at the cache", (t) => {
  const { permacache, files } = newCache(t, { maxEntries: 5 });
  const f = permacache("f", { maxEntries: 3 })((x: number) => x);
  const g = permacache("g")((x: number) => x);
  for (let x = 0; x < 10; x++) f(x);
  t.is(files().length, 3);
  for (let x = 0; x < 10; x++) g(x);
  t.is(files().length, 5);
  t.is([...f.entries()].length, 0);
});

test("they cover all versions of a path, and no other path", (t) => {
  const { permacache, files } = newCache(t);
  const of = (version: string) => permacache("a", { version, maxEntries: 3 })((x: number) => x);
  permacache("a/b")((x: number) => x)(1);
  for (let x = 0; x < 3; x++) of("1")(x);
  for (let x = 0; x < 2; x++) of("2")(x);
  t.is([...of("1").entries()].length, 1);
  t.is([...of("2").entries()].length, 2);
  t.is(files().length, 4);
});

test("entries made before there were limits count", (t) => {
  const { permacache, files } = newCache(t);
  const before = permacache("before")((x: number) => x);
  for (let x = 0; x < 20; x++) before(x);
  permacache("before", { maxEntries: 5 })((x: number) => x)(100);
  t.is(files().length, 5);
  for (let x = 20; x < 30; x++) before(x); // without limits, beside it
  permacache("before", { maxEntries: 5 })((x: number) => x)(101);
  t.is(files().length, 5);
});

test("clear, delete and a refresh are followed", (t) => {
  const { permacache, files } = newCache(t);
  const f = permacache("followed", { maxEntries: 3 })((x: number) => x);
  for (let x = 0; x < 3; x++) f(x);
  f.delete(0);
  f(3);
  t.deepEqual(
    [1, 2, 3].map((x) => f.has(x)),
    [true, true, true],
  );
  for (let i = 0; i < 5; i++) f.with({ mode: "refresh" })(1);
  t.is(files().length, 3);
  f.clear();
  for (let x = 0; x < 3; x++) f(x);
  t.is(files().length, 3);
});

test("read-only changes nothing, also not the order of use", (t) => {
  const { permacache } = newCache(t);
  const f = permacache("order", { maxEntries: 2 })((x: number) => x);
  f(1);
  f(2);
  withMode("read-only", () => f(1));
  f(3);
  t.deepEqual([f.has(1), f.has(2)], [false, true]);
});

test("a ledger that is damaged, or gone, is made anew from the directory at the worst", (t) => {
  const { permacache, dir, files } = newCache(t);
  const f = permacache("ledger", { maxEntries: 3 })((x: number) => x);
  for (let x = 0; x < 5; x++) f(x);
  const ledger = join(dir, "=_ledger");
  writeFileSync(ledger, "");
  for (let x = 5; x < 10; x++) f(x);
  t.true(files().length <= 6);
  writeFileSync(ledger, `${readFileSync(ledger, "utf8")}nonsense\n+ \n- no/such\nu\n`);
  t.is(f(100), 100);
  t.is(f.prune(), 0);
});

test("prune holds the limits of the options now", (t) => {
  const { permacache, files } = newCache(t);
  const f = permacache("pruned")((x: number) => x);
  for (let x = 0; x < 10; x++) f(x);
  t.is(f.prune(), 0);
  t.is(permacache("pruned", { maxEntries: 4 })((x: number) => x).prune(), 6);
  t.is(files().length, 4);
});

test.serial("a cache that evicts all before it is used warns once", async (t) => {
  const { permacache } = newCache(t);
  const f = permacache("thrashing", { maxEntries: 2 })((x: number) => x);
  const warnings = await warningsOf(() => {
    for (let x = 0; x < 300; x++) f(x);
  });
  t.is(warnings.length, 1);
  t.regex(warnings[0]!, /last 100 entries that had to go were never used \(\d+ stored, no hit\).*raise maxEntries/);
});

const WRONG = [
  { maxAge: 0 },
  { maxAge: -1 },
  { maxIdle: "soon" },
  { maxEntries: Number.NaN },
  { maxEntries: "3" },
  { maxBytes: "10 parsecs" },
  { maxBytes: 0 },
];
for (const options of WRONG) {
  test(`refused: ${JSON.stringify(options)}`, (t) => {
    const { permacache } = newCache(t);
    for (const wrap of [() => permacache("x", options as object), () => createCache(options as object)]) {
      t.regex(t.throws(wrap, { instanceOf: OptionError }).message, /must be more than 0/);
    }
  });
}

import { spawn, spawnSync } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { homedir } from "node:os";
import { basename, join } from "node:path";
import test, { type ExecutionContext } from "ava";
import {
  CacheMissError,
  createCache,
  defineType,
  dropIfEqual,
  kw,
  OptionError,
  type PermacacheError,
  StoreError,
  stableHash,
  tempCache,
  UnkeyableValueError,
  withMode,
} from "../src/index.js";
import { needs } from "./needs.js";
import { DAY, failureOf, filesIn, later, newCache, newDirectory, warningsOf } from "./place.js";
import { evaluate } from "./signature/evaluate.js";

// What the systems do that this one takes the place of, line by line; where they contradict each other, what this one
// does. The names begin with the name of the system.

/** Runs a module in a process of its own, against the built package; gives what it printed, as JSON. */
function program(source: string, env: NodeJS.ProcessEnv = {}): any {
  const { stdout, stderr, status } = spawnSync(process.execPath, ["--input-type=module", "-e", source], {
    encoding: "utf8",
    env: { ...process.env, ...env },
  });
  if (status !== 0 || stderr !== "") throw new Error(stderr);
  return JSON.parse(stdout);
}

/** A function of x and y that counts how often it ran. */
function counting(t: ExecutionContext, options: object = {}, cache: object = {}) {
  const place = newCache(t, cache);
  let ran = 0;
  const f: any = place.permacache("counting", options)((x: unknown, y = 2) => [x, y, ++ran]);
  return { ...place, f, ran: () => ran };
}

// ---- permacache ----

test("permacache: defaults are filled", (t) => {
  const { f } = counting(t);
  t.is(f.key(1), '{"x":1,"y":2}');
  t.deepEqual(f(1), f(1, 2));
});

test("permacache: positional and keyword arguments are one call", (t) => {
  const { f, ran, files } = counting(t);
  for (const call of [
    () => f(1, 3),
    () => f(1, kw({ y: 3 })),
    () => f(kw({ x: 1, y: 3 })),
    () => f(kw({ y: 3, x: 1 })),
  ]) {
    t.deepEqual(call(), [1, 3, 1]);
  }
  t.is(ran(), 1);
  t.is(files().length, 1);
});

test("permacache: a mapped parameter stands in the key as what it is mapped to", (t) => {
  const { f, ran } = counting(t, { keyFunction: { x: (x: { id: number }) => x.id } });
  t.is(f.key({ id: 7, big: "data" }), '{"x":7,"y":2}');
  f({ id: 7, big: "data" });
  f({ id: 7, other: "data" });
  t.is(ran(), 1);
  t.is(f.key({ id: 8 }), '{"x":8,"y":2}');
});

test("permacache: a parameter mapped to a hash", (t) => {
  const { f } = counting(t, { keyFunction: { x: stableHash } });
  t.regex(f.key([1, 2, 3]), /^\{"x":"[0-9a-f]{64}","y":2\}$/);
  t.not(f.key([1, 2, 3]), f.key([1, 2, 4]));
});

test("permacache: None becomes null: the argument is ignored", (t) => {
  const { f, ran } = counting(t, { keyFunction: { y: null } });
  t.is(f.key(1, "anything"), '{"x":1,"y":null}');
  t.deepEqual(f(1, 3), f(1, 4));
  t.deepEqual(
    f(1),
    f(1, () => "also what has no key"),
  );
  t.is(ran(), 1);
});

test("permacache: null as an argument is null, and not the default", (t) => {
  const { f } = counting(t);
  t.is(f.key(null, null), '{"x":null,"y":null}');
  t.deepEqual(f(null, null).slice(0, 2), [null, null]);
});

test("permacache: drop-if-equal takes the parameter out of the key", (t) => {
  const { f } = counting(t, { keyFunction: { y: dropIfEqual(2) } });
  t.is(f.key(1), '{"x":1}');
  t.is(f.key(1, 2), '{"x":1}');
  t.is(f.key(1, 3), '{"x":1,"y":3}');
});

test("permacache: adding `t` with drop-if-equal(0) keeps the old entries", (test) => {
  const { permacache, files } = newCache(test);
  const before: any = permacache("grown", { version: "1" })((x: number) => ["before", x]);
  before(1);
  let ran = 0;
  const after: any = permacache("grown", { version: "1", keyFunction: { t: dropIfEqual(0) } })((x: number, t = 0) => {
    ran++;
    return ["after", x, t];
  });
  test.deepEqual(after(1), ["before", 1]);
  test.deepEqual(after(1, 0), ["before", 1]);
  test.is(ran, 0);
  test.deepEqual(after(1, 5), ["after", 1, 5]);
  test.is(files().length, 2);
});

test("permacache: a key of 100 characters, and one of 100,000", (t) => {
  const { f, ran } = counting(t);
  for (const length of [100, 100_000]) {
    const x = "k".repeat(length);
    t.deepEqual(f(x), f(x));
    t.true(f.has(x));
    t.false(f.has(`${x}k`));
  }
  t.is(ran(), 2);
});

test("permacache: a value that cannot be serialised leaves no entry and no file", (t) => {
  const errors: PermacacheError[] = [];
  const { permacache, files } = newCache(t, { onError: (error: PermacacheError) => errors.push(error) });
  const value = { deep: [() => 1] };
  const f: any = permacache("unstorable")((_x: number) => value);
  t.is(f(1), value);
  t.false(f.has(1));
  t.deepEqual([...f.entries()], []);
  t.deepEqual(files(), []);
  t.true(errors[0] instanceof StoreError);
  t.regex(errors[0]!.message, /deep\[0\] is a function/);
});

const WRITER = (dir: string, name: string) => `
  import { createCache } from "permacache";
  const { permacache } = createCache({ dir: ${JSON.stringify(dir)}, onError: "throw" });
  let random = ${name.length};
  const pause = async () => {
    for (let turns = (random = (random * 48271) % 2147483647) % 5; turns > 0; turns--) await new Promise(setImmediate);
  };
  for (let seed = 0; seed < 100; seed++) {
    random = seed * 7919 + ${name.length};
    const f = permacache("seeds/" + (seed % 10))(async (_seed, _name) => { await pause(); return [_seed, _name]; });
    await pause();
    await f(seed, ${JSON.stringify(name)});
    await f(seed, "both");
  }`;
test("permacache: two concurrent writers with random delays, 100 seeds: both keys survive", async (t) => {
  const dir = join(newDirectory(t), "cache");
  const codes = await Promise.all(
    ["a", "bb"].map(
      (name) =>
        new Promise((resolve) => {
          const args = ["--input-type=module", "-e", WRITER(dir, name)];
          spawn(process.execPath, args, { stdio: ["ignore", "ignore", "inherit"] }).once("close", resolve);
        }),
    ),
  );
  t.deepEqual(codes, [0, 0]);
  const { permacache } = createCache({ dir, mode: "only-if-cached" });
  for (let seed = 0; seed < 100; seed++) {
    const f = permacache(`seeds/${seed % 10}`)(async (_seed: number, _name: string) => [-1]);
    for (const name of ["a", "bb", "both"]) t.deepEqual(await f(seed, name), [seed, name] as never);
  }
  t.is(filesIn(dir).length, 300, "and nothing else is left");
});

class Point {
  constructor(
    readonly x: number,
    readonly y: number,
  ) {}
  toJSON() {
    return [this.x, this.y];
  }
}
class Place {
  constructor(
    readonly x: number,
    readonly y: number,
  ) {}
  toJSON() {
    return [this.x, this.y];
  }
}

/** Lines of one group have keys that all differ from each other; the second of each is equal to the first. */
// biome-ignore format: a table
const HASHED: [string, [unknown, unknown][]][] = [
  ["numbers", [[1, 1], [2, 2], [1.5, 1.5], [-0, -0], [0, 0], [NaN, NaN], [Infinity, Infinity], [1n, 1n]]],
  ["strings", [["", ""], ["1", "1"], ["\u00e9", "\u00e9"], ["e\u0301", "e\u0301"], ["null", "null"]]],
  ["lists", [[[], []], [[1, 2], [1, 2]], [[2, 1], [2, 1]], [[[1], 2], [[1], 2]], [[[1, 2]], [[1, 2]]], [["1", 2], ["1", 2]]]],
  ["dicts, whatever the order", [[{ a: 1, b: 2 }, { b: 2, a: 1 }], [{ a: 2, b: 1 }, { b: 1, a: 2 }], [{}, {}], [{ a: undefined, b: 2 }, { b: 2, a: undefined }]]],
  ["maps and sets", [[new Map([[1, 2], [3, 4]]), new Map([[3, 4], [1, 2]])], [new Map([[1, 4], [3, 2]]), new Map([[1, 4], [3, 2]])], [new Set([1, 2]), new Set([2, 1])], [[1, 2], [1, 2]]]],
  ["records with their class name", [[new Point(1, 2), new Point(1, 2)], [new Place(1, 2), new Place(1, 2)], [new Point(2, 1), new Point(2, 1)], [[1, 2], [1, 2]]]],
  ["arrays, of other type or shape too", [
    [new Float64Array([1, 2, 3, 4]), new Float64Array([1, 2, 3, 4])], [new Float32Array([1, 2, 3, 4]), new Float32Array([1, 2, 3, 4])],
    [new Int32Array([1, 2, 3, 4]), new Int32Array([1, 2, 3, 4])], [new Uint32Array([1, 2, 3, 4]), new Uint32Array([1, 2, 3, 4])],
    [[new Float64Array([1, 2]), new Float64Array([3, 4])], [new Float64Array([1, 2]), new Float64Array([3, 4])]],
    [{ shape: [2, 2], data: new Float64Array([1, 2, 3, 4]) }, { data: new Float64Array([1, 2, 3, 4]), shape: [2, 2] }],
    [{ shape: [4, 1], data: new Float64Array([1, 2, 3, 4]) }, { data: new Float64Array([1, 2, 3, 4]), shape: [4, 1] }],
    [new Uint8Array(32), new Uint8Array(32)], [new Uint8Array(31), new Uint8Array(31)], [Buffer.alloc(32), Buffer.alloc(32)], [[1, 2, 3, 4], [1, 2, 3, 4]],
  ]],
  ["data frames", [
    [{ columns: ["a", "b"], rows: [[1, "x"], [2, "y"]] }, { rows: [[1, "x"], [2, "y"]], columns: ["a", "b"] }],
    [{ columns: ["b", "a"], rows: [[1, "x"], [2, "y"]] }, { columns: ["b", "a"], rows: [[1, "x"], [2, "y"]] }],
    [{ a: new Float64Array([1, 2]), b: ["x", "y"] }, { b: ["x", "y"], a: new Float64Array([1, 2]) }],
    [{ a: new Float64Array([1, 2]), b: ["y", "x"] }, { b: ["y", "x"], a: new Float64Array([1, 2]) }],
  ]],
];
for (const [what, lines] of HASHED) {
  test(`permacache: the hash of ${what}: equal ones are one, others never`, (t) => {
    const { f } = counting(t);
    for (const of of [f.key as (x: unknown) => string, stableHash]) {
      for (const [value, equal] of lines) t.is(of(value), of(equal));
      t.is(new Set(lines.map(([value]) => of(value))).size, lines.length);
    }
  });
}

test("permacache: no-cache scope: neither reads nor stores, in it and nowhere else", (t) => {
  const { f, ran, files } = counting(t);
  withMode("bypass", () => [f(1), f(1)]);
  t.is(ran(), 2);
  t.deepEqual(files(), []);
  f(1);
  withMode("bypass", () => f(1));
  f(1);
  t.is(ran(), 4);
});

test("permacache: no-cache scope: ! functions that write files heed it, too", (t) => {
  const { permacache, files } = newCache(t);
  const out = join(newDirectory(t), "out");
  let ran = 0;
  const write: any = permacache("write", { outFile: "to" })((to: string) => writeFileSync(to, `${++ran}`));
  write(out);
  write(out);
  withMode("bypass", () => [write(out), write(out)]);
  t.is(readFileSync(out, "utf8"), "3");
  t.is(files().length, 1);
});

test("permacache: error-on-miss scope, for all functions and for one", (t) => {
  const { permacache } = newCache(t);
  const [f, g] = ["f", "g"].map((path) => permacache(path)((x: number) => x));
  f!(1);
  const missed = { instanceOf: CacheMissError };
  withMode("only-if-cached", () => {
    t.is(f!(1), 1);
    t.throws(() => f!(2), missed);
    t.throws(() => g!(1), missed);
  });
  withMode(
    "only-if-cached",
    () => {
      t.throws(() => f!(2), missed);
      t.is(g!(1), 1);
    },
    f!,
  );
});

test("permacache: contains", (t) => {
  const { f, ran } = counting(t);
  t.false(f.has(1));
  f(1);
  t.deepEqual([f.has(1), f.has(1, 2), f.has(kw({ x: 1 })), f.has(2)], [true, true, true, false]);
  t.is(ran(), 1);
});

test("permacache: renamed classes: stored values of an old class come back as the new one, without recomputing", (t) => {
  const dir = join(newDirectory(t), "cache");
  const stored = program(`
    import { createCache, defineType } from "permacache";
    class Vektor { constructor(x) { this.x = x; } }
    defineType(Vektor, { name: "behaviours/Vektor", encode: ({ x }) => ({ x }), decode: ({ x }) => new Vektor(x) });
    const { permacache } = createCache({ dir: ${JSON.stringify(dir)}, onError: "throw" });
    const make = permacache("make")((x) => ({ all: [new Vektor(x), new Vektor(x + 1)] }));
    make(1);
    console.log(make.has(1));`);
  t.true(stored);
  class Vector {
    constructor(readonly x: number) {}
  }
  const { permacache } = createCache({ dir, onError: () => {} });
  let ran = 0;
  const make = permacache("make")((x: number) => ({ all: [new Vector(x), ++ran] }));
  t.false(make.has(1), "before it is said what it is now");
  defineType(Vector, {
    name: "behaviours/Vector",
    aliases: ["behaviours/Vektor"],
    encode: ({ x }) => ({ x }),
    decode: ({ x }) => new Vector(x),
  });
  t.deepEqual(make(1), { all: [new Vector(1), new Vector(2)] } as never);
  t.is(ran, 0);
  t.deepEqual(make(5), { all: [new Vector(5), 1] });
  t.deepEqual(make(5), { all: [new Vector(5), 1] }, "from now on under the new name");
});

// ---- tempcache ----

test("tempcache: an instance decorates functions and methods", (t) => {
  const { permacache } = tempCache(join(newDirectory(t), "cache"));
  let ran = 0;
  const square = permacache("square")((x: number) => [x * x, ++ran][0]);
  class Shape {
    @permacache("area")
    area(x: number) {
      return [x * x, ++ran][0];
    }
  }
  const shape = new Shape();
  t.deepEqual([square(3), square(3), shape.area(4), new Shape().area(4)], [9, 9, 16, 16]);
  t.is(ran, 2);
});

test("tempcache: caching at the call site", (t) => {
  const cache = tempCache(join(newDirectory(t), "cache"));
  let ran = 0;
  const square = (x: number) => [x * x, ++ran];
  t.deepEqual(cache.call(square, 3), cache.call(square, 3));
  t.is(ran, 1);
});

test("tempcache: the default given explicitly is the same call, another argument is not", (t) => {
  const { f, ran } = counting(t);
  t.deepEqual(f(1), f(1, 2));
  t.is(ran(), 1);
  t.notDeepEqual(f(1, 3), f(1));
  t.is(ran(), 2);
});

test("tempcache: clear returns the number removed", (t) => {
  const { permacache } = tempCache(join(newDirectory(t), "cache"));
  const f = permacache("f")((x: number) => x);
  t.is(f.clear(), 0);
  for (let i = 0; i < 3; i++) f(i);
  t.is(f.clear(), 3);
  t.is(f.clear(), 0);
});

needs("posix")("tempcache: a named folder below the temporary directory", (t) => {
  const TMPDIR = newDirectory(t);
  const source = `import { tempCache } from "permacache";
    tempCache("named").permacache("f")((x) => x)(1); console.log(true);`;
  program(source, { TMPDIR });
  t.is(filesIn(join(TMPDIR, `permacache-${process.getuid!()}`, "named", "f")).length, 1);
});

test("tempcache: an absolute path and ~ work", (t) => {
  const HOME = newDirectory(t);
  const absolute = join(newDirectory(t), "absolute");
  const source = `import { tempCache } from "permacache";
    for (const name of [${JSON.stringify(absolute)}, "~/below"]) tempCache(name).permacache("f")((x) => x)(1);
    console.log(true);`;
  program(source, { HOME, USERPROFILE: HOME });
  t.is(filesIn(join(absolute, "f")).length, 1);
  t.is(filesIn(join(HOME, "below", "f")).length, 1);
  t.false(existsSync(join(homedir(), "below", "f")));
});

test("tempcache: its `source` separates caches: here `version`", (t) => {
  const { permacache } = tempCache(join(newDirectory(t), "cache"));
  const of = (version: string) => permacache("f", { version })((x: number) => `${version} ${x}`);
  t.deepEqual(["1", "2", "1"].map((version) => of(version)(1)), ["1 1", "2 1", "1 1"]); // biome-ignore format: one line
  t.is(of("1").clear(), 1);
  t.true(of("2").has(1));
});

test("tempcache: a serialiser of one's own", (t) => {
  const dir = join(newDirectory(t), "cache");
  const codec = {
    name: "rot",
    encode: (value: unknown) => Buffer.from(JSON.stringify(value)).map((byte) => byte ^ 1),
    decode: (bytes: Uint8Array) => JSON.parse(Buffer.from(bytes.map((byte) => byte ^ 1)).toString()),
  };
  const { permacache } = tempCache(dir, { codec });
  const f = permacache("f")((x: number) => ({ secret: x }));
  f(1);
  t.deepEqual(f(1), { secret: 1 });
  t.is(f.stats().hits, 1);
  t.false(readFileSync(filesIn(dir)[0]!, "latin1").includes("secret"));
});

test.serial("tempcache: max_age: expired entries are misses and go", (t) => {
  const dir = join(newDirectory(t), "cache");
  const { permacache } = tempCache(dir, { maxAge: 1000 });
  let ran = 0;
  const f = permacache("f")((x: number) => [x, ++ran]);
  for (const x of [1, 2, 3]) f(x);
  later(500, () => t.deepEqual(f(1), [1, 1]));
  later(2000, () => {
    t.false(f.has(1));
    t.deepEqual(f(1), [1, 4]);
    t.is(filesIn(dir).length, 1);
  });
});

for (const maxAge of [0, -1, -Infinity, Number.NaN, "-1s", "0"]) {
  test(`tempcache: a max_age of ${JSON.stringify(maxAge)} (${maxAge}) is an error`, (t) => {
    t.throws(() => tempCache("x", { maxAge }), { instanceOf: OptionError, message: /"maxAge" must be more than 0/ });
  });
}

test.serial("tempcache: errors of loading and of saving warn, and never raise", async (t) => {
  const file = join(newDirectory(t), "file");
  writeFileSync(file, "");
  const { permacache } = tempCache(join(file, "cache"));
  const warnings = await warningsOf(() => t.is(permacache("f")((x: number) => x)(1), 1));
  t.is(warnings.length, 1);
  const own = { name: "own", encode: () => Buffer.from("x"), decode: () => { throw new Error("cannot load"); } }; // biome-ignore format: one line
  const loading = tempCache(join(newDirectory(t), "cache"), { codec: own }).permacache("g")((x: number) => x);
  const more = await warningsOf(() => t.deepEqual([loading(1), loading(1), loading(1)], [1, 1, 1]));
  t.is(more.length, 1);
  t.regex(more[0]!, /cannot load/);
});

test("tempcache: ! writes are atomic: an entry is never changed in its place", (t) => {
  const { f, files } = counting(t);
  f(1);
  const [file] = files();
  const before = statSync(file!).ino;
  const copy = readFileSync(file!);
  chmodSync(file!, 0o400);
  f.with({ mode: "refresh" })(1);
  t.deepEqual(files(), [file]);
  t.not(statSync(file!).ino, before);
  t.notDeepEqual(readFileSync(file!), copy);
});

test("tempcache: ! a local copy of a remote file, refreshed when the remote is newer: a recipe", (t) => {
  const { permacache } = newCache(t);
  const remote = { etag: "1", content: "first" };
  const head = (_url: string) => remote.etag;
  let fetched = 0;
  const fetchFile = permacache("fetch-file", {
    outFile: "to",
    validate: ({ url, etag }: { url: string; etag: string }) => head(url) === etag,
  })((url: string, to: string) => {
    fetched++;
    writeFileSync(to, remote.content);
    return { url, etag: remote.etag };
  });
  const copy = join(newDirectory(t), "copy");
  const local = () => {
    fetchFile("https://example.org/data", copy);
    return readFileSync(copy, "utf8");
  };
  t.deepEqual([local(), local()], ["first", "first"]);
  t.is(fetched, 1);
  Object.assign(remote, { etag: "2", content: "second" });
  t.deepEqual([local(), local()], ["second", "second"]);
  t.is(fetched, 2);
});

// ---- cachecache ----

test("cachecache: `again` recomputes and overwrites: mode refresh", (t) => {
  const { f, files } = counting(t);
  f(1);
  t.deepEqual(f.with({ mode: "refresh" })(1), [1, 2, 2]);
  t.deepEqual(f(1), [1, 2, 2]);
  t.is(files().length, 1);
});

test("cachecache: ! `again` on a cold entry runs once", (t) => {
  const { f, ran } = counting(t);
  f.with({ mode: "refresh" })(1);
  t.is(ran(), 1);
  t.deepEqual(f(1), [1, 2, 1]);
});

test("cachecache: `cache_results=False` neither reads nor stores: mode bypass", (t) => {
  const { f, ran, files } = counting(t);
  const uncached = f.with({ mode: "bypass" });
  uncached(1);
  t.deepEqual(files(), []);
  f(1);
  t.deepEqual(uncached(1), [1, 2, 3]);
  t.deepEqual(f(1), [1, 2, 2]);
  t.is(ran(), 3);
});

test("cachecache: `cache_path` redirects one call and makes the directory", (t) => {
  const { f, ran, files } = counting(t);
  const dir = join(newDirectory(t), "not", "yet");
  t.deepEqual(f.with({ dir })(1), [1, 2, 1]);
  t.deepEqual(files(), []);
  t.is(filesIn(join(dir, "counting")).length, 1);
  t.deepEqual(f.with({ dir })(1), [1, 2, 1]);
  t.deepEqual(f(1), [1, 2, 2]);
  t.is(ran(), 2);
});

test("cachecache: one cacher for many functions, each with its entries", (t) => {
  const { permacache, files } = newCache(t);
  const functions = ["add", "multiply"].map((name) => permacache(`many/${name}`)((x: number) => `${name} ${x}`));
  for (let round = 0; round < 2; round++) t.deepEqual(functions.map((f) => f(1)), ["add 1", "multiply 1"]); // biome-ignore format: one line
  t.is(files().length, 2);
  functions[0]!.clear();
  t.true(functions[1]!.has(1));
});

test("cachecache: a directory of one's own", (t) => {
  const dir = join(newDirectory(t), "a", "b");
  const { permacache } = createCache({ dir });
  permacache("f")((x: number) => x)(1);
  t.is(filesIn(join(dir, "f")).length, 1);
});

test("cachecache: a maximum size: the least recently used go first", (t) => {
  const { permacache, files } = newCache(t, { maxBytes: "10KB" });
  const f = permacache("f")((x: number) => "x".repeat(3000 + x));
  for (const x of [1, 2, 3]) f(x);
  f(1);
  f(4);
  t.deepEqual([1, 2, 3, 4].map((x) => f.has(x)), [true, false, true, true]); // biome-ignore format: one line
  t.true(files().reduce((sum, file) => sum + statSync(file).size, 0) <= 10 * 1024);
});

test("cachecache: a maximum size set later: of the entries made before, the oldest go first", (t) => {
  const { permacache, files } = newCache(t);
  const f: any = permacache("f")((x: number) => x);
  const known = new Set<string>();
  for (let i = 0; i < 10; i++) {
    f(i);
    const file = files().find((each) => !known.has(each))!;
    known.add(file);
    utimesSync(file, 1_700_000_000 + i, 1_700_000_000 + i);
  }
  permacache("f", { maxEntries: 5 })((x: number) => x)(100);
  t.deepEqual(Array.from({ length: 10 }, (_, i) => i).filter((i) => f.has(i)), [6, 7, 8, 9]); // biome-ignore format: one line
});

test("cachecache: a maximum size holds for primed values, too", (t) => {
  const { permacache, files } = newCache(t);
  const f: any = permacache("f", { maxEntries: 3 })((x: number) => x);
  for (let i = 0; i < 10; i++) f.prime(i, i);
  t.is(files().length, 3);
});

for (const [what, line] of [
  ["outside of it", "+ f/=1/../../../victim 1 0 0"],
  ["behind a link in it", "+ f/=1/zz/victim 1 0 0"],
]) {
  test(`cachecache: a maximum size: whoever writes the directory cannot have a file removed ${what}`, (t) => {
    const { dir, permacache } = newCache(t);
    const outside = join(dir, "..");
    writeFileSync(join(outside, "victim"), "precious");
    const f = permacache("f", { maxEntries: 3 })((x: number) => x);
    f(0);
    symlinkSync(outside, join(dir, "f/=1/zz"));
    appendFileSync(join(dir, "=_ledger"), `${line}\n`);
    for (let i = 1; i < 10; i++) t.is(f(i), i);
    t.is([...f.entries()].length, 3);
    t.true(existsSync(join(outside, "victim")));
  });
}

for (const line of [
  "+ f/=1/aa/b.entry",
  "+ f/=1/aa/b.entry 10",
  "+ f/=1/aa/b.entry x y z",
  "+ ",
  "+ f/=1/aa/b.entry -1e9 0 0",
]) {
  const declare = ["+ ", "+ f/=1/aa/b.entry 10"].includes(line) ? test : test;
  declare(`cachecache: a maximum size holds on where the ledger has a damaged line: ${line}`, (t) => {
    const { dir, permacache } = newCache(t);
    const f = permacache("f", { maxBytes: "10KB" })((x: number) => "x".repeat(3000 + x));
    f(0);
    appendFileSync(join(dir, "=_ledger"), `${line}\n`);
    for (let i = 1; i < 10; i++) f(i);
    t.true([...f.entries()].length <= 4);
  });
}

test("cachecache: little free space warns", (t) => {
  // By a file system that says so; what it takes to be little is in free-space.test.ts.
  const source = `
    import fs from "node:fs"; import { syncBuiltinESMExports } from "node:module";
    fs.statfsSync = () => ({ bavail: 10, blocks: 1000, bsize: 1024 ** 3 });
    syncBuiltinESMExports();
    const warnings = [];
    process.removeAllListeners("warning").on("warning", ({ message }) => warnings.push(message));
    const { createCache } = await import("permacache");
    const f = createCache({ dir: process.env.PERMACACHE_DIR }).permacache("f")((x) => x);
    f(1); f(2);
    await new Promise(setImmediate);
    console.log(JSON.stringify(warnings));`;
  const warnings = program(source, { PERMACACHE_DIR: newDirectory(t) });
  t.is(warnings.length, 1);
  t.regex(warnings[0], /has little space left: 10240 MB, 1 %/);
});

test.serial("cachecache: unwritable: runs uncached, and warns", async (t) => {
  const file = join(newDirectory(t), "file");
  writeFileSync(file, "");
  const { f, ran } = counting(t, {}, { dir: file });
  const warnings = await warningsOf(() => t.deepEqual([f(1), f(1)], [[1, 2, 1], [1, 2, 2]])); // biome-ignore format: one line
  t.is(ran(), 2);
  t.is(warnings.length, 1);
  t.true(warnings[0]!.includes(file));
});

test("cachecache: by an argument: <datapath>/.local_cache where it is given, by position or name, else the global one; an explicit path wins", (t) => {
  const { permacache, files } = newCache(t);
  const [data, explicit] = [newDirectory(t), newDirectory(t)];
  let ran = 0;
  const f: any = permacache("by-argument", {
    keyFunction: { datapath: null },
    dir: ({ datapath }) => datapath && join(datapath, ".local_cache"),
    signature: "(x, datapath)",
  })((x: number) => [x, ++ran]);
  const local = () => filesIn(join(data, ".local_cache")).length;
  t.deepEqual(f(1, data), [1, 1]);
  t.deepEqual(f(1, kw({ datapath: data })), [1, 1]);
  t.deepEqual([local(), files().length], [1, 0]);
  for (const none of [undefined, null, ""]) t.deepEqual(f(1, none), [1, 2]);
  t.deepEqual([local(), files().length], [1, 1]);
  t.deepEqual(f.with({ dir: explicit })(1, data), [1, 3]);
  t.deepEqual([local(), files().length, filesIn(explicit).length], [1, 1, 1]);
  t.true(f.has(1, data));
});

test("cachecache: by an argument that is no path: a StoreError that names the option", (t) => {
  const { permacache } = newCache(t);
  const f: any = permacache("f", { dir: ({ where }) => where })((where: unknown) => where);
  t.throws(() => f(5), { instanceOf: StoreError, message: /"dir" gave number instead of the path/ });
});

// ---- locache ----

test("locache: one folder per function", (t) => {
  const { dir, permacache } = newCache(t);
  for (const path of ["my/one", "my/two"]) for (const x of [1, 2]) permacache(path)((x: number) => x)(x);
  t.deepEqual(readdirSync(join(dir, "my")).sort(), ["one", "two"]);
  for (const name of ["one", "two"]) t.is(filesIn(join(dir, "my", name)).length, 2);
});

test("locache: hit on the second call, in another process too", (t) => {
  const PERMACACHE_DIR = newDirectory(t);
  const source = `import { permacache } from "permacache";
    const f = permacache("f")((x) => x + 1);
    console.log(JSON.stringify([f(1), f(1), f.stats().hits]));`;
  t.deepEqual(program(source, { PERMACACHE_DIR }), [2, 2, 1]);
  t.deepEqual(program(source, { PERMACACHE_DIR }), [2, 2, 2]);
});

test("locache: body changed -> recompute; changed back -> old value", (t) => {
  const { permacache } = newCache(t);
  let ran = 0;
  (globalThis as any).behavioursRan = () => ran++;
  const run = (body: string) =>
    permacache("body", { source: true })(evaluate(`(x) => { behavioursRan(); return ${body}; }`))(5);
  t.is(run("x + 1"), 6);
  t.is(run("x + 2"), 7);
  t.is(ran, 2);
  t.is(run("x + 1"), 6);
  t.is(run("x + 2"), 7);
  t.is(ran, 2);
});

test("locache: `max_entries=1` evicts the older", (t) => {
  const { f, files } = counting(t, { maxEntries: 1 });
  f(1);
  f(2);
  t.deepEqual([f.has(1), f.has(2)], [false, true]);
  t.is(files().length, 1);
});

test.serial("locache: `max_age` counts from the last access: here `maxIdle`, and off by default", (t) => {
  const { permacache } = newCache(t);
  let ran = 0;
  const f: any = permacache("f", { maxIdle: "10d" })((x: number) => [x, ++ran]);
  const byDefault: any = permacache("g")((x: number) => [x, ++ran]);
  f(1);
  byDefault(1);
  for (const day of [8, 16, 24]) later(day * DAY, () => t.deepEqual(f(1), [1, 1]));
  later(40 * DAY, () => t.false(f.has(1)));
  later(4000 * DAY, () => t.true(byDefault.has(1)));
});

test("locache: evictions are logged", (t) => {
  const source = `import { createCache, verbose } from "permacache";
    const lines = [];
    process.stderr.write = (line) => lines.push(line);
    const f = createCache({ dir: process.env.PERMACACHE_DIR, maxEntries: 1 }).permacache("f")((x) => x);
    verbose(true);
    f(1); f(2);
    console.log(JSON.stringify(lines));`;
  const evictions = program(source, { PERMACACHE_DIR: newDirectory(t) }).filter((line: string) => / evict /.test(line));
  t.is(evictions.length, 1);
  t.regex(evictions[0], /evict f .*maxEntries/);
});

test("locache: `reset(fn)` is f.clear()", (t) => {
  const { f, ran } = counting(t);
  f(1);
  f(2);
  t.is(f.clear(), 2);
  f(1);
  t.is(ran(), 3);
});

test("locache: ! reset of a function that is not cached: it has no such method; where functions are named it is an error", (t) => {
  const plain: any = (x: number) => x;
  t.is(plain.clear, undefined);
  t.throws(() => withMode("refresh", () => 1, plain), { instanceOf: OptionError, message: /not a cached function/ });
});

test("locache: `verbose(True)` shows hits and misses, quiet by default", (t) => {
  const source = (before: string) => `import { permacache, verbose } from "permacache";
    const lines = [];
    process.stderr.write = (line) => lines.push(line.split(" ")[1]);
    ${before}
    const f = permacache("f")((x) => x);
    f(1); f(1);
    console.log(JSON.stringify(lines));`;
  const run = (before: string) => program(source(before), { PERMACACHE_DIR: newDirectory(t), NODE_DEBUG: "" });
  t.deepEqual(run("verbose(true);"), ["miss", "store", "hit"]);
  t.deepEqual(run("verbose(true); verbose(false);"), []);
  t.deepEqual(run(""), []);
});

test("locache: a function whose source is out of reach still works, with its signature", (t) => {
  const { permacache } = newCache(t);
  const f = permacache("native", { signature: "(x)" })(Math.sqrt as (x: number) => number);
  t.deepEqual([f(16), f(16), f.stats().hits], [4, 4, 1]);
});

test.serial("locache: entries that cannot be serialised or deserialised warn and compute", async (t) => {
  const { permacache } = newCache(t);
  let ran = 0;
  const f: any = permacache("f")((_x: number) => [++ran, () => 1]);
  t.is((await warningsOf(() => [f(1), f(1)])).length, 1);
  t.is(ran, 2);
  const g: any = newCache(t, {
    codec: {
      name: "bad",
      encode: () => Buffer.from("?"),
      decode: (bytes: Uint8Array) => JSON.parse(String.fromCharCode(...bytes)),
    },
  }).permacache("g")((x: number) => [x, ++ran]);
  t.is((await warningsOf(() => t.deepEqual([g(7), g(7)], [[7, 3], [7, 4]]))).length, 1); // biome-ignore format: one line
});

test("locache: ! arguments that cannot be serialised throw, and nothing is computed", async (t) => {
  const { f, ran, permacache } = counting(t);
  const error = t.throws(() => f({ deep: [() => 1] }), { instanceOf: UnkeyableValueError });
  t.regex(error!.message, /x\.deep\[0\]/);
  t.is(ran(), 0);
  const async: any = permacache("async")(async (x: unknown) => x);
  t.true((await failureOf(() => async(Symbol("s")))) instanceof UnkeyableValueError);
});

test("locache: ! None is cached: null, and undefined", (t) => {
  const { permacache, files } = newCache(t);
  let ran = 0;
  for (const value of [null, undefined]) {
    const f: any = permacache(`nothing/${value}`)((_x: number) => [value, ++ran][0]);
    t.deepEqual([f(1), f(1)], [value, value]);
    t.is(f.stats().hits, 1);
    t.true(f.has(1));
  }
  t.is(ran, 2);
  t.is(files().length, 2);
});

test("locache: ! f(1) and f(x=1) are one call", (t) => {
  const { f, ran } = counting(t);
  t.deepEqual(f(1), f(kw({ x: 1 })));
  t.is(ran(), 1);
});

// ---- numpy_caching ----

test("numpy_caching: disabled: nothing on disk", (t) => {
  const { f, dir, ran } = counting(t, {}, { mode: "bypass" });
  f(1);
  f(1);
  t.is(ran(), 2);
  t.false(existsSync(dir));
});

test("numpy_caching: enabled: one call, one file", (t) => {
  const { f, files } = counting(t);
  f(1);
  f(1);
  t.is(files().length, 1);
  t.true(files()[0]!.endsWith(".entry"));
  f(2);
  t.is(files().length, 2);
});

test("numpy_caching: `write_cache=False` reads, never writes: mode read-only", (t) => {
  const { f, files, ran } = counting(t);
  const readOnly = f.with({ mode: "read-only" });
  readOnly(1);
  t.deepEqual(files(), []);
  f(1);
  t.deepEqual(readOnly(1), [1, 2, 2]);
  t.is(ran(), 2);
  readOnly(3);
  t.is(files().length, 1);
});

test("numpy_caching: `force_update` always runs and rewrites: mode refresh", (t) => {
  const { f, ran } = counting(t);
  for (let i = 1; i <= 3; i++) t.deepEqual(f.with({ mode: "refresh" })(1), [1, 2, i]);
  t.is(ran(), 3);
  t.deepEqual(f(1), [1, 2, 3]);
});

test("numpy_caching: compressed by default: here an option", (t) => {
  const make = () => new Float64Array(20_000).fill(1.5);
  const sizes = [undefined, "gzip", "brotli"].map((compress) => {
    const { permacache, files } = newCache(t, { compress: compress as "gzip" });
    const f = permacache("f")(make);
    f();
    t.deepEqual(f(), make());
    t.is(f.stats().hits, 1);
    return statSync(files()[0]!).size;
  });
  t.true(sizes[0]! > 160_000);
  for (const size of sizes.slice(1)) t.true(size < 10_000);
});

test("numpy_caching: readable names: function, arguments, short hash; or hashes", (t) => {
  const named = (naming: "hash" | "readable") => {
    const { permacache, files } = newCache(t, { naming });
    permacache("my/mean")((data: number, y = 1) => data * y)(12);
    return basename(files()[0]!);
  };
  t.regex(named("readable"), /^mean_12_1_[0-9a-f]{20}\.entry$/);
  t.regex(named("hash"), /^[0-9a-f]{38}\.entry$/);
});

test("numpy_caching: a wrong name of a method is an error", (t) => {
  for (const naming of ["pretty", "", null, true]) {
    t.throws(() => createCache({ naming: naming as never }), {
      instanceOf: OptionError,
      message: /"naming" must be one of/,
    });
  }
});

test("numpy_caching: arrays as arguments and results, large ones too", (t) => {
  const { permacache } = newCache(t);
  let ran = 0;
  const double = permacache("double", { naming: "readable" })((data: Float64Array) => {
    ran++;
    return data.map((each) => each * 2);
  });
  const large = Float64Array.from({ length: 500_000 }, (_, i) => i / 3);
  for (const data of [new Float64Array(), new Float64Array([1, 2, 3]), large]) {
    const expected = data.map((each) => each * 2);
    for (let i = 0; i < 2; i++) {
      const got = double(data);
      t.true(got instanceof Float64Array);
      t.true(Buffer.from(got.buffer).equals(Buffer.from(expected.buffer)));
    }
  }
  t.is(ran, 3);
  const other = Float64Array.from(large);
  other[250_000] = -1;
  t.is(double(other)[250_000], -2);
  t.is(ran, 4);
});

test("numpy_caching: no arguments", (t) => {
  const { permacache, files } = newCache(t, { naming: "readable" });
  let ran = 0;
  const f = permacache("constant")(() => ++ran);
  t.deepEqual([f(), f()], [1, 1]);
  t.is(f.key(), "{}");
  t.regex(basename(files()[0]!), /^constant_[0-9a-f]{20}\.entry$/);
});

test("numpy_caching: nested tuples and dicts of arrays come back equal", (t) => {
  const { permacache } = newCache(t);
  const make = () => ({
    pair: [new Float32Array([1, 2]), [new Int8Array([-1]), { inner: new BigUint64Array([5n]) }]],
    empty: [new Uint8Array(), [], {}],
    named: { mean: 1.5, all: [new Float64Array([Number.NaN, -0, Infinity])] },
  });
  const f = permacache("nested")(make);
  f();
  t.deepEqual(f(), make());
  t.is(f.stats().hits, 1);
  t.true(Object.is(f().named.all[0]![1], -0));
});

test("numpy_caching: ! the four spellings of one call are one entry", (t) => {
  const { f, ran, files } = counting(t);
  for (const call of [() => f(1), () => f(1, 2), () => f(kw({ x: 1 })), () => f(1, kw({ y: 2 }))]) {
    t.deepEqual(call(), [1, 2, 1]);
  }
  t.is(ran(), 1);
  t.is(files().length, 1);
});

test("numpy_caching: what is computed again after its files are gone", (t) => {
  const { f, dir, ran } = counting(t);
  f(1);
  rmSync(dir, { recursive: true });
  t.false(f.has(1));
  f(1);
  t.is(ran(), 2);
  t.true(f.has(1));
});

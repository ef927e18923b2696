import { spawnSync } from "node:child_process";
import { chmodSync, chownSync, existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs"; // biome-ignore format: one line
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { encodeValue, type Payload } from "../../src/entry/codecs.js";
import { decodeEntry, encodeEntry } from "../../src/entry/entry.js";
import { type CacheOptions, createCache, StoreError } from "../../src/index.js";
import { needs } from "../needs.js";
import { failureOf, filesIn, newDirectory, warningsOf } from "../place.js";

const uid = process.geteuid?.();
const posix = needs("posix");
const asRoot = needs("root");

/** A directory with these permissions, and of this owner. */
function directoryOf(t: ExecutionContext, mode: number, owner = uid!, group = process.getegid!()): string {
  const dir = join(newDirectory(t), "cache");
  mkdirSync(dir);
  if (owner !== uid || group !== process.getegid!()) chownSync(dir, owner, group);
  chmodSync(dir, mode);
  return dir;
}

const entriesIn = (dir: string) => filesIn(dir).filter((file) => file.endsWith(".entry"));

// ---- whose directory it is ----

/** Functions work, uncached, with one warning that says why; what manages entries throws that. */
const refused = async (t: ExecutionContext, dir: string, why: RegExp) => {
  const cache = createCache({ dir });
  let ran = 0;
  const f = cache.permacache("f", { maxEntries: 9 })((x: number) => [x, ran++][0]);
  const g = cache.permacache("g")(async (x: number) => [x, ran++][0]);
  const warnings = await warningsOf(async () =>
    t.deepEqual([f(1), f(1), await g(1), await g(1), ran], [1, 1, 1, 1, 4]),
  );
  t.is(warnings.length, 1, warnings.join("\n"));
  t.regex(warnings[0]!, why);
  t.regex(warnings[0]!, /shared: true/);
  t.true(warnings[0]!.includes(dir));
  t.false(f.has(1));
  const listed = async () => {
    for await (const _ of cache.list());
  };
  const shown = async () => {
    for await (const _ of cache.open("f").entries());
  };
  const managed: (() => unknown)[] = [
    () => f.delete(1),
    () => f.clear(),
    () => f.prime(1, 1),
    () => f.prune(),
    () => [...f.entries()],
    () => g.delete(1),
    () => g.clear(),
    listed,
    shown,
    () => cache.open("f").has({ x: 1 }),
    () => cache.open("f").peek({ x: 1 }),
    () => cache.prune({ maxEntries: 1 }),
    () => cache.clear(),
    () => cache.verify(),
    () => cache.exportTo("f", join(dir, "../archive")),
  ];
  for (const manage of managed) {
    const error = await failureOf(manage);
    t.true(error instanceof StoreError, `${manage}: ${error}`);
    t.regex(error.message, why);
  }
  t.deepEqual(readdirSync(dir), [], "nothing was made");
};

asRoot.serial("a directory of another user is refused, with the mend", async (t) => {
  await refused(t, directoryOf(t, 0o700, 65534, 65534), /belongs to another user \(65534.*`dir` of your own/);
});

for (const mode of [0o777, 0o1777, 0o702, 0o757]) {
  posix.serial(`a directory that all may write to is refused, with the mend: mode ${mode.toString(8)}`, async (t) => {
    await refused(t, directoryOf(t, mode), /may be written by others.*chmod go-w /);
  });
}

asRoot.serial("a directory that a group may write to is refused", async (t) => {
  for (const mode of [0o770, 0o2775]) {
    await refused(t, directoryOf(t, mode, 0, 65534), /may be written by others.*chmod go-w /);
  }
});

asRoot("but not where the group is the user's own", (t) => {
  const dir = directoryOf(t, 0o775, 0, 0);
  const { printed, stderr } = program(t, 5001, 5001, directoryOf(t, 0o775, 5001, 5001), `f(1); print(f.has(1))`);
  t.deepEqual([printed, stderr], [[true], ""]);
  createCache({ dir, onError: "throw" }).permacache("f")((x: number) => x)(1);
  t.is(entriesIn(dir).length, 1);
});

posix("others may read it: mode 755", (t) => {
  const dir = directoryOf(t, 0o755);
  const f = createCache({ dir, onError: "throw" }).permacache("f")((x: number) => x);
  f(1);
  t.true(f.has(1));
});

posix("what is behind a link is looked at, not the link", async (t) => {
  const dir = directoryOf(t, 0o777);
  const link = join(newDirectory(t), "link");
  symlinkSync(dir, link);
  const f = createCache({ dir: link, onError: "throw" }).permacache("f")((x: number) => x);
  t.regex((await failureOf(() => f(1))).message, /may be written by others/);
  chmodSync(dir, 0o700);
  f(1);
  t.is(entriesIn(dir).length, 1);
});

posix("once it is mended it is used, in the same process", async (t) => {
  const dir = directoryOf(t, 0o777);
  const f = createCache({ dir, onError: () => {} }).permacache("f")((x: number) => x);
  f(1);
  t.false(f.has(1));
  chmodSync(dir, 0o755);
  f(1);
  t.true(f.has(1));
});

posix("entries that were planted before are not served", (t) => {
  const dir = directoryOf(t, 0o700);
  createCache({ dir }).permacache("f")((_x: number) => "planted")(1);
  chmodSync(dir, 0o777);
  // Another spelling of the path: this process has not seen it yet.
  const link = join(newDirectory(t), "link");
  symlinkSync(dir, link);
  const f = createCache({ dir: link, onError: () => {} }).permacache("f")((_x: number) => "computed");
  t.is(f(1), "computed");
});

posix("the directories of functions and of calls too follow `shared` of their cache", async (t) => {
  const [mine, open] = [directoryOf(t, 0o700), directoryOf(t, 0o777)];
  const errors = async (shared: boolean) => {
    const { permacache } = createCache({ dir: mine, shared, onError: "throw" });
    const fn = (x: number) => x;
    const functions = [
      permacache("f", { dir: open })(fn),
      permacache("g", { dir: () => open })(fn),
      permacache("h")(fn).with({ dir: open }),
    ];
    const messages: string[] = [];
    for (const f of functions) {
      try {
        f(1);
        messages.push("none");
      } catch (error) {
        messages.push((error as Error).message);
      }
    }
    return messages;
  };
  const all = await errors(false);
  t.is(all.length, 3);
  for (const message of all) t.regex(message, /may be written by others/);
  t.deepEqual(await errors(true), ["none", "none", "none"]);
});

asRoot.serial("shared: a directory of others is used, without a word", async (t) => {
  for (const dir of [directoryOf(t, 0o700, 65534, 65534), directoryOf(t, 0o777), directoryOf(t, 0o2775, 0, 65534)]) {
    const f = createCache({ dir, shared: true }).permacache("f")((x: number) => x);
    t.deepEqual(await warningsOf(() => f(1)), []);
    t.true(f.has(1));
  }
});

// ---- users of one group ----

/** Runs as a user; `f` squares, `count()` tells how often it ran. */
function program(t: ExecutionContext, user: number, group: number, dir: string, source: string, options: object = {}) {
  const all = { dir, ...options };
  chmodSync(join(dir, ".."), 0o755);
  const script = `
    const { createCache } = await import("permacache"); // as root: the package may be in a private directory
    await createCache().stats(); // loads the key lock
    process.umask(0o002); process.setgroups([]); process.setgid(${group}); process.setuid(${user});
    const { writeFileSync, readFileSync } = await import("node:fs");
    const cache = createCache(${JSON.stringify(all)});
    let count = 0;
    const printed = [];
    const print = (...values) => printed.push(...values);
    const f = cache.permacache("f")((x) => { count++; return new Map([[x, x * x]]); });
    const limited = cache.permacache("limited", { maxEntries: 2 })((x) => { count++; return x; });
    const writes = cache.permacache("writes", { outFile: "loc", keepOutFiles: true })((x, loc) => { count++; writeFileSync(loc, "content " + x); });
    ${source};
    console.log(JSON.stringify(printed));`;
  const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", script], {
    encoding: "utf8",
    cwd: join(import.meta.dirname, "../.."),
  });
  if (stdout === "") t.log(stderr);
  return { printed: stdout === "" ? undefined : JSON.parse(stdout), stderr };
}

const GROUP = 6001;
const [ANN, BOB, EVE] = [5001, 5002, 5003];

asRoot("two users of one group share a directory: both are served, replace, delete, clear", (t) => {
  const dir = directoryOf(t, 0o2770, ANN, GROUP);
  const as = (user: number, source: string) => {
    const { printed, stderr } = program(t, user, GROUP, dir, source, { shared: true });
    t.is(stderr, "");
    return printed;
  };
  t.deepEqual(as(ANN, "f(1); f(2); print(count)"), [2]);
  t.deepEqual(as(BOB, "print(f(1).get(1), f(3).get(3), count)"), [1, 9, 1]);
  t.deepEqual(as(ANN, "print(f(3).get(3), count, [...f.entries()].length)"), [9, 0, 3]);
  t.deepEqual(as(BOB, `f.with({ mode: "refresh" })(1); print(f.delete(2), f.has(2))`), [true, false]);
  t.deepEqual(as(ANN, "print(f(1).get(1), count, f.has(2))"), [1, 0, false]);
  t.deepEqual(as(BOB, "print(f.clear(), f(1).get(1), count)"), [2, 1, 1]);
  t.deepEqual(as(ANN, "print(f.delete(1), f.clear(), f.has(1))"), [true, 0, false]);
});

asRoot("limits and kept out files are shared too", (t) => {
  const dir = directoryOf(t, 0o2770, ANN, GROUP);
  const as = (user: number, source: string) => {
    const { printed, stderr } = program(t, user, GROUP, dir, source, { shared: true });
    t.is(stderr, "");
    return printed;
  };
  const out = newDirectory(t);
  chmodSync(out, 0o777);
  const loc = (name: string) => JSON.stringify(join(out, name));
  t.deepEqual(as(ANN, `limited(1); limited(2); writes(1, ${loc("ann")}); print(count)`), [3]);
  t.deepEqual(as(BOB, "limited(3); limited(4); print([...limited.entries()].length)"), [2]);
  t.deepEqual(as(ANN, "limited(5); print([...limited.entries()].length)"), [2]);
  t.deepEqual(as(BOB, `writes(1, ${loc("bob")}); print(count, readFileSync(${loc("bob")}, "utf8"))`), [0, "content 1"]);
  t.deepEqual(as(BOB, `writes(2, ${loc("bob")}); writes(1, ${loc("eve")}); print(count, await cache.verify())`), [
    1,
    { checked: 6, damaged: [], removed: 0 },
  ]);
  t.deepEqual(as(ANN, `writes.clear(); print(await cache.prune({ maxEntries: 1 }))`), [1]);
});

asRoot("who is not of the group gets nothing from it, and works", (t) => {
  const dir = directoryOf(t, 0o2770, ANN, GROUP);
  program(t, ANN, GROUP, dir, "f(1)", { shared: true });
  const { printed, stderr } = program(t, EVE, EVE, dir, "print(f(1).get(1), f(1).get(1), count)", { shared: true });
  t.deepEqual(printed, [1, 1, 2]);
  t.is(stderr.match(/PermacacheWarning/g)?.length, 1, stderr);
});

asRoot("without `shared` the second user is refused, and works", (t) => {
  const dir = directoryOf(t, 0o700, ANN, ANN);
  program(t, ANN, ANN, dir, "f(1)");
  chmodSync(dir, 0o777);
  const { printed, stderr } = program(t, BOB, BOB, dir, "print(f(1).get(1), f(1).get(1), count)");
  t.deepEqual(printed, [1, 1, 2]);
  t.is(stderr.match(/PermacacheWarning/g)?.length, 1, stderr);
  t.regex(stderr, /belongs to another user \(5001, and this one is 5002\)/);
});

for (const [umask, shared, file, folder] of [
  ["002", true, 0o664, 0o775],
  ["022", true, 0o644, 0o755],
  ["000", true, 0o666, 0o777],
  ["000", false, 0o600, 0o700],
] as const) {
  posix(`permissions, umask ${umask}, shared: ${shared}`, (t) => {
    const place = newDirectory(t);
    const dir = join(place, "made/cache");
    const source = `
      process.umask(0o${umask});
      const { createCache } = await import("permacache");
      const { writeFileSync, readdirSync } = await import("node:fs");
      const cache = createCache({ dir: ${JSON.stringify(dir)}, shared: ${shared}, maxEntries: 9 });
      const f = cache.permacache("a/f", { outFile: "loc", keepOutFiles: true })((x, loc) => writeFileSync(loc, "x".repeat(x)));
      f(5, ${JSON.stringify(join(place, "out"))});
      const g = cache.permacache("a/g")(async (x) => "x".repeat(x));
      await g(1); await g(200_000); await g.delete(1);
      let temporary;
      cache.permacache("h")(() => {})();`;
    const { stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", source], { encoding: "utf8" });
    t.is(stderr, "");
    const made = readdirSync(dir, { recursive: true }).map(String);
    const names = ["CACHEDIR.TAG", "=_ledger", "=_tmp", "a/f/=1/=kept", "a/g/=1/=_removed"];
    for (const name of names) t.true(made.includes(name), name);
    t.true(made.some((name) => name.endsWith("=_locks")) || process.platform !== "linux");
    for (const name of ["", ...made]) {
      const stats = lstatSync(join(dir, name));
      t.is(stats.mode & 0o777, stats.isDirectory() ? folder : file, name);
    }
  });
}

// ---- what is decoded there ----

/** An entry of f(1) with this payload, made by whoever may write the directory. */
function plant(dir: string, payload: Payload, changes: object = {}): void {
  const [file] = entriesIn(dir);
  const { payload: _, ...header } = decodeEntry(readFileSync(file!))!;
  writeFileSync(file!, Buffer.concat(encodeEntry({ ...header, ...changes }, payload)));
}

const json = (format: "json" | "tagged", text: string): Payload => ({
  format,
  compression: false,
  codecName: "",
  lengths: [],
  parts: [Buffer.from(text)],
});

function newShared(t: ExecutionContext, options: CacheOptions = {}) {
  const dir = join(newDirectory(t), "cache");
  const cache = createCache({ dir, shared: true, onError: "throw", ...options });
  return { dir, cache, formats: () => entriesIn(dir).map((file) => decodeEntry(readFileSync(file))?.format) };
}

const VALUE = () => ({ map: new Map([[1, new Date(5)]]), bytes: new Uint8Array([1, 2]), missing: undefined, big: 5n });

test("entries are tagged JSON, and give back every type", (t) => {
  const { cache, formats } = newShared(t);
  const f = cache.permacache("f")((_x: number) => VALUE());
  const g = cache.permacache("g", { codec: "auto" })((_x: number) => VALUE());
  for (const each of [f, g]) t.deepEqual([each(1), each(1)], [VALUE(), VALUE()]);
  t.is(f.stats().hits, 1);
  t.deepEqual(formats(), ["tagged", "tagged"]);
});

test("with a secret they are written as ever", (t) => {
  const { cache, formats } = newShared(t, { secret: "x".repeat(32) });
  const f = cache.permacache("f")((_x: number) => VALUE());
  t.deepEqual([f(1), f(1)], [VALUE(), VALUE()]);
  t.is(f.stats().hits, 1);
  t.deepEqual(formats(), ["clone"]);
});

test("a structured clone is not decoded there: a clean miss, replaced", async (t) => {
  const { dir, cache, formats } = newShared(t);
  createCache({ dir }).permacache("f")((_x: number): unknown => new Map([["planted", 1]]))(1);
  t.deepEqual(formats(), ["clone"]);
  const f = cache.permacache("f")((_x: number): unknown => VALUE());
  t.false(f.has(1));
  t.is(f.peek(1), undefined);
  t.is(await cache.open("f").peek({ x: 1 }), undefined);
  t.deepEqual([...f.entries()], []);
  t.is((await failureOf(() => cache.exportTo("f", join(dir, "../a.zip")))).name, "StoreError");
  t.deepEqual((await cache.verify()).damaged, [], "it may be another cache's, that has a secret");
  t.deepEqual(f(1), VALUE());
  t.deepEqual(formats(), ["tagged"]);
  t.true(f.has(1));
  t.is(f.stats().errors, 0);
});

test("nor is one that would not even decode: nothing looks at it", async (t) => {
  const { dir, cache } = newShared(t);
  const f = cache.permacache("f")((_x: number) => 1);
  f(1);
  plant(dir, { ...json("tagged", "no clone"), format: "clone", lengths: [8] });
  t.false(f.has(1));
  t.deepEqual((await cache.verify()).damaged, []);
  t.is(f(1), 1);
  t.is(f.stats().errors, 0);
});

test("an import writes JSON there", async (t) => {
  const place = newDirectory(t);
  const from = createCache({ dir: join(place, "from") });
  from.permacache("f")((_x: number) => VALUE())(1);
  await from.exportTo("f", join(place, "a.zip"));
  const { cache, formats } = newShared(t, { compress: "gzip" });
  t.is(await cache.importFrom("f", join(place, "a.zip")), 1);
  t.deepEqual(formats(), ["tagged"]);
  t.deepEqual(cache.permacache("f")((_x: number) => ({}) as ReturnType<typeof VALUE>)(1), VALUE());
});

const POLLUTING = ["__proto__", "constructor", "prototype", "toString"];
for (const shared of [true, false]) {
  for (const format of ["json", "tagged"] as const) {
    test(`no entry reaches a prototype: ${format}, shared: ${shared}`, (t) => {
      const { dir, cache } = newShared(t, { shared, onError: () => {} });
      const f = cache.permacache("f")((_x: number): any => "computed");
      for (const name of POLLUTING) {
        const inner = `{"polluted":true,"prototype":{"polluted":true},"__proto__":{"polluted":true}}`;
        const texts = [
          `{"${name}":${inner}}`,
          `{"a":[{"${name}":${inner}}]}`,
          `{"$type":"Map","entries":[["${name}",${inner}]]}`,
          `{"$type":"object","entries":[["${name}",${inner}]]}`,
          `{"$type":"${name}","value":${inner}}`,
          `{"$type":"instance","name":"${name}","value":${inner}}`,
          `{"$type":"Error","name":"${name}","message":"m","own":{"${name}":${inner}}}`,
        ];
        for (const text of texts) {
          f(1);
          plant(dir, json(format, text));
          const value = f(1);
          for (const of of [{}, [], () => {}, new Map(), new Error()]) t.false("polluted" in of, text);
          if (value !== "computed" && !(value instanceof Map)) t.false("polluted" in value, text);
        }
      }
      t.is(Object.getPrototypeOf({}), Object.prototype);
    });
  }
}

test("the own property __proto__ of a plain entry stays one", (t) => {
  const { dir, cache } = newShared(t);
  const f = cache.permacache("f")((_x: number): any => 1);
  f(1);
  plant(dir, json("json", `{"__proto__":{"polluted":true}}`));
  const value = f(1);
  t.true(Object.hasOwn(value, "__proto__"));
  t.is(Object.getPrototypeOf(value), Object.prototype);
  t.is(value.polluted, undefined);
});

// ---- out files of entries that others wrote ----

function newWriter(t: ExecutionContext) {
  const { dir, cache } = newShared(t);
  const place = newDirectory(t);
  const fn = (n: number, loc: string) => {
    writeFileSync(loc, `content ${n}`, { mode: 0o644 });
    return "computed";
  };
  const f = cache.permacache("f", { outFile: "loc" })(fn);
  f(1, join(place, "a"));
  const record = () => JSON.parse(decodeEntry(readFileSync(entriesIn(dir)[0]!))!.record);
  const payload = encodeValue("planted", "json", false);
  return { dir, place, f, record, plantRecord: (text: string) => plant(dir, payload, { record: text }) };
}

posix("an out file is restored with no more rights than a new one has", (t) => {
  const { place, f, record, plantRecord } = newWriter(t);
  const planted = record();
  planted.written.loc[0].stamp.mode = 0o6777;
  plantRecord(JSON.stringify(planted));
  t.is(f(1, join(place, "b")), "planted");
  t.is(statSync(join(place, "b")).mode & 0o7777, 0o777 & ~process.umask());
});

posix("a file is not copied for its size and times alone", (t) => {
  const { place, f, record, plantRecord } = newWriter(t);
  const victim = join(place, "private");
  writeFileSync(victim, "a secret of the user", { mode: 0o600 });
  const { dev, ino, size, mtimeNs, ctimeNs } = statSync(victim, { bigint: true });
  const planted = record();
  const stamp = {
    dev: `${dev}`,
    ino: `${ino}`,
    size: Number(size),
    mtime: `${mtimeNs}`,
    ctime: `${ctimeNs}`,
    mode: 0o644,
  };
  planted.written.loc[0] = { path: victim, sha256: "0".repeat(64), stamp, young: false };
  plantRecord(JSON.stringify(planted));
  t.is(f(1, join(place, "b")), "computed");
  t.is(readFileSync(join(place, "b"), "utf8"), "content 1");
});

const MALFORMED: unknown[] = [
  5,
  [],
  null,
  {},
  { written: {} },
  { written: { loc: 5 }, kept: {} },
  { written: { loc: [5] }, kept: {} },
  { written: { loc: [{ path: 5, sha256: "x", stamp: {}, young: true }] }, kept: {} },
  { written: {}, kept: { loc: { sha256: "../../../../../etc", size: 5, mode: 0 } } },
  { written: {}, kept: { loc: { sha256: "0".repeat(64), size: -1, mode: 0 } } },
];
for (const [i, record] of MALFORMED.entries()) {
  test(`what an entry says of out files is no record: a clean miss (${i})`, (t) => {
    const { place, f, plantRecord } = newWriter(t);
    plantRecord(JSON.stringify(record));
    t.deepEqual([...f.entries()], []);
    t.is(f(1, join(place, "b")), "computed");
    t.is(f.stats().errors, 0);
  });
}

test("copies are remembered there too, and an entry that learns nothing is not written again", (t) => {
  const { dir, place, f } = newWriter(t);
  f(1, join(place, "b"));
  const before = statSync(entriesIn(dir)[0]!).ino;
  for (let i = 0; i < 3; i++) t.true(f.detail(1, join(place, "b")).hit);
  t.is(statSync(entriesIn(dir)[0]!).ino, before);
  t.true(existsSync(join(place, "a")));
});

import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import test from "ava";
import {
  BindingError,
  CacheMissError,
  kw,
  OptionError,
  OutFileMissingError,
  SignatureError,
  withMode,
} from "../../../src/index.js";
import { failureOf, filesIn, newCache, newDirectory, warningsOf } from "../../place.js";

/** A function that writes a file, sync and async, and counts. Everything below holds for both. */
function writers(t: any, options: object = {}) {
  const { permacache, dir } = newCache(t);
  const out = newDirectory(t);
  let computed = 0;
  const write = (x: unknown, loc: string | URL) => {
    computed++;
    writeFileSync(loc, `content of ${x}`);
    return [x];
  };
  const sync: any = permacache("sync", { outFile: "loc", ...options })((x: unknown, loc: string) => write(x, loc));
  const async: any = permacache("async", { outFile: ["loc"], ...options })(async (x: unknown, loc: string) => {
    await null;
    return write(x, loc);
  });
  let next = 0;
  return {
    dir,
    out,
    functions: [sync, async],
    /** How often a function ran since the last time. */
    ran: () => {
      const count = computed;
      computed = 0;
      return count;
    },
    /** A path in the test's directory that was not used yet. */
    path: (name = "file") => join(out, `${name}-${next++}`),
  };
}

const contentOf = (path: string) => readFileSync(path, "utf8");

test("written; the same path again does not run the function; the value comes from the cache", async (t) => {
  const { functions, ran, path } = writers(t);
  for (const f of functions) {
    const a = path();
    t.deepEqual(await f(1, a), [1]);
    t.deepEqual(await f(1, a), [1]);
    t.is(contentOf(a), "content of 1");
    t.is(ran(), 1);
  }
});

test("an out file is not in the key, also for a key function of the whole call", async (t) => {
  const { functions, path } = writers(t);
  for (const f of functions) t.is(f.key(1, path()), '{"x":1}');
  const whole: any = writers(t, { keyFunction: (bound: object) => Object.keys(bound) }).functions[0];
  t.is(whole.key(1, path()), '["x"]');
});

test("relative, ./, absolute, file URL and the way over a linked parent are one path", async (t) => {
  const { functions, ran, path, out } = writers(t);
  symlinkSync(out, `${out}-link`);
  t.teardown(() => unlinkSync(`${out}-link`));
  for (const f of functions) {
    const a = path();
    const name = a.slice(out.length);
    await f(1, a);
    for (const spelling of [
      relative(".", a),
      `./${relative(".", a)}`,
      pathToFileURL(a),
      `${out}-link${name}`,
      `${out}/x/..${name}`,
    ]) {
      t.is((await f.detail(1, spelling)).outFiles.loc, a);
    }
    t.is(ran(), 1);
  }
});

test("a new path is given a copy from the first or the second file that still holds; the parents are made", async (t) => {
  const { functions, ran, path } = writers(t);
  for (const f of functions) {
    const [a, b, c, d] = [path(), path(), join(path(), "deep", "er"), path()];
    await f(1, a);
    t.is((await f.detail(1, b)).outFiles.loc, a);
    unlinkSync(a);
    t.is((await f.detail(1, c)).outFiles.loc, b);
    writeFileSync(c, "changed");
    t.is((await f.detail(1, d)).outFiles.loc, b);
    for (const copy of [b, d]) t.is(contentOf(copy), "content of 1");
    t.is(ran(), 1);
  }
});

test("all files changed or gone: the function runs, for the same path and for a new one", async (t) => {
  const { functions, ran, path } = writers(t);
  for (const f of functions) {
    const [a, b, c] = [path(), path(), path()];
    await f(1, a);
    await f(1, b);
    writeFileSync(a, "changed");
    unlinkSync(b);
    t.false(await f.has(1, a));
    t.is(await f.peek(1, a), undefined);
    await f(1, a);
    t.is(contentOf(a), "content of 1");
    t.is(ran(), 2);
    writeFileSync(a, "changed");
    await f(1, c);
    t.is(contentOf(c), "content of 1");
    t.is(contentOf(a), "changed");
    t.is(ran(), 1);
  }
});

test("a changed target is replaced by a copy of a file that holds", async (t) => {
  const { functions, ran, path } = writers(t);
  for (const f of functions) {
    const [a, b] = [path(), path()];
    await f(1, a);
    await f(1, b);
    writeFileSync(a, "changed");
    t.is((await f.detail(1, a)).outFiles.loc, b);
    t.is(contentOf(a), "content of 1");
    t.is(ran(), 1);
  }
});

test("a change that keeps the length, at once after writing, is seen", async (t) => {
  const { functions, ran, path } = writers(t);
  for (const f of functions) {
    const a = path();
    await f(1, a);
    writeFileSync(a, "content of 2");
    await f(1, a);
    t.is(contentOf(a), "content of 1");
    t.is(ran(), 2);
  }
});

test("the same content under another inode still holds", async (t) => {
  const { functions, ran, path } = writers(t);
  for (const f of functions) {
    const a = path();
    await f(1, a);
    writeFileSync(`${a}-copy`, contentOf(a));
    renameSync(`${a}-copy`, a);
    t.true(await f.has(1, a));
    await f(1, a);
    t.is(ran(), 1);
  }
});

test("other arguments are independent; a file overwritten by another call's runs again", async (t) => {
  const { functions, ran, path } = writers(t);
  for (const f of functions) {
    const [a, b] = [path(), path()];
    await f("A", a);
    await f("B", b);
    await f("A", b); // A's copy in the place of B's file
    t.is(contentOf(b), "content of A");
    t.is(ran(), 2);
    await f("B", b);
    t.is(contentOf(b), "content of B");
    t.is(ran(), 1);
    await f("A", a);
    t.is(ran(), 0);
  }
});

test("two out files: both copied to new names; one changed runs again; one omitted is not asked for", async (t) => {
  const { permacache } = newCache(t);
  const out = newDirectory(t);
  const at = (name: string) => join(out, name);
  let computed = 0;
  const f: any = permacache("two", { outFile: ["a", "b"] })((x: number, a?: string, b?: string) => {
    computed++;
    if (a) writeFileSync(a, `a${x}`);
    if (b) writeFileSync(b, `b${x}`);
    return x;
  });
  f(1, at("a1"), at("b1"));
  f(1, at("a2"), at("b2"));
  t.is(contentOf(at("a2")) + contentOf(at("b2")), "a1b1");
  t.is(computed, 1);
  writeFileSync(at("b1"), "changed");
  writeFileSync(at("b2"), "changed");
  t.true(f.has(1, at("a1")));
  f(1, kw({ a: at("a3") }));
  f(1);
  t.is(computed, 1);
  f(1, at("a1"), at("b1"));
  t.is(contentOf(at("b1")), "b1");
  t.is(computed, 2);
  f(2, at("a4"));
  f(2, undefined, at("b4")); // its b was not written yet
  t.is(computed, 4);
  f(2, at("a5"), at("b5"));
  t.is(computed, 4);
});

test("named by position, by keyword, and inside of an options object", (t) => {
  const { permacache } = newCache(t);
  const out = newDirectory(t);
  let computed = 0;
  const f: any = permacache("named", { outFile: "loc" })(({ x, loc }: { x: number; loc: string }) => {
    computed++;
    writeFileSync(loc, `${x}`);
  });
  f({ x: 1, loc: join(out, "a") });
  f(kw({ x: 1, loc: join(out, "b") }));
  permacache("named", { outFile: "loc" })((x: number, loc: string) => t.fail(`${x}${loc}`))(1, join(out, "c"));
  t.is(contentOf(join(out, "b")) + contentOf(join(out, "c")), "11");
  t.is(computed, 1);
});

test("the mode of the file is kept", (t) => {
  const { permacache } = newCache(t);
  const out = newDirectory(t);
  const f = permacache("mode", { outFile: "loc" })((loc: string) => {
    writeFileSync(loc, "#!/bin/sh\n");
    chmodSync(loc, 0o750);
  });
  f(join(out, "a"));
  f(join(out, "b"));
  t.is(statSync(join(out, "b")).mode & 0o777, 0o750);
});

test("at most 16 paths are remembered, newest first", (t) => {
  const { functions, path } = writers(t);
  const [f] = functions;
  const paths = Array.from({ length: 20 }, () => path());
  for (const each of paths) f(1, each);
  for (const each of paths.slice(4)) unlinkSync(each);
  t.false(f.has(1, path()), "the first four are forgotten");
});

// ---- failures ----

test("a function that throws changes no record", async (t) => {
  const { permacache } = newCache(t);
  const out = newDirectory(t);
  const [a, b] = [join(out, "a"), join(out, "b")];
  let fails = false;
  const f = permacache("throws", { outFile: "loc" })((x: number, loc: string) => {
    writeFileSync(loc, fails ? "half" : `${x}`);
    if (fails) throw new Error("mine");
  });
  f(1, a);
  fails = true;
  t.throws(() => f.with({ mode: "refresh" })(1, b), { message: "mine" });
  unlinkSync(b);
  f(1, b);
  t.is(contentOf(b), "1");
});

test("a function that did not write: OutFileMissingError, nothing is stored", async (t) => {
  const { permacache, files } = newCache(t);
  const out = newDirectory(t);
  const old = join(out, "old");
  writeFileSync(old, "of another");
  const sync = permacache("idle", { outFile: "loc" })((x: number, loc: string) => [x, loc]);
  const async = permacache("idle/async", { outFile: "loc" })(async (x: number, loc: string) => [x, loc]);
  for (const f of [sync, async]) {
    for (const path of [join(out, "none"), old]) {
      const error = await failureOf(() => f(1, path));
      t.true(error instanceof OutFileMissingError);
      t.is(error.code, "ERR_PERMACACHE_OUT_FILE_MISSING");
      t.regex(error.message, new RegExp(`out file "loc" \\(${path}\\).*must write`));
    }
  }
  t.deepEqual(files(), []);
});

test("a file that is written again with the same content at once counts as written", (t) => {
  const { functions, ran, path } = writers(t);
  const [f] = functions;
  for (let i = 0; i < 20; i++) {
    const a = path();
    writeFileSync(a, "content of 1");
    f.with({ mode: "refresh" })(1, a);
  }
  t.is(ran(), 20);
});

test("two out files with one path, a directory, or no path: BindingError", async (t) => {
  const { permacache } = newCache(t);
  const out = newDirectory(t);
  const g: any = permacache("unfit", { outFile: ["a", "b"] })((a?: string, b?: string) => t.fail(`${a}${b}`));
  const calls: [() => unknown, RegExp][] = [
    [() => g(join(out, "x"), `${out}/./x`), /out files "a" and "b" are the same file.*a path of its own/],
    [() => g(out), /out file "a" is a directory.*path of a file in it/],
    [() => g(3), /out file "a" must be a path or a file URL, not number/],
    [() => g(""), /must be a path/],
    [() => g(new URL("https://example.org")), /must be a path or a file URL/],
  ];
  for (const [call, words] of calls) {
    const error = await failureOf(call);
    t.true(error instanceof BindingError);
    t.is(error.code, "ERR_PERMACACHE_BINDING");
    t.regex(error.message, words);
  }
});

test("refused when wrapping", (t) => {
  const { permacache } = newCache(t);
  const fn = (x: number, loc: string, ...rest: string[]) => [x, loc, rest];
  const wraps: [object, RegExp][] = [
    [{ outFile: "lock" }, /"lock" is not a parameter of fn\(x, ?loc/],
    [{ outFile: ["loc", "loc"] }, /"outFile" must be the name of a parameter/],
    [{ outFile: [] }, /"outFile"/],
    [{ outFile: 3 }, /"outFile"/],
    [{ outFile: "rest" }, /takes one path/],
    [{ outFile: "loc", keyFunction: { loc: null } }, /"loc" is an out file, which is not in the key/],
    [{ keepOutFiles: true }, /keepOutFiles goes with outFile/],
    [{ outFile: "loc", keepOutFiles: "yes" }, /"keepOutFiles" must be a boolean/],
  ];
  for (const [options, words] of wraps)
    t.throws(() => permacache("r", options)(fn), { instanceOf: OptionError, message: words });
  t.throws(() => permacache("r", { outFile: "loc" })((loc = String(Date.now())) => loc), {
    instanceOf: SignatureError,
  });
});

test("a damaged record is a miss", async (t) => {
  const { functions, ran, path, dir } = writers(t);
  for (const f of functions) {
    const a = path();
    await f(1, a);
    for (const entry of filesIn(dir)) {
      const bytes = readFileSync(entry);
      bytes[bytes.indexOf('"written"') + 3]! ^= 1;
      writeFileSync(entry, bytes);
    }
    t.false(await f.has(1, a));
    await f(1, a);
    t.is(ran(), 2);
  }
});

// ---- modes ----

test("all five modes hold", async (t) => {
  const { functions, ran, path } = writers(t);
  for (const f of functions) {
    const [a, b, c, d, e] = [path(), path(), path(), path(), path()];
    t.is((await failureOf(() => f.with({ mode: "only-if-cached" })(1, a))).code, new CacheMissError("", "").code);
    t.false(existsSync(a));
    await f.with({ mode: "bypass" })(1, a);
    t.false(await f.has(1, a));
    await f.with({ mode: "read-only" })(1, a);
    t.false(await f.has(1, a));
    t.is(ran(), 2);
    await f(1, a);
    await f.with({ mode: "refresh" })(1, a);
    t.is(ran(), 2);
    await f.with({ mode: "read-only" })(1, b);
    await withMode("only-if-cached", () => f(1, c), f);
    t.is(contentOf(b) + contentOf(c), "content of 1content of 1");
    t.is(ran(), 0);
    unlinkSync(a); // b and c were given copies, but the record was not touched
    t.false(await f.has(1, d));
    await f.with({ mode: "bypass" })(1, e);
    t.is(contentOf(e), "content of 1");
    t.is(ran(), 1);
  }
});

// ---- at the same time ----

test("concurrent calls of one key with paths of their own: computed once, every path has its file", async (t) => {
  const { functions, ran, path } = writers(t);
  const [, f] = functions;
  const paths = [path(), path(), path(), path()];
  t.deepEqual(await Promise.all(paths.map((each) => f(1, each))), [[1], [1], [1], [1]]);
  t.is(ran(), 1);
  for (const each of paths) t.is(contentOf(each), "content of 1");
});

test("two calls that write one path at the same time never record each other's content", async (t) => {
  const { functions, path } = writers(t);
  const [, f] = functions;
  for (let round = 0; round < 10; round++) {
    const a = path();
    await Promise.all(["A", "B", "C"].map((x) => f(`${x}${round}`, a)));
    for (const x of ["A", "B", "C"]) {
      const b = path();
      await f(`${x}${round}`, b);
      t.is(contentOf(b), `content of ${x}${round}`);
    }
  }
});

test("a call inside of one that writes the same path does not hang, and its file is not recorded", async (t) => {
  const { permacache } = newCache(t);
  const out = newDirectory(t);
  const inner: any = permacache("inner", { outFile: "loc" })(async (x: number, loc: string) => {
    await null;
    writeFileSync(loc, `inner ${x}`);
  });
  const outer: any = permacache("outer", { outFile: "loc" })(async (x: number, loc: string) => {
    await inner(x, loc);
    writeFileSync(loc, `${contentOf(loc)}, outer ${x}`);
  });
  await outer(1, join(out, "a"));
  t.is(contentOf(join(out, "a")), "inner 1, outer 1");
  t.false(await inner.has(1, join(out, "b")));
  await outer(1, join(out, "b"));
  t.is(contentOf(join(out, "b")), "inner 1, outer 1");
});

// ---- kept ----

test("keepOutFiles: a hit survives the deletion of every file outside", async (t) => {
  const { functions, ran, path } = writers(t, { keepOutFiles: true });
  for (const f of functions) {
    const [a, b, c] = [path(), path(), path()];
    await f(1, a);
    unlinkSync(a);
    t.true(await f.has(1, b));
    const detail = await f.detail(1, b);
    t.true(detail.hit);
    t.true(detail.outFiles.loc.endsWith(".kept"));
    t.is(contentOf(b), "content of 1");
    t.is((await f.detail(1, c)).outFiles.loc, b);
    writeFileSync(b, "changed");
    writeFileSync(c, "changed");
    await f(1, c);
    t.is(contentOf(c), "content of 1");
    t.is(ran(), 1);
  }
});

test("kept contents are shared by equal ones, counted by bytes, and removed with their last entry", async (t) => {
  const { permacache, dir, files } = newCache(t);
  const out = newDirectory(t);
  const f: any = permacache("kept", { outFile: "loc", keepOutFiles: true })((_x: number, loc: string) =>
    writeFileSync(loc, "x".repeat(10_000)),
  );
  for (let x = 0; x < 3; x++) f(x, join(out, `${x}`));
  const inodes = new Set(
    files()
      .filter((file) => statSync(file).size === 10_000)
      .map((file) => statSync(file).ino),
  );
  t.is(inodes.size, 1);
  t.true(f.peek(0, join(out, "0")).bytes > 10_000);
  t.true([...f.entries()].every(({ bytes }: any) => bytes > 10_000));
  t.true(f.delete(0));
  f.prune({ maxEntries: 1 });
  t.is(files().filter((file) => statSync(file).size === 10_000).length, 2, "the content and one entry's link to it");
  f.prune({ maxBytes: 1 });
  t.deepEqual(files(), []);
  f(1, join(out, "1"));
  f.with({ mode: "refresh" })(1, join(out, "1"));
  f.clear();
  t.deepEqual(files(), []);
  t.true(existsSync(dir));
});

test("a kept content that was damaged is not served, and heals", async (t) => {
  const { functions, ran, path, dir } = writers(t, { keepOutFiles: true });
  for (const f of functions) {
    const a = path();
    await f(1, a);
    for (const file of filesIn(dir)) if (statSync(file).size === 12) writeFileSync(file, "content of 2");
    unlinkSync(a);
    t.false(await f.has(1, a));
    await f(1, a);
    t.is(contentOf(a), "content of 1");
    unlinkSync(a);
    await f(1, a);
    t.is(contentOf(a), "content of 1");
    t.is(ran(), 2);
    await f.clear();
  }
});

test("a call under another directory has its own record", (t) => {
  const { functions, ran, path, dir } = writers(t);
  const [f] = functions;
  const a = path();
  f(1, a);
  f.with({ dir: join(dir, "..", "other") })(1, a);
  t.is(ran(), 2);
  mkdirSync(join(dir, "..", "third"));
  rmSync(join(dir, "..", "other"), { recursive: true });
});

test.serial("a clear while the content of an out file is kept: nothing is stored, nothing is said", async (t) => {
  const { dir, permacache, files } = newCache(t);
  const f = permacache("f", { outFile: "to", keepOutFiles: true })((to: string) => {
    writeFileSync(to, "x");
    rmSync(join(dir, "f"), { recursive: true, force: true }); // as a clear of another process
  });
  t.deepEqual(await warningsOf(() => f(join(newDirectory(t), "a"))), []);
  t.deepEqual(files(), []);
});

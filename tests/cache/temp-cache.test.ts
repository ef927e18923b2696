import { spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { homedir } from "node:os";
import { join, relative } from "node:path";
import test, { type ExecutionContext } from "ava";
import { OptionError, PathError, tempCache } from "../../src/index.js";
import { needs } from "../needs.js";
import { filesIn, newDirectory } from "../place.js";

const uid = process.getuid?.();
const posix = needs("posix");
const BASE = `permacache-${uid}`;

/** Runs a module in a process of its own, with a temporary directory of the test's; gives what it printed as JSON. */
function program(tmp: string, source: string, env: NodeJS.ProcessEnv = {}) {
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    ["--input-type=module", "-e", `import { createCache, tempCache } from "permacache"; ${source}`],
    { encoding: "utf8", env: { ...process.env, TMPDIR: tmp, ...env } },
  );
  if (status !== 0) throw new Error(stderr);
  return { printed: stdout === "" ? undefined : JSON.parse(stdout), stderr };
}

const SQUARE = `const square = tempCache("mine").permacache("square")((x) => x * x);`;

posix("entries live in <tmp>/permacache-<uid>/<name>, and are found by the next process", (t) => {
  const tmp = newDirectory(t);
  const source = `${SQUARE} console.log(JSON.stringify([square(3), square.detail(3).hit, square.stats().misses]));`;
  t.deepEqual(program(tmp, source), { printed: [9, true, 1], stderr: "" });
  t.deepEqual(program(tmp, source), { printed: [9, true, 0], stderr: "" });
  t.deepEqual(readdirSync(tmp), [BASE]);
  t.deepEqual(readdirSync(join(tmp, BASE)), ["mine"]);
  const [file, ...others] = filesIn(tmp).filter((each) => each.endsWith(".entry"));
  t.deepEqual(others, []);
  t.true(relative(join(tmp, BASE, "mine"), file!).startsWith("square"));
});

posix("a name of several segments is a folder in a folder", (t) => {
  const tmp = newDirectory(t);
  program(tmp, `tempCache("my-project/run-1").permacache("f")((x) => x)(1);`);
  t.true(existsSync(join(tmp, BASE, "my-project", "run-1", "f")));
});

posix("private to the user, whatever the umask lets through", (t) => {
  const tmp = newDirectory(t);
  program(tmp, `process.umask(0); tempCache("a/b").permacache("f")((x) => x)(1);`);
  for (const folder of ["", "a", "a/b", "a/b/f"]) t.is(lstatSync(join(tmp, BASE, folder)).mode & 0o777, 0o700, folder);
  const files = filesIn(tmp);
  t.is(files.length, 1);
  for (const file of files) t.is(lstatSync(file).mode & 0o077, 0, file);
});

posix("nothing is made before something is stored", (t) => {
  const tmp = newDirectory(t);
  program(tmp, `${SQUARE} square.has(3); square.peek(3); square.clear(); [...square.entries()];`);
  t.deepEqual(readdirSync(tmp), []);
});

test("an absolute path is taken as it is", (t) => {
  const dir = join(newDirectory(t), "any where", "cache");
  const { permacache } = tempCache(dir);
  permacache("f")((x: number) => x)(1);
  t.is(filesIn(join(dir, "f")).length, 1);
});

posix("~ is the home directory", (t) => {
  const [tmp, home] = [newDirectory(t), newDirectory(t)];
  program(tmp, `tempCache("~/caches/mine").permacache("f")((x) => x)(1);`, { HOME: home });
  t.is(filesIn(join(home, "caches/mine/f")).length, 1);
  program(tmp, `tempCache("~").permacache("in-home")((x) => x)(1);`, { HOME: home });
  t.is(filesIn(join(home, "in-home")).length, 1);
  t.deepEqual(readdirSync(tmp), []);
  t.not(home, homedir());
});

posix("an absolute path need not be private; where others may write it has to be shared", (t) => {
  const tmp = newDirectory(t);
  const given = join(newDirectory(t), "given");
  mkdirSync(given);
  const source = (options: string) => `
    const f = tempCache(${JSON.stringify(given)}, ${options}).permacache("f")((x) => x); f(1);
    console.log(f.has(1));`;
  chmodSync(given, 0o755);
  t.deepEqual(program(tmp, source("{}")), { printed: true, stderr: "" });
  chmodSync(given, 0o777);
  t.deepEqual(program(tmp, source("{ shared: true }")), { printed: true, stderr: "" });
  const { printed, stderr } = program(tmp, source("{}"));
  t.false(printed);
  t.regex(stderr, /may be written by others/);
});

for (const name of [
  "",
  ".",
  "..",
  "../x",
  "a/../b",
  "a//b",
  "a/",
  "a\\b",
  "C:",
  "a b",
  "ä",
  "~user",
  "a\0",
  "x".repeat(101),
]) {
  test(`no name: ${JSON.stringify(name).slice(0, 20)}`, (t) => {
    t.throws(() => tempCache(name), { instanceOf: PathError, code: "ERR_PERMACACHE_PATH" });
  });
}
for (const name of [undefined, null, 1, {}, ["a"]]) {
  test(`no name: ${JSON.stringify(name)}`, (t) => {
    t.throws(() => tempCache(name as never), { instanceOf: PathError });
  });
}

test("`dir` is refused, and so is an option of a function", (t) => {
  const wrong = (options: object) => t.throws(() => tempCache("x", options), { instanceOf: OptionError }).message;
  t.regex(wrong({ dir: "/tmp/x" }), /the directory is given by the name.*createCache/);
  t.regex(wrong({ version: "2" }), /"version" is one of a function/);
  t.regex(wrong({ nope: 1 }), /no option "nope"/);
  t.regex(wrong({ maxAge: 0 }), /must be more than 0/);
});

const DAY = 24 * 60 * 60 * 1000;
test.serial("entries are served for 7 days; the option replaces that, and a function's own option both", (t) => {
  const dir = join(newDirectory(t), "cache");
  const byDefault = tempCache(dir).permacache("f")((x: number) => x);
  const lasting = tempCache(dir, { maxAge: "30d" }).permacache("f")((x: number) => x);
  const short = tempCache(dir, { maxAge: "30d" }).permacache("f", { maxAge: "1d" })((x: number) => x);
  const given = tempCache(dir, { maxAge: undefined }).permacache("f")((x: number) => x);
  byDefault(1);
  const { now } = Date;
  const after = (days: number) => {
    Date.now = () => now() + days * DAY;
    try {
      return [byDefault, lasting, short, given].map((f) => f.has(1));
    } finally {
      Date.now = now;
    }
  };
  t.deepEqual(after(0.9), [true, true, true, true]);
  t.deepEqual(after(6.9), [true, true, false, true]);
  t.deepEqual(after(7.1), [false, true, false, false]);
  t.deepEqual(after(30.1), [false, false, false, false]);
});

test.serial("expired entries go with the next write", (t) => {
  const dir = join(newDirectory(t), "cache");
  const f = tempCache(dir).permacache("f")((x: number) => x);
  for (let x = 0; x < 5; x++) f(x);
  const { now } = Date;
  Date.now = () => now() + 8 * DAY;
  try {
    f(9);
  } finally {
    Date.now = now;
  }
  t.is(filesIn(dir).length, 1);
});

// ---- a base directory that is not the user's alone ----

/** Two functions work, uncached, with one warning in all, which names the directory and the mend. */
function untrusted(t: ExecutionContext, tmp: string): void {
  const base = join(tmp, BASE);
  const source = `
    let ran = 0;
    const { permacache } = tempCache("mine");
    const f = permacache("f")((x) => [x, ran++][0]);
    const g = permacache("g")(async (x) => [x, ran++][0]);
    console.log(JSON.stringify([f(1), f(1), await g(1), await g(1), ran, f.has(1), await g.has(1)]));`;
  const { printed, stderr } = program(tmp, source);
  t.deepEqual(printed, [1, 1, 1, 1, 4, false, false]);
  t.is(stderr.match(/PermacacheWarning/g)?.length, 1, stderr);
  t.true(stderr.includes(base), stderr);
  t.regex(stderr, /not a directory of this user alone.*chmod 700/s);
}

posix("a base directory with open permissions is not used", (t) => {
  for (const mode of [0o777, 0o1777, 0o750, 0o701]) {
    const tmp = newDirectory(t);
    mkdirSync(join(tmp, BASE));
    chmodSync(join(tmp, BASE), mode);
    untrusted(t, tmp);
    t.deepEqual(readdirSync(join(tmp, BASE)), []);
  }
});

needs("root")("a base directory of another user is not used", (t) => {
  const tmp = newDirectory(t);
  mkdirSync(join(tmp, BASE), { mode: 0o700 });
  chownSync(join(tmp, BASE), 65534, 65534);
  untrusted(t, tmp);
  t.deepEqual(readdirSync(join(tmp, BASE)), []);
});

posix("a link in the place of the base directory is not followed, wherever it leads", (t) => {
  const target = newDirectory(t);
  chmodSync(target, 0o700);
  for (const to of [target, join(target, "missing")]) {
    const tmp = newDirectory(t);
    symlinkSync(to, join(tmp, BASE));
    untrusted(t, tmp);
    t.deepEqual(readdirSync(target), []);
  }
});

posix("a file in the place of the base directory", (t) => {
  const tmp = newDirectory(t);
  writeFileSync(join(tmp, BASE), "mine");
  untrusted(t, tmp);
});

posix("entries planted in such a directory are not served", (t) => {
  const tmp = newDirectory(t);
  program(tmp, `tempCache("mine").permacache("square")((x) => "planted")(3);`);
  chmodSync(join(tmp, BASE), 0o755);
  const { printed } = program(tmp, `${SQUARE} console.log(JSON.stringify([square(3), square.has(3)]));`);
  t.deepEqual(printed, [9, false]);
});

posix("onError: throw tells by a StoreError", (t) => {
  const tmp = newDirectory(t);
  mkdirSync(join(tmp, BASE));
  chmodSync(join(tmp, BASE), 0o777);
  const source = `const f = tempCache("mine", { onError: "throw" }).permacache("f")((x) => x);
    try { f(1); } catch (error) { console.log(JSON.stringify([error.name, error.code])); }`;
  t.deepEqual(program(tmp, source).printed, ["StoreError", "ERR_PERMACACHE_STORE"]);
});

posix("another cache in the same directory does not take the check away", (t) => {
  const tmp = newDirectory(t);
  mkdirSync(join(tmp, BASE));
  chmodSync(join(tmp, BASE), 0o777);
  const source = `
    createCache({ dir: ${JSON.stringify(join(tmp, BASE, "mine"))}, mode: "read-only" }).permacache("f")((x) => x)(1);
    ${SQUARE} square(3); console.log(square.has(3));`;
  t.false(program(tmp, source).printed);
});

import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { type PermacacheError, StoreError } from "../src/index.js";
import { failureOf, filesIn, newCache, newDirectory, warningsOf } from "./place.js";

class Layer {}
const UNSTORABLE: [string, () => unknown, RegExp][] = [
  ["a function", () => () => 1, /function/],
  ["a symbol", () => ({ a: Symbol("s") }), /a is a symbol/],
  [
    "an instance of a class",
    () => ({ layers: [new Layer()] }),
    /layers\[0\] is an instance of class Layer.*defineType/s,
  ],
  ["a promise inside", () => ({ later: Promise.resolve() }), /later is an instance of class Promise/],
  ["200,000 levels", () => nested(200_000), /nested too deeply/],
  [
    "a getter that throws",
    () => ({
      get x() {
        throw new Error("no");
      },
    }),
    /no/,
  ],
];
function nested(depth: number): unknown {
  let value: unknown = 1;
  for (let i = 0; i < depth; i++) value = [value];
  return value;
}

for (const [what, make, words] of UNSTORABLE) {
  test.serial(`returned uncached, with one warning: ${what}`, async (t) => {
    const { permacache, files } = newCache(t);
    let computed = 0;
    const f: any = permacache("unstorable")((_x: number) => [computed++, make()][1]);
    const warnings = await warningsOf(() => [f(1), f(1), f(2)]);
    t.is(computed, 3);
    t.is(warnings.length, 1);
    t.regex(warnings[0]!, words);
    t.regex(warnings[0]!, /permacache "unstorable".*register the class with defineType, or give a codec/s);
    t.deepEqual(files(), []);
    t.is(f.stats().errors, 3);
  });
}

test("onError: throw, sync and async", async (t) => {
  const { permacache, files } = newCache(t, { onError: "throw" });
  for (const f of [permacache("a")((_x: number) => Layer), permacache("b")(async (_x: number) => Layer)]) {
    const error = await failureOf(() => f(1));
    t.true(error instanceof StoreError);
    t.is(error.code, "ERR_PERMACACHE_STORE");
    t.true(error.cause instanceof StoreError);
  }
  t.deepEqual(files(), []);
});

test("onError: a function is given each error", (t) => {
  const errors: PermacacheError[] = [];
  const { permacache } = newCache(t, { onError: (error) => errors.push(error) });
  const f = permacache("a")((_x: number) => Layer);
  t.is(f(1), Layer);
  t.is(f(2), Layer);
  t.is(errors.length, 2);
});

test.serial("a directory that cannot be made: the function works, one warning names it and the cause", async (t) => {
  const file = join(newDirectory(t), "file");
  writeFileSync(file, "mine");
  const { permacache } = newCache(t, { dir: join(file, "cache") });
  const f = permacache("nowhere")((x: number) => x);
  const g = permacache("nowhere/async")(async (x: number) => x);
  const warnings = await warningsOf(async () => {
    t.deepEqual([f(1), f(1), await g(1)], [1, 1, 1]);
  });
  t.is(warnings.length, 1);
  t.true(warnings[0]!.includes(file));
  t.regex(warnings[0]!, /ENOTDIR|EEXIST/);
  t.regex(warnings[0]!, /choose another `dir`/);
  t.is(readFileSync(file, "utf8"), "mine");
});

test("a directory of root's, as another user: hits are served, results returned, one warning", (t) => {
  if (process.getuid?.() !== 0) return t.pass("only root can become another user");
  const { dir, permacache } = newCache(t);
  const fn = (x: number) => x + 1;
  permacache("readable")(fn)(1);
  spawnSync("chmod", ["-R", "a+rX", dir]);
  chmodSync(join(dir, ".."), 0o755);
  const program = `
    process.setgid(65534); process.setuid(65534);
    const { createCache } = await import("permacache");
    const { permacache } = createCache({ dir: ${JSON.stringify(dir)} });
    const f = permacache("readable")((x) => x + 1);
    console.log(f.detail(1).hit, f(2), f(2), f(3));`;
  const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", program], { encoding: "utf8" });
  t.is(stdout, "true 3 3 4\n", stderr);
  t.is(stderr.match(/PermacacheWarning/g)?.length, 1, stderr);
  t.regex(stderr, /EACCES/);
});

test("a link in the place of a function's folder is not followed", (t) => {
  const outside = newDirectory(t);
  const { dir, permacache } = newCache(t, { onError: () => {} });
  permacache("other")((x: number) => x)(1);
  symlinkSync(outside, join(dir, "planted"));
  const f = permacache("planted")((x: number) => x);
  t.is(f(1), 1);
  t.is(f(1), 1);
  t.false(f.has(1));
  t.deepEqual(filesIn(outside), []);
});

test("a damaged entry is a miss and is replaced", (t) => {
  const { permacache, files } = newCache(t);
  let computed = 0;
  const f = permacache("damaged")((x: number) => ({ x, computed: ++computed }));
  f(1);
  const [file] = files();
  const whole = readFileSync(file!);
  const damages: [string, Buffer][] = [
    ["empty", Buffer.alloc(0)],
    ["cut", whole.subarray(0, whole.length - 1)],
    ["flipped", Buffer.from(whole.map((byte, i) => (i === whole.length - 3 ? byte ^ 1 : byte)))],
    ["other", Buffer.from("hello")],
  ];
  for (const [what, bytes] of damages) {
    writeFileSync(file!, bytes);
    const before = computed;
    t.is(f(1).computed, before + 1, what);
    t.is(f(1).computed, before + 1, what);
  }
  t.is(files().length, 1);
});

test("a valid entry in another key's place is a miss", (t) => {
  const { permacache, files } = newCache(t);
  const f = permacache("place")((x: number) => x);
  f(1);
  const [first] = files();
  f(2);
  const second = files().find((file) => file !== first)!;
  writeFileSync(first!, readFileSync(second));
  t.is(f(1), 1);
  mkdirSync(join(first!, "..", "..", "zz"));
  t.is([...f.entries()].length, 2);
});

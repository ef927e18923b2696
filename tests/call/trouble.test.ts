import { spawnSync } from "node:child_process";
import { chmodSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { asyncIo, syncIo } from "../../src/files/io.js";
import { type PermacacheError, StoreError } from "../../src/index.js";
import { needs } from "../needs.js";
import { failureOf, filesIn, newCache, newDirectory, warningsOf } from "../place.js";

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
  [
    "a revoked proxy",
    () => {
      const { proxy, revoke } = Proxy.revocable({}, {});
      revoke();
      return { inner: proxy };
    },
    /inner/,
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

test("served as it was, and nothing is polluted: cycles, keys named __proto__ and constructor", async (t) => {
  const { permacache } = newCache(t, { onError: "throw" });
  const make = (_x: number) => {
    const value = JSON.parse('{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}');
    value.list = [value];
    return value;
  };
  const functions = [permacache("sync")(make), permacache("async")(async (x: number) => make(x))];
  for (const f of [...functions, permacache("tagged", { codec: "json" })(make)]) {
    await f(1);
    const { value, hit } = await f.detail(1);
    t.true(hit);
    t.deepEqual(Object.keys(value), ["__proto__", "constructor", "list"]);
    t.is(Object.getPrototypeOf(value), Object.prototype);
    t.is(value.list[0], value);
    t.is(Object.getOwnPropertyDescriptor(value, "__proto__")?.value.polluted, 1);
    t.is(({} as any).polluted, undefined);
  }
});

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

needs("root")(
  "a directory that may only be read, as a user other than root: hits are served, results returned, one warning",
  (t) => {
    const { dir, permacache } = newCache(t);
    const fn = (x: number) => x + 1;
    permacache("readable")(fn)(1);
    spawnSync("chmod", ["-R", "a=rX", dir]);
    spawnSync("chown", ["-R", "65534:65534", dir]);
    chmodSync(join(dir, ".."), 0o755);
    const program = `
    const { createCache } = await import("permacache"); // as root: the package may be in a private directory
    process.setgid(65534); process.setuid(65534);
    const { permacache } = createCache({ dir: ${JSON.stringify(dir)} });
    const f = permacache("readable")((x) => x + 1);
    console.log(f.detail(1).hit, f(2), f(2), f(3));`;
    const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", program], {
      encoding: "utf8",
    });
    t.is(stdout, "true 3 3 4\n", stderr);
    t.is(stderr.match(/PermacacheWarning/g)?.length, 1, stderr);
    t.regex(stderr, /EACCES/);
  },
);

for (const [kind, io] of [
  ["sync", syncIo],
  ["async", asyncIo],
] as const) {
  test.serial(
    `an out file that cannot be restored: the function runs instead, with one warning: ${kind}`,
    async (t) => {
      const { permacache } = newCache(t);
      const out = newDirectory(t);
      const write = (x: number, path: string) => [writeFileSync(path, `${x}`), x][1];
      const f =
        kind === "sync"
          ? permacache("unrestorable", { outFile: "path" })(write)
          : permacache("unrestorable/async", { outFile: "path" })(async (x: number, path: string) => write(x, path));
      await f(1, join(out, "first"));
      const { chmod } = io;
      io.chmod = () => {
        throw Object.assign(new Error("EPERM: a disk without modes"), { code: "EPERM", syscall: "chmod" });
      };
      try {
        const warnings = await warningsOf(async () => {
          t.deepEqual([await f(1, join(out, "second")), await f(1, join(out, "third"))], [1, 1]);
        });
        t.is(warnings.length, 1);
        t.regex(warnings[0]!, /an out file cannot be restored, and the function runs instead.*EPERM/);
      } finally {
        io.chmod = chmod;
      }
      t.deepEqual(readdirSync(out).sort(), ["first", "second", "third"]);
      t.deepEqual([f.stats().hits, f.stats().misses], [0, 3]);
    },
  );
}

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

import test from "ava";
import { createCache, defaultCache, OptionError, permacache } from "../../src/index.js";
import { newCache } from "../place.js";

const anything = (x: unknown) => x;

const WRONG: [string, object, RegExp][] = [
  ["unknown", { maxage: 3 }, /no option "maxage".*keyFunction/],
  ["of a call", { this: {} }, /"this" is one of a call, not of a function/],
  ["mode", { mode: "readonly" }, /"mode" must be one of "read-write"/],
  ["dir", { dir: 3 }, /"dir" must be the path of a directory, or a function/],
  ["empty dir", { dir: "" }, /"dir"/],
  ["codec", { codec: "yaml" }, /"codec" must be "auto", "json" or \{ name, encode, decode \}/],
  ["half a codec", { codec: { name: "x", encode: anything } }, /"codec"/],
  ["compress", { compress: true }, /"compress" must be one of false, "gzip"/],
  ["onError", { onError: "ignore" }, /"onError" must be "warn", "throw" or a function/],
  ["keyFunction", { keyFunction: "x" }, /"keyFunction" must be an object of transforms/],
  ["defaults", { defaults: { x: 3 } }, /"defaults" must be an object of functions.*\(\) => CONFIG/],
  ["signature", { signature: 3 }, /"signature" must be a string/],
  ["keywords", { keywords: "yes" }, /"keywords" must be a boolean/],
  ["async", { async: 1 }, /"async" must be a boolean/],
  ["version", { version: 2 }, /"version" must be a string that is not empty/],
  ["empty version", { version: "" }, /"version"/],
  ["no object", [] as object, /options must be an object/],
];
for (const [what, options, words] of WRONG) {
  test(`refused when wrapping: ${what}`, (t) => {
    const error = t.throws(() => permacache("options", options as never), { instanceOf: OptionError });
    t.is(error.code, "ERR_PERMACACHE_OPTION");
    t.regex(error.message, words);
    t.regex(error.message, /permacache\("options"\)/);
  });
}

const WRONG_FOR_FUNCTION: [string, object, RegExp][] = [
  ["keyFunction of no parameter", { keyFunction: { y: null } }, /"y" is not a parameter of .*\(x\).*parameters are x/],
  ["a transform that is none", { keyFunction: { x: 3 } }, /transform of "x" must be a function or null/],
  ["defaults of no parameter", { defaults: { y: () => 1 } }, /"y"/],
];
for (const [what, options, words] of WRONG_FOR_FUNCTION) {
  test(`refused with the function: ${what}`, (t) => {
    t.regex(
      t.throws(() => permacache("options", options as object)((x: number) => x), { instanceOf: OptionError }).message,
      words,
    );
  });
}

test("refused at a cache and at a call: what belongs elsewhere", (t) => {
  t.throws(() => createCache({ keyFunction: {} } as never), {
    instanceOf: OptionError,
    message: /"keyFunction" is one of a function, not of a cache/,
  });
  t.throws(() => createCache({ dir: () => "x" } as never), { instanceOf: OptionError, message: /"dir"/ });
  const f: any = newCache(t).permacache("call")((x: number) => x);
  t.throws(() => f.with({ codec: "json" }), {
    instanceOf: OptionError,
    message: /"codec" is one of a cache or function, not of a call/,
  });
});

test("an option that is undefined is not given", (t) => {
  const { permacache } = newCache(t, { mode: undefined });
  const f = permacache("undefined", { mode: undefined, version: undefined, keyFunction: undefined })((x: number) => x);
  t.is(f.with({ mode: undefined })(1), 1);
  t.true(f.has(1));
});

test("zstd is refused where this Node has none, with its version", async (t) => {
  const { zstdCompressSync } = (await import("node:zlib")) as { zstdCompressSync?: unknown };
  const { permacache } = newCache(t);
  if (zstdCompressSync) t.is(permacache("zstd", { compress: "zstd" })((x: number) => x)(1), 1);
  else
    t.throws(() => permacache("zstd", { compress: "zstd" }), {
      instanceOf: OptionError,
      message: new RegExp(process.version),
    });
});

for (const compress of ["gzip", "brotli"] as const) {
  test(`compress: ${compress}`, (t) => {
    const { permacache } = newCache(t);
    const make = (x: number) => ({ text: "x".repeat(x), bytes: new Uint8Array(x) });
    const f = permacache("compressed", { compress })(make);
    t.deepEqual(f(10_000), f(10_000));
    t.deepEqual(f(10_000), make(10_000));
    t.true(f.peek(10_000)!.bytes < 1_000);
    t.is(permacache("compressed")(make).stats().misses, 0, "an entry is read whatever the option says now");
    t.true(permacache("compressed")(make).has(10_000));
  });
}

test("a codec of one's own; its entries are misses for another", (t) => {
  const { permacache } = newCache(t);
  const codec = (name: string) => ({
    name,
    encode: (value: Date) => String(value.getTime()),
    decode: (bytes: Uint8Array) => new Date(Number(Buffer.from(bytes).toString())),
  });
  const make = (x: number) => new Date(x);
  const f = permacache("codec", { codec: codec("time") })(make);
  t.deepEqual([f(5), f(5)], [new Date(5), new Date(5)]);
  t.is(f.stats().hits, 1);
  t.false(permacache("codec", { codec: codec("other"), onError: () => {} })(make).has(5));
});

test("defaults that cannot be read from the source; the function receives that very value", (t) => {
  const { permacache } = newCache(t);
  const CONFIG = { scale: 3 };
  const f = permacache("defaults", { defaults: { y: () => CONFIG } })((x: number, y = CONFIG) => [
    x * y.scale,
    y === CONFIG,
  ]);
  t.deepEqual(f(2), [6, true]);
  t.is(f.key(2), '{"x":2,"y":{"scale":3}}');
  CONFIG.scale = 4;
  t.deepEqual(f(2), [8, true]);
});

test("keywords: true takes a lone plain object by name", (t) => {
  const { permacache } = newCache(t);
  const f: any = permacache("keywords", { keywords: true })((x: number, y = 2) => x * y);
  t.is(f({ x: 3 }), 6);
  t.is(f.key({ y: 2, x: 3 }), f.key(3));
});

test("the default cache is configured before its first use, later an OptionError", (t) => {
  const { dir } = newCache(t);
  const f = permacache("configured")((x: number) => x);
  defaultCache.configure({ dir });
  defaultCache.configure({ mode: "read-only" });
  t.is(f(1), 1);
  t.false(f.has(1), "the mode holds, also for what was wrapped before");
  t.is(f.with({ mode: "read-write" })(1), 1);
  t.true(f.has(1));
  const error = t.throws(() => defaultCache.configure({ dir }), { instanceOf: OptionError });
  t.regex(error.message, /before the first call/);
});

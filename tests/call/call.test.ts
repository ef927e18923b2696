import { spawnSync } from "node:child_process";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { createCache, defaultCache, kw, OptionError, SignatureError, UnkeyableValueError } from "../../src/index.js";
import { failureOf, filesIn, newDirectory, warningsOf } from "../place.js";

/** A cache in a directory of the test's own. */
function cacheOf(t: ExecutionContext, options: object = {}) {
  const dir = join(newDirectory(t), "cache");
  return { cache: createCache({ dir, ...options }), files: () => filesIn(dir) };
}

/** Runs a module in a process of its own, against the built package; gives what it printed, as JSON a line. */
function program(dir: string, source: string): unknown[] {
  const { stdout, stderr, status } = spawnSync(process.execPath, ["--input-type=module", "-e", source], {
    encoding: "utf8",
    env: { ...process.env, PERMACACHE_DIR: dir },
  });
  if (status !== 0 || stderr !== "") throw new Error(stderr);
  return stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
}

let computed = 0;
const load = (x: number, y = 2) => [x, y, ++computed];

test.serial("a call is computed once, another one by itself", (t) => {
  const { cache, files } = cacheOf(t);
  const first = cache.call(load, 1);
  t.deepEqual(cache.call(load, 1), first);
  t.notDeepEqual(cache.call(load, 2), first);
  t.is(files().length, 2);
});

test.serial("all spellings of a call are one entry", (t) => {
  const { cache, files } = cacheOf(t);
  const first = cache.call(load, 1);
  t.deepEqual(cache.call(load, 1, 2), first);
  t.deepEqual(cache.call(load, 1, kw({ y: 2 })), first);
  t.deepEqual(cache.call(load, kw({ y: 2, x: 1 })), first);
  t.is(files().length, 1);
});

test("a hit in another process, without the function being run", (t) => {
  const dir = newDirectory(t);
  const source = `import { defaultCache } from "permacache";
    const load = (x) => { console.log('"computed"'); return x + 1; };
    console.log(defaultCache.call(load, 1), "\\n", defaultCache.call(load, 1));`;
  t.deepEqual(program(dir, source), ["computed", 2, 2]);
  t.deepEqual(program(dir, source), [2, 2]);
});

test("an edited body computes anew, and served are both from then on; layout and comments are no edit", (t) => {
  const dir = newDirectory(t);
  const run = (body: string) =>
    program(
      dir,
      `import { createCache } from "permacache";
      const cache = createCache({ dir: process.env.PERMACACHE_DIR });
      globalThis.ran = false;
      const load = (x) => { globalThis.ran = true; ${body} };
      console.log(JSON.stringify([cache.call(load, 1), globalThis.ran]));`,
    );
  t.deepEqual(run("return x + 1;"), [[2, true]]);
  t.deepEqual(run("return x + 2;"), [[3, true]]);
  t.deepEqual(run("return x + 1;"), [[2, false]]);
  t.deepEqual(run("return x + 2;"), [[3, false]]);
  t.deepEqual(run("/* plus two */\n return (x\n + 2)"), [[3, false]]);
});

test("a function under the same name with another body has entries of its own, without a warning", async (t) => {
  const { cache } = cacheOf(t);
  const functions = [{ load: (x: number) => x + 1 }, { load: (x: number) => x + 2 }].map((each) => each.load);
  t.deepEqual(
    functions.map((fn) => cache.call(fn, 1)),
    [2, 3],
  );
  t.deepEqual(
    functions.map((fn) => cache.call(fn, 1)),
    [2, 3],
  );
});

test("a function without a name is refused", (t) => {
  const { cache } = cacheOf(t);
  const error = t.throws(
    () =>
      cache.call(
        (
          () => (x: number) =>
            x
        )(),
        1,
      ),
    {
      instanceOf: OptionError,
      code: "ERR_PERMACACHE_OPTION",
    },
  );
  t.regex(error.message, /the function has no name.*Give it one: const load = /);
});

test("what is no function, reads this, or is native is refused", (t) => {
  const { cache } = cacheOf(t);
  const call: (...args: any[]) => unknown = cache.call;
  t.throws(() => call(1), { instanceOf: OptionError, message: /wraps a function, not number/ });
  t.throws(() => call(function area(this: { a: number }) { return this.a; }), { instanceOf: SignatureError }); // biome-ignore format: one line
  t.throws(() => call(Math.max, 1), { instanceOf: SignatureError });
  t.throws(() => call(load, () => 1), { instanceOf: UnkeyableValueError });
});

test("async: promises always, one computation for calls at the same time, errors pass through", async (t) => {
  const { cache } = cacheOf(t);
  let runs = 0;
  const fetchOne = async (x: number) => {
    runs++;
    await null;
    if (x < 0) throw new RangeError("mine");
    return { x };
  };
  const [a, b] = await Promise.all([cache.call(fetchOne, 1), cache.call(fetchOne, 1)]);
  t.deepEqual([a, b], [{ x: 1 }, { x: 1 }]);
  const again = cache.call(fetchOne, 1);
  t.true(again instanceof Promise);
  t.deepEqual(await again, { x: 1 });
  t.is(runs, 1);
  t.true((await failureOf(() => cache.call(fetchOne, -1))) instanceof RangeError);
  const failing = cache.call(fetchOne, (() => 1) as never);
  t.true((await failureOf(() => failing)) instanceof UnkeyableValueError, "not thrown at once");
});

test("names of any characters and length, and names of folders, are fine", (t) => {
  const { cache, files } = cacheOf(t);
  const names = ["größe", "$_", "constructor", "..", ".", "nul", "a/b", "x".repeat(300)];
  for (const [i, name] of names.entries()) {
    let ran = 0;
    const fn = { [name]: (x: number) => [x, ran++][0] }[name]!;
    t.deepEqual([cache.call(fn, i), cache.call(fn, i), ran], [i, i, 1], name);
  }
  t.true(files().every((file) => file.endsWith(".entry")));
  t.is(files().length, names.length);
});

for (const [one, other] of [
  ["größe", "grüße"],
  ["$_", "_$"],
  [`${"x".repeat(100)}1`, `${"x".repeat(100)}2`],
]) {
  test(`two names are two functions: ${one!.slice(-10)} and ${other!.slice(-10)}`, (t) => {
    const { cache, files } = cacheOf(t);
    for (const name of [one!, other!]) cache.call({ [name]: (x: number) => x }[name]!, 1);
    t.is(files().length, 2);
  });
}

test("the defaults of the cache hold: its mode, its limits", (t) => {
  const { cache, files } = cacheOf(t, { maxEntries: 2 });
  for (let x = 0; x < 5; x++) cache.call(load, x);
  t.is(files().length, 2);
  const bypassing = cacheOf(t, { mode: "bypass" });
  t.notDeepEqual(bypassing.cache.call(load, 1), bypassing.cache.call(load, 1));
  t.deepEqual(bypassing.files(), []);
});

test("createCache and the default cache both have it; it needs no receiver", (t) => {
  t.is(typeof defaultCache.call, "function");
  const { call } = cacheOf(t).cache;
  t.deepEqual(call(load, 7), call(load, 7));
});

test.serial("a result that cannot be stored is returned, with one warning for the function", async (t) => {
  const { cache } = cacheOf(t);
  const make = (x: number) => ({ run: () => x });
  const warnings = await warningsOf(() => {
    for (let x = 0; x < 3; x++) t.is(cache.call(make, x).run(), x);
    t.is(cache.call(make, 0).run(), 0);
  });
  t.is(warnings.length, 1);
});

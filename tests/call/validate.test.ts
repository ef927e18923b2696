import { writeFileSync } from "node:fs";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { CacheMissError, type EntryMeta, OptionError, withMode } from "../../src/index.js";
import { failureOf, newCache, newDirectory, warningsOf } from "../place.js";

/** A counting function, sync and async: everything below holds for both. */
function counting(t: ExecutionContext, options: object) {
  const { permacache, files } = newCache(t, { onError: "throw" });
  let ran = 0;
  const functions: any[] = [
    permacache("f/sync", options)((x: number) => ({ x, n: ++ran })),
    permacache("f/async", options)(async (x: number) => ({ x, n: ++ran })),
  ];
  return { functions, files, permacache, ran: () => ran };
}

// ---- shouldStore ----

test.serial("shouldStore false: returned, not stored, computed each time, without a warning", async (t) => {
  const { functions, files, ran } = counting(t, { shouldStore: ({ x }: { x: number }) => x > 0 });
  const warnings = await warningsOf(async () => {
    for (const f of functions) {
      const before = ran();
      t.is((await f(0)).n, before + 1);
      t.is((await f(0)).n, before + 2);
      t.false(await f.has(0));
      t.like(f.stats(), { misses: 2, hits: 0, stores: 0, errors: 0 });
    }
  });
  t.deepEqual(warnings, []);
  t.deepEqual(files(), []);
});

test("shouldStore true: stored; it sees the value, awaited; it is not asked on a hit", async (t) => {
  const asked: unknown[] = [];
  const { functions } = counting(t, { shouldStore: (value: unknown) => asked.push(value) > 0 });
  for (const f of functions) {
    const value = await f(1);
    t.deepEqual(await f(1), value);
    t.deepEqual(asked.splice(0), [value]);
  }
});

for (const answer of [false, 0, "", Number.NaN, null, undefined, true, 1, "no", {}]) {
  const declare = answer === null || answer === undefined ? test : test;
  declare(
    `shouldStore: ${JSON.stringify(answer)} (${typeof answer}) keeps ${answer ? "the result" : "nothing"}`,
    async (t) => {
      for (const f of counting(t, { shouldStore: () => answer }).functions) {
        await f(1);
        t.is(await f.has(1), Boolean(answer));
      }
    },
  );
  test(`validate: ${JSON.stringify(answer)} (${typeof answer}) is a ${answer ? "hit" : "miss"}`, async (t) => {
    for (const f of counting(t, { validate: () => answer }).functions) {
      await f(1);
      t.is(await f.has(1), Boolean(answer));
    }
  });
}

test("shouldStore false: an older entry stays", async (t) => {
  let isKept = true;
  for (const f of counting(t, { shouldStore: () => isKept }).functions) {
    isKept = true;
    const old = await f(1);
    isKept = false;
    t.not((await f.with({ mode: "refresh" })(1)).n, old.n);
    t.deepEqual(await f(1), old);
  }
});

test("shouldStore is not asked where nothing would be stored, nor by prime", async (t) => {
  const never = () => {
    throw new Error("asked");
  };
  for (const f of counting(t, { shouldStore: never }).functions) {
    for (const mode of ["read-only", "bypass"]) await f.with({ mode })(1);
    await f.prime({ x: 1, n: 0 }, 1);
    t.is((await f(1)).n, 0);
  }
});

test("shouldStore false: a value that cannot be stored is no trouble", async (t) => {
  const { permacache } = newCache(t, { onError: "throw" });
  const f: any = permacache("f", { shouldStore: () => false })(() => Symbol.iterator);
  t.is(f(), Symbol.iterator);
  t.is(f.stats().errors, 0);
});

test("shouldStore false: calls that join the computation get its result", async (t) => {
  const f: any = counting(t, { shouldStore: () => false }).functions[1];
  const [a, b] = await Promise.all([f(1), f(1)]);
  t.deepEqual(a, b);
  t.not(a, b);
  t.is(f.stats().misses, 1);
});

// ---- validate ----

test("validate false: a miss, computed and replaced; true: a hit", async (t) => {
  let least = 0;
  const { functions, files } = counting(t, { validate: ({ n }: { n: number }) => n > least });
  for (const f of functions) {
    const old = await f(1);
    t.deepEqual(await f(1), old);
    least = old.n;
    const fresh = await f(1);
    t.is(fresh.n, old.n + 1);
    t.deepEqual(await f(1), fresh);
    t.like(f.stats(), { misses: 2, hits: 2, stores: 2 });
    least = 0;
  }
  t.is(files().length, 2);
});

test("validate is not asked of a result just computed, and its answer is not stored", async (t) => {
  let answers = 0;
  for (const f of counting(t, { validate: () => answers++ < 0 }).functions) {
    answers = 0;
    await f(1);
    t.is(answers, 0);
    await f(1);
    t.is(answers, 1);
  }
});

test("validate: has and peek apply it, entries and delete do not", async (t) => {
  let isValid = true;
  for (const f of counting(t, { validate: () => isValid }).functions) {
    isValid = true;
    await f(1);
    t.true(await f.has(1));
    t.is((await f.peek(1)).value.x, 1);
    isValid = false;
    t.false(await f.has(1));
    t.is(await f.peek(1), undefined);
    let listed = 0;
    for await (const _ of f.entries()) listed++;
    t.is(listed, 1);
    t.true(await f.delete(1));
  }
});

test("validate is given the value and the entry's meta, as peek shows it", async (t) => {
  const given: [unknown, EntryMeta][] = [];
  for (const f of counting(t, { validate: (...args: [unknown, EntryMeta]) => given.push(args) > 0 }).functions) {
    const value = await f(1);
    const { value: peeked, ...meta } = await f.peek(1);
    const [seen] = given.splice(0);
    t.deepEqual(seen, [value, meta]);
    t.deepEqual(peeked, value);
    t.deepEqual(Object.keys(meta).sort(), ["bytes", "createdAt", "duration", "key"]);
    t.is(meta.key, '{"x":1}');
    t.true(meta.createdAt instanceof Date);
    t.true(meta.bytes > 0);
  }
});

test("validate in every mode: what reads applies it", async (t) => {
  for (const f of counting(t, { validate: () => false }).functions) {
    const first = await f(1);
    t.is((await f.with({ mode: "read-only" })(1)).n > first.n, true);
    t.true((await failureOf(() => f.with({ mode: "only-if-cached" })(1))) instanceof CacheMissError);
    t.true(await withMode("bypass", async () => (await f(1)).n > first.n));
  }
});

test("validate does not make the entry older: maxAge holds beside it", async (t) => {
  const { permacache } = newCache(t, { maxAge: "1d" });
  const f = permacache("f", { validate: () => true })((x: number) => x);
  f(1);
  t.true(f.has(1));
});

test("validate sees what out files are for: an entry that does not hold writes them anew", async (t) => {
  const out = newDirectory(t);
  let etag = 1;
  let ran = 0;
  const { permacache } = newCache(t);
  const f = permacache("f", { outFile: "to", validate: (value: any) => value.etag === etag })((to: string) => {
    writeFileSync(to, `content ${++ran}`);
    return { etag };
  });
  f(join(out, "a"));
  f(join(out, "b"));
  t.is(ran, 1);
  etag = 2;
  f(join(out, "a"));
  t.is(ran, 2);
});

// ---- both ----

// biome-ignore lint/suspicious/noThenProperty: anything that can be awaited
const PROMISING = [async () => true, () => Promise.resolve(false), () => ({ then() {} })];
test("promises are refused: they would always be true", async (t) => {
  for (const promising of PROMISING) {
    for (const option of ["shouldStore", "validate"]) {
      for (const f of counting(t, { [option]: promising }).functions) {
        if (option === "validate") await f(1);
        const error = await failureOf(() => f(1));
        t.true(error instanceof OptionError);
        t.is(error.code, "ERR_PERMACACHE_OPTION");
        t.regex(error.message, new RegExp(`"${option}" gave a promise.*decide at once`));
        if (option === "validate") t.true((await failureOf(() => f.has(1))) instanceof OptionError);
        else t.false(await f.has(1));
      }
    }
  }
});

test("what they throw passes through unchanged", async (t) => {
  const mine = new RangeError("mine");
  for (const option of ["shouldStore", "validate"]) {
    let isThrowing = false;
    const decide = () => {
      if (isThrowing) throw mine;
      return true;
    };
    for (const f of counting(t, { [option]: decide }).functions) {
      isThrowing = option === "shouldStore";
      const first = isThrowing ? undefined : await f(1);
      isThrowing = true;
      t.is(await failureOf(() => f(1)), mine);
      isThrowing = false;
      const after = await f(1);
      if (first) t.deepEqual(after, first);
      t.is(f.stats().errors, 0);
    }
  }
});

test("an async function never throws synchronously, also where they do", async (t) => {
  const fail = () => {
    throw new Error("mine");
  };
  for (const option of ["shouldStore", "validate"]) {
    const f: any = counting(t, { [option]: fail }).functions[1];
    if (option === "validate") await f(1);
    t.notThrows(() => f(1).catch(() => {}));
  }
});

test("another type is refused when wrapping", (t) => {
  const { permacache } = newCache(t);
  for (const option of ["shouldStore", "validate"]) {
    for (const value of [true, "yes", null, {}]) {
      t.throws(() => permacache("f", { [option]: value }), { instanceOf: OptionError, message: /must be a function/ });
    }
  }
});

test("they are options of a function, not of a cache or a call", (t) => {
  const decide = () => true;
  for (const option of ["shouldStore", "validate"]) {
    t.throws(() => newCache(t, { [option]: decide }), { instanceOf: OptionError });
    const f: any = counting(t, {}).functions[0];
    t.throws(() => f.with({ [option]: decide }), { instanceOf: OptionError });
  }
});

import test from "ava";
import { CacheMissError, type Mode, OptionError, withMode } from "../../src/index.js";
import { failureOf, newCache } from "../place.js";

/** A function that counts its computations, sync and async, so that each mode is shown for both. */
function counters(t: any) {
  const { permacache, files } = newCache(t);
  let computed = 0;
  const sync: any = permacache("sync")((_x: number) => ++computed);
  const async: any = permacache("async")(async (_x: number) => ++computed);
  return { permacache, files, functions: [sync, async], computed: () => computed };
}

const TABLE: [Mode, { reads: boolean; writes: boolean }][] = [
  ["read-write", { reads: true, writes: true }],
  ["read-only", { reads: true, writes: false }],
  ["refresh", { reads: false, writes: true }],
  ["bypass", { reads: false, writes: false }],
];
for (const [mode, { reads, writes }] of TABLE) {
  test(`${mode}: ${reads ? "reads" : "does not read"}, ${writes ? "writes" : "does not write"}, computes on a miss`, async (t) => {
    for (const f of counters(t).functions) {
      await f.with({ mode })(1);
      t.is(await f.has(1), writes, "cold");
      const old = await f(2);
      const seen = await f.with({ mode })(2);
      t.is(seen === old, reads, "warm");
      t.is(await f(2), writes && !reads ? seen : old);
    }
  });
}

test("only-if-cached: reads, else throws CacheMissError with the key, and changes nothing", async (t) => {
  const { functions, computed, files } = counters(t);
  for (const f of functions) {
    const error = await failureOf(() => f.with({ mode: "only-if-cached" })(1));
    t.true(error instanceof CacheMissError);
    t.is(error.code, "ERR_PERMACACHE_MISS");
    t.is(error.key, '{"_x":1}');
    t.regex(error.message, /"_x":1.*Call it once in another mode/);
    t.deepEqual(files(), []);
  }
  t.is(computed(), 0);
  for (const f of functions) {
    const value = await f(1);
    t.is(await f.with({ mode: "only-if-cached" })(1), value);
  }
});

test("refresh computes a cold entry once", async (t) => {
  const { functions, computed } = counters(t);
  for (const f of functions) await f.with({ mode: "refresh" })(1);
  t.is(computed(), 2);
});

test("the narrowest wins: call, scope, function, cache", async (t) => {
  const { permacache } = newCache(t, { mode: "bypass" });
  let computed = 0;
  const plain = permacache("plain")((_x: number) => ++computed);
  const own = permacache("own", { mode: "read-write" })((_x: number) => ++computed);
  plain(1);
  t.false(plain.has(1), "cache");
  own(1);
  t.true(own.has(1), "function over cache");
  withMode("refresh", () => plain(1));
  t.true(plain.has(1), "scope over cache");
  const before = own(1);
  t.not(
    withMode("bypass", () => own(1)),
    before,
    "scope over function",
  );
  t.is(
    withMode("bypass", () => own.with({ mode: "read-write" })(1)),
    before,
    "call over scope",
  );
});

test("of nested scopes the innermost that names the function holds", (t) => {
  const { permacache } = newCache(t);
  const f: any = permacache("f")((_x: number) => 1);
  const g: any = permacache("g")((_x: number) => 1);
  f(1);
  withMode("only-if-cached", () => {
    t.throws(() => g(1), { instanceOf: CacheMissError });
    withMode("bypass", () => t.is(g(1), 1), g);
    withMode(
      "bypass",
      () => {
        t.throws(() => f(2), { instanceOf: CacheMissError }, "named is only g");
        withMode("read-only", () => t.is(g(1), 1));
      },
      g,
    );
  });
  t.false(g.has(1));
});

test("a scope names functions by any of their forms", (t) => {
  const { permacache } = newCache(t);
  class Model {
    size = 1;
    @permacache("method")
    static train(x: number) {
      return x;
    }
  }
  const f: any = permacache("f")((x: number) => x);
  withMode("bypass", () => [Model.train(1), f(1)], Model.train, f.with({ mode: "read-write" }));
  t.false(f.has(1));
  t.is(
    t
      .throws(() => withMode("bypass", () => 1, (() => 1) as never), { instanceOf: OptionError })
      .message.includes("not a cached function"),
    true,
  );
});

test("a scope follows awaits, and ends", async (t) => {
  const { functions } = counters(t);
  for (const f of functions) {
    await withMode("bypass", async () => {
      await null;
      await f(1);
      await new Promise((resolve) => setImmediate(resolve));
      await f(1);
    });
    t.false(await f.has(1));
    await f(1);
    t.true(await f.has(1));
  }
});

test("a per-call mode does not reach nested cached calls, a scope does", (t) => {
  const { permacache } = newCache(t);
  let inner = 0;
  const g = permacache("inner")((_x: number) => ++inner);
  const f = permacache("outer")((x: number) => g(x));
  f(1);
  f.with({ mode: "refresh" })(1);
  t.is(inner, 1);
  withMode("refresh", () => f(1));
  t.is(inner, 2);
});

test("in a refresh scope each key is computed once, later calls in the scope read it", async (t) => {
  const { functions, computed } = counters(t);
  const [sync, async] = functions;
  sync(1);
  await async(1);
  await withMode("refresh", async () => {
    t.is(sync(1), 3);
    t.is(sync(1), 3);
    t.deepEqual(await Promise.all([async(1), async(1)]), [4, 4]);
    t.is(await async(1), 4);
  });
  t.is(computed(), 4);
  t.is(sync(1), 3);
  t.is(await async(1), 4);
});

test("a refresh joins no computation begun before it, and that one does not overwrite it", async (t) => {
  const { permacache } = newCache(t);
  const finish: ((value: string) => void)[] = [];
  const f = permacache("slow")((_x: number) => new Promise<string>((resolve) => finish.push(resolve)));
  const old = f(1);
  const fresh = f.with({ mode: "refresh" })(1);
  t.is(finish.length, 2);
  finish[1]!("fresh");
  t.is(await fresh, "fresh");
  finish[0]!("old");
  t.is(await old, "old");
  t.is(await f(1), "fresh");
});

test("while a refresh computes, readers get the old entry", async (t) => {
  const { permacache } = newCache(t);
  let finish!: (value: string) => void;
  let computed = 0;
  const f = permacache("reading")((_x: number) =>
    computed++ === 0 ? Promise.resolve("old") : new Promise<string>((resolve) => (finish = resolve)),
  );
  await f(1);
  const fresh = f.with({ mode: "refresh" })(1);
  t.is(await f(1), "old");
  finish("new");
  t.is(await fresh, "new");
  t.is(await f(1), "new");
});

test("a refresh that fails keeps the old entry, and is tried again", async (t) => {
  const { permacache } = newCache(t);
  let computed = 0;
  const f = permacache("failing")((_x: number) => {
    if (++computed === 2) throw new Error("mine");
    return computed;
  });
  f(1);
  withMode("refresh", () => {
    t.throws(() => f(1), { message: "mine" });
    t.is(f(1), 3);
  });
  t.is(f(1), 3);
});

test("methods ignore the mode, but for detail, which is a call", (t) => {
  const { permacache } = newCache(t);
  const f = permacache("methods")((x: number) => x);
  withMode("bypass", () => {
    f.prime(5, 1);
    t.true(f.has(1));
    t.is(f.peek(1)?.value, 5);
    t.is(f.detail(1).value, 1);
    t.is(f.detail(1).key, '{"x":1}');
    t.true(f.delete(1));
  });
});

test("an unknown mode is an OptionError that names the modes, wherever it is given", (t) => {
  const { permacache } = newCache(t);
  const f: any = permacache("f")((x: number) => x);
  const places = [
    () => withMode("readonly" as Mode, () => 1),
    () => f.with({ mode: "readonly" }),
    () => permacache("f", { mode: "readonly" as Mode }),
    () => newCache(t, { mode: "readonly" as Mode }),
  ];
  for (const place of places) {
    const error = t.throws(place, { instanceOf: OptionError });
    t.regex(error.message, /only-if-cached/);
  }
});

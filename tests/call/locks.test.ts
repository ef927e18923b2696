import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { digestOf } from "../../src/call/bind.js";
import { FileLock, RangeLock } from "../../src/files/locks/kernel-lock.js";
import { performance } from "../../src/flow.js";
import { createCache, verbose } from "../../src/index.js";
import { failureOf, newCache, newDirectory } from "../place.js";
import { until } from "./locks.others.js";

/** Somebody else who holds the key of a call. To the kernel another descriptor is a stranger, as another process is. */
function stranger(folder: string, text: string) {
  const lock = process.platform === "darwin" ? new FileLock(folder) : new RangeLock(folder);
  return lock.tryLock(digestOf(text))!;
}

const ofKey = (dir: string, path: string, key: string) => stranger(join(dir, path, "=1"), key);

/** What is told of waiting while the action runs. */
async function waitsOf(action: () => unknown): Promise<any[]> {
  const seen: any[] = [];
  const listener = (event: unknown) => seen.push(event);
  subscribe("permacache:wait", listener);
  try {
    await action();
  } finally {
    unsubscribe("permacache:wait", listener);
  }
  return seen;
}

/** A clock for what has passed: each look at it is so many ms later. */
async function withClock<T>(step: number, action: () => T | Promise<T>): Promise<T> {
  const { now } = performance;
  let looks = 0;
  performance.now = () => now.call(performance) + step * looks++;
  try {
    return await action();
  } finally {
    performance.now = now;
  }
}

function twoFlavours(t: ExecutionContext, options = {}) {
  const { dir, permacache } = newCache(t, options);
  const ran: unknown[] = [];
  const sync = permacache("sync")((x: number) => {
    ran.push(x);
    return x * 2;
  });
  const async = permacache("async")(async (x: number) => {
    ran.push(x);
    return x * 2;
  });
  const functions: [string, any][] = [
    ["sync", sync],
    ["async", async],
  ];
  return { dir, ran, functions };
}

// ---- waiting ----

test.serial("waiting shows once, in stats and events; with maxWait over, the call computes", async (t) => {
  const { dir, functions, ran } = twoFlavours(t, { maxWait: 20 });
  for (const [path, f] of functions) {
    const held = ofKey(dir, path, '{"x":1}');
    const events = await waitsOf(() => f(1));
    t.deepEqual(events, [{ type: "wait", path, version: undefined, key: '{"x":1}', reason: undefined }]);
    held.release();
    t.is(f.stats().waited, 1);
    t.is((await f.peek(1)).value, 2, "stored all the same");
  }
  t.deepEqual(ran, [1, 1]);
});

test.serial("after a minute the holder is named, once", async (t) => {
  const { dir, functions } = twoFlavours(t, { maxWait: "10m" });
  for (const [path, f] of functions) {
    const held = ofKey(dir, path, '{"x":1}');
    const events = await waitsOf(() => withClock(25_000, () => f(1)));
    held.release();
    t.is(events.length, 2);
    t.is(events[0].reason, undefined);
    if (process.platform === "linux") t.is(events[1].reason, `process ${process.pid}`);
  }
});

test.serial("verbose: a line with the word wait, and the holder after a minute", async (t) => {
  const { dir, functions } = twoFlavours(t, { maxWait: "10m" });
  const lines: string[] = [];
  const { write } = process.stderr;
  process.stderr.write = ((line: string) => lines.push(line)) as never;
  verbose();
  try {
    for (const [path, f] of functions) {
      const held = ofKey(dir, path, '{"x":1}');
      await withClock(25_000, () => f(1));
      held.release();
    }
  } finally {
    verbose(false);
    process.stderr.write = write;
  }
  const waits = lines.filter((line) => line.startsWith("permacache wait"));
  t.is(waits.length, 4);
  for (const [i, [path]] of functions.entries()) {
    t.is(waits[i * 2], `permacache wait ${path} {"x":1}\n`);
    t.regex(waits[i * 2 + 1]!, /\{"x":1\} \((process \d+|a holder that cannot be told)\)\n$/);
  }
});

for (const [what, options, settings] of [
  ["cache", { maxWait: 0 }, {}],
  ["call", {}, { maxWait: 0 }],
] as const) {
  test.serial(`maxWait 0 of a ${what}: no key is locked, and none waited for`, async (t) => {
    const { dir, functions, ran } = twoFlavours(t, options);
    for (const [path, f] of functions) {
      const held = ofKey(dir, path, '{"x":1}');
      t.deepEqual(await waitsOf(() => f.with(settings)(1)), []);
      held.release();
    }
    t.deepEqual(ran, [1, 1]);
  });
}

test("maxWait of a function; that of a call goes before it", async (t) => {
  const { dir, permacache } = newCache(t, { maxWait: 0 });
  const f = permacache("own", { maxWait: "10m" })(async (x: number) => x);
  const [held, other] = [ofKey(dir, "own", '{"x":1}'), ofKey(dir, "own", '{"x":2}')];
  const waiting = f(1);
  await until(() => f.stats().waited === 1);
  t.is(await f.with({ maxWait: 0 })(2), 2);
  other.release();
  held.release();
  t.is(await waiting, 1);
});

test.serial("a refresh waits for nobody; read-only and bypass lock nothing", async (t) => {
  const { dir, functions, ran } = twoFlavours(t);
  for (const mode of ["refresh", "read-only", "bypass"]) {
    for (const [path, f] of functions) {
      const held = ofKey(dir, path, '{"x":1}');
      t.deepEqual(await waitsOf(() => f.with({ mode })(1)), []);
      held.release();
      await f.delete(1);
    }
  }
  t.is(ran.length, 6);
});

test("a signal lets go a call that waits, and one with a signal that is over does not wait", async (t) => {
  const { dir, permacache } = newCache(t);
  const f = permacache("let-go")(async (x: number) => x);
  const held = ofKey(dir, "let-go", '{"x":1}');
  const controller = new AbortController();
  const waiting = f.with({ signal: controller.signal })(1);
  await until(() => f.stats().waited === 1);
  controller.abort(new Error("enough"));
  t.is((await failureOf(() => waiting)).message, "enough");
  t.is((await failureOf(() => f.with({ signal: controller.signal })(1))).message, "enough");
  held.release();
  t.is(await f(1), 1);
});

test("of a batch, what can be had is computed and stored first, then the rest is waited for", async (t) => {
  const { dir, permacache } = newCache(t);
  const ran: number[][] = [];
  const f = permacache("batch", { parallel: "xs" })(async (xs: number[]) => {
    ran.push(xs);
    return xs;
  });
  const held = ofKey(dir, "batch", '{"xs":2}');
  const all = f([1, 2, 3]);
  await until(() => f.stats().waited === 1);
  t.deepEqual(ran, [[1, 3]]);
  t.deepEqual(await f.has([1, 2, 3]), [true, false, true]);
  const free = ofKey(dir, "batch", '{"xs":1}');
  t.truthy(free, "while it waits it holds nothing");
  free.release();
  held.release();
  t.deepEqual(await all, [1, 2, 3]);
  t.deepEqual(ran, [[1, 3], [2]]);
});

test("what another process stores meanwhile is taken, not computed", async (t) => {
  const { dir, functions, ran } = twoFlavours(t);
  const [path, f] = functions[1]!;
  const held = ofKey(dir, path, '{"x":1}');
  const waiting = f(1);
  await until(() => f.stats().waited === 1);
  const elsewhere = newDirectory(t);
  symlinkSync(dir, join(elsewhere, "link"));
  const other: any = createCache({ dir: join(elsewhere, "link") }).permacache("async")(async (x: number) => x);
  await other.prime(7, 1);
  t.is(await waiting, 7, "before the lock is free");
  held.release();
  t.deepEqual(ran, []);
});

test("an argument changed while the call waited for another process: returned, not stored", async (t) => {
  const { dir, permacache } = newCache(t);
  const f = permacache("changed")(async (xs: number[]) => xs.length);
  const held = ofKey(dir, "changed", '{"xs":[1]}');
  const given = [1];
  const waiting = f(given);
  await until(() => f.stats().waited === 1);
  given.push(2);
  held.release();
  t.is(await waiting, 2);
  t.false(await f.has([1]));
  t.false(await f.has([1, 2]));
});

test("where a key cannot be locked, the function works", async (t) => {
  const { dir, functions, ran } = twoFlavours(t);
  for (const [path, f] of functions) {
    await f(0);
    const locks = join(dir, path, "=1", "=_locks");
    rmSync(locks);
    symlinkSync(join(dir, "elsewhere"), locks);
    t.is(await f(1), 2);
    t.is((await f.peek(1)).value, 2);
  }
  t.deepEqual(ran, [0, 1, 0, 1]);
  t.throws(() => readFileSync(join(dir, "elsewhere")));
});

// ---- nobody hangs ----

test("recursion on the same key, sync and async", async (t) => {
  const { permacache } = newCache(t);
  let depth = 0;
  const f: (x: number) => number = permacache("recursive")((x: number): number => (++depth === 3 ? depth : f(x)));
  t.is(f(1), 3);
  const g: (x: number) => Promise<number> = permacache("recursive/async")(async (x: number): Promise<number> => {
    await null;
    return ++depth === 6 ? depth : g(x);
  });
  t.is(await g(1), 6);
});

test("a sync call inside of an async computation of its key, or beside it, computes", async (t) => {
  const { permacache } = newCache(t);
  let finish!: () => void;
  const f: any = permacache("beside", { async: true })((x: number) => {
    const inner: number = sync(x);
    return new Promise<number>((resolve) => (finish = () => resolve(inner)));
  });
  const sync: any = permacache("beside")((x: number) => x * 2);
  const running = f(1);
  t.is(sync(1), 2);
  finish();
  t.is(await running, 2);
});

test("two caches on one directory by different spellings: no hang", async (t) => {
  const place = newDirectory(t);
  const dir = join(place, "cache");
  const { permacache: direct } = createCache({ dir });
  await direct("first")(async (x: number) => x)(0); // so that the directory is there
  symlinkSync(dir, join(place, "link"));
  const { permacache: linked } = createCache({ dir: join(place, "link") });
  let finish!: () => void;
  let inner: any;
  const outer: any = direct("spelled")(async (x: number) => {
    inner = [within(x), await withinAsync(x)];
    await new Promise<void>((resolve) => (finish = resolve));
    return x;
  });
  const within: any = linked("spelled")((x: number) => x);
  const withinAsync: any = linked("spelled", { async: true })(async (x: number) => x);
  const running = outer(1);
  await until(() => finish !== undefined);
  t.deepEqual(inner, [1, 1]);
  t.is(within(1), 1, "sync, beside the one that holds the key");
  const beside = withinAsync(2);
  t.is(await beside, 2);
  finish();
  t.is(await running, 1);
});

test("of two spellings the one waits for the other: computed once", async (t) => {
  const place = newDirectory(t);
  const dir = join(place, "cache");
  createCache({ dir }).permacache("first")((x: number) => x)(0);
  symlinkSync(dir, join(place, "link"));
  let ran = 0;
  let finish!: () => void;
  const wrap = (at: string): any =>
    createCache({ dir: at }).permacache("once")(async (x: number) => {
      ran++;
      await new Promise<void>((resolve) => (finish = resolve));
      return x;
    });
  const [direct, linked] = [wrap(dir), wrap(join(place, "link"))];
  const first = direct(1);
  await until(() => ran === 1);
  const second = linked(1);
  await until(() => linked.stats().waited === 1);
  finish();
  t.deepEqual(await Promise.all([first, second]), [1, 1]);
  t.is(ran, 1);
});

test("who holds a key and joins one that waits for another process does not wait with it", async (t) => {
  const { dir, permacache } = newCache(t);
  const inner = permacache("inner")(async (x: number) => x);
  const outer = permacache("outer")(async (x: number) => {
    await until(() => inner.stats().waited === 1);
    return (await inner(x)) + 1;
  });
  const held = ofKey(dir, "inner", '{"x":1}');
  const waiting = inner(1);
  t.is(await outer(1), 2, "as if the other process waited for outer(1)");
  t.is(await waiting, 1);
  held.release();
});

test("a batch inside of a batch, of the same function, on overlapping elements", async (t) => {
  const { permacache } = newCache(t);
  const computed: number[] = [];
  let depth = 0;
  const f: any = permacache("nested", { parallel: "xs" })(async (xs: number[]) => {
    if (depth++ === 0) await f(xs.map((x) => x + 1));
    computed.push(...xs);
    return xs;
  });
  t.deepEqual(await f([1, 2, 3]), [1, 2, 3]);
  t.deepEqual(
    computed.filter((x) => x === 4),
    [4],
  );
});

// ---- out files ----

const ofPath = (dir: string, path: string) => stranger(dir, path);

function writers(t: ExecutionContext) {
  const { dir, permacache } = newCache(t);
  const sync: any = permacache("write", { outFile: "loc" })((x: number, loc: string) => writeFileSync(loc, `${x}`));
  const async: any = permacache("write/async", { outFile: "loc" })(async (x: number, loc: string) =>
    writeFileSync(loc, `${x}`),
  );
  const out = newDirectory(t);
  let paths = 0;
  return { dir, permacache, functions: [sync, async], path: () => join(out, `${++paths}`) };
}

test("an out path that another process holds is waited for, before anything is looked at", async (t) => {
  const { dir, functions, path } = writers(t);
  const [, f] = functions;
  const [a, b] = [path(), path()];
  await f(1, a);
  const held = ofPath(dir, b);
  const restoring = f(1, b);
  await until(() => f.stats().waited === 1);
  t.throws(() => readFileSync(b));
  held.release();
  await restoring;
  t.is(readFileSync(b, "utf8"), "1");
});

test.serial("not in time, or inside of what holds a key: the call goes on without, and stores nothing", async (t) => {
  const { dir, permacache, functions, path } = writers(t);
  for (const f of functions) {
    const a = path();
    const held = ofPath(dir, a);
    t.is((await waitsOf(() => f.with({ maxWait: 20 })(1, a))).length, 1);
    t.is((await waitsOf(() => f.with({ maxWait: 0 })(1, a))).length, 0);
    const outer = permacache("outer", { keyFunction: { g: null } })((x: number, g: any) => g(x, a));
    t.is((await waitsOf(() => outer.with({ mode: "refresh" })(1, f))).length, 0);
    held.release();
    t.false(await f.has(1, a));
    t.is(readFileSync(a, "utf8"), "1");
    await f(1, a);
    t.true(await f.has(1, a));
  }
});

test("a sync call whose path an async one of this process holds stays sync", async (t) => {
  const { functions, permacache, path } = writers(t);
  const [sync] = functions;
  const a = path();
  let finish!: () => void;
  const slow: any = permacache("slow", { outFile: "loc" })(async (x: number, loc: string) => {
    await new Promise<void>((resolve) => (finish = resolve));
    writeFileSync(loc, `slow ${x}`);
  });
  const running = slow(1, a);
  await until(() => finish !== undefined);
  t.is(sync(2, a), undefined);
  t.false(sync.has(2, a));
  finish();
  await running;
  const b = path();
  await slow(1, b);
  t.is(readFileSync(b, "utf8"), "slow 1");
});

test("a read-only call makes no cache, also for its out paths", async (t) => {
  const { dir, functions, path } = writers(t);
  for (const f of functions) await f.with({ mode: "read-only" })(1, path());
  t.throws(() => readFileSync(join(dir, "=_locks")), { code: "ENOENT" });
});

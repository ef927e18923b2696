import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { yieldToEventLoop } from "../../../src/flow.js";
import { type Cache, createCache, fileStore, OptionError, StoreError, tieredStore } from "../../../src/index.js";
import { onDay } from "../../../src/stores/contract/clock.js";
import type { Engine } from "../../../src/stores/engine.js";
import { FileEngine } from "../../../src/stores/file/file-engine.js";
import { Store } from "../../../src/stores/store.js";
import { newDirectory as newPlace } from "../../files/directory.js";
import { failureOf, filesIn, newDirectory, warningsOf } from "../../place.js";
import { all, digestOf, put, textOf } from "../entries.js";
import { type Remote, remote } from "../remote-store.js";

const files = () => FileEngine.at(join(newPlace(), "store"));
const before = (near: Engine, far: Engine) => tieredStore(near, far) as Engine;

interface Machine {
  near: FileEngine;
  cache: ReturnType<typeof createCache>;
  permacache: ReturnType<typeof createCache>["permacache"];
}

/** Machines with a far store in common. */
function prepare(t: ExecutionContext, count = 1, options: object = {}) {
  const inner = FileEngine.at(join(newDirectory(t), "far"));
  const far: Remote = remote(inner);
  const machines = Array.from({ length: count }, (): Machine => {
    const near = FileEngine.at(join(newDirectory(t), "near"));
    const cache = createCache({ store: tieredStore(near, far.store), ...options });
    return { near, cache, permacache: cache.permacache };
  });
  return { far, inner, machines, ...machines[0]! };
}

const entriesIn = ({ location }: Engine) => filesIn(location).filter((each) => each.endsWith(".entry"));

test("what is no store, or the same one twice, is refused", (t) => {
  const store = fileStore({ dir: newPlace() });
  for (const [near, far] of [
    [undefined, store],
    [store, { sync: true }],
    [store, store],
  ])
    t.throws(() => tieredStore(near as never, far as never), { instanceOf: OptionError, message: /tieredStore\(\)/ });
  t.throws(() => fileStore({ mode: "bypass" } as never), { instanceOf: OptionError, message: /"mode"/ });
});

test("it serves sync functions where the near store does", (t) => {
  t.true(tieredStore(files(), remote(files()).store).sync);
  t.false(tieredStore(remote(files()).store, files()).sync);
});

test("a result is published to both, and found from another machine, which keeps it near", async (t) => {
  const { far, inner, near, machines } = prepare(t, 2);
  let runs = 0;
  const [f, g] = machines.map(({ permacache }) => permacache("both")(async (x: number) => [x, ++runs]));
  t.deepEqual(await f!(1), [1, 1]);
  t.is(entriesIn(near).length, 1);
  t.is(entriesIn(inner).length, 1);
  t.deepEqual(await g!(1), [1, 1]);
  t.is(entriesIn(machines[1]!.near).length, 1);
  far.asked.length = 0;
  t.deepEqual(await g!(1), [1, 1]);
  t.deepEqual(far.asked, []);
  t.deepEqual([f!.stats().misses, g!.stats().misses, g!.stats().hits], [1, 0, 2]);
});

test("what is damaged far is not put near, and is replaced", async (t) => {
  const { inner, machines } = prepare(t, 2);
  const [f, g] = machines.map(({ permacache }) => permacache("damaged")(async (x: number) => x));
  await f!(1);
  const [file] = entriesIn(inner);
  writeFileSync(file!, readFileSync(file!).fill(7, 20));
  t.is(await g!(1), 1);
  t.is(g!.stats().misses, 1);
  machines[1]!.near.location && rmSync(machines[1]!.near.location, { recursive: true });
  t.true(await g!.has(1));
});

test("one value is computed once by two machines at the same time", async (t) => {
  const { machines } = prepare(t, 2);
  let runs = 0;
  const calls = machines.map(({ permacache }) =>
    permacache("once")(async (x: number) => {
      runs++;
      for (let i = 0; i < 50; i++) await yieldToEventLoop();
      return x;
    }),
  );
  t.deepEqual(await Promise.all(calls.map((f) => f(1))), [1, 1]);
  t.is(runs, 1);
});

test("of one machine, only who has the near lock asks for the far one", async (t) => {
  const { far, near } = prepare(t);
  const folder = Store.over(before(near, far.store)).folder({ path: "locks" });
  const held = await folder.tryLock(digestOf(1));
  far.asked.length = 0;
  t.is(await folder.tryLock(digestOf(1)), undefined);
  t.deepEqual(far.asked, []);
  held!.release();
  const other = Store.over(before(files(), far.store)).folder({ path: "locks" });
  const theirs = await other.tryLock(digestOf(1));
  t.is(await folder.tryLock(digestOf(1)), undefined);
  theirs!.release();
  (await folder.tryLock(digestOf(1)))!.release(); // the near one was given back
});

// ---- sync functions ----

test("a sync function reads near only, and publishes far in the background", async (t) => {
  const { far, inner, near, machines } = prepare(t, 2);
  let runs = 0;
  const [f, g] = machines.map(({ permacache }) => permacache("sync")((x: number) => [x, ++runs]));
  t.deepEqual(f!(1), [1, 1]);
  t.is(entriesIn(near).length, 1);
  t.is(entriesIn(inner).length, 0);
  t.deepEqual(f!(1), [1, 1]);
  t.false(far.asked.includes("read"));
  await machines[0]!.cache.close();
  t.is(entriesIn(inner).length, 1);
  t.deepEqual(g!(1), [1, 2]);
  const h = machines[1]!.permacache("sync")(async (x: number) => [x, ++runs]);
  t.deepEqual(await h(1), [1, 2]);
});

test("what the caller does to the result does not reach far", async (t) => {
  const { cache, machines } = prepare(t, 2);
  const value = machines[0]!.permacache("mine")((n: number) => new Uint8Array(n))(100_000);
  value.fill(9);
  await cache.close();
  const [first] = await machines[1]!.permacache("mine")(async (n: number) => new Uint8Array(n).fill(1))(100_000);
  t.is(first, 0);
});

test("what a sync function has deleted or cleared is gone far as well, after what was published before", async (t) => {
  const { inner, permacache, cache } = prepare(t);
  const f = permacache("gone")((x: number) => x);
  f(1);
  t.true(f.delete(1));
  await cache.close();
  t.is(entriesIn(inner).length, 0);
  f(1);
  f(2);
  t.is(f.clear(), 2);
  f(3);
  await cache.close();
  t.is(entriesIn(inner).length, 1);
});

test("a clear from elsewhere wins over what a function computes meanwhile", async (t) => {
  const { inner, near, machines } = prepare(t, 2);
  let go!: () => void;
  const f = machines[0]!.permacache("meanwhile")((x: number) => new Promise((done) => (go = () => done(x))));
  const async = machines[0]!.permacache("meanwhile/async", { async: true })(
    (x: number) => new Promise<number>((done) => (go = () => done(x))),
  );
  for (const each of [f, async]) {
    go = undefined as never;
    const pending = each(1);
    while (!go) await yieldToEventLoop();
    for (let i = 0; i < 20; i++) await yieldToEventLoop(); // the far mark has come
    await machines[1]!
      .permacache(each === f ? "meanwhile" : "meanwhile/async")(async (x: number) => x)
      .clear();
    await inner.clear(each === f ? "meanwhile/=1" : "meanwhile/async/=1", true);
    go();
    t.is(await pending, 1);
    await machines[0]!.cache.close();
    t.is(entriesIn(inner).length, 0);
  }
  t.is(entriesIn(near).filter((each) => each.includes("/async/")).length, 0);
});

// ---- far is out of reach ----

test.serial("while far is down the functions work near, with one warning; then it is used again", async (t) => {
  const { far, inner, near, permacache, cache } = prepare(t);
  let runs = 0;
  const f = permacache("down")(async (x: number) => [x, ++runs]);
  const g = permacache("down/sync")((x: number) => x);
  far.isDown = true;
  const warnings = await warningsOf(async () => {
    t.deepEqual(await f(1), [1, 1]);
    t.deepEqual(await f(1), [1, 1]);
    t.is(g(1), 1);
    await cache.close();
  });
  t.is(warnings.length, 1);
  t.regex(warnings[0]!, /remote cannot be used \(connect ECONNREFUSED\).*near alone/);
  t.deepEqual([entriesIn(near).length, entriesIn(inner).length], [2, 0]);
  t.deepEqual([f.stats().errors, f.stats().hits], [0, 1]);
  far.isDown = false;
  await f(2);
  g(2);
  await cache.close();
  t.is(entriesIn(inner).length, 2);
});

test.serial("far goes down between the read and the publish, and at every other step", async (t) => {
  const { far, permacache } = prepare(t);
  const f = permacache("steps")(async (x: number) => x);
  for (let steps = 0; steps < 12; steps++) {
    let left = steps;
    far.isDown = false;
    far.delay = async () => {
      far.isDown = left-- <= 0;
    };
    t.is(await f(steps), steps);
    t.is(await f(steps), steps);
  }
  t.is(f.stats().hits, 12);
});

test.serial("what is cleared or deleted while far is down is gone near, and the error is told", async (t) => {
  const { far, near, permacache, cache } = prepare(t);
  const f = permacache("told")(async (x: number) => x);
  for (const remove of [() => f.delete(1), () => f.clear(), () => cache.clear(), () => cache.open("told").clear()]) {
    far.isDown = false;
    await f(1);
    far.isDown = true;
    const error = await failureOf(remove);
    t.true(error instanceof StoreError);
    t.regex(error.message, /remote cannot be used \(connect ECONNREFUSED\)/);
    t.is(entriesIn(near).length, 0);
  }
});

test.serial("listing shows what is far, and what is near while that is down", async (t) => {
  const { far, near, machines, cache } = prepare(t, 2);
  for (const [i, { permacache }] of machines.entries()) await permacache("listed")(async (x: number) => x)(i);
  const f = machines[0]!.permacache("listed")(async (x: number) => x);
  const entries = async () => {
    let count = 0;
    for await (const _ of f.entries()) count++;
    const summaries = [];
    for await (const { path, entries } of cache.list()) summaries.push([path, entries]);
    return [count, summaries];
  };
  t.deepEqual(await entries(), [2, [["listed", 2]]]);
  t.is((await cache.verify()).checked, 1 + 2);
  far.isDown = true;
  t.deepEqual(await entries(), [1, [["listed", 1]]]);
  far.isDown = false;
  t.is(entriesIn(near).length, 1);
  t.is(await cache.clear(), 2);
  t.deepEqual(await entries(), [0, []]);
});

test("a function that was only found far is managed by its path", async (t) => {
  const { machines } = prepare(t, 2);
  await machines[0]!.permacache("found", { version: "long".repeat(50) })(async (x: number) => [x])(1);
  const opened = machines[1]!.cache.open("found");
  t.true(await opened.has({ x: 1 }));
  t.deepEqual((await opened.peek({ x: 1 }))?.value, [1]);
  t.is(await opened.clear(), 1);
  t.false(await opened.has({ x: 1 }));
});

test("kept out files come from near, else from far", async (t) => {
  const { machines } = prepare(t, 2);
  const place = newDirectory(t);
  let runs = 0;
  const [f, g] = machines.map(({ permacache }) =>
    permacache("kept", { outFile: "file", keepOutFiles: true })(async (x: number, file: string) => {
      runs++;
      writeFileSync(file, `content ${x}`);
    }),
  );
  mkdirSync(join(place, "a"));
  await f!(1, join(place, "a/one"));
  for (const [i, each] of [f, g].entries()) {
    rmSync(join(place, "a"), { recursive: true, force: true });
    mkdirSync(join(place, "a"));
    await each!(1, join(place, "a", `two${i}`));
    t.is(readFileSync(join(place, "a", `two${i}`), "utf8"), "content 1");
  }
  t.is(runs, 1);
});

test("limits hold in both", async (t) => {
  const { inner, near, permacache, cache } = prepare(t, 1, { maxEntries: 10 });
  const f = permacache("limited")(async (x: number) => x);
  const g = permacache("limited/sync")((x: number) => x);
  for (let i = 0; i < 30; i++) {
    await f(i);
    g(i);
  }
  await cache.close();
  t.true(entriesIn(near).length <= 11);
  t.true(entriesIn(inner).length <= 11);
});

test("memory before both", async (t) => {
  const { machines, far } = prepare(t, 2, { memory: { maxBytes: "1MB", trust: "1h" } });
  const [f, g] = machines.map(({ permacache }) => permacache("memory")(async (x: number) => [x]));
  await f!(1);
  t.deepEqual(await g!(1), [1]);
  far.asked.length = 0;
  rmSync(machines[1]!.near.location, { recursive: true });
  t.deepEqual(await g!(1), [1]);
  t.deepEqual(far.asked, []);
  t.is(machines[1]!.permacache("memory")((x: number) => [x])(1)[0], 1);
});

test("what was cleared while it was found far is not put near", async (t) => {
  const { far, near, permacache } = prepare(t);
  const f = permacache("filled")(async (x: number) => [x]);
  await f(1);
  await near.clear("filled/=1", true);
  let go!: () => void;
  far.arrival = () => new Promise<void>((done) => (go = done));
  const looking = f.has(1);
  while (!go) await yieldToEventLoop();
  await f.clear();
  far.arrival = yieldToEventLoop;
  go();
  t.false(await looking);
  t.is(entriesIn(near).length, 0);
  t.false(await f.has(1));
});

test("what was cleared while it is put near does not stay there", async (t) => {
  const { far, near, permacache } = prepare(t);
  const f = permacache("filled/late")(async (x: number) => [x]);
  await f(1);
  await near.clear("filled/late/=1", true);
  const { publish } = near;
  let clearing: Promise<number> | undefined;
  near.publish = function (this: typeof near, ...args: Parameters<typeof publish>) {
    clearing = f.clear();
    return publish.apply(this, args);
  };
  t.true(await f.has(1)); // it was, when it was asked
  await clearing;
  t.is(entriesIn(near).length, 0);
  t.is(far.asked.filter((name) => name === "clear").length, 1);
  t.false(await f.has(1));
});

// ---- what the sides can do ----

/** An engine with the six members, and what is given of the rest. */
function plain(inner: Engine, ...capabilities: (keyof Engine)[]): Engine {
  const { sync, location } = inner;
  return {
    sync,
    location,
    read: (...args) => inner.read(...args),
    mark: (folder) => inner.mark(folder),
    publish: (...args) => inner.publish(...args),
    remove: (...args) => inner.remove(...args),
    clear: (...args) => inner.clear(...args),
    close: () => inner.close(),
    ...Object.fromEntries(capabilities.map((name) => [name, inner[name]])),
  };
}

for (const sides of ["both", "near", "far"] as const) {
  test.serial(`prune removes in both what either has, and tells of it once, as it goes: ${sides}`, async (t) => {
    const [near, far] = [files(), files()];
    const store = Store.over(before(near, remote(far).store));
    const [folder, other] = [store.folder({ path: "a" }), store.folder({ path: "b" })];
    for (const each of [folder, other]) for (const n of [1, 2]) await put(each, digestOf(n), "x");
    if (sides === "near") await far.clear("a/=1", false);
    if (sides === "far") await near.clear("a/=1", false);
    const told: unknown[] = [];
    const gone = await onDay(1, () => store.prune({ maxAge: 1 }, ({ done }) => told.push(done)));
    t.deepEqual(gone.map(({ path, limit }) => `${path} ${limit}`).sort(), [
      "a maxAge",
      "a maxAge",
      "b maxAge",
      "b maxAge",
    ]);
    t.deepEqual(told, [0, 1, 2, 3, 4]);
    for (const each of [near, far]) t.deepEqual(entriesIn(each), []);
  });
}

test.serial("limits are those that near keeps; far keeps what it can of them", async (t) => {
  const [near, far] = [files(), files()];
  const ageOnly = { ...plain(far, "listing"), ageOnly: "Ask the server." };
  const store = Store.over(before(near, ageOnly));
  t.notThrows(() => store.assertLimits({ maxEntries: 1, maxAge: 1 }));
  const folder = store.folder({ path: "a" });
  for (const n of [1, 2, 3]) await put(folder, digestOf(n), "x");
  t.is((await store.prune({ maxEntries: 1 })).length, 2);
  t.deepEqual([entriesIn(near).length, entriesIn(far).length], [1, 3]);
  t.is((await onDay(1, () => store.prune({ maxEntries: 1, maxAge: 1 }))).length, 3);
  t.deepEqual([entriesIn(near).length, entriesIn(far).length], [0, 0]);

  const refused = { instanceOf: OptionError, message: /maxEntries. Ask the server/ };
  t.throws(() => Store.over(before(ageOnly, near)).assertLimits({ maxEntries: 1 }), refused);
  const unlisted = { instanceOf: OptionError, message: /maxIdle. Use maxAge, or another near store/ };
  t.throws(() => Store.over(before(plain(far), near)).assertLimits({ maxIdle: 1 }), unlisted);
  t.notThrows(() => Store.over(before(plain(far), near)).assertLimits({ maxAge: 1 }));
});

test("an engine without usage keeps its limits by a listing, for sync functions as well", async (t) => {
  const [near, far] = [files(), files()];
  const { permacache, close }: Cache = createCache({
    store: before(plain(near, "listing", "stamps"), plain(far, "listing")) as never,
    maxEntries: 10,
  });
  const f = permacache("listed/async")(async (x: number) => x);
  const g = permacache("listed/sync")((x: number) => x);
  for (let i = 0; i < 30; i++) {
    await f(i);
    g(i);
  }
  await close();
  for (const each of [near, far]) t.true(entriesIn(each).length <= 11);
});

test("each copy is verified, also of an entry that both have", async (t) => {
  const [near, middle, far] = [files(), files(), files()];
  const cache = createCache({ store: before(near, before(middle, remote(far).store)) as never });
  const f = cache.permacache("copies")(async (x: number) => [x]);
  await f(1);
  t.deepEqual(await cache.verify(), { checked: 3, damaged: [], removed: 0 });
  const [file] = entriesIn(middle);
  writeFileSync(file!, readFileSync(file!).fill(7, 20));
  t.deepEqual(await cache.verify({ fix: true }), { checked: 3, damaged: [file!], removed: 1 });
  t.deepEqual(
    [near, middle, far].map((each) => entriesIn(each).length),
    [1, 0, 1],
  );
  const listed = await all(cache.list());
  t.deepEqual(
    listed.map(({ entries }) => entries),
    [1],
  );
});

test("another source of the same function is found near", async (t) => {
  const store = Store.over(before(files(), remote(files()).store));
  const [one, two] = ["a", "b"].map((digit) => store.folder({ path: "source", source: digit.repeat(64) }));
  await put(one!, digestOf(1), "x");
  t.true(two!.hasOfOtherSource({ digest: digestOf(1) }));
  t.false(two!.hasOfOtherSource({ digest: digestOf(2) }));
  t.is(await textOf(two!, digestOf(1)), undefined);
  t.is((await all(store.folders("source"))).length, 1);
});

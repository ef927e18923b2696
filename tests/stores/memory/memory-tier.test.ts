import { readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { performance, run } from "../../../src/flow.js";
import { createCache, type MemoryOptions, OptionError, tieredStore } from "../../../src/index.js";
import { onDay } from "../../../src/stores/contract/clock.js";
import type { Engine } from "../../../src/stores/engine.js";
import { FileEngine } from "../../../src/stores/file/file-engine.js";
import type { Folder } from "../../../src/stores/folder.js";
import { MemoryTier } from "../../../src/stores/memory/memory-tier.js";
import { Store } from "../../../src/stores/store.js";
import { newDirectory as newPlace } from "../../files/directory.js";
import { filesIn, later, newDirectory } from "../../place.js";
import { testEngine } from "../engine-suite.js";
import { all, copyOf, digestOf, nameOf, put, textOf } from "../entries.js";
import { fullEngine } from "../map-engine.full.js";
import { mapEngine } from "../map-engine.js";
import { remote } from "../remote-store.js";

const HUGE = 1_000_000_000;
const LONG = 1_000_000;

/** Whatever the engine can do. */
async function testOver(name: string, maxBytes: number, trust: number, engine: () => Engine): Promise<void> {
  await testEngine(name, () => ({ engine: new MemoryTier(maxBytes, trust).over(engine()) }));
}

await testEngine("files, held in memory", () => {
  const directory = join(newPlace(), "store");
  const over = (options = {}) => new MemoryTier(HUGE, 0).over(FileEngine.at(directory, options));
  return { engine: over(), again: () => over({ assertUsable: () => {} }) };
});
await testOver("files, trusted in memory", HUGE, LONG, () => FileEngine.at(join(newPlace(), "store")));
await testOver("an engine in a memory with room for little", 100, LONG, fullEngine);
await testOver("a remote engine, trusted in memory", HUGE, LONG, () => remote(fullEngine()).store);
await testOver("six members, trusted in memory", HUGE, LONG, mapEngineOfSix);

/** A folder that tells how often it was read. */
function prepare(maxBytes = HUGE, trust = 0) {
  const directory = newPlace();
  const engine = FileEngine.at(directory);
  const folder = Store.over(engine).folder({ path: "a" });
  const reads: string[] = [];
  const { read } = engine;
  engine.read = (...args) => {
    reads.push(args[1].digest);
    return read.apply(engine, args);
  };
  const held = Store.over(new MemoryTier(maxBytes, trust).over(engine)).folder({ path: "a" });
  const file = join(directory, "a/=1/01", `${digestOf(1).slice(2)}.entry`);
  return { directory, folder, held, reads, file };
}

/** The times of files are too young to be relied on, otherwise. */
const readLater = (folder: Folder, digest = digestOf(1)) => later(1_000, () => String(folder.read({ digest }, false)));

test("a hit is read once, as long as the file is the same", async (t) => {
  const { folder, held, reads } = prepare();
  await put(folder, digestOf(1), "x");
  for (let i = 0; i < 5; i++) t.is(readLater(held), "x");
  t.is(reads.length, 1 + 1); // the first shows that no link is on the way
});

test("what is held is not the buffer of the read", async (t) => {
  const { folder, held } = prepare();
  await put(folder, digestOf(1), "one");
  await put(folder, digestOf(2), "two");
  for (let i = 0; i < 3; i++) t.is(readLater(held), "one");
  folder.read(nameOf(2), false);
  t.is(readLater(held), "one");
});

test("a file that was changed just now is read each time", async (t) => {
  const { folder, held, reads } = prepare();
  await put(folder, digestOf(1), "x");
  const { ctimeMs } = statSync(prepareFile(t, folder));
  const { now } = Date;
  Date.now = () => Math.floor(ctimeMs) + 40; // within 50 ms
  try {
    for (let i = 0; i < 5; i++) t.is(String(held.read(nameOf(1), false)), "x");
  } finally {
    Date.now = now;
  }
  t.is(reads.length, 5);
});

function prepareFile(t: ExecutionContext, { location }: Folder): string {
  const [file] = filesIn(location).filter((each) => each.endsWith(".entry"));
  t.truthy(file);
  return file!;
}

const CHANGES: Record<string, (file: string, folder: Folder) => unknown> = {
  replaced: (_file, folder) => put(folder, digestOf(1), "y"),
  "replaced by one of the same size and times": (file) => {
    const { atime, mtime } = statSync(file);
    writeFileSync(`${file}.new`, "y");
    utimesSync(`${file}.new`, atime, mtime);
    renameSync(`${file}.new`, file);
  },
  removed: (_file, folder) => folder.remove(nameOf(1)),
  "removed by hand": (file) => rmSync(file),
  cleared: (_file, folder) => folder.clear(false),
  evicted: (_file, folder) => later(2_000, () => run(folder.evict({ maxAge: 1 }, {}))),
};
for (const [what, change] of Object.entries(CHANGES)) {
  test.serial(`what another process has ${what} is seen by the next hit`, async (t) => {
    const { folder, held, file } = prepare();
    await put(folder, digestOf(1), "x");
    for (let i = 0; i < 3; i++) t.is(readLater(held), "x");
    await change(file, folder);
    t.is(readLater(held), what.startsWith("replaced") ? "y" : "undefined");
    t.is(readLater(held), what.startsWith("replaced") ? "y" : "undefined");
  });

  test.serial(`and is not while it is trusted: ${what}`, async (t) => {
    const { folder, held, file } = prepare(HUGE, LONG);
    await put(folder, digestOf(1), "x");
    t.is(readLater(held), "x");
    await change(file, folder);
    t.is(readLater(held), "x");
  });
}

test.serial("the trust ends after its time, and each look begins it anew", async (t) => {
  const { folder, held, reads } = prepare(HUGE, 1_000);
  const { now } = performance;
  let time = 5_000;
  performance.now = () => time;
  try {
    await put(folder, digestOf(1), "x");
    t.is(readLater(held), "x"); // no link is on the way
    held.forget(digestOf(1));
    t.is(readLater(held), "x");
    await put(folder, digestOf(1), "y");
    time += 999;
    t.is(readLater(held), "x");
    time += 2;
    t.is(readLater(held), "y");
    const count = reads.length;
    time += 1_001;
    t.is(readLater(held), "y"); // a look, not a read
    time += 999;
    t.is(readLater(held), "y");
    t.is(reads.length, count);
  } finally {
    performance.now = now;
  }
});

const OWN: Record<string, (folder: Folder, store: Store) => unknown> = {
  publish: (folder) => put(folder, digestOf(1), "y"),
  remove: (folder) => folder.remove(nameOf(1)),
  clear: (folder) => folder.clear(false),
  "prune of the folder": (folder) => later(2_000, () => run(folder.evict({ maxAge: 1 }, {}))),
  retain: (folder) => later(2_000, () => run(folder.evict({ maxAge: 1 }, {}, 1))),
  "prune of the store": (_folder, store) => onDay(1, () => store.prune({ maxAge: 1 })),
  "removal of what was listed": async (folder) => {
    for (const listed of (await all(folder.list(false))).flat()) await listed.remove();
  },
  "removal of what was verified": async (folder) => {
    for (const listed of (await all(folder.everyEntry())).flat()) await listed.remove();
  },
};
for (const [what, change] of Object.entries(OWN)) {
  test.serial(`what this process does itself is never hidden by trust: ${what}`, async (t) => {
    const store = Store.over(new MemoryTier(HUGE, LONG).over(FileEngine.at(newPlace())));
    const held = store.folder({ path: "a" });
    await put(held, digestOf(1), "x");
    t.is(await textOf(held, digestOf(1)), "x");
    await change(held, store);
    t.is(await textOf(held, digestOf(1)), what === "publish" ? "y" : undefined);
  });
}

test("what was removed while it was read is not held", async (t) => {
  const far = remote(FileEngine.at(newPlace()));
  const held = Store.over(new MemoryTier(HUGE, LONG).over(far.store)).folder({ path: "a" });
  await put(held, digestOf(1), "x");
  held.forget(digestOf(1));
  const reading = copyOf(held, digestOf(1));
  await held.remove(nameOf(1));
  await reading;
  t.is(await textOf(held, digestOf(1)), undefined);
});

test("who locks a key is told what others have made of it", async (t) => {
  const { folder, held } = prepare(HUGE, LONG);
  await put(held, digestOf(1), "x");
  await put(folder, digestOf(1), "y");
  t.is(await textOf(held, digestOf(1)), "x");
  (await held.tryLock(digestOf(1)))!.release();
  t.is(await textOf(held, digestOf(1)), "y");
});

test("the bytes are bounded: the least recently used go, and what is too large does not come in", async (t) => {
  const { folder, held, reads } = prepare(1_000, LONG);
  const read = async (n: number) => {
    const before = reads.length;
    await copyOf(held, digestOf(n));
    return reads.length > before ? "read" : "held";
  };
  for (let n = 1; n <= 5; n++) await put(folder, digestOf(n), "x".repeat(250));
  await put(folder, digestOf(6), "x".repeat(251));
  for (let n = 1; n <= 4; n++) t.is(await read(n), "read");
  t.is(await read(1), "held");
  t.is(await read(5), "read"); // in the place of 2
  t.is(await read(1), "held");
  t.is(await read(2), "read");
  t.is(await read(6), "read");
  t.is(await read(6), "read");
});

test("before the same engine there is the same one; what it does not change is passed on as it is", (t) => {
  const tier = new MemoryTier(HUGE, 0);
  const engine = FileEngine.at(newPlace());
  const over = tier.over(engine);
  t.is(tier.over(engine), over);
  t.not(new MemoryTier(HUGE, 0).over(engine), over);
  t.is(over.contents, engine.contents);
  t.deepEqual([over.sync, over.location, over.pieces, over.forSync], [true, engine.location, undefined, undefined]);
  const { listing, locks, contents, usage, stamps } = tier.over(mapEngineOfSix());
  t.deepEqual([listing, locks, contents, usage, stamps], [undefined, undefined, undefined, undefined, undefined]);
});

for (const isSync of [false, true]) {
  test.serial(`memory before tiers sees what verification removes from either: ${isSync}`, async (t) => {
    const [near, far] = [FileEngine.at(newPlace()), FileEngine.at(newPlace())];
    const both = tieredStore(near, remote(far).store) as Engine;
    const over = new MemoryTier(HUGE, LONG).over(both);
    const store = Store.over(isSync ? over.forSync! : over);
    const folder = store.folder({ path: "a" });
    await put(folder, digestOf(1), "x");
    await both.close();
    t.is(await textOf(folder, digestOf(1)), "x");
    const found = (await all(folder.everyEntry())).flat();
    t.is(found.length, isSync ? 1 : 2);
    for (const listed of found) await listed.remove();
    t.is(await textOf(folder, digestOf(1)), undefined);
  });
}

function mapEngineOfSix(): Engine {
  const { listing: _l, locks: _k, ...members } = mapEngine();
  return members;
}

// ---- as an option ----

const WRONG: [string, object, RegExp][] = [
  ["no object", { memory: true }, /must be \{ maxBytes/],
  ["no size", { memory: {} }, /maxBytes of more than 0/],
  ["a size that is none", { memory: { maxBytes: "much" } }, /maxBytes/],
  ["no trust", { memory: { maxBytes: 1, trust: 0 } }, /trust/],
  ["what there is not", { memory: { maxBytes: 1, max: 3 } }, /has no "max"/],
];
for (const [what, options, message] of WRONG) {
  test(`memory is refused: ${what}`, (t) => {
    t.throws(() => createCache(options as never), { instanceOf: OptionError, message });
  });
}

test("memory without trust is refused on a store that cannot tell changes", (t) => {
  const { store } = remote(FileEngine.at(newPlace()));
  const create = (memory: MemoryOptions) => createCache({ store, memory });
  t.throws(() => create({ maxBytes: 1 }), { instanceOf: OptionError, message: /remote.*trust: "1s"/ });
  t.notThrows(() => create({ maxBytes: 1, trust: "1s" }));
});

for (const trust of [undefined, "1h"]) {
  test.serial(`hits from memory are fresh copies, whatever they hold: ${trust ?? "checked"}`, (t) => {
    const { permacache } = createCache({ dir: newDirectory(t), memory: { maxBytes: "10MB", trust } });
    const value = () => ({ list: [1, 2], bytes: new Uint8Array([1, 2, 3]), map: new Map([[1, { a: 1 }]]), text: "x" });
    const own = { name: "own", encode: (bytes: Uint8Array) => bytes, decode: (bytes: Uint8Array) => bytes };
    const plain = permacache("fresh/plain")(() => ({ list: [1, 2] }));
    const clone = permacache("fresh/clone")(value);
    const coded = permacache("fresh/own", { codec: own })(() => new Uint8Array([1, 2, 3]));
    for (let i = 0; i < 4; i++) {
      later(1_000, () => {
        const hit = plain();
        t.deepEqual(hit, { list: [1, 2] });
        hit.list.push(3);
        const all = clone();
        t.deepEqual(all, value());
        all.bytes[0] = 9;
        all.map.get(1)!.a = 9;
        const bytes = coded();
        t.deepEqual([...bytes], [1, 2, 3]);
        bytes.fill(0);
        t.is(all.bytes.buffer.byteLength, 3);
      });
    }
    t.is(plain.stats().misses + clone.stats().misses + coded.stats().misses, 3);
  });

  test.serial(`expired, invalid, deleted and damaged entries are misses: ${trust ?? "checked"}`, (t) => {
    const dir = newDirectory(t);
    const { permacache } = createCache({ dir, memory: { maxBytes: "10MB", trust } });
    let isValid = true;
    let runs = 0;
    const f = permacache("misses", { maxAge: "1h", validate: () => isValid })(() => ++runs);
    const call = (time = 1_000) => later(time, f);
    t.deepEqual([call(), call(), call()], [1, 1, 1]);
    isValid = false;
    t.false(f.has());
    isValid = true;
    t.true(f.has());
    t.is(call(2 * 3_600_000), 2);
    t.true(f.delete());
    t.is(call(), 3);
    t.is(f.clear(), 1);
    t.is(call(), 4);
    const [file] = filesIn(dir);
    const bytes = readFileSync(file!);
    bytes[bytes.length - 1]! ^= 1;
    writeFileSync(file!, bytes);
    if (trust === undefined) t.is(call(), 5);
    else t.is(call(), 4);
  });
}

test("limits count the hits from memory as uses", (t) => {
  const { permacache } = createCache({ dir: newDirectory(t), maxEntries: 2, memory: { maxBytes: "1MB", trust: "1h" } });
  const f = permacache("used")((x: number) => x);
  f(1);
  f(2);
  later(10_000, () => f(1));
  later(20_000, () => f(3));
  t.deepEqual(
    [1, 2, 3].map((x) => f.has(x)),
    [true, false, true],
  );
});

test("close lets go of the trust, and the cache works on", async (t) => {
  const cache = createCache({ dir: newDirectory(t), memory: { maxBytes: "1MB", trust: "1h" } });
  const f = cache.permacache("closed")((x: number) => x);
  f(1);
  await cache.close();
  t.is(f(1), 1);
  t.is(f.stats().hits, 1);
});

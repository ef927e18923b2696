import { unlinkSync, writeFileSync } from "node:fs";
import test, { type ExecutionContext } from "ava";
import { folderNames, type Identity } from "../../src/entry/identity.js";
import { OptionError, StoreError } from "../../src/errors.js";
import type { WorkProgress } from "../../src/events.js";
import { run } from "../../src/flow.js";
import { DAY, onDay } from "../../src/stores/contract/clock.js";
import type { Engine } from "../../src/stores/engine.js";
import { ClearedError, type Folder } from "../../src/stores/folder.js";
import { Store } from "../../src/stores/store.js";
import { fullEngine } from "./map-engine.full.js";
import { asyncOf, mapEngine } from "./map-engine.js";

/** What is built on top of engines, over the engine of docs/engines.md: with a memory for uses and without, sync and async. */
const engines: Record<string, () => Engine> = {
  "map engine": mapEngine,
  "async map engine": () => asyncOf(mapEngine()),
  "map engine with usage": withUsage,
  "async map engine with usage": () => asyncOf(withUsage()),
};

function withUsage(): Engine {
  const { contents, stamps, pieces, ...engine } = fullEngine();
  return engine;
}

const IDENTITY: Identity = { path: "contract/a" };
const OTHERS: readonly Identity[] = [
  { path: "contract/A" },
  { path: "contract" },
  { path: "contract/a/b" },
  { path: "contract/a/3f" },
  { path: "contract/a", version: "" },
  { path: "contract/a", version: "2" },
  { path: "contract/a", version: "V" },
  { path: "contract/a", version: "v" },
  { path: "contract/a", source: "ab".repeat(32) },
];

function digestOf(n: number): string {
  return n.toString(16).padStart(2, "0").repeat(20);
}

async function all<T>(items: Iterable<T> | AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const each of items) found.push(each);
  return found;
}

async function put(folder: Folder, n: number, content: string | Buffer = `${n}`): Promise<boolean> {
  const how = { mark: await folder.mark(), isCurrent: () => true, mayWait: true, isDurable: false };
  return folder.publish({ digest: digestOf(n) }, [Buffer.from(content)], how);
}

async function textsOf(folder: Folder): Promise<string[]> {
  return (await all(folder.list())).flat().map((listed) => String(listed.read()));
}

for (const [name, create] of Object.entries(engines)) {
  const behaves = (behaviour: string, check: (t: ExecutionContext, folder: Folder, store: Store) => unknown) =>
    test.serial(`${name}: ${behaviour}`, async (t) => {
      const store = Store.over(create());
      await check(t, store.folder(IDENTITY), store);
    });

  behaves("a folder is the same object for the same identity", (t, folder, store) => {
    t.is(store.folder({ ...IDENTITY }), folder);
    t.is(store.folder({ ...IDENTITY, version: undefined, source: undefined }), folder);
    for (const other of OTHERS) t.not(store.folder(other), folder);
    t.is(Store.over(store.engine), store);
  });

  behaves("a new store has no folders, and nothing to remove", async (t, folder, store) => {
    await folder.read({ digest: digestOf(1) }, true);
    t.deepEqual(await all(store.folders()), []);
    t.deepEqual(await store.prune({ maxAge: 1, maxIdle: 1, maxEntries: 1, maxBytes: 1 }), []);
    t.deepEqual(await all(store.folders()), []);
  });

  behaves("the folders are found again, by the same objects, in the order of their paths", async (t, _, store) => {
    const others = ["contract-a", "contract.a/z", "Z", "con"].map((path): Identity => ({ path }));
    const identities = [IDENTITY, ...OTHERS, ...others];
    const shuffled = identities.map((_, i) => identities[(i * 5 + 3) % identities.length]!);
    for (const identity of shuffled) await put(store.folder(identity), 1);
    const found = await all(store.folders());
    t.is(found.length, identities.length);
    for (const identity of identities) {
      const same = found.filter(({ folder }) => folder === store.folder(identity));
      t.deepEqual(
        same.map(({ path, name: last }) => [path, last]),
        [[identity.path, folderNames(identity).at(-1)]],
      );
      t.is(store.folder(identity).path, identity.path);
    }
    const paths = found.map(({ path }) => path);
    t.deepEqual(paths, [...paths].sort());
  });

  behaves("the folders of one path are all its versions and sources, and no other", async (t, _, store) => {
    for (const identity of [IDENTITY, ...OTHERS]) await put(store.folder(identity), 1);
    const ofPath = [IDENTITY, ...OTHERS].filter(({ path }) => path === IDENTITY.path);
    t.deepEqual(
      (await all(store.folders(IDENTITY.path))).map((each) => each.name),
      ofPath.map((each) => folderNames(each).at(-1)!).sort(),
    );
    t.deepEqual(
      (await all(store.folders("contract"))).map(({ path }) => path),
      ["contract"],
    );
    t.deepEqual(await all(store.folders("contract/none")), []);
    t.deepEqual(await all(store.folders("con")), []);
  });

  behaves("folders that are no folders of ours are passed over", async (t, _, store) => {
    for (const strange of ["a", "=1", "a/=2", "a//=1", "A b/=1", "a/=1=x"]) await store.engine.mark(strange);
    await put(store.folder({ path: "a" }), 1);
    t.deepEqual(
      (await all(store.folders())).map(({ folder }) => folder.name),
      ["a/=1"],
    );
  });

  behaves("sizes add up to what was written, without a read", async (t, folder, store) => {
    const before = Date.now();
    for (let n = 0; n < 20; n++) await put(folder, n, Buffer.alloc(n));
    await put(store.folder(OTHERS[0]!), 1, "other");
    await folder.remove({ digest: digestOf(3) });
    const sizes = await all(folder.sizes());
    const total = (of: "entries" | "bytes") => sizes.reduce((sum, each) => sum + each[of], 0);
    t.is(total("entries"), 19);
    t.is(total("bytes"), 190 - 3);
    const newest = Math.max(...sizes.map((each) => each.newest));
    t.true(newest >= before && newest <= Date.now());
    t.deepEqual(await all(store.folder({ path: "none" }).sizes()), []);
  });

  behaves("for verification, entries tell their places, and can be removed", async (t, folder) => {
    for (let n = 0; n < 5; n++) await put(folder, n);
    const seen: string[] = [];
    for (const listed of (await all(folder.everyEntry())).flat()) {
      seen.push(`${listed.digest} ${listed.read()}`);
      t.true(listed.location.length > 0);
      if (listed.digest === digestOf(3)) await listed.remove();
    }
    t.deepEqual(
      seen,
      [0, 1, 2, 3, 4].map((n) => `${digestOf(n)} ${n}`),
    );
    t.deepEqual(await textsOf(folder), ["0", "1", "2", "4"]);
    t.deepEqual([await all(folder.everyContent()), await all(folder.strays())], [[], []]);
  });

  behaves("temporary files are each at a place of their own", (t, _, store) => {
    const paths = [store.temporary(), store.temporary()];
    t.not(paths[0], paths[1]);
    for (const path of paths) {
      writeFileSync(path, "x", { flag: "wx" });
      unlinkSync(path);
    }
  });

  // ---- limits ----

  behaves("prune removes the least recently used of all paths", async (t, folder, store) => {
    const other = store.folder({ path: "other", version: "2" });
    const read = async () => [...(await textsOf(folder)), ...(await textsOf(other))].sort();
    await onDay(1, () => put(folder, 1, "1".repeat(10)));
    await onDay(2, () => put(other, 2, "2".repeat(10)));
    await onDay(3, () => put(folder, 3, "3".repeat(10)));
    const limits = { maxEntries: 3, maxBytes: 30, maxAge: 9 * DAY, maxIdle: 9 * DAY };
    t.deepEqual(await onDay(3, () => store.prune({})), []);
    t.deepEqual(await onDay(3, () => store.prune(limits)), []);
    t.is((await read()).length, 3);
    const told = (gone: Awaited<ReturnType<Store["prune"]>>) => gone.map(({ path, limit }) => [path, limit]);
    t.deepEqual(told(await onDay(3, () => store.prune({ maxEntries: 2 }))), [[IDENTITY.path, "maxEntries"]]);
    t.deepEqual(await read(), ["2".repeat(10), "3".repeat(10)]);
    t.deepEqual(told(await onDay(3, () => store.prune({ maxBytes: 19 }))), [["other", "maxBytes"]]);
    t.deepEqual(await read(), ["3".repeat(10)]);
  });

  for (const limit of ["maxAge", "maxIdle"] as const) {
    behaves(`prune removes what is beyond ${limit}, of all paths`, async (t, folder, store) => {
      const other = store.folder({ path: "other", version: "2" });
      await onDay(1, () => put(folder, 1));
      await onDay(1, () => put(other, 2));
      await onDay(5, () => put(folder, 3));
      const told: WorkProgress[] = [];
      const gone = await onDay(6, () => store.prune({ [limit]: 3 * DAY }, (progress) => told.push(progress)));
      t.deepEqual(gone.map(({ path }) => path).sort(), [IDENTITY.path, "other"]);
      t.deepEqual(
        told,
        [0, 1, 2].map((done) => ({ done, total: 2 })),
      );
      t.deepEqual(await textsOf(folder), ["3"]);
      t.deepEqual(await textsOf(other), []);
    });
  }

  behaves("an eviction counts the versions of a path together, and then all paths", async (t, folder, store) => {
    const version = store.folder({ ...IDENTITY, version: "2" });
    const others = ["contract", "contract/a/b", "other"].map((path) => store.folder({ path }));
    for (const [i, each] of [...others, folder, version].entries()) await onDay(i, () => put(each, 1, `${i}`));
    await onDay(9, async () => {
      t.deepEqual(await run(folder.evict({ maxEntries: 2 }, { maxEntries: 5 })), []);
      const gone = await run(folder.evict({ maxEntries: 1 }, { maxEntries: 3 }));
      t.deepEqual(
        gone.map(({ path }) => path),
        [IDENTITY.path, "contract"],
      );
    });
    t.deepEqual(await textsOf(folder), []);
    t.deepEqual(await textsOf(version), ["4"]);
    t.deepEqual(await Promise.all(others.map(textsOf)), [[], ["1"], ["2"]]);
  });

  behaves("after each write what is beyond the limits goes", async (t, folder) => {
    for (let n = 0; n < 200; n++) {
      await put(folder, n, "x");
      await run(folder.evict({ maxEntries: 40 }, { maxBytes: 1_000 }, 1));
      const { length } = await textsOf(folder);
      t.true(length <= 40, `${length} entries`);
    }
  });

  behaves("after a close the store is used again as before", async (t, folder, store) => {
    await put(folder, 1);
    await store.close();
    await store.close();
    t.true(await put(folder, 2));
    t.deepEqual(await textsOf(folder), ["1", "2"]);
  });
}

// ---- where an engine leaves something out ----

test("without a memory for uses, a write costs a listing only now and then", async (t) => {
  const engine = mapEngine();
  let listings = 0;
  const list: NonNullable<Engine["listing"]>["list"] = (...args) => {
    listings++;
    return engine.listing!.list(...args);
  };
  const folder = Store.over({ ...engine, listing: { ...engine.listing!, list } }).folder(IDENTITY);
  for (let n = 0; n < 100; n++) {
    await put(folder, n, "x");
    await run(folder.evict({ maxEntries: 100, maxBytes: 1_000 }, {}, 1));
    await run(folder.evict({ maxAge: 1_000 }, {}, 1)); // those who read judge ages
  }
  t.true(listings > 1 && listings <= 20, `${listings} listings`);
});

test("an engine that leaves sizes to its server has maxAge alone", async (t) => {
  const ageOnly = "Limit the server";
  for (const engine of [mapEngine(), asyncOf(mapEngine())]) {
    const store = Store.over({ ...engine, ageOnly });
    const folder = store.folder(IDENTITY);
    await onDay(-5, () => put(folder, 1));
    for (const limit of ["maxIdle", "maxEntries", "maxBytes"]) {
      const expected = { instanceOf: OptionError, message: `memory keeps no ${limit}. ${ageOnly}` };
      t.throws(() => store.assertLimits({ [limit]: 1 }), expected);
      await t.throwsAsync(async () => store.prune({ [limit]: 1 }), expected);
      await t.throwsAsync(async () => run(folder.evict({ [limit]: 1 }, {})), expected);
      await t.throwsAsync(async () => run(folder.evict({ [limit]: 1 }, {}, 1)), expected);
    }
    t.deepEqual(await textsOf(folder), ["1"]);
    t.is((await store.prune({ maxAge: DAY })).length, 1);
    t.deepEqual(await textsOf(folder), []);
  }
});

test("an engine that cannot list keeps maxAge alone, and shows nothing", async (t) => {
  const { listing, ...engine } = mapEngine();
  const store = Store.over(engine);
  const folder = store.folder(IDENTITY);
  await put(folder, 1);
  t.deepEqual([await all(store.folders()), await all(folder.list()), await all(folder.sizes())], [[], [], []]);
  const message = "memory cannot list its entries, so it keeps no maxBytes. Use maxAge, or another store.";
  t.throws(() => store.assertLimits({ maxAge: 1, maxBytes: 1 }), { instanceOf: OptionError, message });
  t.notThrows(() => store.assertLimits({ maxAge: 1 }));
  t.deepEqual(await store.prune({ maxAge: 1 }), []);
  t.false(store.folder(OTHERS.at(-1)!).hasOfOtherSource({ digest: digestOf(1) }));
  t.not(listing, undefined);
});

test("an engine without locks locks nobody out", async (t) => {
  const { locks, ...engine } = mapEngine();
  const [without, store] = [Store.over(engine), Store.over({ ...engine, locks })];
  t.deepEqual([without.lock, store.lock], ["none", "memory"]);
  for (const _ of [1, 2]) {
    t.not(await without.folder(IDENTITY).tryLock(digestOf(1)), undefined);
    t.not(await without.folder(IDENTITY).tryLockPath(digestOf(1), true), undefined);
  }
  t.is(without.folder(IDENTITY).lockHolder(digestOf(1)), undefined);
  t.is(without.folder(IDENTITY).pathHolder(digestOf(1)), undefined);
});

test("the locks of keys are those of a folder, the locks of paths those of the store", async (t) => {
  const store = Store.over(mapEngine());
  const [folder, other] = [store.folder(IDENTITY), store.folder(OTHERS[0]!)];
  const key = await folder.tryLock(digestOf(1));
  t.is(await folder.tryLock(digestOf(1)), undefined);
  t.is(folder.lockHolder(digestOf(1)), "this process");
  t.not(await other.tryLock(digestOf(1)), undefined);
  const path = await folder.tryLockPath(digestOf(1), true);
  t.is(await other.tryLockPath(digestOf(1), true), undefined);
  t.is(other.pathHolder(digestOf(1)), "this process");
  key!.release();
  path!.release();
  t.not(await folder.tryLock(digestOf(1)), undefined);
  t.not(await other.tryLockPath(digestOf(1), true), undefined);
});

test("contents: an engine that keeps none says so, and a cleared folder is told from a failure", async (t) => {
  const file = { path: "out", sha256: "", stamp: { dev: "", ino: "", size: 0, mtime: "", ctime: "", mode: 0 } };
  const keep = async (folder: Folder) => run(folder.keep(digestOf(1), file, true));
  const without = Store.over(mapEngine()).folder(IDENTITY);
  const none = { instanceOf: StoreError, message: "memory keeps no contents of out files" };
  await t.throwsAsync(async () => keep(without), none);
  t.is(await without.keptFile(digestOf(1), ""), "");
  t.is(await without.dropKept(digestOf(1), []), undefined);
  const engine = fullEngine();
  t.teardown(engine.removeFiles);
  for (const each of [engine, asyncOf(engine)]) {
    const folder = Store.over(each).folder(IDENTITY);
    const cleared = { instanceOf: ClearedError, message: "memory/contract/a/=1 was cleared meanwhile" };
    await t.throwsAsync(async () => keep(folder), cleared);
  }
});

test("an entry under another source of the same function and version is told", async (t) => {
  const store = Store.over(mapEngine());
  const [a, b] = ["aa".repeat(32), "bb".repeat(32)] as const;
  const has = (identity: Identity) => store.folder(identity).hasOfOtherSource({ digest: digestOf(1) });
  await put(store.folder({ ...IDENTITY, source: a }), 1);
  t.true(has({ ...IDENTITY, source: b }));
  t.false(has({ ...IDENTITY, source: a }));
  t.false(has(IDENTITY));
  t.false(has({ ...IDENTITY, version: "2", source: b }));
  t.false(has({ path: "contract/b", source: b }));
  t.false(store.folder({ ...IDENTITY, source: b }).hasOfOtherSource({ digest: digestOf(2) }));
  t.false(
    Store.over(asyncOf(store.engine))
      .folder({ ...IDENTITY, source: b })
      .hasOfOtherSource({ digest: digestOf(1) }),
  );
});

test("bytes of any kind are given as buffers, in pieces or whole", async (t) => {
  const engine = fullEngine();
  const bytes = async (read: ReturnType<Folder["readPieces"]>) => {
    const found = await read;
    t.true(Buffer.isBuffer(found));
    return String(found);
  };
  for (const each of [engine, asyncOf(engine)]) {
    const read = async (...args: Parameters<Engine["read"]>) => {
      const found = await each.read(...args);
      return found && new Uint8Array(found);
    };
    const pieces = { read: async () => ["a", "b"].map((text) => new TextEncoder().encode(text)) };
    const folder = Store.over({ ...each, read, pieces: undefined }).folder(IDENTITY);
    await put(folder, 1, "text");
    t.is(await bytes(folder.read({ digest: digestOf(1) }, true)), "text");
    t.is(await bytes(folder.readPieces({ digest: digestOf(1) }, true)), "text");
    t.is(await folder.readPieces({ digest: digestOf(2) }, true), undefined);
    const found = await Store.over({ ...each, pieces })
      .folder(IDENTITY)
      .readPieces({ digest: digestOf(1) }, true);
    t.deepEqual(found, [Buffer.from("a"), Buffer.from("b")]);
  }
});

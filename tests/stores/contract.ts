import { unlinkSync, writeFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import test, { type ExecutionContext } from "ava";
import fc from "fast-check";
import { folderNames, type Identity } from "../../src/entry/identity.js";
import type { WorkProgress } from "../../src/events.js";
import { type Flow, isThenable, run } from "../../src/flow.js";
import type { Folder, Mark, Store } from "../../src/stores/store.js";
import { DAY } from "../place.js";

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

export function digestOf(n: number): string {
  return n
    .toString(16)
    .padStart(2, "0")
    .padEnd(40, "0123456789abcdef"[n % 16]);
}

/** In another order, the same each time. */
function shuffled<T>(items: readonly T[]): T[] {
  return items.map((_, i) => items[(i * 5 + 3) % items.length]!);
}

async function all<T>(items: Iterable<T> | AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const each of items) found.push(each);
  return found;
}

/** Runs on a later day. Serial tests only: there is one clock. */
async function onDay<T>(day: number, action: () => Promise<T>): Promise<T> {
  const { now } = Date;
  Date.now = () => now() + day * DAY;
  try {
    return await action();
  } finally {
    Date.now = now;
  }
}

/** Sizes around those where a store may change its manner. */
const SIZES = [0, 1, 100, 64 * 1024 - 1, 64 * 1024, 64 * 1024 + 1, 1_000_000];

function bytesOf(length: number): Buffer {
  return Buffer.from(Uint8Array.from({ length }, (_, i) => i * 31 + (i >> 8)));
}

/** A copy, taken at once: the bytes may stand in a buffer that the next read uses. */
export async function copyOf(folder: Folder, digest: string, async = true): Promise<Buffer | undefined> {
  const read = folder.read(digest, async);
  const bytes = isThenable(read) ? await read : read;
  return bytes && Buffer.from(bytes);
}

export async function textOf(folder: Folder, digest: string): Promise<string | undefined> {
  return (await copyOf(folder, digest))?.toString();
}

export async function put(folder: Folder, digest: string, content: string | Buffer, mark?: Mark): Promise<boolean> {
  const taken = mark ?? (await folder.mark());
  return run(folder.publish(digest, [Buffer.from(content)], taken, { isCurrent: () => true, async: true }));
}

export async function listOf(folder: Folder): Promise<Map<string, string>> {
  const groups = await all(folder.list());
  return new Map(groups.flat().map((listed) => [listed.digest, String(listed.read())]));
}

/**
 * What every store must do.
 * @param name of the store, for titles
 * @param create a new, empty store
 * @param limits `"age"`: of the limits it has maxAge alone, for the others are those of its server
 */
export function testStore(name: string, create: () => Store | Promise<Store>, limits: "all" | "age" = "all"): void {
  type Check = (t: ExecutionContext, folder: Folder, store: Store) => unknown;
  const behaves = (behaviour: string, check: Check, declare: typeof test | typeof test.serial = test) =>
    declare(`${name}: ${behaviour}`, async (t) => {
      const store = await create();
      await check(t, store.folder(IDENTITY), store);
    });
  /** On a store that has had limits before, and so dates entries by our clock. */
  const prunes = (behaviour: string, check: Check) =>
    behaves(
      behaviour,
      async (t, folder, store) => {
        await put(folder, digestOf(0), "0");
        await folder.retain(limits === "all" ? { maxEntries: 100 } : {}, {});
        await folder.remove(digestOf(0));
        await check(t, folder, store);
      },
      test.serial,
    );

  behaves("a folder is the same object for the same identity", (t, folder, store) => {
    t.is(store.folder({ ...IDENTITY }), folder);
    t.is(store.folder({ ...IDENTITY, version: undefined, source: undefined }), folder);
    for (const other of OTHERS) t.not(store.folder(other), folder);
  });

  behaves("what was never there is no entry", async (t, folder) => {
    for (const marked of [false, true]) {
      if (marked) await folder.mark();
      t.is(await textOf(folder, digestOf(1)), undefined);
      t.false(await folder.remove(digestOf(1)));
      t.deepEqual(await listOf(folder), new Map());
      t.is(await run(folder.clear(true)), 0);
    }
  });

  for (const size of SIZES) {
    behaves(`${size} bytes come back`, async (t, folder) => {
      const bytes = bytesOf(size);
      t.true(await put(folder, digestOf(1), bytes));
      t.true(bytes.equals((await copyOf(folder, digestOf(1)))!));
    });
  }

  behaves("parts come back as one", async (t, folder) => {
    const parts = ["a", "", "bc", "d"].map((part) => Buffer.from(part));
    t.true(await run(folder.publish(digestOf(1), parts, await folder.mark(), { isCurrent: () => true, async: true })));
    t.is(await textOf(folder, digestOf(1)), "abcd");
  });

  behaves("a later entry replaces an older one, shorter or longer", async (t, folder) => {
    for (const content of ["old", "longer than old", "", "new"]) {
      t.true(await put(folder, digestOf(1), content));
      t.is(await textOf(folder, digestOf(1)), content);
    }
  });

  behaves("digests that begin alike are different entries", async (t, folder) => {
    const [a, b] = [`${"ab".repeat(19)}00`, `${"ab".repeat(19)}01`];
    await put(folder, a, "a");
    t.is(await textOf(folder, b), undefined);
    await put(folder, b, "b");
    t.is(await textOf(folder, a), "a");
  });

  behaves("folders do not share entries, and are cleared one by one", async (t, folder, store) => {
    const folders = [folder, ...OTHERS.map((other) => store.folder(other))];
    for (const [i, each] of folders.entries()) await put(each, digestOf(1), `${i}`);
    for (const [i, each] of folders.entries()) {
      t.is(await textOf(each, digestOf(1)), `${i}`);
      t.deepEqual(await listOf(each), new Map([[digestOf(1), `${i}`]]));
    }
    for (const [i, each] of folders.entries()) {
      t.is(await run(each.clear(true)), 1);
      for (const later of folders.slice(i + 1)) t.is((await listOf(later)).size, 1);
    }
  });

  behaves("remove tells whether there was an entry", async (t, folder) => {
    await put(folder, digestOf(1), "1");
    await put(folder, digestOf(2), "2");
    t.true(await folder.remove(digestOf(1)));
    t.false(await folder.remove(digestOf(1)));
    t.deepEqual(await listOf(folder), new Map([[digestOf(2), "2"]]));
  });

  behaves("clear removes all before it first waits, and tells how many", async (t, folder) => {
    for (let n = 0; n < 20; n++) await put(folder, digestOf(n), "x");
    const clearing = run(folder.clear(true));
    t.is(await textOf(folder, digestOf(1)), undefined);
    t.is((await listOf(folder)).size, 0);
    t.is(await clearing, 20);
    t.is(await run(folder.clear(true)), 0);
  });

  behaves("after a clear entries can be published again", async (t, folder) => {
    for (const content of ["1", "2", "3"]) {
      t.true(await put(folder, digestOf(1), content));
      t.is(await textOf(folder, digestOf(1)), content);
      t.is(await run(folder.clear(true)), 1);
    }
  });

  const outdated = (when: string, mark: (folder: Folder) => Promise<Mark>) =>
    behaves(`a mark taken before ${when} publishes nothing`, async (t, folder) => {
      const old = await mark(folder);
      t.false(await put(folder, digestOf(1), "old", old));
      t.is(await textOf(folder, digestOf(1)), undefined);
      t.true(await put(folder, digestOf(1), "new"));
      t.false(await put(folder, digestOf(1), "old", old));
      t.is(await textOf(folder, digestOf(1)), "new");
    });
  const markThenClear = async (folder: Folder) => {
    const mark = await folder.mark();
    await run(folder.clear(true));
    return mark;
  };
  outdated("a clear", markThenClear);
  outdated("a clear of entries", async (folder) => {
    await put(folder, digestOf(7), "x");
    return markThenClear(folder);
  });
  outdated("a clear and a new mark", async (folder) => {
    const mark = await markThenClear(folder);
    await folder.mark();
    return mark;
  });
  outdated("several clears", async (folder) => {
    const mark = await markThenClear(folder);
    await put(folder, digestOf(7), "x");
    await run(folder.clear(true));
    return mark;
  });

  behaves("no clear gives an old mark again, however fast they follow", async (t, folder) => {
    const marks = new Set<Mark>();
    for (let i = 0; i < 300; i++) {
      marks.add(await folder.mark());
      await run(folder.clear(false));
    }
    t.is(marks.size, 300);
  });

  behaves("a mark holds while other entries come and go", async (t, folder) => {
    const mark = await folder.mark();
    for (let n = 0; n < 5; n++) await put(folder, digestOf(n), "x");
    await folder.remove(digestOf(3));
    t.true(await put(folder, digestOf(9), "x", mark));
    t.false(await put(folder, digestOf(3), "x", mark), "it was removed after the mark was taken");
    t.true(await put(folder, digestOf(3), "x"));
  });

  behaves("what was removed while it was not there is not published either", async (t, folder) => {
    const mark = await folder.mark();
    t.false(await folder.remove(digestOf(1)));
    t.false(await put(folder, digestOf(1), "x", mark));
    t.is(await textOf(folder, digestOf(1)), undefined);
  });

  behaves("a removal while it is published wins", async (t, folder, store) => {
    if (!store.sync) return t.pass(); // asked at a moment in which nothing can be done
    let isRemoved = false;
    const isCurrent = () => {
      if (isRemoved) return true;
      isRemoved = true;
      void folder.remove(digestOf(1));
      return true;
    };
    t.false(await run(folder.publish(digestOf(1), [bytesOf(10)], await folder.mark(), { isCurrent, async: true })));
    t.is(await textOf(folder, digestOf(1)), undefined);
  });

  for (const size of [10, 1_000_000]) {
    behaves(`an entry of ${size} bytes that is not wanted any more is not published`, async (t, folder) => {
      await put(folder, digestOf(1), "old");
      t.false(
        await run(
          folder.publish(digestOf(1), [bytesOf(size)], await folder.mark(), { isCurrent: () => false, async: true }),
        ),
      );
      t.is(await textOf(folder, digestOf(1)), "old");
    });

    behaves(`a clear while ${size} bytes are published wins`, async (t, folder) => {
      const mark = await folder.mark();
      let asked = 0;
      const isCurrent = () => ++asked > 0;
      const publishing = run(folder.publish(digestOf(1), [bytesOf(size)], mark, { isCurrent, async: true }));
      await run(folder.clear(true));
      await publishing;
      t.is(await textOf(folder, digestOf(1)), undefined);
      t.true(asked > 0);
    });
  }

  behaves("entries that go while they are listed are no error", async (t, folder) => {
    for (let n = 0; n < 8; n++) await put(folder, digestOf(n), "x");
    const seen: string[] = [];
    for await (const group of folder.list()) {
      await folder.remove(digestOf(seen.length));
      for (const listed of group) {
        seen.push(listed.digest);
        await folder.remove(listed.digest);
        const bytes = listed.read();
        if (bytes) t.is(String(bytes), "x"); // where reading takes a promise, it was read for the list
        await run(folder.clear(true));
      }
    }
    t.true(seen.length >= 1);
  });

  behaves("writers, readers and clears at once", async (t, folder) => {
    const write = async (n: number) => {
      for (let i = 0; i < 15; i++) await put(folder, digestOf(n), Buffer.alloc(i % 5 === 0 ? 100_000 : 10, n));
    };
    const read = async (n: number) => {
      for (let i = 0; i < 60; i++) {
        const bytes = await copyOf(folder, digestOf(n));
        t.true(bytes === undefined || bytes.every((byte) => byte === n));
        await null;
      }
    };
    const clear = async () => {
      for (let i = 0; i < 10; i++) await run(folder.clear(true));
    };
    await Promise.all([1, 2, 3].flatMap((n) => [write(n), read(n)]).concat(clear()));
    await run(folder.clear(true));
    t.is((await listOf(folder)).size, 0);
  });

  // ---- the whole store ----

  behaves("a new store is not there, until there is an entry", async (t, folder, store) => {
    t.false(await store.exists());
    await textOf(folder, digestOf(1));
    t.deepEqual(await all(store.folders()), []);
    t.deepEqual(await store.prune({ maxAge: 1, maxIdle: 1, maxEntries: 1, maxBytes: 1 }), []);
    t.false(await store.exists());
    await put(folder, digestOf(1), "x");
    t.true(await store.exists());
  });

  behaves(
    "the folders are found again, by the same objects, in the order of their paths",
    async (t, _folder, store) => {
      const identities = [
        IDENTITY,
        ...OTHERS,
        { path: "contract-a" },
        { path: "contract.a/z" },
        { path: "Z" },
        { path: "con" },
      ];
      for (const identity of shuffled(identities)) await put(store.folder(identity), digestOf(1), "x");
      const found = await all(store.folders());
      t.is(found.length, identities.length);
      for (const identity of identities) {
        const same = found.filter(({ folder }) => folder === store.folder(identity));
        t.deepEqual(
          same.map(({ path, name }) => [path, name]),
          [[identity.path, folderNames(identity).at(-1)]],
        );
      }
      const paths = found.map(({ path }) => path);
      t.deepEqual(paths, [...paths].sort());
    },
  );

  behaves("the folders of one path are all its versions and sources, and no other", async (t, _folder, store) => {
    for (const identity of [IDENTITY, ...OTHERS]) await put(store.folder(identity), digestOf(1), "x");
    const names = (identities: readonly Identity[]) => identities.map((each) => folderNames(each).at(-1)!).sort();
    const ofPath = [IDENTITY, ...OTHERS].filter(({ path }) => path === IDENTITY.path);
    t.deepEqual(
      (await all(store.folders(IDENTITY.path))).map(({ name }) => name),
      names(ofPath),
    );
    t.deepEqual(
      (await all(store.folders("contract"))).map(({ path }) => path),
      ["contract"],
    );
    t.deepEqual(await all(store.folders("contract/none")), []);
    t.deepEqual(await all(store.folders("con")), []);
  });

  behaves("sizes add up to what was written, without a read", async (t, folder, store) => {
    const before = Date.now();
    for (let n = 0; n < 20; n++) await put(folder, digestOf(n), Buffer.alloc(n));
    await put(store.folder(OTHERS[0]!), digestOf(1), "other");
    await folder.remove(digestOf(3));
    const sizes = await all(folder.sizes());
    t.is(
      sizes.reduce((sum, { entries }) => sum + entries, 0),
      19,
    );
    t.is(
      sizes.reduce((sum, { bytes }) => sum + bytes, 0),
      190 - 3,
    );
    const newest = Math.max(...sizes.map((each) => each.newest));
    t.true(newest >= before - 2_000 && newest <= Date.now() + 2_000); // some clocks of files tick in seconds
    t.is(
      (await all(store.folder({ path: "none" }).sizes())).reduce((sum, { entries }) => sum + entries, 0),
      0,
    );
  });

  behaves("contents are the entries, each with its place, and can be removed", async (t, folder) => {
    for (let n = 0; n < 5; n++) await put(folder, digestOf(n), `${n}`);
    const seen = new Map<string, string>();
    for (const content of (await all(folder.contents())).flat()) {
      if (content.kind !== "entry") return t.fail(content.location);
      seen.set(content.digest, String(content.read()));
      t.true(content.location.length > 0);
      if (content.digest === digestOf(3)) await content.remove();
    }
    t.deepEqual(
      [...seen].sort(),
      [0, 1, 2, 3, 4].map((n) => [digestOf(n), `${n}`]),
    );
    t.is(await textOf(folder, digestOf(3)), undefined);
    t.is((await listOf(folder)).size, 4);
  });

  if (limits === "age") {
    behaves("limits that are its server's are refused", async (t, folder, store) => {
      await put(folder, digestOf(1), "x");
      for (const limit of ["maxIdle", "maxEntries", "maxBytes"]) {
        await t.throwsAsync(async () => store.prune({ [limit]: 1 }), { message: new RegExp(limit) });
        await t.throwsAsync(async () => folder.prune({ [limit]: 1 }, {}), { message: new RegExp(limit) });
        await t.throwsAsync(async () => folder.retain({ [limit]: 1 }, {}), { message: new RegExp(limit) });
      }
      t.is(await textOf(folder, digestOf(1)), "x");
    });
  }

  const prunesBySize = limits === "all" ? prunes : () => {};
  prunesBySize("prune removes the least recently used of all paths", async (t, folder, store) => {
    const other = store.folder({ path: "other", version: "2" });
    const read = async () => [...(await listOf(folder)).values(), ...(await listOf(other)).values()].sort();
    await onDay(1, () => put(folder, digestOf(1), "1".repeat(10)));
    await onDay(2, () => put(other, digestOf(2), "2".repeat(10)));
    await onDay(3, () => put(folder, digestOf(3), "3".repeat(10)));
    t.deepEqual(await onDay(3, () => store.prune({})), []);
    t.deepEqual(
      await onDay(3, () => store.prune({ maxEntries: 3, maxBytes: 30, maxAge: 9 * DAY, maxIdle: 9 * DAY })),
      [],
    );
    t.is((await read()).length, 3);
    const gone = await onDay(3, () => store.prune({ maxEntries: 2 }));
    t.deepEqual(
      gone.map(({ path, limit }) => [path, limit]),
      [[IDENTITY.path, "maxEntries"]],
    );
    t.deepEqual(await read(), ["2".repeat(10), "3".repeat(10)]);
    t.deepEqual(
      (await onDay(3, () => store.prune({ maxBytes: 19 }))).map(({ path, limit }) => [path, limit]),
      [["other", "maxBytes"]],
    );
    t.deepEqual(await read(), ["3".repeat(10)]);
  });

  for (const limit of limits === "all" ? (["maxAge", "maxIdle"] as const) : (["maxAge"] as const)) {
    prunes(`prune removes what is beyond ${limit}, of all paths`, async (t, folder, store) => {
      const other = store.folder({ path: "other", version: "2" });
      await onDay(1, () => put(folder, digestOf(1), "1"));
      await onDay(1, () => put(other, digestOf(2), "2"));
      await onDay(5, () => put(folder, digestOf(3), "3"));
      const told: WorkProgress[] = [];
      const gone = await onDay(6, () => store.prune({ [limit]: 3 * DAY }, (progress) => told.push(progress)));
      t.deepEqual(gone.map(({ path }) => path).sort(), [IDENTITY.path, "other"]);
      t.deepEqual(
        told,
        [0, 1, 2].map((done) => ({ done, total: 2 })),
      );
      t.deepEqual([...(await listOf(folder)).values()], ["3"]);
      t.is((await listOf(other)).size, 0);
    });
  }

  behaves("temporary files are each at a place of their own", (t, _folder, store) => {
    const paths = [store.temporary(), store.temporary()];
    t.not(paths[0], paths[1]);
    for (const path of paths) {
      writeFileSync(path, "x", { flag: "wx" });
      unlinkSync(path);
    }
  });

  behaves("after a close the store is used again as before", async (t, folder, store) => {
    await put(folder, digestOf(1), "1");
    await store.close();
    await store.close();
    t.is(await textOf(folder, digestOf(1)), "1");
    t.true(await put(folder, digestOf(2), "2"));
    t.is((await listOf(folder)).size, 2);
  });

  test(`${name}: any sequence of operations does what it does to a Map`, async (t) => {
    const digest = fc.nat(3).map(digestOf);
    const content = fc.oneof({ weight: 9, arbitrary: fc.string({ maxLength: 8 }) }, fc.constant("x".repeat(70_000)));
    await fc.assert(
      fc.asyncProperty(
        fc.commands(
          [
            fc.tuple(digest, content, fc.boolean()).map((args) => new Publish(...args)),
            digest.map((each) => new Read(each)),
            digest.map((each) => new Remove(each)),
            fc.constant(new Clear()),
            fc.constant(new MarkNow()),
            fc.constant(new ListAll()),
          ],
          { maxCommands: 30 },
        ),
        async (commands) => {
          const store = await create();
          const folder = store.folder(IDENTITY);
          const real = new Real(folder, await folder.mark());
          const setup = () => ({
            model: { entries: new Map(), isMarkOld: false, removed: new Set<string>() },
            real,
          });
          await fc.asyncModelRun(setup, commands);
        },
      ),
      { numRuns: 60 },
    );
    t.pass();
  });
}

// ---- the model ----

interface Model {
  readonly entries: Map<string, string>;
  /** There was a clear since the mark was taken. */
  isMarkOld: boolean;
  /** What was removed since. */
  readonly removed: Set<string>;
}

class Real {
  constructor(
    readonly folder: Folder,
    public mark: Mark,
  ) {}
}

function assertEqual(actual: unknown, expected: unknown): void {
  if (!isDeepStrictEqual(actual, expected)) throw new Error(`${String(actual)} instead of ${String(expected)}`);
}

abstract class Command implements fc.AsyncCommand<Model, Real> {
  check = () => true;
  abstract run(model: Model, real: Real): Promise<void>;
  toString(): string {
    return `${this.constructor.name}(${Object.values(this).filter((each) => typeof each !== "function")})`;
  }
}

class Publish extends Command {
  constructor(
    readonly digest: string,
    readonly content: string,
    readonly isCurrent: boolean,
  ) {
    super();
  }
  async run(model: Model, { folder, mark }: Real) {
    const expected = this.isCurrent && !model.isMarkOld && !model.removed.has(this.digest);
    const how = { isCurrent: () => this.isCurrent, async: true };
    const flow: Flow<boolean> = folder.publish(this.digest, [Buffer.from(this.content)], mark, how);
    assertEqual(await run(flow), expected);
    if (expected) model.entries.set(this.digest, this.content);
  }
}

class Read extends Command {
  constructor(readonly digest: string) {
    super();
  }
  async run({ entries }: Model, { folder }: Real) {
    assertEqual(await textOf(folder, this.digest), entries.get(this.digest));
  }
}

class Remove extends Command {
  constructor(readonly digest: string) {
    super();
  }
  async run({ entries, removed }: Model, { folder }: Real) {
    removed.add(this.digest);
    assertEqual(await folder.remove(this.digest), entries.delete(this.digest));
  }
}

class Clear extends Command {
  async run(model: Model, { folder }: Real) {
    assertEqual(await run(folder.clear(true)), model.entries.size);
    model.entries.clear();
    model.isMarkOld = true;
  }
}

class MarkNow extends Command {
  async run(model: Model, real: Real) {
    real.mark = await real.folder.mark();
    model.isMarkOld = false;
    model.removed.clear();
  }
}

class ListAll extends Command {
  async run({ entries }: Model, { folder }: Real) {
    const sorted = (map: Map<string, string>) => [...map].sort();
    assertEqual(sorted(await listOf(folder)), sorted(entries));
  }
}

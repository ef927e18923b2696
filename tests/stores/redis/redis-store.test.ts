import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { inspect } from "node:util";
import test, { type ExecutionContext } from "ava";
import { OptionError, StoreError } from "../../../src/errors.js";
import { stampOf } from "../../../src/files/fingerprint.js";
import { asyncIo } from "../../../src/files/io.js";
import { run } from "../../../src/flow.js";
import type { SeenFile } from "../../../src/stores/engine.js";
import type { Folder } from "../../../src/stores/folder.js";
import type { RedisStoreOptions } from "../../../src/stores/redis/redis-store.js";
import type { Store } from "../../../src/stores/store.js";
import { newDirectory } from "../../files/directory.js";
import { needs } from "../../needs.js";
import { failureOf } from "../../place.js";
import { testEngine } from "../engine-suite.js";
import { all, digestOf, listOf, nameOf, put, textOf } from "../entries.js";
import { ask, hasRedis, newPlace, newServer, redisStore } from "./redis-server.js";

const A = { path: "a/b" };
/** Milliseconds: for tests in which the server is there, however busy the machine. */
const PATIENT = 20_000;

const withRedis = needs("redis-server");

if (hasRedis) {
  await testEngine("redis", async () => {
    const { store, newStore } = await prepare();
    return { engine: store.engine, again: () => newStore().engine };
  });
}

/** Two stores at one place, as two machines have it. */
async function prepare(options: Partial<RedisStoreOptions> = {}) {
  const { url, prefix } = await newPlace();
  const newStore = () => redisStore({ url, prefix, timeout: PATIENT, ...options });
  const store = newStore();
  const other = newStore();
  const keys = async (): Promise<string[]> => (await ask(url, "KEYS", `${prefix}:*`)).sort();
  return { url, prefix, store, folder: store.folder(A), other: other.folder(A), newStore, keys };
}

/** Until something holds. No sleeping: asks again and again. */
async function until(holds: () => unknown): Promise<void> {
  for (;;) {
    if (await holds()) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

async function textOrUndefined(folder: Folder): Promise<string | undefined> {
  try {
    return await textOf(folder, digestOf(1));
  } catch {
    return undefined;
  }
}

/** Whether there is anything, as far as the store can be reached. */
async function exists(store: Store): Promise<boolean> {
  return (await all(store.folders()).catch(() => [])).length > 0;
}

// ---- entries ----

withRedis("the keys of a folder are in one slot", async (t) => {
  const { folder, keys, prefix } = await prepare();
  await put(folder, digestOf(0x3f), "x");
  const lock = await folder.tryLock(digestOf(2));
  const [folders, ...own] = [`${prefix}:folders`, ...(await keys()).filter((key) => key !== `${prefix}:folders`)];
  t.truthy(folders);
  t.is(own.length, 4); // state, entry, index, lock
  for (const key of own) t.true(key.startsWith(`${prefix}:{a/b/=1}`), key);
  lock?.release();
});

withRedis("a node of a Cluster takes all that a store does", async (t) => {
  const server = await newServer(t, "--cluster-enabled", "yes");
  await ask(server.url, "CLUSTER", "ADDSLOTSRANGE", "0", "16383");
  await until(async () => String(await ask(server.url, "CLUSTER", "INFO")).includes("cluster_state:ok"));
  const store = redisStore({ url: server.url, timeout: PATIENT });
  const folder = store.folder(A);
  const lock = await folder.tryLock(digestOf(1));
  for (const size of [1, 3_000_000]) {
    t.true(await put(folder, digestOf(1), Buffer.alloc(size, "x")));
    t.is((await folder.read(nameOf(1), true))?.length, size);
  }
  lock!.release();
  await run(folder.keep(digestOf(1), await newFile("content"), true));
  t.is(readFileSync(await folder.keptFile(digestOf(1), sha256("content")), "utf8"), "content");
  t.is((await listOf(folder)).size, 1);
  for await (const { newest } of folder.sizes()) t.true(newest >= 0);
  t.true(await folder.remove(nameOf(1)));
  await put(folder, digestOf(2), "x");
  t.is(await folder.clear(true), 1);
});

for (const size of [1024 * 1024, 1024 * 1024 + 1, 5_000_000]) {
  withRedis(`${size} bytes come back, and nothing else is left`, async (t) => {
    const { folder, other, keys } = await prepare();
    const content = Buffer.from(Uint8Array.from({ length: size }, (_, i) => (i * 31) ^ (i >> 12)));
    for (const expected of [content, Buffer.from("small"), content]) {
      t.true(await put(folder, digestOf(1), expected));
      t.true(expected.equals((await other.read(nameOf(1), true))!));
    }
    for await (const [listed] of other.list()) t.true(content.equals(listed!.read()!));
    t.deepEqual(
      (await keys()).filter((key) => key.includes(":s:")),
      [],
    );
  });
}

withRedis("a large entry that is not wanted any more leaves nothing", async (t) => {
  const { folder, keys } = await prepare();
  const mark = await folder.mark();
  await folder.remove(nameOf(1));
  t.false(await put(folder, digestOf(1), Buffer.alloc(2_000_000), mark));
  t.deepEqual(
    (await keys()).filter((key) => /:[se]:/.test(key)),
    [],
  );
});

withRedis("a clear and a removal are seen at once by other machines", async (t) => {
  const { folder, other } = await prepare();
  await put(folder, digestOf(1), "1");
  t.is(await textOf(other, digestOf(1)), "1");
  const before = await other.mark();
  await folder.remove(nameOf(1));
  t.is(await textOf(other, digestOf(1)), undefined);
  t.false(await put(other, digestOf(1), "old", before));
  t.true(await put(other, digestOf(2), "2", before));
  t.is(await folder.clear(true), 1);
  t.is(await textOf(other, digestOf(2)), undefined);
  t.false(await put(other, digestOf(2), "old", before));
  t.is((await listOf(other)).size, 0);
});

withRedis("of two computations the one that began later stays, whichever ends first", async (t) => {
  const { folder, other } = await prepare();
  const early = await folder.mark();
  const late = await other.mark();
  t.true(await put(other, digestOf(1), "late", late));
  t.false(await put(folder, digestOf(1), "early", early));
  t.is(await textOf(folder, digestOf(1)), "late");
  t.true(await put(folder, digestOf(2), "early", early));
  t.true(await put(other, digestOf(2), "late", late));
  t.is(await textOf(folder, digestOf(2)), "late");
});

withRedis("what an early computation gives is stored where the late entry has gone by itself", async (t) => {
  const { folder, other, url, keys } = await prepare();
  const early = await folder.mark();
  await put(other, digestOf(1), "late");
  await ask(url, "DEL", ...(await keys()).filter((key) => key.includes(":e:")));
  t.true(await put(folder, digestOf(1), "early", early));
});

withRedis("removals are forgotten after thousands, and then nothing that was begun before is stored", async (t) => {
  const { folder, url, prefix } = await prepare();
  const mark = await folder.mark();
  const removals = Array.from({ length: 4_200 }, (_, n) => folder.remove({ digest: n.toString(16).padStart(40, "0") }));
  await Promise.all(removals);
  t.true((await ask(url, "HLEN", `${prefix}:{a/b/=1}`)) < 4_200);
  t.false(await put(folder, digestOf(1), "old", mark));
  t.false(await put(folder, "0".repeat(40), "old", mark));
  t.true(await put(folder, digestOf(1), "new"));
});

withRedis("entries that the server evicts are gone, and forgotten", async (t) => {
  const { folder, url, keys, prefix } = await prepare();
  for (let n = 0; n < 4; n++) await put(folder, digestOf(n), "x");
  const entryOf = (all: string[], n: number) => all.find((key) => key.endsWith(`:e:${digestOf(n)}`))!;
  await ask(url, "DEL", entryOf(await keys(), 1));
  t.deepEqual([...(await listOf(folder)).keys()].sort(), [0, 2, 3].map(digestOf));
  await ask(url, "DEL", entryOf(await keys(), 2));
  let count = 0;
  for await (const { entries } of folder.sizes()) count += entries;
  t.is(count, 2);
  t.is((await keys()).filter((key) => key.includes(":i:")).length, 2);
  await ask(url, "DEL", `${prefix}:{a/b/=1}`); // with it goes all
  t.is(await textOf(folder, digestOf(3)), undefined);
  t.is((await listOf(folder)).size, 0);
  t.true(await put(folder, digestOf(3), "new"));
  t.is(await textOf(folder, digestOf(3)), "new");
});

withRedis("a computation that ran while the state was evicted stores nothing", async (t) => {
  const { folder, url, prefix } = await prepare();
  const mark = await folder.mark();
  await ask(url, "DEL", `${prefix}:{a/b/=1}`);
  t.false(await put(folder, digestOf(1), "old", mark));
});

withRedis("a clear deletes what it clears, and what an interrupted one left", async (t) => {
  const { folder, url, keys, prefix } = await prepare();
  for (let n = 0; n < 40; n++) await put(folder, digestOf(n), "x");
  const generation = String(await ask(url, "HGET", `${prefix}:{a/b/=1}`, "g"));
  await ask(url, "SADD", `${prefix}:{a/b/=1}:dead`, generation);
  await ask(url, "HSET", `${prefix}:{a/b/=1}`, "g", "another");
  t.is(await textOf(folder, digestOf(1)), undefined);
  await folder.clear(true);
  t.deepEqual(await keys(), [`${prefix}:folders`, `${prefix}:{a/b/=1}`]);
});

withRedis("a listing without bytes asks for none", async (t) => {
  const { server, folder } = await withOwnServer(t);
  for (let n = 0; n < 300; n++) await put(folder, digestOf(n % 256), Buffer.alloc(n));
  await put(folder, digestOf(300), Buffer.alloc(2_000_000));
  await ask(server.url, "CONFIG", "RESETSTAT");
  const listed = (await all(folder.list(false))).flat();
  t.is(listed.length, 257);
  t.is(listed.find(({ digest }) => digest === digestOf(300))?.stat()?.bytes, 2_000_000);
  const asked = String(await ask(server.url, "INFO", "commandstats"));
  t.regex(asked, /cmdstat_hgetall/);
  t.notRegex(asked, /cmdstat_(get|mget|getrange):/);
});

withRedis("limits that are its server's are refused", async (t) => {
  const { store, folder } = await prepare();
  await put(folder, digestOf(1), "x");
  for (const limit of ["maxIdle", "maxEntries", "maxBytes"]) {
    const expected = { instanceOf: OptionError, message: new RegExp(`${limit}.*maxmemory-policy`) };
    t.throws(() => store.assertLimits({ [limit]: 1 }), expected);
    await t.throwsAsync(async () => store.prune({ [limit]: 1 }), expected);
    await t.throwsAsync(async () => run(folder.evict({ [limit]: 1 }, {})), expected);
    await t.throwsAsync(async () => run(folder.evict({ [limit]: 1 }, {}, 1)), expected);
    await t.throwsAsync(async () => run(folder.evict({}, { [limit]: 1 }, 1)), expected);
  }
  t.is(await textOf(folder, digestOf(1)), "x");
});

// ---- locks ----

withRedis("a lock is one machine's at a time, and the others are told whose", async (t) => {
  const { folder, other } = await prepare();
  const lock = await folder.tryLock(digestOf(1));
  t.truthy(lock);
  t.is(await folder.tryLock(digestOf(1)), undefined);
  t.is(await other.tryLock(digestOf(1)), undefined);
  t.regex(other.lockHolder(digestOf(1))!, new RegExp(`^process ${process.pid} on `));
  const another = await other.tryLock(digestOf(2));
  t.truthy(another);
  another!.release();
  lock!.release();
  lock!.release();
  await until(async () => (await other.tryLock(digestOf(1)))?.release() ?? true);
  t.pass();
});

withRedis("the lock of a path is one for all functions", async (t) => {
  const { folder, store, newStore } = await prepare();
  const lock = await folder.tryLockPath(digestOf(1), true);
  const another = newStore().folder({ path: "another" });
  t.is(await store.folder({ path: "c" }).tryLockPath(digestOf(1), true), undefined);
  t.is(await another.tryLockPath(digestOf(1), true), undefined);
  t.regex(another.pathHolder(digestOf(1))!, /^process /);
  lock!.release();
  await until(() => another.tryLockPath(digestOf(1), true));
});

withRedis("a lock is renewed while its holder lives", async (t) => {
  const { folder, url, keys } = await prepare({ lockTtl: 3_000 });
  let lock = await folder.tryLock(digestOf(1));
  const key = (await keys()).find((each) => each.includes(":l:"))!;
  let left: number = await ask(url, "PTTL", key);
  await until(async () => {
    const before = left;
    left = await ask(url, "PTTL", key);
    if (left < 0) {
      lock?.release(); // this process was too busy to renew it: once more
      lock = await folder.tryLock(digestOf(1));
    }
    return before > 0 && left > before;
  });
  t.true(left > 0 && left <= 3_000);
  lock!.release();
});

withRedis("the lock of a dead holder is to be had after its time", async (t) => {
  const { folder, url, prefix } = await prepare();
  await folder.mark();
  const generation = String(await ask(url, "HGET", `${prefix}:{a/b/=1}`, "g"));
  await ask(url, "SET", `${prefix}:{a/b/=1}:${generation}:l:${digestOf(1)}`, "process 1 on elsewhere 00", "PX", "2000");
  t.is(await folder.tryLock(digestOf(1)), undefined);
  t.is(folder.lockHolder(digestOf(1)), "process 1 on elsewhere");
  await until(() => folder.tryLock(digestOf(1)));
  t.pass();
});

withRedis("a lock that the server evicts is another's, and stays that", async (t) => {
  const { folder, other, url, keys } = await prepare();
  const lost = await folder.tryLock(digestOf(1));
  await ask(url, "DEL", (await keys()).find((each) => each.includes(":l:"))!);
  t.truthy(await other.tryLock(digestOf(1)));
  lost!.release();
  await folder.read(nameOf(1), true); // after the release, in the same connection
  t.is(await folder.tryLock(digestOf(1)), undefined);
});

withRedis("after a clear nobody waits for who computes what will not be stored", async (t) => {
  const { folder, other } = await prepare();
  await folder.tryLock(digestOf(1));
  await other.clear(true);
  t.truthy(await other.tryLock(digestOf(1)));
});

// ---- contents of out files ----

const sha256 = (content: string | Buffer) => createHash("sha256").update(content).digest("hex");

async function newFile(content: string | Buffer): Promise<SeenFile> {
  const path = join(newDirectory(), "out");
  writeFileSync(path, content);
  const stamp = await run(stampOf(path, asyncIo));
  if (typeof stamp !== "object") throw new Error(path);
  return { path, sha256: sha256(content), stamp };
}

async function keep(folder: Folder, digest: string, content: string | Buffer): Promise<void> {
  const file = await newFile(content);
  const mark = await folder.mark();
  await run(folder.keep(digest, file, true));
  await put(folder, digest, "entry", mark);
}

for (const size of [0, 1, 1024 * 1024, 2_500_000]) {
  withRedis(`a content of ${size} bytes is kept, and fetched to a private file`, async (t) => {
    const { folder, other } = await prepare();
    const content = Buffer.alloc(size, "abc");
    await keep(folder, digestOf(1), content);
    t.true(content.equals(readFileSync(await other.keptFile(digestOf(1), sha256(content)))));
    const kept = (await all(other.everyContent())).flat();
    t.is(kept.length, 1);
    for (const each of kept) t.true(await each.isWhole());
  });
}

withRedis("equal contents are kept once, and go with the last entry", async (t) => {
  const { folder, keys } = await prepare();
  const chunks = async () => (await keys()).filter((key) => key.includes(":k:")).length;
  await keep(folder, digestOf(1), "content");
  await keep(folder, digestOf(2), "content");
  await keep(folder, digestOf(2), "another");
  t.is(await chunks(), 2);
  await folder.dropKept(digestOf(2), [sha256("content")]);
  t.is(await chunks(), 1);
  await folder.remove(nameOf(1));
  t.is(readFileSync(await folder.keptFile(digestOf(2), sha256("content")), "utf8"), "content");
  await folder.remove(nameOf(2));
  t.deepEqual(
    (await keys()).filter((key) => /:[kuoe]\b/.test(key)),
    [],
  );
});

withRedis("a clear takes the contents along", async (t) => {
  const { folder, keys, prefix } = await prepare();
  await keep(folder, digestOf(1), Buffer.alloc(2_000_000));
  await folder.clear(true);
  t.deepEqual(await keys(), [`${prefix}:folders`, `${prefix}:{a/b/=1}`]);
});

withRedis("a content that is damaged, or evicted, is not given", async (t) => {
  const { folder, url, keys } = await prepare();
  await keep(folder, digestOf(1), "content");
  const chunk = (await keys()).find((key) => key.includes(":k:"))!;
  await ask(url, "SET", chunk, "CONTENT");
  t.false(existsSync(await folder.keptFile(digestOf(1), sha256("content"))));
  await ask(url, "DEL", chunk);
  t.false(existsSync(await folder.keptFile(digestOf(1), sha256("content"))));
  await keep(folder, digestOf(1), "content");
  t.true(existsSync(await folder.keptFile(digestOf(1), sha256("content"))));
});

withRedis("a file that has changed is not kept", async (t) => {
  const { folder, keys } = await prepare();
  await folder.mark();
  const file = await newFile("content");
  writeFileSync(file.path, "CHANGED and longer");
  await t.throwsAsync(async () => run(folder.keep(digestOf(1), file, true)), { instanceOf: StoreError });
  t.deepEqual(
    (await keys()).filter((key) => key.includes(":k")),
    [],
  );
});

withRedis("what is kept for an entry that is not published goes again", async (t) => {
  const { folder, keys } = await prepare();
  const mark = await folder.mark();
  await run(folder.keep(digestOf(1), await newFile("content"), true));
  await folder.remove(nameOf(1));
  t.false(await put(folder, digestOf(1), "entry", mark));
  t.deepEqual(
    (await keys()).filter((key) => key.includes(":k")),
    [],
  );
});

// ---- trouble ----

async function withOwnServer(t: ExecutionContext, options: Partial<RedisStoreOptions> = {}, ...ofServer: string[]) {
  const server = await newServer(t, ...ofServer);
  const store = redisStore({ url: server.url, timeout: PATIENT, ...options });
  return { server, store, folder: store.folder(A) };
}

/** Whether it fails without anything being waited for. */
async function failsAtOnce(store: Store): Promise<boolean> {
  let hasFailed = false;
  void Promise.resolve(store.folder(A).read(nameOf(1), true)).catch(() => {
    hasFailed = true;
  });
  for (let i = 0; i < 50; i++) await null;
  return hasFailed;
}

withRedis("a server that is killed fails at once, and is found again by itself, empty", async (t) => {
  const { server, store, folder } = await withOwnServer(t);
  t.true(await put(folder, digestOf(1), "1"));
  const mark = await folder.mark();
  await server.kill();
  t.true((await failureOf(() => textOf(folder, digestOf(1)))) instanceof StoreError);
  t.true(await failsAtOnce(store));
  t.false(await exists(store));
  await server.start();
  await until(() => textOf(folder, digestOf(1)).then(() => true, () => false)); // biome-ignore format: one line
  t.is(await textOf(folder, digestOf(1)), undefined);
  t.false(await put(folder, digestOf(1), "old", mark));
  t.true(await put(folder, digestOf(1), "new"));
  t.is(await textOf(folder, digestOf(1)), "new");
  t.true(await exists(store));
});

withRedis("a server that hangs is waited for once, and found again by itself", async (t) => {
  const { server, store, folder } = await withOwnServer(t, { timeout: 300 });
  await until(() => put(folder, digestOf(1), "1").catch(() => false)); // a busy machine is slow, too
  server.pause();
  const failures = await Promise.all(Array.from({ length: 20 }, () => failureOf(() => textOf(folder, digestOf(1)))));
  for (const { message } of failures) t.regex(message, /no answer within 300 ms|no connection within 300 ms/);
  t.true(await failsAtOnce(store));
  server.resume();
  await until(async () => (await textOrUndefined(folder)) === "1");
});

withRedis(
  "a lock that a hanging server grants after all is given back, and so is one that was released meanwhile",
  async (t) => {
    const { server, folder } = await withOwnServer(t, { timeout: 300, lockTtl: 600_000 });
    await until(() => put(folder, digestOf(1), "1").catch(() => false));
    const held = (await folder.tryLock(digestOf(2)))!;
    server.pause();
    await failureOf(() => folder.tryLock(digestOf(3)));
    await failureOf(() => folder.tryLockPath(digestOf(4), true));
    held.release();
    server.resume();
    await until(async () => (await textOrUndefined(folder)) === "1");
    const asked = [
      () => folder.tryLock(digestOf(2)),
      () => folder.tryLock(digestOf(3)),
      () => folder.tryLockPath(digestOf(4), true),
    ];
    for (const tryLock of asked) await until(tryLock);
    t.pass("none of them was held for ten minutes");
  },
);

withRedis("a connection that is cut is made again, and a read does not notice", async (t) => {
  const { server, folder } = await withOwnServer(t);
  await put(folder, digestOf(1), "1");
  for (let i = 0; i < 5; i++) {
    await ask(server.url, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
    t.is(await textOf(folder, digestOf(1)), "1");
  }
});

withRedis("connections that are cut in the middle lose nothing but time", async (t) => {
  const { server, folder } = await withOwnServer(t);
  await put(folder, digestOf(1), "1");
  let isOver = false;
  const cutting = (async () => {
    while (!isOver) await ask(server.url, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes").catch(() => {});
  })();
  for (let i = 0; i < 300; i++) t.true([undefined, "1"].includes(await textOrUndefined(folder)));
  isOver = true;
  await cutting;
  await until(async () => (await textOrUndefined(folder)) === "1");
});

withRedis("a server that is full says so, and serves what it has", async (t) => {
  const { server, folder } = await withOwnServer(t);
  await put(folder, digestOf(1), "1");
  const mark = await folder.mark();
  await ask(server.url, "CONFIG", "SET", "maxmemory-policy", "noeviction");
  await ask(server.url, "CONFIG", "SET", "maxmemory", "1");
  for (const size of [1, 2_000_000]) {
    const failure = await failureOf(() => put(folder, digestOf(2), Buffer.alloc(size), mark));
    t.true(failure instanceof StoreError);
    t.regex(failure.message, /OOM/);
  }
  t.regex((await failureOf(() => folder.mark())).message, /OOM/);
  t.is(await textOf(folder, digestOf(1)), "1");
  await ask(server.url, "CONFIG", "SET", "maxmemory", "0");
  t.true(await put(folder, digestOf(2), "2", mark));
  t.deepEqual([...(await listOf(folder)).values()].sort(), ["1", "2"]);
});

withRedis("a replica serves, and refuses to be written to", async (t) => {
  const { server, folder } = await withOwnServer(t);
  await put(folder, digestOf(1), "1");
  const replica = await newServer(t, "--replicaof", "127.0.0.1", `${server.port}`, "--repl-diskless-sync-delay", "0");
  const there = redisStore({ url: replica.url, timeout: PATIENT }).folder(A);
  await until(async () => (await textOrUndefined(there)) === "1");
  t.regex((await failureOf(() => there.mark())).message, /READONLY|read only replica/i);
  t.regex((await failureOf(() => there.tryLock(digestOf(2)))).message, /READONLY|read only replica/i);
});

withRedis("a clear is done before what is asked after it, also on a server that is new", async (t) => {
  const { folder } = await withOwnServer(t);
  await put(folder, digestOf(1), "1");
  t.is(await textOf(folder, digestOf(1)), "1");
  const clearing = folder.clear(true);
  t.is(await textOf(folder, digestOf(1)), undefined);
  t.is(await clearing, 1);
});

withRedis("a server that forgets the scripts is given them again", async (t) => {
  const { server, folder } = await withOwnServer(t);
  await put(folder, digestOf(1), "1");
  await ask(server.url, "SCRIPT", "FLUSH");
  t.is(await textOf(folder, digestOf(1)), "1");
  t.true(await put(folder, digestOf(2), "2"));
});

withRedis("a password is used, and never shown", async (t) => {
  const { server } = await withOwnServer(t, {}, "--requirepass", "right");
  const urlWith = (password: string) => server.url.replace("//", `//default:${password}@`);
  const store = redisStore({ url: urlWith("right"), timeout: PATIENT });
  t.true(await put(store.folder(A), digestOf(1), "1"));
  const wrong = redisStore({ url: urlWith("wr0ng"), timeout: PATIENT });
  const failure = await failureOf(() => textOf(wrong.folder(A), digestOf(1)));
  t.true(failure instanceof StoreError);
  t.regex(failure.message, /WRONGPASS/);
  const without = redisStore({ url: server.url, timeout: PATIENT });
  t.regex((await failureOf(() => textOf(without.folder(A), digestOf(1)))).message, /NOAUTH/);
  const shown = [store, wrong, wrong.folder(A), failure].map((each) => inspect(each, { depth: 9, showHidden: true }));
  for (const text of [...shown, wrong.directory, wrong.folder(A).location]) t.notRegex(text, /wr0ng|right/);
  t.is(wrong.directory, `redis://127.0.0.1:${server.port}`);
});

// ---- options ----

for (const [what, options] of Object.entries({
  "no url": {},
  "what is no url": { url: "hunter2" },
  "a url of something else": { url: "http://user:hunter2@localhost" },
  "a database that is no number": { url: "redis://:hunter2@localhost/x" },
  "an option that is none": { url: "redis://localhost", hunter: 2 },
  "a prefix with a hash tag": { url: "redis://localhost", prefix: "{a}" },
  "a timeout of 0": { url: "redis://localhost", timeout: 0 },
  "a timeout that is text": { url: "redis://localhost", timeout: "1s" },
  "a lock of no time": { url: "redis://localhost", lockTtl: 1 },
})) {
  test(`${what} is an OptionError`, (t) => {
    const failure = t.throws(() => redisStore(options as never), { instanceOf: OptionError });
    t.notRegex(inspect(failure), /hunter2/);
  });
}

test("making a store connects to nothing, and it tells where it is", (t) => {
  const store = redisStore({ url: "rediss://user:secret@example.invalid:7000/3" });
  t.is(store.directory, "rediss://example.invalid:7000/3");
  t.is(store.lock, "redis");
  t.false(store.engine.sync);
});

// ---- programs: of the built package ----

const DIST = new URL("../../../dist/", import.meta.url).pathname;

function runProgram(code: string, dist = DIST): Promise<{ readonly code: number | null; readonly output: string }> {
  const program = `import { redisStore } from "${dist}stores/redis/redis-store.js";\n${code}`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", program], { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (text) => (output += text));
  return new Promise((resolve) => child.once("close", (exitCode) => resolve({ code: exitCode, output })));
}

const PROGRAM = (url: string) => `
  const engine = redisStore({ url: ${JSON.stringify(url)}, timeout: 200, prefix: "program" });
  const digest = "ab".repeat(20);
  try {
    const lock = await engine.locks.tryLock({ folder: "a/=1", digest }, true);
    await engine.read("a/=1", { digest }, true);
    lock?.release();
    console.log("read");
  } catch (error) {
    console.log(error.message);
  }
`;

withRedis("a program ends by itself while it is connected", async (t) => {
  const { url } = await newPlace();
  t.deepEqual(await runProgram(PROGRAM(url).replace("200", "20000")), { code: 0, output: "read\n" });
  t.deepEqual(await ask(url, "KEYS", "program:*:l:*"), [], "the lock was released before");
});

withRedis("a program ends by itself where there is no server, or one that hangs", async (t) => {
  const server = await newServer(t);
  server.pause();
  const hanging = await runProgram(PROGRAM(server.url));
  t.is(hanging.code, 0);
  t.regex(hanging.output, /no (answer|connection) within 200 ms/);
  await server.kill();
  const missing = await runProgram(PROGRAM(server.url));
  t.is(missing.code, 0);
  t.regex(missing.output, /ECONNREFUSED/);
});

test("without the client, it says how to install it", async (t) => {
  const directory = newDirectory();
  cpSync(DIST, join(directory, "dist"), { recursive: true });
  cpSync(join(DIST, "../package.json"), join(directory, "package.json"));
  mkdirSync(join(directory, "node_modules"));
  for (const name of readdirSync(join(DIST, "../node_modules"))) {
    if (name !== "@redis") symlinkSync(join(DIST, "../node_modules", name), join(directory, "node_modules", name));
  }
  const { code, output } = await runProgram(
    `try { redisStore({ url: "redis://localhost" }) } catch (error) { console.log(error.name, error.message) }`,
    `${directory}/dist/`,
  );
  t.is(code, 0);
  t.regex(output, /^OptionError .*npm install @redis\/client/);
});

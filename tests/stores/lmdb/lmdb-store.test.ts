import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { appendFileSync, chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs"; // biome-ignore format: one line
import { join } from "node:path";
import test from "ava";
import { OptionError, StoreError } from "../../../src/errors.js";
import { digestOf as contentOf, stampOf } from "../../../src/files/fingerprint.js";
import { syncIo } from "../../../src/files/io.js";
import { run } from "../../../src/flow.js";
import { createCache } from "../../../src/index.js";
import type { SeenFile } from "../../../src/stores/engine.js";
import type { Folder, FolderSize } from "../../../src/stores/folder.js";
import { lmdbStore } from "../../../src/stores/lmdb/lmdb-store.js";
import { namesBelow, newDirectory } from "../../files/directory.js";
import { needs } from "../../needs.js";
import { DAY, later, warningsOf } from "../../place.js";
import { A, dataOf, digestOf, digestsIn, folderAt, listOf, markOf, program, put, putDurably, retain, storeAt, textOf } from "./lmdb-place.js"; // biome-ignore format: one line

const DIGEST = digestOf(0x3f);

/** What an engine gives one after the other; a sync one without waiting. */
function all<T>(items: Iterable<T> | AsyncIterable<T>): T[] {
  return [...(items as Iterable<T>)];
}

async function sizesOf(folder: Folder): Promise<FolderSize[]> {
  const sizes: FolderSize[] = [];
  for await (const each of folder.sizes()) sizes.push(each);
  return sizes;
}

function inAnotherProcess(path: string, code: string): string {
  return execFileSync(process.execPath, program(path, code), { encoding: "utf8" });
}

function unsynced(path: string): string {
  return join(path, "=1/unsynced");
}

// ---- options, and the package ----

test("one path is one store", (t) => {
  const path = newDirectory();
  t.is(lmdbStore({ path }), lmdbStore({ path: `${path}/x/..` }));
  t.not(lmdbStore({ path }), lmdbStore({ path: `${path}/x` }));
  t.true(lmdbStore({ path }).sync);
});

for (const [what, options] of Object.entries({
  "no path": {},
  "an empty path": { path: "" },
  "a path that is no text": { path: 1 },
  "a mapSize that is no size": { path: "x", mapSize: -1 },
  "an unknown option": { path: "x", mapsize: 1 },
})) {
  test(`${what} is an OptionError`, (t) => {
    t.throws(() => lmdbStore(options as never), { instanceOf: OptionError, message: /^lmdbStore\(\): / });
  });
}

test("lmdb is loaded when the store is first used; where it is missing, an OptionError says how to install it", (t) => {
  const path = join(newDirectory(), "store");
  const printed = inAnotherProcess(
    path,
    `
    import Module from "node:module";
    const load = Module._load;
    let asked = 0;
    Module._load = function (name, ...rest) {
      if (name !== "lmdb") return load.call(this, name, ...rest);
      asked++;
      throw Object.assign(new Error("Cannot find module 'lmdb'"), { code: "MODULE_NOT_FOUND" });
    };
    read("${DIGEST}"); // there is nothing: no need for it
    console.log(asked);
    try { folder.mark(); } catch (error) { console.log(error.code, /npm install lmdb/.test(error.message)); }
    console.log(asked);
  `,
  );
  t.deepEqual(printed.trim().split("\n"), ["0", "ERR_PERMACACHE_OPTION true", "1"]);
  t.false(existsSync(path));
});

// ---- whose it is ----

// Serial: there is one umask.
test.serial("folders and files are private, whatever the umask lets through", async (t) => {
  const path = join(newDirectory(), "new/store");
  const folder = folderAt(path);
  const umask = process.umask(0);
  try {
    (await folder.tryLock(DIGEST))!.release();
    await put(folder, DIGEST, "x");
    await run(folder.keep(DIGEST, seen(join(newDirectory(), "kept"), "kept"), false));
    storeAt(path).temporary();
  } finally {
    process.umask(umask);
  }
  for (const name of ["", ...namesBelow(path)]) {
    const stats = statSync(join(path, name));
    t.is(stats.mode & 0o777, stats.isDirectory() ? 0o700 : 0o600, name);
  }
});

test("a directory that others may write to is not used", (t) => {
  const path = join(newDirectory(), "open");
  mkdirSync(path);
  chmodSync(path, 0o777);
  t.throws(() => folderAt(path).mark(), { instanceOf: StoreError, message: /may be written by others/ });
  t.deepEqual(readdirSync(path), []);
});

test("reading, listing, removing and clearing make nothing", async (t) => {
  const path = newDirectory();
  for (const dir of [path, join(path, "not/there")]) {
    const folder = folderAt(dir);
    t.is(folder.read({ digest: DIGEST }, false), undefined);
    t.false(folder.remove({ digest: DIGEST }) as boolean);
    t.is(folder.clear(false), 0);
    t.deepEqual(all(folder.list()), []);
    t.deepEqual(all(folder.keptContents()), []);
    t.deepEqual(await sizesOf(folder), []);
    t.is(folder.usedAt({ digest: DIGEST }), undefined);
    t.is(folder.lockHolder(DIGEST), undefined);
    t.deepEqual(retain(folder, { maxEntries: 1 }, { maxBytes: 1 }), []);
    await storeAt(dir).close();
  }
  t.deepEqual(readdirSync(path), []);
});

test("a database of another format number is left alone, and not read", async (t) => {
  const path = newDirectory();
  await put(folderAt(path), DIGEST, "of the new format");
  await storeAt(path).close();
  execFileSync("mv", [join(path, "=1"), join(path, "=0")]);
  t.is(await textOf(folderAt(path), DIGEST), undefined);
  t.true(await put(folderAt(path), DIGEST, "new"));
  t.true(existsSync(join(path, "=0/data.mdb")));
});

// ---- several processes ----

test("what another process publishes, removes and clears is seen at once", (t) => {
  const path = newDirectory();
  const folder = folderAt(path);
  const text = () => folder.read({ digest: DIGEST }, false)?.toString(); // without a turn of the event loop
  t.is(text(), undefined);
  inAnotherProcess(path, `put("${DIGEST}", "theirs");`);
  t.is(text(), "theirs");
  inAnotherProcess(path, `put("${DIGEST}", "theirs, again");`);
  t.is(text(), "theirs, again");
  inAnotherProcess(path, `remove("${DIGEST}");`);
  t.is(text(), undefined);
  inAnotherProcess(path, `put("${DIGEST}", "x"); folder.clear(false);`);
  t.is(text(), undefined);
});

for (const [what, code, isOutdated] of [
  ["a clear", "folder.clear(false);", true],
  ["a clear and a publish", `folder.clear(false); put("${DIGEST}", "theirs");`, true],
  ["a removal", `remove("${DIGEST}");`, true],
  ["a removal and many others", `remove("${DIGEST}"); for (let n = 0; n < 500; n++) remove(n.toString(16).padStart(40, "0"));`, true],
  ["more removals than are remembered", `for (let n = 0; n < 1500; n++) remove(n.toString(16).padStart(40, "0"));`, true],
  ["removals of others", `for (let n = 0; n < 500; n++) remove(n.toString(16).padStart(40, "0"));`, false],
] as const) // biome-ignore format: a table
  test(`a mark taken before ${what} by another process ${isOutdated ? "publishes nothing" : "holds"}`, async (t) => {
    const path = newDirectory();
    const folder = folderAt(path);
    await put(folder, digestOf(1), "x");
    const mark = await folder.mark();
    inAnotherProcess(path, code);
    t.is(await put(folder, DIGEST, "mine", mark), !isOutdated);
    t.true(await put(folder, DIGEST, "mine"));
  });

test("processes that write, read, list and clear at once see whole entries or none", async (t) => {
  const path = newDirectory();
  const folder = folderAt(path);
  const code = (clears: boolean) => `
    for (let i = 0; i < 300; i++) {
      const n = i % 7;
      const digest = String(n).repeat(40);
      put(digest, Buffer.alloc(n * 20_000, n));
      const bytes = read(digest);
      if (bytes && !(bytes.length === n * 20_000 && bytes.every((byte) => byte === n))) throw new Error("torn");
      if (${clears} && i % 10 === 0) folder.clear(false);
      if (i % 25 === 0) for (const group of folder.list()) for (const listed of group) listed.read();
      if (i % 9 === 0) remove(digest);
      use(digest);
      if (i % 50 === 0) retain({ maxEntries: 3 });
    }
  `;
  const children = [true, false, true].map((clears): ChildProcess => {
    return spawn(process.execPath, program(path, code(clears)), { stdio: ["ignore", "ignore", "inherit"] });
  });
  const codes = await Promise.all(children.map((child) => new Promise((done) => child.on("exit", done))));
  t.deepEqual(codes, [0, 0, 0]);
  await folder.clear(true);
  t.is((await listOf(folder)).size, 0);
  t.true(await put(folder, DIGEST, "x"));
});

test("six processes that call with one key compute it once", async (t) => {
  const path = newDirectory();
  const computed = join(newDirectory(), "computed");
  const [index] = ["index.ts"].map((name) => new URL(`../../../src/${name}`, import.meta.url).href);
  const code = `
    import { createCache } from ${JSON.stringify(index)};
    import { appendFileSync } from "node:fs";
    const { permacache } = createCache({ store });
    const f = permacache("slow")((x) => { appendFileSync(${JSON.stringify(computed)}, "x"); Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300); return x + 1; });
    const g = permacache("slow/async")(async (x) => { appendFileSync(${JSON.stringify(computed)}, "y"); await new Promise((done) => setTimeout(done, 300)); return x + 1; });
    console.log(f(1), await g(1));
  `;
  const children = Array.from({ length: 6 }, () => spawn(process.execPath, program(path, code)));
  const printed = await Promise.all(
    children.map(async (child) => {
      let text = "";
      child.stdout.on("data", (data) => {
        text += data;
      });
      child.stderr.on("data", (data) => t.log(String(data)));
      await new Promise((done) => child.on("exit", done));
      return text.trim();
    }),
  );
  t.deepEqual(printed, Array(6).fill("2 2"));
  t.is([...readFileSync(computed, "utf8")].sort().join(""), "xy");
});

test("a process that is killed while it writes leaves exact entries or none, and nobody hangs", async (t) => {
  const path = newDirectory();
  for (let round = 0; round < 4; round++) {
    const kills = spawnSync(
      process.execPath,
      program(
        path,
        `
      setTimeout(() => {}, 1e6);
      for (let i = 0; ; i++) {
        const n = i % 50;
        put(n.toString(16).padStart(2, "0").repeat(20), Buffer.alloc(n * 1000, n));
        if (i === 0) spawn("sh", ["-c", "sleep 0.${round}3; kill -9 " + process.pid], { stdio: "ignore" });
        if (i % 7 === 0) remove(n.toString(16).padStart(2, "0").repeat(20));
        if (i % 40 === 0) folder.clear(false);
      }
    `,
      ).map((each) => each.replace("import { run }", `import { spawn } from "node:child_process"; import { run }`)),
      { stdio: ["ignore", "ignore", "inherit"] },
    );
    t.is(kills.signal, "SIGKILL");
    const folder = folderAt(path);
    for (const [digest, content] of await listOf(folder)) {
      const n = Number.parseInt(digest.slice(0, 2), 16);
      t.is(content, Buffer.alloc(n * 1000, n).toString());
    }
    t.true(
      (await put(folder, DIGEST.replace(/^../, "ff"), Buffer.alloc(255_000, 255).toString("latin1"))) !== undefined,
    );
    await folder.clear(false);
  }
});

test("a worker thread is refused: terminated while it writes, it would hang or abort the process", (t) => {
  const path = newDirectory();
  const built = new URL("../../../dist/stores/lmdb/lmdb-store.js", import.meta.url).href;
  const code = `
    const { Worker } = require("node:worker_threads");
    const work = \`
      import("${built}").then(({ lmdbStore }) => {
        try { lmdbStore({ path: ${JSON.stringify(path)} }); } catch (error) { console.log(error.code, error.message); }
      })\`;
    new Worker(work, { eval: true });
  `;
  const { stdout, stderr, signal } = spawnSync(process.execPath, ["-e", code], { encoding: "utf8" });
  t.is(stderr, "");
  t.is(signal, null);
  t.regex(stdout, /^ERR_PERMACACHE_OPTION lmdbStore\(\): a worker thread cannot use it/);
  t.deepEqual(readdirSync(path), []);
});

// ---- killed, cut off, removed ----

test("what is not synced is told by a file, which is gone after a close and at the exit of a process", async (t) => {
  const path = newDirectory();
  const folder = folderAt(path);
  await put(folder, DIGEST, "x");
  t.true(existsSync(unsynced(path)));
  await storeAt(path).close();
  t.false(existsSync(unsynced(path)));
  inAnotherProcess(path, `put("${DIGEST}", "theirs");`);
  t.false(existsSync(unsynced(path)));
  t.is(await textOf(folder, DIGEST), "theirs");
});

for (const [when, boot, expected] of [
  ["the machine was restarted since", "another start", undefined],
  ["the machine still runs", undefined, "x"],
] as const) {
  test(`a database that was not synced ${expected ? "serves, where" : "is begun anew, where"} ${when}`, async (t) => {
    const path = newDirectory();
    inAnotherProcess(path, `put("${DIGEST}", "x"); process.kill(process.pid, "SIGKILL");`.replace("put(", "process.on('uncaughtException', () => {}); put(").replace(/process\.kill.*$/, "process.reallyExit(0);")); // biome-ignore format: one line
    t.true(existsSync(unsynced(path)));
    if (boot) writeFileSync(unsynced(path), boot);
    t.is(await textOf(folderAt(path), DIGEST), expected);
    t.true(await put(folderAt(path), digestOf(2), "y"));
    await storeAt(path).close();
    t.false(existsSync(unsynced(path)));
  });
}

test("after a durable publish everything is synced at once, by all processes", async (t) => {
  const path = newDirectory();
  const folder = folderAt(path);
  await put(folder, DIGEST, "x");
  t.true(putDurably(folder, digestOf(2), "durable"));
  t.false(existsSync(unsynced(path)));
  await put(folder, DIGEST, "later");
  t.false(existsSync(unsynced(path)));
  inAnotherProcess(path, `put("${digestOf(3)}", "theirs"); process.reallyExit(0);`);
  t.false(existsSync(unsynced(path)));
  t.is((await listOf(folder)).size, 3);
});

// Serial: there is one clock.
test.serial("the whole directory may be removed at any time", async (t) => {
  const path = join(newDirectory(), "store");
  const folder = folderAt(path);
  for (let i = 0; i < 3; i++) {
    t.true(await put(folder, DIGEST, "x"));
    const mark = await folder.mark();
    rmSync(path, { recursive: true });
    t.is(
      later(2_000, () => folder.read({ digest: DIGEST }, false)),
      undefined,
    ); // seen after a second
    t.false(await put(folder, DIGEST, "old", mark), "this counts as a clear");
    t.is(await folder.clear(true), 0);
  }
});

test.serial("a corrupt database is an error of the system; the function works uncached", async (t) => {
  const path = newDirectory();
  mkdirSync(join(path, "=1"));
  writeFileSync(dataOf(path), Buffer.alloc(100_000, 0x5a));
  t.throws(() => folderAt(path).mark());
  const f = createCache({ store: lmdbStore({ path }) }).permacache("f")((x: number) => x + 1);
  const warnings = await warningsOf(() => {
    t.is(f(1), 2);
    t.is(f(1), 2);
  });
  t.true(warnings.length >= 1);
});

test("a truncated database kills nobody", (t) => {
  const path = newDirectory();
  inAnotherProcess(path, `for (let n = 0; n < 300; n++) put(n.toString(16).padStart(3, "0").repeat(20).slice(0, 40), Buffer.alloc(3000, n)); await store.close();`); // biome-ignore format: one line
  truncateSync(dataOf(path), statSync(dataOf(path)).size / 2);
  const code = `
    let found = 0;
    for (let n = 0; n < 300; n++) {
      try {
        const bytes = read(n.toString(16).padStart(3, "0").repeat(20).slice(0, 40));
        if (bytes) found++;
      } catch {}
    }
    console.log("alive");
  `;
  const { stdout, signal } = spawnSync(process.execPath, program(path, code), { encoding: "utf8" });
  t.is(signal, null);
  t.is(stdout.trim(), "alive");
});

needs("mounts")("a full disk is an error of the system; what is there is served", (t) => {
  const path = newDirectory();
  t.is(spawnSync("mount", ["-t", "tmpfs", "-o", "size=1m,mode=0700", "tmpfs", path]).status, 0);
  const code = `
    put("${DIGEST}", "small");
    const codes = new Set();
    for (let n = 0; n < 30; n++) try { put(n.toString(16).padStart(40, "0"), Buffer.alloc(100_000)); } catch (error) { codes.add(error.message); }
    console.log(codes.size > 0, read("${DIGEST}").toString());
    folder.clear(false);
    console.log(put("${DIGEST}", "again"), read("${DIGEST}").toString());
  `;
  const { stdout, stderr, signal } = spawnSync(process.execPath, program(path, code), { encoding: "utf8" });
  spawnSync("umount", [path]);
  t.notRegex(stderr, /Error:/);
  t.is(signal, null);
  t.deepEqual(stdout.trim().split("\n"), ["true small", "true again"]);
});

// ---- retention ----

test("the least recently used go first, exactly, however fast they were written and used", async (t) => {
  const folder = folderAt(newDirectory());
  for (let n = 0; n < 6; n++) await put(folder, digestOf(n), "x");
  later(5, () => folder.use({ digest: digestOf(0) }));
  later(10, () => folder.use({ digest: digestOf(2) }));
  later(15, () => folder.use({ digest: digestOf(0) }));
  const gone: string[] = [];
  for (let left = 6; left > 0; left--) {
    const before = digestsIn(folder);
    t.is(retain(folder, { maxEntries: left - 1 }).length, 1);
    const after = digestsIn(folder);
    gone.push(...before.filter((digest) => !after.includes(digest)));
  }
  t.deepEqual(gone, [1, 3, 4, 5, 2, 0].map(digestOf));
});

test.serial("each limit is kept, of all versions of a path, and no other path pays for it", async (t) => {
  for (const [limits, left] of [
    [{ maxEntries: 2 }, 2],
    [{ maxBytes: 25 }, 2],
    [{ maxAge: 1.5 * DAY }, 2],
    [{ maxIdle: 1.5 * DAY }, 2],
    [{}, 4],
  ] as const) {
    const store = storeAt(newDirectory());
    const folders = [undefined, "1", "2", "3"].map((version) => store.folder({ ...A, version }));
    const other = store.folder({ path: "a/bc" });
    const put10 = (folder: Folder) => put(folder, DIGEST, Buffer.alloc(10));
    later(-9 * DAY, () => put10(other));
    for (const [i, folder] of folders.entries()) later((i - 3) * DAY, () => put10(folder));
    const gone = retain(folders[0]!, limits);
    const [limit] = Object.keys(limits);
    t.deepEqual(gone, Array(4 - left).fill({ path: A.path, limit, isUnused: true }));
    t.deepEqual(
      folders.map((folder) => digestsIn(folder).length).reduce((a, b) => a + b),
      left,
    );
    t.is(digestsIn(other).length, 1);
  }
});

test.serial("limits of the whole store take the least recently used of all paths", async (t) => {
  const store = storeAt(newDirectory());
  const [a, b] = ["a", "b"].map((path) => store.folder({ path })) as [Folder, Folder];
  await put(a, digestOf(1), "1");
  await put(b, digestOf(2), "2");
  await put(a, digestOf(3), "3");
  later(1_000, () => a.use({ digest: digestOf(1) }));
  t.deepEqual(retain(a, {}, { maxEntries: 2 }), [{ path: "b", limit: "maxEntries", isUnused: true }]);
  t.deepEqual(retain(a, {}, { maxBytes: 1 }), [{ path: "a", limit: "maxBytes", isUnused: true }]);
  t.deepEqual(digestsIn(a), [digestOf(1)]);
});

test.serial("an entry that is dated ahead is too old", async (t) => {
  const folder = folderAt(newDirectory());
  const mark = markOf(folder);
  later(DAY, () => put(folder, DIGEST, "x", mark));
  await put(folder, digestOf(2), "y");
  t.is(retain(folder, { maxAge: 9 * DAY }).length, 1);
  t.deepEqual(digestsIn(folder), [digestOf(2)]);
});

test("a use is seen by other processes, and counts for limits and for usedAt", async (t) => {
  const path = newDirectory();
  const folder = folderAt(path);
  await put(folder, digestOf(1), "1");
  await put(folder, digestOf(2), "2");
  const before = folder.usedAt({ digest: digestOf(1) })!;
  inAnotherProcess(path, `read("${digestOf(1)}"); use("${digestOf(1)}");`); // written down at its exit
  t.true(folder.usedAt({ digest: digestOf(1) })! > before);
  t.deepEqual(retain(folder, { maxEntries: 1 }), [{ path: A.path, limit: "maxEntries", isUnused: true }]);
  t.deepEqual(digestsIn(folder), [digestOf(1)]);
});

test("what was cleared and removed gives its room to what comes next", async (t) => {
  const path = newDirectory();
  const folder = folderAt(path);
  const fill = async () => {
    for (let n = 0; n < 100; n++) await put(folder, digestOf(n), Buffer.alloc(5_000));
  };
  for (let i = 0; i < 3; i++) {
    await fill();
    await folder.clear(i % 2 === 0);
  }
  const { size } = statSync(dataOf(path));
  for (let i = 0; i < 5; i++) {
    await fill();
    await folder.clear(i % 2 === 0);
  }
  t.true(statSync(dataOf(path)).size <= size * 1.2);
});

// ---- contents of out files ----

function seen(path: string, content: string): SeenFile {
  writeFileSync(path, content);
  return {
    path,
    sha256: run(contentOf(path, syncIo)) as string,
    stamp: run(stampOf(path, syncIo)) as SeenFile["stamp"],
  };
}

test("contents are kept beside the database, once, for as long as an entry uses them", async (t) => {
  const path = newDirectory();
  const folder = folderAt(path);
  const file = seen(join(newDirectory(), "out"), "content");
  const keptBytes = async () => (await sizesOf(folder)).reduce((sum, { bytes }) => sum + bytes, 0);
  for (const n of [1, 2, 3]) {
    await folder.mark();
    await run(folder.keep(digestOf(n), file, false));
    await put(folder, digestOf(n), "x");
    t.is(readFileSync((await folder.keptFile(digestOf(n), file.sha256)) as string, "utf8"), "content");
  }
  t.is(await keptBytes(), 3 + "content".length);
  const kept = all(folder.keptContents()).flat();
  t.is(kept.length, 1);
  t.true(await kept[0]!.isWhole());
  await folder.dropKept(digestOf(1), []);
  t.false(existsSync((await folder.keptFile(digestOf(1), file.sha256)) as string));
  await folder.remove({ digest: digestOf(2) });
  t.is(await keptBytes(), 2 + "content".length);
  retain(folder, { maxBytes: 8 });
  t.true(existsSync((await folder.keptFile(digestOf(3), file.sha256)) as string));
  await folder.clear(false);
  t.deepEqual(
    namesBelow(path).filter((name) => name.includes("kept")),
    ["=kept"],
  );
});

test.serial("a cache in it does what a cache does", async (t) => {
  const store = lmdbStore({ path: newDirectory() });
  const cache = createCache({ store });
  const log = join(newDirectory(), "log");
  const f = cache.permacache("f", { maxEntries: 2 })((x: number) => {
    appendFileSync(log, `${x} `);
    return { x, list: [x, x] };
  });
  const g = cache.permacache("g")(async (x: number) => new Map([[x, x]]));
  for (const x of [1, 2, 1, 3, 1, 2]) t.deepEqual(f(x), { x, list: [x, x] });
  t.deepEqual(await g(1), new Map([[1, 1]]));
  t.deepEqual(await g(1), new Map([[1, 1]]));
  t.is(readFileSync(log, "utf8"), "1 2 3 2 ");
  t.is(await f.clear(), 2);
  t.is(await g.clear(), 1);
});

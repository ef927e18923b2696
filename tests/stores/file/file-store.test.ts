import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from "node:fs"; // biome-ignore format: one line
import { basename, join } from "node:path";
import test from "ava";
import { folderNames, type Identity } from "../../../src/entry/identity.js";
import { StoreError } from "../../../src/errors.js";
import { run } from "../../../src/flow.js";
import type { Evicted, Listed } from "../../../src/stores/engine.js";
import { FileEngine } from "../../../src/stores/file/file-engine.js";
import type { Folder } from "../../../src/stores/folder.js";
import type { RetentionLimits } from "../../../src/stores/limits.js";
import { Store } from "../../../src/stores/store.js";
import { namesBelow, newDirectory } from "../../files/directory.js";
import { needs } from "../../needs.js";

const A: Identity = { path: "a/b" };
const DIGEST = digestOf(0x3f);
const NAME = { digest: DIGEST };
const FILE = `${DIGEST.slice(2)}.entry`;
const ENTRY = `a/b/=1/3f/${FILE}`;

function storeIn(directory: string): Store {
  return Store.over(FileEngine.at(directory));
}

function prepare() {
  const directory = newDirectory();
  const folder = storeIn(directory).folder(A);
  return { directory, folder, entry: join(directory, ENTRY), temporaries: join(directory, "=_tmp") };
}

function digestOf(n: number): string {
  return n
    .toString(16)
    .padStart(2, "0")
    .padEnd(40, "0123456789abcdef"[n % 16]);
}

/** How entries are published here: by somebody who can wait. */
const HOW = { isCurrent: () => true, mayWait: true, isDurable: false };

async function put(folder: Folder, digest: string, content: string | Buffer, mark?: string): Promise<boolean> {
  return folder.publish({ digest }, [Buffer.from(content)], { ...HOW, mark: mark ?? (await folder.mark()) });
}

/** A copy, taken at once: the bytes may stand in a buffer that the next read uses. */
async function copyOf(folder: Folder, digest: string, mayWait = true): Promise<Buffer | undefined> {
  const read = folder.read({ digest }, mayWait);
  const bytes = read instanceof Promise ? await read : read;
  return bytes && Buffer.from(bytes);
}

async function textOf(folder: Folder, digest: string): Promise<string | undefined> {
  return (await copyOf(folder, digest))?.toString();
}

async function all<T>(items: Iterable<T> | AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const each of items) found.push(each);
  return found;
}

async function listOf(folder: Folder): Promise<Map<string, string>> {
  return new Map((await all(folder.list())).flat().map((listed) => [listed.digest, String(listed.read())]));
}

/** As after each write. */
function retain(folder: Folder, own: RetentionLimits): Evicted[] {
  return run(folder.evict(own, {}, 1)) as Evicted[];
}

function prune(folder: Folder, own: RetentionLimits): Evicted[] {
  return run(folder.evict(own, {})) as Evicted[];
}

// ---- layout ----

test("one directory is one store", (t) => {
  const directory = newDirectory();
  t.is(FileEngine.at(directory), FileEngine.at(`${directory}/x/..`));
  t.not(FileEngine.at(directory), FileEngine.at(`${directory}/x`));
});

test("an entry is one file in a shard of the folder of its path", async (t) => {
  const { directory, folder } = prepare();
  await put(folder, DIGEST, "content");
  const folders = ["=_tmp", "CACHEDIR.TAG", "a", "a/b", "a/b/=1", "a/b/=1/3f"];
  t.deepEqual(namesBelow(directory), [...folders, ENTRY].sort());
  t.is(readFileSync(join(directory, ENTRY), "utf8"), "content");
  t.is(folder.location, join(directory, "a/b/=1"));
});

// Serial: there is one umask.
test.serial("folders and files are private, whatever the umask lets through", async (t) => {
  const { directory, folder } = prepare();
  const store = storeIn(join(directory, "new/store"));
  const umask = process.umask(0);
  try {
    for (const each of [folder, store.folder(A)]) t.true(await put(each, DIGEST, "x"));
  } finally {
    process.umask(umask);
  }
  for (const name of namesBelow(directory)) {
    const stats = statSync(join(directory, name));
    t.is(stats.mode & 0o777, stats.isDirectory() ? 0o700 : 0o600, name);
  }
});

test("reading, listing, removing and clearing make nothing", async (t) => {
  const directory = newDirectory();
  for (const dir of [directory, join(directory, "not/there")]) {
    const folder = storeIn(dir).folder(A);
    t.is(await textOf(folder, DIGEST), undefined);
    t.is(folder.read(NAME, false), undefined);
    t.false(folder.remove(NAME));
    t.is(folder.clear(false), 0);
    t.deepEqual(await all(folder.list()), []);
  }
  t.deepEqual(readdirSync(directory), []);
});

const tagged = test.macro({
  exec(t, prepareDirectory: (directory: string) => void, expected: boolean) {
    const directory = join(newDirectory(), "store");
    prepareDirectory(directory);
    storeIn(directory).folder(A).mark();
    storeIn(directory).folder({ path: "other" }).mark();
    t.is(existsSync(join(directory, "CACHEDIR.TAG")), expected);
  },
  title: (title = "", _prepare, expected) => `CACHEDIR.TAG ${expected ? "stands" : "does not stand"} in ${title}`,
});
test("a directory that the cache made", tagged, () => {}, true);
test("a directory that was empty", tagged, (directory) => mkdirSync(directory), true);
test("a directory that held something else", tagged, (directory) => mkdirSync(join(directory, "data"), { recursive: true }), false); // biome-ignore format: one line

test("CACHEDIR.TAG is what backup programs look for", (t) => {
  const { directory, folder } = prepare();
  folder.mark();
  t.true(
    readFileSync(join(directory, "CACHEDIR.TAG"), "latin1").startsWith("Signature: 8a477f597d28d172789f06886806bc55"),
  );
});

test("files of other names are no entries", async (t) => {
  const { directory, folder } = prepare();
  await put(folder, DIGEST, "x");
  for (const name of ["a/b/=1/note.txt", "a/b/=1/3f/note.txt", "a/b/=1/3f/note.entry", `a/b/=1/3f/${FILE}.bak`]) {
    writeFileSync(join(directory, name), "");
  }
  mkdirSync(join(directory, "a/b/=1/other"));
  writeFileSync(join(directory, "a/b/=1/ff"), "");
  await t.throwsAsync(async () => listOf(folder), { instanceOf: StoreError, message: /ff is a link or a file/ });
  t.is(
    (await all(folder.sizes())).reduce((sum, { entries }) => sum + entries, 0),
    1,
  );
  rmSync(join(directory, "a/b/=1/ff"));
  t.deepEqual([...(await listOf(folder)).keys()], [DIGEST]);
  t.is(await folder.clear(true), 1);
});

test("a path that is escaped to the word tmp has nothing to do with temporary files", async (t) => {
  const directory = newDirectory();
  for (const path of ["Tmp", "Tmp/x", "_tmp", "Aside"]) await put(storeIn(directory).folder({ path }), DIGEST, path);
  await storeIn(directory).folder({ path: "Tmp" }).clear(true);
  for (const path of ["Tmp/x", "_tmp", "Aside"]) {
    t.is(await textOf(storeIn(directory).folder({ path }), DIGEST), path);
  }
});

// ---- temporary files ----

test("nothing temporary is left, whatever became of the entry", async (t) => {
  const { folder, temporaries } = prepare();
  for (const content of ["small", Buffer.alloc(200_000)]) {
    const mark = await folder.mark();
    await put(folder, DIGEST, content);
    await folder.publish(NAME, [Buffer.from(content)], { ...HOW, mark, isCurrent: () => false });
    let asked = 0;
    await folder.publish(NAME, [Buffer.from(content)], { ...HOW, mark, isCurrent: () => ++asked < 2 });
    t.is(asked, 2);
    await folder.clear(true);
    await put(folder, DIGEST, content, mark);
    t.deepEqual(readdirSync(temporaries), []);
  }
});

test("the first publish of a process removes what killed ones left behind, and nothing else", async (t) => {
  const { directory, folder, temporaries } = prepare();
  const kill = `() => readdirSync(${JSON.stringify(temporaries)}).length === 0 || process.kill(process.pid, "SIGKILL")`;
  mkdirSync(temporaries, { mode: 0o700 });
  t.throws(() =>
    inAnotherProcess(directory, `folder.publish({ digest: "${DIGEST}" }, [], { ...how(folder), isCurrent: ${kill} });`),
  );
  const [orphan] = readdirSync(temporaries);
  t.truthy(orphan);
  mkdirSync(join(temporaries, orphan!.replace(/.{32}$/, "0".repeat(32)), "3f"), { recursive: true });
  writeFileSync(join(temporaries, "of-somebody-else"), "");
  await put(folder, DIGEST, "x");
  t.deepEqual(readdirSync(temporaries), ["of-somebody-else"]);
});

// ---- folders that go ----

test("the whole directory may be removed at any time", async (t) => {
  const { directory, folder } = prepare();
  for (let i = 0; i < 3; i++) {
    for (const content of ["small", Buffer.alloc(100_000)]) t.true(await put(folder, DIGEST, content));
    t.true(existsSync(join(directory, "CACHEDIR.TAG")));
    const mark = await folder.mark();
    rmSync(directory, { recursive: true });
    t.is(await textOf(folder, DIGEST), undefined);
    t.false(await put(folder, DIGEST, "x", mark), "this counts as a clear");
    t.false(existsSync(directory), "nothing was made for an entry that is not wanted");
    t.is(await folder.clear(true), 0);
    t.deepEqual(await listOf(folder), new Map());
    t.false(folder.remove(NAME));
  }
});

for (const gone of ["=_tmp", "a", "a/b", "a/b/=1/3f"]) {
  test(`the folder ${gone} may be removed at any time`, async (t) => {
    const { directory, folder } = prepare();
    for (let i = 0; i < 3; i++) {
      t.true(await put(folder, DIGEST, "x"));
      t.is(await textOf(folder, DIGEST), "x");
      rmSync(join(directory, gone), { recursive: true });
      if (gone !== "=_tmp") t.is(await textOf(folder, DIGEST), undefined);
    }
  });
}

test("a shard that goes just before the entry is renamed is made again", async (t) => {
  const { directory, folder } = prepare();
  await put(folder, DIGEST, "x");
  const shard = join(directory, "a/b/=1/3f");
  let asked = 0;
  const isCurrent = () => {
    if (++asked === 2) rmSync(shard, { recursive: true });
    return true;
  };
  t.true(await folder.publish(NAME, [Buffer.from("y")], { ...HOW, mark: await folder.mark(), isCurrent }));
  t.is(await textOf(folder, DIGEST), "y");
});

test("a link to the directory is followed once", async (t) => {
  const directory = newDirectory();
  mkdirSync(join(directory, "real"));
  symlinkSync("real", join(directory, "link"));
  const folder = storeIn(join(directory, "link")).folder(A);
  t.true(await put(folder, DIGEST, "x"));
  t.true(existsSync(join(directory, "real", ENTRY)));
  rmSync(join(directory, "link"));
  t.is(await textOf(folder, DIGEST), "x");
});

// ---- another process ----

const urlOf = (file: string) => JSON.stringify(new URL(`../../../src/stores/${file}`, import.meta.url).href);

/** How the program of another process begins. */
const IMPORTS = `
    import { FileEngine } from ${urlOf("file/file-engine.ts")};
    import { Store } from ${urlOf("store.ts")};
    const storeIn = (directory) => Store.over(FileEngine.at(directory));
    const how = (folder) => ({ mark: folder.mark(), isCurrent: () => true, mayWait: false, isDurable: false });
`;

function inAnotherProcess(directory: string, code: string): void {
  const script = `
    ${IMPORTS}
    import { readdirSync } from "node:fs";
    const folder = storeIn(${JSON.stringify(directory)}).folder(${JSON.stringify(A)});
    const put = (content) => folder.publish({ digest: "${DIGEST}" }, [Buffer.from(content)], how(folder));
    ${code}
  `;
  execFileSync(process.execPath, ["--import=tsx", "--input-type=module", "-e", script], { stdio: "pipe" });
}

test("a clear by another process outdates marks, also where the folder is there again", async (t) => {
  const { directory, folder } = prepare();
  t.true(await put(folder, DIGEST, "x"));
  const mark = await folder.mark();
  inAnotherProcess(directory, `folder.clear(false); put("theirs");`);
  t.false(await put(folder, DIGEST, "mine", mark));
  t.is(await textOf(folder, DIGEST), "theirs");
  t.true(await put(folder, DIGEST, "mine"));
  t.deepEqual(readdirSync(join(directory, "=_tmp")), []);
});

test("what another process publishes and removes is seen", async (t) => {
  const { directory, folder } = prepare();
  t.is(await textOf(folder, DIGEST), undefined);
  inAnotherProcess(directory, `put("theirs");`);
  t.is(await textOf(folder, DIGEST), "theirs");
  inAnotherProcess(directory, `folder.remove({ digest: "${DIGEST}" });`);
  t.is(await textOf(folder, DIGEST), undefined);
});

// ---- links and other things in the place of folders and entries ----

const linked = test.macro({
  async exec(t, place: string) {
    const { directory, folder } = prepare();
    const outside = newDirectory();
    await put(folder, DIGEST, "inside");
    await put(storeIn(outside).folder(A), DIGEST, "outside");
    const [entryBelow] = namesBelow(outside).filter((name) => name.endsWith(FILE));
    const lead = join(outside, ENTRY.startsWith(place) ? place : "=_tmp");
    writeFileSync(join(outside, "=_tmp", "of-somebody"), "");
    const before = namesBelow(outside);
    rmSync(join(directory, place), { recursive: true });
    symlinkSync(lead, join(directory, place));

    const fresh = storeIn(`${directory}`).folder({ ...A });
    const attempts = [
      () => fresh.publish(NAME, [Buffer.from("changed")], { ...HOW, mark: fresh.mark() as string, mayWait: false }),
      () => put(fresh, DIGEST, Buffer.alloc(100_000)),
      () => fresh.remove({ digest: digestOf(0x3f) }),
      () => listOf(fresh),
      () => fresh.clear(false),
    ];
    for (const attempt of attempts) {
      try {
        await attempt();
      } catch (error) {
        t.true(error instanceof StoreError, String(error));
        t.regex((error as Error).message, /is a link or a file where the cache expects a folder/);
      }
    }
    t.deepEqual(namesBelow(outside), before);
    t.is(readFileSync(join(outside, entryBelow!), "utf8"), "outside");
  },
  title: (_: string | undefined, place: string) =>
    `a link in the place of ${place.replace(FILE, "the entry")} leads nothing outside`,
});
for (const place of ["=_tmp", "a", "a/b", "a/b/=1", "a/b/=1/3f", ENTRY]) test(linked, place);

const fresh = (directory: string) => {
  const moved = `${directory}-moved`; // another path: a store that has seen nothing yet
  renameSync(directory, moved);
  process.on("exit", () => rmSync(moved, { recursive: true, force: true }));
  return storeIn(moved).folder(A);
};
for (const place of ["a", "a/b/=1", "a/b/=1/3f"]) {
  test(`a link in the place of ${place} is not read through`, async (t) => {
    const { directory, folder } = prepare();
    const outside = newDirectory();
    await put(folder, DIGEST, "inside");
    await put(storeIn(outside).folder(A), DIGEST, "outside");
    rmSync(join(directory, place), { recursive: true });
    symlinkSync(join(outside, place), join(directory, place));
    const unseen = fresh(directory);
    t.throws(() => unseen.read(NAME, false), { instanceOf: StoreError });
    if (place !== "a/b/=1/3f") t.throws(() => unseen.publish(NAME, [], { ...HOW, mark: unseen.mark() as string, mayWait: false }), { instanceOf: StoreError }); // biome-ignore format: one line
  });
}

test("marking makes no folders behind a link", (t) => {
  const { directory, folder } = prepare();
  const outside = newDirectory();
  symlinkSync(outside, join(directory, "a"));
  t.throws(() => folder.mark(), { instanceOf: StoreError });
  t.deepEqual(readdirSync(outside), []);
});

const replaced = test.macro({
  async exec(t, place: (entry: string) => void) {
    for (const content of ["small", Buffer.alloc(100_000, 1)]) {
      const { folder, entry, temporaries } = prepare();
      await put(folder, DIGEST, "old");
      rmSync(entry);
      place(entry);
      for (const async of [false, true]) t.is((await copyOf(folder, DIGEST, async))?.length ?? 0, 0);
      t.is((await listOf(folder)).size, 1);
      t.true(await put(folder, DIGEST, content));
      t.true(Buffer.from(content).equals((await copyOf(folder, DIGEST))!));
      t.deepEqual(readdirSync(temporaries).filter((name) => statSync(join(temporaries, name)).isFile()), []); // biome-ignore format: one line
    }
  },
  title: (title = "") => `${title} in the place of an entry is a miss, and is replaced`,
});
test("a FIFO", replaced, (entry) => execFileSync("mkfifo", [entry]));
test("an empty directory", replaced, (entry) => mkdirSync(entry));
test("a directory that holds something", replaced, (entry) =>
  mkdirSync(join(entry, "deep/deeper"), { recursive: true }),
);
test("an empty file", replaced, (entry) => writeFileSync(entry, ""));
test("a link to itself", replaced, (entry) => symlinkSync(basename(entry), entry));

test("a directory in the place of an entry is no entry to remove", async (t) => {
  const { folder, entry } = prepare();
  await put(folder, DIGEST, "old");
  rmSync(entry);
  mkdirSync(entry);
  t.false(folder.remove(NAME));
});

test("a file in the place of the directory", async (t) => {
  const file = join(newDirectory(), "file");
  writeFileSync(file, "content");
  const folder = storeIn(file).folder(A);
  t.is(await textOf(folder, DIGEST), undefined);
  t.throws(() => folder.mark(), { code: "EEXIST" });
  t.is(readFileSync(file, "utf8"), "content");
});

// ---- a directory that cannot be written ----

const asRoot = needs("root");

asRoot("a directory that may only be read serves hits, and throws the system's error on a write", async (t) => {
  const { directory, folder } = prepare();
  t.true(await put(folder, DIGEST, "served"));
  for (const name of ["", ...namesBelow(directory)]) {
    const path = join(directory, name);
    chmodSync(path, statSync(path).isDirectory() ? 0o555 : 0o444);
    chownSync(path, 65534, 65534);
  }
  inAnotherProcess(
    directory,
    `
    process.setuid(65534);
    const codes = [
      String(folder.read({ digest: "${DIGEST}" }, false)),
      folder.read({ digest: "ff".repeat(20) }, true),
      ...[() => put("x"), () => folder.remove({ digest: "${DIGEST}" }), () => folder.clear(false), () => storeIn(${JSON.stringify(directory)}).folder({ path: "new" }).mark()].map(codeOf),
    ];
    function codeOf(action) { try { return action(); } catch (error) { return error.code; } }
    if (String(codes) !== "served,,EACCES,EACCES,EACCES,EACCES") throw new Error(String(codes));
  `,
  );
  t.is(await textOf(folder, DIGEST), "served"); // known to be ours from before
});

asRoot("a directory that cannot be reached is empty, and throws the system's error on a write", (t) => {
  const { directory } = prepare();
  mkdirSync(join(directory, "closed"), { mode: 0o700 });
  const source = `
    process.setuid(65534);
    const closed = storeIn(${JSON.stringify(join(directory, "closed/store"))}).folder({ path: "x" });
    const read = closed.read({ digest: "${DIGEST}" }, false);
    let code;
    try { closed.mark(); } catch (error) { code = error.code; }
    if (read !== undefined || code !== "EACCES") throw new Error(read + ", " + code);
  `;
  t.notThrows(() => inAnotherProcess(directory, source));
});

// ---- several processes at once ----

test("processes that write, read, list and clear at once see whole entries or none", async (t) => {
  const { directory, folder } = prepare();
  const script = (clears: boolean) => `
    ${IMPORTS}
    const folder = storeIn(${JSON.stringify(directory)}).folder(${JSON.stringify(A)});
    for (let i = 0; i < 300; i++) {
      const n = i % 7;
      const digest = String(n).repeat(40);
      folder.publish({ digest }, [Buffer.alloc(n * 20_000, n)], how(folder));
      const bytes = folder.read({ digest }, false);
      if (bytes && !(bytes.length === n * 20_000 && bytes.every((byte) => byte === n))) throw new Error("torn");
      if (${clears} && i % 10 === 0) folder.clear(false);
      if (i % 25 === 0) for (const group of folder.list()) for (const listed of group) listed.read();
      if (i % 9 === 0) folder.remove({ digest });
    }
  `;
  const children = [true, false, true].map((clears): ChildProcess => {
    const args = ["--import=tsx", "--input-type=module", "-e", script(clears)];
    return spawn(process.execPath, args, { stdio: ["ignore", "ignore", "inherit"] });
  });
  const codes = await Promise.all(children.map((child) => new Promise((done) => child.on("exit", done))));
  t.deepEqual(codes, [0, 0, 0]);
  await folder.clear(true);
  t.deepEqual(readdirSync(join(directory, "=_tmp")), []);
  t.deepEqual(readdirSync(join(directory, "a/b")), []);
});

// ---- looking at all of it ----

async function foldersOf(directory: string, path?: string): Promise<string[]> {
  const found: string[] = [];
  for await (const each of storeIn(directory).folders(path)) found.push(`${each.path} ${each.name}`);
  return found;
}

test("looking makes nothing, wherever it looks", async (t) => {
  const directory = newDirectory();
  for (const dir of [directory, join(directory, "not/there")]) {
    const store = storeIn(dir);
    t.deepEqual(await foldersOf(dir), []);
    t.deepEqual(await foldersOf(dir, "a/b"), []);
    t.deepEqual(await store.prune({ maxEntries: 1 }), []);
    const folder = store.folder(A);
    for (const iterate of [folder.sizes(), folder.list(), folder.keptContents(), folder.strays()]) t.deepEqual(await all<unknown>(iterate), []); // biome-ignore format: one line
    await store.close();
  }
  t.deepEqual(readdirSync(directory), []);
});

test("a directory that holds something else is no store, and is left alone", async (t) => {
  const directory = newDirectory();
  mkdirSync(join(directory, "a/b/c"), { recursive: true });
  writeFileSync(join(directory, "CACHEDIR.TAG"), "of another program");
  const before = namesBelow(directory);
  t.deepEqual(await foldersOf(directory), []);
  t.deepEqual(await storeIn(directory).prune({ maxEntries: 1 }), []);
  t.deepEqual(namesBelow(directory), before);
});

for (const name of ["=_tmp", "=_ledger"]) {
  test(`${name} tells that a directory inside of a store is a store of its own`, async (t) => {
    const { directory } = prepare();
    const inner = join(directory, "inner");
    const folder = storeIn(inner).folder(A);
    await put(folder, DIGEST, "x");
    retain(folder, { maxEntries: 9 });
    for (const other of ["=_tmp", "=_ledger"]) if (other !== name) rmSync(join(inner, other), { recursive: true });
    t.deepEqual(await foldersOf(directory), []);
    t.deepEqual(await foldersOf(directory, "inner/a/b"), []);
    rmSync(join(inner, name), { recursive: true });
    t.deepEqual(await foldersOf(directory), ["inner/a/b =1"]);
    t.deepEqual(await foldersOf(directory, "inner/a/b"), ["inner/a/b =1"]);
  });
}

test("paths that look alike, device names and versions are told from their folders", async (t) => {
  const directory = newDirectory();
  const versions = ["V", "v", "2.0/\u00fc", "x".repeat(150)];
  const identities: Identity[] = [
    ...["a", "A", "a/b", "a/3f", "a-b", "con", "NUL.txt", "x./y.", "_tmp", "Tmp"].map((path) => ({ path })),
    ...versions.map((version) => ({ path: "v", version })),
    { path: "v", version: "2", source: "ab".repeat(32) },
  ];
  for (const identity of identities) await put(storeIn(directory).folder(identity), DIGEST, "x");
  const expected = identities.map((each) => `${each.path} ${folderNames(each).at(-1)}`);
  t.deepEqual(await foldersOf(directory), expected.sort(byPath));
});

test("no link is followed, and what is not ours is passed over", async (t) => {
  const { directory, folder } = prepare();
  await put(folder, DIGEST, "x");
  const outside = join(newDirectory(), "outside");
  await put(storeIn(outside).folder(A), DIGEST, "outside");
  symlinkSync(join(outside, "a"), join(directory, "z"));
  symlinkSync(join(outside, "a/b/=1"), join(directory, "a/=1"));
  symlinkSync(join(outside, "a/b"), join(directory, "a/link"));
  for (const name of ["a/b/=2/3f", "a/b/=kept/3f", "Upper/=1/3f", "con/=1", "a b/=1/3f", "=_other/c/=1", "=1/3f"]) {
    mkdirSync(join(directory, name), { recursive: true });
  }
  writeFileSync(join(directory, "a/b/=1=v2"), "");
  t.deepEqual(await foldersOf(directory), ["a/b =1"]);
  for (const path of ["z/b", "a/link", "a"]) t.deepEqual(await foldersOf(directory, path), []);
  await storeIn(directory).prune({ maxAge: 1e9 });
  t.deepEqual((await listOf(storeIn(outside).folder(A))).size, 1);
});

test("a store inside of another is none of its business", async (t) => {
  const { directory, folder } = prepare();
  await put(folder, DIGEST, "outer");
  const inner = storeIn(join(directory, "data/cache"));
  await put(inner.folder(A), DIGEST, "inner");
  t.deepEqual(await foldersOf(directory), ["a/b =1"]);
  t.deepEqual(await foldersOf(directory, "data/cache/a/b"), []);
  t.is((await storeIn(directory).prune({ maxBytes: 1 })).length, 1);
  t.is(await textOf(inner.folder(A), DIGEST), "inner");
});

test("a prune makes no ledger: where nobody noted uses there are none to keep", async (t) => {
  const { directory, folder, entry } = prepare();
  const [, old] = [await put(folder, DIGEST, "x"), await put(folder, digestOf(1), "old")];
  t.true(old);
  const tenDaysAgo = Date.now() / 1000 - 10 * 24 * 3600;
  utimesSync(
    join(directory, `a/b/=1/${digestOf(1).slice(0, 2)}/${digestOf(1).slice(2)}.entry`),
    tenDaysAgo,
    tenDaysAgo,
  );
  const store = storeIn(directory);
  t.deepEqual(await store.prune({ maxAge: 5 * 24 * 3600 * 1000 }), [{ path: "a/b", limit: "maxAge", isUnused: true }]);
  t.deepEqual(prune(folder, { maxAge: 5 * 24 * 3600 * 1000 }), []);
  t.false(existsSync(join(directory, "=_ledger")));
  t.true(existsSync(entry));
  t.deepEqual(await store.prune({ maxIdle: 5 * 24 * 3600 * 1000, maxEntries: 9 }), []);
  t.deepEqual(await store.prune({ maxEntries: 0 }), [{ path: "a/b", limit: "maxEntries", isUnused: true }]);
  t.false(existsSync(entry));
  t.false(existsSync(join(directory, "=_ledger")));
});

test("who notes uses gets a ledger to note them in by a prune", async (t) => {
  const { directory, folder } = prepare();
  await put(folder, DIGEST, "x");
  folder.use(NAME);
  t.deepEqual(prune(folder, { maxIdle: 60_000 }), []);
  t.true(existsSync(join(directory, "=_ledger")));
  t.deepEqual(await storeIn(directory).prune({ maxEntries: 9 }), []);
});

test("after an eviction that failed limits are kept as before", async (t) => {
  const { folder, entry } = prepare();
  await put(folder, DIGEST, "x");
  t.deepEqual(retain(folder, { maxEntries: 9 }), []);
  for (let n = 1; n < 6; n++) await put(folder, digestOf(n), "x");
  rmSync(entry);
  mkdirSync(entry);
  t.throws(() => retain(folder, { maxEntries: 2 }));
  rmSync(entry, { recursive: true });
  for (let n = 6; n < 9; n++) await put(folder, digestOf(n), "x");
  retain(folder, { maxEntries: 2 });
  t.is((await listOf(folder)).size, 2);
});

test("what cannot be removed keeps no other entry, and counts on", async (t) => {
  const { folder, entry } = prepare();
  const digests = Array.from({ length: 5 }, (_, i) => digestOf(i));
  for (const digest of [DIGEST, ...digests]) await put(folder, digest, "x");
  t.deepEqual(retain(folder, { maxEntries: 9 }), []);
  rmSync(entry);
  mkdirSync(entry);
  const error = t.throws<NodeJS.ErrnoException>(() => prune(folder, { maxEntries: 2 }));
  t.true(["EISDIR", "EPERM"].includes(error.code!));
  rmSync(entry, { recursive: true });
  t.is((await listOf(folder)).size, 2);
  await put(folder, digestOf(6), "x");
  t.is(retain(folder, { maxEntries: 2 }).length, 1);
});

test("a shard that became a link is not followed, by what the ledger says", async (t) => {
  const { directory, folder, entry } = prepare();
  await put(folder, DIGEST, "x");
  t.deepEqual(retain(folder, { maxEntries: 9 }), []);
  const outside = newDirectory();
  renameSync(join(directory, "a/b/=1/3f"), join(outside, "3f"));
  symlinkSync(join(outside, "3f"), join(directory, "a/b/=1/3f"));
  t.deepEqual(await storeIn(directory).prune({ maxAge: 1, maxIdle: 1 }), []);
  rmSync(join(directory, "=_ledger"));
  t.deepEqual(await storeIn(directory).prune({ maxAge: 1, maxIdle: 1 }), []);
  t.true(existsSync(join(outside, "3f", FILE)));
  t.true(existsSync(entry));
});

test("what has no business in a folder is told, and goes the way of what is cleared", async (t) => {
  const { directory, folder } = prepare();
  await put(folder, DIGEST, "x");
  const outside = join(newDirectory(), "outside");
  writeFileSync(outside, "outside");
  const strange = ["3f/note.txt", "3f/dir", "3f/link", `3f/x_${"ab".repeat(10)}.entry`, `3f/${"0".repeat(38)}.entry`, "ff", "=kept/ab/note"]; // biome-ignore format: one line
  for (const name of ["3f/dir/inner", `3f/${"0".repeat(38)}.entry`, "=kept/ab"]) mkdirSync(join(folder.location, name), { recursive: true }); // biome-ignore format: one line
  symlinkSync(outside, join(folder.location, "3f/link"));
  for (const name of ["3f/note.txt", strange[3]!, "ff", "=kept/ab/note", "note", "3f/dir/inner/x"]) writeFileSync(join(folder.location, name), ""); // biome-ignore format: one line
  const found = (await all(folder.strays())).flat();
  t.deepEqual(found.map(({ location }) => location).sort(), strange.map((name) => join(folder.location, name)).sort());
  t.deepEqual((await all(folder.keptContents())).flat(), []);
  for (const each of found) each.remove();
  const left = ["3f", `3f/${FILE}`, "=kept", "=kept/ab", "note"];
  t.deepEqual(namesBelow(folder.location), left);
  t.deepEqual(readdirSync(join(directory, "=_tmp")), []);
  t.is(readFileSync(outside, "utf8"), "outside");
});

test("a temporary file is strange only when its owner is gone", async (t) => {
  const { directory, folder } = prepare();
  await put(folder, DIGEST, "x");
  const name = basename(storeIn(directory).temporary());
  writeFileSync(join(folder.location, `3f/.permacache-${name}`), "");
  writeFileSync(join(folder.location, `3f/.permacache-${name.replace(/-\d+-/, "-99999999-")}`), "");
  t.deepEqual([...(await listOf(folder)).keys()], [DIGEST]);
  const strays = (await all(folder.strays())).flat().map(({ location }) => /-99999999-/.test(location));
  t.deepEqual(strays, [true]);
});

test("to look at a few entries of many takes a look at a few folders", async (t) => {
  const { folder } = prepare();
  for (let n = 0; n < 256; n += 8) await put(folder, digestOf(n), "x");
  const groups = (folder.list() as Iterable<readonly Listed[]>)[Symbol.iterator]();
  t.is([...groups.next().value!].length, 1);
  rmSync(folder.location, { recursive: true }); // what was not looked at yet is not known
  t.is(groups.next().value, undefined);
});

/** Like the paths, then like the names of their folders. */
function byPath(a: string, b: string): number {
  const [[x = "", ...p], [y = "", ...q]] = [a.split(" "), b.split(" ")];
  return x === y ? (p.join() < q.join() ? -1 : 1) : x < y ? -1 : 1;
}

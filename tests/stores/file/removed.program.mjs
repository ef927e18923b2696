/**
 * Runs one operation on a cache again and again, and removes something of what it works on before its first call of
 * node:fs, before its second, and so on until it makes no more: `node removed.program.mjs <operation> [<what is removed> [<step>]]`.
 * Prints a line for each thing that is removed: how many calls there were, and what went wrong.
 */
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";

const real = { ...fs, promises: { ...fs.promises } };

/** Called before each call of node:fs. */
let before = () => {};

const CALLS =
  /^(?:open|read|write|close|fstat|stat|lstat|readdir|opendir|rename|unlink|mkdir|rm|link|copyFile|chmod|exists|realpath|readlink|readFile|writeFile|lutimes|fsync|rmdir|statfs)(?:Sync)?$/;
function watched(call) {
  const wrapper = function (...args) {
    before();
    return call.apply(this, args);
  };
  // Also those that tell how to make a promise of it.
  return Object.defineProperties(wrapper, Object.getOwnPropertyDescriptors(call));
}
for (const name of Object.keys(fs))
  if (CALLS.test(name) && typeof fs[name] === "function") fs[name] = watched(fs[name]);
fs.promises.rm = watched(fs.promises.rm);
syncBuiltinESMExports();

const { createCache, fileStore } = await import("permacache");

const [, , operation, removed] = process.argv;
const step = Number(process.argv[4] ?? 1);
const top = real.mkdtempSync(join(tmpdir(), "permacache-removed-"));
process.on("exit", () => real.rmSync(top, { recursive: true, force: true }));
const problems = [];
process.on("warning", (warning) => {
  if (
    warning.name === "PermacacheWarning" &&
    warning.code === "ERR_PERMACACHE_STORE" &&
    !/little space/.test(warning.message)
  )
    problems.push(warning.message);
});

/** Gone at once, as by \`clear\`. */
let gone = 0;
function removePath(path) {
  try {
    real.renameSync(path, join(top, `gone-${gone++}`));
  } catch {}
}

const FOLDER = "a/b/=1";
const namesOf = (path) => {
  try {
    return real.readdirSync(path);
  } catch {
    return [];
  }
};
const shardsOf = (dir) =>
  namesOf(join(dir, FOLDER))
    .filter((name) => /^[0-9a-f]{2}$/.test(name))
    .map((name) => join(dir, FOLDER, name));

/** What another program, or another operation, may remove at any moment. */
const REMOVED = {
  "the folder": (dir) => removePath(join(dir, FOLDER)),
  "the folders of the path": (dir) => removePath(join(dir, "a")),
  "the directory": (dir) => removePath(dir),
  "the shards": (dir) => shardsOf(dir).forEach(removePath),
  "the entries": (dir) => {
    for (const shard of shardsOf(dir))
      for (const name of namesOf(shard)) if (name.endsWith(".entry")) removePath(join(shard, name));
  },
  "what is kept for the entries": (dir) => {
    for (const shard of shardsOf(dir))
      for (const name of namesOf(shard)) if (name.endsWith(".kept")) removePath(join(shard, name));
  },
  "the contents": (dir) => removePath(join(dir, FOLDER, "=kept")),
  "the ledger": (dir) => removePath(join(dir, "=_ledger")),
  "the temporary files": (dir) => removePath(join(dir, "=_tmp")),
  "the lock files": (dir) => {
    for (const folder of [dir, join(dir, FOLDER)])
      for (const name of namesOf(folder))
        if (name.startsWith("=_") && name !== "=_tmp" && name !== "=_ledger") removePath(join(folder, name));
  },
};

async function all(items) {
  const found = [];
  for await (const each of items) found.push(each);
  return found;
}

const digest = (n) => `${n}`.repeat(40);
const computed = (f, value, ...args) => {
  const result = f(...args);
  if (result !== value) throw new Error(`${result} instead of ${value}`);
};

/** By name. Each is given a cache with three entries that keep an out file, and a ledger. */
const OPERATIONS = {
  "computes, and keeps": ({ f, out }) => computed(f, 9, 9, out("nine")),
  hits: ({ f, out }) => computed(f, 1, 1, out("1")),
  restores: ({ f, out }) => {
    real.rmSync(out("1"), { force: true });
    computed(f, 1, 1, out("once-more"));
    if (real.readFileSync(out("once-more"), "utf8") !== "content 1") throw new Error("another content");
  },
  "computes, async": async ({ g, out }) => {
    if ((await g(9, out("nine"))) !== 9) throw new Error("another value");
  },
  "restores, async": async ({ g, out }) => {
    if ((await g(1, out("once-more"))) !== 1) throw new Error("another value");
    if (real.readFileSync(out("once-more"), "utf8") !== "content 1") throw new Error("another content");
  },
  "computes a large one, async": async ({ large }) => {
    if ((await large(1)).length !== 200_000) throw new Error("another value");
  },
  evicts: ({ few, out }) => computed(few, 8, 8, out("eight")),
  primes: ({ f, out }) => {
    real.writeFileSync(out("primed"), "primed");
    f.prime("seven", 7, out("primed"));
  },
  deletes: ({ f, out }) => void f.delete(1, out("1")),
  clears: ({ f }) => void f.clear(),
  "clears, async": async ({ g }) => void (await g.clear()),
  "clears the cache": async ({ cache }) => void (await cache.clear()),
  prunes: ({ few }) => void few.prune(),
  "prunes the cache": async ({ cache }) => void (await cache.prune({ maxEntries: 1, maxBytes: 100 })),
  "prunes by age": async ({ cache }) => void (await cache.prune({ maxAge: 1, maxIdle: 1 })),
  lists: async ({ cache, f }) => {
    await all(cache.list());
    [...f.entries()];
    await all(cache.open("a/b").entries());
  },
  looks: ({ f, out }) => {
    f.has(1, out("1"));
    f.peek(1, out("1"));
    f.detail(1, out("1"));
  },
  verifies: async ({ cache }) => void (await cache.verify()),
  "verifies and fixes": async ({ cache }) => {
    const { failed } = await cache.verify({ fix: true });
    if (failed) throw new Error(failed.join());
  },
  locks: ({ store }) => {
    store.locks.tryLock({ folder: FOLDER, digest: digest(1) }, true)?.release();
    store.locks.tryLock({ folder: undefined, digest: digest(1) }, true)?.release();
    store.locks.holder({ folder: FOLDER, digest: digest(1) });
  },
  uses: ({ store }) => {
    for (let n = 1; n < 4; n++) store.usage.use(FOLDER, { digest: digest(n) });
    store.usage.usedAt(FOLDER, { digest: digest(1) });
  },
  marks: ({ store }) => void store.mark(FOLDER),
  drops: async ({ store }) => {
    for (const group of store.listing.list(FOLDER, false))
      for (const { digest } of group) store.contents.drop(FOLDER, digest, []);
  },
  "removes listed entries": ({ store }) => {
    for (const group of store.listing.list(FOLDER, true)) {
      for (const listed of group) {
        listed.stat();
        listed.read();
        listed.remove();
      }
    }
  },
  "removes kept contents": async ({ store }) => {
    for (const group of store.contents.list(FOLDER)) {
      for (const content of group) {
        content.size();
        await content.isWhole();
        content.remove();
      }
    }
  },
};

/** @returns how many calls the operation makes, and what went wrong */
async function attempt(run, remove, place) {
  for (let at = 1; ; at += step) {
    const { calls, isOver } = await attemptBefore(at, run, remove, join(place, String(at)));
    real.rmSync(join(place, String(at)), { recursive: true, force: true });
    if (isOver) return calls;
  }
}

/** Removes something before one call. */
async function attemptBefore(at, run, remove, place) {
  const dir = join(place, "cache");
  real.mkdirSync(join(place, "out"), { recursive: true });
  const out = (name) => join(place, "out", name);
  const store = fileStore({ dir });
  const cache = createCache({ store });
  const write = (x, loc) => {
    if (loc !== undefined) real.writeFileSync(loc, `content ${x}`);
    return x;
  };
  const options = { outFile: "loc", keepOutFiles: true };
  const f = cache.permacache("a/b", options)((x, loc) => write(x, loc));
  const g = cache.permacache("a/b", options)(async (x, loc) => write(x, loc));
  const few = cache.permacache("a/b", { ...options, maxEntries: 2 })((x, loc) => write(x, loc));
  const large = cache.permacache("a/b", { version: "large" })(async (x) => String(x).repeat(200_000));
  for (let x = 1; x < 4; x++) f(x, out(String(x)));
  cache.permacache("other", { maxEntries: 9 })((x) => x)(1); // makes the ledger
  const count = problems.length;
  let made = 0;
  before = () => {
    made++;
    if (made === at) remove(dir);
  };
  try {
    await run({ cache, store, dir, out, f, g, few, large });
  } catch (error) {
    problems.push(error.stack);
  } finally {
    before = () => {};
  }
  await new Promise((resolve) => setImmediate(resolve));
  try {
    computed(f, 5, 5, out("five"));
    if (!f.has(5, out("five"))) problems.push("what is stored afterwards is not there");
  } catch (error) {
    problems.push(`afterwards: ${error.stack}`);
  }
  for (let i = count; i < problems.length; i++) problems[i] = `before call ${at}: ${problems[i]}`;
  await cache.close();
  return { calls: made, isOver: made < at };
}

for (const [name, remove] of Object.entries(REMOVED)) {
  if (removed && removed !== name) continue;
  problems.length = 0;
  const calls = await attempt(OPERATIONS[operation], remove, join(top, name));
  console.log(JSON.stringify({ removed: name, calls, problems }));
}

// Object.prototype has a member of each name in turn. Prints the names under which something behaved otherwise.
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createCache, fileStore, tempCache } from "permacache";
import { lmdbStore } from "permacache/lmdb";

process.on("warning", ({ code, message }) => {
  if (code !== "ERR_PERMACACHE_EXPERIMENTAL") said.push(message); // LMDB says so once, whatever is patched
});
const said = [];
const root = mkdtempSync(join(tmpdir(), "permacache-inherited-"));
const elsewhere = join(root, "elsewhere");

/** What a program sees of the cache that no option of its own tells otherwise. */
async function behaviour(place, patch, hasArchives = true) {
  const dir = join(root, place);
  const undo = patch();
  const seen = [];
  try {
    let runs = 0;
    const cache = createCache({ dir });
    const f = cache.permacache("f")((x, y = 2) => {
      runs++;
      return { x, y };
    });
    const batch = cache.permacache("b", { parallel: "xs" })((xs) => xs.map((x) => x * 2));
    const async = cache.permacache("a", {})(async (x) => x);
    const out = cache.permacache("o", { outFile: "file" })((x, file) => writeFileSync(file, x));
    for (let i = 0; i < 2; i++)
      seen.push(f(1), f({ x: 1 }, 3), batch([1, 2]), await async(1), out("o", join(dir, "o.txt")));
    seen.push(
      runs,
      f.key(1),
      f.has(1),
      f.with({})(1),
      f.with({ maxWait: 5 })(1),
      cache.call(function g(x) {
        return x;
      }, 1),
    );
    seen.push(
      f.prune(),
      f.prune({ maxAge: "1d" }),
      await cache.prune(),
      await cache.prune({}),
      f.delete(1),
      f.prime(5, 1),
      f(1),
    );
    seen.push(await cache.open("f").has({ x: 1, y: 2 }), await cache.verify(), await cache.verify({}));
    const entries = [];
    for await (const { path, version, entries: count } of cache.list()) entries.push({ path, version, count });
    seen.push(entries, { ...(await cache.stats()), timeSaved: 0, directory: 0 });
    if (hasArchives) {
      seen.push(await cache.exportTo("f", join(dir, "f.zip")), await cache.exportTo("f", join(dir, "g.zip"), {}));
      seen.push(await cache.importFrom("imported", join(dir, "f.zip"), {}));
    }
    seen.push(f.clear(), await cache.clear("a"));
    const aged = createCache({ dir: join(dir, "aged"), maxAge: "1d", memory: { maxBytes: "1MB" } }).permacache("f")(
      (x) => x,
    );
    seen.push(aged(1), aged(1), aged.stats().hits, aged.prune());
    const lmdb = createCache({ store: lmdbStore({ path: join(dir, "lmdb") }) });
    const l = lmdb.permacache("f")((x) => x);
    seen.push(l(1), l(1), l.stats().hits);
    const t = tempCache(join(dir, "temp")).permacache("f")((x) => x);
    seen.push(t(1), t(1), t.stats().hits);
    seen.push(fileStore({ dir }).location === dir, fileStore({}).location !== elsewhere);
    await lmdb.close();
  } catch (error) {
    seen.push(String(error?.stack ?? error));
  } finally {
    undo();
  }
  const files = readdirSync(dir, { recursive: true })
    .map(String)
    .filter((name) => /\.entry$|^f$|CACHEDIR/.test(name))
    .sort();
  await new Promise((resolve) => setImmediate(resolve));
  return JSON.stringify({ seen, files, said: said.splice(0) }, null, 1).replaceAll(dir, "DIR");
}

const values = {
  mode: "bypass",
  dir: elsewhere,
  codec: "json",
  compress: "gzip",
  naming: "readable",
  onError: "throw",
  maxAge: 1e-9,
  maxIdle: 1e-9,
  maxEntries: 1,
  maxBytes: 1,
  maxWait: 0,
  durability: "file",
  isDurable: true,
  shared: true,
  secret: "x".repeat(40),
  store: fileStore({ dir: elsewhere }),
  maxValueBytes: 1,
  memory: { maxBytes: 1, trust: 1 },
  keyFunction: () => 1,
  defaults: { y: () => 9 },
  signature: "(q)",
  keywords: true,
  async: true,
  version: "9",
  source: true,
  shouldStore: () => false,
  validate: () => false,
  outFile: ["x"],
  keepOutFiles: true,
  parallel: ["x"],
  chunkSize: 1,
  concurrency: 9,
  onProgress: () => {
    throw new Error("told");
  },
  this: 1,
  signal: AbortSignal.abort(),
  fix: true,
  merge: true,
  trust: 1,
  mapSize: 1,
  limits: { own: { maxEntries: 1 }, whole: {} },
  byDefault: "bypass",
  environment: () => "bypass",
  whereOpen: () => "bypass",
  setting: "mode",
  limit: "age",
  mayBeUndefined: true,
};
const all = await behaviour("expected", () => () => {});
const withoutArchives = await behaviour("without-archives", () => () => {}, false);
if (!all.includes('"count": 2')) throw new Error(all);
for (const [name, value] of Object.entries(values)) {
  const patch = () => {
    Object.defineProperty(Object.prototype, name, { value, configurable: true, writable: true });
    return () => delete Object.prototype[name];
  };
  const isOfStreams = name === "signal" || name === "chunkSize"; // streams of Node itself take these for theirs
  const found = await behaviour(name, patch, !isOfStreams);
  const expected = isOfStreams ? withoutArchives : all;
  if (found === expected) continue;
  const lines = found.split("\n");
  const at = expected.split("\n").findIndex((line, i) => line !== lines[i]);
  console.log(
    `${name}: ${lines
      .slice(at, at + 3)
      .join("")
      .slice(0, 900)}`,
  );
}
rmSync(root, { recursive: true, force: true });
console.log("done");

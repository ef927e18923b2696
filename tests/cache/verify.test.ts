import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, truncateSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { createCache } from "../../src/index.js";
import { FileEngine } from "../../src/stores/file/file-engine.js";
import { needs } from "../needs.js";
import { filesIn, newDirectory } from "../place.js";

/** A cache with some entries, one of which keeps an out file. */
function prepare(t: ExecutionContext, count: number) {
  const dir = join(newDirectory(t), "cache");
  const cache = createCache({ dir });
  const f = cache.permacache("f", { outFile: "loc", keepOutFiles: true })((x: number, loc?: string) => {
    if (loc !== undefined) writeFileSync(loc, "content");
    return x;
  });
  for (let x = 1; x < count; x++) f(x);
  f(0, join(newDirectory(t), "out"));
  return { cache, dir, entries: filesIn(dir).filter((file) => file.endsWith(".entry")) };
}

const FOREIGN = [
  ".DS_Store", "._.DS_Store", "Thumbs.db", "thumbs.db", "desktop.ini", "Desktop.ini", ".directory", "Icon\r", ".localized",
  "x.entry~", ".x.entry.swp", ".x.swo", "#x.entry#", ".#x.entry", "~$x.entry",
  ".sync", ".sync_0a1b.db", ".syncthing.x.entry.tmp", "~syncthing~x.entry.tmp", "x.sync-conflict-20260101-000000-ABCDEFG.entry",
  ".dropbox.attr", ".stfolder", "x.tmp", "x.entry.part", "x.partial", "x.crdownload", ".nfs00000001", ".fuse_hidden0001",
]; // biome-ignore format: a list

test("verify: files of the system, of editors and of programs that synchronize are no damage, and stay", async (t) => {
  const { cache, dir, entries } = prepare(t, 20);
  const kept = filesIn(dir).find((file) => file.includes("=kept"))!;
  const strange = FOREIGN.flatMap((name, i) => [dirname(entries[i % entries.length]!), dirname(kept)].map((folder) => join(folder, name))); // biome-ignore format: one line
  for (const file of strange) writeFileSync(file, "");
  for (const name of ["@eaDir", ".stversions"]) {
    strange.push(join(dirname(entries[0]!), name));
    mkdirSync(strange.at(-1)!);
  }
  writeFileSync(join(dir, ".DS_Store"), "");
  writeFileSync(join(dir, "f/.DS_Store"), "");
  const { checked } = await cache.verify();
  t.deepEqual(await cache.verify(), { checked, damaged: [], removed: 0 });
  t.deepEqual(await cache.verify({ fix: true }), { checked, damaged: [], removed: 0 });
  t.true(strange.every((file) => existsSync(file)));
});

test("verify: what looks like them and is ours, or is nobody's, is damaged", async (t) => {
  const { cache, entries } = prepare(t, 3);
  truncateSync(entries[0]!, 9);
  const names = ["note.txt", "x.entry", "DS_Store", "tmp", "swp"];
  for (const name of names) writeFileSync(join(dirname(entries[1]!), name), "");
  const { damaged } = await cache.verify();
  t.deepEqual(damaged.map((file) => basename(file)).sort(), [basename(entries[0]!), ...names].sort());
});

test("verify with fix goes on behind what cannot be removed, and tells of it", async (t) => {
  const engine = FileEngine.at(join(newDirectory(t), "store"));
  const stuck = { location: "somewhere/stuck", remove: () => Promise.reject(new Error("EBUSY: it is in use")) };
  const store = Object.create(engine, {
    listing: { value: {
      folders: (parent?: string) => engine.listing.folders(parent),
      list: (folder: string, isRead: boolean) => engine.listing.list(folder, isRead),
      strays: () => [[stuck]],
    } },
    tiers: { value: undefined },
    ...Object.fromEntries(
      ["read", "mark", "publish", "remove", "clear", "close"].map((name) => [name, { value: (engine as any)[name].bind(engine) }]),
    ),
  }); // biome-ignore format: one block
  const cache: any = createCache({ store });
  const f = cache.permacache("g")((x: number) => x);
  for (let x = 0; x < 5; x++) f(x);
  for (const file of filesIn(engine.location)
    .filter((each) => each.endsWith(".entry"))
    .slice(0, 2))
    truncateSync(file, 3);
  const { checked, damaged, removed, failed } = await cache.verify({ fix: true });
  t.is(checked, 5);
  t.is(damaged.length, 3);
  t.is(removed, 2);
  t.deepEqual(failed, ["somewhere/stuck: EBUSY: it is in use"]);
  t.deepEqual(await cache.verify(), { checked: 3, damaged: ["somewhere/stuck"], removed: 0 });
});

test("a file in the place of a shard hides none of the entries behind it", async (t) => {
  const { cache, dir, entries } = prepare(t, 30);
  const shards = [...new Set(entries.map((file) => dirname(file)))].sort();
  const free = [..."0123456789abcdef"]
    .map((digit) => join(dirname(shards[0]!), `0${digit}`))
    .find((path) => !existsSync(path))!;
  writeFileSync(free, "");
  truncateSync(entries.find((file) => dirname(file) === shards.at(-1))!, 3);
  const { damaged, checked } = await cache.verify();
  t.is(damaged.length, 2);
  t.is(checked, 31);
  t.is((await cache.verify({ fix: true })).removed, 2);
  t.false(existsSync(free));
  t.is(filesIn(dir).filter((file) => file.endsWith(".entry")).length, 29);
});

needs(
  "linux",
  "root",
  "loop devices",
)("verify with fix: a mounted folder cannot be moved, and the others go", async (t) => {
  const { cache, entries } = prepare(t, 10);
  const mounted = entries.slice(0, 3).map((file) => join(dirname(file), "mounted"));
  for (const folder of mounted) {
    mkdirSync(folder, { recursive: true });
    execFileSync("mount", ["-t", "tmpfs", "none", folder]);
  }
  t.teardown(() => {
    for (const folder of new Set(mounted)) execFileSync("umount", ["-A", folder]);
  });
  for (const file of entries) truncateSync(file, 3);
  const { removed, failed } = await cache.verify({ fix: true });
  t.is(removed, 10);
  t.is(failed?.length, new Set(mounted).size);
  t.regex(failed![0]!, /mounted: EBUSY/);
});

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { newCache, newDirectory } from "../place.js";
import { permacacheCommand, treeOf } from "./command.js";

function numbersCache(t: Parameters<typeof newCache>[0]) {
  const { dir, permacache, files } = newCache(t);
  const f = permacache("changing/f")((x: number) => x);
  for (let x = 0; x < 5; x++) f(x);
  permacache("changing/g")((x: number) => x)(1);
  const run = (...args: string[]) => permacacheCommand(["--dir", dir, ...args]);
  const json = async (...args: string[]) => JSON.parse((await run("--json", ...args)).stdout);
  return { dir, permacache, files, f, run, json };
}

test("prune: of a path, or of all paths; how many went, and what is left", async (t) => {
  const { f, run, json } = numbersCache(t);
  t.regex(
    (await run("prune", "changing/f", "--max-entries", "3")).stdout,
    /^Removed 2 entries; 3 entries, \d+ B left\.\n$/,
  );
  t.is([...f.entries()].length, 3);
  const { path, removed, entries, bytes } = await json("prune", "--max-entries", "1", "--max-age", "1d");
  t.deepEqual([path, removed, entries, bytes > 0], [null, 3, 1, true]);
  t.is((await json("prune", "--max-bytes", "1GB", "--max-idle", "86400000")).removed, 0);
});

test("clear: all entries of a path, and of no other", async (t) => {
  const { run, json } = numbersCache(t);
  t.is((await run("clear", "changing/f")).stdout, "Removed 5 entries of changing/f.\n");
  t.deepEqual(await json("clear", "changing/f"), { path: "changing/f", removed: 0 });
  t.is((await json("count", "changing/g")).entries, 1);
  t.is((await run("clear", "changing/never")).code, 1);
});

test("verify: names what is damaged, exit 1; --fix removes it", async (t) => {
  const { files, run, json } = numbersCache(t);
  t.regex((await run("verify")).stdout, /^Checked 6 files: 0 damaged, 0 removed\.\n$/);
  const [file] = files();
  const bytes = readFileSync(file!);
  bytes[50]! ^= 1;
  writeFileSync(file!, bytes);

  const found = await run("verify");
  t.deepEqual([found.code, found.stderr], [1, ""]);
  t.true(found.stdout.startsWith(`damaged: ${file}\nChecked 6 files: 1 damaged, 0 removed. `), found.stdout);
  const told = await run("verify", "--json");
  t.deepEqual([told.code, JSON.parse(told.stdout)], [1, { checked: 6, damaged: [file], removed: 0 }]);
  const fixed = await run("verify", "--fix");
  t.is(fixed.code, 0);
  t.regex(fixed.stdout, /1 damaged, 1 removed\.\n$/);
  t.deepEqual(await json("verify"), { checked: 5, damaged: [], removed: 0 });
});

test("export and import: under another path, into a cache that is made for it, and merged", async (t) => {
  const { dir, run, json, permacache } = numbersCache(t);
  const outside = newDirectory(t);
  const file = join(outside, "f");
  const exported = await run("export", "changing/f", file);
  t.deepEqual(exported, { code: 0, stdout: `Exported 5 entries to ${file}.zip.\n`, stderr: "" });

  const other = join(outside, "other");
  const into = (...args: string[]) => permacacheCommand(["--dir", other, ...args]);
  t.deepEqual(await into("import", "taken/over", `${file}.zip`), {
    code: 0,
    stdout: "Imported 5 entries into taken/over.\n",
    stderr: "",
  });
  t.is((await into("count", "taken/over")).stdout, "5\n");

  t.is((await json("import", "changing/h", file)).entries, 5);
  t.true(permacache("changing/h")((x: number) => x + 1).has(4));

  const before = treeOf(dir);
  const refused = await run("import", "changing/g", file);
  t.deepEqual([refused.code, refused.stdout], [1, ""]);
  t.regex(refused.stderr, /^permacache: [^\n]*changing\/g[^\n]*\n$/);
  t.deepEqual(
    treeOf(dir).filter((line) => line.includes(".entry")),
    before.filter((line) => line.includes(".entry")),
  );
  t.is((await json("import", "changing/g", file, "--merge")).entries, 4);
  t.is((await json("count", "changing/g")).entries, 5);
});

test("export: a path without entries, and a file that cannot be written, are errors in one line", async (t) => {
  const { f, run } = numbersCache(t);
  const outside = newDirectory(t);
  for (const [path, file] of [
    ["changing/never", join(outside, "f.zip")],
    ["changing/f", join(outside, "none", "f.zip")],
  ] as const) {
    const { code, stdout, stderr } = await run("export", path, file);
    t.deepEqual([code, stdout], [1, ""]);
    t.regex(stderr, /^permacache: [^\n]+\n$/);
  }
  f.clear();
  t.is((await run("export", "changing/f", join(outside, "f.zip"))).code, 1);
  const noZip = join(outside, "text.zip");
  writeFileSync(noZip, "this is no archive");
  const { code, stderr } = await run("import", "changing/new", noZip);
  t.is(code, 1);
  t.regex(stderr, /^permacache: [^\n]*text\.zip[^\n]*\n$/);
});

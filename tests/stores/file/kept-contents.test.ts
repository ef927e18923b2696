import fs, { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { join } from "node:path";
import test from "ava";
import { createCache } from "../../../src/index.js";
import { newDirectory, warningsOf } from "../../place.js";

test.serial("another process that links the same content at the same time is no trouble", async (t) => {
  const dir = newDirectory(t);
  const { permacache } = createCache({ dir: join(dir, "cache") });
  const f = permacache("kept", { outFile: "path", keepOutFiles: true })((x: number, path: string) => {
    writeFileSync(path, `content ${x}`);
    return x;
  });
  let raced = 0;
  const { linkSync: link } = fs;
  fs.linkSync = (from, to) => {
    raced++;
    link(from, to); // the other process
    link(from, to);
  };
  syncBuiltinESMExports();
  t.teardown(() => {
    fs.linkSync = link;
    syncBuiltinESMExports();
  });
  const warnings = await warningsOf(() => f(1, join(dir, "a.txt")));
  t.deepEqual(warnings, []);
  t.is(raced, 1);
  t.is(f.stats().stores, 1);
  mkdirSync(join(dir, "b"));
  fs.rmSync(join(dir, "a.txt"));
  t.is(f(1, join(dir, "b", "b.txt")), 1);
  t.is(f.stats().hits, 1);
  t.is(readFileSync(join(dir, "b", "b.txt"), "utf8"), "content 1");
});

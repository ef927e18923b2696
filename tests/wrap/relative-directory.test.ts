import { execFileSync } from "node:child_process";
import test from "ava";
import { newDirectory } from "../place.js";

test("a relative directory is the place that it was when it was given, wherever the process goes", (t) => {
  const args = ["tests/wrap/relative-directory.program.mjs", newDirectory(t)];
  const { hits, counts, where } = JSON.parse(execFileSync(process.execPath, args, { encoding: "utf8" }));
  t.deepEqual(hits, [...Array.from({ length: 9 }, () => [1, true]).flat(), 1]);
  t.deepEqual(counts, [2, 2, 2, 2, 2, 2, 4, 2, 2]);
  t.deepEqual(where, [
    ["cache", "call", "default", "far", "function", "lmdb", "memory", "near", "store", "tmp"],
    [],
    [],
  ]);
});

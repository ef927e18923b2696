import { existsSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { kw } from "../../src/index.js";
import { newCache, newDirectory } from "../place.js";
import { permacacheCommand, treeOf } from "./command.js";

// What `permacache count` printed before, see tests/behaviours.test.ts.

test("permacache: Count: 3 calls -> 3", async (t) => {
  const { dir, permacache } = newCache(t);
  const f = permacache("count/f")((x: number) => x);
  for (const x of [1, 2, 3, 3]) f(x);
  permacache("count/f/inner")((x: number) => x)(1);
  t.deepEqual(await permacacheCommand(["--dir", dir, "count", "count/f"]), { code: 0, stdout: "3\n", stderr: "" });
});

test("permacache: Count: empty -> 0", async (t) => {
  const { dir, permacache } = newCache(t);
  const deleted = permacache("count/deleted")((x: number) => x);
  const cleared = permacache("count/cleared")((x: number) => x);
  for (const f of [deleted, cleared]) f(1);
  deleted.delete(1);
  cleared.clear();
  for (const path of ["count/deleted", "count/cleared"]) {
    t.deepEqual(await permacacheCommand(["--dir", dir, "count", path]), { code: 0, stdout: "0\n", stderr: "" });
  }
});

test("permacache: Count: missing cache -> error on stderr, exit 1", async (t) => {
  const dir = join(newDirectory(t), "none");
  const { code, stdout, stderr } = await permacacheCommand(["--dir", dir, "count", "count/f"]);
  t.deepEqual([code, stdout], [1, ""]);
  t.regex(stderr, /^permacache: there is no cache in .*none: it does not exist\. .*--dir.*\n$/);
  t.false(existsSync(dir));
});

test("permacache: Count: a path that was never there -> error that names similar ones, exit 1", async (t) => {
  const { dir, permacache } = newCache(t);
  for (const path of ["my/load", "my/load/raw", "other"]) permacache(path)((x: number) => x)(1);
  for (const [path, expected] of [
    ["my/laod", /^permacache: there is no path "my\/laod" in .*\. Similar ones: my\/load.*\n$/],
    ["my", /Similar ones: my\/load, my\/load\/raw\.\n$/],
    ["zzzzzzzz", /It has 3 paths: see permacache ls\.\n$/],
  ] as const) {
    const { code, stdout, stderr } = await permacacheCommand(["--dir", dir, "count", path]);
    t.deepEqual([code, stdout], [1, ""]);
    t.regex(stderr, expected);
  }
});

test("permacache: Count: mixed call styles", async (t) => {
  const { dir, permacache } = newCache(t);
  const f = permacache("count/f")((x: number, y = 2, z = 3) => x + y + z);
  f(2);
  f(2, 2, 3);
  f(2, kw({ z: 3, y: 2 }));
  f(kw({ x: 2, y: 2, z: 3 }));
  f(kw({ x: 5 }));
  t.is((await permacacheCommand(["--dir", dir, "count", "count/f"])).stdout, "2\n");
});

test("permacache: Count: parallel calls", async (t) => {
  const { dir, permacache } = newCache(t);
  const f: any = permacache("count/f", { parallel: "xs" } as object)((xs: number[]) => xs.map((x) => x + 1));
  f([1, 2, 3]);
  f([3, 4, 4]);
  t.is((await permacacheCommand(["--dir", dir, "count", "count/f"])).stdout, "4\n");
});

test("permacache: Count: all versions count, and nothing is created", async (t) => {
  const { dir, permacache } = newCache(t, { naming: "readable" });
  permacache("count/f")((x: number) => x)(1);
  permacache("count/f", { version: "2" })((x: number) => x)(1);
  const before = treeOf(dir);
  const { code, stdout } = await permacacheCommand(["--json", "--dir", dir, "count", "count/f"]);
  t.deepEqual([code, JSON.parse(stdout)], [0, { path: "count/f", entries: 2 }]);
  t.deepEqual(treeOf(dir), before);
});

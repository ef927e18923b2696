import { statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { makeFolders } from "../../src/files/make-folders.js";
import { needs } from "../needs.js";
import { newDirectory } from "../place.js";

test("a folder is made with those above it, of the mode that is given; the first of them is told", (t) => {
  const root = newDirectory(t);
  t.is(makeFolders(join(root, "a/b/c"), 0o700), join(root, "a"));
  for (const name of ["a", "a/b", "a/b/c"]) t.is(statSync(join(root, name)).mode & 0o777, 0o700);
  t.is(makeFolders(join(root, "a/b/c"), 0o700), undefined);
  t.is(makeFolders(join(root, "a/b/d"), 0o700), join(root, "a/b/d"));
});

test("a file in the way is an error", (t) => {
  const root = newDirectory(t);
  writeFileSync(join(root, "file"), "");
  t.throws(() => makeFolders(join(root, "file"), 0o700), { code: "EEXIST" });
  t.throws(() => makeFolders(join(root, "file/a/b"), 0o700), { code: "ENOTDIR" });
});

needs("linux")("where nothing can be made that is an error, and no endless loop", (t) => {
  for (const path of ["/proc/no-such", "/proc/no/such"]) t.throws(() => makeFolders(path, 0o700), { code: "ENOENT" });
});

import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";

const dir = mkdtempSync(join(tmpdir(), "permacache-test-"));
test.after.always(() => rmSync(dir, { recursive: true }));

const program = join(import.meta.dirname, "durability.program.mjs");
const told: Record<string, string> = JSON.parse(execFileSync(process.execPath, [program, dir], { encoding: "utf8" }));

const WHERE = ["cache", "cache async", "function", "function async", "call", "call async", "batch", "prime"];

for (const where of WHERE) {
  for (const size of ["small", "large"]) {
    const count = where === "batch" ? 2 : 1;

    test(`durability "file", ${where}, ${size}: on the disk before it is visible`, (t) => {
      t.is(told[`${where} ${size}/file`], Array(count).fill("fsync rename").join(" "));
    });

    test(`durability "none", which is the default, ${where}, ${size}: renamed only`, (t) => {
      for (const durability of ["none", "default"])
        t.is(told[`${where} ${size}/${durability}`], Array(count).fill("rename").join(" "));
    });
  }
}

test("the narrowest durability wins: of a call, of a function, of a cache", (t) => {
  t.is(told["function none in a cache"], "rename");
  t.is(told["call file of a function"], "fsync rename");
});

import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { sweep, temporaryName } from "../../src/files/temporary.js";
import { newDirectory } from "./directory.js";

const DAY = 24 * 60 * 60;
const [where, own, random] = temporaryName().split("-") as [string, string, string];
const dead = spawnSync(process.execPath, ["-e", ""]).pid;

test("names tell the place and the process, and have 128 random bits", (t) => {
  t.is(own, String(process.pid));
  t.regex(random, /^[0-9a-f]{32}$/);
  t.not(temporaryName(), temporaryName());
});

const swept = test.macro({
  exec(t, name: string, ageInDays: number, goes: boolean) {
    const folder = newDirectory();
    const time = Date.now() / 1000 - ageInDays * DAY;
    for (const make of [
      (path: string) => writeFileSync(path, ""),
      (path: string) => mkdirSync(join(path, "a/b"), { recursive: true }),
    ]) {
      const path = join(folder, name);
      make(path);
      utimesSync(path, time, time);
      sweep(folder);
      t.deepEqual(readdirSync(folder), goes ? [] : [name]);
      sweepAll(folder);
    }
  },
  title: (title = "", _name, _age, goes) => `${title} ${goes ? "goes" : "stays"}`,
});
function sweepAll(folder: string) {
  for (const name of readdirSync(folder)) {
    utimesSync(join(folder, name), 0, 0);
  }
  for (const name of readdirSync(folder)) spawnSync("rm", ["-rf", join(folder, name)]);
}

test("what a dead process here left behind", swept, `${where}-${dead}-${random}`, 0, true);
test("what this process writes", swept, temporaryName(), 0, false);
test("what this process writes for days", swept, temporaryName(), 30, false);
test("what a living process here writes", swept, `${where}-1-${random}`, 30, false);
test("what was made elsewhere just now", swept, `elsewhere-${dead}-${random}`, 0, false);
test("what was made elsewhere two days ago", swept, `elsewhere-${own}-${random}`, 2, true);
test("an unknown name of today", swept, "unknown", 0, false);
test("an unknown name of this place", swept, `${where}-`, 30, false);

test("with a prefix, in a folder of others: only what has it, and such a name behind it, goes", (t) => {
  const folder = newDirectory();
  const orphan = `${where}-${dead}-${random}`;
  const kept = [orphan, ".own-config", `.own-${orphan}.txt`, `.own-${temporaryName()}`].sort();
  for (const name of [...kept, `.own-${orphan}`]) {
    writeFileSync(join(folder, name), "");
    utimesSync(join(folder, name), 0, 0);
  }
  sweep(folder, ".own-");
  t.deepEqual(readdirSync(folder).sort(), kept);
});

test("a link in its place is not followed", (t) => {
  const outside = newDirectory();
  writeFileSync(join(outside, `${where}-${dead}-${random}`), "");
  const link = join(newDirectory(), "link");
  symlinkSync(outside, link);
  sweep(link);
  t.is(readdirSync(outside).length, 1);
});

test("a link among the temporary files goes, and what it leads to stays", (t) => {
  const [folder, outside] = [newDirectory(), newDirectory()];
  writeFileSync(join(outside, "file"), "");
  symlinkSync(outside, join(folder, `${where}-${dead}-${random}`));
  sweep(folder);
  t.deepEqual([readdirSync(folder), readdirSync(outside)], [[], ["file"]]);
});

test("where there is no folder, nothing happens", (t) => t.notThrows(() => sweep("/nowhere/at/all")));

import { spawnSync } from "node:child_process";
import test from "ava";
import { newDirectory } from "../place.js";

const onPosix = process.platform === "win32" ? test.skip : test;

onPosix(
  "where the program holds all descriptors, values are returned all the same, and nothing is left behind",
  (t) => {
    const command = `ulimit -n 40; exec "${process.execPath}" tests/files/descriptors.program.mjs "${newDirectory(t)}"`;
    const { stdout, stderr, status } = spawnSync("sh", ["-c", command], { encoding: "utf8", timeout: 40_000 });
    t.is(status, 0, stderr);
    t.deepEqual(JSON.parse(stdout), { values: [2, 200_000, 2], stores: 3, left: 0 });
    t.is(stderr.match(/PermacacheWarning/g)?.length, 1, stderr);
  },
);

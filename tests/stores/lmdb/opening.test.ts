import { execFileSync, spawn, spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import test from "ava";
import { newDirectory } from "../../files/directory.js";
import { warningsOf } from "../../place.js";
import { writeBesideOpeners } from "./beside-an-opener.js";
import { digestOf, folderAt, program, put, storeAt, textOf } from "./lmdb-place.js";

test("a process that only opens and closes the store takes no entry from those who write, and kills nobody", async (t) => {
  const { writers, openers } = await writeBesideOpeners(newDirectory(), 2, 1, 4_000);
  for (const each of [...writers, ...openers]) {
    t.like(each, { code: 0, signal: null, lost: 0 });
    t.notRegex(each.stderr, /Error|renew/);
    t.true(each.done > 0);
  }
});

const WITHOUT_KERNEL_LOCKS = `
  import Module from "node:module";
  const load = Module._load;
  Module._load = function (name, ...rest) {
    if (name === "fs-native-extensions") throw new Error("not built for this machine");
    return load.call(this, name, ...rest);
  };
`;

test("without kernel locks a second process is refused, until the first one has closed the store or is dead", async (t) => {
  const path = newDirectory();
  const open = `${WITHOUT_KERNEL_LOCKS} console.log(put("${digestOf(1)}", "x"));`;
  const first = spawn(process.execPath, program(path, `${open} process.stdin.on("data", () => store.close());`));
  await new Promise((resolve) => first.stdout.once("data", resolve));
  const second = () => spawnSync(process.execPath, program(path, open), { encoding: "utf8" });
  const refused = second();
  t.regex(refused.stderr, new RegExp(`StoreError: .* is in use by process ${first.pid}. Without the kernel's locks`));
  const ended = new Promise((resolve) => first.once("exit", resolve));
  first.stdin.end("close");
  while (readdirSync(path).some((name) => name.endsWith("0.lock"))) await new Promise(setImmediate);
  t.is(second().stdout, "true\n");
  await ended;
  const killed = spawnSync(process.execPath, program(path, `${open} process.kill(process.pid, "SIGKILL");`));
  t.is(killed.signal, "SIGKILL");
  t.is(second().stdout, "true\n");
});

test("whoever opens the store while another process holds it up is told after a while, and does not hang", async (t) => {
  const path = newDirectory();
  const folder = folderAt(path);
  put(folder, digestOf(1), "x");
  await storeAt(path).close();
  const holder = spawn(process.execPath, [
    "-e",
    `const fs = require("node:fs"); const fd = fs.openSync(process.argv[1], "r+");
     require("fs-native-extensions").tryLock(fd, 0, 0); console.log("held"); setInterval(() => {}, 1e6);`,
    `${path}/=1.lock`,
  ]);
  await new Promise((resolve) => holder.stdout.once("data", resolve));
  t.throws(() => textOf(folder, digestOf(1)), { code: "ERR_PERMACACHE_STORE", message: /is held by another process/ });
  holder.kill("SIGKILL");
  await new Promise((resolve) => holder.once("exit", resolve));
  t.is(textOf(folder, digestOf(1)), "x");
});

test("the files that are locked may be removed at any time", (t) => {
  const path = newDirectory();
  const folder = folderAt(path);
  put(folder, digestOf(1), "x");
  for (const name of ["=1.lock", "=1.gate"]) {
    rmSync(join(path, name));
    t.true(put(folder, digestOf(2), name));
    t.is(textOf(folder, digestOf(2)), name);
  }
  t.true(existsSync(join(path, "=1.lock")));
});

for (const [what, marker] of [
  ["empty", ""],
  ["a part of what it should be", readFileSync("/proc/sys/kernel/random/boot_id", "utf8").slice(0, 9)],
  ["a folder", undefined],
] as const) {
  test(`a marker of what is not synced that is ${what} tells of no restart: all is served`, async (t) => {
    const path = newDirectory();
    put(folderAt(path), digestOf(1), "x");
    await storeAt(path).close();
    if (marker === undefined) mkdirSync(join(path, "=1/unsynced"));
    else writeFileSync(join(path, "=1/unsynced"), marker);
    t.is(textOf(folderAt(path), digestOf(1)), "x");
    t.true(put(folderAt(path), digestOf(2), "y"));
    t.false(readdirSync(path).some((name) => name.includes(".unsynced-")));
  });
}

test("the marker of what is not synced is never seen before all of it is written", (t) => {
  const path = newDirectory();
  const code = `
    import fs from "node:fs";
    import { syncBuiltinESMExports } from "node:module";
    const write = fs.writeSync;
    const marker = ${JSON.stringify(join(path, "=1/unsynced"))};
    fs.writeSync = (...all) => { console.log(fs.existsSync(marker)); return write(...all); };
    syncBuiltinESMExports();
    put("${digestOf(1)}", "x");
    console.log(fs.readFileSync(marker, "utf8") === fs.readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim());
  `;
  const { stdout } = spawnSync(process.execPath, program(path, code), { encoding: "utf8" });
  t.deepEqual(stdout.trim().split("\n"), ["false", "true"]);
});

test.serial(
  "a database that was not synced before a restart is set aside, and kept; one warning says where",
  async (t) => {
    const path = newDirectory();
    put(folderAt(path), digestOf(1), "x");
    await storeAt(path).close();
    writeFileSync(join(path, "=1/unsynced"), "00000000-0000-4000-8000-000000000000");
    const seen = await warningsOf(() => t.is(textOf(folderAt(path), digestOf(1)), undefined));
    const warnings = seen.filter((each) => !each.includes("experimental")); // which is told by the first test that opens one
    const [aside] = readdirSync(path).filter((name) => name.startsWith("=1.unsynced-"));
    t.deepEqual(
      warnings.map((each) => each.includes(join(realpathSync(path), aside!))),
      [true],
    );
    await storeAt(path).close();
    execFileSync("rm", ["-r", join(path, "=1"), join(path, aside!, "unsynced")]);
    renameSync(join(path, aside!), join(path, "=1"));
    t.is(textOf(folderAt(path), digestOf(1)), "x");
  },
);

test("that the engine is experimental is told once in a process, when it is first used, and can be silenced", (t) => {
  const path = newDirectory();
  const code = `
    console.error("wrapped");
    put("${digestOf(1)}", "x");
    await store.close();
    read("${digestOf(1)}");
    await new Promise(setImmediate);
  `;
  const stderrOf = (...flags: string[]) =>
    spawnSync(process.execPath, [...flags, ...program(path, code)], { encoding: "utf8" }).stderr;
  t.deepEqual(stderrOf().match(/wrapped|\[ERR_PERMACACHE_EXPERIMENTAL\]/g), [
    "wrapped",
    "[ERR_PERMACACHE_EXPERIMENTAL]",
  ]);
  t.is(stderrOf("--disable-warning=ERR_PERMACACHE_EXPERIMENTAL"), "wrapped\n");
});

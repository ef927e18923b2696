import { spawnSync } from "node:child_process";
import { readdirSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { needs } from "../../needs.js";
import { filesIn, newDirectory } from "../../place.js";

const withMounts = needs("mounts");

/** A small file system of the test's own. */
function smallDisk(t: ExecutionContext, size: string): string {
  const dir = newDirectory(t);
  const { status } = spawnSync("mount", ["-t", "tmpfs", "-o", `size=${size},mode=0700`, "tmpfs", dir]);
  if (status !== 0) throw new Error("The file system was not mounted.");
  t.teardown(() => void spawnSync("umount", [dir]));
  return dir;
}

/** Runs a module in a process of its own; gives what it printed as JSON, and its warnings. */
function program(dir: string, source: string) {
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    [
      "--input-type=module",
      "-e",
      `import { createCache } from "permacache"; import { rmSync, writeFileSync } from "node:fs";
      const dir = ${JSON.stringify(dir)};
      const fill = () => { try { writeFileSync(dir + "/filler", Buffer.alloc(64 * 1024 * 1024)); } catch {} };
      ${source}`,
    ],
    { encoding: "utf8" },
  );
  if (status !== 0) throw new Error(stderr);
  const warnings = stderr.split("\n").filter((line) => line.includes("PermacacheWarning"));
  return { printed: JSON.parse(stdout), warnings };
}

withMounts("little space: one warning for all functions and caches, which says where, how much and what to do", (t) => {
  const dir = smallDisk(t, "8m");
  const { printed, warnings } = program(
    dir,
    `const functions = ["one", "two"].map((name) => createCache({ dir: dir + "/" + name }).permacache("f"));
    const [f, g] = [functions[0]((x) => x + 1), functions[1](async (x) => x + 1)];
    for (let x = 0; x < 20; x++) { f(x); await g(x); }
    console.log(JSON.stringify([f(1), await g(1), f.stats().hits, g.stats().hits]));`,
  );
  t.deepEqual(printed, [2, 2, 1, 1]);
  t.is(warnings.length, 1);
  t.true(warnings[0]!.includes(dir));
  t.regex(warnings[0]!, /has little space left: [78] MB, \d\d %\. Set maxBytes or maxAge.*choose another `dir`/);
});

withMounts("little space: nothing is said by a process that only reads", (t) => {
  const dir = smallDisk(t, "8m");
  const source = `const f = createCache({ dir }).permacache("f")((x) => x); console.log(f(1));`;
  t.is(program(dir, source).warnings.length, 1);
  t.deepEqual(program(dir, source), { printed: 1, warnings: [] });
});

withMounts("less than 5 % free of a large file system is little, too", (t) => {
  const dir = smallDisk(t, "40g");
  const source = `const f = createCache({ dir }).permacache("f")((x) => x); console.log(f(1));`;
  t.deepEqual(program(dir, source).warnings, [], "38 GB are not");
});

const { bavail, bsize, blocks } = statfsSync(tmpdir());
const hasLittle = bavail * bsize < 2 * 1024 ** 3 || bavail < 0.06 * blocks;
(hasLittle ? test.skip : test)("enough space: nothing is said", (t) => {
  const dir = newDirectory(t);
  t.deepEqual(program(dir, `createCache({ dir }).permacache("f")((x) => x)(1); console.log(1);`).warnings, []);
});

for (const [kind, wrap] of [
  ["sync", "(x) => [++ran, 'x'.repeat(x * 1000)]"],
  ["async", "async (x) => [++ran, 'x'.repeat(x * 1000)]"],
] as const) {
  withMounts(
    `no space, ${kind}: the function works, one further warning, no temporary files, hits are still served`,
    (t) => {
      const dir = smallDisk(t, "8m");
      const { printed, warnings } = program(
        dir,
        `let ran = 0;
      const f = createCache({ dir: dir + "/cache" }).permacache("f")(${wrap});
      const short = async (x) => { const [n, text] = await f(x); return [n, text.length]; };
      const before = [await short(1), await short(100)];
      fill();
      const full = [await short(1), await short(100), await short(200), await short(200), await short(300)];
      rmSync(dir + "/filler");
      const after = [await short(200), await short(200)];
      console.log(JSON.stringify({ before, full, after, errors: f.stats().errors, has: await f.has(300) }));`,
      );
      t.deepEqual(printed, {
        before: [
          [1, 1000],
          [2, 100_000],
        ],
        full: [
          [1, 1000],
          [2, 100_000],
          [3, 200_000],
          [4, 200_000],
          [5, 300_000],
        ],
        after: [
          [6, 200_000],
          [6, 200_000],
        ],
        errors: 3,
        has: false,
      });
      t.is(warnings.length, 2, warnings.join("\n"));
      t.regex(warnings[0]!, /little space left/);
      t.regex(warnings[1]!, /entries cannot be written in .*ENOSPC/);
      t.true(warnings[1]!.includes(join(dir, "cache")));
      t.deepEqual(readdirSync(join(dir, "cache", "=_tmp")), []);
      t.is(filesIn(join(dir, "cache")).length, 3);
    },
  );
}

withMounts("no space from the start: nothing can be made, the function works, one warning", (t) => {
  const dir = smallDisk(t, "8m");
  const { printed, warnings } = program(
    dir,
    `fill();
    const f = createCache({ dir: dir + "/cache" }).permacache("f")((x) => "x".repeat(x));
    console.log(JSON.stringify([f(100_000).length, f(200_000).length, f.stats().errors]));`,
  );
  t.deepEqual(printed, [100_000, 200_000, 2]);
  t.is(warnings.length, 1, warnings.join("\n"));
  t.regex(warnings[0]!, /ENOSPC/);
});

withMounts("no space, with limits: the limits make room, and hold afterwards", (t) => {
  const dir = smallDisk(t, "8m");
  const { printed, warnings } = program(
    dir,
    `const f = createCache({ dir: dir + "/cache" }).permacache("f", { maxEntries: 5 })((x) => "x".repeat(100_000) + x);
    for (let x = 0; x < 5; x++) f(x);
    fill();
    const lengths = [];
    for (let x = 5; x < 10; x++) lengths.push(f(x).length);
    rmSync(dir + "/filler");
    for (let x = 10; x < 20; x++) f(x);
    console.log(JSON.stringify([lengths, [...f.entries()].length, f.has(19)]));`,
  );
  t.deepEqual(printed, [Array(5).fill(100_001), 5, true]);
  t.is(warnings.length, 2, warnings.join("\n"));
  t.deepEqual(readdirSync(join(dir, "cache", "=_tmp")), []);
});

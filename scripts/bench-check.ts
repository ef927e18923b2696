// Fails where a row of the bench that was ok in the run that was kept (bench/last.json) misses its target now by more than
// 15 %. By hand, and before a release: on a quiet machine.
//
//     npm run bench:check                     measures what `npm run bench` does
//     npm run bench:check -- --full           with a million entries, too; takes what options `npm run bench` takes
//     npm run bench -- --json > rows && npm run bench:check -- --rows rows     a run that was written to a file
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { compare } from "./bench/compare.js";
import type { Measured } from "./bench/measure.js";
import { lastKept } from "./bench/table.js";

const args = process.argv.slice(2);
const text = args[0] === "--rows" ? readFileSync(args[1]!, "utf8") : measuredBy(args);
const rows: Measured[] = text
  .split("\n")
  .filter((line) => line.startsWith("{"))
  .map((line) => JSON.parse(line));
const { worse, missing } = compare(lastKept().rows, rows);

for (const { name, ratio, unit, target, better, ok } of rows) {
  const wanted = target === null ? "" : `, ${better === "less" ? "at most" : "at least"} ${target}`;
  console.log(`${worse.includes(name) ? "WORSE" : ok ? "ok" : "missed"}: ${name}: ${ratio} ${unit}${wanted}`);
}
for (const name of missing) console.log(`not measured: ${name}`);
if (rows.length === 0) throw new Error("There are no rows to compare.");
if (worse.length > 0) {
  console.error(`${worse.length} of the rows that were ok miss their target by more than 15 %.`);
  process.exitCode = 1;
}

function measuredBy(options: readonly string[]): string {
  const { status, stdout } = spawnSync("npm", ["run", "--silent", "bench", "--", "--json", ...options], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
    shell: process.platform === "win32",
  });
  if (status !== 0) throw new Error(`The bench ended with ${status}.`);
  return stdout;
}

// Speed, as ratios to a floor that is measured in the same run: only these mean anything from machine to machine.
//
//     npm run bench               a table
//     npm run bench -- --json     one object a row: name, ratio, target, ok and more, see bench/measure.ts
//     npm run bench -- --quick    within 40 s, with less certainty
//     npm run bench -- --full     also with a million entries, which takes some minutes and 5 GB of disk
//     npm run bench -- --save     keeps the rows in bench/last.json, and the table in docs/speed.md
//     npm run bench -- hits       only some groups
//
// `npm run bench:check` compares with what was kept.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { hits } from "./bench/hits.js";
import { large } from "./bench/large.js";
import { type Effort, type Figure, type Measured, measure, type Row } from "./bench/measure.js";
import { million } from "./bench/million.js";
import { peers } from "./bench/peers.js";
import { startup } from "./bench/startup.js";
import { save, tableOf } from "./bench/table.js";
import { writes } from "./bench/writes.js";

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: "boolean", default: false },
    quick: { type: "boolean", default: false },
    full: { type: "boolean", default: false },
    save: { type: "boolean", default: false },
  },
});

const GROUPS: Record<string, (dir: string) => Promise<readonly (Row | Figure)[]>> = {
  hits,
  writes,
  peers,
  large,
  startup,
  ...(options.full && { million }),
};
const effort: Effort = options.quick ? { blocks: 30, warmUp: 5 } : { blocks: 120, warmUp: 20 };

const dir = mkdtempSync(join(tmpdir(), "permacache-bench-"));
process.on("exit", () => rmSync(dir, { recursive: true, force: true }));

const measured: Measured[] = [];
for (const [name, group] of Object.entries(GROUPS)) {
  if (positionals.length > 0 && !positionals.includes(name)) continue;
  for (const row of await group(dir)) {
    const told = await measure(row, effort);
    measured.push(told);
    if (options.json) console.log(JSON.stringify(told));
    else process.stderr.write(".");
  }
}
if (!options.json) console.log(`\n${tableOf(measured)}`);
if (options.save) save(measured);

import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { needs } from "../../needs.js";
import { size } from "../../size.js";

// Every operation lives with every other one that removes what it works on, at whatever moment: see removed.program.mjs.

const PROGRAM = join(import.meta.dirname, "removed.program.mjs");

function namesIn(table: string): string[] {
  const text = readFileSync(PROGRAM, "utf8");
  const start = text.indexOf(`const ${table} = {`);
  return [...text.slice(start, text.indexOf("\n};", start)).matchAll(/^ {2}"?([^":\n]+)"?: \(|^ {2}"?([^":\n]+)"?: async \(/gm)].map((match) => (match[1] ?? match[2])!); // biome-ignore format: one line
}

/** What `clear`, deletions and evictions remove; with test:long also what only people do. */
const REMOVED = size(0, 1) === 1 ? namesIn("REMOVED") : ["the folder", "the contents"];

/** Before how many of the calls: each, or some. */
const STEP = String(size(9, 1));

for (const operation of namesIn("OPERATIONS")) {
  needs("posix", "the build")(`${operation}, while what it works on is removed before each call`, async (t) => {
    t.timeout(600_000);
    for (const removed of REMOVED) {
      const env = { ...process.env, NODE_NO_WARNINGS: "1" };
      const { stdout } = await promisify(execFile)(process.execPath, [PROGRAM, operation, removed, STEP], { env });
      const { calls, problems } = JSON.parse(stdout);
      t.deepEqual(problems, [], removed);
      t.true(calls > 0);
    }
  });
}

// Many small entries in one LMDB database: reads stay flat, bytes per entry.
//
//     npx tsx scripts/lmdb-million.ts               a million entries
//     npx tsx scripts/lmdb-million.ts -- 100000     so many
//
// Reads are told as ratios to a floor of the same moment, readFileSync + JSON.parse of a file of the same size: only these
// mean anything from machine to machine.
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createCache } from "../src/index.js";
import { lmdbStore } from "../src/stores/lmdb/lmdb-store.js";

const wanted = Number(process.argv.findLast((each) => /^\d+$/.test(each)) ?? 1_000_000);
const STEPS = 10;
const READS = 20_000;

const dir = mkdtempSync(join(tmpdir(), "permacache-lmdb-"));
process.on("exit", () => rmSync(dir, { recursive: true, force: true }));
const store = lmdbStore({ path: join(dir, "store") });
const { permacache } = createCache({ store });
const f = permacache("million")((x: number) => ({ mean: x / 8, low: x / 16, high: x / 4, n: x, label: "ABQ" }));

f(-1);
const { bytes } = f.peek(-1)!;
const floorFile = join(dir, "floor.json");
writeFileSync(floorFile, JSON.stringify({ mean: 1.5, low: 0.5, high: 2.5, n: 12, label: "ABQ" }).padEnd(bytes));

/** Microseconds. */
function timeOf(times: number, action: (i: number) => unknown): number {
  const start = performance.now();
  for (let i = 0; i < times; i++) action(i);
  return ((performance.now() - start) * 1000) / times;
}

/** Any of those that are there, in no order. */
function anyOf(count: number, i: number): number {
  return (i * 7_919 + 13) % count;
}

console.log(`${bytes} bytes an entry\n`);
console.log("   entries   write us    hit us   hit / floor   file bytes / entry   rss MB");
for (let step = 1, count = 0; step <= STEPS; step++) {
  const until = Math.round((wanted * step) / STEPS);
  const first = count;
  const write = timeOf(until - first, (i) => f(first + i));
  count = until;
  const hit = timeOf(READS, (i) => f(anyOf(count, i)));
  const floor = timeOf(READS, () => JSON.parse(readFileSync(floorFile, "utf8")));
  const { size } = statSync(join(dir, "store/=1/data.mdb"));
  const columns = [
    [count.toLocaleString("en"), 10],
    [write.toFixed(1), 11],
    [hit.toFixed(2), 10],
    [(hit / floor).toFixed(2), 14],
    [Math.round(size / count).toString(), 21],
    [Math.round(process.memoryUsage.rss() / 1e6).toString(), 9],
  ] as const;
  console.log(columns.map(([text, width]) => text.padStart(width)).join(""));
}
let start = performance.now();
console.log(`\nclear of ${(await f.clear()).toLocaleString("en")}: ${Math.round(performance.now() - start)} ms`);
start = performance.now();
await createCache({ store }).close();
console.log(`close: ${Math.round(performance.now() - start)} ms`);

// Speed, as ratios to a floor that is measured in the same run: only these mean anything from machine to machine.
//
//     npm run bench            a table
//     npm run bench -- --json  one object a row: name, ratio, target, ok, and the medians in microseconds
//
// Each row and its floor run in turns, block by block, so that whatever else the machine does meets both.
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { createCache, type MemoryOptions } from "permacache";

const { json } = parseArgs({ options: { json: { type: "boolean", default: false } } }).values;

interface Row {
  name: string;
  /** At most this many times the floor. */
  target: number;
  /** Calls in a block. */
  calls: number;
  run(i: number): unknown;
  floor(i: number): unknown;
}

const dir = mkdtempSync(join(tmpdir(), "permacache-bench-"));
process.on("exit", () => rmSync(dir, { recursive: true, force: true }));
const { permacache } = createCache({ dir: join(dir, "cache") });

const result = { mean: 12.5, low: 10.25, high: 14.75, n: 1000, label: "ABQ" };
const sync = permacache("bench/sync")((_x: number, _y = 2, _z = 3) => result);
const async = permacache("bench/async")(async (_x: number, _y = 2, _z = 3) => result);
const cold = permacache("bench/cold")((_x: number) => result);
const inMemory = (memory: MemoryOptions) =>
  createCache({ dir: join(dir, "cache"), memory }).permacache("bench/sync")((_x: number, _y = 2, _z = 3) => result);
const checked = inMemory({ maxBytes: "10MB" });
const trusted = inMemory({ maxBytes: "10MB", trust: "1s" });
sync(2);
await new Promise((resolve) => setTimeout(resolve, 100)); // entries that were just written are not held in memory
await async(2);

/** A file of the same bytes as the entry, as JSON that costs as much to parse as the result. */
const { bytes } = sync.peek(2)!;
const text = JSON.stringify(result);
const floorFile = join(dir, "floor.json");
writeFileSync(floorFile, text.padEnd(bytes));
const readAndParse = () => JSON.parse(readFileSync(floorFile, "utf8"));
const payload = Buffer.from(text.padEnd(bytes));
const writeAndRename = (i: number) => {
  writeFileSync(join(dir, "temporary"), payload);
  renameSync(join(dir, "temporary"), join(dir, `cold-${i}`));
};

let fresh = 0;
const rows: Row[] = [
  { name: "small hit, sync function", target: 2, calls: 500, run: () => sync(2), floor: readAndParse },
  { name: "small hit, async function", target: 2, calls: 500, run: () => async(2), floor: readAndParse },
  { name: "small hit, held in memory", target: 0.8, calls: 500, run: () => checked(2), floor: readAndParse },
  { name: "small hit, trusted in memory", target: 0.4, calls: 500, run: () => trusted(2), floor: readAndParse },
  { name: "cold call of a trivial function", target: 1.6, calls: 50, run: () => cold(fresh++), floor: writeAndRename },
];

const BLOCKS = 60;
const WARM_UP = 10;
const measured = [];
for (const { name, target, calls, run, floor } of rows) {
  const runTimes: number[] = [];
  const floorTimes: number[] = [];
  for (let block = 0; block < BLOCKS + WARM_UP; block++) {
    const runTime = await timeOf(run, calls);
    const floorTime = await timeOf(floor, calls);
    if (block < WARM_UP) continue;
    runTimes.push(runTime);
    floorTimes.push(floorTime);
  }
  const ratio = median(runTimes) / median(floorTimes);
  measured.push({
    name,
    ratio: round(ratio),
    target,
    ok: ratio <= target,
    microseconds: round(median(runTimes)),
    spread: [round(quantile(runTimes, 0.1)), round(quantile(runTimes, 0.9))],
    floor: round(median(floorTimes)),
  });
}

if (json) {
  for (const row of measured) console.log(JSON.stringify(row));
} else {
  console.log(
    `Node ${process.version}, ${process.platform} ${process.arch}; microseconds a call, medians of ${BLOCKS} blocks\n`,
  );
  console.table(
    Object.fromEntries(
      measured.map(({ name, spread, ...row }) => [name, { ...row, "10 % to 90 %": spread.join(" to ") }]),
    ),
  );
}

/** Microseconds a call. */
async function timeOf(run: (i: number) => unknown, calls: number): Promise<number> {
  const start = performance.now();
  for (let i = 0; i < calls; i++) {
    const returned = run(i);
    if (returned instanceof Promise) await returned;
  }
  return ((performance.now() - start) * 1000) / calls;
}

function quantile(values: readonly number[], q: number): number {
  return [...values].sort((a, b) => a - b)[Math.floor(q * (values.length - 1))]!;
}

function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

function round(value: number): number {
  return Number(value.toFixed(2));
}

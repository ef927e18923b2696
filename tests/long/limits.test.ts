import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { createCache } from "../../src/index.js";
import { needs } from "../needs.js";
import { newDirectory } from "../place.js";

/** The entries of a path, counted in the directory. */
function countIn(dir: string, path: string): number {
  const folder = join(dir, path, "=1");
  let count = 0;
  for (const shard of namesIn(folder)) {
    for (const name of namesIn(join(folder, shard))) if (name.endsWith(".entry")) count++;
  }
  return count;
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code!)) return []; // a file such as =_locks
    throw error;
  }
}

function median(numbers: readonly number[]): number {
  return [...numbers].sort((a, b) => a - b)[numbers.length >> 1]!;
}

test.serial(
  "100,000 entries under maxEntries: 1000: it holds throughout, and a write costs the same at the end",
  (t) => {
    const dir = join(newDirectory(t), "cache");
    const f = createCache({ dir }).permacache("many", { maxEntries: 1000 })((x: number) => x);
    const times: number[] = [];
    let most = 0;
    for (let x = 0; x < 100_000; x++) {
      const start = performance.now();
      f(x);
      times.push(performance.now() - start);
      if (x % 100 !== 99) continue;
      const count = countIn(dir, "many");
      most = Math.max(most, count);
      if (count > 1100 || count < Math.min(x + 1, 900)) return t.fail(`${count} entries after ${x + 1} writes`);
    }
    const [early, late] = [median(times.slice(2_000, 3_000)), median(times.slice(-1_000))];
    t.log(`at most ${most} entries; median of a write ${early.toFixed(3)} ms, at the end ${late.toFixed(3)} ms`);
    t.true(late <= 3 * early);
    t.is(f.stats().stores, 100_000);
    t.true(f.has(99_999));
    t.false(f.has(0));
  },
);

const WRITER = (dir: string, from: number) => `
  import { createCache } from "permacache";
  import { writeSync } from "node:fs";
  const f = createCache({ dir: ${JSON.stringify(dir)} }).permacache("two", { maxEntries: 500 })((x) => x);
  writeSync(1, "ready\\n");
  process.stdin.once("data", () => {
    for (let x = 0; x < 5000; x++) {
      f(${from} + x);
      if (x % 25 === 24) writeSync(1, "wrote\\n"); // when the directory is looked at
    }
    writeSync(1, JSON.stringify(f.stats()));
    process.exit();
  });`;

// The processes are stopped to count, and /proc tells when they are.
needs("linux").serial(
  "two processes that write 5,000 each under maxEntries: 500: never more than 551, and one being written",
  async (t) => {
    const dir = join(newDirectory(t), "cache");
    let samples = 0;
    let most = 0;
    // Both stand still while the directory is counted: what comes and goes meanwhile would be counted twice, or not.
    const sample = () => {
      for (const { child } of writers) child.kill("SIGSTOP");
      while (!writers.every(({ child }) => isStill(child)));
      most = Math.max(most, countIn(dir, "two"));
      samples++;
      for (const { child } of writers) child.kill("SIGCONT");
    };
    const writers = [0, 1_000_000].map((from) => start(WRITER(dir, from), sample));
    t.teardown(() => {
      for (const { child } of writers) child.kill("SIGKILL");
    });
    await Promise.all(writers.map(({ ready }) => ready));
    for (const { child } of writers) child.stdin.write("go\n");
    for (const { ended } of writers) t.like(JSON.parse(await ended), { stores: 5000, errors: 0 });
    t.log(`at most ${most} entries in ${samples} samples, ${countIn(dir, "two")} at the end`);
    t.true(samples > 50);
    t.true(most <= 552);
    t.true(countIn(dir, "two") <= 551);
    t.true(most >= 450);
  },
);

function start(source: string, onWritten: () => void) {
  const child = spawn(process.execPath, ["--input-type=module", "-e", source], { stdio: ["pipe", "pipe", "ignore"] });
  let printed = "";
  const ready = new Promise<void>((resolve) => {
    child.stdout.on("data", (data) => {
      printed += data;
      if (printed.includes("ready\n")) resolve();
      if (printed.endsWith("wrote\n")) onWritten();
    });
  });
  const ended = new Promise<string>((resolve) =>
    child.once("close", () => resolve(printed.replaceAll(/(ready|wrote)\n/g, ""))),
  );
  return { child, ready, ended };
}

/** Stopped, or over. */
function isStill({ pid }: ChildProcess): boolean {
  try {
    const state = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]![0]!;
    return "TtZX".includes(state);
  } catch {
    return true;
  }
}

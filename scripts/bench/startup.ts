import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createCache } from "permacache";
import { type Figure, median } from "./measure.js";

const STARTS = 21;
const FUNCTIONS = 1_000;

export async function startup(dir: string): Promise<Figure[]> {
  return [importing(dir), wrapping(dir)];
}

function importing(dir: string): Figure {
  const bare = join(dir, "bare.mjs");
  const withImport = join(dir, "import.mjs");
  writeFileSync(bare, "");
  writeFileSync(withImport, `import ${JSON.stringify(import.meta.resolve("permacache"))};`);
  const over: number[] = [];
  for (let i = 0; i <= STARTS; i++) {
    const without = startOf(bare);
    const time = startOf(withImport) - without;
    if (i > 0) over.push(time); // the first reads the files from the disk
  }
  return { name: "import, over bare Node start", target: { atMost: 25 }, unit: "ms", value: median(over) };
}

/** Milliseconds. */
function startOf(program: string): number {
  const start = performance.now();
  const { status } = spawnSync(process.execPath, [program]);
  if (status !== 0) throw new Error(`${program} ended with ${status}`);
  return performance.now() - start;
}

/** Functions that were not met before, each with a source of its own. */
function wrapping(dir: string): Figure {
  const { permacache } = createCache({ dir: join(dir, "cache") });
  const functions = Array.from({ length: FUNCTIONS }, (_, i) => functionOf(i));
  const times = functions.map((fn, i) => {
    const start = performance.now();
    permacache(`bench/wrap-${i}`)(fn);
    return (performance.now() - start) * 1000;
  });
  return { name: "wrapping a function", target: { atMost: 60 }, unit: "us", value: median(times) };
}

function functionOf(i: number): (x: number, y?: number, z?: number) => number {
  return new Function(`return (x, y = 2, { z = 3, name = "f${i}" } = {}) => {
    const sums = [];
    for (let j = 0; j < x; j++) sums.push(j * y + z);
    return sums.reduce((total, sum) => total + sum, name.length);
  }`)();
}

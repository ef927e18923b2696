import { statfsSync } from "node:fs";
import { warn } from "../events.js";
import { performance } from "../flow.js";

const LITTLE_BYTES = 1024 ** 3;
const LITTLE_SHARE = 0.05;

/** Milliseconds between two looks. */
const PAUSE = 60_000;

/** Directories that are remembered. */
const MOST = 1_000;

let isWarned = false;
/** By directory. */
const lastLooks = new Map<string, number>();

/** Warns, once in a process, where a file system that is written to has less than 1 GB or 5 % free. */
export function warnOfLittleSpace(directory: string): void {
  const now = performance.now();
  if (isWarned || now - (lastLooks.get(directory) ?? Number.NEGATIVE_INFINITY) < PAUSE) return;
  if (lastLooks.size === MOST) lastLooks.clear();
  lastLooks.set(directory, now);
  try {
    const { bavail, blocks, bsize } = statfsSync(directory);
    const free = bavail * bsize;
    if (free >= LITTLE_BYTES && bavail >= LITTLE_SHARE * blocks) return;
    isWarned = true;
    const share = Math.floor((100 * bavail) / blocks);
    warn(
      `The file system of ${directory} has little space left: ${Math.floor(free / 1024 ** 2)} MB, ${share} %. Set maxBytes or maxAge, clear what is not needed, or choose another \`dir\`.`,
      "ERR_PERMACACHE_STORE",
    );
  } catch {
    // Not every file system tells.
  }
}

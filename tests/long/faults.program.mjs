/**
 * One piece of work on a cache, for faults.test.ts: `node faults.program.mjs <name of the work> <place>`. While it runs,
 * system calls fail. So it makes none but those of the work: it is told to start by its niceness, and it tells what came
 * of it by the signal that it ends by: SIGUSR2: right. SIGVTALRM: right, with warnings. SIGPROF: the function failed, or its
 * file was not to be had. SIGALRM: anything else.
 */
import { writeSync } from "node:fs";
import { getPriority } from "node:os";
import { join } from "node:path";
import { createCache, StoreError } from "permacache";
import { WORK } from "./faults.work.mjs";

const [, , name, place] = process.argv;
const cacheIn = (directory) => createCache({ dir: join(directory, "cache") }).permacache;
const messages = [];
/** Warnings: of the cache's directory, and of the out file. */
const MOST = { publish: 1, restore: 2 };
process.on("warning", ({ message }) => messages.push(message));

// What is loaded at the first use is loaded by now.
const rehearsal = WORK[name](cacheIn(join(place, "rehearsal")), join(place, "rehearsal"));
rehearsal.prepare();
rehearsal.act();

const { act } = WORK[name](cacheIn(place), place);
const sleeper = new Int32Array(new SharedArrayBuffer(4));
writeSync(1, "ready\n");
while (getPriority() === 0) Atomics.wait(sleeper, 0, 0, 5);

let end = "SIGUSR2";
try {
  if (!act()) end = "SIGALRM";
} catch (error) {
  messages.push(String(error?.stack));
  end = error instanceof StoreError ? "SIGALRM" : "SIGPROF";
}
await new Promise((resolve) => process.nextTick(resolve)); // then warnings are emitted
if (end === "SIGUSR2" && messages.length > 0) end = messages.length <= MOST[name] ? "SIGVTALRM" : "SIGALRM";
if (end === "SIGALRM" || end === "SIGPROF") {
  try {
    writeSync(2, messages.join("\n"));
  } catch {}
}
process.kill(process.pid, end);

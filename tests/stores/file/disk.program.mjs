/**
 * Functions of every kind, on a disk that is in trouble, for disk.test.ts: `node disk.program.mjs <JSON>`. As a user other
 * than root, to whom little is forbidden. Prints what was returned, how many calls were hits, and the warnings, as JSON.
 */
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

const { dir, out, calls, length, uid, descriptors } = JSON.parse(process.argv[2]);
const { createCache } = await import("permacache"); // as root: the package may be in a private directory
if (uid !== undefined) {
  process.setgid(uid);
  process.setuid(uid);
}
// Not before: to load modules takes many at once.
if (descriptors) execFileSync("prlimit", [`--pid=${process.pid}`, `--nofile=${descriptors}:${descriptors}`]);
const warnings = [];
process.on("warning", ({ name, message }) => warnings.push(`${name}: ${message}`));

const { permacache } = createCache({ dir });
/** Characters of an out file. */
const SMALL = 100;
const text = (x) => `${x}:`.padEnd(length, "text");
const sync = permacache("sync")((x) => text(x));
const async = permacache("async")(async (x) => text(x));
const batch = permacache("batch", { parallel: "xs" })((xs) => xs.map(text));
const file = permacache("file", { outFile: "path" })((x, path) => {
  writeFileSync(path, text(x).slice(0, SMALL));
  return text(x);
});

const returned = [
  ...calls.map((x) => sync(x)),
  ...(await Promise.all(calls.map((x) => async(x)))),
  ...batch(calls),
  ...calls.map((x) => file(x, join(out, `${x}`))),
];
const right = [calls, calls, calls, calls].flat().map(text);
const hits = [sync, async, batch, file].map((f) => f.stats().hits);
await new Promise((resolve) => setImmediate(resolve)); // warnings are emitted in the next tick
process.stdout.write(
  JSON.stringify({
    isRight: returned.every((each, i) => each === right[i]) && returned.length === right.length,
    hits,
    warnings,
  }),
);

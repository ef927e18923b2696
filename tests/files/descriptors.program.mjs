// Holds all descriptors, as sockets of a program may, and calls functions that are cached.
import { closeSync, openSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { createCache } from "permacache";

createRequire(import.meta.url)("graceful-fs");
const [dir] = process.argv.slice(2);
const { permacache } = createCache({ dir });
const f = permacache("async")(async (x) => [x, "y".repeat(x)]);
const s = permacache("sync")((x) => [x]);
await f(1);
s(1);
await f(100_000);
const held = [];
try {
  for (;;) held.push(openSync("/dev/null", "r"));
} catch {}
const values = await Promise.all([f(2), f(200_000), s(2)]);
for (const fd of held) closeSync(fd);
await f(3);
const left = readdirSync(`${dir}/=_tmp`).length;
console.log(JSON.stringify({ values: values.map(([x]) => x), stores: f.stats().stores, left }));

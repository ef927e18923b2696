/**
 * One of several processes that do at once whatever a cache can do, at random. Arguments: the directory of the cache, one
 * for archives, how many deeds, a seed. Prints what was wrong, as JSON: an empty array. Warnings are wrong, too.
 */
import { join } from "node:path";
import { createCache } from "../dist/index.js";
import { newRandom } from "./random.mjs";

const [dir, archives, deeds, seed] = process.argv.slice(2);
const cache = createCache({ dir });
const other = createCache({ dir }); // as another program of the user
const wrong = [];

const random = newRandom(seed);

const SIZES = [1, 100, 70_000];
const valueOf = (x) => ({ x, filler: String(x).repeat(SIZES[x % 3]) });
const isRight = (x, value) => value.x === x && value.filler === valueOf(x).filler;

const sync = cache.permacache("work/sync")((x) => valueOf(x));
const async = cache.permacache("work/async")(async (x) => {
  await null;
  return valueOf(x);
});
const limited = cache.permacache("work/limited", { maxEntries: 5, naming: "readable" })((x) => valueOf(x));
const batch = cache.permacache("work/batch", { parallel: "xs", chunkSize: 4, concurrency: 2 })(async (xs) => {
  await null;
  return xs.map(valueOf);
});
const plain = [sync, async, limited];
const all = [...plain, batch];
const any = (list) => list[random(list.length)];
const x = () => random(20);

async function check(f, at, settings = {}) {
  const value = await f.with(settings)(at);
  if (!isRight(at, value)) wrong.push(`${f.name} gave for ${at}: ${JSON.stringify(value).slice(0, 200)}`);
}

const DEEDS = [
  [40, () => check(any(plain), x())],
  [10, () => check(any(plain), x(), { mode: "refresh" })],
  [5, () => check(any(plain), x(), { maxWait: 0 })],
  [5, () => check(any(plain), x(), { durability: "file" })],
  [
    10,
    async () => {
      const xs = Array.from({ length: 1 + random(10) }, x);
      const values = await batch(xs);
      for (const [i, each] of xs.entries()) if (!isRight(each, values[i])) wrong.push(`the batch gave for ${each}`);
    },
  ],
  [10, () => any(plain).delete(x())],
  [5, () => any(all).clear()],
  [5, () => any(all).prune({ maxEntries: 3 })],
  [2, () => other.prune({ maxAge: 50 })],
  [1, () => other.clear()],
  [3, async () => void (await any(plain).peek(x()))],
  [3, async () => void (await Array.fromAsync?.(async.entries()))],
  [2, () => other.verify()],
  [
    2,
    () =>
      other.exportTo(any(["work/sync", "work/async"]), join(archives, `${seed}.zip`)).catch((error) => {
        if (!/has no entries/.test(error.message)) throw error; // it was cleared
      }),
  ],
  [2, () => other.importFrom(any(["work/sync", "work/async"]), join(archives, "all.zip"), { merge: true })],
];
const lots = DEEDS.flatMap(([often, deed]) => Array(often).fill(deed));

for (let i = 0; i < Number(deeds); i++) {
  const deed = any(lots);
  try {
    await deed();
  } catch (error) {
    wrong.push(`${deed}: ${error.stack}`);
  }
}
await cache.close();
console.log(JSON.stringify(wrong));

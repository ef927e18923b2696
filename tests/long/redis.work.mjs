// A machine of its own: calls a cached function at random, and tells what it computed and what it got, line by line.
// Arguments: url, prefix, name, calls, keys, and milliseconds that a computation takes, timeout, lockTtl, "once" for each key once,
// a seed.
import { createCache } from "../../dist/index.js";
import { redisStore } from "../../dist/stores/redis/redis-store.js";
import { newRandom } from "../random.mjs";

const [url, prefix, name, calls, keys, duration, timeout, lockTtl, manner, seed] = process.argv.slice(2);
const { permacache } = createCache({
  store: redisStore({ url, prefix, timeout: Number(timeout), lockTtl: Number(lockTtl) }),
});
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
let computed = 0;

const work = permacache("long/redis")(async (n) => {
  const value = `${n} ${name} ${++computed}`;
  say({ computed: value });
  await new Promise((resolve) => setTimeout(resolve, Number(duration)));
  return value;
});

process.on("warning", ({ message }) => say({ warning: message }));
say({ ready: true });

const random = newRandom(seed);
const order = Array.from({ length: Number(keys) }, (_, i) => i);
for (let i = order.length - 1; i > 0; i--) {
  const j = random(i + 1);
  [order[i], order[j]] = [order[j], order[i]];
}
let next = 0;
async function worker() {
  while (next < Number(calls)) {
    const i = next++;
    const n = manner === "once" ? order[i % order.length] : random(Number(keys));
    const start = performance.now();
    const value = await work(n);
    say({ n, value, took: performance.now() - start });
  }
}
await Promise.all(Array.from({ length: 8 }, worker));
say({ done: true });

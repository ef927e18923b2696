import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { mock } from "node:test";
import test, { type ExecutionContext } from "ava";
import { digestOf } from "../src/call/bind.js";
import { keyLockIn } from "../src/files/locks/key-lock.js";
import { createCache } from "../src/index.js";
import { newDirectory } from "./place.js";

// Tests fake timers to move the time of their own code. What the cache does must not wait for them. Serial: there is one
// set of timers.

const NAMES = ["setTimeout", "setInterval", "setImmediate", "clearTimeout", "clearInterval", "queueMicrotask"] as const;

/** As libraries for tests do it: nothing that is asked for ever comes, and the clock stands still. */
function fakeAll(t: ExecutionContext): void {
  const real = Object.fromEntries(NAMES.map((name) => [name, globalThis[name]]));
  const timer = { ref: () => timer, unref: () => timer };
  for (const name of NAMES) Object.assign(globalThis, { [name]: () => timer });
  const { now } = performance;
  performance.now = () => 0;
  t.teardown(() => {
    Object.assign(globalThis, real);
    performance.now = now;
  });
}

function mockNode(t: ExecutionContext): void {
  mock.timers.enable({ apis: ["setTimeout", "setInterval", "setImmediate"] });
  t.teardown(() => mock.timers.reset());
}

for (const [name, fake] of Object.entries({ "all timers faked": fakeAll, "the mocks of node:test": mockNode })) {
  test.serial(`${name}: batches, entries(), list() and verify() end`, async (t) => {
    const dir = newDirectory(t);
    const cache = createCache({ dir });
    fake(t);
    const f = cache.permacache("batch", { parallel: "xs" })(async (xs: number[]) => xs.map((each) => each + 1));
    const numbers = Array.from({ length: 3_000 }, (_, i) => i);
    t.is((await f(numbers)).length, numbers.length);
    t.is((await f(numbers)).at(-1), numbers.length);
    let count = 0;
    for await (const _ of f.entries()) count++;
    t.is(count, numbers.length);
    for await (const { entries } of cache.list()) t.is(entries, numbers.length);
    t.is((await cache.verify()).damaged.length, 0);
    t.is(await cache.prune({ maxEntries: 2_900 }), 100);
    t.is(await cache.clear(), 2_900);
  });

  test.serial(`${name}: waiting for another process ends`, async (t) => {
    const dir = newDirectory(t);
    const { permacache } = createCache({ dir });
    const f = permacache("waiting", { maxWait: 100 })(async (x: number) => x + 1);
    t.is(await f(1), 2);
    fake(t);
    const held = keyLockIn(join(dir, "waiting", "=1")).tryLock(digestOf(f.key(2)));
    t.is(await f(2), 3);
    held!.release();
  });
}

test("timers and the clock are those of flow.ts, everywhere", (t) => {
  const use = /(?<![\w.])(?:setTimeout|setInterval|setImmediate|clearTimeout|clearInterval)\(|performance\.now/;
  const files = readdirSync("src", { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"));
  const others = files.filter((file) => {
    const text = readFileSync(join("src", file), "utf8");
    const code = text.replaceAll(/\/\*.*?\*\/|\/\/[^\n]*/gs, "");
    if (file === "flow.ts" || !use.test(code)) return false;
    const [, imported = ""] = /import \{([^}]*)\} from "[./]+flow\.js"/.exec(code) ?? [];
    const names =
      code.match(
        /(?<![\w.])(?:setTimeout|setInterval|setImmediate|clearTimeout|clearInterval)(?=\()|performance(?=\.now)/g,
      ) ?? [];
    return names.some((name) => !imported.split(/[\s,]+/).includes(name));
  });
  t.deepEqual(others, []);
});

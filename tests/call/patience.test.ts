import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { patience } from "../../src/call/patience.js";
import { newCache, newDirectory, warningsOf } from "../place.js";

// A call that waits for one that never ends is told of it, and computes by itself after `maxWait`; also inside of one process.

const never = new Promise<never>(() => {});

/** A function of which the first call never ends. */
function stuck(t: any, options: any = {}, result: (x: any) => unknown = (x) => x) {
  const { permacache }: any = newCache(t);
  let runs = 0;
  const f = permacache("f", options)(async (x: any) => (++runs === 1 ? never : result(x)));
  return { f, runs: () => runs };
}

test("maxWait bounds joining a computation of this process", async (t) => {
  const { f, runs } = stuck(t);
  void f(1);
  const others = await Promise.all([f.with({ maxWait: 5 })(1), f.with({ maxWait: "5ms" })(1)]);
  t.deepEqual(others, [1, 1]);
  t.true(runs() === 2 || runs() === 3); // the second may find what the first has stored
  t.true(await f.has(1));
});

test("likewise a batch, of which another call computes some elements", async (t) => {
  const { f } = stuck(t, { parallel: "x", maxWait: 5 }, (xs) => xs);
  void f([1, 2]);
  t.deepEqual(await f([2, 3]), [2, 3]);
});

test("likewise where the outer call is in a recursion, and detail", async (t) => {
  const { f } = stuck(t, { maxWait: 5 });
  void f(1);
  t.is((await f.detail(1)).value, 1);
});

test("maxWait 0: nobody is joined", async (t) => {
  const { f, runs } = stuck(t, { maxWait: 0 });
  void f(1);
  t.is(await f(1), 1);
  t.is(runs(), 2);
});

test.serial("a wait that ends in time gives the result of the other call, and keeps no timer", async (t) => {
  const { permacache } = newCache(t);
  let runs = 0;
  const f: any = permacache("f", { maxWait: "1h" })(async (x: number) => {
    runs++;
    await new Promise((resolve) => setImmediate(resolve));
    return x;
  });
  const timers = () => process.getActiveResourcesInfo().filter((each) => each === "Timeout").length;
  const before = timers();
  t.deepEqual(await Promise.all([f(1), f(1)]), [1, 1]);
  t.is(runs, 1);
  t.is(timers(), before);
});

for (const maxWait of [5, 0]) {
  test(`maxWait ${maxWait} bounds waiting for an out path of this process`, async (t) => {
    const { permacache } = newCache(t);
    const path = join(newDirectory(t), "out");
    let runs = 0;
    const f: any = permacache("f", { outFile: "to", maxWait })(async (x: number, to: string) => {
      if (++runs === 1) await never;
      writeFileSync(to, String(x));
      return x;
    });
    void f(1, path);
    t.is(await f(2, path), 2);
    t.is(runs, 2);
  });
}

test.serial(
  "a long wait inside of one process is told once: by an event, and by a warning that names the cause",
  async (t) => {
    const { f } = stuck(t);
    void f(1);
    const events: any[] = [];
    const listener = (event: unknown) => events.push(event);
    const { long } = patience;
    subscribe("permacache:wait", listener);
    patience.long = 1;
    try {
      const warnings = await warningsOf(() => Promise.all([f.with({ maxWait: 50 })(1), f.with({ maxWait: 50 })(1)]));
      t.is(warnings.length, 1);
      t.regex(warnings[0]!, /"f": a call waits for this process.* waits for itself: .*f\.original.*maxWait/s);
      t.is(events.length, 2);
      t.is(events[0].reason, "this process");
    } finally {
      patience.long = long;
      unsubscribe("permacache:wait", listener);
    }
  },
);

test.serial("a function that hands its work to a worker which calls the same function", async (t) => {
  const { dir } = newCache(t);
  const program = `
    import { Worker, isMainThread, parentPort } from "node:worker_threads";
    import { createCache } from "permacache";
    const { permacache } = createCache({ dir: ${JSON.stringify(dir)} });
    const f = permacache("f", { maxWait: 50 })(async (x) => {
      if (!isMainThread) return x * 2;
      const worker = new Worker(new URL(import.meta.url));
      return new Promise((resolve) => worker.once("message", resolve));
    });
    const value = await f(4);
    parentPort?.postMessage(value);
    if (isMainThread) console.log(value);
  `;
  const file = join(process.cwd(), "tests", "call", `delegates-${process.pid}.tmp.mjs`);
  writeFileSync(file, program);
  t.teardown(async () => (await import("node:fs")).rmSync(file));
  const { execFileSync } = await import("node:child_process");
  t.is(execFileSync(process.execPath, [file], { encoding: "utf8", timeout: 60_000 }), "8\n");
});

/**
 * Somebody else who calls cached functions: a process (forked) or a worker thread. A message is `{ id, command, args }`,
 * the answer `{ id, value }` or `{ id, error }`. The first command is `enter`. What happens is written to a file, a line
 * each: `begin`, `end` (of a computation) or `wait`, the function, its argument, who.
 */

import { subscribe } from "node:diagnostics_channel";
import { appendFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { parentPort } from "node:worker_threads";
import { createCache } from "../../dist/index.js";

let history;
let name;
let functions;

const note = (what, of, x) => appendFileSync(history, `${what} ${of} ${x} ${name}\n`);
subscribe("permacache:wait", ({ path, key }) => note("wait", path, Object.values(JSON.parse(key))[0]));

// ---- a computation goes on until its gate is open ----

const LONG = 40_000;
const isOpen = (gate) => existsSync(`${history}.${gate}`);
const isNoted = (line) => readFileSync(history, "utf8").includes(line);

function until(isTrue) {
  const end = performance.now() + LONG;
  while (!isTrue()) {
    if (performance.now() > end) throw new Error(`${name}: it never came to that: ${isTrue}`);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2);
  }
}

async function untilAsync(isTrue) {
  const end = performance.now() + LONG;
  while (!isTrue()) {
    if (performance.now() > end) throw new Error(`${name}: it never came to that: ${isTrue}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

function work(of, x) {
  note("begin", of, x);
  until(() => isOpen(x));
  note("end", of, x);
  return { x, by: name };
}

async function workAsync(of, x) {
  note("begin", of, x);
  await untilAsync(() => isOpen(x));
  note("end", of, x);
  return { x, by: name };
}

/** What calls the function that the other process is at, and that calls this one. */
let depth = 0;

/** What sync functions began and cannot wait for. */
let left = [];

function crossing(permacache, own, other, isAsync) {
  const met = (x) => () => isNoted(`begin ${own} ${x} `) && isNoted(`begin ${other} ${x} `);
  if (!isAsync) {
    return permacache(own)((x) => {
      note("begin", own, x);
      until(met(x));
      if (depth++ === 0) left.push(functions[other](x));
      note("end", own, x);
      return { x, own };
    });
  }
  return permacache(own)(async (x) => {
    note("begin", own, x);
    await untilAsync(met(x));
    if (depth++ === 0) await functions[other](x);
    note("end", own, x);
    return { x, own };
  });
}

function fill(name, x, loc) {
  note("begin", name, x);
  writeFileSync(loc, `half of ${name} ${x}`);
  until(() => isOpen(x));
  writeFileSync(loc, `${name} ${x}`);
  note("end", name, x);
}

const functionsOf = (permacache) => ({
  sync: permacache("sync")((x) => work("sync", x)),
  async: permacache("async")(async (x) => workAsync("async", x)),
  syncFailing: permacache("syncFailing")((x) => {
    work("syncFailing", x);
    throw new Error(`of ${name}`);
  }),
  failing: permacache("failing")(async (x) => {
    await workAsync("failing", x);
    throw new Error(`of ${name}`);
  }),
  a: crossing(permacache, "a", "b", false),
  b: crossing(permacache, "b", "a", false),
  aAsync: crossing(permacache, "aAsync", "bAsync", true),
  bAsync: crossing(permacache, "bAsync", "aAsync", true),
  aMixed: crossing(permacache, "aMixed", "bMixed", true),
  bMixed: crossing(permacache, "bMixed", "aMixed", false),
  batch: permacache("batch", { parallel: "xs" })((xs) => xs.map((x) => element("batch", x))),
  batchAsync: permacache("batchAsync", { parallel: "xs" })(async (xs) => {
    const results = [];
    for (const x of xs) {
      results.push(element("batchAsync", x));
      await null;
    }
    return results;
  }),
  batchChunks: permacache("batchChunks", { parallel: "xs", chunkSize: 3, concurrency: 2 })(async (xs) => {
    await null;
    return xs.map((x) => element("batchChunks", x));
  }),
  outer: permacache("outer", { parallel: "xs" })((xs) => functions.batch(xs).map((x) => x + 1)),
  fill: permacache("fill", { outFile: "loc" })((x, loc) => fill("fill", x, loc)),
  fillToo: permacache("fillToo", { outFile: "loc" })(async (x, loc) => fill("fillToo", x, loc)),
  fillBoth: permacache("fillBoth", { outFile: ["first", "second"] })((x, first, second) => {
    for (const loc of [first, second]) fill("fillBoth", x, loc);
  }),
});

function element(of, x) {
  note("begin", of, x);
  note("end", of, x);
  return x * 2;
}

const controllers = new Map();
const now = Date.now;

const commands = {
  /** @param dir of the cache @param own the name of this one */
  enter(dir, file, own) {
    history = file;
    name = own;
    depth = 0;
    left = [];
    Date.now = now;
    functions = functionsOf(createCache({ dir }).permacache);
  },
  call: (of, args, settings) => {
    const { abortable, ...others } = settings ?? {};
    if (abortable === undefined) return functions[of].with(others)(...args);
    const controller = new AbortController();
    controllers.set(abortable, controller);
    return functions[of].with({ ...others, signal: controller.signal })(...args);
  },
  abort: (abortable) => controllers.get(abortable).abort(),
  /** All begun at once, in this order. */
  all: (calls) => Promise.all(calls.map(([of, ...args]) => functions[of](...args))),
  method: (of, method, args) => functions[of][method](...args),
  now: () => Date.now(),
  /** The clock of this process from now on, in ms. */
  clock: (offset) => {
    Date.now = () => now() + offset;
  },
};

const send = (message) => (parentPort ? parentPort.postMessage(message) : process.send(message));

(parentPort ?? process).on("message", async ({ id, command, args }) => {
  try {
    const value = await commands[command](...args);
    await Promise.all(left);
    send({ id, value });
  } catch (error) {
    send({ id, error: { name: error.name, message: error.message, stack: error.stack } });
  }
});
send({ id: 0 });

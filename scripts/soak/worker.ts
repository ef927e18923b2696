// One process of the soak: does one operation after the other, until it is killed.

import { subscribe } from "node:diagnostics_channel";
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, writeSync } from "node:fs";
import Module from "node:module";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import { deserialize, serialize } from "node:v8";
import { createCache, withMode } from "permacache";
import { keyLockIn } from "../../src/files/locks/key-lock.js";
import { pause } from "../../src/files/pause.js";
import { lineOf, now, type WorkerTask } from "./history.js";
import { contentOf, Random, type Value, valueOf } from "./values.js";

const task = JSON.parse(process.argv[2]!) as WorkerTask;
const random = new Random(task.seed * 100_003 + task.instance);

if (task.locks === "portable") {
  const loader = Module as unknown as { _resolveFilename(request: string, ...rest: unknown[]): string };
  const resolve = loader._resolveFilename;
  loader._resolveFilename = (request, ...rest) =>
    resolve(request === "fs-native-extensions" ? "not-installed" : request, ...rest);
}

// ---- history ----

const history = openSync(task.history, "a");

function note(sign: string, ...words: (string | number | bigint)[]): void {
  writeSync(history, lineOf(sign, words));
}

/** What was begun and is not over: the oldest first. */
const open = new Map<number, bigint>();
let operations = 0;

/** @param action given when it began */
async function operation(what: string, action: (begun: bigint) => unknown): Promise<void> {
  const number = ++operations;
  const begun = now();
  note("o", begun, number, what);
  open.set(number, begun);
  try {
    await action(begun);
  } catch (error) {
    violation(`${what} threw ${(error as Error).stack ?? error}`);
  }
  open.delete(number);
  note("x", now(), begun, number);
}

function violation(text: string): void {
  note("!", now(), JSON.stringify(text));
}

// ---- what is computed ----

let computations = 0;

/** The beginning of a computation. */
function begin(path: string, key: number): string {
  const nonce = `${task.instance}.${++computations}`;
  const [oldest] = open.values();
  note("b", now(), oldest ?? 0n, path, key, nonce);
  if (operations >= task.dieAt) {
    note("k", now());
    process.kill(process.pid, "SIGKILL");
  }
  return nonce;
}

function end(path: string, key: number, nonce: string): Value {
  note("e", now(), path, key, nonce);
  return valueOf(path, key, nonce);
}

function produce(path: string, key: number): Value {
  const nonce = begin(path, key);
  const milliseconds = random.below(12);
  if (milliseconds > 0) pause(milliseconds);
  return end(path, key, nonce);
}

async function produceAsync(path: string, key: number): Promise<Value> {
  const nonce = begin(path, key);
  await sleep(random.below(25));
  return end(path, key, nonce);
}

async function produceAll(path: string, keys: readonly number[]): Promise<Value[]> {
  const nonces = keys.map((key) => begin(path, key));
  await sleep(random.below(25));
  return keys.map((key, i) => end(path, key, nonces[i]!));
}

function write(path: string, key: number, to: string, nonce: string): void {
  const content = contentOf(path, key, nonce);
  const fd = openSync(to, "w");
  const half = Math.floor(content.length / 2);
  writeSync(fd, content.slice(0, half));
  if (random.below(4) === 0) pause(1); // a moment in which it is half written
  writeSync(fd, content.slice(half));
  closeSync(fd);
}

function produceFile(path: string, key: number, to: string, more?: string): Value {
  const nonce = begin(path, key);
  write(path, key, to, nonce);
  if (more !== undefined) write(`${path} more`, key, more, nonce);
  return end(path, key, nonce);
}

/** Keys of one parity have the same content. */
const TWIN = "twin";

// ---- the functions ----

const cache = createCache({
  dir: task.dir,
  onError: (error) => note("w", now(), JSON.stringify(error.message)),
});
const { permacache } = cache;
subscribe("permacache:wait", () => note("a", now()));
const codec = {
  name: "v8",
  encode: (value: unknown) => serialize(value),
  decode: (bytes: Uint8Array) => deserialize(bytes),
};

// Plain: only ever called, so computed once and then there for good.
const plain = {
  sync: permacache("plain/sync")((key: number) => produce("plain/sync", key)),
  async: permacache("plain/async")(async (key: number) => produceAsync("plain/async", key)),
  own: permacache("plain/own", { codec, naming: "readable" })(async (key: number) => produceAsync("plain/own", key)),
  durable: permacache("plain/durable", { durability: "file", compress: "gzip" })((key: number) =>
    produce("plain/durable", key),
  ),
  batch: permacache("plain/batch", { parallel: "numbers", chunkSize: 3, concurrency: 2 })(async (numbers: number[]) =>
    produceAll("plain/batch", numbers),
  ),
  batchSync: permacache("plain/batch/sync", { parallel: "numbers", chunkSize: 2 })((numbers: number[]) =>
    numbers.map((key) => produce("plain/batch/sync", key)),
  ),
  file: permacache("plain/file", { outFile: "to", keepOutFiles: true })(async (key: number, to: string) =>
    produceFile("plain/file", key, to),
  ),
  fileSync: permacache("plain/file/sync", { outFile: "to", keepOutFiles: true })((key: number, to: string) =>
    produceFile("plain/file/sync", key, to),
  ),
};

// Wild: refreshed, removed, evicted, nested.
const wild = {
  sync: permacache("wild/sync", { maxEntries: 6 })((key: number) => produce("wild/sync", key)),
  async: permacache("wild/async", { maxBytes: 300_000 })(async (key: number) => produceAsync("wild/async", key)),
  json: permacache("wild/json", { codec: "json", compress: "gzip", naming: "readable", maxIdle: 300 })((key: number) =>
    produce("wild/json", key),
  ),
  batch: permacache("wild/batch", { parallel: "numbers", chunkSize: 2, concurrency: 3, maxEntries: 8 })(
    async (numbers: number[]) => produceAll("wild/batch", numbers),
  ),
  file: permacache("wild/file", { outFile: ["to", "more"], keepOutFiles: true, maxEntries: 5 })(
    async (key: number, to: string, more?: string) => produceFile("wild/file", key, to, more),
  ),
  fileSync: permacache("wild/file/sync", { outFile: "to" })((key: number, to: string) =>
    produceFile("wild/file/sync", key, to),
  ),
  twin: permacache("wild/twin", { outFile: "to", keepOutFiles: true, maxBytes: 200_000 })(
    async (key: number, to: string) => {
      const nonce = begin("wild/twin", key);
      write("wild/twin", key % 2, to, TWIN);
      return end("wild/twin", key, nonce);
    },
  ),
  nested: permacache("wild/nested")(async (key: number): Promise<Value> => {
    const nonce = begin("wild/nested", key);
    const inner = random.below(KEYS);
    const begun = now();
    await random.pick([
      async () => seen("wild/nested", inner, await wild.nested(inner), begun), // A -> B, B -> A, or itself
      async () => seen("wild/async", inner, await wild.async(inner), begun),
      async () => seen("wild/sync", inner, wild.sync(inner), begun),
      async () => seenAll("wild/batch", [inner, key], await wild.batch([inner, key]), begun),
    ])();
    return end("wild/nested", key, nonce);
  }),
};

/** Few: they meet. */
const KEYS = 12;

/** Checks a value that a call returned. */
function seen(path: string, key: number, value: Value, begun: bigint): void {
  note("r", now(), begun, path, key, String(value?.nonce));
  if (value?.path !== path || value.key !== key || !isDeepStrictEqual(value, valueOf(path, key, value.nonce))) {
    violation(`${path} ${key} gave a value of ${value?.path} ${value?.key} ${value?.nonce}, or a damaged one`);
  }
}

function seenAll(path: string, keys: readonly number[], values: readonly Value[], begun: bigint): void {
  for (const [i, key] of keys.entries()) seen(path, key, values[i]!, begun);
}

/** Checks a file that a call wrote, or was given. */
function seenFile(path: string, key: number, file: string, nonce: string): void {
  const content = readFileSync(file, "latin1");
  if (content === contentOf(path, key, nonce)) return;
  violation(
    `${path} ${key} ${nonce}: ${file} has ${content.length} characters: ${JSON.stringify(content.slice(0, 80))}`,
  );
}

// ---- operations ----

/** A plain key: mostly of those that are new to everybody at this moment. */
function plainKey(): number {
  const newest = Math.floor(Number(now() - BigInt(task.start)) / 1e6 / 250);
  return random.below(4) > 0 ? newest + random.below(2) : random.below(newest + 1);
}

function wildKey(): number {
  return random.below(KEYS);
}

function severalKeys(key: () => number): number[] {
  return Array.from({ length: 1 + random.below(8) }, key);
}

/** Of this worker alone; what goes on at the same time has other lanes. */
function target(lane: number): string {
  return join(task.files, `${task.slot}`, `${lane}-${random.below(3)}`);
}

const AT_ONCE = [
  async (_lane: number, key = plainKey()) =>
    operation(`plain/async ${key}`, async (begun) => seen("plain/async", key, await plain.async(key), begun)),
  async (_lane: number, key = plainKey()) =>
    operation(`plain/own ${key}`, async (begun) => seen("plain/own", key, await plain.own(key), begun)),
  async (_lane: number, keys = severalKeys(plainKey)) =>
    operation(`plain/batch ${keys}`, async (begun) => seenAll("plain/batch", keys, await plain.batch(keys), begun)),
  async (_lane: number, key = plainKey(), to = join(task.files, "plain", `${key}-${random.below(3)}`)) =>
    operation(`plain/file ${key} ${to}`, async (begun) => {
      const value = await plain.file(key, to);
      seen("plain/file", key, value, begun);
      seenFile("plain/file", key, to, value.nonce);
    }),
  async (_lane: number, key = wildKey(), overrides = terms()) =>
    operation(`wild/async ${key} ${JSON.stringify(overrides)}`, async (begun) =>
      seen("wild/async", key, await wild.async.with(overrides)(key), begun),
    ),
  async (_lane: number, keys = severalKeys(wildKey), overrides = terms()) =>
    operation(`wild/batch ${keys} ${JSON.stringify(overrides)}`, async (begun) =>
      seenAll("wild/batch", keys, await wild.batch.with(overrides)(keys), begun),
    ),
  async (lane: number, key = wildKey(), to = target(lane)) =>
    operation(`wild/file ${key} ${to}`, async (begun) => {
      const overrides = terms();
      const more = random.below(2) ? `${to}-more` : undefined;
      const value = await wild.file.with(overrides)(key, to, more);
      seen("wild/file", key, value, begun);
      seenFile("wild/file", key, to, value.nonce);
      if (more) seenFile("wild/file more", key, more, value.nonce);
    }),
  async (lane: number, key = wildKey(), to = target(lane)) =>
    operation(`wild/twin ${key} ${to}`, async (begun) => {
      seen("wild/twin", key, await wild.twin.with(terms())(key, to), begun);
      seenFile("wild/twin", key % 2, to, TWIN);
    }),
  async (_lane: number, key = wildKey()) =>
    operation(`wild/nested ${key}`, async (begun) =>
      seen("wild/nested", key, await wild.nested.with(terms())(key), begun),
    ),
];

/** Sync functions do not wait in a thread that holds a key lock: nothing else goes on beside them. */
const ALONE = [
  async (key = plainKey()) =>
    operation(`plain/sync ${key}`, (begun) => seen("plain/sync", key, plain.sync(key), begun)),
  async (key = plainKey()) =>
    operation(`plain/durable ${key}`, (begun) => seen("plain/durable", key, plain.durable(key), begun)),
  async (keys = severalKeys(plainKey)) =>
    operation(`plain/batch/sync ${keys}`, (begun) => seenAll("plain/batch/sync", keys, plain.batchSync(keys), begun)),
  async (key = plainKey(), to = join(task.files, "plain-sync", `${key}-${random.below(3)}`)) =>
    operation(`plain/file/sync ${key} ${to}`, (begun) => {
      const value = plain.fileSync(key, to);
      seen("plain/file/sync", key, value, begun);
      seenFile("plain/file/sync", key, to, value.nonce);
    }),
  async (key = wildKey(), overrides = terms()) =>
    operation(`wild/sync ${key} ${JSON.stringify(overrides)}`, (begun) =>
      seen("wild/sync", key, wild.sync.with(overrides)(key), begun),
    ),
  async (key = wildKey(), overrides = terms()) =>
    operation(`wild/json ${key} ${JSON.stringify(overrides)}`, (begun) =>
      seen("wild/json", key, wild.json.with(overrides)(key), begun),
    ),
  async (key = wildKey(), to = target(0)) =>
    operation(`wild/file/sync ${key} ${to}`, (begun) => {
      const value = wild.fileSync.with(terms())(key, to);
      seen("wild/file/sync", key, value, begun);
      seenFile("wild/file/sync", key, to, value.nonce);
    }),
  async (key = wildKey()) =>
    operation(`refresh scope ${key}`, (begun) =>
      withMode("refresh", () => seen("wild/sync", key, wild.sync(key), begun)),
    ),
];

/** The functions of which entries are removed, with what takes a key and no more. */
const removable = { sync: wild.sync, async: wild.async, json: wild.json, nested: wild.nested };

function anyRemovable() {
  const name = random.pick(Object.keys(removable) as (keyof typeof removable)[]);
  return { path: `wild/${name}`, fn: removable[name] };
}

const REMOVING = [
  async (key = wildKey(), { path, fn } = anyRemovable()) =>
    operation(`${path} delete ${key}`, async (begun) => {
      await fn.delete(key);
      note("d", now(), begun, path, key);
    }),
  async (keys = severalKeys(wildKey)) =>
    operation(`wild/batch delete ${keys}`, async (begun) => {
      await wild.batch.delete(keys);
      for (const key of keys) note("d", now(), begun, "wild/batch", key);
    }),
  async (path = `wild/${random.pick(Object.keys(wild))}`) =>
    operation(`${path} clear`, async (begun) => {
      // What `file` clears is what `file/sync` has beside it, not below it: paths never touch each other.
      await cache.open(path).clear();
      note("d", now(), begun, path, "*");
    }),
  async ({ path, fn } = anyRemovable()) =>
    operation(`${path} clear`, async (begun) => {
      await fn.clear();
      note("d", now(), begun, path, "*");
    }),
  async ({ path, fn } = anyRemovable()) =>
    operation(`${path} prune`, async () => {
      await fn.prune({ maxEntries: 1 + random.below(6) });
    }),
  async (path = random.pick(["wild/file", "wild/twin", "wild/batch"])) =>
    operation(`${path} prune`, async () => {
      await cache.open(path).prune({ maxEntries: 1 + random.below(4) });
    }),
  async (key = wildKey()) =>
    operation(`wild/async prime ${key}`, async () => {
      const nonce = begin("wild/async", key);
      await wild.async.prime(valueOf("wild/async", key, nonce), key);
    }),
  async () =>
    operation("verify", async () => {
      const { damaged } = await cache.verify();
      // A temporary file beside a content may be the one of a process that was killed.
      for (const location of damaged) if (!location.includes(".permacache-")) violation(`damaged: ${location}`);
    }),
  async (key = wildKey()) =>
    operation(`look ${key}`, async (begun) => {
      wild.sync.has(key);
      const found = await wild.async.peek(key);
      if (found) seen("wild/async", key, found.value, begun);
      for await (const _each of cache.list());
      for (const { key: text } of wild.json.entries()) JSON.parse(text);
    }),
];

function terms(): { mode?: "refresh" | "read-only"; maxWait?: number } {
  const drawn = random.below(12);
  if (drawn < 2) return { mode: "refresh" };
  if (drawn === 2) return { mode: "read-only" };
  if (drawn === 3) return { maxWait: 0 };
  return drawn === 4 ? { maxWait: 5 } : {};
}

async function step(): Promise<void> {
  const drawn = random.below(20);
  if (drawn < 8) await random.pick(ALONE)();
  else if (drawn < 11) await random.pick(REMOVING)();
  else await Promise.all(Array.from({ length: 1 + random.below(4) }, (_, lane) => random.pick(AT_ONCE)(lane)));
}

/** After all others have ended: a call of each function, as any program would make, then a look at everything. */
async function last(): Promise<void> {
  const folders = readdirSync(task.files, { withFileTypes: true }).filter((each) => each.isDirectory());
  const key = -1 - task.instance; // nobody has it yet: it is computed under its lock, and stored
  await operation("last", async () => {
    for (const fn of [plain.sync, plain.async, plain.own, plain.durable, wild.sync, wild.async, wild.json])
      await fn(key);
    await wild.nested(key);
    for (const fn of [plain.batch, plain.batchSync, wild.batch]) await fn([key]);
    // A folder of out files is swept when the first one is restored to it: not all that the user has is looked through.
    plain.fileSync(key, join(task.files, "elsewhere"));
    for (const { name } of folders) plain.fileSync(key, join(task.files, name, "last"));
    await wild.file(key, join(task.files, "elsewhere-file"));
    wild.fileSync(key, join(task.files, "elsewhere-file-sync"));
    await wild.twin(key, join(task.files, "elsewhere-twin"));
    await plain.file(key, join(task.files, "elsewhere-async"));
    for (const location of (await cache.verify()).damaged) violation(`at the end damaged: ${location}`);
  });
}

let isToEnd = false;
process.on("SIGTERM", () => {
  isToEnd = true;
});
mkdirSync(join(task.files, `${task.slot}`), { recursive: true });
writeSync(1, `${keyLockIn(task.dir).kind}\n`);
if (task.isLast) await last();
else while (!isToEnd) await step();

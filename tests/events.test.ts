import { spawnSync } from "node:child_process";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { chmodSync, chownSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { type CacheEvent, CacheMissError, StoreError, withMode } from "../src/index.js";
import { needs } from "./needs.js";
import { failureOf, filesIn, newCache, newDirectory } from "./place.js";

/** A user who may do little. */
const NOBODY = 65534;

const TYPES = ["hit", "miss", "store", "evict", "error"] as const;

/** What the channels carry while the action runs. Only in serial tests: channels are of the whole process. */
async function eventsOf(action: () => unknown): Promise<CacheEvent[]> {
  const seen: CacheEvent[] = [];
  const listeners = TYPES.map((type) => {
    const listener = (event: unknown) => {
      if ((event as CacheEvent).type !== type) throw new Error(`${type} carries ${(event as CacheEvent).type}`);
      seen.push(event as CacheEvent);
    };
    subscribe(`permacache:${type}`, listener);
    return [`permacache:${type}`, listener] as const;
  });
  try {
    await action();
  } finally {
    for (const each of listeners) unsubscribe(...each);
  }
  return seen;
}

/** Type and reason: `miss absent`. */
const words = (events: readonly CacheEvent[]) =>
  events.map(({ type, reason }) => (reason === undefined ? type : `${type} ${reason}`));

/** A function, sync and async, for what shall hold of both. */
function both(t: ExecutionContext, fn: (x: any, out?: any) => unknown, options: object = {}, cache: object = {}) {
  const { permacache, dir, files } = newCache(t, cache);
  const functions: any[] = [
    permacache("of/sync", { signature: "(x)", ...options })((x: unknown, out: unknown) => fn(x, out)),
    permacache("of/async", { signature: "(x)", ...options })(async (x: unknown, out: unknown) => fn(x, out)),
  ];
  return { functions, permacache, dir, files };
}

test.serial(
  "a computed call: a miss and a store; a served one: a hit; with path, version, key, duration, bytes",
  async (t) => {
    const { functions } = both(t, (x) => x, { version: "2" });
    for (const f of functions) {
      const [miss, store, ...others] = await eventsOf(() => f(1));
      const path = f === functions[0] ? "of/sync" : "of/async";
      t.deepEqual(others, []);
      t.deepEqual(miss, { type: "miss", path, version: "2", key: '{"x":1}', reason: "absent" });
      t.like(store, { type: "store", path, version: "2", key: '{"x":1}' });
      const { duration, bytes } = await f.peek(1);
      t.is(store!.duration, duration);
      t.is(store!.bytes, bytes);
      t.deepEqual(await eventsOf(() => f(1)), [{ type: "hit", path, version: "2", key: '{"x":1}', duration, bytes }]);
    }
  },
);

test.serial("a call that joins another in this process is a hit", async (t) => {
  const f: any = both(t, (x) => x).functions[1];
  const events = await eventsOf(() => Promise.all([f(1), f(1), f(1)]));
  t.deepEqual(words(events).sort(), ["hit", "hit", "miss absent", "store"]);
});

// ---- the reasons of a miss ----

test.serial("miss: absent", async (t) => {
  for (const f of both(t, (x) => x).functions) t.deepEqual(words(await eventsOf(() => f(1))), ["miss absent", "store"]);
});

test.serial("miss: absent, once, also where it is an error, and where nothing is stored", async (t) => {
  for (const f of both(t, (x) => x).functions) {
    const missing = () => failureOf(() => f.with({ mode: "only-if-cached" })(1));
    t.deepEqual(words(await eventsOf(missing)), ["miss absent"]);
    t.true((await missing()) instanceof CacheMissError);
    t.deepEqual(words(await eventsOf(() => f.with({ mode: "read-only" })(1))), ["miss absent"]);
  }
});

test.serial("miss: expired", async (t) => {
  const { now } = Date;
  for (const f of both(t, (x) => x, { maxAge: "1h" }).functions) {
    await f(1);
    Date.now = () => now() + 2 * 60 * 60 * 1000;
    try {
      t.deepEqual(words(await eventsOf(() => f(1))).filter((each) => !each.startsWith("evict")), ["miss expired", "store"]); // biome-ignore format: one line
      t.deepEqual(words(await eventsOf(() => f(1))), ["hit"]);
    } finally {
      Date.now = now;
    }
  }
});

test.serial("miss: damaged", async (t) => {
  const { functions, files } = both(t, (x) => x);
  for (const f of functions) {
    await f(1);
    for (const file of files()) writeFileSync(file, "damaged");
    t.deepEqual(words(await eventsOf(() => f(1))), ["miss damaged", "store"]);
    t.deepEqual(words(await eventsOf(() => f(1))), ["hit"]);
  }
});

test.serial("miss: damaged, with an error, where an entry is whole and cannot be decoded", async (t) => {
  const codec = { name: "mine", encode: () => Buffer.from("x"), decode: () => { throw new Error("no"); } }; // biome-ignore format: one line
  for (const f of both(t, (x) => x, { codec, onError: () => {} }).functions) {
    await f(1);
    const events = await eventsOf(() => f(1));
    t.deepEqual(words(events), ["error", "miss damaged", "store"]);
    t.true(events[0]!.error instanceof StoreError);
  }
});

test.serial("miss: invalid", async (t) => {
  let isValid = false;
  for (const f of both(t, (x) => x, { validate: () => isValid }).functions) {
    isValid = false;
    await f(1);
    t.deepEqual(words(await eventsOf(() => f(1))), ["miss invalid", "store"]);
    isValid = true;
    t.deepEqual(words(await eventsOf(() => f(1))), ["hit"]);
  }
});

test.serial("miss: refresh, by a call, by a scope, cold and warm; in a scope once", async (t) => {
  for (const f of both(t, (x) => x).functions) {
    const refresh = f.with({ mode: "refresh" });
    t.deepEqual(words(await eventsOf(() => refresh(1))), ["miss refresh", "store"]);
    t.deepEqual(words(await eventsOf(() => refresh(1))), ["miss refresh", "store"]);
    const scope = () => withMode("refresh", async () => [await f(1), await f(1)]);
    t.deepEqual(words(await eventsOf(scope)), ["miss refresh", "store", "hit"]);
  }
});

test.serial("miss: out files", async (t) => {
  const out = newDirectory(t);
  const write = (x: unknown, to: string) => writeFileSync(to, String(x));
  for (const f of both(t, write, { signature: "(x, to)", outFile: "to" }).functions) {
    const to = join(out, "file");
    await f(1, to);
    t.deepEqual(words(await eventsOf(() => f(1, to))), ["hit"]);
    rmSync(to);
    t.deepEqual(words(await eventsOf(() => f(1, to))), ["miss out files", "store"]);
  }
});

test.serial("miss: other source, where only another one has computed it", async (t) => {
  const { permacache } = newCache(t);
  const wrap = (fn: (x: number) => number) => permacache("sourced", { source: true })(fn);
  wrap((x) => x + 1)(1);
  const edited = wrap((x) => x + 2);
  t.deepEqual(words(await eventsOf(() => edited(1))), ["miss other source", "store"]);
  t.deepEqual(words(await eventsOf(() => edited(2))), ["miss absent", "store"]);
});

test.serial("miss: absent, with an error, where an entry cannot be read", async (t) => {
  const dir = join(newDirectory(t), "file");
  writeFileSync(dir, "a file");
  const { functions } = both(t, (x) => x, { onError: () => {} }, { dir: join(dir, "cache") });
  for (const f of functions) {
    const events = await eventsOf(() => f(1));
    t.is(events.filter(({ type }) => type === "miss").length, 1);
    t.is(events.find(({ type }) => type === "miss")!.reason, "absent");
    t.true(events.some(({ type }) => type === "error"));
  }
});

test.serial("miss: absent, where reading fails in a sync function", async (t) => {
  const { functions, dir } = both(t, (x) => x, { onError: () => {} });
  for (const f of functions) {
    await f(0);
    const folder = dirname(dirname(filesIn(dir)[0]!));
    rmSync(folder, { recursive: true });
    symlinkSync(newDirectory(t), folder);
    const events = await eventsOf(() => f(1));
    t.is(events.find(({ type }) => type === "miss")!.reason, "absent");
    rmSync(folder);
  }
});

// ---- bypass, results that are not stored ----

test.serial("bypass says nothing; what is not to be stored gives no store", async (t) => {
  for (const f of both(t, (x) => x, { shouldStore: (x: number) => x > 0 }).functions) {
    t.deepEqual(words(await eventsOf(() => f.with({ mode: "bypass" })(1))), []);
    t.deepEqual(words(await eventsOf(() => f(0))), ["miss absent"]);
  }
});

test.serial("has, peek, key, entries and stats say nothing", async (t) => {
  for (const f of both(t, (x) => x).functions) {
    await f(1);
    const looked = async () => {
      await f.has(1);
      await f.peek(2);
      f.key(1);
      f.stats();
      for await (const _ of f.entries());
    };
    t.deepEqual(await eventsOf(looked), []);
  }
});

test.serial("prime is a store", async (t) => {
  for (const f of both(t, (x) => x).functions) {
    const [store, ...others] = await eventsOf(() => f.prime("given", 1));
    t.like(store, { type: "store", key: '{"x":1}' });
    t.deepEqual(others, []);
  }
});

// ---- evict, error ----

test.serial("evict: one event for each entry that goes, with the limit", async (t) => {
  const { now } = Date;
  const table: [object, number][] = [
    [{ maxEntries: 2 }, 0],
    [{ maxBytes: 500 }, 0],
    [{ maxAge: "1h" }, 2],
    [{ maxIdle: "1h" }, 2],
  ];
  for (const [limits, hours] of table) {
    const [limit] = Object.keys(limits);
    for (const f of both(t, () => "x".repeat(80), limits).functions) {
      await f(1);
      await f(2);
      Date.now = () => now() + hours * 60 * 60 * 1000;
      try {
        const events = await eventsOf(() => f(3));
        const evictions = events.filter(({ type }) => type === "evict");
        t.deepEqual([...new Set(evictions.map(({ reason }) => reason))], [limit]);
        t.is(evictions.length, 3 - [...(await listOf(f))].length);
      } finally {
        Date.now = now;
      }
    }
  }
});

async function listOf(f: any): Promise<unknown[]> {
  const all = [];
  for await (const each of f.entries()) all.push(each);
  return all;
}

test.serial("evict: by the limits of the cache, too", async (t) => {
  const { functions } = both(t, (x) => x, {}, { maxEntries: 1 });
  for (const f of functions) await f(1);
  const events = await eventsOf(() => functions[0](2));
  t.deepEqual(words(events).sort(), ["evict maxEntries", "miss absent", "store"]);
});

test.serial("evict names the path that the entry is of, not the one that was written", async (t) => {
  const { permacache } = newCache(t, { maxEntries: 1 });
  permacache("old")((x: number) => x)(1);
  const events = await eventsOf(() => permacache("new")((x: number) => x)(1));
  t.is(events.find(({ type }) => type === "evict")!.path, "old");
});

test.serial("evict: by prune, with the limit", async (t) => {
  const { permacache } = newCache(t);
  const f = permacache("pruned")((x: number) => x);
  for (let x = 0; x < 3; x++) f(x);
  t.deepEqual(words(await eventsOf(() => f.prune({ maxEntries: 1 }))), ["evict maxEntries", "evict maxEntries"]);
});

test.serial("evict: by prune, one event an entry", async (t) => {
  const { permacache } = newCache(t);
  const f = permacache("pruned")((x: number) => x);
  for (let x = 0; x < 3; x++) f(x);
  const events = await eventsOf(() => f.prune({ maxEntries: 1 }));
  t.deepEqual(
    events.map(({ type }) => type),
    ["evict", "evict"],
  );
});

test.serial("error: a result that cannot be stored, each time, whatever onError is", async (t) => {
  for (const onError of ["throw", () => {}]) {
    for (const f of both(t, () => Symbol("no"), { onError }).functions) {
      for (let i = 0; i < 2; i++) {
        const events = await eventsOf(() => (onError === "throw" ? failureOf(() => f(1)) : f(1)));
        t.deepEqual(words(events), ["miss absent", "error"]);
        t.true(events[1]!.error instanceof StoreError);
        t.regex((events[1]!.error as Error).message, /symbol/);
      }
    }
  }
});

needs("posix").serial("error: a directory that cannot be written", async (t) => {
  const dir = newDirectory(t);
  chmodSync(dir, 0o500);
  const { functions } = both(t, (x) => x, { onError: () => {} }, { dir });
  const isRoot = process.geteuid!() === 0;
  if (isRoot) {
    chownSync(dir, NOBODY, NOBODY);
    process.seteuid!(NOBODY); // root can write everywhere
  }
  try {
    for (const f of functions) {
      const events = await eventsOf(() => f(1));
      t.deepEqual(words(events), ["miss absent", "error"]);
      t.regex((events[1]!.error as Error).message, /EACCES/);
    }
  } finally {
    if (isRoot) process.seteuid!(0);
  }
});

test.serial("an error of the function itself is none of the cache's", async (t) => {
  const fail = () => {
    throw new RangeError("mine");
  };
  for (const f of both(t, fail).functions) {
    t.deepEqual(words(await eventsOf(() => failureOf(() => f(1)))), ["miss absent"]);
  }
});

// ---- stderr ----

/** What a module prints to stderr in a process of its own, line by line. */
function stderrOf(t: ExecutionContext, source: string, env: NodeJS.ProcessEnv = {}): string[] {
  const program = `import { createCache, verbose, withMode } from "permacache";
    const dir = process.env.PERMACACHE_DIR;
    const { permacache } = createCache({ dir });
    ${source}`;
  const { stderr, status } = spawnSync(process.execPath, ["--input-type=module", "-e", program], {
    encoding: "utf8",
    env: { ...process.env, NODE_DEBUG: undefined, PERMACACHE_DIR: join(newDirectory(t), "cache"), ...env },
  });
  t.is(status, 0, stderr);
  return stderr.split("\n").slice(0, -1);
}

const EACH_EVENT = `
  const f = permacache("of/f", { maxEntries: 1, onError: () => {} })((x) => x === 3 ? Symbol() : x);
  f(1); f(1); f(2); f(3);
  await permacache("of/g")(async (x) => x)(1);`;

test("quiet by default: nothing on stderr", (t) => {
  t.deepEqual(stderrOf(t, EACH_EVENT), []);
});

const LINES: RegExp[] = [
  /^permacache miss of\/f \{"x":1\} \(absent\)$/,
  /^permacache store of\/f \{"x":1\} \(took [\d.e-]+ ms, \d+ bytes\)$/,
  /^permacache hit of\/f \{"x":1\} \(saved [\d.e-]+ ms, \d+ bytes\)$/,
  /^permacache miss of\/f \{"x":2\} \(absent\)$/,
  /^permacache evict of\/f \(maxEntries\)$/,
  /^permacache store of\/f \{"x":2\} /,
  /^permacache miss of\/f \{"x":3\} \(absent\)$/,
  /^permacache error of\/f \(.*symbol.*\)$/,
  /^permacache miss of\/g \{"x":1\} \(absent\)$/,
  /^permacache store of\/g \{"x":1\} /,
];
for (const [what, before, env] of [
  ["verbose(true)", "verbose(true);", {}],
  ["verbose()", "verbose();", {}],
  ["NODE_DEBUG=permacache", "", { NODE_DEBUG: "permacache" }],
  ["NODE_DEBUG=other,PERMACACHE", "", { NODE_DEBUG: "other,PERMACACHE" }],
] as const) {
  test(`${what}: one line an event`, (t) => {
    const lines = stderrOf(t, before + EACH_EVENT, env);
    t.is(lines.length, LINES.length, lines.join("\n"));
    for (const [i, line] of lines.entries()) t.regex(line, LINES[i]!);
  });
}

test("verbose(false) is quiet again, also under NODE_DEBUG", (t) => {
  const source = `const f = permacache("f")((x) => x); verbose(true); f(1); verbose(false); f(1); f(2); verbose(true); f(2);`;
  for (const env of [{}, { NODE_DEBUG: "permacache" }]) {
    t.deepEqual(stderrOf(t, source, env).map((line) => line.split(" ")[1]), ["miss", "store", "hit"]); // biome-ignore format: one line
  }
});

test("NODE_DEBUG of something else is quiet", (t) => {
  t.deepEqual(stderrOf(t, EACH_EVENT, { NODE_DEBUG: "permacachet" }), []);
});

for (const [what, text, declare] of [
  ["newlines", '"a\\nb\\r\\nc"', test],
  ["other line ends", '"a\\u2028b\\u2029c\\u0085d\\ve\\ff"', test],
  ["terminal codes", '"\\u001b[31mred"', test],
  ["terminal codes of 8 bits", '"\\u009b31mred"', test],
  ["10,000 characters", '"x".repeat(10_000)', test],
] as const) {
  declare(`a key with ${what} stays one line, of printable characters, of bounded length`, (t) => {
    const lines = stderrOf(t, `verbose(); const f = permacache("f")((x) => x); f(${text}); f(${text});`);
    t.deepEqual(lines.map((line) => line.split(" ")[1]), ["miss", "store", "hit"]); // biome-ignore format: one line
    for (const line of lines) {
      t.notRegex(line, /\p{Cc}|\p{Zl}|\p{Zp}/u);
      t.true(line.length < 400);
    }
  });
}

test("an error with newlines stays one line", (t) => {
  const lines = stderrOf(
    t,
    `verbose(); const encode = () => { throw new Error("first\\nsecond\\r\\nthird"); };
    permacache("f", { onError: () => {}, codec: { name: "c", encode, decode: (x) => x } })((x) => x)(1);`,
  );
  t.is(lines.length, 2, lines.join("\n"));
  t.regex(lines[1]!, /^permacache error f \(.*first second third.*\)$/);
});

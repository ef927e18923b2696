// A cache of a million small entries, and what work on it costs against the same work on bare files.
import { spawnSync } from "node:child_process";
import {
  closeSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createCache } from "permacache";
import { decodeEntry, encodeEntry } from "../../src/entry/entry.js";
import { folderNames } from "../../src/identity.js";
import { digestOf } from "../../src/keyed-call.js";

const PATH = "bench/million";
const RESULT = { mean: 12.5, low: 10.25, high: 14.75, n: 1000, label: "ABQ" };

function cachedIn(dir: string) {
  const cache = createCache({ dir });
  return { cache, f: cache.permacache(PATH)((_x: number, _y = 2, _z = 3) => RESULT) };
}

function placesIn(dir: string) {
  const folder = join(dir, ...folderNames({ path: PATH }));
  return (key: string) => {
    const digest = digestOf(key);
    return { shard: `${folder}/${digest.slice(0, 2)}`, name: `${digest.slice(2)}.entry` };
  };
}

// ---- the entries ----

/**
 * Makes a store with the entries of f(0) to f(n - 1), byte by byte as the library writes them, in the order of the calls.
 * The first is written by a call; of the others only the key and the time differ. A minute for a million.
 */
export function fill(dir: string, n: number): void {
  const { f } = cachedIn(dir);
  const placeOf = placesIn(dir);
  f(0);
  const { shard, name } = placeOf(f.key(0));
  const bytes = readFileSync(`${shard}/${name}`);
  const first = decodeEntry(bytes)!;
  const entryOf = (key: string, createdAt: number) =>
    Buffer.concat(encodeEntry({ ...first, key, createdAt }, { ...first, parts: [first.payload] }));
  if (!entryOf(first.key, first.createdAt).equals(bytes))
    throw new Error("The library writes other entries than these");

  const shards = new Set([shard]);
  for (let x = 1; x < n; x++) {
    const key = f.key(x);
    const { shard, name } = placeOf(key);
    if (!shards.has(shard)) mkdirSync(shard, { mode: 0o700 });
    shards.add(shard);
    writeFileSync(`${shard}/${name}`, entryOf(key, Date.now()), { flag: "wx", mode: 0o600 });
  }
  for (let i = 0; i < 1_000; i++) {
    const x = Math.floor((i * n) / 1_000);
    if (!f.has(x) || !f.detail(x).hit) throw new Error(`f(${x}) is no hit`);
  }
}

// ---- rows ----

/** Both are done in turns, `rounds` times; what is told is the median of the one against that of the other. */
export interface MillionRow {
  readonly name: string;
  /** At most this many times the floor; of a row of memory, bytes an entry. */
  readonly target: number;
  readonly rounds: number;
  /** @returns milliseconds; bytes an entry */
  run(): Promise<number> | number;
  floor(): Promise<number> | number;
}

/**
 * @param dir filled with n entries
 * @param small filled with 1,000
 */
export function millionRows(dir: string, n: number, small: string): MillionRow[] {
  const { cache, f } = cachedIn(dir);
  const few = cachedIn(small).f;
  const count = n.toLocaleString("en");
  const statAll = () => timeOf(() => counted(walk(dir, lstatSync), n));
  const readAll = () => timeOf(() => counted(walk(dir, readOnly), n));
  return [
    {
      name: `small hit among ${count} entries, against among 1,000`,
      target: 1.25,
      rounds: 60,
      run: () => timeOf(() => hits(f)),
      floor: () => timeOf(() => hits(few)),
    },
    {
      name: `counting ${count} entries`,
      target: 1.5,
      rounds: 5,
      run: () =>
        timeOf(async () => {
          let entries = 0;
          for await (const each of cache.list()) entries += each.entries;
          counted(entries, n);
        }),
      floor: statAll,
    },
    {
      name: `listing ${count} entries with their keys, cache.open(path).entries()`,
      target: 1.2,
      rounds: 5,
      run: () => timeOf(() => listPath(dir, n)),
      floor: readAll,
    },
    {
      name: `listing ${count} entries with their keys, f.entries()`,
      target: 1.2,
      rounds: 5,
      run: () =>
        timeOf(() => {
          let entries = 0;
          for (const _ of f.entries()) entries++;
          counted(entries, n);
        }),
      floor: readAll,
    },
    {
      name: `listing ${count} entries: bytes of memory an entry`,
      target: 32,
      rounds: 3,
      run: () => (inChild("list", dir, n).peak - inChild("list", small, 1_000).peak) / n,
      floor: () => 1,
    },
    {
      name: `pruning ${count} entries`,
      target: 1.5,
      rounds: 3,
      run: () => inChild("prune", dir, n).milliseconds,
      floor: statAll,
    },
    {
      name: `pruning ${count} entries: bytes of memory an entry`,
      target: 64,
      rounds: 3,
      run: () => (inChild("prune", dir, n).peak - inChild("prune", small, 1_000).peak) / n,
      floor: () => 1,
    },
  ];
}

async function timeOf(work: () => unknown): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

function hits(f: (x: number) => unknown): void {
  for (let x = 0; x < 1_000; x++) f(x);
}

async function listPath(dir: string, n: number): Promise<void> {
  let entries = 0;
  for await (const _ of cachedIn(dir).cache.open(PATH).entries()) entries++;
  counted(entries, n);
}

/** Every file below a directory. @returns how many entries there were */
function walk(directory: string, visit: (file: string) => unknown): number {
  let entries = 0;
  for (const each of readdirSync(directory, { withFileTypes: true })) {
    const path = `${directory}/${each.name}`;
    if (each.isDirectory()) {
      entries += walk(path, visit);
    } else {
      visit(path);
      if (path.endsWith(".entry")) entries++;
    }
  }
  return entries;
}

const buffer = Buffer.allocUnsafeSlow(64 * 1024);

function readOnly(file: string): void {
  const fd = openSync(file, "r");
  readSync(fd, buffer, 0, buffer.length, null);
  closeSync(fd);
}

function counted(entries: number, n: number): void {
  if (entries !== n) throw new Error(`${entries} entries were met, not ${n}`);
}

// ---- in a process of its own ----

interface Told {
  readonly milliseconds: number;
  /** Bytes that the process had in memory at most. */
  readonly peak: number;
}

/** What others did in this process does not count, and no index is left of an earlier round. */
function inChild(work: keyof typeof WORKS, dir: string, n: number): Told {
  const program = fileURLToPath(import.meta.url);
  const { stdout, stderr } = spawnSync(process.execPath, [...process.execArgv, program, work, dir, String(n)]);
  if (stdout.length === 0) throw new Error(String(stderr));
  return JSON.parse(String(stdout));
}

const WORKS = {
  list: (dir: string, n: number) => timeOf(() => listPath(dir, n)),
  /** To the limit goes what was put there for that: entries that are older than the others, of which all stay. */
  prune: async (dir: string, n: number) => {
    const { cache, f } = cachedIn(dir);
    const placeOf = placesIn(dir);
    const ledger = join(dir, "=_ledger");
    rmSync(ledger, { force: true });
    for (let x = n; x < n + BEYOND; x++) {
      f(x);
      const { shard, name } = placeOf(f.key(x));
      utimesSync(`${shard}/${name}`, x - n, x - n); // seconds since 1970
    }
    let gone = 0;
    const milliseconds = await timeOf(async () => {
      gone = await cache.prune({ maxEntries: n });
    });
    counted(gone, BEYOND);
    if (f.has(n)) throw new Error("Others went");
    rmSync(ledger, { force: true });
    return milliseconds;
  },
};

/** Entries that go. */
const BEYOND = 8;

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [, , work, dir, n] = process.argv;
  const milliseconds = await WORKS[work as keyof typeof WORKS](dir!, Number(n));
  console.log(JSON.stringify({ milliseconds, peak: process.resourceUsage().maxRSS * 1024 } satisfies Told));
}

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
import { digestOf } from "../../src/call/bind.js";
import { decodeEntry, encodeEntry } from "../../src/entry/entry.js";
import { folderNames } from "../../src/entry/identity.js";
import { result } from "./hits.js";
import { type Figure, median, type Row } from "./measure.js";

const PATH = "bench/million";

function cachedIn(dir: string) {
  const cache = createCache({ dir });
  return { cache, f: cache.permacache(PATH)((_x: number, _y = 2, _z = 3) => result) };
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
function fill(dir: string, n: number): void {
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

const ENTRIES = 1_000_000;
const FEW = 1_000;

export async function million(dir: string): Promise<(Row | Figure)[]> {
  const [large, small] = [join(dir, "million"), join(dir, "thousand")];
  fill(large, ENTRIES);
  fill(small, FEW);
  const { f } = cachedIn(large);
  const few = cachedIn(small).f;
  const statAll = () => counted(walk(large, lstatSync), ENTRIES);
  const readAll = () => counted(walk(large, readOnly), ENTRIES);
  // Counting makes as much garbage, and keeps nothing. How much of it there is at most differs from run to run.
  const peakOf = (work: keyof typeof WORKS) => median([1, 2, 3, 4, 5].map(() => inChild(work, large, ENTRIES)));
  const perEntry = (work: keyof typeof WORKS) => (peakOf(work) - peakOf("count")) / ENTRIES;
  return [
    {
      name: "small hit among 1,000,000 entries, against among 1,000",
      target: { atMost: 1.25 },
      per: FEW,
      run: () => hits(f),
      floor: () => hits(few),
    },
    {
      name: "counting 1,000,000 entries, against a walk with stat",
      target: { atMost: 1.5 },
      rounds: 5,
      run: () => count(large, ENTRIES),
      floor: statAll,
    },
    {
      name: "pruning 1,000,000 entries, against a walk with stat",
      target: { atMost: 1.5 },
      rounds: 5,
      run: () => prune(large, ENTRIES),
      floor: statAll,
    },
    {
      name: "pruning 1,000,000 entries, memory an entry beyond that of counting",
      target: { atMost: 64 },
      unit: "bytes",
      value: perEntry("prune"),
    },
    {
      name: "listing 1,000,000 entries with their keys, against a walk with open, read, close",
      target: { atMost: 1.2 },
      rounds: 5,
      run: () => listPath(large, ENTRIES),
      floor: readAll,
    },
    {
      name: "the same by the function's own entries()",
      target: { atMost: 1.2 },
      rounds: 5,
      run() {
        let entries = 0;
        for (const _ of f.entries()) entries++;
        counted(entries, ENTRIES);
      },
      floor: readAll,
    },
    {
      name: "listing 1,000,000 entries with their keys, memory an entry beyond that of counting",
      target: { atMost: 8 },
      unit: "bytes",
      value: perEntry("list"),
    },
  ];
}

function hits(f: (x: number) => unknown): void {
  for (let x = 0; x < FEW; x++) f(x);
}

async function count(dir: string, n: number): Promise<void> {
  let entries = 0;
  for await (const each of cachedIn(dir).cache.list()) entries += each.entries;
  counted(entries, n);
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

/** What others did in this process does not count. @returns the bytes that the process had in memory at most */
function inChild(work: keyof typeof WORKS, dir: string, n: number): number {
  const program = fileURLToPath(import.meta.url);
  const { stdout, stderr } = spawnSync(process.execPath, [...process.execArgv, program, work, dir, String(n)]);
  if (stdout.length === 0) throw new Error(String(stderr));
  return Number(stdout);
}

const WORKS = { count, list: listPath, prune };

/** Entries that go. */
const BEYOND = 8;

/** What goes was put there for that: entries that are older than the others, of which all stay. */
async function prune(dir: string, n: number): Promise<void> {
  const { cache, f } = cachedIn(dir);
  rmSync(join(dir, "=_ledger"), { force: true }); // each time as the first time: all are looked at
  const placeOf = placesIn(dir);
  for (let x = n; x < n + BEYOND; x++) {
    f(x);
    const { shard, name } = placeOf(f.key(x));
    utimesSync(`${shard}/${name}`, x - n, x - n); // seconds since 1970
  }
  counted(await cache.prune({ maxEntries: n }), BEYOND);
  if (f.has(n)) throw new Error("Others went");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [, , work, dir, n] = process.argv;
  await WORKS[work as keyof typeof WORKS](dir!, Number(n));
  console.log(process.resourceUsage().maxRSS * 1024);
}

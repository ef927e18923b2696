// A cache of very many small entries, and what work on it costs against the same work on bare files.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
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

/**
 * Makes a store with the entries of f(0) to f(n - 1), byte by byte as the library writes them, in the order of the calls.
 * The first is written by a call; of the others only the key and the time differ.
 */
export function fill(dir: string, n: number): void {
  const { f } = cachedIn(dir);
  f(0);
  const folder = join(dir, ...folderNames({ path: PATH }));
  const placeOf = (key: string) => {
    const digest = digestOf(key);
    return { shard: `${folder}/${digest.slice(0, 2)}`, name: `${digest.slice(2)}.entry` };
  };
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

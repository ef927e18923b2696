import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { createCache, type MemoryOptions } from "permacache";
import { lmdbStore } from "permacache/lmdb";
import type { Row } from "./measure.js";

/** The small entry of all rows. */
export const result = { mean: 12.5, low: 10.25, high: 14.75, n: 1000, label: "ABQ" };

/**
 * The floor of a hit: to read and parse a file of as many bytes as the entry, beside it, with JSON that costs as much to
 * parse as the result.
 */
function readAndParse(dir: string): () => unknown {
  const entry = entryBelow(dir);
  const file = join(dirname(entry), "floor.json");
  writeFileSync(file, JSON.stringify(result).padEnd(statSync(entry).size));
  return () => JSON.parse(readFileSync(file, "utf8"));
}

/** The path of the only entry below a folder. */
export function entryBelow(folder: string): string {
  const [entry] = readdirSync(folder, { recursive: true, withFileTypes: true }).filter(({ name }) =>
    name.endsWith(".entry"),
  );
  return join(entry!.parentPath, entry!.name);
}

export async function hits(dir: string): Promise<Row[]> {
  const { permacache } = createCache({ dir: join(dir, "cache") });
  const sync = permacache("bench/sync")((_x: number, _y = 2, _z = 3) => result);
  const async = permacache("bench/async")(async (_x: number, _y = 2, _z = 3) => result);
  const inMemory = (memory: MemoryOptions) =>
    createCache({ dir: join(dir, "cache"), memory }).permacache("bench/sync")((_x: number, _y = 2, _z = 3) => result);
  const checked = inMemory({ maxBytes: "10MB" });
  const trusted = inMemory({ maxBytes: "10MB", trust: "1h" });
  const inLmdb = createCache({ store: lmdbStore({ path: join(dir, "lmdb") }) }).permacache("bench/lmdb")(
    (_x: number, _y = 2, _z = 3) => result,
  );
  sync(2);
  const floor = readAndParse(join(dir, "cache"));
  inLmdb(2);
  await async(2);

  const all = Array.from({ length: 10_000 }, (_, i) => i);
  const batch = permacache("bench/batch", { parallel: "xs" })((xs: number[]) => xs.map(() => result));
  const single = permacache("bench/single")((_x: number) => result);
  const singles = () => {
    for (const x of all) single(x);
  };
  batch(all);
  singles();
  await new Promise((resolve) => setTimeout(resolve, 100)); // entries that were just written are not held in memory

  const rows: Row[] = [
    { name: "small hit, sync function", target: { atMost: 1.35 }, run: () => sync(2), floor },
    { name: "small hit, async function", target: { atMost: 2 }, run: () => async(2), floor },
    { name: "small hit, memory tier, checked", target: { atMost: 0.8 }, run: () => checked(2), floor },
    { name: "small hit, memory tier, trusted", target: { atMost: 0.4 }, run: () => trusted(2), floor },
    { name: "small hit, LMDB", target: { atMost: 0.6 }, run: () => inLmdb(2), floor },
  ];
  const elements: Row = {
    name: "batch of 10,000 cached elements, against single hits, an element",
    target: { atMost: 1.2 },
    run: () => batch(all),
    floor: singles,
    per: all.length,
    rounds: 15,
  };
  return [...rows, elements];
}

import { chmodSync, cpSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import test from "ava";
import { createCache, defineType } from "../../src/index.js";
import { newDirectory } from "../place.js";

/** Entries of format 1, as the first version of the package wrote them. Never to be written anew: they are read, or a clean miss. */
const OLD = fileURLToPath(new URL("../fixtures/entries-1", import.meta.url));

class Point {
  constructor(readonly x: number) {}
}
defineType(Point, { name: "Point", encode: ({ x }) => x, decode: (x: number) => new Point(x) });

const reversed = {
  name: "reversed",
  encode: (value: unknown) => Buffer.from(JSON.stringify(value)).reverse(),
  decode: (bytes: Uint8Array) => JSON.parse(Buffer.from(bytes).reverse().toString()),
};

const rich = {
  x: 1,
  at: new Date(0),
  map: new Map([["a", 1n]]),
  bytes: new Float64Array([1, 2, 1]),
  point: new Point(1),
};

const ENTRIES: [name: string, options: object, expected: unknown][] = [
  ["json", { signature: "(x, y = 2)" }, [1, 2]],
  ["clone", {}, rich],
  ["tagged", {}, rich],
  ["gzip", {}, rich],
  ["own", { codec: reversed }, { x: 1 }],
  ["readable", {}, [1]],
  ["version", { version: "V 2" }, [1]],
];

for (const [name, options, expected] of ENTRIES) {
  test(`an entry that an older version of the package wrote is read: ${name}`, (t) => {
    const dir = join(newDirectory(t), "cache");
    cpSync(OLD, dir, { recursive: true });
    chmodSync(dir, 0o700);
    const { permacache } = createCache({ dir, mode: "only-if-cached" });
    t.deepEqual(permacache(`old/${name}`, options)((x: number): unknown => x)(1), expected);
  });
}

test("what an older version wrote is listed, whole, and travels", async (t) => {
  const dir = join(newDirectory(t), "cache");
  cpSync(OLD, dir, { recursive: true });
  chmodSync(dir, 0o700);
  const cache = createCache({ dir });
  const paths: string[] = [];
  for await (const { path, entries } of cache.list()) {
    paths.push(path);
    t.is(entries, 1);
  }
  t.deepEqual(paths, ENTRIES.map(([name]) => `old/${name}`).sort());
  t.deepEqual(await cache.verify(), { checked: ENTRIES.length, damaged: [], removed: 0 });
  const file = join(dir, "..", "clone.zip");
  await cache.exportTo("old/clone", file);
  await cache.importFrom("new/clone", file);
  t.deepEqual(cache.permacache("new/clone", { mode: "only-if-cached" })((x: number): unknown => x)(1), rich);
});

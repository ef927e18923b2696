// Goes from one working directory to another between each two steps. Prints where entries are.
import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { createCache, defaultCache, fileStore, permacache, tempCache, tieredStore } from "permacache";
import { lmdbStore } from "permacache/lmdb";

const [root] = process.argv.slice(2);
const places = ["a", "b", "c"].map((name) => join(root, name));
for (const place of places) mkdirSync(place);
let at = 0;
const move = () => process.chdir(places[at++ % places.length]);
const square = (x) => x * x;
const hits = [];

move();
process.env.PERMACACHE_DIR = "default";
const ofCache = createCache({ dir: "cache" });
const ofStore = createCache({ store: fileStore({ dir: "store" }) });
const ofTiers = createCache({ store: tieredStore(fileStore({ dir: "near" }), fileStore({ dir: "far" })) });
const ofLmdb = createCache({ store: lmdbStore({ path: "lmdb" }) });
const ofFunction = createCache({ dir: "other" }).permacache("f", { dir: "function" })(square);
const ofCall = createCache({ dir: "other" }).permacache("f")(square).with({ dir: "call" });
const inMemory = createCache({ dir: "memory", memory: { maxBytes: "1MB" } });
process.env.TMPDIR = "tmp";
const temporary = tempCache("t");
const ofDefault = permacache("f")(square);
ofDefault(0);
const functions = [
  ...[ofCache, ofStore, ofTiers, ofLmdb, inMemory, temporary].map((cache) => cache.permacache("f")(square)),
  ...[ofFunction, ofCall, ofDefault],
];
for (const f of functions) {
  for (let i = 0; i < 3; i++) {
    f(1);
    move();
  }
  f(2);
  hits.push(f.with({ mode: "only-if-cached" })(1), f.has(2));
  move();
}
hits.push(defaultCache.permacache("g", {})(square)(1));
move();
await ofCache.exportTo("f", "archive");
const counts = [];
for (const cache of [ofCache, ofStore, ofTiers, ofLmdb, inMemory, temporary, defaultCache]) {
  move();
  counts.push(await cache.clear());
  await cache.close();
}
counts.push(ofFunction.clear(), ofCall.clear());
const where = places.map((place) =>
  readdirSync(place)
    .filter((name) => !name.startsWith("archive"))
    .sort(),
);
console.log(JSON.stringify({ hits, counts, where }));

import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { createCache, fileStore, tieredStore } from "../../src/index.js";
import { lmdbStore } from "../../src/stores/lmdb/lmdb-store.js";
import { DAY, later, newDirectory } from "../place.js";

// A clock that was ahead for a while, and is set right.

const PLACES: Record<string, (t: ExecutionContext) => any> = {
  files: (t) => ({ dir: join(newDirectory(t), "cache") }),
  "files behind a memory": (t) => ({ dir: join(newDirectory(t), "cache"), memory: { maxBytes: "1MB" } }),
  lmdb: (t) => ({ store: lmdbStore({ path: join(newDirectory(t), "lmdb") }) }),
  tiered: (t) => ({
    store: tieredStore(
      fileStore({ dir: join(newDirectory(t), "near") }),
      fileStore({ dir: join(newDirectory(t), "far") }),
    ),
  }),
};

for (const [name, place] of Object.entries(PLACES)) {
  test.serial(
    `${name}: a use that is dated ahead keeps no entry beyond maxIdle, and a further use counts from its own time`,
    async (t) => {
      const cache: any = createCache(place(t));
      const fn = (x: number) => x;
      const lax = cache.permacache("ahead", { maxIdle: "30d" })(fn);
      const strict = cache.permacache("ahead", { maxIdle: "2d" })(fn);
      for (const x of [1, 2]) lax(x);
      later(20 * DAY, () => {
        for (const x of [1, 2]) lax(x); // hits, dated ahead
      });
      t.is(lax.stats().hits, 2);
      later(1 * DAY, () => t.true(strict.has(1) && strict.has(2))); // they were written a day ago
      later(1.5 * DAY, () => strict(1)); // a further use
      later(2.5 * DAY, () => t.deepEqual([strict.has(1), strict.has(2)], [true, false]));
      later(4 * DAY, () => t.false(strict.has(1)));
      await cache.close();
    },
  );
}

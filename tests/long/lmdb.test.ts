import { spawn } from "node:child_process";
import { statSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { createCache } from "../../src/index.js";
import { lmdbStore } from "../../src/stores/lmdb/lmdb-store.js";
import { newDirectory } from "../files/directory.js";
import { newRandom } from "../seed.js";
import { writeBesideOpeners } from "../stores/lmdb/beside-an-opener.js";
import { dataOf, folderAt, listOf, program, put, textOf } from "../stores/lmdb/lmdb-place.js";

const ROUNDS = 12;

/** Writes the same under the same digest as everybody else, tells of each, until it is killed. */
const WRITER = `
  for (let i = process.pid; ; i++) {
    const n = i % 50;
    const digest = n.toString(16).padStart(2, "0").repeat(20);
    put(digest, Buffer.alloc(n * 1000, n), process.env.DURABLE === "1" && i % 10 === 0);
    if (i % 7 === 0) remove(digest);
    use(digest);
    if (i % 60 === 0) folder.clear(false);
    if (i % 30 === 0) retain({ maxEntries: 20 });
    if (i % 20 === 0) process.stdout.write(".");
  }
`;

for (const DURABLE of ["0", "1"]) {
  test(`writers that are killed at any moment leave exact entries or none, ${DURABLE === "1" ? "durable" : "not synced"}`, async (t) => {
    const path = newDirectory();
    const folder = folderAt(path);
    const random = newRandom(t);
    for (let round = 0; round < ROUNDS; round++) {
      const writers = [1, 2].map(() => {
        const env = { ...process.env, DURABLE };
        const writer = spawn(process.execPath, program(path, WRITER), { stdio: ["ignore", "pipe", "inherit"], env });
        const begun = new Promise((resolve) => writer.stdout.once("data", resolve));
        const gone = new Promise<string | null>((resolve) => writer.once("exit", (_code, signal) => resolve(signal)));
        return { writer, begun, gone };
      });
      for (const { writer, begun, gone } of writers) {
        await Promise.race([begun, gone]);
        await new Promise((moment) => setTimeout(moment, random.below(20)));
        writer.kill("SIGKILL");
        const signal = await gone;
        if (signal !== "SIGKILL") t.log(`a writer ended by itself: ${signal}`); // what it left must be right all the same
      }
      for (const [digest, content] of await listOf(folder)) {
        const n = Number.parseInt(digest.slice(0, 2), 16);
        if (n < 50) t.true(["undefined", Buffer.alloc(n * 1000, n).toString()].includes(content)); // 255 is ours
      }
      t.true(await put(folder, "f".repeat(40), `round ${round}`));
      t.is(await textOf(folder, "f".repeat(40)), `round ${round}`);
    }
  });
}

test("30,000 entries: exactly so many are counted, limited and cleared, and the file stays of their size", async (t) => {
  const path = join(newDirectory(), "store");
  const cache = createCache({ store: lmdbStore({ path }) });
  const f = cache.permacache("many")((x: number) => x);
  for (let x = 0; x < 30_000; x++) f(x);
  const counts: number[] = [];
  for await (const { entries } of cache.list()) counts.push(entries);
  t.deepEqual(counts, [30_000]);
  const { size } = statSync(dataOf(path));
  t.true(size < 30_000 * 1_000, `${size / 30_000} bytes an entry`);
  t.is(await f.prune({ maxEntries: 1_000 }), 29_000);
  t.is(await f.clear(), 1_000);
  for (let x = 0; x < 30_000; x++) f(x);
  t.true(statSync(dataOf(path)).size < size * 1.2, "the room of what was removed is used again");
  await cache.close();
  t.is(folderAt(path).clear(false), 0);
});

test("for 30 s processes that only open and close the store take nothing from those who write, and kill nobody", async (t) => {
  const { writers, openers } = await writeBesideOpeners(newDirectory(), 2, 2, 30_000);
  for (const each of [...writers, ...openers]) t.like(each, { code: 0, signal: null, lost: 0 });
  t.log(`${writers.map(({ done }) => done)} entries written, ${openers.map(({ done }) => done)} times opened`);
});

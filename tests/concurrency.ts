import { execFile } from "node:child_process";
import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import type { ExecutionContext } from "ava";
import { createCache } from "../src/index.js";
import { newDirectory } from "./place.js";
import { again, newSeed } from "./seed.js";

/** Several processes at once write, read, delete, clear, prune, verify, export and import at random. */
export async function disturb(t: ExecutionContext, processes: number, deeds: number): Promise<void> {
  const [dir, archives] = [join(newDirectory(t), "cache"), newDirectory(t)];
  mkdirSync(dir);
  const cache = createCache({ dir });
  const filled = cache.permacache("work/sync")((x: number) => {
    const filler = String(x).repeat([1, 100, 70_000][x % 3]!);
    return { x, filler };
  });
  for (let x = 0; x < 20; x++) filled(x);
  await cache.exportTo("work/sync", join(archives, "all.zip"));

  const seed = newSeed(t);
  const program = join(import.meta.dirname, "concurrency.work.mjs");
  const told = await Promise.all(
    Array.from({ length: processes }, async (_, i) => {
      const args = [program, dir, archives, String(deeds), String(seed + i)];
      const { stdout, stderr } = await promisify(execFile)(process.execPath, args);
      return [...JSON.parse(stdout), ...(stderr === "" ? [] : [stderr])];
    }),
  );
  t.deepEqual(told.flat(), [], again(seed));

  t.deepEqual((await cache.verify()).damaged, [], again(seed));
  // What a clear could not delete beside a writer goes with the first write of the next process.
  await promisify(execFile)(process.execPath, [program, dir, archives, "100", String(seed)]);
  const left = (readdirSync(dir, { recursive: true }) as string[]).filter((name) =>
    /=_tmp\/|\.lock$|\.claim$|\.flock$|\.tmp/.test(name),
  );
  t.deepEqual(left, [], `no orphans. ${again(seed)}`);
}

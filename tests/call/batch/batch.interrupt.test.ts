import { spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import test from "ava";
import { newDirectory } from "../../place.js";
import { newRandom } from "../../seed.js";
import { size } from "../../size.js";

// Against the built package: a batch in a program of its own, which is ended again and again.

const COUNT = size(120, 2_000);
const CHUNK = 5;
const ROUNDS = size(4, 40);

/** The program appends each chunk that it begins to one log, and each element that was stored to another. */
function source(kind: "sync" | "async", concurrency: number): string {
  return `
    import { subscribe } from "node:diagnostics_channel";
    import { appendFileSync } from "node:fs";
    import { createCache } from ${JSON.stringify(join(import.meta.dirname, "../../../dist/index.js"))};
    const [dir, begun, stored] = process.argv.slice(2);
    subscribe("permacache:store", ({ key }) => appendFileSync(stored, JSON.parse(key).xs + "\\n"));
    const { permacache } = createCache({ dir });
    const f = permacache("interrupted", { parallel: "xs", chunkSize: ${CHUNK}, concurrency: ${concurrency} })(
      ${kind} (xs) => {
        appendFileSync(begun, xs.join(" ") + "\\n");
        ${kind === "async" ? "await new Promise(setImmediate);" : ""}
        return xs.map((x) => ({ x, text: "x".repeat(x % 7 === 0 ? 100_000 : 10) }));
      });
    const all = Array.from({ length: ${COUNT} }, (_, x) => x);
    const results = await f(all);
    if (process.argv[5] === "tell") console.log(results.every(({ x, text }, i) => x === i && text.length >= 10));
  `.replace("sync (xs)", kind === "sync" ? "(xs)" : "sync (xs)");
}

function linesOf(file: string): number[][] {
  try {
    const text = readFileSync(file, "utf8");
    return text
      .split("\n")
      .slice(0, -1)
      .map((line) => line.split(" ").map(Number));
  } catch {
    return [];
  }
}

for (const [kind, concurrency, signal] of [
  ["sync", 1, "SIGINT"],
  ["sync", 1, "SIGKILL"],
  ["async", 3, "SIGINT"],
  ["async", 3, "SIGKILL"],
] as const) {
  test(`ended by ${signal} at any moment, then again: only unfinished chunks are computed (${kind})`, async (t) => {
    const place = newDirectory(t);
    const [dir, begun, stored, program] = ["cache", "begun", "stored", "program.mjs"].map((name) => join(place, name));
    writeFileSync(program!, source(kind, concurrency));
    const env = { ...process.env, PERMACACHE_MODE: "" };
    const start = (...words: string[]) =>
      spawn(process.execPath, [program!, dir!, begun!, stored!, ...words], {
        stdio: ["ignore", "pipe", "inherit"],
        env,
      });
    const random = newRandom(t);
    let interruptions = 0;
    let before: number[][] = [];
    let known: number[] = [];

    /** What one run began: nothing twice, and nothing that an earlier run had stored. */
    function check(round: unknown): void {
      const lines = linesOf(begun!);
      const own = lines.slice(before.length).flat();
      t.is(new Set(own).size, own.length, `round ${round}`);
      t.deepEqual(
        own.filter((x) => known.includes(x)),
        [],
        `round ${round}`,
      );
      before = lines;
      known = linesOf(stored!).flat();
    }

    for (let round = 0; round < ROUNDS; round++) {
      const child = start();
      const ended = new Promise<string | null>((resolve) => child.once("exit", (_code, by) => resolve(by)));
      const enough = before.length + 1 + random.below(COUNT / CHUNK / ROUNDS);
      while (child.exitCode === null && linesOf(begun!).length < enough) await pause(1);
      child.kill(signal);
      if ((await ended) === signal) interruptions++;
      check(round);
    }
    t.true(interruptions > 0);

    const last = start("tell");
    let printed = "";
    last.stdout.on("data", (data) => {
      printed += data;
    });
    await new Promise((resolve) => last.once("close", resolve));
    t.is(printed, "true\n");
    check("last");
    const all = linesOf(begun!).flat();
    t.is(new Set(all).size, COUNT);
    // Of each interruption, the chunks that ran and no others are computed again.
    t.true(all.length - COUNT <= interruptions * concurrency * CHUNK, `${all.length} in ${interruptions}`);
  });
}

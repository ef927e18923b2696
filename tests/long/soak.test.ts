import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import test from "ava";
import { newSeed } from "../seed.js";

const run = promisify(execFile);
const root = join(import.meta.dirname, "../..");

for (const locks of ["kernel", "portable"]) {
  test.serial(
    `${locks} locks: 6 processes, 300 killed at random: no wrong value, no lost entry, no hang, nothing left behind`,
    async (t) => {
      t.timeout(600_000);
      const args = ["--import=tsx", "scripts/soak.ts", "--kills=300", `--locks=${locks}`, `--seed=${newSeed(t)}`];
      try {
        const { stdout } = await run(process.execPath, args, { cwd: root });
        t.log(stdout.trim().split("\n").at(-1));
        t.pass();
      } catch (error) {
        const { stdout, stderr } = error as { stdout: string; stderr: string };
        t.fail(`${stdout}\n${stderr}`);
      }
    },
  );
}

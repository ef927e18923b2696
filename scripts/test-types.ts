// Compiles tests/types against the built package, with the oldest TypeScript that is supported and with newer ones.
import { spawnSync } from "node:child_process";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

const require = createRequire(import.meta.url);
let failed = false;
for (const name of ["ts54", "typescript", "ts7"]) {
  const manifest = require.resolve(`${name}/package.json`);
  const { version } = require(manifest) as { version: string };
  const tsc = join(dirname(manifest), "bin", "tsc");
  const { status } = spawnSync(process.execPath, [tsc, "-p", "tests/types"], { stdio: "inherit" });
  console.log(`Types under TypeScript ${version}: ${status === 0 ? "ok" : "FAILED"}`);
  failed ||= status !== 0;
}
process.exitCode = failed ? 1 : 0;

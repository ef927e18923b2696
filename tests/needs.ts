import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type Implementation } from "ava";
import { redisBinary } from "../scripts/redis.js";

/** What a test may need of the machine: whether it is there, and how to get it. Nobody can turn one system into another. */
const NEEDS = {
  linux: [() => process.platform === "linux", undefined],
  posix: [() => process.platform !== "win32", undefined],
  root: [() => process.getuid?.() === 0, "run the tests as root"],
  "the build": [() => existsSync("dist/index.js"), "npm run build"],
  "loop devices": [() => existsSync("/dev/loop-control"), "run the tests where file systems can be mounted"],
  mounts: [canMount, "run the tests as root, where file systems can be mounted"],
  "/dev/full": [() => existsSync("/dev/full"), undefined],
  prlimit: [() => runs("prlimit", "--version"), "apt-get install util-linux"],
  strace: [() => runs("strace", "-V"), "apt-get install strace"],
  faketime: [() => runs("faketime", "--version"), "apt-get install faketime"],
  script: [() => runs("script", "--version"), "apt-get install bsdutils"],
  "mkfs.xfs": [() => runs("mkfs.xfs", "-V"), "apt-get install xfsprogs"],
  "redis-server": [() => redisBinary() !== undefined, "apt-get install redis-server"],
} as const satisfies Record<string, readonly [isThere: () => boolean, remedy: string | undefined]>;

export type Need = keyof typeof NEEDS;

/**
 * Declares tests that need something of the machine: `needs("strace")(title, implementation)`, or `needs("root").serial(...)`.
 * Where it is missing they are skipped, with the reason in their titles. In CI they fail, because `.ci/run` installs it;
 * only tests for another system are skipped there, too.
 */
export function needs(...all: Need[]) {
  const missing = all.find((need) => !NEEDS[need][0]());
  const declared =
    (declare: typeof test | typeof test.serial) =>
    (title: string, implementation: Implementation<[]>): void => {
      const remedy = missing && NEEDS[missing][1];
      if (missing === undefined) declare(title, implementation);
      else if (process.env.CI && remedy)
        declare(title, (t) => t.fail(`CI is set, and ${missing} is missing: ${remedy}.`));
      else declare.skip(`${title} (skipped: needs ${missing})`, implementation);
    };
  return Object.assign(declared(test), { serial: declared(test.serial) });
}

function canMount(): boolean {
  const dir = mkdtempSync(join(tmpdir(), "permacache-mount-"));
  try {
    return runs("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", dir) && runs("umount", dir);
  } finally {
    rmdirSync(dir);
  }
}

function runs(command: string, ...args: string[]): boolean {
  return spawnSync(command, args).status === 0;
}

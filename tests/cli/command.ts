import { execFile } from "node:child_process";
import { lstatSync, readdirSync } from "node:fs";
import { join } from "node:path";

/** The program as it is built. */
export const MAIN = join(import.meta.dirname, "../../dist/cli/main.js");

export interface Outcome {
  readonly code: number | string;
  readonly stdout: string;
  readonly stderr: string;
}

/** What the environment of a test may not say. */
const NEUTRAL = {
  CI: undefined,
  PERMACACHE_DIR: undefined,
  NO_COLOR: undefined,
  FORCE_COLOR: undefined,
  TERM: "xterm",
  TZ: "UTC",
};

export function environment(env: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  return { ...process.env, ...NEUTRAL, ...env };
}

/** Runs `permacache` in a process of its own. */
export function permacacheCommand(args: readonly string[], env?: NodeJS.ProcessEnv): Promise<Outcome> {
  return outcomeOf(process.execPath, [MAIN, ...args], env);
}

export function outcomeOf(file: string, args: readonly string[], env?: NodeJS.ProcessEnv): Promise<Outcome> {
  return new Promise((resolve) => {
    execFile(file, args, { env: environment(env), maxBuffer: 1 << 28 }, (error, stdout, stderr) => {
      resolve({ code: (error?.signal ?? error?.code ?? 0) as number | string, stdout, stderr });
    });
  });
}

/** All that is in a directory: names, sizes, times. */
export function treeOf(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: "utf8" })
    .sort()
    .map((name) => {
      const { size, mtimeMs, ino } = lstatSync(join(directory, name));
      return `${name} ${size} ${mtimeMs} ${ino}`;
    });
}

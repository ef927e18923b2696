import { mkdtempSync, readdirSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const made: string[] = [];
process.on("exit", () => {
  for (const each of made) rmSync(each, { recursive: true, force: true });
});

/** A new empty directory, which goes with the process. */
export function newDirectory(): string {
  const directory = realpathSync(mkdtempSync(join(tmpdir(), "permacache-test-")));
  made.push(directory);
  return directory;
}

/** Everything below a directory, as relative paths in order. */
export function namesBelow(directory: string): string[] {
  return (readdirSync(directory, { recursive: true }) as string[]).sort();
}

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

/**
 * The first version of the package lmdb without ITS#9496 (see open-lock.ts): there is none yet, 3.5.6 has it. Once it is known
 * it stands here, and processes with that version lock nothing. All processes that use a database must have it then.
 */
const MENDED_IN: string | undefined = undefined;

/** Whether the lmdb that is installed may open a database beside writers. */
export function isMended(since = MENDED_IN, installed?: string): boolean {
  const version = since === undefined ? undefined : (installed ?? installedVersion());
  if (since === undefined || version === undefined) return false;
  const [first, ours] = [since, version].map((each) => each.split(/[.-]/, 3).map(Number)) as [number[], number[]];
  const differs = first.findIndex((part, i) => part !== ours[i]);
  return differs === -1 || ours[differs]! > first[differs]!;
}

/** What its package.json says, which it does not export. */
function installedVersion(): string | undefined {
  try {
    const entry = createRequire(import.meta.url).resolve("lmdb"); // <package>/dist/index.cjs
    const { name, version } = JSON.parse(readFileSync(join(dirname(entry), "../package.json"), "utf8"));
    return name === "lmdb" ? version : undefined;
  } catch {
    return undefined; // bundled, or laid out in another way
  }
}

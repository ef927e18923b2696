import { mkdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { sweep, temporaryName } from "../files/temporary.js";

const PREFIX = "permacache-tmp-";

let directory: string | undefined;

/** A private directory of this process, which goes with it; the first one sweeps what killed processes left behind. */
function privateDirectory(): string {
  if (directory !== undefined) return directory;
  sweep(tmpdir(), PREFIX);
  const made = resolve(tmpdir(), PREFIX + temporaryName());
  mkdirSync(made, { mode: 0o700 });
  process.once("exit", () => rmSync(made, { recursive: true, force: true }));
  directory = made;
  return made;
}

/** A path for a new file. */
export function newTemporary(): string {
  return join(privateDirectory(), temporaryName());
}

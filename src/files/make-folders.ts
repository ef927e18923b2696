import { mkdirSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { codeOf } from "./io.js";

/**
 * Makes a folder with those above it. Not by `recursive: true`: in file systems that say of a folder that can be looked at
 * that it does not exist when something is to be made in it (`/proc`), Node tries for ever.
 * @param mode permissions of what is made, before the umask takes of them
 * @returns the first that was made, `undefined` where all were there
 * @throws the system's error
 */
export function makeFolders(path: string, mode: number): string | undefined {
  let first: string | undefined;
  for (let attempt = 1; ; attempt++) {
    try {
      mkdirSync(path, { mode });
      return first ?? path;
    } catch (error) {
      const isMissing = codeOf(error) === "ENOENT";
      if (!isMissing && isFolder(path)) return first;
      if (!isMissing || attempt === ATTEMPTS) throw error;
    }
    first ??= makeFolders(dirname(path), mode); // others may make or remove them meanwhile
  }
}

const ATTEMPTS = 5;

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

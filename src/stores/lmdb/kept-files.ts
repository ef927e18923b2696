import { lstatSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { codeOf } from "../../files/io.js";
import { dropContents, isKeptContent, isKeptFile, KEPT_FOLDER } from "../file/kept-contents.js";
import type { Database } from "./database.js";

/**
 * Where contents of out files stand beside the database: in a folder for each number of a folder of entries, as
 * kept-contents.ts lays them out.
 */
export function keptFolder(directory: string, number: number): string {
  return join(directory, KEPT_FOLDER, String(number));
}

/** Where the file of an entry would be: contents are named after it. */
export function entryFileIn(folder: string, digest: string): string {
  return `${folder}/${digest.slice(0, 2)}/${digest.slice(2)}.entry`;
}

/** Drops the contents that are kept for an entry, except these. */
export function dropKept({ directory }: Database, number: number, digest: string, except: readonly string[]): void {
  if (directory === undefined) return;
  const folder = keptFolder(directory, number);
  const file = entryFileIn(folder, digest);
  if (lstatSync(dirname(file), { throwIfNoEntry: false })?.isDirectory()) dropContents(folder, file, except);
}

/** The folders that hold the names of contents for entries. */
export function shardsIn(folder: string): string[] {
  return namesIn(folder)
    .filter((name) => name !== KEPT_FOLDER)
    .map((name) => join(folder, name));
}

/** Each content once: those in the folder of contents, and the copies that entries have of their own. */
export function* keptFilesIn(folder: string): Generator<string, void> {
  for (const shard of shardsIn(folder)) {
    for (const name of namesIn(shard).filter(isKeptFile)) {
      const file = join(shard, name);
      if (lstatSync(file, { throwIfNoEntry: false })?.nlink === 1) yield file;
    }
  }
  for (const shard of namesIn(join(folder, KEPT_FOLDER))) {
    for (const name of namesIn(join(folder, KEPT_FOLDER, shard)).filter(isKeptContent)) {
      yield join(folder, KEPT_FOLDER, shard, name);
    }
  }
}

function namesIn(folder: string): string[] {
  if (!lstatSync(folder, { throwIfNoEntry: false })?.isDirectory()) return [];
  try {
    return readdirSync(folder).sort();
  } catch (error) {
    if (codeOf(error) === "ENOENT") return []; // removed meanwhile
    throw error;
  }
}

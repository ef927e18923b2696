import { type Dirent, lstatSync, opendirSync, readdirSync } from "node:fs";
import { StoreError } from "../../errors.js";
import { codeOf } from "../../files/io.js";

/** What is in the directories of a store. Nothing here follows a symbolic link. */

export function isDirectory(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

/** @returns whether there is such a folder. @throws StoreError where a link or a file is in its place */
export function isFolder(folder: string): boolean {
  const stats = lstatSync(folder, { throwIfNoEntry: false });
  if (stats && !stats.isDirectory()) {
    throw new StoreError(
      `${folder} is a link or a file where the cache expects a folder of its own. Remove it, or choose another \`dir\`.`,
    );
  }
  return stats !== undefined;
}

/** Names, in no order: `readdirSync` sorts them, which takes a fortieth of the time that reading all the entries takes. */
export function namesIn(folder: string): string[] {
  return absentAsNone(() => {
    const open = opendirSync(folder);
    try {
      const names: string[] = [];
      for (let each = open.readSync(); each; each = open.readSync()) names.push(each.name);
      return names;
    } finally {
      open.closeSync();
    }
  });
}

/** The same with the kind of each. */
export function direntsIn(folder: string): Dirent[] {
  return absentAsNone(() => readdirSync(folder, { withFileTypes: true }));
}

function absentAsNone<T>(read: () => T[]): T[] {
  try {
    return read();
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes(codeOf(error))) return [];
    throw error;
  }
}

/** The folders in a folder of entries, by the first two digits of the digests. */
const SHARD = /^[0-9a-f]{2}$/;

export function isShard(name: string): boolean {
  return SHARD.test(name);
}

/** The names of the shards, sorted. They may be links or files. */
export function shardsIn(folder: string): string[] {
  return namesIn(folder).filter(isShard).sort();
}

/** Only those that are folders, each with what is in it. */
export function* openShardsIn(folder: string): Generator<{ readonly name: string; readonly files: Dirent[] }, void> {
  for (const each of direntsIn(folder)) {
    if (isShard(each.name) && each.isDirectory()) yield { name: each.name, files: direntsIn(`${folder}/${each.name}`) };
  }
}

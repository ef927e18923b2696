import type { Dirent } from "node:fs";
import { join } from "node:path";
import { isEntriesFolder, isPath, pathOfFolder, segmentOfFolder } from "../../entry/identity.js";
import { direntsIn, isDirectory, isShard } from "./directories.js";
import { LEDGER, type Root, TEMPORARIES } from "./root.js";

/** A folder in a folder of entries that holds those whose digests begin with the same two digits. */
export interface Shard {
  /** The folder of entries, from the directory of the store: `a/b/=1`. */
  readonly folder: string;
  readonly name: string;
  readonly path: string;
}

/**
 * Which folders of entries there are in the directory of a store. No link is followed, and what belongs to another store
 * inside of it is passed over. Makes nothing.
 */
export class Tree {
  readonly #root: Root;

  constructor(root: Root) {
    this.#root = root;
  }

  /** All folders, from the directory; or those directly in `parent`. */
  *folders(parent?: string): Generator<string, void> {
    if (parent === undefined) return yield* this.#below("");
    if (!this.#leadsTo(parent)) return;
    for (const name of this.#directoriesIn(parent)) if (isEntriesFolder(name)) yield `${parent}/${name}`;
  }

  *#below(folder: string): Generator<string, void> {
    for (const name of this.#directoriesIn(folder)) {
      const inner = folder === "" ? name : `${folder}/${name}`;
      if (folder !== "" && isEntriesFolder(name)) yield inner;
      else if (segmentOfFolder(name) !== undefined && isPath(pathOfFolder(inner))) yield* this.#below(inner);
    }
  }

  /** Whether a folder, and all on the way to it, are folders of this store. */
  #leadsTo(folder: string): boolean {
    let path = this.#root.get();
    if (path === undefined) return false;
    return folder.split("/").every((name) => {
      path = `${path}/${name}`;
      return isDirectory(path) && !isStore(direntsIn(path));
    });
  }

  #directoriesIn(folder: string): string[] {
    const root = this.#root.get();
    const found = root === undefined ? [] : direntsIn(join(root, folder));
    if (folder !== "" && isStore(found)) return [];
    return found.filter((each) => each.isDirectory()).map(({ name }) => name);
  }

  /** The shards that hold entries, of all folders or of those directly in `parent`. */
  *shards(parent?: string): Generator<Shard, void> {
    for (const folder of this.folders(parent)) {
      const path = `${this.#root.get()}/${folder}`;
      for (const each of direntsIn(path)) {
        if (isShard(each.name) && each.isDirectory()) yield { folder, name: each.name, path: `${path}/${each.name}` };
      }
    }
  }
}

/** Whether a directory that holds these is that of a store. */
function isStore(dirents: readonly Dirent[]): boolean {
  return dirents.some(
    (each) => (each.name === TEMPORARIES && each.isDirectory()) || (each.name === LEDGER && each.isFile()),
  );
}

import { lstatSync, rmSync } from "node:fs";
import { join } from "node:path";
import { readFile } from "../../files/read-file.js";
import { isBeingWritten } from "../../files/restore-file.js";
import type { EntryStat, Listed, Listing, Stray } from "../engine.js";
import { direntsIn, isDirectory, isShard, namesIn, openShardsIn, shardsIn } from "./directories.js";
import { digitsIn } from "./entry-file.js";
import type { FileFolder, FileFolders } from "./folder.js";
import { isForeign } from "./foreign.js";
import { isKeptContent, isKeptFile, KEPT_FOLDER } from "./kept-contents.js";
import type { Tree } from "./tree.js";

/** All that there is in a directory: folders, entries, and what has no business there. */
export class FileListing implements Listing {
  readonly #folders: FileFolders;
  readonly #tree: Tree;

  constructor(folders: FileFolders, tree: Tree) {
    this.#folders = folders;
    this.#tree = tree;
  }

  folders(parent?: string): Generator<string, void> {
    return this.#tree.folders(parent);
  }

  /** @throws StoreError, in the end, where a link or a file is in the place of a shard; who only counts entries passes over it */
  *list(name: string, isRead: boolean): Generator<readonly Listed[], void> {
    const folder = this.#folders.of(name);
    if (!folder.has()) return;
    let problem: unknown;
    for (const shard of shardsIn(folder.path)) {
      if (!isDirectory(`${folder.path}/${shard}`)) {
        if (isRead) problem ??= problemWith(() => folder.has(shard));
        continue;
      }
      const listed: Listed[] = [];
      for (const file of namesIn(`${folder.path}/${shard}`)) {
        const digits = digitsIn(shard, file);
        if (digits !== undefined) listed.push(new ListedFile(digits, folder, `${shard}/${file}`));
      }
      yield listed;
    }
    if (problem !== undefined) throw problem;
  }

  *strays(name: string): Generator<readonly Stray[], void> {
    const folder = this.#folders.of(name);
    if (!folder.has()) return;
    yield direntsIn(folder.path)
      .filter((each) => isShard(each.name) && !each.isDirectory())
      .map((each) => new StrayFile(folder, each.name));
    yield* straysIn(folder, "", (shard, file) => digitsIn(shard, file) !== undefined || isKeptFile(file));
    if (folder.has(KEPT_FOLDER)) yield* straysIn(folder, `${KEPT_FOLDER}/`, (_shard, file) => isKeptContent(file));
  }
}

function problemWith(look: () => void): unknown {
  try {
    look();
    return undefined;
  } catch (error) {
    return error;
  }
}

/** What else there is in the shards than files with the names that belong there. */
function* straysIn(
  folder: FileFolder,
  inner: string,
  belongs: (shard: string, file: string) => boolean,
): Generator<readonly Stray[], void> {
  for (const { name: shard, files } of openShardsIn(`${folder.path}/${inner}`)) {
    const strays = files.filter((each) => !(each.isFile() && belongs(shard, each.name)) && !isForeign(each.name));
    yield strays
      .map((each) => `${inner}${shard}/${each.name}`)
      .filter((name) => !isBeingWritten(name.slice(name.lastIndexOf("/") + 1), `${folder.path}/${name}`))
      .map((name) => new StrayFile(folder, name));
  }
}

/** A class, not an object with closures: thousands wait for their turn, and for the collector. */
class ListedFile implements Listed {
  readonly digest: string;
  readonly #folder: FileFolder;
  /** From the folder. */
  readonly #name: string;

  constructor(digest: string, folder: FileFolder, name: string) {
    this.digest = digest;
    this.#folder = folder;
    this.#name = name;
  }

  get location(): string {
    return join(this.#folder.location, this.#name);
  }

  read(): Buffer | undefined {
    return readFile(`${this.#folder.path}/${this.#name}`, false) as Buffer | undefined;
  }

  stat(): EntryStat | undefined {
    const stats = lstatSync(`${this.#folder.path}/${this.#name}`, { throwIfNoEntry: false });
    return stats?.isFile() ? { bytes: stats.size, writtenAt: stats.mtimeMs } : undefined;
  }

  remove(): void {
    this.#folder.removeFile(this.#name);
  }
}

class StrayFile implements Stray {
  readonly #folder: FileFolder;
  readonly #name: string;

  constructor(folder: FileFolder, name: string) {
    this.#folder = folder;
    this.#name = name;
  }

  get location(): string {
    return join(this.#folder.location, this.#name);
  }

  remove(): void {
    const aside = this.#folder.setAside(`${this.#folder.path}/${this.#name}`);
    if (aside !== undefined) rmSync(aside, { recursive: true, force: true });
  }
}

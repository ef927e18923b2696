import { lstatSync } from "node:fs";
import { join } from "node:path";
import { codeOf, ioFor } from "../../files/io.js";
import { lessUmask } from "../../files/permissions.js";
import { type Flow, run } from "../../flow.js";
import type { Awaitable, Contents, KeptContent, SeenFile } from "../engine.js";
import { openShardsIn, shardsIn } from "./directories.js";
import type { FileFolder, FileFolders } from "./folder.js";
import {
  isKeptContent,
  isKeptFile,
  isWholeContent,
  KEPT_FOLDER,
  keepContent,
  keptFileOf,
  removeContent,
} from "./kept-contents.js";

/** How often others may remove what an operation has made for itself. */
const ATTEMPTS = 5;

/** Contents of out files, in the folder whose entries use them. Where and under which names, see kept-contents.ts. */
export class FileContents implements Contents {
  readonly #folders: FileFolders;

  constructor(folders: FileFolders) {
    this.#folders = folders;
  }

  temporary(): string {
    const { root } = this.#folders;
    root.make();
    return root.temporary();
  }

  keep(name: string, digest: string, file: SeenFile, mayWait: boolean): Awaitable<boolean> {
    return run(this.#keep(this.#folders.of(name), digest, file, mayWait));
  }

  *#keep(folder: FileFolder, digest: string, file: SeenFile, mayWait: boolean): Flow<boolean> {
    const isHere = () => folder.hasShard(digest.slice(0, 2));
    for (let attempt = 1; ; attempt++) {
      try {
        if (!isHere()) return false;
        const { root, path } = folder;
        for (const name of [KEPT_FOLDER, join(KEPT_FOLDER, file.sha256.slice(0, 2))]) root.makeFolder(join(path, name));
        const mode = lessUmask(root.permissions.file);
        const newTemporary = () => root.temporary();
        yield* keepContent(path, folder.fileOf(digest), file, newTemporary, mode, ioFor(mayWait));
        return true;
      } catch (error) {
        if (!isHere()) return false;
        // What it had made was removed meanwhile: it is made again.
        if (attempt === ATTEMPTS || codeOf(error) !== "ENOENT") throw error;
      }
    }
  }

  path(name: string, digest: string, sha256: string): string {
    return keptFileOf(this.#folders.of(name).fileOf(digest), sha256);
  }

  drop(name: string, digest: string, except: readonly string[]): void {
    this.#folders.of(name).dropKept(digest, except);
  }

  *list(name: string): Generator<readonly KeptContent[], void> {
    const folder = this.#folders.of(name);
    if (!folder.has(KEPT_FOLDER)) return; // nothing was ever kept here
    for (const { name: shard, files } of openShardsIn(folder.path)) {
      // What has other names is one of the contents below. Where a file system has no links, an entry has its own copy.
      yield files
        .filter((each) => each.isFile() && isKeptFile(each.name))
        .map((each) => new FileContent(folder, `${shard}/${each.name}`))
        .filter((each) => each.links === 1);
    }
    for (const { name: shard, files } of openShardsIn(`${folder.path}/${KEPT_FOLDER}`)) {
      yield files
        .filter((each) => each.isFile() && isKeptContent(each.name))
        .map((each) => new FileContent(folder, `${KEPT_FOLDER}/${shard}/${each.name}`));
    }
  }
}

class FileContent implements KeptContent {
  readonly #folder: FileFolder;
  /** From the folder. */
  readonly #name: string;

  constructor(folder: FileFolder, name: string) {
    this.#folder = folder;
    this.#name = name;
  }

  get #file(): string {
    return `${this.#folder.path}/${this.#name}`;
  }

  get location(): string {
    return join(this.#folder.location, this.#name);
  }

  get links(): number | undefined {
    return lstatSync(this.#file, { throwIfNoEntry: false })?.nlink;
  }

  size(): number | undefined {
    return lstatSync(this.#file, { throwIfNoEntry: false })?.size;
  }

  isWhole(): Promise<boolean | undefined> {
    return isWholeContent(this.#file);
  }

  remove(): void {
    const { path } = this.#folder;
    removeContent(
      this.#file,
      shardsIn(path).map((shard) => `${path}/${shard}`),
    );
  }
}

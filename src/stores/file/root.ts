import { mkdirSync, readdirSync, realpathSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { codeOf } from "../../files/io.js";
import { makeFolders } from "../../files/make-folders.js";
import { assertOwn } from "../../files/ownership.js";
import { type Permissions, PRIVATE, SHARED } from "../../files/permissions.js";
import { sweep, temporaryName } from "../../files/temporary.js";
import { isFolder } from "./directories.js";
import { Ledger } from "./ledger/ledger.js";

export interface FileEngineOptions {
  /** Others may use it, too: what is made is not private, and whose the directory is does not matter. Default: `false`. */
  readonly isShared?: boolean | undefined;
  /** Throws where the directory is not to be trusted; asked before it is first used, also of a shared one. */
  readonly assertUsable?: (() => void) | undefined;
}

/** No path of a function has a folder that begins with `=_`. */
export const TEMPORARIES = "=_tmp";
export const LEDGER = "=_ledger";

/** The directory of a store: whether it is to be trusted, and how it is made when it is first written to. */
export class Root {
  #real: string | undefined;
  #swept = false;

  readonly ledger: Ledger;
  readonly permissions: Permissions;
  readonly #options: FileEngineOptions;

  constructor(
    readonly given: string,
    options: FileEngineOptions,
  ) {
    this.#options = options;
    this.permissions = options.isShared ? SHARED : PRIVATE;
    this.ledger = new Ledger(join(given, LEDGER), this.permissions.file);
  }

  /** @returns the directory without links on the way to it. @throws StoreError where it is not to be trusted */
  #resolved(): string {
    this.#options.assertUsable?.();
    const real = this.#real ?? realpathSync(this.given);
    if (!this.#options.isShared) assertOwn(real);
    return real;
  }

  /** The directory without links on the way to it; `undefined` while it is not there. */
  get(): string | undefined {
    if (this.#real === undefined) {
      if (isThere(this.given)) this.#real = this.#resolved();
      else this.#options.assertUsable?.();
    }
    return this.#real;
  }

  make(): string {
    const first = makeFolders(this.#real ?? this.given, this.permissions.folder);
    this.#real = this.#resolved(); // somebody may have been quicker
    // Never into a directory that holds something else: backups would skip that, too.
    if (first !== undefined || readdirSync(this.#real).length === 0) tag(this.#real, this.permissions.file);
    return this.#real;
  }

  /** @throws StoreError where there is a link or a file in its place */
  makeFolder(folder: string): void {
    try {
      mkdirSync(folder, { mode: this.permissions.folder });
    } catch (error) {
      if (codeOf(error) !== "EEXIST") throw error;
      isFolder(folder);
    }
  }

  /** A path for a new temporary file or folder. The first time, what dead owners left behind is removed. */
  temporary(): string {
    const folder = join(this.#real ?? this.make(), TEMPORARIES);
    if (!isFolder(folder)) {
      this.make();
      this.makeFolder(folder);
    }
    if (!this.#swept) {
      this.#swept = true;
      sweep(folder);
    }
    return join(folder, temporaryName());
  }
}

/** A path that cannot be read, or is a file, counts as absent: creating it reports the error. */
function isThere(directory: string): boolean {
  try {
    return statSync(directory, { throwIfNoEntry: false })?.isDirectory() ?? false;
  } catch {
    return false;
  }
}

/** For backup programs, see https://bford.info/cachedir/ */
const TAG_FILE = "CACHEDIR.TAG";
const CACHE_TAG =
  "Signature: 8a477f597d28d172789f06886806bc55\n# This directory is a cache of permacache: it can be recomputed.\n";

function tag(directory: string, mode: number): void {
  try {
    writeFileSync(join(directory, TAG_FILE), CACHE_TAG, { flag: "wx", mode });
  } catch (error) {
    if (codeOf(error) !== "EEXIST") throw error; // another process was quicker
  }
}

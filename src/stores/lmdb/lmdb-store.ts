import { resolve } from "node:path";
import { assertArguments, OptionError } from "../../errors.js";
import { inheritingNothing } from "../../key/originals.js";
import type { SyncEngine } from "../engine.js";
import { LmdbEngine } from "./engine.js";

export interface LmdbStoreOptions {
  /** The directory of the database; made when it is first written to, private to the user. */
  readonly path: string;
  /** Address space reserved for the database at first, in bytes; it grows by itself. Default: what lmdb chooses. */
  readonly mapSize?: number | undefined;
}

/**
 * A store for millions of small entries, in one LMDB database: for sync and async functions, and for any number of
 * processes of one machine, on a local disk. Needs the package `lmdb` (`npm install lmdb`), which is loaded when the store
 * is first used. The same object for the same path.
 *
 * Experimental: lmdb has faults that cost entries or crash a process, around which this store works; it says so in one
 * warning, which `node --disable-warning=ERR_PERMACACHE_EXPERIMENTAL` silences. Worker threads are refused. Where the
 * kernel's locks cannot be had (the package fs-native-extensions does not load), one process at a time can use it.
 *
 * A killed process loses nothing that it stored. A power cut, while the last second's writes are not on the disk yet, costs
 * all entries, and never gives a wrong one. Once a function with `durability: "file"` has stored something, every write is
 * brought to the disk at once, and a power cut costs nothing.
 *
 * @throws OptionError for wrong options, and in a worker thread; when it is first used, where `lmdb` is missing
 */
export function lmdbStore(options: LmdbStoreOptions): SyncEngine;
export function lmdbStore(...args: [options: LmdbStoreOptions]): SyncEngine {
  assertArguments("lmdbStore()", args, 1);
  const [options] = args;
  if (typeof options !== "object" || options === null) {
    throw new OptionError(`lmdbStore(): give an object with a "path", such as { path: ".cache/lmdb" }.`);
  }
  const { path, mapSize, ...others } = inheritingNothing(options);
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) {
    throw new OptionError(`lmdbStore(): there is no option "${unknown}". Its options are path and mapSize.`);
  }
  if (typeof path !== "string" || path === "") {
    throw new OptionError(`lmdbStore(): "path" must be the path of a directory.`);
  }
  if (mapSize !== undefined && !(Number.isSafeInteger(mapSize) && mapSize > 0)) {
    throw new OptionError(`lmdbStore(): "mapSize" must be a number of bytes.`);
  }
  if (!process.getBuiltinModule("node:worker_threads").isMainThread) {
    throw new OptionError(
      "lmdbStore(): a worker thread cannot use it: terminated while it writes, it would hang or abort the whole process. Call the function in the main thread or in a child process, or use fileStore().",
    );
  }
  const directory = resolve(path);
  let engine = engines.get(directory);
  if (!engine) {
    engine = new LmdbEngine(directory, mapSize);
    engines.set(directory, engine);
  }
  return engine;
}

const engines = new Map<string, LmdbEngine>();

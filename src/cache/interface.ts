import type { Stats } from "../call/stats.js";
import type { EntryMeta } from "../entry/entry-meta.js";
import type { WorkOptions } from "../events.js";
import type { AnyFunction, CallArguments, Plain } from "../signature/function-types.js";
import type { Engine } from "../stores/engine.js";
import type { Limits } from "../stores/limits.js";
import type { Peek, Permacache } from "../wrap/cached-function-types.js";
import type { CacheOptions } from "../wrap/options.js";

/** What there is of one version of a path. */
export interface PathSummary {
  readonly path: string;
  readonly version: string | undefined;
  readonly entries: number;
  /** Of the entries and of what is kept with them. */
  readonly bytes: number;
  /** When the newest was written; `undefined` where there is none. */
  readonly newest: Date | undefined;
}

/** An entry of a path, of whatever version. */
export interface PathEntry extends EntryMeta {
  readonly version: string | undefined;
}

/** The entries of a path, without the function: of one version where `open` was given that, else of all. */
export interface OpenPath {
  /** The key of named arguments; a text is a key already. */
  key(named: Plain | string): string;
  /** Whether there is an entry that holds. Out files are not looked at: which are asked for is not known here. */
  has(named: Plain | string): Promise<boolean>;
  /** The entry; of several versions, the newest. */
  peek(named: Plain | string): Promise<(Peek<unknown> & PathEntry) | undefined>;
  delete(named: Plain | string): Promise<boolean>;
  entries(): AsyncIterable<PathEntry>;
  /** Removes the entries; gives their number. */
  clear(): Promise<number>;
  /** Removes the entries beyond the limits (by default, those of the cache) now, of all versions; gives their number. */
  prune(limits?: Limits): Promise<number>;
}

export interface Verified {
  /** Entries and kept files that were read. */
  readonly checked: number;
  /** Where damaged ones are: files whose content is not what was written, not that of their place, or, with a `secret`, not signed. */
  readonly damaged: readonly string[];
  /** How many of these were removed: with `fix` all that can be, else none. */
  readonly removed: number;
  /** Those that `fix` could not remove, each with the reason; `undefined` where there are none. */
  readonly failed?: readonly string[] | undefined;
}

/** A place where entries live, with defaults for its functions. */
export interface Cache<Fn extends AnyFunction = AnyFunction> {
  readonly permacache: Permacache<Fn>;
  /**
   * Caches one call where it is made, under the function's name and source: an edited function computes anew. Captured
   * variables are not in the key.
   */
  call<F extends Fn>(fn: F, ...args: CallArguments<F>): ReturnType<F>;
  /** What there is, version by version, in the order of paths. */
  list(): AsyncIterable<PathSummary>;
  /**
   * The entries of a path, without its function.
   * @param options `version`: of that one only; `null`: of those without a version
   * @throws PathError
   */
  open(path: string, options?: { version?: string | null | undefined }): OpenPath;
  /** Of all functions of this cache in this process. */
  stats(): Promise<CacheStats>;
  /** Removes the entries beyond the limits (by default, those of the cache) now, of all paths; gives their number. */
  prune(limits?: Limits, options?: WorkOptions): Promise<number>;
  /** Removes all entries; gives their number. Computations that run are returned, not stored. */
  clear(): Promise<number>;
  /**
   * The same for one path, of all versions.
   * @throws PathError, also for `undefined`: a path that is missing by mistake does not mean all paths
   */
  clear(path: string): Promise<number>;
  /** Reads everything, and tells what is damaged. With `fix` that is removed: it would be a miss anyway. */
  verify(options?: { fix?: boolean | undefined } & WorkOptions): Promise<Verified>;
  /**
   * Writes the entries of a path, all versions, and kept out files into a zip file; ".zip" may be left out. The same
   * entries make the same bytes. Gives the number of entries.
   * @throws StoreError where there are none, or the file cannot be written
   */
  exportTo(path: string, file: string, options?: WorkOptions): Promise<number>;
  /**
   * Takes over the entries of such a file under a path, which may be another one; ".zip" may be left out. All of it is
   * verified before the first is written. Gives the number of entries that were added.
   * @throws StoreError where the file is not such an archive, whole and undamaged; or where the path has entries, unless
   *   `merge`, which keeps what is there and adds the rest
   */
  importFrom(path: string, file: string, options?: { merge?: boolean | undefined } & WorkOptions): Promise<number>;
  /** Lets go of what the engine holds open. Functions that are called later open it again. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface CacheStats extends Stats {
  /** Where the entries are. */
  readonly directory: string;
  /**
   * How computations of one key exclude each other across processes: `"kernel"` (locks that end with their process, where
   * fs-native-extensions loads) or `"portable"`.
   */
  readonly lock: string;
}

/** The cache behind `permacache`. */
export interface DefaultCache extends Cache {
  /** Sets options of the default cache, before a function of it is first called. */
  configure(options: CacheOptions & { store?: Engine | undefined }): void;
}

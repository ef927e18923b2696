import type { Trust } from "../entry/trust.js";
import type { Binder } from "../signature/bind.js";
import type { ParallelParameter } from "../signature/parallel.js";
import type { Folder } from "../stores/folder.js";
import type { CallKey } from "./key.js";
import type { OutParameter } from "./out-files/asked.js";
import type { Progress, Settings } from "./settings.js";
import type { Stats } from "./stats.js";

/** What is known of a wrapped function once and for all calls. */
export interface Plan {
  readonly fn: Function;
  readonly path: string;
  readonly version: string | undefined;
  /** For messages: `permacache "a/b"`. */
  readonly subject: string;
  /** See `identityText`. */
  readonly identity: string;
  /** SHA-256 of its source, `""` where that is out of reach. */
  readonly source: string;
  /** It returns promises, and so do its methods. */
  readonly async: boolean;
  /** Its key needs a receiver. */
  readonly keysThis: boolean;
  readonly binder: Binder;
  readonly callKey: CallKey;
  /** The parameters that are out files. */
  readonly outParameters: readonly OutParameter[];
  /** `undefined`: a call is one entry. */
  readonly batch: BatchPlan | undefined;
  readonly dir: string | ((bound: any) => unknown) | undefined;
  /** What its options are. Known at the first call. */
  settings(): Settings;
  /** Of its cache. */
  readonly trust: Trust;
  /** Its entries in a directory, by default in that of its cache. */
  folder(dir: string | undefined): Folder;
  readonly stats: Stats;
  /** Whether it gave a promise when this process last called it. `undefined`: it did not. */
  gavePromise: boolean | undefined;
  /** Entries that went, one after the other, without having been used. */
  evictedUnused: number;
  /** The kinds of warning that were given: one each. */
  readonly warned: Set<string>;
}

/** How a call becomes an entry for each element. */
export interface BatchPlan {
  readonly parameters: readonly ParallelParameter[];
  readonly chunkSize: number;
  readonly concurrency: number;
  readonly onProgress: ((progress: Progress) => void) | undefined;
}

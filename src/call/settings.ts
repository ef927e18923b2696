import type { Codec } from "../entry/codecs.js";
import type { Compression } from "../entry/compression.js";
import type { EntryMeta } from "../entry/entry-meta.js";
import type { PermacacheError } from "../errors.js";
import type { AbortSignalLike } from "../flow.js";
import type { RetentionLimits, SizeLimits } from "../stores/limits.js";
import type { Mode } from "./modes.js";

/**
 * The settings that a call works with. Whoever wraps the function has checked and resolved the options: a text such as
 * "2d" is a number here.
 */

/**
 * The settings of a function, resolved from its own options, those of its cache, and the environment. Each has the name of
 * its option, unless the table of options gives it another one.
 */
export interface Settings {
  readonly mode: Mode;
  readonly codec: "auto" | "json" | Codec;
  readonly compress: false | Compression;
  readonly naming: "hash" | "readable";
  readonly onError: "warn" | "throw" | ((error: PermacacheError) => void);
  /** How long a call waits for another one, in milliseconds. */
  readonly maxWait: number;
  /** Whether an entry is on the disk before it is visible. */
  readonly isDurable: boolean;
  /** The most bytes that an encoded entry may have. */
  readonly maxValueBytes: number;
  readonly shouldStore?: ((value: any) => boolean) | undefined;
  readonly validate?: ((value: any, meta: EntryMeta) => boolean) | undefined;
  readonly keepOutFiles: boolean;
  /** `undefined` where there are no limits, and nothing has to be done for them. */
  readonly limits: { readonly own: RetentionLimits; readonly whole: SizeLimits; readonly needUse: boolean } | undefined;
}

/** What `f.with(overrides)` gives to the calls made through it. It goes before the settings of the function. */
export interface CallSettings extends Partial<Pick<Settings, "mode" | "maxWait" | "isDurable">> {
  readonly this?: unknown;
  readonly dir?: string;
  readonly signal?: AbortSignalLike;
  readonly onProgress?: (progress: Progress) => void;
}

/** How far a batch is, in elements. */
export interface Progress {
  /** Those that have their result. */
  readonly done: number;
  /** Those of them that were served. */
  readonly cached: number;
  readonly total: number;
}

import type { EntryBytes } from "../entry/entry.js";
import type { Identity } from "../entry/identity.js";
import type { ReadableName } from "../entry/readable-name.js";
import { StoreError } from "../errors.js";
import type { WorkProgress } from "../events.js";
import type { Stamp } from "../files/fingerprint.js";
import type { Held } from "../files/locks/key-lock.js";
import type { Flow } from "../flow.js";
import type { RetentionLimits, SizeLimits } from "./limits.js";

/** Where the entries of a cache live, other than in a directory: made by `lmdbStore`, `redisStore` or `tieredStore`. */
export interface PublicStore {
  /** Whether sync functions can be cached there. */
  readonly sync: boolean;
}
export interface SyncStore extends PublicStore {
  readonly sync: true;
}
/** One that has to be waited for: only for functions that return promises. */
export interface AsyncStore extends PublicStore {
  readonly sync: false;
}

/**
 * A place where entries live. It knows bytes and names, no functions and no values: what it gives back is verified and
 * decoded by its caller, so it may lose entries and give damaged ones, but must never invent them.
 */
export interface Store {
  /** Whether it serves sync functions: everything can be done without a promise, here or in `forSync`. */
  readonly sync: boolean;
  /**
   * Whoever reaches the engine may have written its entries: without a `secret` none is decoded that could do harm.
   * Default: `false`, as for a directory of the user's own.
   */
  readonly isRemote?: boolean;
  /** The same entries as sync functions see them, where that is another way: nothing that its folders do takes a promise. */
  readonly forSync?: Store | undefined;
  /** Whether its folders have `stamp`. */
  readonly hasStamps?: boolean;
  /** @throws OptionError for limits that it does not keep. Default: it keeps all */
  assertLimits?(limits: RetentionLimits): void;
  /** Where it is, for messages: without passwords. */
  readonly directory: string;
  /** How its keys are locked, for people. Costs some milliseconds the first time. */
  readonly lock: string;
  /** The entries of one function; always the same object for one identity. Makes nothing on disk. */
  folder(identity: Identity): Folder;
  /** Whether there is such a store. */
  exists(): Awaitable<boolean>;
  /** The folders that are there, of a path or of all, in the order of the paths; those of one path one after the other. Makes nothing. */
  folders(path?: string): AsyncIterable<StoredFolder>;
  /** Removes the entries beyond the limits, of all paths, by a look at every entry. @param onProgress told before the first and after each */
  prune(limits: RetentionLimits, onProgress?: (progress: WorkProgress) => void): Promise<Evicted[]>;
  /** A path for a new temporary file, on the same file system where that makes sense; goes when its process is gone. */
  temporary(): string;
  close(): Promise<void>;
}

/** A folder, as it was found in the store. */
export interface StoredFolder {
  readonly path: string;
  /** The last of the `folderNames` of its identity. */
  readonly name: string;
  readonly folder: Folder;
}

/** No promise where the store is sync. */
type Awaitable<T> = T | Promise<T>;
type Each<T> = Iterable<T> | AsyncIterable<T>;

/** The entries of one function. Digests are 40 lower-case hex digits. Operations throw what the system throws. */
export interface Folder {
  /** For messages: of the store, and of the folder in it. */
  readonly directory: string;
  readonly location: string;
  /** For messages: what to do where it cannot be read or written. Default: what helps with a directory. No full stop. */
  readonly remedy?: string | undefined;
  /**
   * The bytes of an entry, `undefined` where there is none. They may stand in a buffer that the next read uses.
   * @param async whether the caller can take a promise
   * @param readable its name for people, under which it may stand as well
   */
  read(digest: string, async: boolean, readable?: ReadableName): Awaitable<Buffer | undefined>;
  /** As `read`, for those who make a value of the entry: it may come in pieces, which are the caller's. */
  readPieces?(digest: string, async: boolean, readable?: ReadableName): Awaitable<EntryBytes | undefined>;
  /**
   * What tells the entry that `read` would give from others in its place, without reading it; `undefined` where there is
   * none. For those who hold entries in memory.
   */
  stamp?(digest: string, readable?: ReadableName): EntryStamp | undefined;
  /** What is held of an entry in memory does not count any more: the next read looks at the store. */
  forget?(digest: string): void;
  /** To be taken before a computation begins. Makes the folder where it is missing. */
  mark(): Awaitable<Mark>;
  /**
   * Makes the entry visible, whole or not at all, in the place of an older one.
   * @returns false where it is not wanted any more, or it was removed, or the folder cleared, after the mark was taken:
   *   nothing is stored then
   */
  publish(digest: string, parts: readonly Uint8Array[], mark: Mark, how: Publishing): Flow<boolean>;
  /**
   * Tries once to lock a key against the other processes that use the store.
   * @returns `undefined` where somebody else holds it
   */
  tryLock(digest: string): Awaitable<Held | undefined>;
  /** Who holds a key, for people, where that can be told. */
  lockHolder(digest: string): string | undefined;
  /**
   * Likewise for the path of an out file, whatever function of the store writes to it.
   * @param digest of the path
   * @param makes whether what is missing of the store is made; without it there is nobody to be locked out
   */
  tryLockPath(digest: string, makes: boolean): Held | undefined | Promise<Held | undefined>;
  pathHolder(digest: string): string | undefined;
  /** With the contents that are kept for it. @returns whether there was an entry */
  remove(digest: string, readable?: ReadableName): Awaitable<boolean>;
  /**
   * Keeps a copy of a file's content for an entry, until that is removed; equal contents are kept once.
   * @throws where the file is not any more as it was when it was seen, or cannot be kept
   */
  keep(digest: string, file: SeenFile, async: boolean): Flow<void>;
  /** The path of a file with a content kept for an entry, if it is kept. */
  keptFile(digest: string, sha256: string): Awaitable<string>;
  /** Drops the contents kept for an entry, except these. */
  dropKept(digest: string, except: readonly string[]): Awaitable<void>;
  /** Removes all entries at once, before it first yields. @returns how many there were */
  clear(async: boolean): Flow<number>;
  /** Whether the entry is there under another source of the same function and version. Costs a look at a folder. */
  hasOfOtherSource(digest: string, readable?: ReadableName): boolean;
  /** Remembers that an entry was used, for retention. */
  use(digest: string, readable?: ReadableName): void;
  /** When an entry was last used, in ms since 1970; `undefined` where that is not known. */
  usedAt(digest: string, readable?: ReadableName): number | undefined;
  /**
   * Removes the entries beyond the limits, of all versions of the path and of the whole store. Made to be called after each
   * write: the cost does not grow with the number of entries.
   */
  retain(own: RetentionLimits, whole: SizeLimits): Awaitable<Evicted[]>;
  /** Likewise, by a look at every entry. */
  prune(own: RetentionLimits, whole: SizeLimits): Awaitable<Evicted[]>;
  /** One group of entries after the other, by the first two digits of their digests, in that order; inside a group in none. What comes and goes meanwhile may or may not be seen. */
  list(): Each<readonly Listed[]>;
  /** Number and size of the entries, and of what is kept for them, without reading any: one group after the other, to be added up. */
  sizes(): Each<FolderSize>;
  /** All that there is in the folder, also what does not belong there, as `list` gives entries. For verification. */
  contents(): Each<readonly Content[]>;
}

export interface FolderSize {
  readonly entries: number;
  readonly bytes: number;
  /** When the newest entry was written, in ms since 1970; 0 where there is none. */
  readonly newest: number;
}

/** Something in a folder: an entry, a content that is kept for entries, or what has no business there. */
export type Content = {
  /** For messages. */
  readonly location: string;
  remove(): Awaitable<void>;
} & (
  | ({ readonly kind: "entry" } & Listed)
  | {
      readonly kind: "kept";
      /** Whether it is what it was when it was kept; `undefined` where it is gone. */
      isWhole(): Promise<boolean | undefined>;
    }
  | { readonly kind: "strange" }
);

export interface Publishing {
  /** Asked at the last moment: whether the entry is still wanted. */
  readonly isCurrent: () => boolean;
  /** Whether the caller can take a promise. */
  readonly async: boolean;
  /** It is on the disk before it is visible. */
  readonly isDurable?: boolean;
  /** Its name for people, under which it may have to stand. */
  readonly readable?: ReadableName;
}

export interface EntryStamp {
  /** Whether whatever takes the place of the entry from now on has another stamp: not, where it is too young for that. */
  isReliable(): boolean;
  isSame(other: EntryStamp): boolean;
}

/** The folder was cleared while something was kept in it: nothing of it is wanted any more. */
export class ClearedError extends StoreError {}

/** A file as it was when its content was known. */
export interface SeenFile {
  readonly path: string;
  readonly sha256: string;
  readonly stamp: Stamp;
}

/** An entry that was removed because of a limit. */
export interface Evicted {
  /** The path of its function. */
  readonly path: string;
  readonly limit: string;
  /** It was never used since it was written. */
  readonly isUnused: boolean;
}

export interface Listed {
  /** The digest, as far as the name of the entry tells. */
  readonly digest: string;
  /** As `Folder.read`, without a promise: an engine that is far away has it already. */
  read(): Buffer | undefined;
}

declare const marked: unique symbol;
/** Tells whether a folder was cleared, or an entry removed, since. */
export type Mark = string & { [marked]: never };

/**
 * The port of an engine: what a place for entries has to give. An engine knows folders, digests and bytes. It knows no
 * functions, no keys and no values: its caller verifies and decodes what it gives back. So an engine may lose entries and
 * may give damaged ones, but it must never invent them.
 *
 * An engine has six members: `read`, `mark`, `publish`, `remove`, `clear` and `close`. What else it can do stands in
 * objects of their own, each of which it may leave out: `listing`, `locks`, `contents`, `usage`, `stamps`, `pieces`. The rest
 * is built on top of these, once for all engines, in store.ts and folder.ts.
 *
 * `permacache/engine` publishes these types, and `permacache/engine/test` the tests that every engine has to pass.
 */

/** A value, or a promise of it. An engine whose `sync` is true gives a promise only where `mayWait` is true. */
export type Awaitable<T> = T | Promise<T>;
export type Each<T> = Iterable<T> | AsyncIterable<T>;

export interface Engine {
  /** Whether the engine can answer without a promise, so that sync functions can use it. */
  readonly sync: boolean;
  /** Where the entries are, for messages: a path or a URL, without passwords. */
  readonly location: string;
  /**
   * Whether other people may be able to write entries. Then, without a `secret`, no codec is used that could do harm.
   * Default: `false`.
   */
  readonly isRemote?: boolean | undefined;
  /** What helps when the engine cannot be read or written, for messages. No full stop. Default: advice about a directory. */
  readonly remedy?: string | undefined;
  /**
   * Set by an engine that leaves sizes to its server: `maxIdle`, `maxEntries` and `maxBytes` are then an `OptionError` with
   * this text, which says what to do instead.
   */
  readonly ageOnly?: string | undefined;
  /** The engine that sync functions use instead of this one. Default: this one, if it is sync. */
  readonly forSync?: Engine | undefined;
  /**
   * The engines that this one is made of, where more than one may hold a copy of an entry: verification looks at each.
   * `listing` and `contents` of this engine give every entry once, and remove what they list from the one that has it.
   * Default: this one alone.
   */
  readonly tiers?: readonly Tier[] | undefined;

  /**
   * Reads an entry. The bytes may stand in a buffer that the next read overwrites.
   * @param folder such as `a/b/=1`: one function and version. Segments are joined by `/`; each has at most 255 of
   *   `a-z 0-9 . _ @ = -`
   * @param mayWait whether the caller can take a promise
   * @returns `undefined` where there is no such entry
   */
  read(folder: string, entry: EntryName, mayWait: boolean): Awaitable<Uint8Array | undefined>;

  /**
   * Gives a mark that tells, when an entry is published with it, whether that entry was removed, or its folder cleared,
   * since. The caller takes it before a computation begins. The engine may make the folder now.
   */
  mark(folder: string): Awaitable<string>;

  /**
   * Makes an entry visible to every reader at once, whole or not at all. It replaces an older entry of this name.
   * @param parts the bytes of the entry, one part after the other. They belong to the caller again when this returns, or its
   *   promise resolves
   * @returns `false` where nothing was stored, because the entry was removed or the folder cleared after the mark was
   *   taken, or because `isCurrent()` said so
   */
  publish(folder: string, entry: EntryName, parts: readonly Uint8Array[], publishing: Publishing): Awaitable<boolean>;

  /** Removes an entry, and the contents that are kept for it. @returns whether there was one */
  remove(folder: string, entry: EntryName): Awaitable<boolean>;

  /**
   * Removes all entries of a folder: no read begun after this call sees one of them.
   * @returns how many there were, as far as the engine can tell
   */
  clear(folder: string, mayWait: boolean): Awaitable<number>;

  /** Closes what is open: connections, files, databases. An engine that is used again opens them again. */
  close(): Awaitable<void>;

  /** For engines that hold copies of entries: the next read of this entry looks at the original. */
  forget?(folder: string, digest: string): void;

  readonly listing?: Listing | undefined;
  readonly locks?: Locks | undefined;
  readonly contents?: Contents | undefined;
  readonly usage?: Usage | undefined;
  readonly stamps?: Stamps | undefined;
  readonly pieces?: Pieces | undefined;
}

export interface SyncEngine extends Engine {
  readonly sync: true;
}
export interface AsyncEngine extends Engine {
  readonly sync: false;
}

/** What verification looks at. */
export type Tier = Pick<Engine, "listing" | "contents">;

/** The name of an entry in its folder. */
export interface EntryName {
  /** 40 lower-case hex digits. An engine finds the entry by these alone. */
  readonly digest: string;
  /** A name for people, for engines that store entries under names that people see. */
  readonly readable?: { readonly file: string; readonly isPreferred: boolean } | undefined;
}

export interface Publishing {
  /** From `mark` of the same folder. */
  readonly mark: string;
  /** The engine calls it at the last moment before the entry becomes visible: whether the entry is still wanted. */
  isCurrent(): boolean;
  readonly mayWait: boolean;
  /** Whether the entry must be on the disk before it is visible. */
  readonly isDurable: boolean;
  /** The bytes of the contents that are kept for the entry: limits count them with it. Default: none. */
  readonly kept?: number | undefined;
}

// ---- listing ----

/** The engine can list what it holds. Without this, `list`, `prune`, `verify`, exports and the command line see nothing. */
export interface Listing {
  /**
   * The names of the folders that hold, or held, entries; in any order.
   * @param parent only those directly in it are wanted: of `a/b` those such as `a/b/=1`. An engine may give more
   */
  folders(parent?: string): Each<string>;
  /**
   * The entries of a folder, in groups by the first two digits of their digests, in the order of these. Entries that come
   * or go meanwhile may be missing.
   * @param isRead whether the caller will call `read` of the entries. If not, an engine that is far away sends no bytes
   */
  list(folder: string, isRead: boolean): Each<readonly Listed[]>;
  /** What is in a folder and does not belong there. Default: nothing. */
  strays?(folder: string): Each<readonly Stray[]>;
}

export interface Listed {
  /** The digest, or as many of its first digits as the name of the entry shows. */
  readonly digest: string;
  /** For messages. */
  readonly location: string;
  /** The bytes, as `Engine.read` gives them. Never a promise. */
  read(): Uint8Array | undefined;
  /** `undefined` where the entry is gone. */
  stat(): EntryStat | undefined;
  /** Removes this very entry, under the name that it has, with the contents that are kept for it. */
  remove(): Awaitable<void>;
}

export interface EntryStat {
  readonly bytes: number;
  /** When the entry was written, in ms since 1970. */
  readonly writtenAt: number;
}

export interface Stray {
  readonly location: string;
  remove(): Awaitable<void>;
}

// ---- locks ----

/** The engine can lock keys against other processes. Without this, processes may compute the same key at the same time. */
export interface Locks {
  /** How it locks, for people, such as "kernel". Asking may cost some milliseconds the first time. */
  readonly kind: string;
  /**
   * Tries once to take a lock. Never waits for the holder.
   * @param makes whether the engine may make what is missing. Without it, a place that is missing locks nobody out
   * @returns `undefined` where somebody else holds it
   */
  tryLock(name: LockName, makes: boolean): Awaitable<Held | undefined>;
  /** Who holds a lock that could not be taken, for people. `undefined` where nobody does, or where that cannot be told. */
  holder(name: LockName): string | undefined;
}

export interface LockName {
  /** Without a folder, the digest is that of the path of an out file, which all functions share. */
  readonly folder: string | undefined;
  /** 40 lower-case hex digits. */
  readonly digest: string;
}

export interface Held {
  /** Never throws. A second call does nothing. */
  release(): void;
}

// ---- contents ----

/** The engine can keep the contents of out files for entries. Without this, `keepOutFiles` is an `OptionError`. */
export interface Contents {
  /** A path for a new temporary file, near the contents. It is removed when this process is gone. Default: in the temporary directory. */
  temporary?(): string;
  /**
   * Keeps a copy of a file's content for an entry, until the entry is removed. Equal contents are kept once. The entry may
   * not be there yet.
   * @returns `false` where the folder is gone: it was cleared, and nothing of it is wanted any more
   * @throws StoreError where the file is not as it was when it was seen
   */
  keep(folder: string, digest: string, file: SeenFile, mayWait: boolean): Awaitable<boolean>;
  /** The path of a file with this content. There need be no file, if the content is not kept for the entry. */
  path(folder: string, digest: string, sha256: string): Awaitable<string>;
  /** Drops the contents that are kept for an entry, except these. */
  drop(folder: string, digest: string, except: readonly string[]): Awaitable<void>;
  /** Every content that is kept in a folder, once. */
  list(folder: string): Each<readonly KeptContent[]>;
}

/** A file, as it was when its content was read. */
export interface SeenFile {
  readonly path: string;
  /** Of the content, in hex. */
  readonly sha256: string;
  readonly stamp: FileStat;
}

/** What `stat` tells of a file; numbers that may exceed 2^53 are strings. */
export interface FileStat {
  readonly dev: string;
  readonly ino: string;
  readonly size: number;
  /** Nanoseconds since 1970. */
  readonly mtime: string;
  readonly ctime: string;
  readonly mode: number;
}

export interface KeptContent {
  readonly location: string;
  /** In bytes; `undefined` where it is gone. */
  size(): number | undefined;
  /** Whether the content is what it was when it was kept; `undefined` where it is gone. */
  isWhole(): Promise<boolean | undefined>;
  /** Removes it for all entries. */
  remove(): Awaitable<void>;
}

// ---- usage ----

/**
 * The engine remembers when entries were used, and finds the least recently used without a look at all of them. Without
 * this, `maxIdle` counts from when an entry was written, and size limits cost a listing now and then.
 */
export interface Usage {
  /** Remembers that an entry was used now. */
  use(folder: string, entry: EntryName): void;
  /** When an entry was last used, in ms since 1970; `undefined` where that is not known. */
  usedAt(folder: string, entry: EntryName): number | undefined;
  /**
   * Removes the entries beyond the limits, step by step, with the contents that are kept for them. The caller may stop
   * between two steps.
   * @param parent counts the folders in it together: all versions of a path. Without it, all folders count
   * @param isThorough looks at every entry. Without it, this is called after each write, and its cost must not grow with the
   *   number of entries
   */
  evict(limits: EvictionLimits, parent: string | undefined, isThorough: boolean): Each<Evicting>;
}

/** In milliseconds and bytes; a limit that is `undefined` does not count. */
export interface EvictionLimits {
  /** Since an entry was written. */
  readonly maxAge?: number | undefined;
  /** Since it was last used. */
  readonly maxIdle?: number | undefined;
  readonly maxEntries?: number | undefined;
  readonly maxBytes?: number | undefined;
}

/** A step of an eviction. */
export interface Evicting {
  /** How many entries the whole eviction will remove, as far as that is known. */
  readonly total: number;
  /** Those that this step removed. */
  readonly gone: readonly Evicted[];
}

/** An entry that was removed because of a limit. */
export interface Evicted {
  /** The path of its function. */
  readonly path: string;
  readonly limit: keyof EvictionLimits;
  /** Whether it was never used since it was written. */
  readonly isUnused: boolean;
}

// ---- stamps ----

/** The engine can tell, without reading an entry, whether it is still the one that was read before. */
export interface Stamps {
  /** `undefined` where there is no such entry, or where it cannot be told. */
  of(folder: string, entry: EntryName): EntryStamp | undefined;
}

export interface EntryStamp {
  /** Whether every later entry of this name will have another stamp. An entry that was written just now has no such stamp. */
  isReliable(): boolean;
  isSame(other: EntryStamp): boolean;
}

// ---- pieces ----

/** The engine can read a large entry in pieces, each in an ArrayBuffer of its own, so that arrays need no copy. */
export interface Pieces {
  /**
   * As `Engine.read`.
   * @param cut gives the lengths of the pieces, which add up to the size of the entry; a single one means "whole"
   */
  read(
    folder: string,
    entry: EntryName,
    cut: (start: Uint8Array, size: number) => readonly number[],
    mayWait: boolean,
  ): Awaitable<Uint8Array | readonly Uint8Array[] | undefined>;
}

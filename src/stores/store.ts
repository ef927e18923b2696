import type { Flow } from "../flow.js";
import type { Identity } from "../identity.js";

/**
 * A place where entries live. It knows bytes and names, no functions and no values: what it gives back is verified and
 * decoded by its caller, so it may lose entries and give damaged ones, but must never invent them.
 */
export interface Store {
  /** Whether everything can be done without a promise. A sync function needs that. */
  readonly sync: boolean;
  /** The entries of one function; always the same object for one identity. Makes nothing on disk. */
  folder(identity: Identity): Folder;
}

/** The entries of one function. Digests are 40 lower-case hex digits. Operations throw what the system throws. */
export interface Folder {
  /** For messages. */
  readonly location: string;
  /**
   * The bytes of an entry, `undefined` where there is none. They may stand in a buffer that the next read uses.
   * @param async whether the caller can take a promise
   */
  read(digest: string, async: boolean): Buffer | undefined | Promise<Buffer | undefined>;
  /** To be taken before a computation begins. Makes the folder where it is missing. */
  mark(): Mark;
  /**
   * Makes the entry visible, whole or not at all, in the place of an older one.
   * @param isCurrent asked at the last moment: whether the entry is still wanted
   * @returns false where it is not, or the folder was cleared after the mark was taken: nothing is stored then
   */
  publish(
    digest: string,
    parts: readonly Uint8Array[],
    mark: Mark,
    isCurrent: () => boolean,
    async: boolean,
  ): Flow<boolean>;
  /** @returns whether there was an entry */
  remove(digest: string): boolean;
  /** Removes all entries at once, before it first yields. @returns how many there were */
  clear(async: boolean): Flow<number>;
  /** One group of entries after the other (for files: one of 256 folders), in no order; what comes and goes meanwhile may or may not be seen. */
  list(): Iterable<readonly Listed[]>;
}

export interface Listed {
  readonly digest: string;
  /** As `Folder.read`, without a promise. */
  read(): Buffer | undefined;
}

declare const marked: unique symbol;
/** Tells whether a folder was cleared since. */
export type Mark = string & { [marked]: never };

import { statSync } from "node:fs";
import { StoreError } from "../errors.js";

const WRITABLE_BY_GROUP = 0o020;
const WRITABLE_BY_ALL = 0o002;

/**
 * Whoever can write a directory chooses the results that it gives. Not on Windows, where it cannot be told.
 * @param directory without links
 * @throws StoreError where it is another user's, or others may write to it
 */
export function assertOwn(directory: string): void {
  const user = process.geteuid?.();
  const stats = user === undefined ? undefined : statSync(directory, { throwIfNoEntry: false });
  if (!stats) return;
  const { uid, gid, mode } = stats;
  if (uid !== user) {
    throw new StoreError(
      `${directory} belongs to another user (${uid}, and this one is ${user}), who could choose the results of functions. Choose a \`dir\` of your own; or, where that user is trusted, create the cache with \`shared: true\`.`,
    );
  }
  // Where each user has a group of the same number, that has no other members, and the umask is often 002.
  const isGroupOpen = (mode & WRITABLE_BY_GROUP) !== 0 && gid !== uid;
  if ((mode & WRITABLE_BY_ALL) === 0 && !isGroupOpen) return;
  throw new StoreError(
    `${directory} may be written by others (its mode is ${(mode & 0o7777).toString(8)}), who could choose the results of functions. Take that from them: chmod go-w ${directory}; or, where they are trusted, create the cache with \`shared: true\`.`,
  );
}

import { join } from "node:path";
import { keyLockIn, lockKind } from "../../files/locks/key-lock.js";
import type { Locks } from "../engine.js";
import type { Database } from "./database.js";

/** Locks are files beside the database, one for each folder and one for the paths of out files. */
export function locksIn(database: Database): Locks {
  const lockIn = (directory: string, folder: string | undefined) =>
    keyLockIn(folder === undefined ? directory : join(directory, folder));
  return {
    get kind() {
      return lockKind();
    },
    tryLock: ({ folder, digest }, makes) => {
      const directory = makes ? database.makeDirectory() : database.directory;
      return directory === undefined ? { release() {} } : lockIn(directory, folder).tryLock(digest);
    },
    holder: ({ folder, digest }) => {
      const { directory } = database;
      return directory === undefined ? undefined : lockIn(directory, folder).holder(digest);
    },
  };
}

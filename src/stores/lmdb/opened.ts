import { statSync } from "node:fs";
import { join } from "node:path";
import type * as Lmdb from "lmdb";
import { StoreError } from "../../errors.js";
import { PRIVATE } from "../../files/permissions.js";
import type { Guard } from "./guard.js";
import { loadLmdb, type Root } from "./load-lmdb.js";
import { Snapshot, Table } from "./table.js";

/** An open database. Keys and records are those of records.ts. */
export interface Opened {
  readonly ino: number;
  readonly guard: Guard;
  readonly root: Root;
  /** Names of a folder -> its record. */
  readonly folders: Table;
  readonly meta: Table;
  /** Folder -> number and size of its entries. */
  readonly counts: Table;
  /** Folder, digest -> the bytes of an entry. */
  readonly entries: Table;
  /** Folder, digest -> when it was written and used, and its size. */
  readonly info: Table;
  /** Folder, when it was written -> digest. */
  readonly byAge: Table;
  /** Folder, when it was used -> digest. */
  readonly byUse: Table;
  /** Folder, number of the removal -> digest. */
  readonly removals: Table;
  /** Of everything that is read outside of a write. */
  readonly snapshot: Snapshot;
}

const TABLES = ["folders", "meta", "counts", "entries", "info", "byAge", "byUse", "removals"];

export const DATA = "data.mdb";

/**
 * Closed where that fails: as long as a process has it open, the locks inside of lmdb cannot be made anew, which all others
 * may need.
 */
function openRoot(options: Lmdb.RootDatabaseOptionsWithPath): Root {
  const Store = loadLmdb().openAsClass(options);
  try {
    return new Store(null, options);
  } catch (error) {
    void Store.prototype.close.call({ isRoot: true }); // there is no object that could be asked
    throw error;
  }
}

/** Opens the database in a folder; makes it where there is none. @param guard is held alone */
export function openIn(folder: string, mapSize: number | undefined, guard: Guard): Opened {
  const root = openRoot({
    path: folder,
    noSubdir: false,
    encoding: "binary",
    keyEncoding: "binary",
    overlappingSync: false,
    maxDbs: 16,
    maxReaders: 1_000,
    // Of the files that it makes.
    permissionsMode: PRIVATE.file,
    ...(mapSize === undefined ? {} : { mapSize }),
  } as Lmdb.RootDatabaseOptionsWithPath);
  const [folders, meta, counts, entries, info, byAge, byUse, removals] = TABLES.map((name) =>
    root.openDB<Buffer, Buffer>(name, { encoding: "binary", keyEncoding: "binary" }),
  );
  const snapshot = new Snapshot(root, loadLmdb().nativeAddon.resetTxn); // after all are open
  const table = (opened: Lmdb.Database<Buffer, Buffer> | undefined) => new Table(opened!, snapshot);
  return {
    ino: statSync(join(folder, DATA)).ino,
    guard,
    root,
    folders: table(folders),
    meta: table(meta),
    counts: table(counts),
    entries: table(entries),
    info: table(info),
    byAge: table(byAge),
    byUse: table(byUse),
    removals: table(removals),
    snapshot,
  };
}

/**
 * Whoever is the last to close the database destroys the locks inside of lmdb. Nobody may be opening it then, who would go on
 * with locks that are destroyed: no transaction could begin until all have closed it.
 */
export async function closeOpened({ root, snapshot, guard }: Opened): Promise<void> {
  snapshot.close();
  keepOpenersOut(guard);
  const closed = root.close(); // at once, for no transaction is under way
  guard.close();
  await closed;
}

/** Until the guard is closed, or the process ends. Never throws: where somebody holds it up, the database is closed all the same. */
export function keepOpenersOut(guard: Guard): void {
  try {
    guard.take("shared");
  } catch {
    // It was removed, or another process is stopped.
  }
}

/** The locks inside of lmdb are destroyed: somebody closed the database without the guard, while others opened it. */
export class NoTransaction extends StoreError {}

/** Flags of a transaction: one that can be given up, and is visible when it returns. */
const COMMIT = 3;
const NO_FLUSH = 0x10000;

/**
 * Runs an action in a transaction that excludes those of all other processes and threads. Nothing of it is kept where the
 * action throws.
 * @param isSynced whether it is on the disk when this returns
 */
export function exclusively<T>({ root, snapshot, guard }: Opened, action: () => T, isSynced: boolean): T {
  let result!: T;
  const release = guard.take("shared");
  try {
    root.transactionSync(
      () => {
        // lmdb goes on without a transaction where it cannot begin one.
        if (root.getWriteTxnId() === 0) throw new NoTransaction("lmdb cannot begin a transaction");
        snapshot.isWriting = true;
        result = action(); // not returned: a promise would keep the transaction open
      },
      isSynced ? COMMIT : COMMIT | NO_FLUSH,
    );
  } finally {
    snapshot.isWriting = false;
    release();
  }
  return result;
}

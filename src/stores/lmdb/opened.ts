import { statSync } from "node:fs";
import { join } from "node:path";
import type * as Lmdb from "lmdb";
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

/** Opens the database in a folder; makes it where there is none. @param guard is held alone */
export function openIn(folder: string, mapSize: number | undefined, guard: Guard): Opened {
  const { nativeAddon, open } = loadLmdb();
  const root = open({
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
  } as Lmdb.RootDatabaseOptionsWithPath) as Root;
  const [folders, meta, counts, entries, info, byAge, byUse, removals] = TABLES.map((name) =>
    root.openDB<Buffer, Buffer>(name, { encoding: "binary", keyEncoding: "binary" }),
  );
  const snapshot = new Snapshot(root, nativeAddon.resetTxn); // after all are open
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

export async function closeOpened({ root, snapshot, guard }: Opened): Promise<void> {
  guard.close(); // at once: the same database may be opened again before this is done, and nothing is written any more
  snapshot.close();
  await root.close();
}

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

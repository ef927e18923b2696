import { createRequire } from "node:module";
import type * as Lmdb from "lmdb";
import { OptionError } from "../../errors.js";
import { warn } from "../../events.js";

/** The package `lmdb`, an optional peer: it is loaded when a database is first opened. */
type Module = Omit<typeof Lmdb, "openAsClass"> & {
  readonly nativeAddon: { resetTxn(address: number): void };
  /** Opens the database, in which an object of the class is its first table. */
  openAsClass(
    options: Lmdb.RootDatabaseOptionsWithPath,
  ): new (
    name: null,
    options: Lmdb.RootDatabaseOptionsWithPath,
  ) => Root;
};
let lmdb: Module | undefined;

/** Once in a process, until the soak with LMDB is clean. */
const EXPERIMENTAL =
  "lmdbStore() is experimental: lmdb has faults that cost entries or crash a process, around which the store works. Nothing in it should be the only copy. To silence this: node --disable-warning=ERR_PERMACACHE_EXPERIMENTAL";

/** @throws OptionError where the package is missing */
export function loadLmdb(): Module {
  try {
    if (lmdb) return lmdb;
    lmdb = createRequire(import.meta.url)("lmdb") as Module;
    warn(EXPERIMENTAL, "ERR_PERMACACHE_EXPERIMENTAL");
    return lmdb;
  } catch (error) {
    throw new OptionError(
      "lmdbStore() needs the package lmdb, which is not installed or does not load here: npm install lmdb",
      { cause: error },
    );
  }
}

/** What of `lmdb` its types do not tell. */
export type Root = Lmdb.RootDatabase<Buffer, Buffer> & {
  readonly env: {
    info(): { readonly lastTxnId: number };
    /** Writes all to the disk; with a callback in another thread. */
    sync(done?: (error?: unknown) => void): void;
  };
  getWriteTxnId(): number;
};

import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { createRequire } from "node:module";
import { uptime } from "node:os";
import { dirname, join } from "node:path";
import type * as Lmdb from "lmdb";
import { OptionError, StoreError } from "../../errors.js";
import { codeOf } from "../../files/io.js";
import { makeFolders } from "../../files/make-folders.js";
import { assertOwn } from "../../files/ownership.js";
import { PRIVATE } from "../../files/permissions.js";
import { sweep, temporaryName } from "../../files/temporary.js";

/**
 * The LMDB environment of a store, `<path>/=1`: opened when it is first needed, again after a close or where somebody
 * removed it; written in transactions that exclude those of all other processes and threads.
 *
 * A commit goes to the operating system, not to the disk: a killed process loses nothing. A power cut could leave pages
 * that do not belong together, which LMDB would follow wherever they lead. So as long as anything is unsynced, a file
 * `=1/unsynced` tells so, and since which start of the machine; a database that is found unsynced after a restart is
 * begun anew. A second after the last write all is synced, and the file goes. Where a result was ever to be durable,
 * every commit is synced, by all processes, and there is no such file.
 */
export class Database {
  readonly #given: string;
  readonly #mapSize: number | undefined;
  #real: string | undefined;
  #opened: Opened | undefined;
  /** In ms since 1970: when it was last seen that it is still there. */
  #seen = 0;
  #isSwept = false;
  #settling: NodeJS.Timeout | undefined;
  #syncing: Promise<void> | undefined;
  /** Called before it is closed, and at the exit of the process. */
  readonly #beforeClose: () => void;

  constructor(path: string, mapSize: number | undefined, beforeClose: () => void) {
    this.#given = path;
    this.#mapSize = mapSize;
    this.#beforeClose = beforeClose;
  }

  /** The directory of the store without links on the way to it; makes it. */
  makeDirectory(): string {
    makeFolders(this.#real ?? this.#given, PRIVATE.folder);
    return this.#resolve();
  }

  /** Likewise, `undefined` where it is missing. */
  get directory(): string | undefined {
    return this.#real ?? (existsSync(this.#given) ? this.#resolve() : undefined);
  }

  #resolve(): string {
    const real = this.#real ?? realpathSync(this.#given);
    assertOwn(real);
    this.#real = real;
    return real;
  }

  /** A path for a new temporary file or folder. The first time, what dead owners left behind is removed. */
  temporary(): string {
    const folder = join(this.makeDirectory(), "=_tmp");
    mkdirSync(folder, { mode: PRIVATE.folder, recursive: true });
    if (!this.#isSwept) {
      this.#isSwept = true;
      sweep(folder);
    }
    return join(folder, temporaryName());
  }

  /** What is stored, `undefined` where there is nothing yet. Makes nothing. @throws OptionError where lmdb is missing */
  get(): Opened | undefined {
    const now = Date.now();
    if (this.#opened && Math.abs(now - this.#seen) < LOOK) return this.#opened;
    return this.#look(now);
  }

  #look(now: number): Opened | undefined {
    if (this.#isWriting) return this.#opened;
    const file = statSync(join(this.#real ?? this.#given, FOLDER, DATA), { throwIfNoEntry: false });
    if (this.#opened && file?.ino !== this.#opened.ino) this.#abandon();
    this.#seen = now;
    if (!this.#opened && file) this.#open();
    return this.#opened;
  }

  #make(): Opened {
    const opened = this.#look(Date.now());
    if (opened) return opened;
    loadLmdb(); // before anything is made
    mkdirSync(join(this.makeDirectory(), FOLDER), { mode: PRIVATE.folder, recursive: true });
    return this.#open();
  }

  #open(): Opened {
    const { nativeAddon, open } = loadLmdb();
    const folder = join(this.#resolve(), FOLDER);
    const isUnsynced = this.#setAsideAfterRestart(folder);
    prepareFile(join(folder, DATA));
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
      ...(this.#mapSize === undefined ? {} : { mapSize: this.#mapSize }),
    } as Lmdb.RootDatabaseOptionsWithPath) as Root;
    const [folders, meta, counts, entries, info, byAge, byUse, removals] = TABLES.map((name) =>
      root.openDB<Buffer, Buffer>(name, { encoding: "binary", keyEncoding: "binary" }),
    );
    const snapshot = new Snapshot(root, nativeAddon.resetTxn); // after all are open
    const table = (opened: Lmdb.Database<Buffer, Buffer> | undefined) => new Table(opened!, snapshot);
    this.#opened = {
      ino: statSync(join(folder, DATA)).ino,
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
    running.add(this);
    if (isUnsynced) this.#settleLater();
    return this.#opened;
  }

  /** @returns whether it is not synced, though the machine was not restarted since */
  #setAsideAfterRestart(folder: string): boolean {
    let boot: string;
    try {
      boot = readFileSync(join(folder, UNSYNCED), "utf8");
    } catch (error) {
      if (codeOf(error) === "ENOENT") return false;
      throw error;
    }
    if (isThisBoot(boot)) return true;
    const aside = this.temporary();
    renameSync(folder, aside);
    rmSync(aside, { recursive: true, force: true });
    mkdirSync(folder, { mode: PRIVATE.folder, recursive: true });
    return false;
  }

  /** Reads what is there now, by any process. Nothing that refers to the database may be kept. */
  read<T>(look: (opened: Opened) => T): T | undefined {
    const opened = this.get();
    if (!opened) return undefined;
    if (this.#isWriting) return look(opened);
    try {
      return look(opened);
    } finally {
      opened.snapshot.end();
    }
  }

  /**
   * Changes what is stored: all of it, or nothing where the action throws. Nobody else writes meanwhile. It is visible to
   * all when this returns. Inside of an action, another is a part of it.
   * @param isDurable it is on the disk when this returns, and from now on whatever is written
   */
  write<T>(action: (opened: Opened) => T, isDurable = false): T {
    if (this.#isWriting) return action(this.#opened!);
    const opened = this.#make();
    for (let isSynced = isDurable; ; isSynced = true) {
      const done = this.#exclusively(() => {
        const isAlways = opened.meta.get(DURABLE) !== undefined;
        if (isAlways && !isSynced) return undefined; // begun too lightly
        if (!isAlways && isSynced) opened.meta.put(DURABLE, ONE);
        if (!isSynced) this.#noteUnsynced();
        return { result: action(opened) };
      }, isSynced);
      if (!done) continue;
      if (isSynced) this.#noteSynced();
      else this.#settleLater();
      return done.result;
    }
  }

  #exclusively<T>(action: () => T, isSynced = false): T {
    const { root, snapshot } = this.#opened!;
    let result!: T;
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
    }
    return result;
  }

  get #isWriting(): boolean {
    return this.#opened?.snapshot.isWriting ?? false;
  }

  get #marker(): string {
    return join(this.#real!, FOLDER, UNSYNCED);
  }

  /** In a transaction, before anything is written. It is on the disk first. */
  #noteUnsynced(): void {
    if (existsSync(this.#marker)) return;
    writeDurably(this.#marker, thisBoot());
  }

  #noteSynced(): void {
    try {
      unlinkSync(this.#marker);
    } catch (error) {
      if (codeOf(error) !== "ENOENT") throw error;
    }
  }

  #settleLater(): void {
    this.#settling ??= setTimeout(() => void this.#settle(), SETTLE).unref();
  }

  /** On the disk with it, and gone is the note, unless somebody wrote meanwhile. */
  async #settle(): Promise<void> {
    this.#settling = undefined;
    const { root } = this.#opened ?? {};
    if (!root || this.#syncing) return;
    this.#syncing = (async () => {
      try {
        const { lastTxnId } = root.env.info();
        await new Promise<void>((resolve, reject) => root.env.sync((error) => (error ? reject(error) : resolve())));
        if (this.#opened?.root === root && !this.#noteSyncedUpTo(lastTxnId)) this.#settleLater();
      } catch {
        // It stays unsynced, which is noted; the next write tries again.
      }
    })();
    await this.#syncing;
    this.#syncing = undefined;
  }

  #noteSyncedUpTo(transaction: number): boolean {
    return this.#exclusively(() => {
      const isLast = this.#opened!.root.getWriteTxnId() - 1 <= transaction;
      if (isLast) this.#noteSynced();
      return isLast;
    });
  }

  /** What is left to do before the process ends. Never throws. */
  finish(): void {
    try {
      this.#beforeClose();
      const { root } = this.#opened ?? {};
      if (!root || this.#settling === undefined) return;
      const { lastTxnId } = root.env.info();
      root.env.sync();
      this.#noteSyncedUpTo(lastTxnId);
    } catch {
      // It stays unsynced, which is noted.
    }
  }

  async close(): Promise<void> {
    await this.#syncing;
    this.finish();
    await this.#forget();
  }

  /** Somebody removed the database, or has put another in its place. */
  #abandon(): void {
    void this.#forget().catch(() => {});
  }

  async #forget(): Promise<void> {
    clearTimeout(this.#settling);
    this.#settling = undefined;
    const opened = this.#opened;
    this.#opened = undefined;
    running.delete(this);
    if (!opened) return;
    opened.snapshot.close();
    await opened.root.close();
  }
}

/** What of `lmdb` its types do not tell. */
type Root = Lmdb.RootDatabase<Buffer, Buffer> & {
  readonly env: {
    info(): { readonly lastTxnId: number };
    /** Writes all to the disk; with a callback in another thread. */
    sync(done?: (error?: unknown) => void): void;
  };
  getWriteTxnId(): number;
};

/** An open database. Keys and records are those of records.ts. */
export interface Opened {
  readonly ino: number;
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

/** A table of the database. Inside of a write it has what was written already. */
export class Table {
  readonly #table: Lmdb.Database<Buffer, Buffer>;
  readonly #snapshot: Snapshot;

  constructor(table: Lmdb.Database<Buffer, Buffer>, snapshot: Snapshot) {
    this.#table = table;
    this.#snapshot = snapshot;
  }

  /** In a buffer that the next read uses. */
  lend(key: Buffer): Buffer | undefined {
    const bytes = (this.#table.getBinaryFast as Get).call(this.#table, key, this.#snapshot.how);
    if (!bytes) return undefined;
    // What lmdb does not copy into its buffer stands in pages that the next write may use.
    return bytes.isGlobal ? bytes.subarray(0, bytes.length) : Buffer.from(bytes);
  }

  /**
   * The first bytes of a record. Without a buffer for it, and copied one by one: that saves a twentieth of a hit.
   * @returns whether there is such a record
   */
  copyStart(key: Buffer, target: Buffer, count: number): boolean {
    const bytes = (this.#table.getBinaryFast as Get).call(this.#table, key, this.#snapshot.how);
    if (!bytes) return false;
    for (let i = 0; i < count; i++) target[i] = bytes[i]!;
    return true;
  }

  get(key: Buffer): Buffer | undefined {
    const bytes = this.lend(key);
    return bytes && Buffer.from(bytes);
  }

  records(range: Lmdb.RangeOptions): { readonly key: Buffer; readonly value: Buffer }[] {
    return [...this.#table.getRange(this.#snapshot.within(range))];
  }

  keys(range: Lmdb.RangeOptions): Buffer[] {
    return [...this.#table.getKeys(this.#snapshot.within(range))];
  }

  /** Only inside of a write. */
  put(key: Buffer, value: Buffer): void {
    void this.#table.put(key, value); // done when it returns; what it returns is for other times
  }

  /** Likewise. */
  remove(key: Buffer): void {
    void this.#table.remove(key);
  }
}

/** As it is, with a transaction that its type does not tell. */
type Get = (
  key: Buffer,
  how: { readonly transaction: Lmdb.Transaction },
) => (Buffer & { isGlobal?: boolean }) | undefined;

/**
 * A transaction of the store's own for reading. The first read after `end` begins it anew, with what is there then: the one
 * that lmdb shares lasts until the next turn of the event loop, for which a sync program may have no time, and starts a
 * timer each time.
 */
class Snapshot {
  readonly how: { readonly transaction: Lmdb.Transaction };
  /** A write reads in its own transaction. */
  isWriting = false;
  readonly #address: number;
  readonly #reset: (address: number) => void;

  constructor(root: Root, reset: (address: number) => void) {
    root.resetReadTxn();
    const transaction = root.useReadTransaction() as Lmdb.Transaction & { readonly address: number };
    root.resetReadTxn(); // lets go of it: it is ours
    this.how = { transaction };
    this.#address = transaction.address;
    this.#reset = reset;
    this.end();
  }

  within(range: Lmdb.RangeOptions): Lmdb.RangeOptions {
    return this.isWriting ? range : { ...range, ...this.how };
  }

  end(): void {
    this.#reset(this.#address);
  }

  close(): void {
    this.how.transaction.done();
  }
}

/** `1` is the version of the tables and of the entry grammar. */
const FOLDER = "=1";
const DATA = "data.mdb";
const UNSYNCED = "unsynced";

/** Milliseconds between two looks whether the database is still there, for reads. */
const LOOK = 1_000;
/** Milliseconds from a write until it is brought to the disk. */
const SETTLE = 1_000;

const TABLES = ["folders", "meta", "counts", "entries", "info", "byAge", "byUse", "removals"];

const DURABLE = Buffer.from("durable");
const ONE = Buffer.from([1]);

/** Flags of a transaction: one that can be given up, and is visible when it returns. */
const COMMIT = 3;
const NO_FLUSH = 0x10000;

/**
 * lmdb does not survive the opening of a file that is none of its own, nor the reading of what is missing at the end of one
 * that was truncated: that is made up for by zeros, which are an error or a miss.
 * @throws StoreError where the pages that say what it is are damaged
 */
function prepareFile(file: string): void {
  let fd: number;
  try {
    fd = openSync(file, constants.O_RDWR | constants.O_APPEND); // whoever else has appended meanwhile, nothing is overwritten
  } catch (error) {
    if (codeOf(error) === "ENOENT") return;
    throw error;
  }
  try {
    const { size } = fstatSync(fd);
    if (size === 0) return; // somebody else is making it
    const header = Buffer.alloc(HEADER);
    let pages = 0;
    for (let page = 0, pageSize = 0; page < 2; page++) {
      readSync(fd, header, 0, HEADER, page * pageSize);
      pageSize = header.readUInt32LE(PAGE_SIZE);
      const isDatabase =
        (header.readUInt16LE(FLAGS) & IS_META) !== 0 &&
        header.readUInt32LE(MAGIC) === IS_LMDB &&
        header.readUInt16LE(MAGIC + 4) === VERSION &&
        pageSize > 0 &&
        pageSize <= size / 2;
      if (!isDatabase) throw new StoreError(`${file} is damaged, or no database of lmdb. Remove it`);
      pages = Math.max(pages, Number(header.readBigUInt64LE(LAST_PAGE)) + 1);
      const missing = page === 1 ? pages * pageSize - size : 0;
      for (let left = missing; left > 0; left -= ZEROS) writeSync(fd, Buffer.alloc(Math.min(left, ZEROS)));
    }
  } finally {
    closeSync(fd);
  }
}

/** Where in the first two pages of a database stands what it is: `mdb_env_read_header` and `MDB_meta` of lmdb. */
const FLAGS = 0x12;
const MAGIC = 0x18;
const PAGE_SIZE = 0x30;
const LAST_PAGE = 0x90;
const HEADER = 0x98;
const IS_META = 0x08;
const IS_LMDB = 0xbeefc0de;
const VERSION = 2;
/** Bytes written at once. */
const ZEROS = 1024 * 1024;

/** Those that are open: what is left to do for them is done at the exit. */
const running = new Set<Database>();
process.on("exit", () => {
  for (const each of running) each.finish();
});

/** With the folder that names it: a file that a power cut takes away would not have told anything. */
function writeDurably(path: string, text: string): void {
  const fd = openSync(path, "w", PRIVATE.file);
  try {
    writeSync(fd, text);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  if (process.platform === "win32") return; // has no such thing
  const folder = openSync(dirname(path), "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

let boot: string | undefined;

/** Which start of the machine this is: as Linux tells, elsewhere its time in seconds. */
function thisBoot(): string {
  if (boot === undefined) {
    try {
      boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    } catch {
      boot = String(Math.round(Date.now() / 1000 - uptime()));
    }
  }
  return boot;
}

/** Seconds by which two readings of one start may differ. */
const SAME_START = 120;

function isThisBoot(other: string): boolean {
  return other === thisBoot() || Math.abs(Number(other) - Number(thisBoot())) < SAME_START;
}

type Module = typeof Lmdb & { readonly nativeAddon: { resetTxn(address: number): void } };
let lmdb: Module | undefined;

function loadLmdb(): Module {
  try {
    lmdb ??= createRequire(import.meta.url)("lmdb") as Module;
    return lmdb;
  } catch (error) {
    throw new OptionError(
      "lmdbStore() needs the package lmdb, which is not installed or does not load here: npm install lmdb",
      { cause: error },
    );
  }
}

import type * as Lmdb from "lmdb";
import type { Root } from "./load-lmdb.js";

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
export class Snapshot {
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

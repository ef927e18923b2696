/**
 * Keys and records of the tables, big-endian, so that they sort:
 *
 *     folder   6 bytes    a number for each folder, another one after each clear
 *     digest   20 bytes
 *     stamp    14 bytes   ms since 1970 (6), number of the transaction (6), place in it (2): no two are the same
 */
const FOLDER = 6;
const STAMP = 14;
const LARGEST = 2 ** (8 * FOLDER) - 1;

export function folderKey(folder: number): Buffer {
  const key = Buffer.allocUnsafe(FOLDER);
  key.writeUIntBE(folder, 0, FOLDER);
  return key;
}

export function entryKey(folder: number, digest: string): Buffer {
  return Buffer.concat([folderKey(folder), Buffer.from(digest, "hex")]);
}

export function stampKey(folder: number, stamp: Buffer): Buffer {
  return Buffer.concat([folderKey(folder), stamp]);
}

/** All keys of a folder, or those of it that begin with some digits. */
export function keysOf(folder: number, digits = ""): { readonly start: Buffer; readonly end: Buffer } {
  const start = Buffer.concat([folderKey(folder), Buffer.from(digits, "hex")]);
  return { start, end: after(start) };
}

/** The first key behind all that begin with this one. */
export function after(key: Buffer): Buffer {
  let last = key.length - 1;
  while (last > 0 && key[last] === 0xff) last--;
  const end = Buffer.from(key.subarray(0, last + 1));
  end[last]!++;
  return end;
}

export function stampOf(time: number, transaction: number, place: number): Buffer {
  const stamp = Buffer.allocUnsafe(STAMP);
  stamp.writeUIntBE(Math.max(0, Math.floor(time)), 0, 6);
  stamp.writeUIntBE(transaction, 6, 6);
  stamp.writeUInt16BE(place, 12);
  return stamp;
}

export function timeOf(stamp: Buffer): number {
  return stamp.readUIntBE(0, 6);
}

/** Of a folder: its number now, and how many removals there were in it. */
export interface FolderRecord {
  readonly number: number;
  readonly removals: number;
}

export function writeFolder({ number, removals }: FolderRecord): Buffer {
  return numbers(number, removals);
}

export function readFolder(record: Buffer): FolderRecord {
  return { number: record.readUIntBE(0, 6), removals: record.readUIntBE(6, 6) };
}

/** Of a folder: how many entries there are, and their bytes with what is kept for them. */
export interface Counts {
  readonly entries: number;
  readonly bytes: number;
}

export function writeCounts({ entries, bytes }: Counts): Buffer {
  return numbers(entries, bytes);
}

export function readCounts(record: Buffer | undefined): Counts {
  return record ? { entries: record.readUIntBE(0, 6), bytes: record.readUIntBE(6, 6) } : { entries: 0, bytes: 0 };
}

/** Of an entry. */
export interface Info {
  /** Stamps. */
  readonly created: Buffer;
  readonly used: Buffer;
  readonly bytes: number;
  /** Bytes of contents that are kept for it. */
  readonly kept: number;
}

export function writeInfo({ created, used, bytes, kept }: Info): Buffer {
  return Buffer.concat([created, used, numbers(bytes, kept)]);
}

export function readInfo(record: Buffer): Info {
  return {
    created: record.subarray(0, STAMP),
    used: record.subarray(STAMP, 2 * STAMP),
    bytes: record.readUIntBE(2 * STAMP, 6),
    kept: record.readUIntBE(2 * STAMP + 6, 6),
  };
}

export function numbers(...values: readonly number[]): Buffer {
  const record = Buffer.allocUnsafe(6 * values.length);
  for (const [i, value] of values.entries()) record.writeUIntBE(Math.max(0, value), 6 * i, 6);
  return record;
}

/** Where the numbers of a new database begin: a mark of one that was removed fits no folder of the next. */
export function firstNumber(): number {
  return Math.floor((Math.random() * LARGEST) / 2);
}

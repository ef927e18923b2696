import type { Aged } from "../../limits.js";

/** No row. */
export const NONE = 0xffff_ffff;

/** Rows, or numbers, that are allocated together: what is spare is little, and nothing is ever copied to grow. */
const TOGETHER = 4096;

/** Of a digest. */
const BYTES = 20;
const WORDS = BYTES / 4;

/** 32-bit numbers, one for each row or bucket. Grows as it is written to. */
export class Numbers {
  readonly #chunks: Uint32Array[] = [];

  get(at: number): number {
    return this.#chunks[Math.floor(at / TOGETHER)]![at % TOGETHER]!;
  }

  set(at: number, value: number): void {
    const chunk = Math.floor(at / TOGETHER);
    while (this.#chunks.length <= chunk) this.#chunks.push(new Uint32Array(TOGETHER));
    this.#chunks[chunk]![at % TOGETHER] = value;
  }
}

class Rows {
  readonly digits = Buffer.alloc(TOGETHER * BYTES);
  readonly words = new Uint32Array(this.digits.buffer, this.digits.byteOffset, TOGETHER * WORDS);
  /** Twice the number of the folder, and one more where the name is for people; `NONE` where the row is free. */
  readonly places = new Uint32Array(TOGETHER);
  readonly bytes = new Uint32Array(TOGETHER);
  /** Two times of 48 bits. */
  readonly times = new Uint16Array(TOGETHER * 6);
}

/**
 * Entries of a directory in typed arrays, by the numbers of their rows: 40 bytes for each, and 6 more once one was looked
 * for. Objects in Maps took ten times as much. An entry is known by its folder and its digits: all 40, or the 20 that a
 * name for people ends in. Times are kept to a sixteenth of a millisecond.
 */
export class EntryTable {
  /** How many entries there are. */
  size = 0;
  /** Their rows are below this. */
  end = 0;
  readonly #chunks: Rows[] = [];
  /** The first of the free rows; in each stands the next. */
  #free = NONE;
  readonly #folders: string[] = [];
  readonly #numbers = new Map<string, number>();
  /** Sizes that need more than 32 bits. */
  readonly #large = new Map<number, number>();
  #hash: Hash | undefined;
  readonly #sought = Buffer.alloc(BYTES);
  readonly #soughtWords = new Uint32Array(this.#sought.buffer, this.#sought.byteOffset, WORDS);

  /** The number of a folder: they are counted from 0, and never forgotten. */
  folder(text: string): number {
    let number = this.#numbers.get(text);
    if (number === undefined) {
      number = this.#folders.push(text) - 1;
      this.#numbers.set(text, number);
    }
    return number;
  }

  has(folder: string): boolean {
    return this.#numbers.has(folder);
  }

  /** @returns its row. It must not be there yet. */
  add(folder: string, digits: string, aged: Aged): number {
    const row = this.#newRow();
    const rows = this.#of(row);
    const at = row % TOGETHER;
    const isForPeople = digits.length < 2 * BYTES;
    if (isForPeople) rows.digits.fill(0, at * BYTES, (at + 1) * BYTES);
    rows.digits.write(digits, at * BYTES, "hex");
    rows.places[at] = this.folder(folder) * 2 + Number(isForPeople);
    rows.bytes[at] = Math.min(aged.bytes, NONE);
    if (aged.bytes >= NONE) this.#large.set(row, aged.bytes);
    setTime(rows.times, at * 6, aged.createdAt);
    setTime(rows.times, at * 6 + 3, aged.usedAt);
    this.size++;
    this.#hash?.add(row, this.size);
    return row;
  }

  #newRow(): number {
    const row = this.#free;
    if (row !== NONE) {
      this.#free = this.#of(row).bytes[row % TOGETHER]!;
      return row;
    }
    if (this.end % TOGETHER === 0) this.#chunks.push(new Rows());
    return this.end++;
  }

  remove(row: number): void {
    this.#hash?.remove(row);
    const rows = this.#of(row);
    rows.places[row % TOGETHER] = NONE;
    rows.bytes[row % TOGETHER] = this.#free;
    this.#large.delete(row);
    this.#free = row;
    this.size--;
  }

  /** The row of an entry, or `NONE`. */
  find(folder: string, digits: string): number {
    const number = this.#numbers.get(folder);
    if (number === undefined) return NONE;
    this.#hash ??= this.#newHash();
    const [sought, place] = [this.#soughtWords, number * 2 + Number(digits.length < 2 * BYTES)];
    this.#sought.fill(0).write(digits, "hex");
    for (let row = this.#hash.first(hashOf(sought, 0, place)); row !== NONE; row = this.#hash.after(row)) {
      const { words, places } = this.#of(row);
      const at = (row % TOGETHER) * WORDS;
      if (places[row % TOGETHER] === place && sought.every((word, i) => word === words[at + i])) return row;
    }
    return NONE;
  }

  #newHash(): Hash {
    const hash = new Hash((row) => {
      const { words, places } = this.#of(row);
      return hashOf(words, (row % TOGETHER) * WORDS, places[row % TOGETHER]!);
    });
    let size = 0;
    for (const row of this.rows()) hash.add(row, ++size);
    return hash;
  }

  /** In the order in which they were added, as long as none is removed. What is yielded may be. */
  *rows(): Generator<number, void> {
    for (let row = 0; row < this.end; row++) if (this.isThere(row)) yield row;
  }

  isThere(row: number): boolean {
    return this.#of(row).places[row % TOGETHER] !== NONE;
  }

  folderNumber(row: number): number {
    return this.#of(row).places[row % TOGETHER]! >>> 1;
  }

  folderOf(row: number): string {
    return this.#folders[this.folderNumber(row)]!;
  }

  digitsOf(row: number): string {
    const { digits, places } = this.#of(row);
    const start = (row % TOGETHER) * BYTES;
    return digits.toString("hex", start, start + (places[row % TOGETHER]! % 2 === 1 ? BYTES / 2 : BYTES));
  }

  bytesOf(row: number): number {
    const bytes = this.#of(row).bytes[row % TOGETHER]!;
    return bytes === NONE ? this.#large.get(row)! : bytes;
  }

  createdAt(row: number): number {
    return timeAt(this.#of(row).times, (row % TOGETHER) * 6);
  }

  usedAt(row: number): number {
    return timeAt(this.#of(row).times, (row % TOGETHER) * 6 + 3);
  }

  use(row: number, usedAt: number): void {
    setTime(this.#of(row).times, (row % TOGETHER) * 6 + 3, usedAt);
  }

  agedOf(row: number): Aged {
    return { createdAt: this.createdAt(row), usedAt: this.usedAt(row), bytes: this.bytesOf(row) };
  }

  #of(row: number): Rows {
    return this.#chunks[Math.floor(row / TOGETHER)]!;
  }
}

/** Milliseconds, of which a number of 48 bits holds sixteenths until the year 2527. What is later counts as then. */
const FRACTION = 16;
const LATEST = 2 ** 48 - 1;

function setTime(times: Uint16Array, at: number, time: number): void {
  const ticks = Math.min(Math.max(0, Math.floor(time * FRACTION)), LATEST);
  times[at] = Math.floor(ticks / 2 ** 32);
  times[at + 1] = Math.floor(ticks / 2 ** 16); // the lower bits of it, as of all that is stored in 16
  times[at + 2] = ticks;
}

function timeAt(times: Uint16Array, at: number): number {
  return (times[at]! * 2 ** 32 + times[at + 1]! * 2 ** 16 + times[at + 2]!) / FRACTION;
}

/** Of all digits: those of a ledger may be anything. */
function hashOf(words: Uint32Array, at: number, place: number): number {
  let hash = place;
  for (let i = 0; i < WORDS; i++) {
    hash = Math.imul(hash ^ words[at + i]!, 0x9e37_79b1);
    hash ^= hash >>> 15;
  }
  return hash >>> 0;
}

/**
 * Linear hashing (Litwin, 1980): one bucket more for each two rows, and then one of the others is split. So no write has
 * to wait until a large table is copied to a larger one, nor is there ever memory for both.
 */
class Hash {
  readonly #heads = new Numbers();
  readonly #nexts = new Numbers();
  readonly #hashOf: (row: number) => number;
  #buckets = 1;
  /** The buckets below this power of two were there before the present round of splitting. */
  #round = 1;

  constructor(hashOf: (row: number) => number) {
    this.#hashOf = hashOf;
    this.#heads.set(0, NONE);
  }

  #bucketOf(hash: number): number {
    const bucket = hash % (2 * this.#round);
    return bucket < this.#buckets ? bucket : bucket - this.#round;
  }

  first(hash: number): number {
    return this.#heads.get(this.#bucketOf(hash));
  }

  after(row: number): number {
    return this.#nexts.get(row);
  }

  /** @param size of the table, with the row */
  add(row: number, size: number): void {
    if (size > 2 * this.#buckets) this.#split();
    this.#put(row);
  }

  #put(row: number): void {
    const bucket = this.#bucketOf(this.#hashOf(row));
    this.#nexts.set(row, this.#heads.get(bucket));
    this.#heads.set(bucket, row);
  }

  #split(): void {
    if (this.#buckets === 2 * this.#round) this.#round *= 2;
    const source = this.#buckets - this.#round;
    let row = this.#heads.get(source);
    this.#heads.set(source, NONE);
    this.#heads.set(this.#buckets++, NONE);
    while (row !== NONE) {
      const next = this.after(row);
      this.#put(row);
      row = next;
    }
  }

  remove(row: number): void {
    const bucket = this.#bucketOf(this.#hashOf(row));
    const next = this.after(row);
    let before = this.#heads.get(bucket);
    if (before === row) {
      this.#heads.set(bucket, next);
      return;
    }
    while (this.after(before) !== row) before = this.after(before);
    this.#nexts.set(before, next);
  }
}

/**
 * Rows in the order of a number that each has, below 2 ** bits; equal ones by row. Takes 8 bytes for each, and sorts
 * without calling a function: three times as fast as with one, which takes 16 bytes more. Where not all bits find room
 * beside the row the lowest are left out; of times that begins above 65,536 rows, and is 1 ms at a million.
 * @param end all rows are below this
 */
export function sortedRows(
  rows: Iterable<number>,
  count: number,
  end: number,
  numberOf: (row: number) => number,
  bits: number,
): Iterable<number> {
  const rowBits = Math.ceil(Math.log2(end + 1));
  const unit = 2 ** Math.max(0, bits + rowBits - 64);
  const [inHigh, inLow] = [2 ** (32 - rowBits), 2 ** rowBits];
  const keys = new BigUint64Array(count);
  const halves = new Uint32Array(keys.buffer);
  let at = 0;
  for (const row of rows) {
    const number = Math.floor(numberOf(row) / unit);
    halves[at + HIGH] = Math.floor(number / inHigh);
    halves[at + LOW] = (number % inHigh) * inLow + row;
    at += 2;
  }
  keys.sort();
  return {
    *[Symbol.iterator]() {
      for (let i = LOW; i < halves.length; i += 2) yield halves[i]! % inLow;
    },
  };
}

const LOW = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1 ? 0 : 1;
const HIGH = 1 - LOW;

/** Of a time in a table, for `sortedRows`. */
export function ticksOf(time: number): number {
  return time * FRACTION;
}
export const TIME_BITS = 48;

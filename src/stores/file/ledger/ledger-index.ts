import {
  type Aged,
  type AgeLimits,
  exceeded,
  isAhead,
  isExpired,
  type RetentionLimits,
  type SizeLimits,
} from "../../limits.js";
import { fileOf, parseEntryName } from "../entry-file.js";
import { EntryTable, NONE, Numbers, sortedRows, TIME_BITS, ticksOf } from "./entry-table.js";
import { spaced } from "./sample.js";
import { type Found, type Place, pathFolder, type Victim, Victims, victimOf } from "./victims.js";

interface Total {
  size: number;
  bytes: number;
}

/** The entries of a path, whatever the version. */
interface Group extends Total {
  /** The least and the most recently used. */
  first: number;
  last: number;
  /** Some of the oldest, the oldest last, each with its time. */
  oldest: { readonly row: number; readonly createdAt: number }[];
}

/**
 * What a ledger says, in memory: the entries, and of each path the order of their use, which is that of the lines. Takes 58
 * bytes for each entry.
 */
export class LedgerIndex {
  #table = new EntryTable();
  /** By the number of a folder. */
  #groups: Group[] = [];
  #byPath = new Map<string, Group>();
  /** The rows used before and after one, of the same path. */
  #befores = new Numbers();
  #afters = new Numbers();
  /** When it was used, counted: compares entries of different paths. */
  #turns = new Numbers();
  #turn = 0;

  #all: Total = { size: 0, bytes: 0 };

  get size(): number {
    return this.#table.size;
  }

  /** Whether no more uses can be counted: it has to be read anew. */
  get isFull(): boolean {
    return this.#turn >= NONE;
  }

  has(name: string): boolean {
    return this.#find(name) !== NONE;
  }

  usedAt(name: string): number | undefined {
    const row = this.#find(name);
    return row === NONE ? undefined : this.#table.usedAt(row);
  }

  #find(name: string): number {
    const parsed = parseEntryName(name);
    return parsed ? this.#table.find(parsed.folder, parsed.digits) : NONE;
  }

  clear(): void {
    this.#table = new EntryTable();
    this.#groups = [];
    this.#byPath = new Map();
    [this.#befores, this.#afters, this.#turns] = [new Numbers(), new Numbers(), new Numbers()];
    this.#turn = 0;
    this.#all = { size: 0, bytes: 0 };
  }

  /** A line that no writer of entries could have written is passed over: what it names is not to be trusted. */
  apply(line: string): void {
    const [sign, name = "", ...rest] = line.split(" ");
    const numbers = rest.map(Number);
    if (!numbers.every((number) => number >= 0 && Number.isFinite(number))) return;
    if (sign === "c") this.#clearFolder(name);
    const parsed = parseEntryName(name);
    if (!parsed || !(this.#table.has(parsed.folder) || isFolderOfEntries(parsed.folder))) return;
    const row = this.#table.find(parsed.folder, parsed.digits);
    const [first, createdAt, usedAt] = numbers;
    if (sign === "+" && usedAt !== undefined) {
      if (row !== NONE) this.#remove(row);
      this.#add(parsed.folder, this.#table.add(parsed.folder, parsed.digits, { bytes: first!, createdAt: createdAt!, usedAt })); // biome-ignore format: one line
    } else if (row === NONE) {
      return;
    } else if (sign === "u" && first !== undefined) {
      this.#use(row, first);
    } else if (sign === "-") {
      this.#remove(row);
    }
  }

  use(name: string, usedAt: number): void {
    const row = this.#find(name);
    if (row !== NONE) this.#use(row, usedAt);
  }

  #use(row: number, usedAt: number): void {
    const known = this.#table.usedAt(row);
    if (known >= usedAt && !isAhead(known, usedAt)) return; // a clock was set back
    this.#table.use(row, usedAt);
    const group = this.#groupOf(row);
    this.#unlink(group, row);
    this.#append(group, row);
  }

  #add(folder: string, row: number): void {
    const number = this.#table.folderNumber(row);
    const group = this.#groups[number] ?? this.#groupAt(pathFolder(folder));
    this.#groups[number] = group;
    this.#append(group, row);
    for (const total of [group, this.#all]) {
      total.size++;
      total.bytes += this.#table.bytesOf(row);
    }
  }

  #groupAt(path: string): Group {
    let group = this.#byPath.get(path);
    if (!group) {
      group = { first: NONE, last: NONE, size: 0, bytes: 0, oldest: [] };
      this.#byPath.set(path, group);
    }
    return group;
  }

  #groupOf(row: number): Group {
    return this.#groups[this.#table.folderNumber(row)]!;
  }

  #remove(row: number): void {
    const group = this.#groupOf(row);
    this.#unlink(group, row);
    for (const total of [group, this.#all]) {
      total.size--;
      total.bytes -= this.#table.bytesOf(row);
    }
    this.#table.remove(row);
  }

  #append(group: Group, row: number): void {
    this.#befores.set(row, group.last);
    this.#afters.set(row, NONE);
    if (group.last === NONE) group.first = row;
    else this.#afters.set(group.last, row);
    group.last = row;
    this.#turns.set(row, this.#turn++);
  }

  #unlink(group: Group, row: number): void {
    const [before, after] = [this.#befores.get(row), this.#afters.get(row)];
    if (before === NONE) group.first = after;
    else this.#afters.set(before, after);
    if (after === NONE) group.last = before;
    else this.#befores.set(after, before);
  }

  #clearFolder(folder: string): void {
    if (!this.#table.has(folder)) return;
    const group = this.#groupAt(pathFolder(folder));
    const number = this.#table.folder(folder);
    for (const row of this.#rowsOf(group)) if (this.#table.folderNumber(row) === number) this.#remove(row);
  }

  /** The least recently used first. What is yielded may be removed. */
  *#rowsOf(group: Group): Generator<number, void> {
    for (let row = group.first; row !== NONE; ) {
      const after = this.#afters.get(row);
      yield row;
      row = after;
    }
  }

  /** Of all paths. Costs a look at each path for each entry. */
  *#leastRecentFirst(): Generator<number, void> {
    const rows = [...this.#byPath.values()].map(({ first }) => first).filter((row) => row !== NONE);
    while (rows.length > 0) {
      const at = this.#leastRecent(rows);
      const row = rows[at]!;
      const after = this.#afters.get(row);
      if (after === NONE) rows.splice(at, 1);
      else rows[at] = after;
      yield row;
    }
  }

  /** Where it stands among them. */
  #leastRecent(rows: readonly number[]): number {
    let found = 0;
    for (let at = 1; at < rows.length; at++) {
      if (this.#turns.get(rows[at]!) < this.#turns.get(rows[found]!)) found = at;
    }
    return found;
  }

  /** All entries by their names, the least recently used first. */
  *entries(): Generator<readonly [name: string, aged: Aged], void> {
    const table = this.#table;
    const isSimple = this.#byPath.size <= FEW; // then it needs no memory
    for (const row of isSimple ? this.#leastRecentFirst() : this.#sorted((row) => this.#turns.get(row), 32)) {
      yield [`${table.folderOf(row)}/${fileOf(table.digitsOf(row))}`, table.agedOf(row)];
    }
  }

  /** All rows. */
  #sorted(numberOf: (row: number) => number, bits: number): Iterable<number> {
    return sortedRows(this.#table.rows(), this.size, this.#table.end, numberOf, bits);
  }

  /** Takes the entries of a table in the place of its own, in the order of their use. */
  fill(table: EntryTable): void {
    this.clear();
    this.#table = table;
    for (const row of this.#sorted((row) => ticksOf(table.usedAt(row)), TIME_BITS)) this.#add(table.folderOf(row), row);
  }

  /**
   * The entries that have to go, of the path with this folder or of all.
   * @param most so many are given, and forgotten
   * @returns also how many there are
   */
  beyond(path: string | undefined, limits: RetentionLimits, now: number, most: number): Found {
    const group = path === undefined ? undefined : this.#groupAt(path);
    const all = group ? () => this.#rowsOf(group) : () => this.#table.rows();
    const victims = new Victims(this.#table);
    victims.select(all, group ? all : () => this.#leastRecentFirst(), limits, now);
    return { total: victims.size, victims: victims.taken(most, (row) => this.#remove(row)) };
  }

  /**
   * Likewise, one after the other, after each write: only the ends of the orders are looked at, so that the cost does not
   * grow with the number of entries. Of all paths it is a look at each path.
   */
  *next(path: string | undefined, limits: RetentionLimits, now: number): Generator<Victim, void> {
    for (let next = this.#next(path, limits, now); next; next = this.#next(path, limits, now)) {
      const victim = victimOf(this.#table, ...next);
      this.#remove(next[0]);
      yield victim;
    }
  }

  #next(
    path: string | undefined,
    limits: RetentionLimits,
    now: number,
  ): [row: number, limit: keyof RetentionLimits] | undefined {
    const group = path === undefined ? undefined : this.#groupAt(path);
    if (group && limits.maxAge !== undefined) {
      const oldest = this.#oldest(group);
      if (oldest !== undefined && this.#isExpired(oldest, { maxAge: limits.maxAge, maxIdle: undefined }, now))
        return [oldest, "maxAge"];
    }
    const idle = { maxAge: undefined, maxIdle: limits.maxIdle };
    if (group && group.first !== NONE && this.#isExpired(group.first, idle, now)) {
      return [group.first, "maxIdle"];
    }
    const { size, bytes } = group ?? this.#all;
    const limit = exceeded(size, bytes, limits);
    if (!limit || size === 0) return undefined;
    const [first] = group ? [group.first] : this.#leastRecentFirst();
    return [first!, limit];
  }

  #rowsIn(group: Group | undefined): Iterable<number> {
    return group ? this.#rowsOf(group) : this.#table.rows();
  }

  /** Whether the entries of a path, or all, are more than their number or size may be. */
  exceeds(path: string | undefined, limits: SizeLimits): boolean {
    const { size, bytes } = path === undefined ? this.#all : this.#groupAt(path);
    return exceeded(size, bytes, limits) !== undefined;
  }

  /** Where the entries of a path are, or all of them. @param most only so many, which are other ones each time */
  *places(path: string | undefined, most?: number): Generator<Place, void> {
    const group = path === undefined ? undefined : this.#groupAt(path);
    const { size } = group ?? this.#all;
    const rows = most === undefined ? this.#rowsIn(group) : spaced(this.#rowsIn(group), size, most, this.#table.end);
    for (const row of rows) {
      const isAmong = this.#table.isThere(row) && (!group || this.#groupOf(row) === group);
      if (isAmong) yield { folder: this.#table.folderOf(row), digits: this.#table.digitsOf(row) };
    }
  }

  /** Forgets entries that are gone. */
  forget(places: readonly Place[]): void {
    for (const { folder, digits } of places) {
      const row = this.#table.find(folder, digits);
      if (row !== NONE) this.#remove(row);
    }
  }

  #isExpired(row: number, limits: AgeLimits, now: number): boolean {
    return isExpired(this.#table.agedOf(row), limits, now);
  }

  /** The entry of a path that was written first. Looked for among all of them only when a part of the oldest is gone. */
  #oldest(group: Group): number | undefined {
    for (;;) {
      const last = group.oldest.at(-1);
      if (last && this.#isStill(group, last)) return last.row;
      if (last) group.oldest.pop();
      else if (group.size === 0) return undefined;
      else group.oldest = this.#oldestOf(group);
    }
  }

  /** The row may be that of another entry by now. */
  #isStill(group: Group, { row, createdAt }: Group["oldest"][number]): boolean {
    return this.#table.isThere(row) && this.#groupOf(row) === group && this.#table.createdAt(row) === createdAt;
  }

  /** A part that grows with their number: so for each that goes a constant number is looked at. */
  #oldestOf(group: Group): Group["oldest"] {
    const most = Math.max(LEAST, group.size / PARTS);
    const createdAt = (row: number) => this.#table.createdAt(row);
    const oldest: Group["oldest"] = [];
    const { end } = this.#table;
    for (const row of sortedRows(this.#rowsOf(group), group.size, end, (row) => ticksOf(createdAt(row)), TIME_BITS)) {
      if (oldest.length >= most) break;
      oldest.push({ row, createdAt: createdAt(row) });
    }
    return oldest.reverse();
  }
}

const LEAST = 64;
const PARTS = 64;

/** Paths, for which it is quicker to compare them for each entry than to sort all entries. */
const FEW = 16;

/** `a/b/=1`, and nothing that leads elsewhere: who evicts deletes below it. */
function isFolderOfEntries(folder: string): boolean {
  const parts = folder.split("/");
  return (
    parts.length > 1 &&
    parts.every((part) => part !== "" && part !== "." && part !== "..") &&
    /^=1(=|$)/.test(parts.at(-1)!)
  );
}

import { pathOfFolder } from "../../../entry/identity.js";
import type { Evicted } from "../../engine.js";
import { beyond, type RetentionLimits } from "../../limits.js";
import { EntryTable, Numbers } from "./entry-table.js";

/** Where an entry is: its folder and digits, as in a table. */
export interface Place {
  readonly folder: string;
  readonly digits: string;
}

/** An entry that has to go, and what is told of it. */
export interface Victim extends Place {
  readonly evicted: Evicted;
}

/** Some of the entries that have to go, and how many there are, as far as that is known. */
export interface Found {
  readonly total: number;
  readonly victims: Iterable<Victim>;
}

/** How many entries are found, at most, before they are removed. */
export const MANY = 65_536;

const LIMITS = ["maxAge", "maxIdle", "maxEntries", "maxBytes"] as const satisfies readonly (keyof RetentionLimits)[];

/** The entries of a table that have to go: 4 bytes for each, until it is taken from here. */
export class Victims implements Iterable<Victim> {
  readonly #table: EntryTable;
  /** The row, and the limit. */
  readonly #rows = new Numbers();
  #size = 0;
  /** One object for many entries. */
  readonly #evicted = new Map<string, Evicted>();

  constructor(table: EntryTable) {
    this.#table = table;
  }

  get size(): number {
    return this.#size;
  }

  /** Adds those beyond the limits. */
  select(
    rows: () => Iterable<number>,
    leastRecentFirst: () => Iterable<number>,
    limits: RetentionLimits,
    now: number,
  ): void {
    const agedOf = (row: number) => this.#table.agedOf(row);
    for (const [row, limit] of beyond(rows, leastRecentFirst, agedOf, limits, now)) this.#add(row, limit);
  }

  #add(row: number, limit: keyof RetentionLimits): void {
    this.#rows.set(this.#size++, row * LIMITS.length + LIMITS.indexOf(limit));
  }

  *#each(): Generator<[row: number, limit: keyof RetentionLimits], void> {
    for (let i = 0; i < this.#size; i++) {
      const packed = this.#rows.get(i);
      yield [Math.floor(packed / LIMITS.length), LIMITS[packed % LIMITS.length]!];
    }
  }

  *[Symbol.iterator](): Generator<Victim, void> {
    for (const [row, limit] of this.#each()) {
      const victim = victimOf(this.#table, row, limit);
      yield { ...victim, evicted: this.#same(victim.evicted) };
    }
  }

  #same(evicted: Evicted): Evicted {
    const text = `${evicted.path} ${evicted.limit} ${evicted.isUnused}`;
    const same = this.#evicted.get(text) ?? evicted;
    this.#evicted.set(text, same);
    return same;
  }

  /**
   * The first of them, in a table of their own: for when theirs is changed by others meanwhile.
   * @param forget called for the row of each
   */
  taken(most: number, forget: (row: number) => void): Victims {
    const table = new EntryTable();
    const taken = new Victims(table);
    for (const [row, limit] of this.#each()) {
      if (taken.size === most) break;
      taken.#add(table.add(this.#table.folderOf(row), this.#table.digitsOf(row), this.#table.agedOf(row)), limit);
      forget(row);
    }
    return taken;
  }
}

export function victimOf(table: EntryTable, row: number, limit: keyof RetentionLimits): Victim {
  const folder = table.folderOf(row);
  const isUnused = table.createdAt(row) === table.usedAt(row);
  return { folder, digits: table.digitsOf(row), evicted: { path: pathOfFolder(pathFolder(folder)), limit, isUnused } };
}

/** `a/b` for `a/b/=1`, whatever the version: the folder of a path. */
export function pathFolder(folder: string): string {
  return folder.slice(0, folder.indexOf("/=1"));
}

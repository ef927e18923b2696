import { lstatSync, unlinkSync, writeFileSync } from "node:fs";
import { type Aged, isExpired, type RetentionLimits } from "../../limits.js";
import { namesIn } from "../directories.js";
import { digitsIn } from "../entry-file.js";
import { isKeptFile } from "../kept-contents.js";
import type { Root } from "../root.js";
import type { Shard, Tree } from "../tree.js";
import { EntryTable, NONE, sortedRows, TIME_BITS, ticksOf } from "./entry-table.js";
import { writtenLine } from "./ledger.js";
import { type Found, MANY, Victims } from "./victims.js";

/**
 * What the files tell of the entries: with this a ledger begins, and by this entries go where there is no ledger. A file
 * does not tell when its entry was used, so the time of writing stands for it.
 */

/** The entries of a shard that are where a call looks for them, one after the other. */
function* agedIn({ name: shard, path }: Shard): Generator<[digits: string, aged: Aged], void> {
  const names = namesIn(path);
  const kept = keptIn(path, names);
  for (const name of names) {
    const digits = digitsIn(shard, name);
    const aged = digits === undefined ? undefined : agedAt(`${path}/${name}`, digits, kept);
    if (aged) yield [digits!, aged];
  }
}

/** @param kept from `keptIn` of its folder */
function agedAt(file: string, digits: string, kept: ReadonlyMap<string, number>): Aged | undefined {
  const stats = lstatSync(file, { throwIfNoEntry: false });
  if (!stats?.isFile()) return undefined;
  const bytes = stats.size + (kept.get(digits.slice(2, 20)) ?? 0);
  return { bytes, createdAt: stats.mtimeMs, usedAt: stats.mtimeMs };
}

/** The bytes of contents that are kept for the entries of a shard, by what the names of both begin with. */
function keptIn(shard: string, names: readonly string[]): Map<string, number> {
  const kept = new Map<string, number>();
  for (const name of names) {
    if (!isKeptFile(name)) continue;
    const digits = name.slice(0, 18);
    const size = lstatSync(`${shard}/${name}`, { throwIfNoEntry: false })?.size ?? 0;
    kept.set(digits, (kept.get(digits) ?? 0) + size);
  }
  return kept;
}

/** Milliseconds. Some file systems date by whole seconds, or by two. */
const COARSE = 2_000;

/** Makes the ledger of a directory that is there. */
export function makeLedger(root: Root, tree: Tree): void {
  const { ledger } = root;
  const start = clockOf(root);
  const table = new EntryTable();
  for (const shard of tree.shards()) {
    for (const [digits, aged] of agedIn(shard)) table.add(shard.folder, digits, aged);
  }
  ledger.make(root.temporary(), table);
  // What was written while the ledger was made is in neither. It is looked for once more, now that all note.
  for (const shard of tree.shards()) {
    const { mtimeMs } = lstatSync(shard.path, { throwIfNoEntry: false }) ?? { mtimeMs: 0 };
    if (mtimeMs < start - COARSE) continue;
    const names = namesIn(shard.path);
    for (const name of names) {
      const digits = digitsIn(shard.name, name);
      if (digits === undefined || table.find(shard.folder, digits) !== NONE) continue;
      const aged = agedAt(`${shard.path}/${name}`, digits, keptIn(shard.path, names));
      if (aged) ledger.note(writtenLine(`${shard.folder}/${shard.name}/${name}`, aged));
    }
  }
}

/** What time it is for the file system, which may be on another machine: ms since 1970. */
function clockOf(root: Root): number {
  const file = root.temporary();
  writeFileSync(file, "", { flag: "wx", mode: root.permissions.file });
  const { mtimeMs } = lstatSync(file);
  unlinkSync(file);
  return mtimeMs;
}

/**
 * The entries beyond the limits. Each group is to be evicted before the next one is asked for. Where age alone counts, only
 * what goes is remembered, and of that no more than a part; where an order is needed, 48 bytes for each entry.
 */
export function* beyondInDirectory(
  tree: Tree,
  limits: RetentionLimits,
  now: number,
  parent: string | undefined,
): Generator<Found, void> {
  const needsOrder = limits.maxEntries !== undefined || limits.maxBytes !== undefined;
  let table = new EntryTable();
  for (const shard of tree.shards(parent)) {
    for (const [digits, aged] of agedIn(shard)) {
      if (needsOrder || isExpired(aged, limits, now)) table.add(shard.folder, digits, aged);
    }
    if (needsOrder || table.size < MANY) continue;
    yield beyondInTable(table, limits, now);
    table = new EntryTable();
  }
  if (table.size > 0) yield beyondInTable(table, limits, now);
}

function beyondInTable(table: EntryTable, limits: RetentionLimits, now: number): Found {
  const victims = new Victims(table);
  const usedAt = (row: number) => ticksOf(table.usedAt(row));
  victims.select(
    () => table.rows(),
    () => sortedRows(table.rows(), table.size, table.end, usedAt, TIME_BITS),
    limits,
    now,
  );
  return { total: victims.size, victims };
}

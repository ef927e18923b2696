import { pathOfFolder } from "../../entry/identity.js";
import type { Evicted, Evicting, EvictionLimits } from "../engine.js";
import { type Aged, beyondLimits, exceeded, isExpired, lastUse } from "../limits.js";
import type { Database } from "./database.js";
import { dropKept } from "./kept-files.js";
import type { Opened } from "./opened.js";
import { folderKey, type Info, keysOf, readCounts, readFolder, readInfo, timeOf } from "./records.js";
import { infoIn, namesIn, removeEntry } from "./tables.js";

/**
 * Removes entries beyond limits. After a write, only the ends of the orders that the tables keep are looked at. When all
 * paths are pruned, every entry is.
 */

/** Entries evicted in one transaction: each page that one touches is copied, and the file grows by these. */
const EVICTED = 50;

/** An entry, and where it is. */
interface Item extends Aged {
  readonly path: string;
  readonly number: number;
  readonly digest: string;
  readonly used: Buffer;
  readonly isUnused: boolean;
}

interface Beyond {
  readonly item: Item;
  readonly limit: keyof EvictionLimits;
}

function itemOf(name: string, number: number, digest: string, info: Info): Item {
  const { created, used, bytes, kept } = info;
  const [createdAt, usedAt] = [timeOf(created), timeOf(used)];
  return {
    path: pathOfFolder(name.slice(0, name.lastIndexOf("/"))),
    number,
    digest,
    used: Buffer.from(used),
    isUnused: created.equals(used),
    createdAt,
    usedAt,
    bytes: bytes + kept,
  };
}

function evicted({ item: { path, isUnused }, limit }: Beyond): Evicted {
  return { path, limit, isUnused };
}

// ---- by a look at each ----

/** Removes entries of all folders, one in each step. */
export function* evictAfterLook(database: Database, limits: EvictionLimits): Generator<Evicting, void> {
  const items = database.read((opened) => itemsIn(opened)) ?? [];
  const all = beyondLimits(items, limits, Date.now());
  for (const [item, limit] of all) {
    const isGone = database.write((opened) => removeEntry(opened, item.number, item.digest));
    if (!isGone) continue;
    dropKept(database, item.number, item.digest, []);
    yield { total: all.size, gone: [evicted({ item, limit })] };
  }
}

/** All entries, the least recently used first. */
function itemsIn(opened: Opened): Item[] {
  const items = foldersIn(opened, undefined).flatMap(({ name, number }) =>
    opened.info
      .records(keysOf(number))
      .map(({ key, value }) => itemOf(name, number, key.toString("hex", 6), readInfo(value))),
  );
  return items.sort((a, b) => a.used.compare(b.used));
}

function foldersIn(opened: Opened, parent: string | undefined): { readonly name: string; readonly number: number }[] {
  return namesIn(opened, parent).flatMap((name) => {
    const record = opened.folders.get(Buffer.from(name));
    return record ? [{ name, number: readFolder(record).number }] : [];
  });
}

// ---- by the ends of the orders ----

/** Removes entries of a parent, or of all folders. Made to be called after each write. */
export function* evictFromEnds(
  database: Database,
  limits: EvictionLimits,
  parent: string | undefined,
): Generator<Evicting, void> {
  const next = (opened: Opened) => nextBeyond(opened, limits, parent);
  let isMore = database.read(next) !== undefined; // nearly never, and then there is no transaction
  let done = 0;
  while (isMore) {
    const gone: Beyond[] = [];
    database.write((opened) => {
      for (let i = 0; i < EVICTED; i++) {
        const found = next(opened);
        isMore = found !== undefined;
        if (!found) break;
        removeEntry(opened, found.item.number, found.item.digest);
        gone.push(found);
      }
    });
    for (const { item } of gone) dropKept(database, item.number, item.digest, []);
    done += gone.length;
    if (gone.length > 0) yield { total: done, gone: gone.map(evicted) };
  }
}

/**
 * The next entry that has to go, among those of a parent, or of all. Only the ends of the orders are looked at: the cost
 * grows with the number of folders, not with that of entries.
 */
function nextBeyond(opened: Opened, limits: EvictionLimits, parent: string | undefined): Beyond | undefined {
  const folders = foldersIn(opened, parent);
  const now = Date.now();
  const at = (table: "byAge" | "byUse", reverse: boolean) =>
    folders
      .flatMap(({ name, number }) => itemAtEnd(opened, table, name, number, reverse) ?? [])
      .sort((a, b) => a.used.compare(b.used));
  // The last one as well: a use that is dated ahead does not count.
  const atEndsOfUse = () =>
    [...at("byUse", false), ...at("byUse", true)].sort((a, b) => lastUse(a, now) - lastUse(b, now));
  if (limits.maxAge !== undefined) {
    // The newest as well: one that is dated ahead cannot be told from an old one.
    const ends = [...at("byAge", false), ...at("byAge", true)];
    const item = ends.find((each) => isExpired(each, { maxAge: limits.maxAge, maxIdle: undefined }, now));
    if (item) return { item, limit: "maxAge" };
  }
  if (limits.maxIdle !== undefined) {
    const item = atEndsOfUse().find((each) => isExpired(each, { maxAge: undefined, maxIdle: limits.maxIdle }, now));
    if (item) return { item, limit: "maxIdle" };
  }
  const counts = folders.map(({ number }) => readCounts(opened.counts.get(folderKey(number))));
  const entries = counts.reduce((total, each) => total + each.entries, 0);
  const bytes = counts.reduce((total, each) => total + each.bytes, 0);
  const limit = exceeded(entries, bytes, limits);
  const [item] = limit ? atEndsOfUse() : [];
  return limit && item && { item, limit };
}

function itemAtEnd(
  opened: Opened,
  table: "byAge" | "byUse",
  name: string,
  number: number,
  reverse: boolean,
): Item | undefined {
  const { start, end } = keysOf(number);
  const range = reverse ? { start: end, end: start, reverse, limit: 1 } : { start, end, limit: 1 };
  const [found] = opened[table].records(range);
  const digest = found?.value.toString("hex");
  const info = digest === undefined ? undefined : infoIn(opened, number, digest);
  return info && itemOf(name, number, digest!, info);
}

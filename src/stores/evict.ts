import { Buffer } from "node:buffer";
import { decodeEntry } from "../entry/entry.js";
import { pathOfFolder } from "../entry/identity.js";
import { bytesKept, isRecord, parseRecord } from "../entry/out-record.js";
import { OptionError } from "../errors.js";
import { type Flow, wait } from "../flow.js";
import type { Each, Engine, Evicted, Evicting, Listed } from "./engine.js";
import { type Aged, beyondLimits, exceeded, hasLimits, type RetentionLimits } from "./limits.js";

/**
 * Removing entries beyond limits. An engine that remembers how entries are used does it by itself. For any other, this
 * file does it from a listing: it takes the time of writing for the time of the last use.
 */

/** Whether the engine keeps limits besides `maxAge`. */
export function keepsSizes({ usage, listing, ageOnly }: Engine): boolean {
  return ageOnly === undefined && (usage ?? listing) !== undefined;
}

/** @throws OptionError for limits that the engine cannot keep */
export function assertKeepsLimits(engine: Engine, limits: RetentionLimits): void {
  if (keepsSizes(engine)) return;
  const { ageOnly } = engine;
  for (const limit of ["maxIdle", "maxEntries", "maxBytes"] as const) {
    if (limits[limit] === undefined) continue;
    throw new OptionError(
      ageOnly === undefined
        ? `${engine.location} cannot list its entries, so it keeps no ${limit}. Use maxAge, or another store.`
        : `${engine.location} keeps no ${limit}. ${ageOnly}`,
    );
  }
}

/** Removes what is beyond the limits. @param parent, written see `Folder.evict` */
export function* evictBeyond(
  engine: Engine,
  limits: RetentionLimits,
  parent: string | undefined,
  written: number | undefined,
): Flow<Evicted[]> {
  const gone: Evicted[] = [];
  // Whoever prunes without limits is told all the same where the store cannot be used.
  if (!hasLimits(limits) && written !== undefined) return gone;
  assertKeepsLimits(engine, limits);
  yield* forEach(stepsOf(engine, limits, parent, written), (step) => {
    for (const each of step.gone) gone.push(each);
  });
  return gone;
}

/** The steps of an eviction, by the engine or by a listing. */
export function stepsOf(
  engine: Engine,
  limits: RetentionLimits,
  parent: string | undefined,
  written: number | undefined,
): Each<Evicting> {
  const { usage, listing } = engine;
  if (usage) return usage.evict(limits, parent, written === undefined);
  if (!listing || !hasLimits(limits) || (written !== undefined && !mayExceed(engine, limits, parent, written)))
    return [];
  return engine.sync ? evictListed(engine, limits, parent) : evictListedAsync(engine, limits, parent);
}

function* forEach<T>(items: Each<T>, take: (item: T) => void): Flow<void> {
  if (Symbol.iterator in items) {
    for (const each of items) take(each);
    return;
  }
  const iterator = items[Symbol.asyncIterator]();
  for (;;) {
    const step: IteratorResult<T> = yield* wait(iterator.next());
    if (step.done) return;
    take(step.value);
  }
}

// ---- from a listing ----

interface Item extends Aged {
  readonly path: string;
  readonly listed: Listed;
}

function* evictListed(engine: Engine, limits: RetentionLimits, parent: string | undefined): Generator<Evicting, void> {
  const items: Item[] = [];
  const keeps = engine.contents !== undefined && limits.maxBytes !== undefined;
  for (const folder of engine.listing!.folders(parent) as Iterable<string>) {
    if (!isIn(folder, parent)) continue;
    for (const group of engine.listing!.list(folder, keeps) as Iterable<readonly Listed[]>)
      add(items, folder, group, keeps);
  }
  const beyond = [...beyondLimits(items, limits, Date.now())];
  remember(engine, parent, items, beyond);
  for (const [item, limit] of beyond) {
    item.listed.remove();
    yield { total: beyond.length, gone: [{ path: item.path, limit, isUnused: false }] };
  }
}

async function* evictListedAsync(
  engine: Engine,
  limits: RetentionLimits,
  parent: string | undefined,
): AsyncGenerator<Evicting, void> {
  const items: Item[] = [];
  const keeps = engine.contents !== undefined && limits.maxBytes !== undefined;
  for await (const folder of engine.listing!.folders(parent)) {
    if (!isIn(folder, parent)) continue;
    for await (const group of engine.listing!.list(folder, keeps)) add(items, folder, group, keeps);
  }
  const beyond = [...beyondLimits(items, limits, Date.now())];
  remember(engine, parent, items, beyond);
  for (const [item, limit] of beyond) {
    await item.listed.remove();
    yield { total: beyond.length, gone: [{ path: item.path, limit, isUnused: false }] };
  }
}

function parentOf(folder: string): string {
  return folder.slice(0, folder.lastIndexOf("/"));
}

function isIn(folder: string, parent: string | undefined): boolean {
  return parent === undefined || parentOf(folder) === parent;
}

/** @param keeps whether contents of out files may be kept for them, which count */
function add(items: Item[], folder: string, group: readonly Listed[], keeps: boolean): void {
  const path = pathOfFolder(parentOf(folder));
  for (const listed of group) {
    const stat = listed.stat();
    if (!stat) continue;
    const bytes = stat.bytes + (keeps ? keptFor(listed) : 0);
    items.push({ path, listed, bytes, createdAt: stat.writtenAt, usedAt: stat.writtenAt });
  }
}

/** The bytes of the contents that are kept for an entry, as its record tells; 0 where it is damaged. */
function keptFor(listed: Listed): number {
  const bytes = listed.read();
  const entry = bytes && decodeEntry(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  return entry && isRecord(entry.record) ? bytesKept(parseRecord(entry.record)) : 0;
}

/** What a listing left in its scope, and what this process has written there since. */
interface Estimate {
  entries: number;
  bytes: number;
  writtenEntries: number;
  writtenBytes: number;
}

/** By the parent; `""` for all folders. */
const estimates = new WeakMap<Engine, Map<string, Estimate>>();

/** Other processes write too: a listing is made before they could have added more than this share of the limit. */
const SHARE = 0.05;

/** Counts what was written. @returns whether the limits may be exceeded, so that a listing is needed */
function mayExceed(engine: Engine, limits: RetentionLimits, parent = "", written: number): boolean {
  const { maxEntries = Number.POSITIVE_INFINITY, maxBytes = Number.POSITIVE_INFINITY } = limits;
  if (maxEntries === Number.POSITIVE_INFINITY && maxBytes === Number.POSITIVE_INFINITY) return false; // readers judge ages
  const known = estimates.get(engine)?.get(parent);
  if (!known) return true;
  known.writtenEntries++;
  known.writtenBytes += written;
  const { entries, bytes, writtenEntries, writtenBytes } = known;
  if (exceeded(entries + writtenEntries, bytes + writtenBytes, limits)) return true;
  return writtenEntries > SHARE * maxEntries || writtenBytes > SHARE * maxBytes;
}

function remember(engine: Engine, parent = "", items: readonly Item[], beyond: readonly [Item, unknown][]): void {
  const ofEngine = estimates.get(engine) ?? new Map<string, Estimate>();
  estimates.set(engine, ofEngine);
  const bytes = (all: readonly Item[]) => all.reduce((total, each) => total + each.bytes, 0);
  ofEngine.set(parent, {
    entries: items.length - beyond.length,
    bytes: bytes(items) - bytes(beyond.map(([item]) => item)),
    writtenEntries: 0,
    writtenBytes: 0,
  });
}

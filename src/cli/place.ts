import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { createCache, defaultCache } from "../cache/cache.js";
import type { Cache, PathSummary } from "../cache/interface.js";
import { assertPath, folderNames, isEntriesFolder } from "../entry/identity.js";
import { StoreError } from "../errors.js";
import { similarTo } from "./similar.js";
import { counted } from "./text.js";

/** The cache of a command, and where it is. */
export interface Place {
  readonly cache: Cache;
  readonly directory: string;
}

/** Makes nothing. @param dir by default, where the default cache is */
export async function placeAt(dir: string | undefined, shared: boolean): Promise<Place> {
  const cache = dir === undefined && !shared ? defaultCache : createCache({ dir, shared });
  return { cache, directory: (await cache.stats()).directory };
}

/** @throws StoreError where there is no cache: nobody means to look at, or to clear, what is not there */
export function assertIsCache({ directory }: Place): void {
  const mend = "Give the directory of a cache: permacache --dir DIR, or PERMACACHE_DIR.";
  if (!statSync(directory, { throwIfNoEntry: false })) {
    throw new StoreError(`there is no cache in ${directory}: it does not exist. ${mend}`);
  }
  if (!isCache(directory)) throw new StoreError(`${directory} is not the directory of a cache. ${mend}`);
}

/** One of the things that whoever writes to a cache makes first. */
function isCache(directory: string): boolean {
  const names = namesIn(directory) ?? [];
  if (names.includes("=_tmp") || names.includes("=_ledger")) return true;
  return names.includes("CACHEDIR.TAG") && readFileSync(join(directory, "CACHEDIR.TAG"), "utf8").includes("permacache");
}

/**
 * @throws PathError where the path cannot be one; StoreError, which names similar ones, where it was never there. A path
 *   that lost its entries is there.
 */
export async function assertHasPath({ cache, directory }: Place, path: string): Promise<void> {
  assertPath(path);
  if (wasThere(directory, path)) return;
  const paths = new Set<string>();
  for await (const summary of cache.list()) paths.add(summary.path);
  if (paths.has(path)) return; // written meanwhile
  throw new StoreError(`there is no path "${path}" in ${directory}. ${hintOf(path, paths)}`);
}

function hintOf(path: string, paths: ReadonlySet<string>): string {
  if (paths.size === 0) return "It has no entries at all.";
  const similar = similarTo(path, paths);
  if (similar.length > 0) return `Similar ones: ${similar.join(", ")}.`;
  return `It has ${counted(paths.size, "path", "paths")}: see permacache ls.`;
}

/** The folder of a path stays where its entries go, but one that holds only the folders of other paths is none. */
function wasThere(directory: string, path: string): boolean {
  const names = namesIn(join(directory, ...folderNames({ path }).slice(0, -1)));
  return names !== undefined && (names.length === 0 || names.some(isEntriesFolder));
}

/** `undefined` where there is no such directory. */
function namesIn(directory: string): string[] | undefined {
  try {
    return readdirSync(directory);
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw error;
  }
}

/** What there is, of one path or of all. */
export async function* summariesOf({ cache }: Place, path?: string): AsyncGenerator<PathSummary, void> {
  let isFound = false;
  for await (const summary of cache.list()) {
    if (path !== undefined && summary.path !== path) {
      if (isFound) return; // those of one path come one after the other
      continue;
    }
    isFound = true;
    yield summary;
  }
}

export interface Totals {
  paths: number;
  entries: number;
  bytes: number;
  newest: Date | undefined;
}

export async function totalsOf(summaries: AsyncIterable<PathSummary>): Promise<Totals> {
  const totals: Totals = { paths: 0, entries: 0, bytes: 0, newest: undefined };
  let last: string | undefined;
  for await (const { path, entries, bytes, newest } of summaries) {
    if (path !== last) totals.paths++;
    last = path;
    totals.entries += entries;
    totals.bytes += bytes;
    if (newest && !(totals.newest && totals.newest >= newest)) totals.newest = newest;
  }
  return totals;
}

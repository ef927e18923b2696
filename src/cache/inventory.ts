import { digestOf } from "../call/bind.js";
import { metaOfHead } from "../call/outcome.js";
import { abandon } from "../call/single-flight.js";
import { storeTrouble } from "../call/trouble.js";
import { decodeValue } from "../entry/codecs.js";
import type { DecodedEntry } from "../entry/entry.js";
import { assertPath, folderNames, parseIdentity, versionFolder, versionOfFolder } from "../entry/identity.js";
import { ReadableName } from "../entry/readable-name.js";
import { decodeTrusted, headTrusted, type Trust } from "../entry/trust.js";
import { OptionError, StoreError } from "../errors.js";
import { emit, isHeard } from "../events.js";
import { run, yieldToEventLoop } from "../flow.js";
import { canonicalJson } from "../key/canonical-json.js";
import type { Plain } from "../signature/function-types.js";
import type { Evicted, Listed } from "../stores/engine.js";
import type { Folder } from "../stores/folder.js";
import { isExpired } from "../stores/limits.js";
import type { Store, StoredFolder } from "../stores/store.js";
import type { CacheState } from "../wrap/cache-state.js";
import type { Peek } from "../wrap/cached-function-types.js";
import { checkLimits, DEFAULTS } from "../wrap/settings.js";
import { exportTo } from "./archive/export.js";
import { importFrom } from "./archive/import.js";
import type { Cache, OpenPath, PathEntry, PathSummary } from "./interface.js";
import { checkMethodOptions } from "./method-options.js";
import { identityIn, verify } from "./verify.js";
import { sparing } from "./work-progress.js";

/** What a cache can tell of its entries, and do with them, without the functions they are of. */
type Inventory = Pick<
  Cache,
  "list" | "open" | "stats" | "prune" | "clear" | "verify" | "exportTo" | "importFrom" | "close"
>;

export function inventoryOf(state: CacheState): Inventory {
  return {
    list: () => {
      const store = state.store();
      return tellingEach("cache.list()", store, list(store, state.trust));
    },
    open: (path, options) => open(state, path, options),
    stats: async () => {
      const { directory, lock } = state.store();
      return { ...state.stats(), directory, lock };
    },
    prune: async (limits, options) => {
      const subject = "cache.prune()";
      const { onProgress } = checkMethodOptions(subject, options, { onProgress: "function" });
      const store = state.store();
      const given = limits ? checkLimits(subject, limits) : state.limits;
      return telling(subject, store, async () => told(await store.prune(given, sparing(onProgress))));
    },
    clear: async () => {
      const store = state.store();
      return telling("cache.clear()", store, () => clear(store.folders()));
    },
    verify: async (options) => {
      const subject = "cache.verify()";
      const { fix = false, onProgress } = checkMethodOptions(subject, options, {
        fix: "boolean",
        onProgress: "function",
      });
      const store = state.store();
      return telling(subject, store, () => verify(store, state.trust, fix, onProgress && sparing(onProgress)));
    },
    exportTo: async (path, file, options) => {
      const subject = "cache.exportTo()";
      checkFile(subject, file);
      checkMethodOptions(subject, options, { onProgress: "function" });
      const store = state.store();
      return telling(subject, store, () => exportTo(store, path, file, { ...options, trust: state.trust }));
    },
    importFrom: async (path, file, options) => {
      const subject = "cache.importFrom()";
      checkFile(subject, file);
      checkMethodOptions(subject, options, { merge: "boolean", onProgress: "function" });
      const store = state.store();
      const { compress } = state.settings;
      return telling(subject, store, () => importFrom(store, path, file, { ...options, compress, trust: state.trust }));
    },
    close: () => state.store().close(),
  };
}

function checkFile(subject: string, file: unknown): void {
  if (typeof file === "string" && file !== "" && !file.includes("\0")) return;
  throw new OptionError(`${subject}: the archive is given by the path of a file, such as "entries.zip".`);
}

// ---- what there is ----

/** Path by path. The versions of a path stand together: its sources are no versions of their own. */
async function* list(store: Store, trust: Trust): AsyncGenerator<Iterable<PathSummary>, void> {
  let ofPath: StoredFolder[] = [];
  for await (const each of store.folders()) {
    if (ofPath.length > 0 && ofPath[0]!.path !== each.path) {
      yield await summaries(store, trust, ofPath);
      ofPath = [];
    }
    ofPath.push(each);
  }
  yield await summaries(store, trust, ofPath);
}

async function summaries(store: Store, trust: Trust, folders: readonly StoredFolder[]): Promise<Iterable<PathSummary>> {
  const versions = new Map<string, PathSummary>();
  for (const stored of folders) {
    const { entries, bytes, newest } = await sizeOf(stored.folder);
    if (entries === 0) continue;
    const name = versionFolder(stored.name);
    const others = versions.get(name);
    versions.set(name, {
      path: stored.path,
      version: others ? others.version : await versionOf(store, trust, stored),
      entries: entries + (others?.entries ?? 0),
      bytes: bytes + (others?.bytes ?? 0),
      newest: new Date(Math.max(newest, others?.newest?.getTime() ?? 0)),
    });
  }
  return versions.values();
}

async function sizeOf(folder: Folder): Promise<{ entries: number; bytes: number; newest: number }> {
  const all = { entries: 0, bytes: 0, newest: 0 };
  for await (const { entries, bytes, newest } of folder.sizes()) {
    all.entries += entries;
    all.bytes += bytes;
    all.newest = Math.max(all.newest, newest);
    await yieldToEventLoop();
  }
  return all;
}

/** The name of a folder tells it, but for one so long that its digest stands there: then any whole entry does. */
async function versionOf(store: Store, trust: Trust, stored: StoredFolder): Promise<string | undefined> {
  const { version, isDigest } = versionOfFolder(stored.name);
  if (!isDigest) return version;
  for await (const group of entriesOf(store, trust, [stored])) for (const entry of group) return entry.version;
  return version;
}

/** The entries of folders that are whole and to be believed, group by group; others have their turn in between. */
async function* entriesOf(
  store: Store,
  trust: Trust,
  folders: AsyncIterable<StoredFolder> | Iterable<StoredFolder>,
): AsyncGenerator<Iterable<PathEntry>, void> {
  for await (const { folder } of folders) {
    for await (const group of folder.list()) {
      yield entriesIn(store, trust, folder, group);
      await yieldToEventLoop();
    }
  }
}

/** One by one: what was read of one is garbage before the next is read, and costs the collector nothing. */
function* entriesIn(store: Store, trust: Trust, folder: Folder, group: readonly Listed[]): Generator<PathEntry, void> {
  for (const each of group) {
    const bytes = each.read() as Buffer | undefined;
    const head = bytes && headTrusted(bytes, trust);
    const identity = head && identityIn(store, folder, head.identity);
    if (!identity) continue;
    const { key, createdAt, duration, bytes: size } = metaOfHead(head);
    yield { key, createdAt, duration, bytes: size, version: identity.version }; // a spread costs as much as decoding
  }
}

// ---- one path ----

function open(state: CacheState, path: string, options: { version?: string | null | undefined } | undefined): OpenPath {
  assertPath(path);
  const subject = `cache.open("${path}")`;
  const { version } = checkMethodOptions(subject, options, { version: "string or null" });
  const store = state.store();
  const name = version === undefined ? undefined : folderNames({ path, version: version ?? undefined }).at(-1)!;

  /** Those of the version, or of all. */
  async function* folders(): AsyncGenerator<StoredFolder, void> {
    for await (const each of store.folders(path)) {
      if (name === undefined || versionFolder(each.name) === name) yield each;
    }
  }

  function named(given: Plain | string) {
    const key = keyOf(subject, given);
    const digest = digestOf(key);
    return { key, digest, readable: new ReadableName(path, key, digest, false) };
  }

  /** The newest entry that holds. */
  async function find(given: Plain | string): Promise<DecodedEntry | undefined> {
    const name = named(given);
    const { key } = name;
    let newest: DecodedEntry | undefined;
    for await (const { folder } of folders()) {
      const read = folder.read(name, true);
      const bytes = read instanceof Promise ? await read : read; // decoded before anybody else reads into the buffer
      const entry = bytes && decodeTrusted(bytes, state.trust);
      if (entry?.key !== key || !identityIn(store, folder, entry.identity)) continue;
      if (newest && newest.createdAt >= entry.createdAt) continue;
      const usedAt = Math.max(entry.createdAt, folder.usedAt(name) ?? 0);
      if (isExpired({ createdAt: entry.createdAt, usedAt }, state.limits, Date.now())) continue;
      newest = { ...entry, payload: Buffer.from(entry.payload) }; // as it stands there until the next read
    }
    return newest;
  }

  return {
    key: (given) => keyOf(subject, given),
    has: (given) => telling(subject, store, async () => (await find(given)) !== undefined),
    peek: (given) =>
      telling(subject, store, async () => {
        const entry = await find(given);
        return entry && peeked(subject, state, entry);
      }),
    delete: (given) =>
      telling(subject, store, async () => {
        const name = named(given);
        let isRemoved = false;
        for await (const { folder } of folders()) {
          abandon(folder, name.digest);
          if (await folder.remove(name)) isRemoved = true;
        }
        return isRemoved;
      }),
    entries: () => tellingEach(subject, store, entriesOf(store, state.trust, folders())),
    clear: () => telling(subject, store, () => clear(folders())),
    prune: (limits) =>
      telling(subject, store, async () => {
        const { maxEntries, maxBytes, ...ages } = state.limits;
        // As for a function: the sizes of the cache are for all of its paths.
        const [own, whole] = limits
          ? [checkLimits(`${subject}.prune()`, limits), {}]
          : [ages, { maxEntries, maxBytes }];
        for await (const { folder } of store.folders(path)) return told(await run(folder.evict(own, whole))); // of all versions
        return 0;
      }),
  };
}

/** @throws OptionError where it is neither an object nor the text of a key */
function keyOf(subject: string, given: Plain | string): string {
  if (typeof given === "string") {
    if (isJson(given)) return given;
    throw new OptionError(
      `${subject}: ${JSON.stringify(given)} is no key. Give the arguments by name, as an object, or a key as entries() shows it.`,
    );
  }
  if (!isPlain(given)) {
    throw new OptionError(`${subject}: give the arguments by name, as an object, or the text of a key.`);
  }
  // As in a call: what is undefined is not given.
  return canonicalJson(Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)));
}

/** Of whatever realm. */
function isPlain(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** @throws StoreError where the value cannot be decoded here */
function peeked(subject: string, state: CacheState, entry: DecodedEntry): Peek<unknown> & PathEntry {
  try {
    const value = decodeValue(entry, entry.payload, state.settings.codec ?? DEFAULTS.codec);
    return { value, ...metaOfHead(entry), version: parseIdentity(entry.identity)?.version };
  } catch (error) {
    const reason = error instanceof Error ? error.message.replace(/\.$/, "") : String(error);
    throw new StoreError(
      `${subject}: the entry of ${entry.key} cannot be decoded (${reason}). Register its types with defineType, or give the cache the codec that wrote it.`,
      { cause: error },
    );
  }
}

// ---- what goes ----

async function clear(folders: AsyncIterable<StoredFolder>): Promise<number> {
  let count = 0;
  for await (const { folder } of folders) {
    abandon(folder);
    count += await folder.clear(true);
  }
  return count;
}

/** Tells of entries that were removed because of limits; gives their number. */
function told(gone: readonly Evicted[]): number {
  if (isHeard("evict")) for (const { path, limit } of gone) emit({ type: "evict", path, reason: limit });
  return gone.length;
}

// ---- trouble ----

async function telling<T>(subject: string, { directory }: Store, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw storeTrouble(subject, directory, error);
  }
}

/** Items by groups: each of these async generators costs an item a tenth of a microsecond, a sync one next to nothing. */
async function* tellingEach<T>(
  subject: string,
  { directory }: Store,
  groups: AsyncIterable<Iterable<T>>,
): AsyncGenerator<T, void> {
  try {
    for await (const group of groups) for (const each of group) yield each;
  } catch (error) {
    throw storeTrouble(subject, directory, error);
  }
}

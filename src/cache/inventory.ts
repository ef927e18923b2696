import { digestOf } from "../call/bind.js";
import { metaOfHead } from "../call/outcome.js";
import { abandon } from "../call/single-flight.js";
import { decodeValue } from "../entry/codecs.js";
import type { DecodedEntry } from "../entry/entry.js";
import { assertPath, folderNames, parseIdentity, versionFolder, versionOfFolder } from "../entry/identity.js";
import { ReadableName } from "../entry/readable-name.js";
import { decodeTrusted, headTrusted, type Trust } from "../entry/trust.js";
import { assertArguments, OptionError, StoreError } from "../errors.js";
import { emit, isHeard } from "../events.js";
import { run, yieldToEventLoop } from "../flow.js";
import { canonicalJson } from "../key/canonical-json.js";
import { inheritingNothing } from "../key/originals.js";
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
import { telling, tellingEach } from "./trouble.js";
import { identityIn, verify } from "./verify.js";
import { sparing } from "./work-progress.js";

/** What a cache can tell of its entries, and do with them, without the functions they are of. */
type Inventory = Pick<
  Cache,
  "list" | "open" | "stats" | "prune" | "clear" | "verify" | "exportTo" | "importFrom" | "close"
>;

export function inventoryOf(state: CacheState): Inventory {
  return {
    list: (...extra: unknown[]) => {
      assertArguments("cache.list()", extra, 0, "cache.open(path).entries() lists the entries of one path.");
      const store = state.store();
      return tellingEach("cache.list()", store, list(store, state.trust));
    },
    open: (...args) => {
      assertArguments("cache.open()", args, 2);
      return open(state, ...args);
    },
    stats: async (...extra: unknown[]) => {
      assertArguments("cache.stats()", extra, 0);
      const { directory, lock } = state.store();
      return { ...state.stats(), directory, lock };
    },
    prune: async (...args) => {
      const subject = "cache.prune()";
      assertArguments(subject, args, 2);
      const [limits, options] = args;
      const { onProgress } = checkMethodOptions(subject, options, { onProgress: "function" });
      const store = state.store();
      const given = limits === undefined ? state.limits : checkLimits(subject, limits);
      return telling(subject, store, async () => told(await store.prune(given, sparing(onProgress))));
    },
    clear: async (...args: unknown[]) => {
      assertArguments("cache.clear()", args, 1);
      const [path] = args as [string];
      if (args.length > 0) assertPath(path);
      const store = state.store();
      return telling("cache.clear()", store, () => clear(store.folders(path)));
    },
    verify: async (...args) => {
      const subject = "cache.verify()";
      assertArguments(subject, args, 1);
      const [options] = args;
      const { fix = false, onProgress } = checkMethodOptions(subject, options, {
        fix: "boolean",
        onProgress: "function",
      });
      const store = state.store();
      return telling(subject, store, () => verify(store, state.trust, fix, onProgress && sparing(onProgress)));
    },
    exportTo: async (...args) => {
      const subject = "cache.exportTo()";
      assertArguments(subject, args, 3);
      const [path, file, options] = args;
      checkFile(subject, file);
      const given = checkMethodOptions(subject, options, { onProgress: "function" });
      const store = state.store();
      const { trust } = state;
      return telling(subject, store, () => exportTo(store, path, file, inheritingNothing<object>(given, { trust })));
    },
    importFrom: async (...args) => {
      const subject = "cache.importFrom()";
      assertArguments(subject, args, 3);
      const [path, file, options] = args;
      checkFile(subject, file);
      const given = checkMethodOptions(subject, options, { merge: "boolean", onProgress: "function" });
      const store = state.store();
      const settings = inheritingNothing<object>(given, { compress: state.settings.compress, trust: state.trust });
      return telling(subject, store, () => importFrom(store, path, file, settings));
    },
    close: async (...extra: unknown[]) => {
      assertArguments("cache.close()", extra, 0);
      await state.store().close();
    },
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

  /** The named arguments, which are all that a method takes. */
  function only(args: readonly unknown[]): Plain | string {
    assertArguments(subject, args, 1, "Give the arguments of the call by name, as one object.");
    return args[0] as Plain | string;
  }

  return {
    key: (...args) => keyOf(subject, only(args)),
    has: (...args) => telling(subject, store, async () => (await find(only(args))) !== undefined),
    peek: (...args) =>
      telling(subject, store, async () => {
        const entry = await find(only(args));
        return entry && peeked(subject, state, entry);
      }),
    delete: (...args) =>
      telling(subject, store, async () => {
        const name = named(only(args));
        let isRemoved = false;
        for await (const { folder } of folders()) {
          abandon(folder, name.digest);
          if (await folder.remove(name)) isRemoved = true;
        }
        return isRemoved;
      }),
    entries: (...extra: unknown[]) => {
      assertArguments(`${subject}.entries()`, extra, 0);
      return tellingEach(subject, store, entriesOf(store, state.trust, folders()));
    },
    clear: (...extra: unknown[]) =>
      telling(subject, store, async () => {
        assertArguments(`${subject}.clear()`, extra, 0, "delete(named) removes one entry.");
        return clear(folders());
      }),
    prune: (...args) =>
      telling(subject, store, async () => {
        assertArguments(`${subject}.prune()`, args, 1);
        const [limits] = args;
        const { maxEntries, maxBytes, ...ages } = state.limits;
        // As for a function: the sizes of the cache are for all of its paths.
        const [own, whole] =
          limits !== undefined
            ? [checkLimits(`${subject}.prune()`, limits), inheritingNothing({})]
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

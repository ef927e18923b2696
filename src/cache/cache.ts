import { lstatSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { isAbsolute, join, resolve } from "node:path";
import { assertPath } from "../entry/identity.js";
import { assertArguments, OptionError, StoreError } from "../errors.js";
import type { AnyAsyncFunction } from "../signature/function-types.js";
import type { AsyncEngine, SyncEngine } from "../stores/engine.js";
import { CacheState, fileEngineIn } from "../wrap/cache-state.js";
import type { CacheOptions } from "../wrap/options.js";
import { createCall, createPermacache } from "../wrap/permacache.js";
import { checkOptions } from "../wrap/settings.js";
import type { Cache, DefaultCache } from "./interface.js";
import { inventoryOf } from "./inventory.js";

/**
 * A cache of its own: a directory, or a `store`, and defaults for the functions that its `permacache` wraps.
 * @throws OptionError for an unknown option or a wrong type, or where there are both a `dir` and a `store`
 */
export function createCache(options: CacheOptions & { store: AsyncEngine }): Cache<AnyAsyncFunction>;
export function createCache(options?: CacheOptions & { store?: SyncEngine | undefined }): Cache;
export function createCache(...args: [options?: CacheOptions]): Cache<any> {
  assertArguments("createCache()", args, 1);
  const [options] = args;
  return cacheOf(new CacheState(checkOptions("createCache()", options, "cache")));
}

/**
 * The store that a cache has by itself: entries as files. To be given to `tieredStore`.
 * @param options `dir`: as that of a cache, private to the user
 * @throws OptionError
 */
export function fileStore(options?: { dir?: string | undefined }): SyncEngine;
export function fileStore(...args: [options?: { dir?: string | undefined }]): SyncEngine {
  assertArguments("fileStore()", args, 1);
  const [options] = args;
  const { dir, ...others } = checkOptions("fileStore()", options, "cache");
  const [other] = Object.keys(others);
  if (other !== undefined) throw new OptionError(`fileStore(): there is no option "${other}". There is dir.`);
  return fileEngineIn(dir);
}

function cacheOf(state: CacheState): Cache {
  const inventory = inventoryOf(state);
  return {
    permacache: createPermacache(state),
    call: createCall(state),
    ...inventory,
    [Symbol.asyncDispose]: inventory.close,
  };
}

/**
 * A cache for results that may go: in the temporary directory of the system, private to the user, for 7 days.
 * @param name a folder below `<tmp>/permacache-<user>`, of the segments that paths are made of; or an absolute path, or
 *   one that begins with `~`
 * @param options as those of a cache; `maxAge` is `"7d"` by default
 * @throws PathError, OptionError
 */
export function tempCache(name: string, options?: Omit<CacheOptions, "dir">): Cache;
export function tempCache(...args: [name: string, options?: Omit<CacheOptions, "dir">]): Cache {
  assertArguments("tempCache()", args, 2);
  const [name, options] = args;
  const settings = checkOptions("tempCache()", options, "cache");
  for (const option of ["dir", "store"] as const) {
    if (settings[option] === undefined) continue;
    throw new OptionError(
      `tempCache(): the directory is given by the name; leave out \`${option}\`, or use createCache.`,
    );
  }
  if (typeof name === "string" && (isAbsolute(name) || /^~(?=$|[\\/])/.test(name))) {
    return cacheOf(new CacheState({ maxAge: TEMPORARY, ...settings, dir: name }));
  }
  assertPath(name);
  const base = resolve(tmpdir(), `permacache-${userName()}`);
  const state = new CacheState({ maxAge: TEMPORARY, ...settings, dir: join(base, ...name.split("/")) }, () =>
    assertPrivate(base),
  );
  return cacheOf(state);
}

/** Milliseconds: 7 days. */
const TEMPORARY = 7 * 24 * 60 * 60 * 1000;

function userName(): string {
  return String(process.getuid?.() ?? userInfo().username.replaceAll(/[^A-Za-z0-9]/g, "_"));
}

/** Anybody can make a directory of this name in `/tmp` first. @throws StoreError where it is not the user's alone */
function assertPrivate(base: string): void {
  const stats = lstatSync(base, { throwIfNoEntry: false });
  if (!stats || process.getuid === undefined) return;
  const isPrivate = stats.isDirectory() && stats.uid === process.getuid() && (stats.mode & 0o077) === 0;
  if (isPrivate) return;
  throw new StoreError(
    `${base} is not a directory of this user alone, so what is in it cannot be trusted. Remove it, or make it yours: chown, chmod 700`,
  );
}

const defaultState = new CacheState({});

/** The cache of `permacache`: in `PERMACACHE_DIR`, else in the per-user cache directory of the platform. */
export const defaultCache: DefaultCache = {
  ...cacheOf(defaultState),
  configure(...args) {
    assertArguments("defaultCache.configure()", args, 1);
    const [options] = args;
    defaultState.configure(checkOptions("defaultCache.configure()", options, "cache"));
  },
};

/**
 * Wraps a function so that each call is computed once, for good: in this process and in the next one. Also a standard
 * (stage 3) decorator for methods.
 *
 *     const power = permacache("my-project/power")((x, y = 2) => x ** y);
 *
 * @param path the identity of the function in all programs of the user: two functions under one path share their
 *   entries, so it begins with the name of the package or project. Segments of `A-Za-z0-9._@-` joined by `/`, 200
 *   characters in all.
 * @throws PathError, OptionError; SignatureError where the parameters of the function cannot be read
 */
export const permacache = defaultCache.permacache;

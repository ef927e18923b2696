import { Home } from "./home.js";
import { checkOptions, type SharedSettings } from "./options.js";
import { createPermacache } from "./permacache.js";
import type { Cache, CacheOptions, DefaultCache } from "./types.js";

/**
 * A cache of its own: a directory, and defaults for the functions that its `permacache` wraps.
 * @throws OptionError for an unknown option or a wrong type
 */
export function createCache(options?: CacheOptions): Cache {
  return { permacache: createPermacache(new Home(checkOptions("createCache()", options as SharedSettings, "cache"))) };
}

const defaultHome = new Home({});

/** The cache of `permacache`: in `PERMACACHE_DIR`, else in the per-user cache directory of the platform. */
export const defaultCache: DefaultCache = {
  permacache: createPermacache(defaultHome),
  configure(options) {
    defaultHome.configure(checkOptions("defaultCache.configure()", options as SharedSettings, "cache"));
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

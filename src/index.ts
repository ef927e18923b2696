export { createCache, defaultCache, fileStore, permacache, tempCache } from "./cache/cache.js";
export type { Cache, CacheStats, DefaultCache, OpenPath, PathEntry, PathSummary, Verified } from "./cache/interface.js";
export type { Mode } from "./call/modes.js";
export { withMode } from "./call/scopes.js";
export type { Progress } from "./call/settings.js";
export type { Stats } from "./call/stats.js";
export type { Codec } from "./entry/codecs.js";
export type { EntryMeta } from "./entry/entry-meta.js";
export {
  BatchError,
  BindingError,
  CacheMissError,
  OptionError,
  OutFileMissingError,
  PathError,
  PermacacheError,
  SignatureError,
  StoreError,
  UnkeyableValueError,
} from "./errors.js";
export { type CacheEvent, verbose, type WorkProgress } from "./events.js";
export type { AbortSignalLike } from "./flow.js";
export * from "./key/index.js";
export type { AnyAsyncFunction, AnyFunction, CallArguments, Kw } from "./signature/function-types.js";
export { kw } from "./signature/kw.js";
export type { AsyncEngine as AsyncStore, Engine as Store, SyncEngine as SyncStore } from "./stores/engine.js";
export type { Duration, Limits, Size } from "./stores/limits.js";
export { tieredStore } from "./stores/tiered/tiered-store.js";
export type {
  BatchFunction,
  CachedFunction,
  Detail,
  Management,
  Peek,
  Permacache,
} from "./wrap/cached-function-types.js";
export type { CacheOptions, MemoryOptions, Options, Overrides } from "./wrap/options.js";
export { cacheOf } from "./wrap/permacache.js";

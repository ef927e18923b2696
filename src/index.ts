export { createCache, defaultCache, fileStore, permacache, tempCache } from "./cache/cache.js";
export { withMode } from "./call/modes.js";
export type { Codec } from "./entry/codecs.js";
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
export { verbose } from "./events.js";
export * from "./key/index.js";
export { kw } from "./signature/kw.js";
export { tieredStore } from "./stores/tiered/tiered-store.js";
export type {
  AbortSignalLike,
  AnyAsyncFunction,
  AnyFunction,
  AsyncStore,
  BatchFunction,
  Cache,
  CachedFunction,
  CacheEvent,
  CacheOptions,
  CacheStats,
  CallArguments,
  DefaultCache,
  Detail,
  Duration,
  EntryMeta,
  Kw,
  Limits,
  Management,
  MemoryOptions,
  Mode,
  OpenPath,
  Options,
  Overrides,
  PathEntry,
  PathSummary,
  Peek,
  Permacache,
  Progress,
  Size,
  Stats,
  Store,
  SyncStore,
  Verified,
  WorkProgress,
} from "./types.js";
export { cacheOf } from "./wrap/permacache.js";

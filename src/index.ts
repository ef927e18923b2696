export { createCache, defaultCache, permacache, tempCache } from "./cache.js";
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
export { withMode } from "./modes.js";
export { cacheOf } from "./permacache.js";
export { kw } from "./signature/kw.js";
export type {
  AnyAsyncFunction,
  AnyFunction,
  Cache,
  CachedFunction,
  CacheEvent,
  CacheOptions,
  CallArguments,
  DefaultCache,
  Detail,
  Duration,
  EntryMeta,
  Kw,
  Limits,
  Management,
  Mode,
  Options,
  Overrides,
  Peek,
  Permacache,
  Size,
  Stats,
} from "./types.js";

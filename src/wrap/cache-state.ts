import envPaths from "env-paths"; // 2: later versions load `node:process` as a module, which takes 3 ms
import { addStats, newStats, type Stats } from "../call/stats.js";
import type { Identity } from "../entry/identity.js";
import { Seal } from "../entry/seal.js";
import { OWN, type Trust } from "../entry/trust.js";
import { OptionError } from "../errors.js";
import { inheritingNothing } from "../key/originals.js";
import type { Engine } from "../stores/engine.js";
import { FileEngine, type FileEngineOptions } from "../stores/file/file-engine.js";
import type { Folder } from "../stores/folder.js";
import type { RetentionLimits } from "../stores/limits.js";
import { MemoryTier } from "../stores/memory/memory-tier.js";
import { Store } from "../stores/store.js";
import { absolute } from "./option-rules.js";
import { type CacheSettings, OPTIONS } from "./options.js";
import { DEFAULTS, limitsIn } from "./settings.js";

/** What functions take over from their cache. */
type Defaults = Omit<CacheSettings, "secret" | "store" | "memory">;

/** Where the functions of a cache have their entries and their defaults. Fixed from its first use on. */
export class CacheState {
  /** The sources of the functions wrapped so far, by identity: two different ones are a mistake. */
  readonly sources = new Map<string, string>();
  /** Of all that `cache.call` does: it wraps anew each time. */
  readonly statsOfCalls = newStats();
  readonly #stats = new Set<Stats>();
  readonly #collected = new FinalizationRegistry<Stats>((stats) => {
    this.#stats.delete(stats);
    addStats(this.statsOfCalls, stats);
  });
  readonly #warned = new Map<string, Set<string>>();
  #settings: Defaults = inheritingNothing({});
  #given: Engine | undefined;
  #memory: MemoryTier | undefined;
  #trust = OWN;
  #isUsed = false;

  readonly #assertUsable: (() => void) | undefined;

  /** @param assertUsable throws a StoreError where the directory is not to be trusted */
  constructor(settings: CacheSettings, assertUsable?: () => void) {
    this.#set(settings);
    this.#assertUsable = assertUsable;
  }

  /** @throws OptionError after the first use */
  configure(settings: CacheSettings): void {
    if (this.#isUsed) {
      throw new OptionError(
        "defaultCache.configure(): the default cache is in use already. Configure it before the first call of a cached function.",
      );
    }
    this.#set(settings);
  }

  /** The secret goes no further than into its seal. @throws OptionError where there are a store and a directory */
  #set(given: CacheSettings): void {
    const { secret, store = this.#given, memory: held, ...settings } = inheritingNothing(given);
    const all = inheritingNothing<Defaults>(this.#settings, settings);
    if (store && all.dir !== undefined) {
      throw new OptionError(
        `The options "dir" and "store" exclude each other: the store is in ${store.location}. Leave one of them out.`,
      );
    }
    const memory = held ? new MemoryTier(held.maxBytes, held.trust) : this.#memory;
    if (store) memory?.assertFor(store);
    this.#settings = all;
    this.#given = store;
    this.#memory = memory;
    const seal = secret === undefined ? this.#trust.seal : new Seal(secret);
    this.#trust = { seal, isOpen: (this.#isShared || store?.isRemote === true) && !seal };
  }

  /** The store that the cache was given; it may still be given one, if it is the default cache. */
  get given(): Engine | undefined {
    return this.#given;
  }

  get settings(): Defaults {
    this.#isUsed = true;
    return this.#settings;
  }

  get trust(): Trust {
    this.#isUsed = true;
    return this.#trust;
  }

  get #isShared(): boolean {
    return this.#settings.shared ?? DEFAULTS.shared;
  }

  /** The warnings given for an identity, however often functions are wrapped under it. */
  warned(identity: string): Set<string> {
    const warned = this.#warned.get(identity) ?? new Set();
    this.#warned.set(identity, warned);
    return warned;
  }

  /**
   * The store in a directory, by default that of the cache. Makes nothing.
   * @throws OptionError where the cache was given a store, which has a place of its own
   */
  store(dir?: string): Store {
    return Store.over(this.#engine(dir));
  }

  #engine(dir: string | undefined): Engine {
    const engine = this.#given ? this.#ofGiven(this.#given, dir) : this.#inDirectory(dir);
    return this.#memory?.over(engine) ?? engine;
  }

  #inDirectory(dir: string | undefined): Engine {
    return fileEngineIn(dir ?? this.settings.dir, {
      isShared: this.#isShared,
      assertUsable: dir === undefined ? this.#assertUsable : undefined,
    });
  }

  #ofGiven(engine: Engine, dir: string | undefined): Engine {
    this.#isUsed = true;
    if (dir === undefined) return engine;
    throw new OptionError(
      `The cache has a store, which is in ${engine.location}, so a call has no "dir" (${dir}). Leave that out, or take a cache without "store".`,
    );
  }

  /**
   * The entries of a function in a directory, by default where those of the cache are. Makes nothing.
   * @param async whether the function can wait for them
   */
  folder(identity: Identity, dir: string | undefined, async: boolean): Folder {
    const engine = this.#engine(dir);
    return Store.over((async ? undefined : engine.forSync) ?? engine).folder(identity);
  }

  /** Those of the cache; functions may have others. */
  get limits(): RetentionLimits {
    return limitsIn(this.settings);
  }

  /** Has a function counted in the stats of the cache, for good: also what it did before it was collected. */
  count(plan: { readonly stats: Stats }): void {
    this.#stats.add(plan.stats);
    this.#collected.register(plan, plan.stats);
  }

  /** Of all functions of the cache together. */
  stats(): Stats {
    const all = newStats();
    for (const each of [this.statsOfCalls, ...this.#stats]) addStats(all, each);
    return all;
  }
}

/** @param dir by default `PERMACACHE_DIR`, else the per-user cache directory of the platform */
export function fileEngineIn(dir: string | undefined, options: FileEngineOptions = {}): FileEngine {
  return FileEngine.at(dir === undefined ? defaultDirectory() : absolute(dir), options);
}

/** `PERMACACHE_DIR`, else the per-user cache directory of the platform. */
function defaultDirectory(): string {
  const given = OPTIONS.dir.environment() ?? envPaths("permacache", { suffix: "" }).cache;
  const place = defaults.get(given) ?? absolute(given);
  defaults.set(given, place);
  return place;
}

/** By what the environment says: a relative path means the place that it meant when it was first used. */
const defaults = new Map<string, string>();

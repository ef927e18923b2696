import { homedir } from "node:os";
import { join } from "node:path";
import envPaths from "env-paths";
import { Seal } from "./entry/seal.js";
import { OptionError } from "./errors.js";
import type { Identity } from "./identity.js";
import { type CacheSettings, checkLimits, type SharedSettings } from "./options.js";
import type { RetentionLimits } from "./retention.js";
import { FileStore } from "./stores/file-store.js";
import type { Folder, Store } from "./stores/store.js";
import { OWN, type Trust } from "./trust.js";
import type { Stats } from "./types.js";

/** Where the functions of a cache have their entries and their defaults. Fixed from its first use on. */
export class Home {
  /** The sources of the functions wrapped so far, by identity: two different ones are a mistake. */
  readonly sources = new Map<string, string>();
  /** Of all that `cache.call` does: it wraps anew each time. */
  readonly statsOfCalls = newStats();
  readonly #stats = new Set<Stats>();
  readonly #collected = new FinalizationRegistry<Stats>((stats) => {
    this.#stats.delete(stats);
    add(this.statsOfCalls, stats);
  });
  readonly #warned = new Map<string, Set<string>>();
  #settings: SharedSettings = {};
  #isShared = false;
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

  /** The secret goes no further than into its seal. */
  #set({ secret, shared = this.#isShared, ...settings }: CacheSettings): void {
    this.#settings = { ...this.#settings, ...settings };
    this.#isShared = shared;
    const seal = secret === undefined ? this.#trust.seal : new Seal([secret].flat());
    this.#trust = { seal, isOpen: shared && !seal };
  }

  get settings(): SharedSettings {
    this.#isUsed = true;
    return this.#settings;
  }

  get trust(): Trust {
    this.#isUsed = true;
    return this.#trust;
  }

  /** The warnings given for an identity, however often functions are wrapped under it. */
  warned(identity: string): Set<string> {
    const warned = this.#warned.get(identity) ?? new Set();
    this.#warned.set(identity, warned);
    return warned;
  }

  /** The store in a directory, by default in that of the cache. Makes nothing. */
  store(dir?: string): Store {
    const directory = dir ?? (this.settings.dir as string | undefined) ?? defaultDirectory();
    return FileStore.at(expand(directory), {
      isShared: this.#isShared,
      assertUsable: dir === undefined ? this.#assertUsable : undefined,
    });
  }

  /** The entries of a function in a directory, by default in that of the cache. Makes nothing. */
  folder(identity: Identity, dir?: string): Folder {
    return this.store(dir).folder(identity);
  }

  /** Those of the cache; functions may have others. */
  get limits(): RetentionLimits {
    const { maxAge, maxIdle, maxEntries, maxBytes } = this.settings;
    return checkLimits("limits", { maxAge, maxIdle, maxEntries, maxBytes });
  }

  /** Has a function counted in the stats of the cache, for good: also what it did before it was collected. */
  count(plan: { readonly stats: Stats }): void {
    this.#stats.add(plan.stats);
    this.#collected.register(plan, plan.stats);
  }

  /** Of all functions of the cache together. */
  stats(): Stats {
    const all = newStats();
    for (const each of [this.statsOfCalls, ...this.#stats]) add(all, each);
    return all;
  }
}

export function newStats(): Stats {
  return { hits: 0, misses: 0, stores: 0, errors: 0, waited: 0, timeSaved: 0 };
}

function add(to: Stats, more: Stats): void {
  for (const name of Object.keys(to) as (keyof Stats)[]) to[name] += more[name];
}

/** `PERMACACHE_DIR`, else the per-user cache directory of the platform. */
function defaultDirectory(): string {
  const given = process.env.PERMACACHE_DIR;
  return given || envPaths("permacache", { suffix: "" }).cache;
}

/** `~` is the home directory, as in a shell. */
function expand(dir: string): string {
  return /^~(?=$|[\\/])/.test(dir) ? join(homedir(), dir.slice(1)) : dir;
}

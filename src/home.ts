import { homedir } from "node:os";
import { join } from "node:path";
import envPaths from "env-paths";
import { OptionError } from "./errors.js";
import type { Identity } from "./identity.js";
import type { SharedSettings } from "./options.js";
import { FileStore } from "./stores/file-store.js";
import type { Folder } from "./stores/store.js";

/** Where the functions of a cache have their entries and their defaults. Fixed from its first use on. */
export class Home {
  /** The sources of the functions wrapped so far, by identity: two different ones are a mistake. */
  readonly sources = new Map<string, string>();
  readonly #warned = new Map<string, Set<string>>();
  #settings: SharedSettings;
  #isUsed = false;

  readonly #assertUsable: (() => void) | undefined;

  /** @param assertUsable throws a StoreError where the directory is not to be trusted */
  constructor(settings: SharedSettings, assertUsable?: () => void) {
    this.#settings = settings;
    this.#assertUsable = assertUsable;
  }

  /** @throws OptionError after the first use */
  configure(settings: SharedSettings): void {
    if (this.#isUsed) {
      throw new OptionError(
        "defaultCache.configure(): the default cache is in use already. Configure it before the first call of a cached function.",
      );
    }
    this.#settings = { ...this.#settings, ...settings };
  }

  get settings(): SharedSettings {
    this.#isUsed = true;
    return this.#settings;
  }

  /** The warnings given for an identity, however often functions are wrapped under it. */
  warned(identity: string): Set<string> {
    const warned = this.#warned.get(identity) ?? new Set();
    this.#warned.set(identity, warned);
    return warned;
  }

  /** The entries of a function in a directory, by default in that of the cache. Makes nothing. */
  folder(identity: Identity, dir?: string): Folder {
    const directory = dir ?? (this.settings.dir as string | undefined) ?? defaultDirectory();
    return FileStore.at(expand(directory), dir === undefined ? this.#assertUsable : undefined).folder(identity);
  }
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

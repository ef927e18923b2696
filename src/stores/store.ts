import { folderNames, type Identity, identityText, isEntriesFolder, isPath, pathOfFolder } from "../entry/identity.js";
import type { WorkProgress } from "../events.js";
import { yieldToEventLoop } from "../flow.js";
import type { Engine, Evicted } from "./engine.js";
import { assertKeepsLimits, stepsOf } from "./evict.js";
import { Folder } from "./folder.js";
import { hasLimits, type RetentionLimits } from "./limits.js";
import { newTemporary } from "./temporary.js";

/** A folder, as it was found in the store. */
export interface StoredFolder {
  readonly path: string;
  /** The last of the `folderNames` of its identity. */
  readonly name: string;
  readonly folder: Folder;
}

/**
 * The store of a cache: an engine, and what all engines have in common. There is one object for each engine, and one
 * folder object for each identity: computations that run at the same time find each other by it.
 */
export class Store {
  static readonly #stores = new WeakMap<Engine, Store>();

  static over(engine: Engine): Store {
    let store = Store.#stores.get(engine);
    if (!store) {
      store = new Store(engine);
      Store.#stores.set(engine, store);
    }
    return store;
  }

  readonly engine: Engine;
  readonly #byIdentity = new Map<string, Folder>();
  readonly #byName = new Map<string, Folder>();

  private constructor(engine: Engine) {
    this.engine = engine;
  }

  /** Where it is, for messages: without passwords. */
  get directory(): string {
    return this.engine.location;
  }

  /** How keys are locked, for people. Costs some milliseconds the first time. */
  get lock(): string {
    return this.engine.locks?.kind ?? "none";
  }

  /** @throws OptionError for limits that the engine does not keep */
  assertLimits(limits: RetentionLimits): void {
    assertKeepsLimits(this.engine, limits);
  }

  /** The entries of one function; always the same object for one identity. Makes nothing. */
  folder(identity: Identity): Folder {
    const text = identityText(identity);
    let folder = this.#byIdentity.get(text);
    if (!folder) {
      folder = this.named(folderNames(identity).join("/"));
      this.#byIdentity.set(text, folder);
    }
    return folder;
  }

  /** The same by the name of the folder, which is all that a listing tells. */
  named(name: string): Folder {
    let folder = this.#byName.get(name);
    if (!folder) {
      folder = new Folder(this.engine, name);
      this.#byName.set(name, folder);
    }
    return folder;
  }

  /** The folders that are there, of a path or of all: in the order of the paths, those of one path one after the other. Makes nothing. */
  async *folders(path?: string): AsyncGenerator<StoredFolder, void> {
    const { listing } = this.engine;
    if (!listing) return;
    const parent = path === undefined ? undefined : folderNames({ path }).slice(0, -1).join("/");
    const found: { readonly path: string; readonly name: string; readonly folder: string }[] = [];
    for await (const folder of listing.folders(parent)) {
      const at = folder.lastIndexOf("/");
      const name = folder.slice(at + 1);
      const own = pathOfFolder(folder.slice(0, Math.max(at, 0)));
      const isOurs = isEntriesFolder(name) && isPath(own) && (path === undefined || own === path);
      if (isOurs) found.push({ path: own, name, folder });
    }
    found.sort((a, b) => compare(a.path, b.path) || compare(a.name, b.name));
    for (const { path: own, name, folder } of found) {
      yield { path: own, name, folder: this.named(folder) };
      await yieldToEventLoop();
    }
  }

  /** Removes the entries beyond the limits, of all paths. @param onProgress told before the first and after each */
  async prune(limits: RetentionLimits, onProgress?: (progress: WorkProgress) => void): Promise<Evicted[]> {
    const gone: Evicted[] = [];
    let [done, total, turned] = [0, 0, 0];
    if (hasLimits(limits)) {
      this.assertLimits(limits);
      for await (const step of stepsOf(this.engine, limits, undefined, undefined)) {
        total = Math.max(done + step.gone.length, step.total);
        if (done === 0) onProgress?.({ done, total });
        for (const each of step.gone) {
          gone.push(each);
          onProgress?.({ done: ++done, total });
        }
        if (done - turned < AT_ONCE) continue;
        turned = done;
        await yieldToEventLoop();
      }
    }
    if (done === 0) onProgress?.({ done, total: 0 });
    return gone;
  }

  /** A path for a new temporary file: near the contents of out files where the engine has a place for that. */
  temporary(): string {
    return this.engine.contents?.temporary?.() ?? newTemporary();
  }

  async close(): Promise<void> {
    await this.engine.close();
  }
}

/** Entries removed before other code has its turn. */
const AT_ONCE = 64;

function compare(a: string, b: string): number {
  return a === b ? 0 : a < b ? -1 : 1;
}

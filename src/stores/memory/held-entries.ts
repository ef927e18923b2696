import { createRequire } from "node:module";
import type { LRUCache } from "lru-cache";
import type { EntryStamp } from "../engine.js";

/** The memory itself: entries by name, so many bytes of them; the least recently used go first. */
export class HeldEntries {
  readonly #maxBytes: number;
  #entries: LRUCache<string, HeldEntry> | undefined;
  #folders = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** For the names of the entries of one folder. */
  newPrefix(): string {
    return `${this.#folders++} `;
  }

  get(name: string): HeldEntry | undefined {
    return this.#entries?.get(name);
  }

  /** Room for most of them matters more than a single one: what takes more than a quarter is not held. */
  takes(size: number): boolean {
    return size <= this.#maxBytes / 4;
  }

  set(name: string, entry: HeldEntry): void {
    this.#entries ??= newEntries(this.#maxBytes);
    this.#entries.set(name, entry);
  }

  drop(name: string): void {
    this.#entries?.delete(name);
  }

  dropAll(prefix: string): void {
    for (const name of this.#entries?.keys() ?? []) if (name.startsWith(prefix)) this.drop(name);
  }
}

export interface HeldEntry {
  readonly bytes: Buffer;
  /** Of the entry when it was read; `undefined` where that cannot be relied on. */
  readonly stamp: EntryStamp | undefined;
  /** When the engine was last asked about it, by `performance.now()`. */
  seenAt: number;
}

function newEntries(maxBytes: number): LRUCache<string, HeldEntry> {
  // Loaded by the first entry: programs without this option do without.
  const { LRUCache: Lru } = createRequire(import.meta.url)("lru-cache") as typeof import("lru-cache");
  return new Lru({ maxSize: maxBytes, sizeCalculation: ({ bytes }) => Math.max(bytes.length, 1) });
}

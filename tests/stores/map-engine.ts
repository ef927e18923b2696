import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { transformSync } from "esbuild";
import type { AsyncEngine, Each, Engine, SyncEngine } from "../../src/stores/engine.js";
import { newDirectory } from "../files/directory.js";

/** The complete engine of docs/engines.md, as it stands there. */
export function engineOfPage(): string {
  const [, code] = /^```ts engine\n([\s\S]*?)^```$/m.exec(readFileSync("docs/engines.md", "utf8")) ?? [];
  if (code === undefined) throw new Error("docs/engines.md has no complete engine.");
  return code;
}

const file = join(newDirectory(), "map-engine.mjs");
writeFileSync(file, transformSync(engineOfPage(), { loader: "ts", format: "esm" }).code);

export const { mapEngine } = (await import(pathToFileURL(file).href)) as { readonly mapEngine: () => SyncEngine };

/** The same engine for async callers alone: whatever may be a promise is one. */
export function asyncOf(engine: Engine): AsyncEngine {
  const { listing, locks, contents, usage, pieces } = engine;
  return {
    ...engine,
    sync: false,
    read: async (...args) => engine.read(...args),
    mark: async (folder) => engine.mark(folder),
    publish: async (...args) => engine.publish(...args),
    remove: async (...args) => engine.remove(...args),
    clear: async (...args) => engine.clear(...args),
    close: async () => engine.close(),
    listing: listing && {
      folders: (parent) => oneByOne(listing.folders(parent)),
      async *list(folder, isRead) {
        for await (const group of listing.list(folder, isRead)) {
          yield group.map((listed) => {
            const bytes = isRead ? listed.read() : undefined; // sent with the list
            const stat = listed.stat();
            return { ...listed, read: () => bytes, stat: () => stat, remove: async () => listed.remove() };
          });
        }
      },
    },
    locks: locks && { ...locks, tryLock: async (...args) => locks.tryLock(...args) },
    contents: contents && {
      ...contents,
      keep: async (...args) => contents.keep(...args),
      path: async (...args) => contents.path(...args),
      drop: async (...args) => contents.drop(...args),
      list: (folder) => oneByOne(contents.list(folder)),
    },
    usage: usage && { ...usage, evict: (...args) => oneByOne(usage.evict(...args)) },
    pieces: pieces && { read: async (...args) => pieces.read(...args) },
  };
}

async function* oneByOne<T>(items: Each<T>): AsyncGenerator<T, void, undefined> {
  for await (const each of items) {
    await null;
    yield each;
  }
}

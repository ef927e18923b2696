import { createHash, randomUUID } from "node:crypto";
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { StoreError } from "../../src/errors.js";
import type { Contents, Engine, Evicting, KeptContent, Listed, SeenFile, Usage } from "../../src/stores/engine.js";
import { beyondLimits } from "../../src/stores/limits.js";
import { mapEngine } from "./map-engine.js";

/** The engine of docs/engines.md with every capability there is, each the simplest that does. */
export function fullEngine(): Engine & { removeFiles(): void } {
  const engine = mapEngine();
  const uses = usesOf(engine);
  const { contents, reopen, dropAll, removeFiles } = contentsOf(engine);
  const versions = new Map<string, number>();
  let version = 0;
  const nameOf = (folder: string, digest: string) => `${folder}/${digest}`;

  function forget(folder: string, digest: string): void {
    uses.forget(nameOf(folder, digest));
    contents.drop(folder, digest, []);
  }

  const remove: Engine["remove"] = (folder, entry) => {
    const removed = engine.remove(folder, entry);
    if (removed) forget(folder, entry.digest);
    return removed;
  };

  return {
    ...engine,
    removeFiles,
    mark(folder) {
      reopen(folder);
      return engine.mark(folder);
    },
    publish(folder, entry, parts, publishing) {
      const published = engine.publish(folder, entry, parts, publishing) as boolean;
      if (!published) return false;
      uses.forget(nameOf(folder, entry.digest));
      versions.set(nameOf(folder, entry.digest), ++version);
      return true;
    },
    remove,
    clear(folder, mayWait) {
      dropAll(folder);
      return engine.clear(folder, mayWait);
    },
    listing: {
      ...engine.listing!,
      strays: () => [],
      *list(folder, isRead) {
        for (const group of engine.listing!.list(folder, isRead) as Iterable<readonly Listed[]>) {
          yield group.map((listed) => ({ ...listed, remove: () => void remove(folder, listed) }));
        }
      },
    },
    contents,
    usage: uses.usage((folder, digest) => void remove(folder, { digest })),
    stamps: {
      of(folder, { digest }) {
        if (engine.read(folder, { digest }, false) === undefined) return undefined;
        const own = { version: versions.get(nameOf(folder, digest))! };
        return {
          ...own,
          isReliable: () => true,
          isSame: (other) => (other as typeof own & typeof other).version === own.version,
        };
      },
    },
    pieces: {
      read(folder, entry, cut, mayWait) {
        const bytes = engine.read(folder, entry, mayWait) as Uint8Array | undefined;
        if (!bytes) return undefined;
        const lengths = cut(bytes.subarray(0, 1024), bytes.length);
        if (lengths.length === 1) return bytes;
        let start = 0;
        return lengths.map((length) => {
          start += length;
          return Uint8Array.from(bytes.subarray(start - length, start));
        });
      },
    },
  };
}

/** Uses, in memory. Every eviction looks at all entries. */
function usesOf({ listing }: Engine) {
  const used = new Map<string, number>();

  function* itemsIn(parent: string | undefined) {
    for (const folder of listing!.folders() as Iterable<string>) {
      const own = folder.slice(0, folder.lastIndexOf("/"));
      if (parent !== undefined && own !== parent) continue;
      for (const { digest, stat } of [...(listing!.list(folder, false) as Iterable<readonly Listed[]>)].flat()) {
        const { bytes, writtenAt } = stat()!;
        const usedAt = used.get(`${folder}/${digest}`) ?? writtenAt;
        yield { path: own, folder, digest, bytes, createdAt: writtenAt, usedAt };
      }
    }
  }

  const usage = (remove: (folder: string, digest: string) => void): Usage => ({
    use(folder, { digest }) {
      for (const each of itemsIn(folder.slice(0, folder.lastIndexOf("/")))) {
        if (each.folder === folder && each.digest === digest) used.set(`${folder}/${digest}`, Date.now());
      }
    },
    usedAt: (folder, { digest }) => used.get(`${folder}/${digest}`),
    *evict(limits, parent): Generator<Evicting, void> {
      const beyond = beyondLimits([...itemsIn(parent)], limits, Date.now());
      for (const [{ path, folder, digest }, limit] of beyond) {
        const isUnused = !used.has(`${folder}/${digest}`);
        remove(folder, digest);
        yield { total: beyond.size, gone: [{ path, limit, isUnused }] };
      }
    },
  });
  return { usage, forget: (name: string) => void used.delete(name) };
}

/** Contents as files in a directory: of each the digests of the entries that use it. */
function contentsOf(engine: Engine) {
  const directory = join(tmpdir(), `permacache-test-${randomUUID()}`);
  /** By folder, then by SHA-256. */
  const kept = new Map<string, Map<string, Set<string>>>();
  const cleared = new Set<string>();
  const fileOf = (folder: string, sha256: string) => join(directory, folder.replaceAll("/", "+"), sha256);

  function read(file: string): Buffer | undefined {
    return statSync(file, { throwIfNoEntry: false }) && readFileSync(file);
  }

  function remove(folder: string, sha256: string): void {
    kept.get(folder)?.delete(sha256);
    rmSync(fileOf(folder, sha256), { force: true });
  }

  function keptContent(folder: string, sha256: string): KeptContent {
    const file = fileOf(folder, sha256);
    return {
      location: file,
      size: () => read(file)?.length,
      isWhole: async () => {
        const content = read(file);
        return content && createHash("sha256").update(content).digest("hex") === sha256;
      },
      remove: () => remove(folder, sha256),
    };
  }

  const contents: Contents = {
    keep(folder, digest, { path, sha256, stamp }: SeenFile) {
      if (!(engine.listing!.folders() as string[]).includes(folder) || cleared.has(folder)) return false;
      const now = statSync(path, { bigint: true });
      if (String(now.mtimeNs) !== stamp.mtime || Number(now.size) !== stamp.size)
        throw new StoreError(`${path} changed`);
      const file = fileOf(folder, sha256);
      mkdirSync(join(file, ".."), { recursive: true });
      writeFileSync(file, readFileSync(path));
      const ofFolder = kept.get(folder) ?? new Map<string, Set<string>>();
      kept.set(folder, ofFolder);
      ofFolder.set(sha256, (ofFolder.get(sha256) ?? new Set<string>()).add(digest));
      return true;
    },
    path(folder, digest, sha256) {
      return kept.get(folder)?.get(sha256)?.has(digest) ? fileOf(folder, sha256) : join(directory, "none");
    },
    drop(folder, digest, except) {
      for (const [sha256, users] of kept.get(folder) ?? []) {
        if (except.includes(sha256)) continue;
        users.delete(digest);
        if (users.size === 0) remove(folder, sha256);
      }
    },
    temporary: () => join(tmpdir(), `permacache-test-${randomUUID()}`),
    list: (folder) => [[...(kept.get(folder)?.keys() ?? [])].map((sha256) => keptContent(folder, sha256))],
  };
  return {
    contents,
    reopen: (folder: string) => void cleared.delete(folder),
    dropAll(folder: string) {
      for (const sha256 of [...(kept.get(folder)?.keys() ?? [])]) remove(folder, sha256);
      cleared.add(folder);
    },
    removeFiles: () => rmSync(directory, { recursive: true, force: true }),
  };
}

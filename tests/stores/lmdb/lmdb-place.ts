import { join } from "node:path";
import type { Identity } from "../../../src/entry/identity.js";
import { run } from "../../../src/flow.js";
import type { Evicted, Listed } from "../../../src/stores/engine.js";
import type { Folder } from "../../../src/stores/folder.js";
import type { RetentionLimits, SizeLimits } from "../../../src/stores/limits.js";
import { lmdbStore } from "../../../src/stores/lmdb/lmdb-store.js";
import { Store } from "../../../src/stores/store.js";

export const A: Identity = { path: "a/b" };

export function storeAt(path: string): Store {
  return Store.over(lmdbStore({ path }));
}

export function folderAt(path: string): Folder {
  return storeAt(path).folder(A);
}

export function dataOf(path: string): string {
  return join(path, "=1/data.mdb");
}

export function digestOf(n: number): string {
  return n
    .toString(16)
    .padStart(2, "0")
    .padEnd(40, "0123456789abcdef"[n % 16]);
}

// LMDB never waits: what it gives is no promise.

const HOW = { isCurrent: () => true, mayWait: false, isDurable: false };

export function markOf(folder: Folder): string {
  return folder.mark() as string;
}

export function put(folder: Folder, digest: string, content: string | Buffer, mark = markOf(folder)): boolean {
  return folder.publish({ digest }, [Buffer.from(content)], { ...HOW, mark }) as boolean;
}

export function putDurably(folder: Folder, digest: string, content: string): boolean {
  const how = { ...HOW, isDurable: true, mark: markOf(folder) };
  return folder.publish({ digest }, [Buffer.from(content)], how) as boolean;
}

export function textOf(folder: Folder, digest: string): string | undefined {
  return (folder.read({ digest }, false) as Buffer | undefined)?.toString();
}

export function listOf(folder: Folder): Map<string, string> {
  return new Map(listedIn(folder).map((listed) => [listed.digest, String(listed.read())]));
}

export function digestsIn(folder: Folder): string[] {
  return listedIn(folder).map(({ digest }) => digest);
}

function listedIn(folder: Folder): Listed[] {
  return [...(folder.list() as Iterable<readonly Listed[]>)].flat();
}

/** As after a write. */
export function retain(folder: Folder, own: RetentionLimits, whole: SizeLimits = {}): Evicted[] {
  return run(folder.evict(own, whole, 1)) as Evicted[];
}

/** A module that has a folder at hand, and ways to fill it. */
export function program(path: string, code: string): string[] {
  const [store, port, flow] = ["stores/lmdb/lmdb-store.ts", "stores/store.ts", "flow.ts"].map((name) =>
    JSON.stringify(new URL(`../../../src/${name}`, import.meta.url).href),
  );
  const source = `
    import { lmdbStore } from ${store};
    import { Store } from ${port};
    import { run } from ${flow};
    const store = lmdbStore({ path: ${JSON.stringify(path)} });
    const folder = Store.over(store).folder(${JSON.stringify(A)});
    const put = (digest, content, isDurable = false) => folder.publish({ digest }, [Buffer.from(content)], { mark: folder.mark(), isCurrent: () => true, mayWait: false, isDurable });
    const read = (digest) => folder.read({ digest }, false);
    const remove = (digest) => folder.remove({ digest });
    const use = (digest) => folder.use({ digest });
    const retain = (own) => run(folder.evict(own, {}, 1));
    ${code}
  `;
  return ["--import=tsx", "--input-type=module", "-e", source];
}

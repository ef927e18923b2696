import { join } from "node:path";
import type { Identity } from "../../../src/entry/identity.js";
import { lmdbStore } from "../../../src/stores/lmdb/lmdb-store.js";
import type { Folder, Store } from "../../../src/stores/store.js";

export const A: Identity = { path: "a/b" };

/** With what the package does not tell its users. */
export function storeAt(path: string): Store {
  return lmdbStore({ path }) as unknown as Store;
}

export function folderAt(path: string): Folder {
  return storeAt(path).folder(A);
}

export function dataOf(path: string): string {
  return join(path, "=1/data.mdb");
}

/** A module that has a folder at hand, and ways to fill it. */
export function program(path: string, code: string): string[] {
  const [store, flow] = ["stores/lmdb/lmdb-store.ts", "flow.ts"].map((name) =>
    JSON.stringify(new URL(`../../../src/${name}`, import.meta.url).href),
  );
  const source = `
    import { lmdbStore } from ${store};
    import { run } from ${flow};
    const store = lmdbStore({ path: ${JSON.stringify(path)} });
    const folder = store.folder(${JSON.stringify(A)});
    const put = (digest, content, isDurable = false) => run(folder.publish(digest, [Buffer.from(content)], folder.mark(), { isCurrent: () => true, async: false, isDurable }));
    ${code}
  `;
  return ["--import=tsx", "--input-type=module", "-e", source];
}

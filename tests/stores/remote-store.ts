import { type Flow, turn } from "../../src/flow.js";
import type { Folder, Listed, Store } from "../../src/stores/store.js";

/** What is listed was read for that. */
function withBytes(item: Listed) {
  const bytes = item.read?.();
  const own = bytes && Buffer.from(bytes);
  return { ...item, digest: item.digest, read: () => own };
}

/** A store behind promises, which can be switched off, or be kept waiting: as one on another machine. */
export interface Remote {
  readonly store: Store;
  isDown: boolean;
  /** Waited for by each operation. */
  delay: () => Promise<unknown>;
  /** Waited for by what a read has found, on its way back. */
  arrival: () => Promise<unknown>;
  /** Names of the operations so far. */
  readonly asked: string[];
}

const PROMISES = [
  "read",
  "mark",
  "tryLock",
  "tryLockPath",
  "remove",
  "keptFile",
  "dropKept",
  "retain",
  "prune",
  "exists",
];
const FLOWS = ["publish", "keep", "clear"];
const ITEMS = ["list", "sizes", "contents", "folders"];

export function remote(inner: Store): Remote {
  const self: Remote = { store: undefined as never, isDown: false, delay: turn, arrival: turn, asked: [] };
  const folders = new Map<Folder, Folder>();
  async function reached(name: string) {
    self.asked.push(name);
    await self.delay();
    if (self.isDown) throw new Error("connect ECONNREFUSED");
  }
  const over = (folder: Folder) => {
    if (!folders.has(folder)) folders.set(folder, wrap(folder, {}));
    return folders.get(folder)!;
  };
  function wrap<T extends object>(target: T, others: Record<string, unknown>): T {
    return new Proxy(target, {
      get(_, name: string) {
        if (name in others) return others[name];
        const value: any = Reflect.get(target, name, target);
        if (typeof value !== "function") return value;
        if (PROMISES.includes(name))
          return async (...args: unknown[]) => {
            await reached(name);
            const result = await value.apply(target, args);
            if (!Buffer.isBuffer(result)) return result;
            const bytes = Buffer.from(result);
            await self.arrival();
            return bytes;
          };
        if (FLOWS.includes(name))
          return function* (...args: unknown[]): Flow<unknown> {
            yield reached(name);
            return yield* value.apply(target, args);
          };
        if (ITEMS.includes(name))
          return async function* (...args: unknown[]) {
            await reached(name);
            for await (const each of value.apply(target, args))
              yield name === "folders"
                ? { ...each, folder: over(each.folder) }
                : name === "sizes"
                  ? each
                  : each.map(withBytes);
          };
        return value.bind(target);
      },
    });
  }
  const others = {
    sync: false,
    forSync: undefined,
    hasStamps: false,
    directory: "remote",
    folder: (identity: any) => over(inner.folder(identity)),
  };
  return Object.assign(self, { store: wrap(inner, others) });
}

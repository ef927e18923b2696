import { yieldToEventLoop } from "../../src/flow.js";
import type { AsyncEngine, Each, Engine, Listed } from "../../src/stores/engine.js";

/** An engine behind promises, which can be switched off, or be kept waiting: as one on another machine. */
export interface Remote {
  readonly store: AsyncEngine;
  isDown: boolean;
  /** Waited for by each operation. */
  delay: () => Promise<unknown>;
  /** Waited for by what a read has found, on its way back. */
  arrival: () => Promise<unknown>;
  /** Names of the operations so far. */
  readonly asked: string[];
}

export function remote(inner: Engine): Remote {
  const self: Remote = {
    store: undefined as never,
    isDown: false,
    delay: yieldToEventLoop,
    arrival: yieldToEventLoop,
    asked: [],
  };

  async function reached(name: string): Promise<void> {
    self.asked.push(name);
    await self.delay();
    if (self.isDown) throw new Error("connect ECONNREFUSED");
  }

  /** A member of the engine, or of a capability, which gives a promise here. */
  function far<T, N extends string & keyof T>(of: T, name: N): T[N] {
    const member = async (...args: unknown[]) => {
      await reached(name);
      return (of[name] as (...args: unknown[]) => unknown)(...args);
    };
    return member as T[N];
  }

  /** Likewise, for what is given one after the other. */
  function farItems<T, A extends unknown[]>(name: string, items: (...args: A) => Each<T>) {
    return async function* (...args: A): AsyncGenerator<T, void, undefined> {
      await reached(name);
      yield* items(...args);
    };
  }

  const { listing, locks, contents, usage } = inner;
  const store: AsyncEngine = {
    sync: false,
    location: "remote",
    async read(folder, entry, mayWait) {
      await reached("read");
      const bytes = await inner.read(folder, entry, mayWait);
      const own = bytes && Buffer.from(bytes);
      if (own) await self.arrival();
      return own;
    },
    mark: far(inner, "mark"),
    publish: far(inner, "publish"),
    remove: far(inner, "remove"),
    clear: far(inner, "clear"),
    close: () => inner.close(),
    listing: listing && {
      folders: farItems("folders", (parent) => listing.folders(parent)),
      list: farItems("list", (folder: string, isRead: boolean) =>
        mapped(listing.list(folder, isRead), (group) => group.map((each) => withBytes(each, isRead))),
      ),
    },
    locks: locks && {
      get kind() {
        return locks.kind;
      },
      tryLock: far(locks, "tryLock"),
      holder: (name) => locks.holder(name),
    },
    contents: contents && {
      keep: far(contents, "keep"),
      path: far(contents, "path"),
      drop: far(contents, "drop"),
      list: farItems("contents", (folder: string) => contents.list(folder)),
    },
    usage: usage && {
      use: (folder, entry) => usage.use(folder, entry),
      usedAt: (folder, entry) => usage.usedAt(folder, entry),
      evict: farItems("evict", (...args: Parameters<typeof usage.evict>) => usage.evict(...args)),
    },
  };
  return Object.assign(self, { store });
}

/** What is listed was read for that. */
function withBytes(item: Listed, isRead: boolean): Listed {
  const read = isRead ? item.read() : undefined;
  const bytes = read && Buffer.from(read);
  return {
    digest: item.digest,
    location: item.location,
    read: () => bytes,
    stat: () => item.stat(),
    remove: () => item.remove(),
  };
}

async function* mapped<T>(items: Each<T>, map: (item: T) => T): AsyncGenerator<T, void, undefined> {
  for await (const each of items) yield map(each);
}

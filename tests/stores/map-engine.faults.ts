import type {
  Contents,
  Engine,
  EntryStamp,
  Evicting,
  Held,
  KeptContent,
  Listed,
  Listing,
  Locks,
  Pieces,
  Publishing,
  Usage,
} from "../../src/stores/engine.js";
import { asyncOf } from "./map-engine.js";

/** What is wrong with an engine, and the beginning of the names of tests that have to find it. */
type Fault = readonly [fault: string, foundBy: string, broken: (engine: Engine) => Partial<Engine>];

type Groups = readonly (readonly Listed[])[];

const NEWEST = String(Number.MAX_SAFE_INTEGER);
const nothing = () => {};
const always = () => true;

export const faults: readonly Fault[] = [
  // ---- entries ----
  ["reads no more than 64 KiB", "read: ", reading((bytes) => bytes?.subarray(0, 65_536))],
  ["takes an empty entry for none", "read: 0 bytes", reading((bytes) => (bytes?.length ? bytes : undefined))],
  ["is no engine any more when it is closed", "close: ", closing((engine) => forEachFolder(engine, engine.clear))],
  ["shares folders that differ in case", "read: folders", inFolders((folder) => folder.replace("/=a/", "/a/"))],
  ["shares the folders of versions", "read: folders", inFolders((folder) => folder.replace(/=1=v.*/, "=1"))],
  [
    "clears what is inside of a folder",
    "read: folders",
    clearing((engine, folder) => {
      const parent = folder.slice(0, -"=1".length);
      forEachFolder(engine, (each) => each.startsWith(parent) && engine.clear(each, false));
      return 1;
    }),
  ],
  [
    "cuts digests",
    "read: digests",
    (engine) => ({
      read: (folder, entry, ...rest) => engine.read(folder, cut(entry), ...rest),
      publish: (folder, entry, ...rest) => engine.publish(folder, cut(entry), ...rest),
    }),
  ],
  ["reads what was there when it first looked", "read: another engine", rememberingReads],
  ["gives promises to those who cannot wait", "read: 100 ", (engine) => ({ ...asyncOf(engine), sync: true })],
  [
    "stores the first part alone",
    "publish: parts",
    (engine) => ({
      publish: (folder, entry, parts, how) => engine.publish(folder, entry, parts.slice(0, 1), how),
    }),
  ],
  ["keeps the memory of its caller", "publish: 10 bytes belong", keepingMemory],
  [
    "never replaces an entry",
    "publish: a later",
    (engine) => ({
      publish: (folder, entry, ...rest) => isThere(engine, folder, entry) || engine.publish(folder, entry, ...rest),
    }),
  ],
  [
    "publishes though isCurrent() is false",
    "publish: 10 bytes that",
    publishing((how) => ({ ...how, isCurrent: always })),
  ],
  [
    "tells that it stored what it did not store",
    "publish: 10 bytes that",
    (engine) => ({
      publish: (...args) => engine.publish(...args) !== undefined,
    }),
  ],
  ["never asks whether an entry is wanted", "publish: a clear", publishing((how) => ({ ...how, isCurrent: always }))],
  [
    "looks at the mark before it asks",
    "publish: a removal",
    publishing((how) => {
      const isCurrent = how.isCurrent();
      return { ...how, mark: NEWEST, isCurrent: () => isCurrent };
    }),
  ],
  ["removes nothing", "remove: ", (engine) => ({ remove: (folder, entry) => isThere(engine, folder, entry) })],
  [
    "always tells that it removed something",
    "remove: ",
    (engine) => ({
      remove: (...args) => engine.remove(...args) !== undefined,
    }),
  ],
  [
    "can be read after a clear",
    "clear: no read",
    (engine) => ({
      sync: false,
      clear: async (...args) => new Promise(setImmediate).then(() => engine.clear(...args)),
    }),
  ],
  [
    "miscounts what it clears",
    "clear: no read",
    clearing((engine, folder) => Math.min(1, Number(engine.clear(folder, false)))),
  ],

  // ---- marks ----
  ["ignores marks", "mark: one that was taken before a clear", publishing((how) => ({ ...how, mark: NEWEST }))],
  ["ignores removals", "mark: one that was taken before a removal", (engine) => countingIn(engine, { clears: true })],
  ["ignores clears", "mark: one that was taken before a clear", (engine) => countingIn(engine, { removals: true })],
  [
    "takes every change for one of every entry",
    "mark: it holds",
    (engine) => countingIn(engine, { clears: true, removals: true }),
  ],
  ["gives the same mark after a clear", "mark: no clear", () => ({ mark: () => "0" })],
  ["accepts a mark once", "mark: it can be used", acceptingOnce],
  [
    "overlooks each third removal",
    "sequences: ",
    (engine) => {
      let count = 0;
      return {
        remove: (folder, entry) => (++count % 3 === 0 ? isThere(engine, folder, entry) : engine.remove(folder, entry)),
      };
    },
  ],

  // ---- listing ----
  [
    "forgets an entry in its list",
    "listing: ",
    grouping((groups) => groups.map((group) => group.slice(group.length > 1 ? 1 : 0))),
  ],
  ["lists groups in another order", "listing: groups", grouping((groups) => groups.toReversed())],
  ["lists one group of all", "listing: groups", grouping((groups) => [groups.flat()])],
  ["tells no size", "listing: an entry tells", listed((each) => ({ stat: () => ({ ...each.stat()!, bytes: 0 }) }))],
  [
    "tells seconds",
    "listing: an entry tells",
    listed((each) => ({ stat: () => ({ ...each.stat()!, writtenAt: Date.now() / 1000 }) })),
  ],
  ["removes no listed entry", "listing: an entry can be removed", listed(() => ({ remove: nothing }))],
  [
    "fails where a listed entry is gone",
    "listing: entries that go",
    listed((each) => ({ read: () => Buffer.from(each.read()!) })),
  ],
  [
    "finds no folder inside of another",
    "listing: the folders",
    listing(({ folders }) => ({
      folders: () => [...(folders() as Iterable<string>)].filter((folder) => folder.split("/").length < 4),
    })),
  ],
  [
    "finds folders twice",
    "listing: the folders",
    listing(({ folders }) => ({
      folders: () => [...(folders() as Iterable<string>), ...(folders() as Iterable<string>)],
    })),
  ],
  [
    "makes a folder when it is read",
    "listing: a folder is not there",
    (engine) => ({
      read(folder, ...rest) {
        engine.mark(folder);
        return engine.read(folder, ...rest);
      },
    }),
  ],
  [
    "takes entries for strays",
    "listing: entries are no strays",
    listing(({ list }) => ({ strays: (folder) => list(folder, false) })),
  ],
  [
    "lists only for those who can wait",
    "listing: an entry",
    listing((sync) => asyncOf({ listing: sync } as Engine).listing!),
  ],

  // ---- locks ----
  [
    "never locks anybody out",
    "locks: a key is locked once",
    locking(() => ({ tryLock: () => ({ release: nothing }) })),
  ],
  [
    "locks nobody out of a path",
    "locks: a path is locked once",
    locking(({ tryLock }) => ({
      tryLock: (name, makes) => (name.folder === undefined ? { release: nothing } : tryLock(name, makes)),
    })),
  ],
  [
    "never releases",
    "locks: a key is locked once",
    locking(({ tryLock }) => ({
      tryLock: (...args) => tryLock(...args) && { release: nothing },
    })),
  ],
  ["releases the lock of another", "locks: a second release", locking(releasingOthers)],
  [
    "locks a key in all folders",
    "locks: other names",
    locking(({ tryLock }) => ({
      tryLock: ({ digest }, makes) => tryLock({ folder: "", digest }, makes),
    })),
  ],
  ["tells of a holder where there is none", "locks: who holds", locking(() => ({ holder: () => "somebody" }))],
  [
    "locks nobody out who makes nothing",
    "locks: who may make",
    locking(({ tryLock }) => ({
      tryLock: (name, makes) => (makes ? tryLock(name, makes) : { release: nothing }),
    })),
  ],
  ["lets two in at once", "locks: of several", (engine) => ({ sync: false, locks: lettingTwoIn(engine.locks!) })],

  // ---- contents ----
  [
    "keeps what has changed",
    "contents: a file that has changed",
    keeping(({ keep }) => ({
      keep(...args) {
        try {
          return keep(...args);
        } catch {
          return true;
        }
      },
    })),
  ],
  [
    "never drops anything",
    "contents: equal contents",
    (engine) => ({
      remove: (folder, entry) =>
        isThere(engine, folder, entry) && engine.publish(folder, entry, [], wanted("-1")) === false,
    }),
  ],
  [
    "drops what it is told to leave",
    "contents: drop",
    keeping(({ drop }) => ({ drop: (folder, digest) => drop(folder, digest, []) })),
  ],
  [
    "lists a content twice",
    "contents: equal contents",
    keeping(({ list }) => ({
      list: (folder) => [...(list(folder) as KeptContent[][]), ...(list(folder) as KeptContent[][])],
    })),
  ],
  ["takes a damaged content for whole", "contents: damage", kept(() => ({ isWhole: async () => true }))],
  ["removes no content", "contents: a content can be removed", kept(() => ({ remove: nothing }))],
  [
    "keeps contents in a cleared folder",
    "contents: nothing is kept",
    (engine) => ({
      contents: {
        ...engine.contents!,
        keep: (folder, ...rest) => engine.mark(folder) !== "" && engine.contents!.keep(folder, ...rest),
      },
    }),
  ],
  ["gives one temporary path to all", "contents: a temporary", keeping(() => ({ temporary: () => "one" }))],

  // ---- usage ----
  ["forgets uses", "usage: the least recently used", using(() => ({ use: nothing }))],
  ["does not tell uses", "usage: a use is remembered", using(() => ({ usedAt: () => undefined }))],
  ["evicts nothing", "usage: entries go until", using(() => ({ evict: () => [] }))],
  [
    "tells of what it did not evict",
    "usage: entries go until",
    using(() => ({
      evict: () => [{ total: 1, gone: [{ path: "contract/a", limit: "maxBytes", isUnused: true }] }],
    })),
  ],
  [
    "counts all paths together",
    "usage: a parent",
    using(({ evict }) => ({ evict: (limits) => evict(limits, undefined, true) })),
  ],
  [
    "takes the age for the last use",
    "usage: entries that were not used",
    using(({ evict }) => ({
      evict: ({ maxIdle, ...limits }, ...rest) => evict({ maxAge: maxIdle, ...limits }, ...rest),
    })),
  ],
  [
    "does one step of each eviction",
    "usage: entries go until",
    using(({ evict }) => ({
      evict: (...args) => [...(evict(...args) as Iterable<Evicting>)].slice(0, 1),
    })),
  ],

  // ---- stamps and pieces ----
  [
    "stamps all entries alike",
    "stamps: a reliable stamp",
    () => ({ stamps: { of: () => ({ isReliable: always, isSame: always }) } }),
  ],
  [
    "stamps an entry anew each time",
    "stamps: an entry that stays",
    stamping((stamp) => ({ ...stamp, isSame: () => false })),
  ],
  [
    "has no reliable stamp",
    "stamps: an entry that stays",
    stamping((stamp) => ({ ...stamp, isReliable: () => false })),
  ],
  [
    "cuts as it likes",
    "pieces: a large",
    piecing(
      ({ read }) =>
        (folder, entry, _, ...rest) =>
          read(folder, entry, (_, size) => [1, size - 1], ...rest),
    ),
  ],
  [
    "gives pieces of one buffer",
    "pieces: a large",
    (engine) => ({
      pieces: {
        read(folder, entry, lengthsOf, mayWait) {
          const bytes = engine.read(folder, entry, mayWait) as Uint8Array;
          let end = 0;
          return lengthsOf(bytes, bytes.length).map((length) => {
            end += length;
            return bytes.subarray(end - length, end);
          });
        },
      },
    }),
  ],
];

// ---- how an engine is broken ----

type Break = (engine: Engine) => Partial<Engine>;

function isThere(engine: Engine, ...[folder, entry]: Parameters<Engine["remove"]>): boolean {
  return engine.read(folder, entry, false) !== undefined;
}

function cut<T extends { readonly digest: string }>(entry: T): T {
  return { ...entry, digest: entry.digest.slice(0, 38) };
}

function wanted(mark: string): Publishing {
  return { mark, isCurrent: always, mayWait: false, isDurable: false };
}

function forEachFolder({ listing }: Engine, action: (folder: string, mayWait: boolean) => unknown): void {
  for (const folder of listing!.folders() as Iterable<string>) action(folder, false);
}

function reading(change: (bytes: Uint8Array | undefined) => Uint8Array | undefined): Break {
  return (engine) => ({ read: (...args) => change(engine.read(...args) as Uint8Array | undefined) });
}

function closing(action: (engine: Engine) => void): Break {
  return (engine) => ({ close: () => action(engine) });
}

function clearing(clear: (engine: Engine, folder: string) => number): Break {
  return (engine) => ({ clear: (folder) => clear(engine, folder) });
}

function publishing(change: (how: Publishing) => Publishing): Break {
  return (engine) => ({ publish: (folder, entry, parts, how) => engine.publish(folder, entry, parts, change(how)) });
}

function inFolders(change: (folder: string) => string): Break {
  return (engine) => ({
    read: (folder, ...rest) => engine.read(change(folder), ...rest),
    mark: (folder) => engine.mark(change(folder)),
    publish: (folder, ...rest) => engine.publish(change(folder), ...rest),
    remove: (folder, ...rest) => engine.remove(change(folder), ...rest),
    clear: (folder, ...rest) => engine.clear(change(folder), ...rest),
    listing: { ...engine.listing!, list: (folder, ...rest) => engine.listing!.list(change(folder), ...rest) },
  });
}

function rememberingReads(engine: Engine): Partial<Engine> {
  const known = new Map<string, Uint8Array>();
  return {
    read(folder, entry, mayWait) {
      const bytes = known.get(folder + entry.digest) ?? (engine.read(folder, entry, mayWait) as Uint8Array | undefined);
      if (bytes) known.set(folder + entry.digest, bytes);
      return bytes;
    },
  };
}

function keepingMemory(engine: Engine): Partial<Engine> {
  const known = new Map<string, readonly Uint8Array[]>();
  return {
    read: (folder, { digest }) => Buffer.concat(known.get(folder + digest) ?? []),
    publish(folder, entry, parts, how) {
      known.set(folder + entry.digest, parts);
      return engine.publish(folder, entry, parts, how);
    },
  };
}

/** Its marks count some changes, of all entries of all folders. */
function countingIn(
  engine: Engine,
  counted: { readonly clears?: boolean; readonly removals?: boolean },
): Partial<Engine> {
  let count = 0;
  return {
    mark: (folder) => engine.mark(folder) && String(count),
    publish: (folder, entry, parts, how) =>
      how.mark === String(count) && engine.publish(folder, entry, parts, { ...how, mark: NEWEST }),
    remove(...args) {
      if (counted.removals) count++;
      return engine.remove(...args);
    },
    clear(...args) {
      if (counted.clears) count++;
      return engine.clear(...args);
    },
  };
}

function acceptingOnce(engine: Engine): Partial<Engine> {
  const used = new Set<string>();
  return {
    publish(folder, entry, parts, how) {
      if (used.has(how.mark)) return false;
      used.add(how.mark);
      return engine.publish(folder, entry, parts, how);
    },
  };
}

function listing(change: (listing: Listing) => Partial<Listing>): Break {
  return (engine) => ({ listing: { ...engine.listing!, ...change(engine.listing!) } });
}

function grouping(change: (groups: Groups) => Groups): Break {
  return listing(({ list }) => ({ list: (...args) => change([...(list(...args) as Iterable<readonly Listed[]>)]) }));
}

function listed(change: (each: Listed) => Partial<Listed>): Break {
  return grouping((groups) => groups.map((group) => group.map((each) => ({ ...each, ...change(each) }))));
}

function locking(change: (locks: Locks) => Partial<Locks>): Break {
  return (engine) => ({ locks: { ...engine.locks!, ...change(engine.locks!) } });
}

function releasingOthers({ tryLock }: Locks): Partial<Locks> {
  const last = new Map<string, Held>();
  return {
    tryLock(name, makes) {
      const held = tryLock(name, makes) as Held | undefined;
      if (!held) return undefined;
      const key = `${name.folder} ${name.digest}`;
      last.set(key, held);
      return { release: () => last.get(key)!.release() };
    },
  };
}

/** Looks first, and takes later. */
function lettingTwoIn({ tryLock, ...locks }: Locks): Locks {
  return {
    ...locks,
    async tryLock(name, makes) {
      const first = tryLock(name, makes) as Held | undefined;
      if (!first) return undefined;
      first.release();
      await null;
      return (tryLock(name, makes) as Held | undefined) ?? { release: nothing };
    },
  };
}

function keeping(change: (contents: Contents) => Partial<Contents>): Break {
  return (engine) => ({ contents: { ...engine.contents!, ...change(engine.contents!) } });
}

function kept(change: (content: KeptContent) => Partial<KeptContent>): Break {
  return keeping(({ list }) => ({
    list: (folder) =>
      (list(folder) as KeptContent[][]).map((group) => group.map((each) => ({ ...each, ...change(each) }))),
  }));
}

function using(change: (usage: Usage) => Partial<Usage>): Break {
  return (engine) => ({ usage: { ...engine.usage!, ...change(engine.usage!) } });
}

function stamping(change: (stamp: EntryStamp) => EntryStamp): Break {
  return (engine) => ({
    stamps: {
      of(...args) {
        const stamp = engine.stamps!.of(...args);
        return stamp && change(stamp);
      },
    },
  });
}

function piecing(change: (pieces: Pieces) => Pieces["read"]): Break {
  return (engine) => ({ pieces: { read: change(engine.pieces!) } });
}

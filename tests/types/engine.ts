// Compiled, not run, as usage.ts: an engine of somebody else, without the types of Node.
import { expectTypeOf } from "expect-type";
import { createCache } from "permacache";
import type { AsyncEngine, Awaitable, Engine, EntryName, Held, Listed, SyncEngine } from "permacache/engine";
import { engineTests } from "permacache/engine/test";

declare const bytes: Uint8Array;

const engine: SyncEngine = {
  sync: true,
  location: "nowhere",
  read(folder, entry, mayWait) {
    expectTypeOf(folder).toEqualTypeOf<string>();
    expectTypeOf(entry).toEqualTypeOf<EntryName>();
    expectTypeOf(mayWait).toEqualTypeOf<boolean>();
    return bytes;
  },
  mark: () => "",
  publish: (_folder, _entry, _parts, { mark, isCurrent }) => mark !== "" && isCurrent(),
  remove: () => false,
  clear: () => 0,
  close() {},
  listing: { folders: () => [], list: () => [] as (readonly Listed[])[] },
  locks: { kind: "none", tryLock: (): Held => ({ release() {} }), holder: () => undefined },
};

const far: AsyncEngine = { ...engine, sync: false, read: async () => undefined, close: async () => {} };

// what an engine can do decides what it can cache
const { permacache } = createCache({ store: engine });
expectTypeOf(permacache("sq")((x: number) => x * x)(2)).toEqualTypeOf<number>();
const { permacache: async } = createCache({ store: far });
expectTypeOf(async("sq")(async (x: number) => x * x)(2)).toEqualTypeOf<Promise<number>>();
// @ts-expect-error a sync function cannot wait
async("sq")((x: number) => x * x);

// @ts-expect-error an engine has six members
export const incomplete: Engine = { sync: true, location: "nowhere", read: () => undefined };

// the suite
const tests = await engineTests({ open: () => ({ engine, again: async () => far, close() {} }) });
for (const { name, run } of tests) {
  expectTypeOf(name).toEqualTypeOf<string>();
  expectTypeOf(run()).toEqualTypeOf<Promise<void>>();
}
expectTypeOf(engine.clear("a/=1", true)).toEqualTypeOf<Awaitable<number>>();

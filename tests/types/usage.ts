// Compiled, not run: against the built package, without the types of Node, by the oldest and the newest TypeScript.
import { expectTypeOf } from "expect-type";
import type {
  AnyAsyncFunction,
  AsyncStore,
  Cache,
  CachedFunction,
  Detail,
  EntryMeta,
  PathSummary,
  Peek,
  SyncStore,
} from "permacache";
import {
  CacheMissError,
  cacheOf,
  canonicalJson,
  createCache,
  defaultCache,
  defineType,
  dropIf,
  dropIfEqual,
  fileStore,
  keySymbol,
  kw,
  PermacacheError,
  permacache,
  stableHash,
  str,
  tempCache,
  tieredStore,
  verbose,
  withMode,
} from "permacache";
import * as key from "permacache/key";

// plain sync and async
const sq = permacache("sq")((x: number) => x * x);
expectTypeOf(sq(2)).toEqualTypeOf<number>();
expectTypeOf(sq.has(2)).toEqualTypeOf<boolean>();
expectTypeOf(sq.peek(2)).toEqualTypeOf<Peek<number> | undefined>();
expectTypeOf(sq.name).toEqualTypeOf<string>();
expectTypeOf(sq.length).toEqualTypeOf<number>();
// @ts-expect-error wrong type
sq("a");
// @ts-expect-error wrong type
sq.has("a");
// @ts-expect-error too few
sq();
for (const e of sq.entries()) expectTypeOf(e).toEqualTypeOf<EntryMeta>();

const load = permacache("load")(async (url: string, retries = 3) => ({ url, retries }));
expectTypeOf(load("u")).toEqualTypeOf<Promise<{ url: string; retries: number }>>();
expectTypeOf(load.has("u")).toEqualTypeOf<Promise<boolean>>();
expectTypeOf(load.detail("u", 2)).toEqualTypeOf<Promise<Detail<{ url: string; retries: number }>>>();
expectTypeOf(load.prime({ url: "", retries: 1 }, "u")).toEqualTypeOf<Promise<void>>();
expectTypeOf(load.delete("u")).toEqualTypeOf<Promise<boolean>>();
expectTypeOf(load.clear()).toEqualTypeOf<Promise<number>>();
expectTypeOf(load.key("u")).toEqualTypeOf<string>();
async function iterate() {
  for await (const e of load.entries()) expectTypeOf(e.key).toEqualTypeOf<string>();
}
expectTypeOf(iterate).toBeFunction();
expectTypeOf(load.original).toEqualTypeOf<
  (url: string, retries?: number) => Promise<{ url: string; retries: number }>
>();
expectTypeOf<Parameters<typeof load>>().toEqualTypeOf<Parameters<typeof load.original>>();
expectTypeOf<ReturnType<typeof load>>().toEqualTypeOf<Promise<{ url: string; retries: number }>>();
export const asPlain: (url: string) => Promise<{ url: string }> = load;

// results that leave it open
const maybe = permacache("maybe")((x: number): number | Promise<number> => x);
expectTypeOf(maybe.has(1)).toEqualTypeOf<boolean | Promise<boolean>>();
const anyResult = permacache("any")((x: number): any => x);
expectTypeOf(anyResult.has(1)).toBeAny();
const never = permacache("never")((): never => {
  throw new Error();
});
expectTypeOf(never.has()).toEqualTypeOf<boolean>();
const nothing = permacache("void")((_x: number): void => {});
expectTypeOf(nothing.has(1)).toEqualTypeOf<boolean>();

// generics
const id = permacache("id")(<T>(x: T) => x);
expectTypeOf(id(3 as number)).toEqualTypeOf<number>();
expectTypeOf(id("a" as string)).toEqualTypeOf<string>();
const idAsync = permacache("ida")(async <T extends object>(x: T, _n?: number): Promise<T[]> => [x]);
expectTypeOf(idAsync({ a: 1 })).toEqualTypeOf<Promise<{ a: number }[]>>();
id.has(3);
idAsync.has({ a: 1 });
expectTypeOf(id.peek(3)).toEqualTypeOf<Peek<unknown> | undefined>();

// overloads
function ov(x: string): string;
function ov(x: number, y: number): number;
function ov(x: any, _y?: any): any {
  return x;
}
const cov = permacache("ov")(ov);
expectTypeOf(cov("a")).toEqualTypeOf<string>();
expectTypeOf(cov(1, 2)).toEqualTypeOf<number>();
cov.has("a");
cov.has(1, 2);

// rest
const rest = permacache("rest")((_a: string, ...ns: number[]) => ns.length);
rest("a", 1, 2);
rest.has("a", 1, 2);
rest(kw({ a: "x" }));

// keyword calls
const f = permacache("f")((x: number, y = 2, z = 3) => x + y + z);
f(2);
f(2, 2, 3);
f(2, undefined, 3);
f(2, kw({ z: 3, y: 2 }));
f(kw({ x: 2, y: 2, z: 3 }));
f(2, undefined, kw({ z: 3 }));
f.has(2, kw({ z: 3 }));
f.with({ mode: "refresh" })(2, kw({ z: 3 }));
expectTypeOf(f(kw({ x: 2 }))).toEqualTypeOf<number>();
const g2 = permacache("g2")((x: number, y: string) => x + y);
g2(1, kw({ y: "s" }));
g2(kw({ x: 1, y: "s" }));
g2.prime("v", 1, kw({ y: "" }));
// @ts-expect-error too few
g2(1);
// @ts-expect-error wrong positional argument before kw
g2("no", kw({ y: "s" }));

// named parameters
const named = permacache<{ x: number; y: number; z: number }>("f", {
  keyFunction: { x: (v) => v.toFixed(), y: null, z: dropIfEqual(3) },
  dir: ({ x }) => (x && String(x)) || undefined,
  defaults: { z: ({ x }) => (x ?? 0) + 1 },
})((x: number, y = 2, z = 3) => x + y + z);
named(2, kw({ z: 3 }));
// @ts-expect-error unknown name
named(2, kw({ zz: 3 }));
// @ts-expect-error unknown name beside a known one
named(2, kw({ z: 3, zz: 3 }));
// @ts-expect-error wrong type
named(2, kw({ z: "3" }));
// @ts-expect-error unknown name in the map
permacache<{ x: number }>("f", { keyFunction: { q: null } });
permacache<{ m: { id: number } }>("f", { keyFunction: { m: dropIf((m) => m.id === 0) } });
permacache("f", {
  keyFunction: {
    m: dropIf((m) => m.id === 0),
    n: stableHash,
    o: str,
    p: null,
    q: (v) => v.id,
    r: (v: Date) => v.getTime(),
    this: (m) => m.id,
  },
});
permacache("f", { keyFunction: (b) => b.x + 1 });
permacache("f", { keyFunction: ({ x, y }) => [x, y] });
// @ts-expect-error unknown option
permacache("f", { modes: 3 });
// @ts-expect-error no mode
permacache("f", { mode: "readonly" });

// destructured
const d = permacache("d")(({ x, y = 2, z = 3 }: { x: number; y?: number; z?: number }) => x + y + z);
d({ x: 2 });
d({ z: 3, x: 2 });
d(kw({ x: 2 }));
d.has(kw({ x: 1 }));
d.has({ x: 1 });
// @ts-expect-error unknown name
d(kw({ xx: 2 }));
// @ts-expect-error unknown beside known
d(kw({ x: 2, xx: 2 }));
// @ts-expect-error wrong type
d(kw({ x: "2" }));
const explicit = kw<{ x: number }>({ x: 1 });
d(explicit);
f(explicit);
const stored = kw({ x: 1 });
f(stored);

// shouldStore and validate know the result
permacache("s", { shouldStore: (v: string) => v !== "" })((x: number) => String(x));
permacache("s", { shouldStore: (v: string) => v !== "" })(async (x: number) => String(x));
permacache("s", { shouldStore: (v) => v !== "" })(async (x: number) => String(x));
// @ts-expect-error another result
permacache("s", { shouldStore: (v: string) => v !== "" })((x: number) => x);
permacache("s", { validate: (v: string, m) => m.bytes > 2 && v !== "" })((x: number) => String(x));

// keywords: true
const kwf = permacache("k", { keywords: true })((x: number, y: number) => x + y);
kwf({ x: 1, y: 2 });
kwf(1, 2);
kwf(1, kw({ y: 2 }));
expectTypeOf(kwf({ x: 1 })).toEqualTypeOf<number>();
const kwt = permacache<{ x: number; y: number }>("k", { keywords: true, keyFunction: { x: (v) => v.toFixed() } })(
  (x: number, y: number) => x + y,
);
kwt({ x: 1, y: 2 });
// @ts-expect-error unknown name
kwt({ x: 1, z: 2 });
// @ts-expect-error off by default
g2({ x: 1, y: "2" });
f.with({ mode: "bypass", dir: "/tmp/x" })(1);

// this
class Model {
  id = 1;
  #w = 2;
  @permacache("model/fit", { keyFunction: { this: (m: Model) => m.id } })
  async fit(x: number, y = 2): Promise<number> {
    return x * this.#w + y;
  }
  @permacache("model/pred", { keyFunction: { this: (m) => m.id } })
  pred(x: number) {
    return x * this.id;
  }
  @permacache("model/gen", { keyFunction: { this: (m) => m.id } })
  async gen<T extends string>(x: T): Promise<T[]> {
    return [x];
  }
  @permacache("model/st")
  static st(x: number) {
    return x;
  }
  @permacache("model/priv", { keyFunction: { this: null } })
  #priv(x: number) {
    return x + this.#w;
  }
  @defaultCache.permacache("model/dc", { keyFunction: { this: null } })
  dc(x: number) {
    return x;
  }
  // @ts-expect-error a getter
  @permacache("model/g")
  get g() {
    return 1;
  }
  // @ts-expect-error a field
  @permacache("model/fld")
  fld = 1;
  use() {
    return this.#priv(1);
  }
}
// @ts-expect-error a class
@permacache("cls")
class K2 {}
new K2();
const m = new Model();
expectTypeOf(m.fit(1)).toEqualTypeOf<Promise<number>>();
expectTypeOf(m.gen("a")).toEqualTypeOf<Promise<"a"[]>>();
// @ts-expect-error the methods of a decorated method do not show
m.fit.has(1);
cacheOf(m.fit, m)
  .has(1)
  .then((has) => expectTypeOf(has).toEqualTypeOf<boolean>());
cacheOf(m.fit, m)(1, kw({ y: 3 }));
withMode("refresh", () => m.fit(1), m.fit);

const thisFn = permacache("t", { keyFunction: { this: (m: Model) => m.id } })(function (this: Model, x: number) {
  return this.id + x;
});
thisFn.call(m, 1);
thisFn.apply(m, [1]);
thisFn.bind(m)(1);
// @ts-expect-error no receiver
thisFn(1);
const host = Object.assign(m, { thisFn });
host.thisFn(1);
host.thisFn(kw({ x: 1 }));
thisFn.with({ this: m }).has(1);
sq.call(undefined, 2);
// @ts-expect-error wrong type
sq.call(undefined, "2");

// as a callback
expectTypeOf([1, 2].map(sq)).toEqualTypeOf<number[]>();
expectTypeOf(["a"].map(load)).toMatchTypeOf<any>();

// batches
const batch = permacache("b", {
  parallel: "xs",
  chunkSize: 10,
  concurrency: 2,
  onProgress: ({ done, total }) => done / total,
})(async (xs: number[], scale = 2) => xs.map((x) => String(x * scale)));
expectTypeOf(batch([1, 2])).toEqualTypeOf<Promise<string[]>>();
expectTypeOf(batch.has([1, 2])).toEqualTypeOf<Promise<boolean[]>>();
expectTypeOf(batch.key([1, 2], 3)).toEqualTypeOf<string[]>();
expectTypeOf(batch.peek([1])).toEqualTypeOf<Promise<(Peek<string> | undefined)[]>>();
expectTypeOf(batch.detail([1])).toEqualTypeOf<Promise<Detail<string>[]>>();
expectTypeOf(batch.delete([1])).toEqualTypeOf<Promise<boolean[]>>();
expectTypeOf(batch.prime(["a"], [1])).toEqualTypeOf<Promise<void>>();
expectTypeOf(batch.clear()).toEqualTypeOf<Promise<number>>();
expectTypeOf(batch.original).returns.toEqualTypeOf<Promise<string[]>>();
batch([1], kw({ scale: 2 }));
batch(kw({ xs: [1] }));
expectTypeOf(batch.with({ mode: "refresh" }).has([1])).toEqualTypeOf<Promise<boolean[]>>();
// @ts-expect-error a value for each element
batch.prime("a", [1]);
// @ts-expect-error wrong element
batch(["a"]);
// @ts-expect-error a batch function returns a list
permacache("b", { parallel: ["xs", "ys"] })((_xs: number[], _ys: number[]) => 3);
// @ts-expect-error unknown name
permacache<{ xs: number[] }>("b", { parallel: "ys" });
const syncBatch = permacache("b", { parallel: ["letters", "numbers"] })(
  (letters: string, numbers: Float64Array): readonly number[] => [...numbers].slice(letters.length),
);
expectTypeOf(syncBatch("a", new Float64Array(1))).toEqualTypeOf<readonly number[]>();
expectTypeOf(syncBatch.has("a", new Float64Array(1))).toEqualTypeOf<boolean[]>();
expectTypeOf(syncBatch.peek("a", new Float64Array(1))).toEqualTypeOf<(Peek<number> | undefined)[]>();
for (const e of syncBatch.entries()) expectTypeOf(e).toEqualTypeOf<EntryMeta>();
permacache("b", { parallel: "xs", shouldStore: (v: string) => v !== "", validate: (v: string) => v !== "" })(
  (xs: number[]) => xs.map(String),
);
// @ts-expect-error shouldStore sees an element's result
permacache("b", { parallel: "xs", shouldStore: (v: string) => v !== "" })((xs: number[]) => xs);
interface Stop {
  readonly aborted: boolean;
  readonly reason: any;
  addEventListener(type: string, listener: () => void): void;
  removeEventListener(type: string, listener: () => void): void;
}
declare const stop: Stop;
batch.with({ signal: stop, onProgress: (progress) => expectTypeOf(progress.cached).toEqualTypeOf<number>() })([1]);
f.with({ signal: stop })(1);
// @ts-expect-error no signal
batch.with({ signal: { aborted: "no" } });
class Rows {
  id = 1;
  @permacache("rows", { parallel: "xs", keyFunction: { this: (rows: Rows) => rows.id } })
  times(xs: number[]) {
    return xs.map((x) => x * this.id);
  }
  // @ts-expect-error a batch method returns a list
  @permacache("rows/sum", { parallel: "xs", keyFunction: { this: null } })
  sum(xs: number[]) {
    return xs.length;
  }
}
const rows = new Rows();
expectTypeOf(rows.times([1])).toEqualTypeOf<number[]>();
cacheOf(rows.times, rows)([1]);

// modes
expectTypeOf(withMode("only-if-cached", () => sq(1), sq, load, cov, id)).toEqualTypeOf<number>();
expectTypeOf(
  withMode("bypass", async () => {
    await load("u");
    return 1;
  }),
).toEqualTypeOf<Promise<number>>();

// registered types
class P {
  constructor(readonly x: number) {}
  [keySymbol]() {
    return this.x;
  }
}
class Q {
  private constructor(readonly x: number) {}
  static of(x: number) {
    return new Q(x);
  }
}
class Box<T> {
  constructor(readonly v: T) {}
}
defineType(P, { name: "P", aliases: ["Old"], encode: (p) => ({ x: p.x }), decode: (d) => new P(d.x) });
defineType(P, {
  name: "P",
  encode(p) {
    return [p.x] as const;
  },
  decode([x]) {
    return new P(x);
  },
});
defineType(Q, { name: "Q", encode: (q) => q.x, decode: (x) => Q.of(x) });
defineType(Box, { name: "Box", encode: (b) => b.v, decode: (v) => new Box(v) });
defineType(P, { name: "P", decode: (d: { x: number }) => new P(d.x), encode: (p) => ({ x: p.x }) });
// @ts-expect-error decode must return the class
defineType(P, { name: "P", encode: (p) => p.x, decode: (_x) => "no" });

// codecs, caches
permacache("c", { codec: { name: "msgpack", encode: (_v) => new Uint8Array(), decode: (b) => b.byteLength } })(
  sq.original,
);
const cache = createCache({ dir: "/tmp/x", mode: "read-only", compress: "gzip" });
expectTypeOf(cache).toEqualTypeOf<Cache>();
const h = cache.permacache("x", { version: "1" })((a: string) => a.length);
expectTypeOf(h("a")).toEqualTypeOf<number>();
expectTypeOf(h).toMatchTypeOf<CachedFunction<(a: string) => number>>();
const { permacache: pc } = cache;
pc("y")(sq.original);
defaultCache.configure({ dir: "/tmp/x" });

// stores
declare const lmdb: SyncStore;
declare const redis: AsyncStore;
expectTypeOf(createCache({ store: lmdb, maxValueBytes: "10MB" })).toEqualTypeOf<Cache>();
const remote = createCache({ store: redis, secret: "x".repeat(32), memory: { maxBytes: "1MB", trust: "1s" } });
expectTypeOf(remote).toEqualTypeOf<Cache<AnyAsyncFunction>>();
expectTypeOf(remote.permacache("r")(async (x: number) => x)(1)).toEqualTypeOf<Promise<number>>();
// @ts-expect-error a sync function cannot wait for the store
remote.permacache("r")((x: number) => x);
// @ts-expect-error nor can a call of one
remote.call((x: number) => x, 1);
expectTypeOf(tieredStore(lmdb, redis)).toEqualTypeOf<SyncStore>();
expectTypeOf(tieredStore(fileStore({ dir: "/tmp/x" }), redis)).toEqualTypeOf<SyncStore>();
expectTypeOf(tieredStore(redis, lmdb)).toEqualTypeOf<AsyncStore>();
createCache({ store: tieredStore(lmdb, redis) }).permacache("t")((x: number) => x);
defaultCache.configure({ store: redis });
// @ts-expect-error no store
createCache({ store: "redis://localhost" });
// @ts-expect-error of how much?
createCache({ memory: {} });

// what is in a cache
async function manage() {
  await using own = createCache({ dir: "/tmp/x", maxBytes: "10GB" });
  expectTypeOf(await own.clear()).toEqualTypeOf<number>();
  expectTypeOf(await own.prune({ maxAge: "2d" })).toEqualTypeOf<number>();
  for await (const summary of own.list()) {
    expectTypeOf(summary).toEqualTypeOf<PathSummary>();
    expectTypeOf(summary.newest).toEqualTypeOf<Date | undefined>();
  }
  const opened = own.open("x", { version: "1" });
  own.open("x", { version: null });
  expectTypeOf(opened.key({ x: 1 })).toEqualTypeOf<string>();
  expectTypeOf(await opened.has({ x: 1 })).toEqualTypeOf<boolean>();
  expectTypeOf((await opened.peek("{}"))?.value).toEqualTypeOf<unknown>();
  expectTypeOf(await opened.delete({ x: 1 })).toEqualTypeOf<boolean>();
  expectTypeOf(await opened.clear()).toEqualTypeOf<number>();
  for await (const { key, version } of opened.entries())
    expectTypeOf([key, version]).toEqualTypeOf<(string | undefined)[]>();
  // @ts-expect-error named arguments
  opened.has(1);
  expectTypeOf((await own.stats()).hits).toEqualTypeOf<number>();
  const { checked, damaged, removed } = await own.verify({ fix: true });
  expectTypeOf([checked, damaged.length, removed]).toEqualTypeOf<number[]>();
  expectTypeOf(await own.exportTo("x", "x.zip")).toEqualTypeOf<number>();
  expectTypeOf(
    await own.importFrom("y", "x", { merge: true, onProgress: ({ done, total }) => done / total }),
  ).toEqualTypeOf<number>();
  // @ts-expect-error unknown option
  await own.importFrom("y", "x", { force: true });
  await own.close();
  expectTypeOf(own.call((a: number, b: string) => a + b, 1, "b")).toEqualTypeOf<string>();
  expectTypeOf(own.call(async (a: number) => a, 1)).toEqualTypeOf<Promise<number>>();
  own.call((a: number, b = 2) => a + b, 1, kw({ b: 3 }));
  // @ts-expect-error wrong type
  own.call((a: number) => a, "x");
  expectTypeOf(own.call(<T>(x: T) => [x], 3)).toEqualTypeOf<unknown[]>();
}
expectTypeOf(manage).toBeFunction();
expectTypeOf(tempCache("t", { maxAge: "1d" })).toEqualTypeOf<Cache>();
verbose(true);

// the parts
expectTypeOf(canonicalJson(1)).toEqualTypeOf<string>();
expectTypeOf(key.stableHash(1)).toEqualTypeOf<string>();
expectTypeOf(sq.prune({ maxAge: "2d", maxEntries: 3, maxBytes: "10GB" })).toEqualTypeOf<number>();
try {
  sq(1);
} catch (e) {
  if (e instanceof CacheMissError) expectTypeOf(e.key).toEqualTypeOf<string>();
  if (e instanceof PermacacheError) expectTypeOf(e.code).toEqualTypeOf<`ERR_PERMACACHE_${string}`>();
}

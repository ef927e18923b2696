import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { StoreError, UnkeyableValueError, withMode } from "../src/index.js";
import { differenceOf } from "./entry/faithful.js";
import { failureOf, newCache, newDirectory, warningsOf } from "./place.js";

/** A promise that the test settles itself. */
class Gate<T = void> {
  resolve!: (value: T) => void;
  reject!: (error: Error) => void;
  readonly promise = new Promise<T>((resolve, reject) => {
    this.resolve = resolve;
    this.reject = reject;
  });
}

/** An async function whose n-th computation gives what the n-th gate is resolved with. */
function gated(t: ExecutionContext<any>) {
  const gates: Gate<string>[] = [];
  const fn = async (_x: number) => {
    const gate = new Gate<string>();
    gates.push(gate);
    return gate.promise;
  };
  const f: any = newCache(t).permacache("gated")(fn);
  return { f, gates };
}

function aborted(): Error {
  return Object.assign(new Error("stopped"), { name: "AbortError" });
}

// ---- the arguments ----

function extended<T extends object>(value: T, name: PropertyKey): T {
  return Object.defineProperty(value, name, { value: 1, enumerable: true });
}

for (const [type, make] of [
  ["Uint8Array", () => new Uint8Array(2)],
  ["Float64Array", () => new Float64Array(2)],
  ["BigInt64Array", () => new BigInt64Array(2)],
  ["an empty Int16Array", () => new Int16Array(0)],
  ["Buffer", () => Buffer.from("ab")],
] as const) {
  for (const name of ["scale", Symbol("scale")]) {
    test(`refused in keys: ${type} with a property of its own, ${String(name)}`, (t) => {
      const f: any = newCache(t).permacache("own")((_data: any) => 1);
      t.notThrows(() => f.key(make()));
      t.throws(() => f.key(extended(make(), name)), { instanceOf: UnkeyableValueError });
      t.throws(() => f({ data: [extended(make(), name)] }), { instanceOf: UnkeyableValueError });
    });
  }
}

test("a Proxy that answers to every property is an argument like any other", (t) => {
  const f: any = newCache(t).permacache("proxy")((x: any, y = 2) => [x.a, y]);
  const proxy = new Proxy<any>({ a: 1 }, { get: (target, key) => target[key] ?? 0 });
  t.is(f.key(proxy), '{"x":{"a":1},"y":2}');
  t.is(f.key(5, proxy), '{"x":5,"y":{"a":1}}');
  t.deepEqual(f(proxy), [1, 2]);
});

test("a plain object with a hidden toJSON is keyed by its properties", (t) => {
  const f: any = newCache(t).permacache("hidden")((o: any) => o.a);
  const of = (a: number) => Object.defineProperty({ a }, "toJSON", { value: () => 1 });
  t.is(f.key(of(1)), '{"o":{"a":1}}');
  t.is(f.key([of(1)]), '{"o":[{"a":1}]}');
  t.deepEqual([f(of(1)), f(of(2))], [1, 2]);
});

test.serial("a default taken from an argument that changed while the call waited: returned, not stored", async (t) => {
  const first = new Gate<number>();
  let computed = 0;
  const f: any = newCache(t).permacache("default", { keyFunction: { xs: (xs: any) => xs.id } })(
    async (xs: any, n = xs.n) => (++computed === 1 ? first.promise : n),
  );
  const given = { id: 1, n: 1 };
  const warnings = await warningsOf(async () => {
    const leader = f(given);
    const waiting = f(given); // joins, and starts itself when the leader stops
    given.n = 2;
    first.reject(aborted());
    t.is((await failureOf(() => leader)).name, "AbortError");
    t.is(await waiting, 2);
  });
  t.is(warnings.length, 1);
  t.regex(warnings[0]!, /an argument was changed while the call waited/);
  t.deepEqual([await f.has({ id: 1, n: 1 }), await f.has({ id: 1, n: 2 })], [false, false]);
  t.is(await f({ id: 1, n: 1 }), 1);
});

test("a frozen function with a property of the name of a method: it is wrapped, and the method wins", (t) => {
  const fn = Object.freeze(Object.assign((x: number) => x + 1, { key: "mine", unit: "m" }));
  const f: any = newCache(t).permacache("frozen")(fn);
  t.is(f(1), 2);
  t.is(f.key(1), '{"x":1}');
  t.is(f.unit, "m");
  t.is(f.with({ mode: "refresh" }).key(1), '{"x":1}');
});

// ---- the results ----

const self = {};
const node = { id: 1 };
const HITS: [string, () => unknown][] = [
  [
    "views of several types, on the odd bytes between them, too",
    () => {
      const buffer = new Uint8Array(8192).fill(7).buffer;
      return {
        tag: new Uint8Array(buffer, 8, 1),
        body: new Uint8Array(buffer, 9, 11),
        nums: new Float64Array(buffer, 16, 1),
      };
    },
  ],
  ["an empty Uint8Array", () => new Uint8Array(0)],
  ["an empty Float32Array in an object", () => ({ a: new Float32Array(0) })],
  ["an empty typed array behind a full one", () => ({ a: new Uint8Array(3), b: new Float64Array(0) })],
  ["an empty typed array before a full one", () => ({ b: new Float64Array(0), a: new Uint8Array([1, 2, 3]) })],
  ["an empty ArrayBuffer", () => new ArrayBuffer(0)],
  ["an empty Buffer", () => Buffer.alloc(0)],
  ["the Buffer of an empty text", () => [Buffer.from("")]],
  ["an empty DataView", () => new DataView(new ArrayBuffer(0))],
  ["a Map with one object as key and value", () => new Map([[self, self]])],
  ["a Map with a key that its value refers to", () => new Map([[node, { node }]])],
];
for (const [what, make] of HITS) {
  test(`a hit, equal and sharing alike: ${what}`, (t) => {
    for (const codec of ["auto", "json"] as const) {
      const f: any = newCache(t, { codec, onError: "throw" }).permacache("value")(make);
      const computed = f();
      const { hit, value } = f.detail();
      t.true(hit, codec);
      t.is(differenceOf(computed, value), undefined, codec);
    }
  });
}

test("the halves of one buffer, as large as the pool of Buffer, have one buffer on the hit", (t) => {
  const f = newCache(t).permacache("halves")(() => {
    const whole = new Float64Array(1024).fill(7);
    return [whole.subarray(0, 512), whole.subarray(512)] as const;
  });
  t.deepEqual(f(), f());
  const [a, b] = f();
  t.is(a.buffer, b.buffer);
  t.is(b.byteOffset - a.byteOffset, 4096);
});

test("a Map's key and value keep their identity for those who joined, too", async (t) => {
  const f: any = newCache(t).permacache("map")(async () => [new Map([[self, self]]), new Map([[node, { node }]])]);
  for (const [same, inside] of await Promise.all([f(), f()])) {
    const [[key, value]] = same;
    t.is(key, value);
    const [[outer, holder]] = inside;
    t.is(outer, holder.node);
  }
});

/** `{ v: { v: ... 1n } }`, so deep. */
function nested(depth: number): any {
  let value: any = 1n;
  for (let i = 0; i < depth; i++) value = { v: value, n: 1n };
  return value;
}

function depthOf(value: any): number {
  let depth = 0;
  for (let at = value; typeof at === "object" && at.n === 1n; at = at.v) depth++;
  return depth;
}

for (const depth of [2000, 2500, 3000]) {
  test.serial(`a value ${depth} levels deep: a hit, or returned uncached with one warning`, async (t) => {
    const { permacache, files } = newCache(t);
    const f: any = permacache("deep")(nested);
    const g: any = permacache("deep/async")(async (depth: number) => nested(depth));
    for (const fn of [f, g]) {
      const warnings = await warningsOf(async () => {
        for (let i = 0; i < 3; i++) t.is(depthOf(await fn(depth)), depth);
      });
      const { hits, stores } = fn.stats();
      t.deepEqual([hits, stores, warnings.length], stores > 0 ? [2, 1, 0] : [0, 0, 1]);
      for (const each of warnings) t.regex(each, /nested too deeply/);
    }
    t.is(files().length, f.stats().stores + g.stats().stores);
  });
}

// ---- calls that run at the same time ----

test("a cached function that joined does not see what the leader's caller does to the result", async (t) => {
  for (const length of [4, 100_000]) {
    const { permacache } = newCache(t);
    const gate = new Gate();
    const f = permacache("data")(async (x: number) => {
      await gate.promise;
      return new Uint8Array(length).fill(x);
    });
    const g = permacache("reader")(async (x: number) => [...(await f(x)).subarray(0, 4)]);
    const leader = f(5).then((data) => data.fill(99));
    const joined = g(5);
    gate.resolve();
    await leader;
    t.deepEqual(await joined, [5, 5, 5, 5]);
    t.deepEqual(await g(5), [5, 5, 5, 5]);
    t.deepEqual((await f(5)).subarray(0, 4), new Uint8Array(4).fill(5));
  }
});

for (const onError of ["warn", "throw"] as const) {
  test.serial(`those who joined get a value that cannot be decoded from the leader, onError ${onError}`, async (t) => {
    const codec = {
      name: "one way",
      encode: (value: unknown) => JSON.stringify(value),
      decode: () => {
        throw new Error("no way back");
      },
    };
    const gate = new Gate<number[]>();
    const { permacache } = newCache(t, { codec, onError });
    const f = permacache("one-way")(async (_x: number) => gate.promise);
    const warnings = await warningsOf(async () => {
      const calls = [f(1), f(1), f(1)];
      gate.resolve([1]);
      t.deepEqual(await Promise.all(calls), [[1], [1], [1]]);
    });
    t.true(warnings.length <= 1, warnings.join("\n"));
  });
}

type End = [computation: 0 | 1, deed: "ends" | "fails"];
const REFRESHES: [stored: string, ...ends: End[]][] = [
  ["first", [1, "fails"], [0, "ends"]],
  ["first", [0, "ends"], [1, "fails"]],
  ["second", [1, "ends"], [0, "ends"]],
];
for (const [stored, ...ends] of REFRESHES) {
  const words = ends.map(([n, deed]) => `the ${["first", "second"][n]} ${deed}`).join(", then ");
  test(`of two refreshes at the same time, ${words}: stored is the ${stored}`, async (t) => {
    const { f, gates } = gated(t);
    await f.prime("before", 1);
    const refresh = f.with({ mode: "refresh" });
    const calls = [refresh(1), refresh(1)];
    t.is(gates.length, 2);
    for (const [n, deed] of ends) {
      const value = ["first", "second"][n]!;
      if (deed === "ends") {
        gates[n]!.resolve(value);
        t.is(await calls[n], value);
      } else {
        gates[n]!.reject(new Error(value));
        t.is((await failureOf(() => calls[n])).message, value);
      }
    }
    t.is((await f.peek(1)).value, stored);
    t.is(await f(1), stored);
  });
}

for (const [order, ...ends] of [
  ["in order", 0, 1],
  ["the other way round", 1, 0],
] as const) {
  test(`two refresh scopes at the same time that end ${order}: each reads what it computed`, async (t) => {
    const { f, gates } = gated(t);
    await f.prime("before", 1);
    const begun = new Gate();
    const scope = () =>
      withMode("refresh", async () => {
        const first = f(1);
        await begun.promise;
        return Promise.all([first, f(1)]);
      });
    const scopes = [scope(), scope()];
    t.is(gates.length, 2);
    begun.resolve();
    await null; // both go on, and call again
    for (const n of ends) {
      gates[n]!.resolve(`scope ${n}`);
      t.deepEqual(await scopes[n], [`scope ${n}`, `scope ${n}`]);
    }
    t.is(gates.length, 2);
    t.is(await f(1), "scope 1");
  });
}

test("a refresh scope inside another, on the same key: each reads what it computed", async (t) => {
  const { f, gates } = gated(t);
  await f.prime("before", 1);
  const calls: Promise<string>[] = [];
  withMode("refresh", () => {
    calls.push(f(1));
    withMode("refresh", () => calls.push(f(1)));
    calls.push(f(1));
  });
  t.is(gates.length, 2);
  gates[1]!.resolve("inner");
  gates[0]!.resolve("outer");
  t.deepEqual(await Promise.all(calls), ["outer", "inner", "outer"]);
});

for (const [method, act, left] of [
  ["delete", (f: any) => f.delete(1), undefined],
  ["prime", (f: any) => f.prime("primed", 1), "primed"],
] as const) {
  for (const when of ["has called", "is calling"] as const) {
    test(`${method} while a computation runs that ${when} its own key: what began before is not stored`, async (t) => {
      const [calling, inner, called, outer] = [new Gate(), new Gate(), new Gate(), new Gate()];
      const f: any = newCache(t).permacache("self", { keyFunction: { depth: null } })(
        async (x: number, depth = 0): Promise<string> => {
          if (depth === 1) {
            calling.resolve();
            await inner.promise;
            return "inner";
          }
          t.is(await f(x, 1), "inner");
          called.resolve();
          await outer.promise;
          return "outer";
        },
      );
      const running = f(1);
      await calling.promise;
      if (when === "has called") {
        inner.resolve();
        await called.promise;
      }
      await act(f);
      inner.resolve();
      outer.resolve();
      t.is(await running, "outer");
      t.is((await f.peek(1))?.value, left);
    });
  }
}

// ---- prime ----

const LARGE = "x".repeat(2_000_000); // written asynchronously

test("a large value that is still being primed does not replace one that was primed later", async (t) => {
  const f: any = newCache(t).permacache("prime")(async (_x: number) => "computed");
  const slow = f.prime(LARGE, 1);
  await f.prime("later", 1);
  await slow;
  t.is(await f(1), "later");
});

test("a large value that is still being primed is not stored after delete", async (t) => {
  const { permacache, files } = newCache(t);
  const f: any = permacache("prime")(async (_x: number) => "computed");
  const slow = f.prime(LARGE, 1);
  await f.delete(1);
  await slow;
  t.false(await f.has(1));
  t.deepEqual(files(), []);
  t.is(await f(1), "computed");
});

// ---- trouble ----

for (const [what, below] of [
  ["a file in the place of the directory", ""],
  ["a file in the way to the directory", "cache"],
] as const) {
  test(`${what}: prime tells by a StoreError, and there is nothing to delete`, async (t) => {
    const file = join(newDirectory(t), "file");
    writeFileSync(file, "mine");
    for (const f of syncAndAsync(t, join(file, below))) {
      const error = await failureOf(() => f.prime(7, 1));
      t.true(error instanceof StoreError, String(error));
      t.true(error.message.includes(file), error.message);
      t.regex(error.cause?.code, /^(ENOTDIR|EEXIST)$/);
      t.deepEqual([await f.delete(1), await f.clear(), await f.prune({ maxEntries: 1 })], [false, 0, 0]);
    }
  });
}

/** A file takes the place of the directory after entries were written to it. */
async function takenPlace(t: ExecutionContext<any>): Promise<any[]> {
  const dir = join(newDirectory(t), "cache");
  const functions = syncAndAsync(t, dir);
  for (const f of functions) await f(1);
  rmSync(dir, { recursive: true });
  writeFileSync(dir, "mine");
  return functions;
}

function syncAndAsync(t: ExecutionContext<any>, dir: string): any[] {
  const { permacache } = newCache(t, { dir });
  return [permacache("sync")((x: number) => x), permacache("async")(async (x: number) => x)];
}

for (const [method, ...args] of [["prime", 7, 1], ["delete", 1], ["clear"], ["prune"]] as const) {
  test(`a file that has taken the place of the directory: ${method} tells by a StoreError with the cause`, async (t) => {
    for (const f of await takenPlace(t)) {
      const error = await failureOf(() => f[method](...args));
      t.true(error instanceof StoreError, String(error));
      t.is(error.cause?.code, "ENOTDIR");
    }
  });
}

test("a file that has taken the place of the directory: entries tells by a StoreError", async (t) => {
  for (const f of await takenPlace(t)) {
    const error = await failureOf(async () => {
      for await (const _ of f.entries());
    });
    t.true(error instanceof StoreError, String(error));
  }
});

test.serial("onError throw: an entry of another codec is a miss, and is replaced", async (t) => {
  const { dir, permacache } = newCache(t);
  const codec = (name: string) => ({
    name,
    encode: (value: unknown) => JSON.stringify(value),
    decode: (data: Uint8Array) => JSON.parse(String(Buffer.from(data))),
  });
  for (const isAsync of [false, true]) {
    const path = isAsync ? "async" : "sync";
    const of = (value: string) => (isAsync ? async (_x: number) => value : (_x: number) => value);
    await permacache(path, { codec: codec("theirs") })(of("theirs"))(1);
    const mine = newCache(t, { dir, onError: "throw" });
    for (const options of [{ codec: codec("mine") }, {}]) {
      const value = JSON.stringify(options);
      const f: any = mine.permacache(path, options as { codec: ReturnType<typeof codec> })(of(value));
      const warnings = await warningsOf(async () => {
        t.false(await f.has(1));
        t.is(await f(1), value);
        t.true((await f.detail(1)).hit);
        t.is(await f(1), value);
      });
      t.regex(warnings.join("\n"), /an entry cannot be decoded, and counts as a miss/);
    }
  }
});

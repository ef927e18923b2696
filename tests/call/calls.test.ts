import test from "ava";
import { BindingError, kw } from "../../src/index.js";
import { failureOf, newCache } from "../place.js";

const POSITIONAL: [string, unknown[]][] = [
  ["f(2)", [2]],
  ["f(2, 2, 3)", [2, 2, 3]],
  ["f(2, undefined, 3)", [2, undefined, 3]],
  ["f(2, kw({ z: 3, y: 2 }))", [2, kw({ z: 3, y: 2 })]],
  ["f(kw({ x: 2, y: 2, z: 3 }))", [kw({ x: 2, y: 2, z: 3 })]],
  ["f(2, 2, 3, 4): beyond the parameters", [2, 2, 3, 4]],
];
const DESTRUCTURED: [string, unknown[]][] = [
  ["f({ x: 2 })", [{ x: 2 }]],
  ["f({ z: 3, x: 2 })", [{ z: 3, x: 2 }]],
  ["f(kw({ x: 2 }))", [kw({ x: 2 })]],
  ["f({ x: 2, other: 1 }): not named by the pattern", [{ x: 2, other: 1 }]],
];

test("the spellings of one call are one entry, with the key a person would write", (t) => {
  const { permacache, files } = newCache(t);
  let computed = 0;
  const f: any = permacache("same")((x: number, y = 2, z = 3) => {
    computed++;
    return x * 100 + y * 10 + z;
  });
  for (const [spelling, args] of POSITIONAL) {
    t.is(f(...args), 223, spelling);
    t.is(f.key(...args), '{"x":2,"y":2,"z":3}', spelling);
  }
  t.is(computed, 1);
  t.is(files().length, 1);
});

test("a function may move from positional parameters to an options object and keep its entries", (t) => {
  const { permacache } = newCache(t);
  permacache("moved")((x: number, y = 2, z = 3) => [x, y, z])(2);
  const f: any = permacache("moved", { version: undefined })(({ x, y = 2, z = 3 }: any) => t.fail(`${x}${y}${z}`));
  for (const [spelling, args] of DESTRUCTURED) t.deepEqual(f(...args), [2, 2, 3], spelling);
});

test("the function receives the bound call and nothing that is not in the key", (t) => {
  const { permacache } = newCache(t);
  const received: unknown[][] = [];
  const rest: any = permacache("received/rest")((...all: unknown[]) => {
    received.push(all);
    return all.length;
  });
  const two: any = permacache("received/two", { signature: "(x, y)" })((...all: unknown[]) => {
    received.push(all);
    return all.length;
  });
  rest(1, 2);
  two(1, 2, 3);
  two(kw({ y: 5 }));
  two(7, undefined);
  t.deepEqual(received, [[1, 2], [1, 2], [undefined, 5], [7]]);
});

test("as a callback of map it hits, though map passes index and array", (t) => {
  const { permacache } = newCache(t);
  let computed = 0;
  const f = permacache("map")((name: string) => {
    computed++;
    return name.length;
  });
  t.deepEqual(["a", "bb", "a"].map(f), [1, 2, 1]);
  t.is(computed, 2);
});

test("adding a trailing optional parameter keeps old entries", (t) => {
  const { permacache } = newCache(t);
  permacache("grown")((x: number) => x)(1);
  const grown = permacache("grown")((x: number, flag?: boolean) => (flag ? -x : t.fail()));
  t.is(grown(1), 1 as never);
  t.is(grown(1, true), -1 as never);
});

test("the key is taken before the function runs, which may change its argument", (t) => {
  const { permacache } = newCache(t);
  let computed = 0;
  const largest = permacache("sorted")((xs: number[]) => {
    computed++;
    return xs.sort((a, b) => b - a)[0];
  });
  t.is(largest([1, 3, 2]), 3);
  t.is(largest([1, 3, 2]), 3);
  t.is(computed, 1);
});

test("a function that reads arguments is keyed by the call as made", (t) => {
  const { permacache } = newCache(t);
  const count: any = permacache("arguments")(function (_x?: unknown) {
    // biome-ignore lint/complexity/noArguments: it is what the test is about
    return arguments.length;
  });
  t.is(count(), 0);
  t.is(count(1, 2), 2);
  t.is(count(undefined), 1);
  t.is(count.key(1, "a"), '{"arguments":[1,"a"]}');
});

test("a call that does not fit throws before anything is computed or stored", async (t) => {
  const { permacache, files } = newCache(t);
  const f: any = permacache("unfit")((_x: number) => t.fail());
  const g: any = permacache("unfit/async")(async (_x: number) => t.fail());
  for (const call of [
    () => f(kw({ q: 1 })),
    () => f(1, kw({ x: 1 })),
    () => f(kw({ x: 1 }), 2),
    () => g(kw({ q: 1 })),
  ]) {
    const error = await failureOf(call);
    t.true(error instanceof BindingError);
    t.is(error.code, "ERR_PERMACACHE_BINDING");
    t.regex(error.message, /\(_x\)/); // the signature
    t.regex(error.message, /kw\(/); // the call
  }
  t.deepEqual(files(), []);
});

test("an async function never throws synchronously", async (t) => {
  const { permacache } = newCache(t);
  const f: any = permacache("asynchronous")(async (x: unknown) => x);
  const failures = [
    () => f(kw({ q: 1 })),
    () => f(() => 1),
    () => f.has(() => 1),
    () => f.with({ mode: "only-if-cached" })(1),
  ];
  for (const call of failures) {
    const promise = call();
    t.true(promise instanceof Promise);
    await t.throwsAsync(promise);
  }
});

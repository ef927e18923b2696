import { Readable } from "node:stream";
import test from "ava";
import { newCache } from "../place.js";

// What can be read once belongs to one caller: those who joined its computation compute their own.

async function* chunks() {
  yield "a";
  yield "b";
}

async function textOf(value: any): Promise<string> {
  if (value instanceof Response) return await value.text();
  let text = "";
  for await (const each of value.chunks ?? value)
    text += typeof each === "string" ? each : Buffer.from(each).toString();
  return text;
}

const results: Record<string, () => unknown> = {
  "an iterator": () => ["a", "b"].values(),
  "a generator": () =>
    (function* () {
      yield* ["a", "b"];
    })(),
  "an async generator": chunks,
  "a stream of Node": () => Readable.from(["a", "b"]),
  "a stream of the web": () => new Blob(["ab"]).stream(),
  "a Response": () => new Response("ab"),
  "an object that holds one": () => ({ chunks: ["a", "b"].values() }),
};

for (const [name, make] of Object.entries(results)) {
  test(`${name}: each of the callers gets one of its own`, async (t) => {
    const { permacache, files } = newCache(t, { onError: () => {} });
    let runs = 0;
    const f: any = permacache("f")(async (_x: number) => {
      runs++;
      await new Promise((resolve) => setImmediate(resolve));
      return make();
    });
    const values = await Promise.all([f(1), f(1), f(1), f(1)]);
    t.is(new Set(values).size, 4);
    for (const value of values) t.is(await textOf(value), "ab");
    t.is(runs, 4);
    t.deepEqual(files(), []);
  });

  test(`${name}: likewise where it is an element of a batch`, async (t) => {
    const { permacache } = newCache(t, { onError: () => {} });
    const f: any = permacache("f", { parallel: "xs" })(async (xs: number[]) => {
      await new Promise((resolve) => setImmediate(resolve));
      return xs.map(make);
    });
    const values = (await Promise.all([f([1, 2]), f([2, 3]), f([1, 2, 3])])).flat();
    t.is(new Set(values).size, 7);
    for (const value of values) t.is(await textOf(value), "ab");
  });
}

test("those who compute their own do so at the same time, not one after the other", async (t) => {
  const { permacache } = newCache(t, { onError: () => {} });
  let running = 0;
  let most = 0;
  const f: any = permacache("f")(async (_x: number) => {
    most = Math.max(most, ++running);
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
    running--;
    return ["a", "b"].values();
  });
  await Promise.all(Array.from({ length: 10 }, () => f(1)));
  t.true(most > 5, String(most));
});

test("a plain function that gives promises: likewise", async (t) => {
  const { permacache } = newCache(t, { onError: () => {} });
  const f: any = permacache("f")((_x: number) => Promise.resolve(new Response("ab")));
  const values: Response[] = await Promise.all([f(1), f(1)]);
  for (const value of values) t.is(await value.text(), "ab");
});

test("two functions under one path: likewise", async (t) => {
  const { permacache } = newCache(t, { onError: () => {} });
  const wrap = () => permacache("f")(async (_x: number) => new Response("ab"));
  const values = await Promise.all([wrap()(1), wrap()(1)]);
  for (const value of values) t.is(await value.text(), "ab");
});

test("what is too large to be stored is computed once, and each caller has a copy", async (t) => {
  const { permacache } = newCache(t, { onError: () => {}, maxValueBytes: 1000 });
  let runs = 0;
  const f = permacache("f")(async (_x: number) => {
    runs++;
    await null;
    return ["x".repeat(5000)];
  });
  const [a, b] = await Promise.all([f(1), f(1)]);
  t.deepEqual(a, b);
  t.not(a, b);
  t.is(runs, 1);
});

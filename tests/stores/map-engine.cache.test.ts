import test from "ava";
import ts from "typescript";
import { createCache, OptionError, tieredStore } from "../../src/index.js";
import { onDay } from "../../src/stores/contract/clock.js";
import { asyncOf, engineOfPage, mapEngine } from "./map-engine.js";

// A cache with the engine of docs/engines.md, as a reader of that page has it.

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const each of items) found.push(each);
  return found;
}

test("a sync function is cached in an engine that answers at once", async (t) => {
  const cache = createCache({ store: mapEngine() });
  let computed = 0;
  const f = cache.permacache("sync", { version: "2" })((x: number) => [x, ++computed]);
  t.deepEqual([f(1), f(1), f(2)], [[1, 1], [1, 1], [2, 2]]); // biome-ignore format: one line
  t.true(f.has(1));
  t.deepEqual(
    [...f.entries()].map(({ key }) => key),
    ['{"x":1}', '{"x":2}'],
  );
  t.true(f.delete(1));
  t.deepEqual(f(1), [1, 3]);
  t.deepEqual(
    (await all(cache.list())).map(({ path, entries }) => [path, entries]),
    [["sync", 2]],
  );
  t.is(f.clear(), 2);
  t.deepEqual(f(1), [1, 4]);
  await cache.close();
});

test("an async function is cached in either engine", async (t) => {
  for (const store of [mapEngine(), asyncOf(mapEngine())]) {
    const { permacache } = createCache({ store: store as ReturnType<typeof asyncOf> });
    let computed = 0;
    const f = permacache("async")(async (x: number) => [x, ++computed]);
    t.deepEqual(await Promise.all([f(1), f(1), f(2)]), [[1, 1], [1, 1], [2, 2]]); // biome-ignore format: one line
    t.deepEqual(await f(1), [1, 1]);
    t.true(await f.delete(1));
    t.deepEqual(await f(1), [1, 3]);
    t.is(await f.clear(), 2);
    t.false(await f.has(1));
  }
});

test("a sync function cannot have an engine that gives promises, unless another stands before it", (t) => {
  const far = asyncOf(mapEngine());
  const { permacache } = createCache({ store: far });
  t.throws(() => permacache("sync")(((x: number) => x) as never), {
    instanceOf: OptionError,
    message: /cannot be read/,
  });
  const { permacache: tiered } = createCache({ store: tieredStore(mapEngine(), far) });
  let computed = 0;
  const f = tiered("sync")((x: number) => x + ++computed);
  t.deepEqual([f(1), f(1)], [2, 2]);
});

test.serial("limits are kept from the listing of an engine", async (t) => {
  for (const store of [mapEngine(), asyncOf(mapEngine())]) {
    const cache = createCache({ store: store as ReturnType<typeof asyncOf>, maxEntries: 3 });
    const f = cache.permacache("limited", { maxAge: "2d" })(async (x: number) => x);
    for (let x = 0; x < 10; x++) await f(x);
    t.is((await all(f.entries())).length, 3);
    await onDay(3, async () => {
      t.false(await f.has(9));
      t.is(await cache.prune({ maxAge: "2d" }), 3);
    });
  }
});

test("the page's engine has the types that it says", (t) => {
  const { config } = ts.readConfigFile("tsconfig.json", ts.sys.readFile);
  const { options } = ts.convertCompilerOptionsFromJson(config.compilerOptions, process.cwd());
  const host = ts.createCompilerHost(options);
  const page = `${process.cwd()}/tests/stores/page.ts`;
  const { getSourceFile, fileExists, readFile } = host;
  host.fileExists = (file) => file === page || fileExists(file);
  host.readFile = (file) => (file === page ? engineOfPage() : readFile(file));
  host.getSourceFile = (file, language, ...rest) =>
    file === page ? ts.createSourceFile(file, engineOfPage(), language) : getSourceFile(file, language, ...rest);
  const program = ts.createProgram([page], { ...options, noEmit: true }, host);
  const messages = ts
    .getPreEmitDiagnostics(program)
    .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, "\n"));
  t.deepEqual(messages, []);
});

test("the page's engine has about 100 lines", (t) => {
  t.true(engineOfPage().trim().split("\n").length <= 110);
});

import { mkdirSync, realpathSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import test from "ava";
import { newCache, newDirectory, warningsOf } from "../../place.js";

// A function that returns the path of its out file returns the first one on a hit: that is told, once, and nothing is changed.

const results: Record<string, (path: any) => unknown> = {
  "the path": (path) => path,
  "in an object": (path) => ({ rows: 3, file: path }),
  "in an array": (path) => [1, [path]],
  "deep inside": (path) => ({ a: [{ b: new Map([["c", new Set([path])]]) }] }),
  "as a key of a map": (path) => new Map([[path, 1]]),
  "its absolute path": (path) => (path instanceof URL ? path : realpathSync(path)),
  "its URL": (path) => (path instanceof URL ? path : pathToFileURL(path).href),
  "a URL": (path) => (path instanceof URL ? path : pathToFileURL(path)),
};

for (const [name, result] of Object.entries(results)) {
  for (const kind of ["sync", "async"]) {
    test.serial(`${name}, ${kind}: one warning, which names the way out`, async (t) => {
      const { permacache } = newCache(t);
      const dir = newDirectory(t);
      const run = (x: string, to: string) => {
        writeFileSync(to, x);
        return result(to);
      };
      const f: any = permacache("f", { outFile: "to" })(
        kind === "sync" ? run : async (x: string, to: string) => run(x, to),
      );
      const path = relative(process.cwd(), join(dir, "a"));
      const warnings = await warningsOf(async () => {
        const first = await f("x", path);
        t.deepEqual(await f("x", join(dir, "b")), first); // nothing is replaced
        await f("y", join(dir, "c"));
        await f.with({})("z", join(dir, "d"));
      });
      t.is(warnings.length, 1);
      t.regex(warnings[0]!, /"f": the result holds the path of the out file "to".*Return something else/s);
    });
  }
}

test.serial("a path through a link, and a file URL, are known by all their spellings", async (t) => {
  const { permacache } = newCache(t);
  const dir = newDirectory(t);
  mkdirSync(join(dir, "real"));
  symlinkSync(join(dir, "real"), join(dir, "link"));
  for (const [i, given] of [join(dir, "link", "x"), pathToFileURL(join(dir, "link", "y"))].entries()) {
    const f: any = permacache(`f${i}`, { outFile: "to" })((to: any) => {
      writeFileSync(to, "x");
      return [realpathSync(to)];
    });
    t.is((await warningsOf(() => f(given))).length, 1);
  }
});

test.serial("prime tells of it, too", async (t) => {
  const { permacache } = newCache(t);
  const path = join(newDirectory(t), "a");
  writeFileSync(path, "x");
  const f: any = permacache("f", { outFile: "to" })((to: string) => to.length);
  t.is((await warningsOf(() => f.prime({ path }, path))).length, 1);
});

test.serial("no warning where a result holds another text, is large, or has getters and cycles", async (t) => {
  const { permacache } = newCache(t, { onError: () => {} });
  const path = join(newDirectory(t), "a");
  const cycle: any = { name: basename(path), folder: join(path, ".."), longer: `${path}b` };
  cycle.self = cycle;
  let reads = 0;
  const values = [
    undefined,
    null,
    3,
    cycle,
    Array.from({ length: 100_000 }, (_, i) => `${i}`),
    new Uint8Array(100_000),
    Object.defineProperty({}, "path", { enumerable: true, get: () => `${path}${reads++}` }),
  ];
  for (const [i, value] of values.entries()) {
    const f: any = permacache(`f${i}`, { outFile: "to" })((to: string) => {
      writeFileSync(to, "x");
      return value;
    });
    t.deepEqual(await warningsOf(() => f(path)), []);
  }
  t.true(reads <= 1);
});

test.serial("no warning where the result is not stored", async (t) => {
  const { permacache } = newCache(t);
  const path = join(newDirectory(t), "a");
  const f: any = permacache("f", { outFile: "to" })((to: string) => {
    writeFileSync(to, "x");
    return to;
  });
  for (const mode of ["bypass", "read-only"]) t.deepEqual(await warningsOf(() => f.with({ mode })(path)), []);
});

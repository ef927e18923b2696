import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import test from "ava";
import { transformSync } from "esbuild";
import { newDirectory } from "./files/directory.js";
import { engineOfPage } from "./stores/map-engine.js";

/** What the build made, in a process of its own. @returns what it printed */
function run(program: string): string {
  const dist = pathToFileURL("dist").href;
  const imports = { index: `${dist}/index.js`, key: `${dist}/key/index.js`, lmdb: `${dist}/stores/lmdb/lmdb-store.js` };
  const source = program.replaceAll(/"(index|key|lmdb)"/g, (_, name: keyof typeof imports) => `"${imports[name]}"`);
  return execFileSync(process.execPath, ["--input-type=module", "--eval", source], { encoding: "utf8" });
}

test("a type that the index was told of is known to permacache/key", (t) => {
  const said = run(`
    import { defineType } from "index";
    import { stableHash } from "key";
    class Point { constructor(x) { this.x = x; } }
    defineType(Point, { name: "point", encode: ({ x }) => x, decode: (x) => new Point(x) });
    console.log(stableHash(new Point(1)) === stableHash(new Point(1)), stableHash(new Point(1)) === stableHash(new Point(2)));
  `);
  t.is(said, "true false\n");
});

test("an engine throws the errors of the index", (t) => {
  const said = run(`
    import { OptionError } from "index";
    import { lmdbStore } from "lmdb";
    try { lmdbStore({ path: 1 }); } catch (error) { console.log(error instanceof OptionError); }
  `);
  t.is(said, "true\n");
});

test("what an import does not need is not loaded", (t) => {
  const loaded = run(`
    import "index";
    import { createRequire } from "node:module";
    console.log(Object.keys(createRequire("/")("node:module")._cache).join("\\n"));
  `);
  const packages = [...loaded.matchAll(/node_modules[\\/]((?:@[^\\/]+[\\/])?[^\\/]+)/g)].map(([, name]) => name);
  t.deepEqual([...new Set(packages)].sort(), ["bytes", "env-paths", "fast-json-stable-stringify", "ms"]);
});

test("the package is a few files, each of which is published", (t) => {
  const { files } = JSON.parse(readFileSync("package.json", "utf8"));
  t.true(files.includes("dist/chunks"));
  t.true(readdirSync("dist/chunks").length <= 3);
  for (const [, chunk] of readFileSync("dist/index.js", "utf8").matchAll(/from "(\.[^"]+)"/g)) {
    t.regex(chunk!, /^\.\/chunks\//);
  }
});

test("the suite for engines runs with node:test, as docs/engines.md shows it", (t) => {
  const [, example] = /^```js\n(import test from "node:test";\n[\s\S]*?)^```$/m.exec(
    readFileSync("docs/engines.md", "utf8"),
  )!;
  const suite = pathToFileURL("dist/stores/contract/engine-tests.js").href;
  const directory = newDirectory();
  writeFileSync(join(directory, "package.json"), '{ "type": "module" }');
  writeFileSync(join(directory, "map-engine.js"), transformSync(engineOfPage(), { loader: "ts" }).code);
  writeFileSync(join(directory, "suite.js"), example!.replace("permacache/engine/test", suite));
  const said = execFileSync(process.execPath, ["--test-reporter=tap", join(directory, "suite.js")], {
    encoding: "utf8",
  });
  t.regex(said, /^# fail 0$/m);
  t.true(Number(/^# pass (\d+)$/m.exec(said)![1]) > 100);
});

test("the suite for engines needs nothing of the package, and no test runner", (t) => {
  const suite = readFileSync("dist/stores/contract/engine-tests.js", "utf8");
  const imported = [...suite.matchAll(/from "([^"]+)"/g)].map(([, name]) => name);
  t.deepEqual([...new Set(imported)].sort(), [
    "node:assert/strict",
    "node:crypto",
    "node:fs",
    "node:os",
    "node:path",
    "node:util",
  ]);
  t.is(readFileSync("dist/stores/engine.js", "utf8"), ""); // types alone
});

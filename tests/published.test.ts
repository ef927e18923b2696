import { execFileSync, spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import test from "ava";
import { newDirectory } from "./place.js";

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

/** What Node itself has: asked for is not loaded anew, but of some of them the first to ask pays. */
const BUILTINS = [
  "node:async_hooks",
  "node:buffer",
  "node:crypto",
  "node:diagnostics_channel",
  "node:fs",
  "node:fs/promises",
  "node:module",
  "node:os",
  "node:path",
  "node:stream",
  "node:stream/promises",
  "node:timers",
  "node:url",
  "node:util",
  "node:util/types",
  "node:v8",
  "node:zlib",
];
const PACKAGES = ["acorn", "bytes", "env-paths", "fast-json-stable-stringify", "ms"];
/** The key lock, and what that loads its binary with. */
const KEY_LOCK = [
  "bare-addon-resolve",
  "bare-module-resolve",
  "bare-semver",
  "fs-native-extensions",
  "require-addon",
  "which-runtime",
];

/** The packages and modules of Node that each step of a program asks for first, whatever kind of module asks for it. */
function loadedBy(steps: Record<string, string>): Record<string, string[]> {
  const lines = Object.entries(steps).map(([name, source]) => `writeSync(3, "step ${name}\\n"); ${source};`);
  const program = `import { writeSync } from "node:fs"; ${lines.join("\n")}`;
  const args = [
    "--import",
    pathToFileURL("tests/published.loading.mjs").href,
    "--input-type=module",
    "--eval",
    program,
  ];
  const { status, stderr, output } = spawnSync(process.execPath, args, {
    encoding: "utf8",
    stdio: Array(4).fill("pipe"),
  });
  if (status !== 0) throw new Error(stderr);
  const seen = new Set<string>();
  const sections = output[3]!.split(/^step /m).slice(1);
  return Object.fromEntries(
    sections.map((section) => {
      const [step, ...lines] = section.split("\n");
      const names = lines.flatMap((line) => line.match(/^node:.*|(?<=\/node_modules\/)((@[^/]+\/)?[^/]+)/)?.[0] ?? []);
      const first = names.filter((name) => !seen.has(name) && seen.add(name));
      return [step, first.sort()];
    }),
  );
}

const INDEX = JSON.stringify(pathToFileURL("dist/index.js").href);
for (const [kind, fn, call] of [
  ["sync", "(x) => x", "f(1)"],
  ["async", "async (x) => x", "await f(1)"],
] as const) {
  test(`what is not needed is not loaded, by an import, by wrapping, by the first miss, by the first hit: ${kind}`, (t) => {
    const dir = JSON.stringify(join(newDirectory(t), "cache"));
    const steps = {
      import: `const { createCache } = await import(${INDEX})`,
      wrapping: `const f = createCache({ dir: ${dir} }).permacache("f")(${fn})`,
      call,
    };
    const byImport = [...PACKAGES, ...BUILTINS];
    t.deepEqual(loadedBy(steps), { import: byImport, wrapping: [], call: KEY_LOCK }, "a miss");
    t.deepEqual(loadedBy(steps), { import: byImport, wrapping: [], call: [] }, "a hit");
  });
}

test("the package is a few files, each of which is published", (t) => {
  const { files } = JSON.parse(readFileSync("package.json", "utf8"));
  t.true(files.includes("dist/chunks"));
  t.true(readdirSync("dist/chunks").length <= 3);
  const imported = [...readFileSync("dist/index.js", "utf8").matchAll(/from "(\.[^"]+)"/g)].map(([, path]) => path!);
  t.true(imported.length > 0);
  for (const path of imported) t.regex(path, /^\.\/chunks\//);
});

import { readdirSync, readFileSync } from "node:fs";
import vm from "node:vm";
import test, { type ExecutionContext } from "ava";
import { build, type Plugin } from "esbuild";
import { canonicalJson, stableHash, str } from "../../src/key/index.js";
import { needs } from "../needs.js";

test("only the files for Node import from it", (t) => {
  const imports = readdirSync("src/key").flatMap((file) =>
    [...readFileSync(`src/key/${file}`, "utf8").matchAll(/^(?:import|export) .*from "([^"]+)"/gm)].map(
      ([, from]) => `${file}: ${from}`,
    ),
  );
  t.true(imports.length > 10);
  t.deepEqual(
    imports.filter((each) => !/: (\.|#sha256|#own-properties|sha\.js|fast-json-stable-stringify$)/.test(each)),
    ["node.ts: node:crypto", "node.ts: node:util"],
  );
});

/** What a user's bundler makes for a browser. */
async function bundle(entry: string, plugins: Plugin[] = []): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [entry],
    bundle: true,
    write: false,
    platform: "browser",
    format: "iife",
    globalName: "key",
    target: "es2022",
    tsconfigRaw: {}, // not the paths of this project, which lead to the file for Node
    plugins,
    logLevel: "silent",
  });
  return outputFiles[0]!.text;
}

/** The condition "default" of the import `#sha256`, before there is a `dist`. */
const portable: Plugin = {
  name: "portable",
  setup({ onResolve }) {
    onResolve({ filter: /^#/ }, () => ({ path: `${process.cwd()}/src/key/portable.ts` }));
  },
};

const VALUES = `[
  null, true, -0, NaN, 1e21, 12n, undefined, "", "\u00e9\u20ac\ud83d\ude00", "\ud800", [1, , [undefined]],
  { b: 1, a: { $type: 1 }, 10: 1, 9: 2 }, JSON.parse('{"__proto__":1}'), Object.create(null),
  new Map([["b", new Set([2, 1])], ["a", null]]), new Date(0), new Date(NaN), /a/g, Object("a"), Object(1n),
  new TypeError("m", { cause: new Error("c") }), new AggregateError([1], "m"),
  new Uint8Array([1, 2]), new Uint8Array([9, 1, 2]).subarray(1), new Float64Array([0.1]), new BigInt64Array(2),
  new DataView(new ArrayBuffer(4), 1), new ArrayBuffer(3), new Uint8Array(100000).fill(7), "x".repeat(100000),
  new (class Money { toJSON() { return 5n; } })(), new (class Keyed { [Symbol.for("permacache.key")]() { return [1]; } })(),
]`;

/** In a realm that has the language and nothing else. */
function sameAsHere(t: ExecutionContext, code: string): void {
  const context = vm.createContext({});
  t.is(
    vm.runInContext("typeof TextEncoder + typeof URL + typeof Buffer + typeof process", context),
    "undefined".repeat(4),
  );
  vm.runInContext(code, context);
  const values: unknown[] = vm.runInThisContext(VALUES);
  t.true(values.length > 30);
  t.deepEqual([...vm.runInContext(`${VALUES}.map(key.canonicalJson)`, context)], values.map(canonicalJson));
  t.deepEqual([...vm.runInContext(`${VALUES}.map(key.stableHash)`, context)], values.map(stableHash));
}

test("bundled for a browser, it gives the same texts and digests", async (t) => {
  const code = await bundle("src/key/index.ts", [portable]);
  sameAsHere(t, code);
  t.notRegex(code, /node:|process\.versions/);
});

test("bundled for a browser, it refuses the same", async (t) => {
  const context = vm.createContext({});
  vm.runInContext(await bundle("src/key/index.ts", [portable]), context);
  t.deepEqual(
    {
      ...vm.runInContext(
        "try { key.stableHash({ a: [() => 1] }) } catch ({ code, name }) { ({ code, name }) }",
        context,
      ),
    },
    { code: "ERR_PERMACACHE_UNKEYABLE", name: "UnkeyableValueError" },
  );
  t.is(
    vm.runInContext("try { key.str([]) } catch ({ message }) { message }", context),
    t.throws(() => str([])).message,
  );
  t.is(
    vm.runInContext(
      "let deep = []; for (let i = 0; i < 200000; i++) deep = [deep]; try { key.stableHash(deep) } catch ({ code }) { code }",
      context,
    ),
    "ERR_PERMACACHE_UNKEYABLE",
  );
});

const whenBuilt = needs("the build");

whenBuilt("what is published finds the portable digest by the imports of its package.json", async (t) => {
  sameAsHere(t, await bundle("dist/key/index.js"));
});

whenBuilt("what is published finds the native digest in Node", async (t) => {
  const published = await import(`${process.cwd()}/dist/key/index.js`);
  t.is(published.stableHash("a"), stableHash("a"));
  t.regex(import.meta.resolve("#sha256"), /key\/node\./);
});

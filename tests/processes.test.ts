import { execFile, spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import test, { type ExecutionContext } from "ava";
import { needs } from "./needs.js";
import { filesIn, newDirectory } from "./place.js";
import { newRandom } from "./seed.js";

const run = promisify(execFile);

/** Runs a module in a process of its own, against the built package; gives what it printed, as JSON a line. */
async function program(
  t: ExecutionContext,
  source: string,
  env: NodeJS.ProcessEnv = {},
  type = "module",
): Promise<any[]> {
  const { stdout, stderr } = await run(process.execPath, [`--input-type=${type}`, "-e", source], {
    env: { ...process.env, ...env },
  });
  if (stderr !== "") t.log(stderr);
  return stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
}

const f = `permacache("four")((x, y = 2, z = 3) => { console.log('"computed"'); return x * 100 + y * 10 + z; })`;
const g = `permacache("four")(({ x, y = 2, z = 3 }) => { console.log('"computed"'); return x * 100 + y * 10 + z; })`;
const SPELLINGS = [
  `${f}(2)`,
  `${f}(2, 2, 3)`,
  `${f}(2, kw({ z: 3, y: 2 }))`,
  `${f}(kw({ x: 2, y: 2, z: 3 }))`,
  `${g}({ z: 3, x: 2 })`,
];

test("the spellings of one call compute once between them, in processes of their own", async (t) => {
  const PERMACACHE_DIR = newDirectory(t);
  const printed: any[] = [];
  for (const call of SPELLINGS) {
    printed.push(
      ...(await program(t, `import { kw, permacache } from "permacache"; console.log(${call});`, { PERMACACHE_DIR })),
    );
  }
  t.deepEqual(printed, ["computed", 223, 223, 223, 223, 223]);
  t.is(filesIn(PERMACACHE_DIR).length, 1);
});

test("require() of it works", async (t) => {
  const PERMACACHE_DIR = newDirectory(t);
  const source = `const { permacache } = require("permacache"); const { stableHash } = require("permacache/key");
    console.log(permacache("cjs")((x) => x + 1)(1)); console.log(JSON.stringify(stableHash(1)));`;
  t.deepEqual(await program(t, source, { PERMACACHE_DIR }, "commonjs"), [
    2,
    "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b",
  ]);
});

needs("linux")("without PERMACACHE_DIR entries live in the user's cache directory", async (t) => {
  const home = newDirectory(t);
  const env = { HOME: home, XDG_CACHE_HOME: undefined, PERMACACHE_DIR: undefined };
  await program(t, `import { permacache } from "permacache"; console.log(permacache("home")((x) => x)(1));`, env);
  t.is(filesIn(join(home, ".cache", "permacache", "home", "=1")).length, 1);
});

test("PERMACACHE_MODE holds where nothing narrower does, and is read at the first call", async (t) => {
  const PERMACACHE_DIR = newDirectory(t);
  const source = `import { permacache, withMode } from "permacache";
    const plain = permacache("plain")((x) => x);
    const own = permacache("own", { mode: "read-write" })((x) => x);
    process.env.PERMACACHE_MODE = process.env.LATER;
    plain(1); own(1); withMode("read-write", () => plain(2));
    console.log(JSON.stringify([plain.has(1), own.has(1), plain.has(2)]));`;
  t.deepEqual(await program(t, source, { PERMACACHE_DIR, LATER: "read-only" }), [[false, true, true]]);
});

test("a bad PERMACACHE_MODE is an OptionError at the first call, not before", async (t) => {
  const source = `import { permacache } from "permacache";
    const f = permacache("bad")((x) => x);
    const g = permacache("bad/async")(async (x) => x);
    for (const call of [f, g]) try { await call(1); } catch (error) { console.log(JSON.stringify([error.name, error.code, error.message])); }`;
  const env = { PERMACACHE_DIR: newDirectory(t), PERMACACHE_MODE: "readonly" };
  const errors = await program(t, source, env);
  t.is(errors.length, 2);
  for (const [name, code, message] of errors) {
    t.is(name, "OptionError");
    t.is(code, "ERR_PERMACACHE_OPTION");
    t.regex(message, /PERMACACHE_MODE is "readonly".*only-if-cached.*unset it/);
  }
});

test("a process killed while it stores leaves a miss or the exact value", async (t) => {
  const dir = newDirectory(t);
  const source = `import { createCache } from "permacache";
    const { permacache } = createCache({ dir: ${JSON.stringify(dir)} });
    const f = permacache("killed")((x) => ({ x, filler: "x".repeat(200_000) }));
    console.log(0);
    for (let x = 0; ; x = (x + 1) % 50) f.with({ mode: "refresh" })(x);`;
  const file = join(newDirectory(t), "writer.mjs");
  mkdirSync(join(file, ".."), { recursive: true });
  writeFileSync(file, source.replace('"permacache"', JSON.stringify(join(import.meta.dirname, "../dist/index.js"))));
  const random = newRandom(t);
  for (let round = 0; round < 8; round++) {
    const writer = spawn(process.execPath, [file], { stdio: ["ignore", "pipe", "inherit"] });
    await new Promise((resolve) => writer.stdout.once("data", resolve));
    await new Promise((resolve) => setTimeout(resolve, random.below(40)));
    writer.kill("SIGKILL");
    await new Promise((resolve) => writer.once("exit", resolve));
    const [wrong] = await program(
      t,
      `import { createCache } from "permacache";
      const { permacache } = createCache({ dir: ${JSON.stringify(dir)} });
      const f = permacache("killed")((x) => ({ x, filler: "x".repeat(200_000) }));
      let wrong = 0;
      f(1000 + ${round}); // the first write of a process sweeps
      for (let x = 0; x < 50; x++) { const { x: y, filler } = f(x); if (y !== x || filler.length !== 200_000) wrong++; }
      console.log(wrong);`,
    );
    t.is(wrong, 0);
  }
  t.deepEqual(filesIn(join(dir, "=_tmp")), [], "what dead writers left behind was swept");
});

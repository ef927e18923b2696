import { spawnSync } from "node:child_process";
import { join } from "node:path";
import test from "ava";
import { CacheMissError, createCache, type Mode, withMode } from "../../src/index.js";
import { newDirectory } from "../place.js";

const MODES: readonly Mode[] = ["read-write", "read-only", "refresh", "bypass", "only-if-cached"];
/** From the narrowest to the widest. */
const LEVELS = ["call", "scope", "function", "cache", "environment"] as const;
type Given = Partial<Record<(typeof LEVELS)[number], Mode | undefined>>;

let wrapped = 0;

/** What a call does where these modes are given: told by what it reads, writes and throws, not by what it says. */
function observed(dir: string, given: Given): Mode {
  const { permacache } = createCache({ dir, mode: given.cache });
  const f = permacache(`f${wrapped++}`, { mode: given.function })((_x: string): string => "computed");
  const call = (x: string) => {
    const calls = given.call ? f.with({ mode: given.call }) : f;
    return given.scope ? withMode(given.scope, () => calls(x)) : calls(x);
  };
  if (given.environment) process.env.PERMACACHE_MODE = given.environment;
  try {
    f.prime("stored", "warm"); // the first use: now the environment is read
    const reads = call("warm") === "stored";
    call("cold");
    const writes = f.has("cold");
    return reads ? (writes ? "read-write" : "read-only") : writes ? "refresh" : "bypass";
  } catch (error) {
    if (error instanceof CacheMissError) return "only-if-cached";
    throw error;
  } finally {
    delete process.env.PERMACACHE_MODE;
  }
}

test.serial("the full table: call, scope, function, cache, environment; the narrower wins", (t) => {
  const dir = join(newDirectory(t), "cache");
  const check = (given: Given, expected: Mode) => {
    const seen = observed(dir, given);
    if (seen !== expected) t.fail(`${JSON.stringify(given)}: ${seen} instead of ${expected}`);
  };
  check({}, "read-write");
  for (const mode of MODES) for (const level of LEVELS) check({ [level]: mode }, mode);
  for (const [i, narrow] of LEVELS.entries()) {
    for (const wide of LEVELS.slice(i + 1)) {
      for (const mode of MODES) for (const other of MODES) check({ [narrow]: mode, [wide]: other }, mode);
    }
  }
  // All five levels at once, each with a mode of its own; then without the narrowest, and so on.
  for (const turn of MODES.keys()) {
    const all = LEVELS.map((level, i) => [level, MODES[(turn + i) % MODES.length]!] as const);
    for (const [i, [, mode]] of all.entries()) check(Object.fromEntries(all.slice(i)), mode);
  }
  t.pass();
});

const PROGRAM = `
  import { createCache, permacache, withMode } from "permacache";
  const done = (call) => { try { return call(); } catch (error) { return error.code; } };
  const own = createCache({ dir: process.env.PERMACACHE_DIR, mode: "bypass" });
  const inDefault = permacache("in-default")(() => "computed");
  const inOwn = own.permacache("in-own")(() => "computed");
  for (const f of [inDefault, inOwn]) f.prime("stored");
  console.log(JSON.stringify([
    done(() => withMode("read-only", () => inDefault())),
    done(() => inDefault.with({ mode: "bypass" })()),
    done(() => inOwn()),
    done(() => inDefault()),
    done(() => permacache("missing", { mode: "only-if-cached" })(() => "computed")()),
  ]));`;
for (const [mode, value] of [
  ["read-write", "stored"],
  ["read-only", "stored"],
  ["refresh", "computed"],
  ["bypass", "computed"],
  ["only-if-cached", "stored"],
]) {
  test(`PERMACACHE_MODE=${mode} of a whole process holds where nothing narrower does`, (t) => {
    const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", PROGRAM], {
      encoding: "utf8",
      env: { ...process.env, PERMACACHE_DIR: newDirectory(t), PERMACACHE_MODE: mode },
    });
    t.is(stderr, "");
    t.deepEqual(JSON.parse(stdout), ["stored", "computed", "computed", value, "ERR_PERMACACHE_MISS"]);
  });
}

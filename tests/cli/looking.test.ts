import { join } from "node:path";
import test from "ava";
import { createCache, defineType } from "../../src/index.js";
import { newCache, newDirectory } from "../place.js";
import { permacacheCommand, treeOf } from "./command.js";

const ESC = "\u001b";

class Point {
  constructor(readonly x: number) {}
}

/** A cache of a few paths, as the commands find it. */
function filledCache(t: Parameters<typeof newCache>[0]) {
  const { dir, permacache } = newCache(t);
  const power = permacache("looking/power")((x: number, y = 2) => x ** y);
  for (const x of [2, 3, 10]) power(x);
  const second = permacache("looking/power", { version: "2" })((x: number, y = 2) => x ** y + 0.5);
  second(7);
  const rich = permacache("looking/rich")((_x: number) => ({
    map: new Map([["a", 1n]]),
    date: new Date(0),
    deep: { a: { b: { c: { d: { e: { f: ["deepest"] } } } } } },
    list: Array.from({ length: 300 }, (_, i) => i),
  }));
  rich(1);
  const run = async (...args: string[]) => permacacheCommand(["--dir", dir, ...args]);
  const json = async (...args: string[]) => {
    const { code, stdout, stderr } = await run("--json", ...args);
    t.deepEqual([code, stderr], [0, ""]);
    return JSON.parse(stdout);
  };
  return { dir, permacache, second, run, json };
}

test("ls: a line for each version of a path, and the total", async (t) => {
  const { run, json } = filledCache(t);
  const { code, stdout, stderr } = await run("ls");
  t.deepEqual([code, stderr], [0, ""]);
  const [titles, ...lines] = stdout.trimEnd().split("\n");
  t.regex(titles!, /^PATH +VERSION +ENTRIES +SIZE +NEWEST$/);
  t.is(lines.length, 4);
  t.regex(lines[0]!, /^looking\/power +3 +\d+ B +\d{4}-\d\d-\d\d \d\d:\d\d$/);
  t.regex(lines[1]!, /^looking\/power +2 +1 +\d+ B +\d{4}-/);
  t.regex(lines[2]!, /^looking\/rich +1 /);
  t.regex(lines[3]!, /^2 paths, 5 entries, [\d.]+ K?B$/);

  const list = await json("ls");
  t.deepEqual(
    list.map(({ path, version, entries }: any) => [path, version, entries]),
    [
      ["looking/power", null, 3],
      ["looking/power", "2", 1],
      ["looking/rich", null, 1],
    ],
  );
  for (const { bytes, newest } of list) {
    t.true(bytes > 100);
    t.is(new Date(newest).toISOString(), newest);
  }
});

test("show: a line for each entry: arguments, value, date, time and size", async (t) => {
  const { run, json } = filledCache(t);
  const { code, stdout, stderr } = await run("show", "looking/power");
  t.deepEqual([code, stderr], [0, ""]);
  const [titles, ...lines] = stdout.trimEnd().split("\n");
  t.regex(titles!, /^KEY +VERSION +VALUE +CREATED +TOOK +SIZE$/);
  t.deepEqual(
    lines.map((line) => line.split(/ {2,}/).slice(0, 3).join(" | ")).filter((line) => !line.includes("| 2 |")).length,
    3,
  );
  t.true(lines.some((line) => /^\{"x":3,"y":2\} +9 +\d{4}-\d\d-\d\d \d\d:\d\d +\S+ +\d+ B$/.test(line)));
  t.true(lines.some((line) => /^\{"x":7,"y":2\} +2 +49\.5 +\d{4}-/.test(line)));

  const entries = await json("show", "looking/power");
  t.is(entries.length, 4);
  const three = entries.find(({ key }: any) => key.x === 3);
  t.deepEqual(
    [three.key, three.value, three.version, typeof three.duration, typeof three.bytes],
    [{ x: 3, y: 2 }, 9, null, "number", "number"],
  );
  t.is(new Date(three.createdAt).toISOString(), three.createdAt);
});

test("show: an entry of one version is not taken for that of another", async (t) => {
  const { second, run, json } = filledCache(t);
  second(3);
  const threes = (await json("show", "looking/power")).filter(({ key }: any) => key.x === 3);
  t.deepEqual(
    threes.map(({ version, value }: any) => [version, value]).sort(),
    [
      ["2", 9.5],
      [null, 9],
    ].sort(),
  );
  t.regex((await run("show", "looking/power")).stdout, /^\{"x":3,"y":2\} {3,}9 .*^\{"x":3,"y":2\} +2 +9\.5 /ms);
});

test("show --key: the arguments by name, and the value in full", async (t) => {
  const { run, json } = filledCache(t);
  const { code, stdout, stderr } = await run("show", "looking/rich", "--key", ' { "_x" : 1 } ');
  t.deepEqual([code, stderr], [0, ""]);
  t.regex(stdout, /^path +looking\/rich\ncreated +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\ntook +\S+\nsize +[\d.]+ K?B\n/);
  t.regex(stdout, /\narguments\n {2}_x +1\n/);
  t.regex(stdout, /Map\(1\) \{ 'a' => 1n \}/);
  t.regex(stdout, /1970-01-01T00:00:00\.000Z/);
  t.regex(stdout, /\[ 'deepest' \]/);
  t.regex(stdout, /\b299\b/);
  t.notRegex(stdout, /more items/);

  const entry = await json("show", "looking/rich", "--key", '{"_x":1}');
  t.deepEqual(entry.value.map, { $type: "Map", entries: ["a", { $type: "bigint", value: "1" }] });
  t.deepEqual(entry.value.date, { $type: "Date", value: 0 });
  t.is(entry.value.list.length, 300);
});

test("show --key: in any order; of several versions the newest; what is not there names similar keys, exit 1", async (t) => {
  const { run, json } = filledCache(t);
  t.is((await json("show", "looking/power", "--key", '{"y":2,"x":10}')).value, 100);
  const seven = await json("show", "looking/power", "--key", '{"y":2,"x":7}');
  t.deepEqual([seven.value, seven.version], [49.5, "2"]);
  const { code, stdout, stderr } = await run("show", "looking/power", "--key", '{"x":11,"y":2}');
  t.deepEqual([code, stdout], [1, ""]);
  t.regex(stderr, /^permacache: looking\/power has no entry \{"x":11,"y":2\}\. Similar ones: .*\{"x":10,"y":2\}.*\n$/);
  t.regex(
    (await run("show", "looking/power", "--key", "[]")).stderr,
    /It has 4 entries: see permacache show looking\/power\n$/,
  );
});

test("show: the value of a class that this program does not know is shown for what it is", async (t) => {
  const { permacache, run, json } = filledCache(t);
  defineType(Point, { name: "LookingPoint", encode: ({ x }) => ({ x }), decode: ({ x }: any) => new Point(x) });
  permacache("looking/point")((x: number) => ({ at: new Point(x) }))(1);
  const shown = "{ at: LookingPoint { x: 1 } }";
  t.true((await run("show", "looking/point")).stdout.includes(`{"x":1}  ${shown}  `));
  t.true((await run("show", "looking/point", "--key", '{"x":1}')).stdout.endsWith(`\nvalue\n${shown}\n`));
  const [entry] = await json("show", "looking/point");
  t.deepEqual(entry.value, { at: { $type: "type LookingPoint", value: { x: 1 } } });
});

test("show: a value of another codec is a problem of its own row, not of the command", async (t) => {
  const { permacache, run, json } = filledCache(t);
  const codec = { name: "secret", encode: (value: unknown) => String(value), decode: String };
  permacache("looking/codec", { codec })((x: number) => x)(1);
  t.regex((await run("show", "looking/codec")).stdout, /^\{"x":1\} +\([^)]*codec "secret"\) +\d{4}-/m);
  const [{ problem, ...entry }] = await json("show", "looking/codec");
  t.regex(problem, /codec "secret"/);
  t.false("value" in entry);
  const one = await run("show", "looking/codec", "--key", '{"x":1}');
  t.is(one.code, 0);
  t.regex(one.stdout, /\(.*codec "secret".*\)\n$/);
});

test("show: keys and values cannot reach the terminal", async (t) => {
  const { permacache, run, json } = filledCache(t);
  const hostile = `${ESC}[2J${ESC}]0;title\u0007\u009b31m\r\n\u202eabc`;
  const error = new Error(hostile);
  error.stack = hostile;
  const f = permacache("looking/hostile")((_x: unknown) => [hostile, error, { [hostile]: new RegExp(hostile) }]);
  f(hostile);
  f({ [hostile]: 1 });
  const key = JSON.stringify({ _x: hostile });
  for (const args of [
    ["show", "looking/hostile"],
    ["show", "looking/hostile", "--key", key],
    ["show", "looking/hostile", "--json"],
    ["show", "looking/hostile", "--key", '{"_x":1}'],
    ["show", "looking/hostile", "--key", hostile],
    [hostile],
    ["count", hostile],
    ["ls", `--${hostile}`],
  ]) {
    const { stdout, stderr } = await run(...args);
    t.notRegex((stdout + stderr).replaceAll("\n", ""), /[\p{Cc}\u202e]/u, args.join(" "));
  }
  const [, entry] = await json("show", "looking/hostile");
  t.is(entry.value[0], hostile);
});

test("stats: where the cache is, and how much there is", async (t) => {
  const { dir, run, json } = filledCache(t);
  const { stdout } = await run("stats");
  for (const line of [
    `directory +${dir}`,
    "format +1",
    "paths +2",
    "entries +5",
    "size +\\d",
    "newest +\\d{4}-",
    "free on disk +\\d",
    "key lock +(kernel|portable)$",
  ]) {
    t.regex(stdout, new RegExp(`^${line}`, "m"));
  }
  const { directory, format, paths, entries, bytes, newest, freeBytes, lock } = await json("stats");
  t.deepEqual([directory, format, paths, entries], [dir, 1, 2, 5]);
  t.true(bytes > 500 && freeBytes > 0);
  t.true(["kernel", "portable"].includes(lock));
  t.is(new Date(newest).toISOString(), newest);
});

test("commands that only read change nothing in the cache", async (t) => {
  const { dir, run } = filledCache(t);
  const before = treeOf(dir);
  const outside = newDirectory(t);
  for (const args of [
    ["ls"],
    ["count", "looking/power"],
    ["show", "looking/power"],
    ["show", "looking/power", "--key", '{"x":2,"y":2}'],
    ["stats"],
    ["verify"],
    ["export", "looking/power", join(outside, "power.zip")],
  ]) {
    t.is((await run(...args)).code, 0, args.join(" "));
    t.deepEqual(treeOf(dir), before, args.join(" "));
  }
});

test("a cache without entries is none of the errors", async (t) => {
  const { dir, permacache } = newCache(t);
  const f = permacache("empty")((x: number) => x);
  f(1);
  f.clear();
  const run = async (...args: string[]) => (await permacacheCommand(["--dir", dir, ...args])).stdout;
  t.is(await run("ls"), "0 paths, 0 entries, 0 B\n");
  t.is(await run("ls", "--json"), "[]\n");
  t.is(await run("show", "empty", "--json"), "[]\n");
  t.regex(await run("stats"), /^newest +none$/m);
});

test("without --dir: PERMACACHE_DIR, else the user's cache directory", async (t) => {
  const home = newDirectory(t);
  const dir = join(home, "elsewhere");
  createCache({ dir }).permacache("a")((x: number) => x)(1);
  const env = { HOME: home, XDG_CACHE_HOME: join(home, ".cache") };
  t.is((await permacacheCommand(["count", "a"], { ...env, PERMACACHE_DIR: dir })).stdout, "1\n");
  const { code, stderr } = await permacacheCommand(["count", "a"], env);
  t.is(code, 1);
  t.true(process.platform !== "linux" || stderr.includes(join(home, ".cache", "permacache")), stderr);
});

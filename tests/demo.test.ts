import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { RedisServer } from "../scripts/redis.js";
import { needs } from "./needs.js";

const project = new URL("..", import.meta.url);

/** Colours and modes are as the program has them by itself. */
function demo(args: string[], variables: Record<string, string> = {}) {
  const { FORCE_COLOR, NO_COLOR, PERMACACHE_MODE, ...env } = process.env;
  const options = { cwd: project, encoding: "utf8", env: { ...env, ...variables } } as const;
  return spawnSync(process.execPath, ["--import", "tsx", "scripts/demo.ts", ...args], options);
}

function temporary(t: { teardown(remove: () => void): void }): string {
  const dir = realpathSync(mkdtempSync(join(tmpdir(), "permacache-demo-")));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** What stands between the table and the summary, but for the chart: whence that comes differs from run to run. */
function results(output: string): string {
  return output.slice(output.indexOf("The mean delay"), output.indexOf("Summary")).replace(/^Chart: .*\n/m, "");
}

/** What the demo tells about the chart. */
function chartLine(output: string): string | undefined {
  return /^Chart: (.*)$/m.exec(output)?.[1];
}

const refuses = test.macro({
  exec(t, args: string[], message: RegExp) {
    const { status, stdout, stderr } = demo(args);
    t.is(status, 2);
    t.is(stdout, "");
    t.regex(stderr, message);
    t.regex(stderr, /Usage: npm run demo/);
  },
  title: (_, args: string[]) => `demo ${args.join(" ")} is refused`,
});

test("a second run computes nothing, and shows the same results", (t) => {
  const args = ["--quick", "--dir", temporary(t)];
  const first = demo(args);
  t.deepEqual([first.status, first.stderr], [0, ""]);
  t.regex(first.stdout, /^meanDelay\(ORD\) .* {2}miss$/m);
  t.regex(first.stdout, /^12 calls: 12 computed \(12 stored\), 0 served/m);
  t.regex(results(first.stdout), /Atlanta, GA/);
  t.notRegex(first.stdout, /Nothing was computed/);

  const second = demo(args);
  t.deepEqual([second.status, second.stderr], [0, ""]);
  t.regex(second.stdout, /^Nothing was computed: all 12 calls were served from the cache\.$/m);
  t.notRegex(second.stdout, / {2}miss$/m);
  t.is(results(second.stdout), results(first.stdout));

  const third = demo([...args, "--clear"]);
  t.regex(third.stdout, /^Cleared 12 entries\.$/m);
  t.regex(third.stdout, /^12 calls: 12 computed/m);
});

test("the chart is drawn once: it is copied to another path, and comes back when it was deleted or changed", (t) => {
  const dir = temporary(t);
  const [chart, other] = [join(dir, "delays.svg"), join(temporary(t), "deep", "other.svg")];
  const args = ["--quick", "--dir", dir];

  t.is(chartLine(demo(args).stdout), `${chart} (rendered)`);
  const svg = readFileSync(chart, "utf8");
  t.regex(svg, /^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg" [^<>]*>\n<title>Mean delay of the 6 busiest airports</);
  t.regex(svg, /<\/svg>\n$/);
  t.is(svg.match(/<circle /g)?.length, 6);
  for (const words of ["ATL", "Atlanta, GA", "mean delay in minutes"]) t.true(svg.includes(`>${words}</text>`), words);
  t.notRegex(svg, /NaN|undefined|Infinity/);

  const served = (args: string[], how: string | RegExp) => {
    const { stdout } = demo(args);
    t.regex(stdout, /^Nothing was computed: all 12 calls/m);
    const line = chartLine(stdout) ?? "";
    if (typeof how === "string") t.is(line, how);
    else t.regex(line, how);
  };
  served(args, `${chart} (it was still there)`);
  served([...args, "--chart", other], `${other} (restored from ${chart})`);
  t.is(readFileSync(other, "utf8"), svg);

  writeFileSync(chart, "scribbled over");
  served(args, `${chart} (restored from ${other})`);
  t.is(readFileSync(chart, "utf8"), svg);

  rmSync(chart);
  rmSync(other);
  served(args, /delays\.svg \(restored from .*draw-delays.*\.kept\)$/);
  t.is(readFileSync(chart, "utf8"), svg);
  t.false(existsSync(other));
});

test("on LMDB a second run computes nothing either, and shows the same results as on files", (t) => {
  const args = ["--quick", "--dir", temporary(t), "--store", "lmdb"];
  const first = demo(args);
  t.is(first.status, 0);
  t.regex(first.stderr, /^\(node:\d+\) \[ERR_PERMACACHE_EXPERIMENTAL\] [^\n]*\n\(Use [^\n]*\n$/);
  t.regex(first.stdout, /^12 calls: 12 computed \(12 stored\)/m);
  t.regex(first.stdout, /^Entries: .*lmdb/m);
  const second = demo(args);
  t.regex(second.stdout, /^Nothing was computed: all 12 calls/m);
  t.is(results(second.stdout), results(demo(["--quick", "--dir", temporary(t)]).stdout));
});

test("without a server it computes, with one warning", (t) => {
  const args = ["--quick", "--dir", temporary(t), "--store", "redis", "--url", "redis://127.0.0.1:1"];
  const first = demo(args);
  t.is(first.status, 0);
  t.is(first.stderr.match(/PermacacheWarning/g)?.length, 1, first.stderr);
  t.regex(first.stdout, /^12 calls: 12 computed \(12 stored\)/m);
  t.regex(demo(args).stdout, /^Nothing was computed: all 12 calls/m); // near
});

needs("redis-server")("another machine is served from a Redis server", async (t) => {
  const server = await RedisServer.start();
  t.teardown(() => server.stop());
  const run = () => demo(["--quick", "--dir", temporary(t), "--store", "redis", "--url", server.url]);
  const first = run();
  t.deepEqual([first.status, first.stderr], [0, ""]);
  t.regex(first.stdout, /^12 calls: 12 computed \(12 stored\)/m);
  const second = run(); // the async functions are served; a sync one reads what is near
  t.regex(second.stdout, /^12 calls: 10 computed \(10 stored\), 2 served/m);
  t.is(results(second.stdout), results(first.stdout));
});

test("a chart that cannot be written is told in one line", (t) => {
  const dir = temporary(t);
  writeFileSync(join(dir, "file"), "");
  for (const chart of [dir, join(dir, "file", "delays.svg")]) {
    const { status, stderr } = demo(["--quick", "--dir", dir, "--chart", chart]);
    t.is(status, 1);
    t.regex(stderr, /^demo: .*\n$/);
    t.true(stderr.includes(chart) || stderr.includes(join(dir, "file")), stderr);
  }
});

test("what is piped has no escape codes", (t) => {
  const { stdout, stderr } = demo(["--quick", "--dir", temporary(t)]);
  t.false(`${stdout}${stderr}`.includes("\x1b"));
});

test("a mode of the environment holds", (t) => {
  const dir = temporary(t);
  const readOnly = demo(["--quick", "--dir", dir], { PERMACACHE_MODE: "read-only" });
  t.is(readOnly.status, 0);
  t.regex(readOnly.stdout, /^12 calls: 12 computed \(0 stored\)/m);

  t.deepEqual(readdirSync(dir), ["delays.svg"], "what the function writes by itself");
  rmSync(join(dir, "delays.svg"));

  const onlyCached = demo(["--quick", "--dir", dir], { PERMACACHE_MODE: "only-if-cached" });
  t.is(onlyCached.status, 1);
  t.regex(onlyCached.stderr, /^demo: .*there is no entry for \{"file":/);
  t.deepEqual(readdirSync(dir), []);
});

test("--help shows the options", (t) => {
  const { status, stdout } = demo(["--help"]);
  t.is(status, 0);
  for (const option of ["--size", "--quick", "--dir", "--store", "--url", "--chart", "--clear"])
    t.true(stdout.includes(option));
});

test(refuses, ["--no-such-option"], /no-such-option/);
test(refuses, ["--size", "3m"], /--size is 20k or 200k, not "3m"/);
test(refuses, ["--dir", ""], /--dir needs the path of a directory/);
test(refuses, ["--chart", ""], /--chart needs the path of a file/);
test(refuses, ["--store", "memcached"], /--store is files, lmdb or redis, not "memcached"/);
test(refuses, ["--url", "redis://x"], /--url goes with --store redis/);
test(refuses, ["flights.json"], /flights\.json/);

import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";

const project = new URL("..", import.meta.url);

/** Colours and modes are as the program has them by itself. */
function demo(args: string[], variables: Record<string, string> = {}) {
  const { FORCE_COLOR, NO_COLOR, PERMACACHE_MODE, ...env } = process.env;
  const options = { cwd: project, encoding: "utf8", env: { ...env, ...variables } } as const;
  return spawnSync(process.execPath, ["--import", "tsx", "scripts/demo.ts", ...args], options);
}

function temporary(t: { teardown(remove: () => void): void }): string {
  const dir = mkdtempSync(join(tmpdir(), "permacache-demo-"));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** What stands between the table and the summary. */
function results(output: string): string {
  return output.slice(output.indexOf("The mean delay"), output.indexOf("Summary"));
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
  t.regex(first.stdout, /^11 calls: 11 computed \(11 stored\), 0 served/m);
  t.regex(results(first.stdout), /Atlanta, GA/);
  t.notRegex(first.stdout, /Nothing was computed/);

  const second = demo(args);
  t.deepEqual([second.status, second.stderr], [0, ""]);
  t.regex(second.stdout, /^Nothing was computed: all 11 calls were served from the cache\.$/m);
  t.notRegex(second.stdout, / {2}miss$/m);
  t.is(results(second.stdout), results(first.stdout));

  const third = demo([...args, "--clear"]);
  t.regex(third.stdout, /^Cleared 11 entries\.$/m);
  t.regex(third.stdout, /^11 calls: 11 computed/m);
});

test("what is piped has no escape codes", (t) => {
  const { stdout, stderr } = demo(["--quick", "--dir", temporary(t)]);
  t.false(`${stdout}${stderr}`.includes("\x1b"));
});

test("a mode of the environment holds", (t) => {
  const dir = temporary(t);
  const readOnly = demo(["--quick", "--dir", dir], { PERMACACHE_MODE: "read-only" });
  t.is(readOnly.status, 0);
  t.regex(readOnly.stdout, /^11 calls: 11 computed \(0 stored\)/m);

  const onlyCached = demo(["--quick", "--dir", dir], { PERMACACHE_MODE: "only-if-cached" });
  t.is(onlyCached.status, 1);
  t.regex(onlyCached.stderr, /^demo: .*there is no entry for \{"file":/);
  t.deepEqual(readdirSync(dir), []);
});

test("--help shows the options", (t) => {
  const { status, stdout } = demo(["--help"]);
  t.is(status, 0);
  for (const option of ["--size", "--quick", "--dir", "--clear"]) t.true(stdout.includes(option));
});

test(refuses, ["--no-such-option"], /no-such-option/);
test(refuses, ["--size", "3m"], /--size is 20k or 200k, not "3m"/);
test(refuses, ["--dir", ""], /--dir needs the path of a directory/);
test(refuses, ["flights.json"], /flights\.json/);

import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import stringWidth from "string-width";
import { needs } from "../needs.js";
import { newCache, newDirectory } from "../place.js";
import { environment, MAIN, outcomeOf, permacacheCommand } from "./command.js";

const ESC = "\u001b";
const BOLD = `${ESC}[1m`;

function wideCache(t: ExecutionContext) {
  const { dir, permacache } = newCache(t);
  const f = permacache("terminal/with/a/rather/long/path/for/a/narrow/window")((_x: string) => "値".repeat(300));
  for (let i = 0; i < 3; i++) f(`${i}${"日本語👩‍👩‍👧‍👦é".repeat(20)}`);
  return dir;
}

/** Of `script`, which makes a pseudo-terminal. */
const withTerminal = needs("script");

/** What a terminal of this width sees, stderr included. */
async function atTerminal(args: string[], env: NodeJS.ProcessEnv = {}, columns = 60) {
  const quoted = [process.execPath, MAIN, ...args].map((each) => `'${each}'`).join(" ");
  const { stdout } = await outcomeOf("script", ["-qec", `stty cols ${columns}; ${quoted}`, "/dev/null"], env);
  return stdout.replaceAll("\r\n", "\n");
}

withTerminal("tables fit the terminal, with bold titles", async (t) => {
  const dir = wideCache(t);
  const PATH = "terminal/with/a/rather/long/path/for/a/narrow/window";
  for (const [columns, args] of [
    [60, ["ls"]],
    [60, ["show", PATH]],
    [20, ["show", PATH]],
  ] as const) {
    const text = await atTerminal(["--dir", dir, ...args], {}, columns);
    t.true(text.startsWith(BOLD), text);
    t.regex(text, /…/);
    for (const line of text.split("\n")) t.true(stringWidth(line) <= columns, line);
  }
});

test("in a pipe nothing is cut, and nothing is coloured; FORCE_COLOR colours", async (t) => {
  const dir = wideCache(t);
  const path = "terminal/with/a/rather/long/path/for/a/narrow/window";
  const { stdout } = await permacacheCommand(["--dir", dir, "ls"]);
  t.true(stdout.includes(`${path}  `));
  t.false(stdout.includes(ESC));
  t.true((await permacacheCommand(["--dir", dir, "show", path])).stdout.includes(`2${"日本語👩‍👩‍👧‍👦é".repeat(20)}`));
  t.true((await permacacheCommand(["--dir", dir, "ls"], { FORCE_COLOR: "1" })).stdout.startsWith(BOLD));
});

withTerminal("NO_COLOR: no colours at a terminal; --json has none anyway", async (t) => {
  const dir = wideCache(t);
  const plain = await atTerminal(["--dir", dir, "ls"], { NO_COLOR: "1" });
  t.false(plain.includes(ESC));
  const json = await atTerminal(["--dir", dir, "ls", "--json"]);
  t.false(json.includes(ESC));
  t.is(JSON.parse(json).length, 1);
});

withTerminal("a value has colours at a terminal, but not those that it brings", async (t) => {
  const { dir, permacache } = newCache(t);
  permacache("terminal/kind")((_x: number) => ({ a: 1 }))(1);
  const hostile = new Error("hostile");
  hostile.stack = `${ESC}[31mred`;
  permacache("terminal/hostile")((_x: number) => ({ a: 1, hostile }))(1);
  const show = (path: string) => atTerminal(["--dir", dir, "show", path, "--key", '{"_x":1}']);
  const kind = await show("terminal/kind");
  t.true(kind.includes(`a: ${ESC}[33m1${ESC}[39m`), kind);
  const shown = await show("terminal/hostile");
  t.true(shown.includes("\\u001b[31mred"));
  t.false(shown.includes(`${ESC}[3`));
});

withTerminal("long work has a bar at a terminal, and none with --json", async (t) => {
  const dir = wideCache(t);
  const file = join(newDirectory(t), "f.zip");
  const args = ["--dir", dir, "export", "terminal/with/a/rather/long/path/for/a/narrow/window", file];
  const text = await atTerminal(args);
  t.regex(text, /export #+ 100% (\d+)\/\1/);
  t.regex(text, /Exported 3 entries to /);
  t.false((await atTerminal(["--dir", dir, "verify", "--json"])).includes("%"));
  t.regex(await atTerminal(["--dir", dir, "verify"]), /verify #+ 100%/);
  t.regex(await atTerminal(["--dir", join(dir, "../other"), "import", "a", file]), /import #+ 100%/);
  t.is((await permacacheCommand(["--dir", dir, "verify"])).stderr, "");
});

function largeCache(t: ExecutionContext) {
  const { dir, permacache } = newCache(t);
  const f = permacache("terminal/large")((x: number) => `${x}`.repeat(20_000));
  for (let x = 0; x < 50; x++) f(x);
  return dir;
}

test("a broken pipe ends it quietly", async (t) => {
  const dir = largeCache(t);
  for (const args of ["show terminal/large --json", "ls --json", "--help"]) {
    const command = `'${process.execPath}' '${MAIN}' --dir '${dir}' ${args} | head -c 1; echo " \${PIPESTATUS[0]}"`;
    const { stdout, stderr } = await outcomeOf("bash", ["-c", command]);
    t.is(stderr, "");
    t.regex(stdout, /^. 0\n$/);
  }
});

test("an interrupt ends it with the signal", async (t) => {
  const dir = largeCache(t);
  const child = spawn(process.execPath, [MAIN, "--dir", dir, "show", "terminal/large", "--json"], {
    env: environment(),
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(child.stdout, "readable"); // it waits for its reader, who does not go on
  child.kill("SIGINT");
  const [, signal] = await once(child, "exit");
  t.is(signal, "SIGINT");
});

import { chmodSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { newCache, newDirectory } from "../place.js";
import { permacacheCommand, treeOf } from "./command.js";

const COMMANDS = ["ls", "count", "show", "stats", "prune", "clear", "verify", "export", "import"];

test("help: of the program and of each command, with examples, exit 0", async (t) => {
  const { code, stdout, stderr } = await permacacheCommand(["--help"]);
  t.deepEqual([code, stderr], [0, ""]);
  for (const command of COMMANDS) t.regex(stdout, new RegExp(`^ {2}${command} `, "m"));
  for (const command of COMMANDS) {
    const help = await permacacheCommand([command, "--help"]);
    t.is(help.code, 0);
    t.regex(help.stdout, new RegExp(`^Usage: permacache ${command}[^]*^Examples:\n  \\$ permacache .*${command}`, "m"));
  }
});

test("--version is that of the package", async (t) => {
  t.regex((await permacacheCommand(["--version"])).stdout, /^\d+\.\d+\.\d+\n$/);
});

test("permacache alone prints help to stderr, exit 2", async (t) => {
  const { code, stdout, stderr } = await permacacheCommand([]);
  t.deepEqual([code, stdout], [2, ""]);
  t.regex(stderr, /^Usage: permacache /);
});

test("wrong usage: one line with a hint to --help, exit 2, nothing changed", async (t) => {
  const { dir, permacache } = newCache(t);
  permacache("usage/f")((x: number) => x)(1);
  const before = treeOf(dir);
  for (const [args, expected] of [
    [["nope"], /unknown command 'nope'.* See permacache --help\./],
    [["lss"], /Did you mean ls\?/],
    [["ls", "--nope"], /unknown option '--nope'.* See permacache ls --help\./],
    [["ls", "more"], /too many arguments/],
    [["count"], /missing required argument/],
    [["count", "a//b"], /empty segment.* See permacache count --help\./],
    [["clear", "../b"], /segment "\.\."/],
    [["import", "a b", "f.zip"], /segment "a b"/],
    [["show", "usage/f", "--key", "{x: 1}"], /--key is no JSON/],
    [
      ["prune"],
      /at least one limit: --max-age, --max-idle, --max-entries, --max-bytes\. See permacache prune --help\./,
    ],
    [["prune", "--max-age", "soon"], /'--max-age <TIME>' argument 'soon' is invalid\. It must be more than 0/],
    [["prune", "--max-entries", "0"], /must be more than 0/],
    [["prune", "--max-entries", "many"], /a number of entries/],
    [["prune", "--max-bytes", "10 parsecs"], /"10GB"/],
  ] as const) {
    const { code, stdout, stderr } = await permacacheCommand(["--dir", dir, ...args]);
    t.deepEqual([code, stdout], [2, ""], args.join(" "));
    t.regex(stderr, /^permacache: [^\n]* See permacache [^\n]*--help\.\n$/);
    t.regex(stderr, expected);
  }
  t.deepEqual(treeOf(dir), before);
});

test("a directory that does not exist: an error for every command but import, exit 1, and it is not made", async (t) => {
  const dir = join(newDirectory(t), "none");
  for (const args of [
    ["ls"],
    ["show", "a"],
    ["stats"],
    ["prune", "--max-age", "1d"],
    ["clear", "a"],
    ["verify"],
    ["export", "a", join(dir, "a.zip")],
  ]) {
    const { code, stdout, stderr } = await permacacheCommand(["--json", "--dir", dir, ...args]);
    t.deepEqual([code, stdout], [1, ""], args.join(" "));
    t.regex(stderr, /^permacache: there is no cache in [^\n]*: it does not exist\.[^\n]*\n$/);
    t.false(existsSync(dir));
  }
});

test("a directory that is no cache: an error, exit 1, and nothing is made in it", async (t) => {
  const home = newDirectory(t);
  const full = join(home, "full");
  const tagged = join(home, "tagged");
  const file = join(home, "file");
  for (const dir of [full, tagged, join(full, "a")]) mkdirSync(dir);
  writeFileSync(join(full, "data.json"), "{}");
  writeFileSync(join(tagged, "CACHEDIR.TAG"), "Signature: 8a477f597d28d172789f06886806bc55\n# of another program\n");
  writeFileSync(file, "");
  const before = treeOf(home);
  for (const dir of [full, tagged, file]) {
    for (const args of [["ls"], ["clear", "a"], ["verify", "--fix"]]) {
      const { code, stdout, stderr } = await permacacheCommand(["--dir", dir, ...args]);
      t.deepEqual([code, stdout], [1, ""]);
      t.regex(stderr, /^permacache: [^\n]* is not the directory of a cache\.[^\n]*\n$/);
    }
  }
  t.deepEqual(treeOf(home), before);
});

test("a directory that others can write is refused, unless --shared says so", async (t) => {
  const { dir, permacache } = newCache(t, { shared: true });
  permacache("f")((x: number) => x)(1);
  chmodSync(dir, 0o777);
  const refused = await permacacheCommand(["--dir", dir, "count", "f"]);
  t.deepEqual([refused.code, refused.stdout], [1, ""]);
  t.regex(refused.stderr, /^permacache: [^\n]*may be written by others[^\n]*\n$/);
  t.is((await permacacheCommand(["--dir", dir, "--shared", "count", "f"])).stdout, "1\n");
});

test("--json and --dir may stand before or after the command", async (t) => {
  const { dir, permacache } = newCache(t);
  permacache("usage/f")((x: number) => x)(1);
  const expected = '{"path":"usage/f","entries":1}\n';
  t.is((await permacacheCommand(["--json", "--dir", dir, "count", "usage/f"])).stdout, expected);
  t.is((await permacacheCommand(["count", "--dir", dir, "usage/f", "--json"])).stdout, expected);
});

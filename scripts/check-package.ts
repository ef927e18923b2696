// Packs the package, installs the tarball into an empty project and runs the first example of the README there, as an
// ES module and with require; checks that the links of its pages lead to files in the package; then publint and attw
// look at the tarball.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { brokenLinks } from "./links.js";

const npm = process.platform === "win32" ? "npm.cmd" : "npm";
const project = mkdtempSync(join(tmpdir(), "permacache-package-"));
const cache = join(project, "cache");

function run(command: string, args: string[], cwd: string): string {
  return execFileSync(command, args, {
    cwd,
    encoding: "utf8",
    env: { ...process.env, PERMACACHE_DIR: cache },
    stdio: ["ignore", "pipe", "inherit"],
  });
}

function assertSays(what: string, said: string, expected: string): void {
  if (said !== expected)
    throw new Error(`${what} printed ${JSON.stringify(said)} instead of ${JSON.stringify(expected)}`);
  console.log(`ok: ${what}`);
}

/** What the example prints by its own comments: `console.log(x); // text`. */
function promisedBy(example: string): string {
  return [...example.matchAll(/console\.log\(.*\);? *\/\/ (.*)$/gm)].map((match) => `${match[1]}\n`).join("");
}

try {
  const tarball = resolve(
    run(npm, ["pack", "--silent", "--pack-destination", project], ".").trim().replace(/^/, `${project}/`),
  );
  writeFileSync(join(project, "package.json"), '{ "name": "empty", "private": true }');
  run(npm, ["install", "--silent", "--no-audit", "--no-fund", tarball], project);

  const example = /```(?:js|ts|javascript|typescript)\n([\s\S]*?)```/.exec(readFileSync("README.md", "utf8"))?.[1];
  if (!example) throw new Error("The README has no example.");
  const promised = promisedBy(example);
  if (promised === "") throw new Error("The first example of the README prints nothing.");

  writeFileSync(join(project, "example.mjs"), example);
  assertSays("the README's first example as a module", run(process.execPath, ["example.mjs"], project), promised);
  rmSync(cache, { recursive: true, force: true });
  writeFileSync(
    join(project, "example.cjs"),
    example.replace(/import (\{.*?\}) from ("permacache.*?");/g, "const $1 = require($2);"),
  );
  assertSays("the README's first example with require", run(process.execPath, ["example.cjs"], project), promised);

  const installed = join(project, "node_modules", "permacache");
  const docs = readdirSync(join(installed, "docs")).map((name) => `docs/${name}`);
  for (const page of ["README.md", "CHANGELOG.md", ...docs]) {
    assertSays(`links in ${page} that lead out of the package`, brokenLinks(join(installed, page)).join(" "), "");
  }

  console.log(run("npx", ["publint", "run", tarball, "--strict"], "."));
  console.log(run("npx", ["attw", tarball, "--profile", "esm-only"], "."));
} finally {
  rmSync(project, { recursive: true, force: true });
}

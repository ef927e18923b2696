import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import test from "ava";
import { transformSync } from "esbuild";
import { newDirectory } from "../place.js";
import { engineOfPage } from "./map-engine.js";

// What the build made of the suite.

test("the suite for engines runs with node:test, as docs/engines.md shows it", (t) => {
  const [, example] = /^```js\n(import test from "node:test";\n[\s\S]*?)^```$/m.exec(
    readFileSync("docs/engines.md", "utf8"),
  )!;
  const suite = pathToFileURL("dist/stores/contract/engine-tests.js").href;
  const directory = newDirectory(t);
  writeFileSync(join(directory, "package.json"), '{ "type": "module" }');
  writeFileSync(join(directory, "map-engine.js"), transformSync(engineOfPage(), { loader: "ts" }).code);
  writeFileSync(join(directory, "suite.js"), example!.replace("permacache/engine/test", suite));
  const said = execFileSync(process.execPath, ["--test-reporter=tap", join(directory, "suite.js")], {
    encoding: "utf8",
  });
  t.regex(said, /^# fail 0$/m);
  t.true(Number(/^# pass (\d+)$/m.exec(said)![1]) > 100);
});

test("the suite for engines needs nothing of the package, and no test runner", (t) => {
  const suite = readFileSync("dist/stores/contract/engine-tests.js", "utf8");
  const imported = [...suite.matchAll(/from "([^"]+)"/g)].map(([, name]) => name);
  t.deepEqual([...new Set(imported)].sort(), [
    "node:assert/strict",
    "node:crypto",
    "node:fs",
    "node:os",
    "node:path",
    "node:util",
  ]);
  t.is(readFileSync("dist/stores/engine.js", "utf8"), ""); // types alone
});

import { execFileSync } from "node:child_process";
import test from "ava";

test("nothing that was added to Object.prototype acts as an option", (t) => {
  const output = execFileSync(process.execPath, ["tests/wrap/inherited-options.program.mjs"], { encoding: "utf8" });
  t.is(output, "done\n");
});

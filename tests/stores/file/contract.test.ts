import { join } from "node:path";
import test from "ava";
import { engineTests } from "../../../src/stores/contract/engine-tests.js";
import { FileEngine } from "../../../src/stores/file/file-engine.js";
import { newDirectory } from "../../files/directory.js";

/** An engine with other rules is another object. */
const open = () => {
  const directory = join(newDirectory(), "store");
  return { engine: FileEngine.at(directory), again: () => FileEngine.at(directory, { assertUsable: () => {} }) };
};

for (const { name, run } of await engineTests({ open })) {
  test.serial(name, async (t) => {
    await run();
    t.pass();
  });
}

import { join } from "node:path";
import test from "ava";
import { engineTests } from "../../../src/stores/contract/engine-tests.js";
import { LmdbEngine } from "../../../src/stores/lmdb/engine.js";
import { newDirectory } from "../../files/directory.js";

const open = () => {
  const directory = join(newDirectory(), "store");
  const again = () => new LmdbEngine(directory, undefined);
  return { engine: again(), again };
};

for (const { name, run } of await engineTests({ open })) {
  test.serial(name, async (t) => {
    await run();
    t.pass();
  });
}

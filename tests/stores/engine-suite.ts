import test from "ava";
import { engineTests, type OpenedEngine } from "../../src/stores/contract/engine-tests.js";

/** The tests that every engine has to pass, under this name. To be awaited before the file ends. */
export async function testEngine(name: string, open: () => OpenedEngine | Promise<OpenedEngine>): Promise<void> {
  for (const { name: promise, run } of await engineTests({ open })) {
    test.serial(`${name}: ${promise}`, async (t) => {
      await run();
      t.pass();
    });
  }
}

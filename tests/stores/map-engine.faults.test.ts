import { AssertionError } from "node:assert";
import test from "ava";
import { engineTests } from "../../src/stores/contract/engine-tests.js";
import type { Engine } from "../../src/stores/engine.js";
import { faults } from "./map-engine.faults.js";
import { fullEngine } from "./map-engine.full.js";

for (const [fault, foundBy, broken] of faults) {
  test(`the suite finds an engine that ${fault}`, async (t) => {
    const open = () => {
      const engine = fullEngine();
      const make = (): Engine => ({ ...engine, ...broken(engine) });
      return { engine: make(), again: make, close: engine.removeFiles };
    };
    const tests = (await engineTests({ open })).filter(({ name }) => name.startsWith(foundBy));
    t.true(tests.length > 0, foundBy);
    const errors: unknown[] = [];
    for (const { run } of tests) await run().catch((error) => errors.push(error));
    t.true(errors.length > 0, `no test found it: ${tests.map(({ name }) => name)}`);
    if (fault.startsWith("fails")) return; // with an error of its own
    t.true(
      errors.some((error) => error instanceof AssertionError),
      String(errors[0]),
    );
  });
}

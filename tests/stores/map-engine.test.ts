import test from "ava";
import { type EngineTestOptions, engineTests } from "../../src/stores/contract/engine-tests.js";
import { fullEngine } from "./map-engine.full.js";
import { asyncOf, mapEngine } from "./map-engine.js";

const engines: Record<string, EngineTestOptions["open"]> = {
  "map engine": () => {
    const engine = mapEngine();
    return { engine, again: () => ({ ...engine }) }; // what it holds is not in the object
  },
  "async map engine": () => {
    const engine = mapEngine();
    return { engine: asyncOf(engine), again: () => asyncOf(engine) };
  },
  "full engine": () => {
    const engine = fullEngine();
    return { engine, again: () => ({ ...engine }), close: engine.removeFiles };
  },
  "async full engine": () => {
    const engine = fullEngine();
    return { engine: asyncOf(engine), again: () => asyncOf(engine), close: engine.removeFiles };
  },
};

for (const [name, open] of Object.entries(engines)) {
  for (const each of await engineTests({ open })) {
    test(`${name}: ${each.name}`, async (t) => {
      await each.run();
      t.pass();
    });
  }
}

import { rmSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Engine } from "../../../src/stores/engine.js";
import { FileEngine } from "../../../src/stores/file/file-engine.js";
import { tieredStore } from "../../../src/stores/tiered/tiered-store.js";
import { newDirectory } from "../../files/directory.js";
import { testEngine } from "../engine-suite.js";
import { fullEngine } from "../map-engine.full.js";
import { asyncOf, mapEngine } from "../map-engine.js";

/** Engines of two are engines: whatever each of the two can do. */

type Part = Engine & { removeFiles?: () => void };

/** An engine that can only do some of what it could. */
function only(engine: Part, ...capabilities: ("listing" | "locks" | "contents" | "usage" | "stamps")[]): Part {
  const { listing: _l, locks: _k, contents: _c, usage: _u, stamps: _s, pieces: _p, tiers: _t, ...members } = engine;
  return { ...members, ...Object.fromEntries(capabilities.map((name) => [name, engine[name]])) };
}

const full = (): Part => fullEngine();
const remote = (): Part => {
  const engine = fullEngine();
  return { ...asyncOf(engine), removeFiles: engine.removeFiles };
};
const files = (): Part => {
  const directory = join(newDirectory(), "store");
  const engine = FileEngine.at(directory);
  return Object.assign(engine, { removeFiles: () => rmSync(dirname(directory), { recursive: true, force: true }) });
};

function opened(parts: readonly Part[], engine: Engine) {
  return {
    engine,
    close: () => {
      for (const each of parts) each.removeFiles?.();
    },
  };
}

async function testTiers(name: string, near: () => Part, far: () => Part): Promise<void> {
  await testEngine(name, () => {
    const parts = [near(), far()] as const;
    return opened(parts, tieredStore(...parts) as Engine);
  });
}

await testTiers("files before files", files, files);
await testTiers("files before a remote engine", files, remote);
await testTiers("a remote engine before another one", remote, remote);
await testTiers(
  "six members before six",
  () => only(mapEngine()),
  () => only(asyncOf(mapEngine())),
);
await testTiers(
  "locks before none",
  () => only(full(), "locks"),
  () => only(full()),
);
await testTiers(
  "no locks before some",
  () => only(full()),
  () => only(remote(), "locks"),
);
await testTiers(
  "contents before none",
  () => only(full(), "contents"),
  () => only(full()),
);

await testEngine("three engines", () => {
  const parts = [full(), full(), remote()] as const;
  return opened(parts, tieredStore(parts[0], tieredStore(parts[1], parts[2])) as Engine);
});

// Out files of the suite are gone before far has them in the background: far keeps none.
await testEngine("files before a remote engine, for sync functions", () => {
  const parts = [files(), only(remote(), "listing", "locks", "usage")] as const;
  return opened(parts, (tieredStore(...parts) as Engine).forSync!);
});
await testEngine("two engines before another one, for sync functions", () => {
  const parts = [full(), only(full(), "usage"), only(remote(), "listing")] as const;
  return opened(parts, (tieredStore(tieredStore(parts[0], parts[1]), parts[2]) as Engine).forSync!);
});

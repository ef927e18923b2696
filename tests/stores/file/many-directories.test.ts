import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import test from "ava";
import { keyLockIn } from "../../../src/files/locks/key-lock.js";
import { createCache } from "../../../src/index.js";
import { FileEngine } from "../../../src/stores/file/file-engine.js";
import { newDirectory } from "../../place.js";

setFlagsFromString("--expose-gc");
const collect: () => void = runInNewContext("gc");

async function alive(refs: readonly WeakRef<object>[]): Promise<number> {
  for (let i = 0; i < 3; i++) {
    await nextTurn();
    collect();
  }
  return refs.filter((ref) => ref.deref()).length;
}

const COUNT = 300;

test.serial("what is known of a directory goes when nobody uses it any more", async (t) => {
  const dir = newDirectory(t);
  const { permacache } = createCache({ dir });
  const f = permacache("many")(async (x: number) => x);
  const engines: WeakRef<object>[] = [];
  const locks: WeakRef<object>[] = [];
  for (let i = 0; i < COUNT; i++) {
    const own = join(dir, String(i));
    t.is(await f.with({ dir: own })(i), i);
    t.is(await f.with({ dir: own })(i), i);
    engines.push(new WeakRef(FileEngine.at(own)));
    locks.push(new WeakRef(keyLockIn(join(own, "many/=1"))));
  }
  t.true((await alive(engines)) < COUNT / 2);
  t.true((await alive(locks)) < COUNT / 2);
});

test.serial("a directory in use is known by one object, however many others are named", async (t) => {
  const dir = newDirectory(t);
  const engine = FileEngine.at(dir);
  const lock = keyLockIn(dir);
  const refs = Array.from({ length: COUNT }, (_, i) => new WeakRef<object>(FileEngine.at(join(dir, String(i)))));
  for (let i = 0; i < COUNT; i++) keyLockIn(join(dir, String(i)));
  await alive(refs);
  t.is(FileEngine.at(dir), engine);
  t.is(keyLockIn(dir), lock);
});

test.serial("calls in one directory find each other, while others are named", async (t) => {
  const dir = newDirectory(t);
  const { permacache } = createCache({ dir });
  let computed = 0;
  let finish = () => {};
  const gate = new Promise<void>((resolve) => {
    finish = resolve;
  });
  const f = permacache("joined")(async (x: number) => {
    computed++;
    if (x === 0) await gate;
    return x;
  });
  const own = join(dir, "own");
  const first = f.with({ dir: own })(0);
  for (let i = 1; i <= 100; i++) await f.with({ dir: join(dir, String(i)) })(i);
  await alive([]);
  const second = f.with({ dir: own })(0);
  const lock = keyLockIn(join(own, "joined/=1"));
  t.truthy(lock);
  finish();
  t.deepEqual(await Promise.all([first, second]), [0, 0]);
  t.is(computed, 101);
});

test.serial("a clear in a directory that others were named after holds for what was begun before", async (t) => {
  const dir = newDirectory(t);
  const { permacache } = createCache({ dir });
  let finish = () => {};
  const gate = new Promise<void>((resolve) => {
    finish = resolve;
  });
  const f = permacache("cleared")(async (x: number) => {
    if (x === 0) await gate;
    return x;
  });
  const own = f.with({ dir: join(dir, "own") });
  const first = own(0);
  for (let i = 1; i <= 100; i++) await f.with({ dir: join(dir, String(i)) })(i);
  await alive([]);
  await own.clear();
  mkdirSync(join(dir, "own/cleared/=1"), { recursive: true });
  writeFileSync(join(dir, "own/other"), "");
  finish();
  t.is(await first, 0);
  t.deepEqual(readdirSync(join(dir, "own/cleared/=1")), []);
});

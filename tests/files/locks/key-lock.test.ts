import { execFile } from "node:child_process";
import { readdirSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { mock } from "node:test";
import { promisify } from "node:util";
import test from "ava";
import { keyLockIn } from "../../../src/files/locks/key-lock.js";
import { pauseAfter } from "../../../src/files/locks/lock-waiting.js";
import { PortableLock } from "../../../src/files/locks/portable-lock.js";
import { needs } from "../../needs.js";
import { newDirectory } from "../../place.js";
import { crowd, digestOf, Other, testKeyLock } from "./key-lock.contract.js";
import { portable, ranges, wholeFiles } from "./key-lock.manners.js";

for (const manner of [ranges, wholeFiles, portable]) testKeyLock(manner);

const A = digestOf(1);

// ---- the choice ----

test("one folder has one lock, by whatever name", (t) => {
  const folder = newDirectory(t);
  const lock = keyLockIn(folder);
  t.is(keyLockIn(`${folder}/x/..`), lock);
  t.is(keyLockIn(relative(process.cwd(), folder)), lock);
  t.not(keyLockIn(join(folder, "x")), lock);
  t.is(lock.kind, "kernel");
});

const dist = (name: string) => JSON.stringify(join(import.meta.dirname, `../../../dist/files/locks/${name}.js`));

async function program(source: string, ...options: string[]): Promise<any> {
  const { stdout } = await promisify(execFile)(process.execPath, [...options, "--input-type=module", "-e", source]);
  return JSON.parse(stdout);
}

test("where the addon does not load, locks are portable; neither package is loaded before it is needed", async (t) => {
  const folder = newDirectory(t);
  const hide = join(newDirectory(t), "hide.cjs");
  writeFileSync(
    hide,
    `const Module = require("node:module");
    const load = Module._load;
    globalThis.asked = [];
    Module._load = function (name, ...rest) {
      if (/fs-native|lockfile|signal-exit/.test(name)) asked.push(name);
      if (/fs-native/.test(name)) throw Object.assign(new Error("hidden"), { code: "MODULE_NOT_FOUND" });
      return load.call(this, name, ...rest);
    };`,
  );
  const source = `import { keyLockIn } from ${dist("key-lock")};
    const before = asked.length;
    const lock = keyLockIn(${JSON.stringify(folder)});
    const atFirst = [...asked];
    const held = lock.tryLock(${JSON.stringify(A)});
    console.log(JSON.stringify([before, atFirst, lock.kind, held !== undefined, asked.includes("lockfile")]));`;
  t.deepEqual(await program(source, "--require", hide), [0, ["fs-native-extensions"], "portable", true, true]);
});

test("with the addon, the portable lock's packages are not loaded", async (t) => {
  const source = `import { createRequire } from "node:module";
    import { keyLockIn } from ${dist("key-lock")};
    keyLockIn(${JSON.stringify(newDirectory(t))}).tryLock(${JSON.stringify(A)});
    const loaded = Object.keys(createRequire(import.meta.url).cache);
    console.log(JSON.stringify(loaded.some((each) => /lockfile|signal-exit/.test(each))));`;
  t.false(await program(source));
});

// ---- the portable lock's owners ----

/** A lock file as somebody else would have left it. */
function leave(folder: string, owner: string, age: number): string {
  const path = join(folder, portable.fileOf(A));
  writeFileSync(path, owner);
  const time = (Date.now() - age) / 1000;
  utimesSync(path, time, time);
  return path;
}

/** What this thread writes: `<where> <pid> <thread> <start> <random>`. */
function ownOwner(folder: string): string[] {
  const held = new PortableLock(folder).tryLock(A)!;
  const text = readFileSync(join(folder, portable.fileOf(A)), "utf8");
  held.release();
  return text.split(" ");
}

const HOUR = 3_600_000;
const DEAD = "4194305"; // beyond the largest process id

for (const [what, change, age, isFree] of [
  ["a living process of this machine keeps it, however long it is silent", {}, 48 * HOUR, false],
  ["a dead process of this machine has lost it at once", { 1: DEAD, 2: DEAD }, 0, true],
  ["so has one whose number another process got", { 3: "1" }, 0, true],
  ["so has a thread that is over, of a living process", { 2: DEAD }, 0, true],
  ["elsewhere one keeps it while its heart beats", { 0: "0123456789ab", 1: DEAD }, 50_000, false],
  ["elsewhere one has lost it after a minute of silence", { 0: "0123456789ab" }, 61_000, true],
] as const) {
  // Other systems tell less of a process.
  needs("linux")(`portable lock: ${what}`, (t) => {
    const folder = newDirectory(t);
    const owner = Object.assign(ownOwner(folder), change).join(" ");
    const path = leave(folder, owner, age);
    const lock = new PortableLock(folder);
    const held = lock.tryLock(A);
    t.is(held !== undefined, isFree);
    t.is(readFileSync(path, "utf8") === owner, !isFree);
    held?.release();
    t.deepEqual(readdirSync(folder), isFree ? [] : [portable.fileOf(A)]);
  });
}

for (const content of ["", "0123456789ab 12", "\0".repeat(100), "x".repeat(1_000_000)]) {
  const what = content.length < 20 ? JSON.stringify(content) : `${content.length} characters`;
  test(`portable lock: with ${what} for its owner it is held for a moment, as while that is written`, (t) => {
    const folder = newDirectory(t);
    leave(folder, content, 0);
    t.is(new PortableLock(folder).tryLock(A), undefined);
    t.is(new PortableLock(folder).holder(A), undefined);
    leave(folder, content, 2_100);
    t.truthy(new PortableLock(folder).tryLock(A));
  });
}

test("portable lock: a file from the future, as after a clock was set back, does not hold for ever", (t) => {
  const folder = newDirectory(t);
  leave(folder, "", -HOUR);
  t.truthy(new PortableLock(folder).tryLock(A));
});

test("portable lock: of two who find a dead owner one gets it, also after a third died in taking over", (t) => {
  const folder = newDirectory(t);
  const [where, , , start, random] = ownOwner(folder);
  const dead = `${where} ${DEAD} ${DEAD} ${start} ${random}`;
  const path = leave(folder, dead, 0);
  const claim = `${path}.claim`;
  writeFileSync(claim, "");
  t.is(new PortableLock(folder).tryLock(A), undefined); // somebody is at it
  t.is(readFileSync(path, "utf8"), dead);
  const clock = mock.method(
    Date,
    "now",
    (
      (now) => () =>
        now() + 2_100
    )(Date.now),
  );
  try {
    const held = new PortableLock(folder).tryLock(A);
    t.truthy(held);
    t.is(new PortableLock(folder).tryLock(A), undefined);
    writeFileSync(claim, ""); // another one died
    held!.release();
  } finally {
    clock.mock.restore();
  }
  t.deepEqual(readdirSync(folder), []);
});

test("portable lock: the first lock in a folder removes what dead owners left of other keys, and nothing else", (t) => {
  const folder = newDirectory(t);
  const [where, , , start, random] = ownOwner(folder);
  for (let n = 2; n < 5; n++) {
    writeFileSync(join(folder, portable.fileOf(digestOf(n))), `${where} ${DEAD} ${DEAD} ${start} ${random}`);
  }
  const held = new PortableLock(folder).tryLock(digestOf(7))!;
  for (const name of ["3f", "=_abc.lock", "x.entry"]) writeFileSync(join(folder, name), "");
  new PortableLock(folder).tryLock(A)!.release();
  t.deepEqual(readdirSync(folder).sort(), ["3f", "=_abc.lock", portable.fileOf(digestOf(7)), "x.entry"].sort());
  held.release();
});

// The lock keeps the timers that were there when it was loaded, so it is loaded after they are mocked.
test("portable lock: what is held is renewed every ten seconds, what is released is not", async (t) => {
  const folder = newDirectory(t);
  const source = `import { mock } from "node:test";
    import { readdirSync, statSync, utimesSync, writeFileSync } from "node:fs";
    mock.timers.enable({ apis: ["setInterval"] });
    const { PortableLock } = await import(${dist("portable-lock")});
    const folder = ${JSON.stringify(folder)};
    const lock = new PortableLock(folder);
    const names = ${JSON.stringify([A, digestOf(2)].map((digest) => portable.fileOf(digest)))};
    const held = ${JSON.stringify([A, digestOf(2)])}.map((digest) => lock.tryLock(digest));
    const ages = () => names.map((name) => Date.now() - statSync(folder + "/" + name).mtimeMs);
    const rounds = [];
    for (let round = 0; round < 3; round++) {
      for (const name of readdirSync(folder)) utimesSync(folder + "/" + name, 1, 1);
      mock.timers.tick(9_000);
      const before = ages();
      mock.timers.tick(1_000);
      rounds.push({ before, after: ages() });
    }
    for (const each of held) each.release();
    writeFileSync(folder + "/" + names[0], "");
    utimesSync(folder + "/" + names[0], 1, 1);
    mock.timers.tick(100_000);
    const released = Date.now() - statSync(folder + "/" + names[0]).mtimeMs;
    console.log(JSON.stringify({ rounds, released }));`;
  const { rounds, released } = await program(source);
  t.is(rounds.length, 3);
  for (const { before, after } of rounds) {
    t.true(before.every((each: number) => each > HOUR));
    t.true(after.every((each: number) => each < HOUR));
  }
  t.true(released >= HOUR);
});

test("portable lock: signal handlers that another package has set through signal-exit still work", async (t) => {
  const source = `import { createRequire } from "node:module";
    import { PortableLock } from ${dist("portable-lock")};
    const require = createRequire(createRequire(${dist("portable-lock")}).resolve("lockfile"));
    require("signal-exit")(() => console.log('"cleaned"'));
    new PortableLock(${JSON.stringify(newDirectory(t))}).tryLock(${JSON.stringify(A)});`;
  t.is(await program(source), "cleaned");
});

test("portable lock: nothing is left where a process ends by itself", async (t) => {
  const folder = newDirectory(t);
  const other = await Other.process(t, portable, folder);
  await other.ask("try", A);
  const ended = other.ended();
  other.tell("end", 0);
  t.is(await ended, 0);
  t.deepEqual(readdirSync(folder), []);
});

// ---- crowds, before the others: they take all there is of the machine. Longer ones are in tests/long/ ----

test.serial(`${ranges.title}: never two at once, of 8 processes on 3 keys, killed at random`, async (t) => {
  t.is(await crowd(t, ranges, 8), 0);
});

test.serial(`${portable.title}: 8 processes on 3 keys, killed at random, go on`, async (t) => {
  await crowd(t, portable, 8);
});

// ---- waiting ----

test("the pauses between tries begin short, grow, and stay bounded", (t) => {
  for (const random of [0, 0.5, 0.999]) {
    const pauses = Array.from({ length: 40 }, (_, i) => pauseAfter(i + 1, random));
    t.true(pauses[0]! >= 1 && pauses[0]! <= 2);
    for (let i = 1; i < pauses.length; i++) t.true(pauses[i]! >= pauses[i - 1]!);
    t.true(pauses.at(-1)! >= 25 && pauses.at(-1)! <= 50);
    t.true(pauseAfter(1e9, random) <= 50);
  }
  t.true(pauseAfter(20, 0.9) > pauseAfter(20, 0.1), "they differ");
});

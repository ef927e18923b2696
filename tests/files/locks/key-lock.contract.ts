import { type ChildProcess, fork, spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import type { ExecutionContext } from "ava";
import type { KeyLock } from "../../../src/files/locks/key-lock.js";
import { nextPause } from "../../../src/files/locks/lock-waiting.js";
import { run } from "../../../src/flow.js";
import { type Need, needs } from "../../needs.js";
import { failureOf, newDirectory } from "../../place.js";
import { newRandom } from "../../seed.js";

/** One manner of locking. */
export interface Manner {
  /** Of the test titles. */
  readonly title: string;
  readonly kind: KeyLock["kind"];
  readonly create: (folder: string) => KeyLock;
  /** Where its class is for other processes: a file of `src/files` without its ending, and the name in it. */
  readonly module: string;
  readonly name: string;
  /** Where it puts its file, in the folder. */
  readonly fileOf: (digest: string) => string;
}

/** Neighbours where the digest's beginning counts. */
export function digestOf(n: number): string {
  return n.toString(16).padStart(12, "f").padEnd(40, "9a");
}

const [A, B, C] = [1, 2, 3].map(digestOf) as [string, string, string];
const PROGRAM = join(import.meta.dirname, "key-lock.program.mjs");
const isLinux = process.platform === "linux";

/** Somebody else, in a process or a thread of its own. */
export class Other {
  private constructor(readonly at: ChildProcess | Worker) {}

  static async process(t: ExecutionContext, manner: Manner, folder: string, start: Start = {}): Promise<Other> {
    const data = JSON.stringify(dataOf(manner, folder));
    const { shell, ...options } = start;
    const child = shell
      ? spawn("sh", ["-c", `${shell}; exec "$0" "$@"`, process.execPath, PROGRAM, data], {
          stdio: ["ignore", "inherit", "inherit", "ipc"],
        })
      : fork(PROGRAM, [data], { execArgv: [], ...options });
    t.teardown(() => child.kill("SIGKILL"));
    return Other.#ready(child);
  }

  static async thread(t: ExecutionContext, manner: Manner, folder: string): Promise<Other> {
    const worker = new Worker(PROGRAM, { workerData: dataOf(manner, folder), execArgv: [] });
    t.teardown(() => worker.terminate());
    return Other.#ready(worker);
  }

  static async #ready(at: ChildProcess | Worker): Promise<Other> {
    const other = new Other(at);
    await other.#answer();
    return other;
  }

  get pid(): number {
    return (this.at as ChildProcess).pid!;
  }

  async #answer(): Promise<any> {
    const over = new AbortController();
    try {
      const [message] = await Promise.race([
        once(this.at, "message", over),
        once(this.at, "exit", over).then(([code, signal]) => {
          throw new Error(`It ended: ${code ?? signal}`);
        }),
      ]);
      if (message.error) throw Object.assign(new Error(message.error.message), { code: message.error.code });
      return message.value;
    } finally {
      over.abort();
    }
  }

  ask(command: string, ...args: unknown[]): Promise<any> {
    const answer = this.#answer();
    this.tell(command, ...args);
    return answer;
  }

  tell(command: string, ...args: unknown[]): void {
    if (this.at instanceof Worker) this.at.postMessage([command, ...args]);
    else this.at.send([command, ...args]);
  }

  /** Its exit code, or the signal that ended it. */
  async ended(): Promise<number | string> {
    const [code, signal] = await once(this.at, "exit");
    return code ?? signal;
  }

  async kill(signal: NodeJS.Signals = "SIGKILL"): Promise<number | string> {
    const ended = this.ended();
    (this.at as ChildProcess).kill(signal);
    return ended;
  }
}

interface Start {
  /** What a shell does first. */
  shell?: string;
  uid?: number;
  gid?: number;
}

function dataOf({ module, name }: Manner, folder: string) {
  return { file: join(import.meta.dirname, `../../../dist/files/locks/${module}.js`), name, folder };
}

/** Polls until somebody has it. Fails after 10 s. */
async function untilFree(t: ExecutionContext, tryIt: () => unknown): Promise<void> {
  const end = performance.now() + 10_000;
  for (let attempt = 1; !(await tryIt()); attempt++) {
    if (performance.now() > end) return t.fail("The lock never came free.");
    await run(nextPause(attempt, true));
  }
  t.pass();
}

/** How many descriptors of this process lead there. */
function openedIn(folder: string): number {
  return readdirSync("/proc/self/fd").filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith(folder);
    } catch {
      return false; // another thread has closed it
    }
  }).length;
}

function replace(folder: string): void {
  renameSync(folder, `${folder}.gone`);
  mkdirSync(folder);
}

/** What every key lock must do. */
export function testKeyLock(manner: Manner): void {
  const { title, create, fileOf } = manner;
  const behaves = (
    what: string,
    implementation: (t: ExecutionContext, lock: KeyLock, folder: string) => unknown,
    ...needed: Need[]
  ) =>
    needs(...needed)(`${title}: ${what}`, async (t) => {
      const folder = join(newDirectory(t), "entries");
      await implementation(t, create(folder), folder);
    });

  behaves("its kind", (t, { kind }) => t.is(kind, manner.kind));

  behaves("a key is held by one at a time", (t, lock) => {
    const held = lock.tryLock(A);
    t.truthy(held);
    for (let i = 0; i < 3; i++) t.is(lock.tryLock(A), undefined);
    held!.release();
    t.truthy(lock.tryLock(A));
    t.is(lock.tryLock(A), undefined);
  });

  behaves("two locks of one folder exclude each other, as two copies of the package would", (t, lock, folder) => {
    const copy = create(folder);
    const held = lock.tryLock(A)!;
    t.is(copy.tryLock(A), undefined);
    const another = copy.tryLock(B)!;
    t.is(lock.tryLock(B), undefined);
    t.is(copy.tryLock(A), undefined);
    held.release();
    t.truthy(copy.tryLock(A));
    another.release();
    t.is(lock.tryLock(A), undefined);
  });

  behaves("keys do not disturb each other", (t, lock) => {
    const all = Array.from({ length: 40 }, (_, n) => digestOf(n));
    const held = all.map((digest) => lock.tryLock(digest));
    t.true(held.every((each) => each));
    for (let n = 0; n < 40; n += 2) held[n]!.release();
    for (let n = 0; n < 40; n++) t.is(lock.tryLock(all[n]!) !== undefined, n % 2 === 0, `${n}`);
  });

  behaves("folders do not disturb each other", (t, lock, folder) => {
    t.truthy(lock.tryLock(A));
    t.truthy(create(`${folder}2`).tryLock(A));
  });

  behaves("releasing twice does not take it from the next one", (t, lock, folder) => {
    const held = lock.tryLock(A)!;
    held.release();
    t.truthy(lock.tryLock(A));
    held.release();
    t.is(lock.tryLock(A), undefined);
    t.is(create(folder).tryLock(A), undefined);
  });

  behaves("the folder is made, private", (t, lock, folder) => {
    t.false(existsSync(folder));
    lock.tryLock(A);
    if (process.platform !== "win32") t.is(statSync(folder).mode & 0o777, 0o700);
  });

  behaves("nothing is left that grows, and no name that could be an entry's", (t, lock, folder) => {
    for (let n = 0; n < 50; n++) {
      const held = lock.tryLock(digestOf(n))!;
      for (const name of readdirSync(folder)) t.regex(name, /^=_/);
      lock.tryLock(digestOf(n));
      held.release();
    }
    const left = readdirSync(folder);
    t.true(left.length <= 1, left.join());
    for (const name of left) t.is(statSync(join(folder, name)).size, 0);
  });

  behaves(
    "no descriptor is left open",
    (t, lock, folder) => {
      for (let n = 0; n < 50; n++) {
        const held = lock.tryLock(A)!;
        lock.tryLock(A);
        create(folder).tryLock(A);
        held.release();
        t.is(openedIn(folder), 0);
      }
    },
    "linux",
  );

  for (const [what, start] of [
    ["processes", Other.process],
    ["threads", Other.thread],
  ] as const) {
    behaves(`between ${what}`, async (t, lock, folder) => {
      const other = await start(t, manner, folder);
      t.true(await other.ask("try", A));
      t.is(lock.tryLock(A), undefined);
      const held = lock.tryLock(B)!;
      t.false(await other.ask("try", B));
      t.true(await other.ask("try", C));
      await other.ask("release", A);
      t.truthy(lock.tryLock(A));
      t.false(await other.ask("try", A));
      held.release();
      t.true(await other.ask("try", B));
    });

    behaves(`${what} that end while they hold it free it`, async (t, lock, folder) => {
      for (const how of ["exit", "end"]) {
        const other = await start(t, manner, folder);
        await other.ask("try", A);
        t.is(lock.tryLock(A), undefined);
        const ended = other.ended();
        other.tell(how, 3);
        t.is(await ended, 3);
        await untilFree(t, () => isFree(lock, A));
        rmSync(folder, { recursive: true });
      }
    });
  }

  behaves("a killed holder's lock is free", async (t, lock, folder) => {
    const other = await Other.process(t, manner, folder);
    for (const digest of [A, B]) await other.ask("try", digest);
    t.is(lock.tryLock(A), undefined);
    t.is(await other.kill(), "SIGKILL");
    await untilFree(t, () => lock.tryLock(A));
    await untilFree(t, () => lock.tryLock(B));
    t.is(lock.tryLock(A), undefined);
  });

  behaves("also while a child of it lives on", async (t, lock, folder) => {
    const other = await Other.process(t, manner, folder);
    await other.ask("try", A);
    const child = await other.ask("spawn");
    t.teardown(() => process.kill(child, "SIGKILL"));
    await other.kill();
    await untilFree(t, () => lock.tryLock(A));
    t.notThrows(() => process.kill(child, 0));
  });

  behaves("what killed holders of other keys left goes with the first lock of a process", async (t, _, folder) => {
    const other = await Other.process(t, manner, folder);
    for (const digest of [A, B]) await other.ask("try", digest);
    await other.kill();
    create(folder).tryLock(C)!.release();
    t.true(readdirSync(folder).every((name) => name === "=_locks"));
  });

  behaves("a terminated worker's lock is free", async (t, lock, folder) => {
    const other = await Other.thread(t, manner, folder);
    await other.ask("try", A);
    t.is(lock.tryLock(A), undefined);
    await (other.at as Worker).terminate();
    await untilFree(t, () => lock.tryLock(A));
  });

  behaves("also where the worker never comes back from a sync function", async (t, lock, folder) => {
    const other = await Other.thread(t, manner, folder);
    await other.ask("try", A);
    await other.ask("block");
    await (other.at as Worker).terminate();
    await untilFree(t, () => lock.tryLock(A));
  });

  behaves(
    "a stopped holder keeps it",
    async (t, lock, folder) => {
      const other = await Other.process(t, manner, folder);
      await other.ask("try", A);
      (other.at as ChildProcess).kill("SIGSTOP");
      for (let attempt = 1; attempt < 20; attempt++) {
        t.is(lock.tryLock(A), undefined);
        await run(nextPause(attempt, true));
      }
      await other.kill();
      await untilFree(t, () => lock.tryLock(A));
    },
    "posix",
  );

  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    for (const isBusy of [false, true]) {
      behaves(
        `${signal} ends a holder${isBusy ? " that is busy in a sync function" : ""} as ever`,
        async (t, lock, folder) => {
          const other = await Other.process(t, manner, folder);
          await other.ask("try", A);
          t.deepEqual(await other.ask("signalHooks"), []);
          if (isBusy) await other.ask("block");
          t.is(await other.kill(signal), signal);
          await untilFree(t, () => lock.tryLock(A));
        },
        "posix",
      );
    }
  }

  behaves("who holds it", async (t, lock, folder) => {
    t.is(lock.holder(A), undefined);
    const other = await Other.process(t, manner, folder);
    await other.ask("try", A);
    if (isLinux) t.is(lock.holder(A), `process ${other.pid}`);
    t.is(lock.holder(B), undefined);
    const held = lock.tryLock(B)!;
    if (isLinux) t.is(lock.holder(B), `process ${process.pid}`);
    held.release();
    t.is(lock.holder(B), undefined);
  });

  for (const [what, exists] of [
    ["a file", true],
    ["nothing", false],
  ] as const) {
    behaves(
      `a link in its place, to ${what}, is not followed`,
      async (t, lock, folder) => {
        const outside = join(folder, "../outside");
        if (exists) writeFileSync(outside, "precious", { mode: 0o640 });
        const before = exists && statSync(outside);
        mkdirSync(folder);
        const link = join(folder, fileOf(A));
        symlinkSync(outside, link);
        for (let i = 0; i < 3; i++) t.is((await failureOf(() => lock.tryLock(A))).code, "ELOOP");
        t.is(lock.holder(A), undefined);
        if (before) {
          t.is(readFileSync(outside, "utf8"), "precious");
          const { mode, mtimeMs, ino } = statSync(outside);
          t.deepEqual([mode, mtimeMs, ino], [before.mode, before.mtimeMs, before.ino]);
        } else {
          t.false(existsSync(outside));
        }
        t.true(lstatSync(link).isSymbolicLink());
        rmSync(link);
        t.truthy(lock.tryLock(A));
      },
      "posix",
    );
  }

  behaves("where a directory is in its place, the system's error", async (t, lock, folder) => {
    mkdirSync(join(folder, fileOf(A)), { recursive: true });
    t.regex((await failureOf(() => lock.tryLock(A))).code, /^E/);
  });

  /** What happens to the folder of a lock that is held. */
  const losses: [string, (folder: string) => void][] = [
    ["its folder is renamed away, and another in its place", replace],
    ["its folder is renamed away", (folder) => renameSync(folder, `${folder}.gone`)],
    ["its folder is deleted", (folder) => rmSync(folder, { recursive: true })],
    ["its file is deleted", (folder) => rmSync(join(folder, fileOf(A)))],
  ];
  for (const [what, lose] of losses) {
    behaves(
      `${what}: locked anew, and the old holder takes nothing from the new one`,
      async (t, lock, folder) => {
        const other = await Other.process(t, manner, folder);
        const old = lock.tryLock(A)!;
        lose(folder);
        const held = lock.tryLock(A);
        t.truthy(held);
        t.false(await other.ask("try", A));
        t.true(await other.ask("try", B));
        old.release();
        t.false(await other.ask("try", A));
        t.is(lock.tryLock(A), undefined);
        held!.release();
        t.true(await other.ask("try", A));
        t.is(lock.tryLock(A), undefined);
      },
      "posix",
    );
  }

  behaves(
    "a folder that is renamed away again and again",
    async (t, lock, folder) => {
      for (let i = 0; i < 50; i++) {
        const held = lock.tryLock(A);
        t.truthy(held);
        t.is(lock.tryLock(A), undefined);
        renameSync(folder, `${folder}${i}`);
        if (i % 3 === 0) held!.release();
      }
    },
    "posix",
  );

  behaves(
    "where the folder may not be written, the system's error",
    async (t, _, folder) => {
      const isRoot = process.getuid!() === 0;
      mkdirSync(folder);
      if (isRoot) chmodSync(join(folder, ".."), 0o755);
      chmodSync(folder, 0o555);
      const other = await Other.process(t, manner, folder, isRoot ? { uid: 65534, gid: 65534 } : {});
      t.is((await failureOf(() => other.ask("try", A))).code, "EACCES");
      t.is((await failureOf(() => other.ask("try", A))).code, "EACCES");
      chmodSync(folder, 0o777);
      t.true(await other.ask("try", A));
    },
    "posix",
  );

  behaves("where the folder cannot be made, the system's error", async (t, _, folder) => {
    writeFileSync(folder, "");
    t.regex((await failureOf(() => create(folder).tryLock(A))).code, /^(ENOTDIR|EEXIST)$/);
    t.regex((await failureOf(() => create(join(folder, "inner")).tryLock(A))).code, /^(ENOTDIR|EEXIST)$/);
  });

  behaves(
    "where no descriptor is left, the system's error, and what is held stays so",
    async (t, lock, folder) => {
      const other = await Other.process(t, manner, folder, { shell: "ulimit -n 60" });
      t.true(await other.ask("try", B));
      await other.ask("release", B);
      await other.ask("exhaust");
      t.is((await failureOf(() => other.ask("try", A))).code, "EMFILE");
      t.truthy(lock.tryLock(A));
      await other.ask("recover");
      t.false(await other.ask("try", A));
      t.true(await other.ask("try", B));
      t.is(lock.tryLock(B), undefined);
    },
    "posix",
  );
}

/**
 * Eight processes that lock and release three keys, and are killed at random.
 * @param kills how many
 * @returns how often a key was held by two at once
 */
export async function crowd(t: ExecutionContext, manner: Manner, kills: number): Promise<number> {
  const directory = newDirectory(t);
  const folder = join(directory, "entries");
  const history = join(directory, "history");
  const digests = [A, B, C];
  const random = newRandom(t);
  const start = async () => {
    const other = await Other.process(t, manner, folder);
    other.tell("crowd", digests, history, random.below(1_000_000));
    return other;
  };
  const others = await Promise.all(Array.from({ length: 8 }, start));
  const lines = () => (existsSync(history) ? readFileSync(history, "utf8").split("\n").length : 0);
  for (let kill = 0; kill < kills; kill++) {
    const at = random.below(others.length);
    await others[at]!.kill();
    const before = lines();
    others[at] = await start();
    await untilFree(t, () => lines() > before); // somebody goes on
  }
  await Promise.all(others.map((each) => each.kill()));

  const lock = manner.create(folder);
  for (const digest of digests) {
    await untilFree(t, () => isFree(lock, digest));
  }
  const left = readdirSync(folder).filter((name) => name !== "=_locks");
  t.deepEqual(left, []);
  return overlapsIn(t, readFileSync(history, "utf8"));
}

function isFree(lock: KeyLock, digest: string): boolean {
  const held = lock.tryLock(digest);
  held?.release();
  return held !== undefined;
}

/** Whoever begins while another one has not ended is wrong, unless that one never ends: it was killed. */
function overlapsIn(t: ExecutionContext, history: string): number {
  const holders = new Map<string, string>();
  let overlaps = 0;
  let begun = 0;
  for (const line of history.split("\n").filter((each) => each !== "")) {
    const [what, digest, pid] = line.split(" ") as [string, string, string];
    if (what === "begin") {
      holders.set(digest, pid);
      begun++;
    } else if (holders.get(digest) === pid) {
      holders.delete(digest);
    } else {
      overlaps++; // another one began before this one ended
    }
  }
  t.log(`${begun} times locked, ${overlaps} times by two at once`);
  t.true(begun > 0);
  return overlaps;
}

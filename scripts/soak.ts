// Processes that use one cache directory in every way at once, while others of them are killed, stopped and continued at
// random. Each keeps a history, which is checked afterwards: scripts/soak/history.ts.
//
//     npm run soak -- --kills 10000 [--seed 1] [--processes 6] [--locks kernel|portable]
//
// A run can be repeated with its seed: what each process does, and when it is killed, is drawn from that. How the processes
// meet is the system's choice.
//
//     --keep           keeps the directory, for a look at what was left
//     --package DIR    the built package that is used, by default this one: to see the soak find what was broken on purpose
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { build } from "esbuild";
import { type Deaths, History, now, type WorkerTask } from "./soak/history.js";
import { Random } from "./soak/values.js";

const { values: given } = parseArgs({
  options: {
    kills: { type: "string", default: "10000" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    processes: { type: "string", default: "6" },
    locks: { type: "string", default: "kernel" },
    package: { type: "string", default: resolve(import.meta.dirname, "..") },
    keep: { type: "boolean", default: false },
  },
});
const kills = wholeNumber("kills");
const seed = wholeNumber("seed");
const processes = wholeNumber("processes");
const { locks } = given;
if (locks !== "kernel" && locks !== "portable") usage('--locks is "kernel" or "portable"');

function wholeNumber(name: "kills" | "seed" | "processes"): number {
  const number = Number(given[name]);
  return Number.isSafeInteger(number) && number >= 0 ? number : usage(`--${name} is a whole number`);
}

function usage(text: string): never {
  console.error(`soak: ${text}`);
  process.exit(2);
}

/** Milliseconds in which a worker that runs must get on. */
const STUCK = 30_000;

const place = mkdtempSync(join(tmpdir(), "permacache-soak-"));
const dir = join(place, "cache");
const files = join(place, "files");
const histories = join(place, "histories");
for (const each of [files, histories, ...["plain", "plain-sync"].map((name) => join(files, name))]) {
  mkdirSync(each, { recursive: true });
}
/** Beside the dependencies of the package: that is where its optional addon is found. */
const bundles = join(given.package, "node_modules", ".cache");
mkdirSync(bundles, { recursive: true });
const bundle = mkdtempSync(join(bundles, "permacache-soak-"));
const program = join(bundle, "worker.mjs");
process.on("exit", () => {
  for (const { child } of workers) child.kill("SIGKILL");
  rmSync(bundle, { recursive: true, force: true });
  if (given.keep) console.log(`Kept: ${place}`);
  else rmSync(place, { recursive: true, force: true });
});
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => process.exit(130));

/** One file: a process starts in half the time. */
await build({
  entryPoints: [join(import.meta.dirname, "soak/worker.ts")],
  outfile: program,
  bundle: true,
  platform: "node",
  format: "esm",
  logLevel: "error",
  tsconfigRaw: {},
  banner: {
    js: 'import { createRequire as requireFrom } from "node:module"; const require = requireFrom(import.meta.url);',
  },
  plugins: [
    {
      name: "built package",
      setup({ onResolve }) {
        const built = (name: string) => ({ path: join(resolve(given.package), "dist", name) });
        onResolve({ filter: /^permacache$/ }, () => built("index.js"));
        onResolve({ filter: /^\.\.\/\.\.\/src\// }, ({ path }) => built(path.slice("../../src/".length)));
      },
    },
  ],
});

// ---- workers ----

class Worker {
  readonly child: ChildProcess;
  readonly history: string;
  readonly ended: Promise<void>;
  kind = "";
  stderr = "";
  isStopped = false;
  /** The size of its history, and the milliseconds that it ran since it had another one. */
  #size = -1;
  #idle = 0;
  #lookedAt = Date.now();

  constructor(
    readonly instance: number,
    slot: number,
    random: Random,
    isLast = false,
  ) {
    this.history = join(histories, `${instance}.log`);
    const dieAt = random.below(2) ? Number.MAX_SAFE_INTEGER : 1 + random.below(150);
    const task: WorkerTask = {
      ...{ instance, slot, processes, seed, dir, files, isLast, dieAt },
      ...{ start: String(start), history: this.history, locks: locks as WorkerTask["locks"] },
    };
    const reports = ["--report-on-signal", "--report-signal=SIGUSR2", `--report-directory=${bundle}`];
    this.child = spawn(process.execPath, [...reports, program, JSON.stringify(task)], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.child.stdout!.on("data", (data) => {
      this.kind += data;
    });
    this.child.stderr!.on("data", (data) => {
      this.stderr += data;
    });
    this.ended = new Promise((done) => this.child.once("exit", () => done()));
  }

  get isReady(): boolean {
    return this.kind !== "";
  }

  get isAlive(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  /** Whether it did anything since the last look. */
  hasMoved(): boolean {
    const size = existsSync(this.history) ? statSync(this.history).size : 0;
    const hasMoved = size !== this.#size;
    const time = Date.now();
    this.#size = size;
    if (hasMoved) this.#idle = 0;
    else if (!this.isStopped) this.#idle += time - this.#lookedAt;
    this.#lookedAt = time;
    return hasMoved;
  }

  get isStuck(): boolean {
    return !this.hasMoved() && this.#idle > STUCK;
  }

  kill(): void {
    deaths.set(this.instance, now());
    this.child.kill("SIGKILL");
  }

  async stop(milliseconds: number): Promise<void> {
    this.isStopped = true;
    this.child.kill("SIGSTOP");
    stops++;
    await sleep(milliseconds);
    this.child.kill("SIGCONT");
    this.isStopped = false;
  }

  /** Where it stands: the end of its history, and its stack. */
  async standing(): Promise<string> {
    this.child.kill("SIGUSR2");
    await sleep(2_000);
    const report = readdirSync(bundle).find((name) => name.includes(`.${this.child.pid}.`));
    const { javascriptStack } = report
      ? JSON.parse(readFileSync(join(bundle, report), "utf8"))
      : { javascriptStack: "the process does not tell its stack: it waits in a system call" };
    const lines = readFileSync(this.history, "utf8").split("\n").slice(-20).join("\n    ");
    return `${JSON.stringify(javascriptStack, null, 2)}\n    ${lines}`;
  }
}

const start = now();
const deaths: Deaths = new Map();
const workers = new Set<Worker>();
const violations: string[] = [];
let instances = 0;
let killed = 0;
let stops = 0;
let isOver = false;

function newWorker(slot: number, random: Random, isLast = false): Worker {
  const worker = new Worker(instances++, slot, random, isLast);
  workers.add(worker);
  worker.ended.then(() => workers.delete(worker));
  return worker;
}

/** One worker after the other, each killed some time after it was ready. */
async function slotOf(slot: number): Promise<void> {
  const random = new Random(seed * 1_009 + slot + 1);
  while (!isOver) {
    const worker = newWorker(slot, random);
    await live(worker, lifeOf(slot, random), random);
    const { exitCode, signalCode } = worker.child;
    if (signalCode === "SIGKILL") killed++;
    else if (exitCode !== 0) violations.push(`worker ${worker.instance} ended by itself: ${worker.stderr}`);
    if (killed >= kills) isOver = true;
  }
}

/** Milliseconds. One slot has workers that live longer: they have more in their memory that may be outdated. */
function lifeOf(slot: number, random: Random): number {
  if (slot === 0) return random.between(1_000, 5_000);
  return random.below(4) === 0 ? random.between(0, 20) : random.between(0, 350);
}

async function live(worker: Worker, life: number, random: Random): Promise<void> {
  const ended = worker.ended;
  while (worker.isAlive && !worker.isReady) {
    await Promise.race([ended, sleep(3)]);
    await assertMoves(worker);
  }
  await Promise.race([ended, sleep(life)]);
  // Some that do not get on are left alone until they do: else nobody would see that they hang.
  worker.hasMoved();
  if (random.below(3) === 0) {
    while (worker.isAlive && !isOver && !worker.hasMoved()) {
      await assertMoves(worker);
      await Promise.race([ended, sleep(20)]);
    }
  }
  if (!isOver) worker.kill();
  else {
    worker.child.kill("SIGTERM");
    while (worker.isAlive) {
      await assertMoves(worker);
      await Promise.race([ended, sleep(20)]);
    }
  }
  await ended;
}

async function assertMoves(worker: Worker): Promise<void> {
  if (!worker.isStuck) return;
  violations.push(`worker ${worker.instance} hangs: ${await worker.standing()}`);
  isOver = true;
  worker.kill();
}

async function stopSome(): Promise<void> {
  const random = new Random(seed * 1_009);
  while (!isOver) {
    await sleep(random.between(0, 120));
    const running = [...workers].filter(({ isStopped, isReady }) => isReady && !isStopped);
    const milliseconds = random.below(20) === 0 ? random.between(500, 1_500) : random.between(1, 150);
    if (running.length > 0) random.pick(running).stop(milliseconds);
  }
}

async function tell(): Promise<void> {
  for (let before = 0; !isOver; before = killed) {
    for (let i = 0; i < 50 && !isOver; i++) await sleep(100);
    console.log(`${killed} of ${kills} kills, ${((killed - before) / 5).toFixed(1)} a second`);
  }
}

// ---- the end ----

/** What is left that nobody will ever need. */
function orphans(): string[] {
  const left = (path: string) =>
    readdirSync(path, { recursive: true, encoding: "utf8" }).map((name) => join(path, name));
  const tmp = join(dir, "=_tmp");
  const temporaries = existsSync(tmp) ? left(tmp) : [];
  const beside = [...left(files), ...left(dir)].filter((path) => basename(path).startsWith(".permacache-"));
  const lockFiles = left(dir).filter((path) => /\.(lock|claim|flock)$/.test(path));
  return [...temporaries, ...beside, ...lockFiles, ...lockedFiles(left(dir))];
}

/** Lock files in which the kernel still has a lock. */
function lockedFiles(paths: readonly string[]): string[] {
  if (!existsSync("/proc/locks")) return [];
  const locked = new Set([...readFileSync("/proc/locks", "utf8").matchAll(/:(\d+) \d+ \w+$/gm)].map(([, ino]) => ino));
  return paths.filter((path) => basename(path) === "=_locks" && locked.has(String(statSync(path).ino)));
}

const first = newWorker(0, new Random(seed), true);
await first.ended;
const kind = first.kind.trim();
console.log(
  `Seed ${seed}; ${processes} processes, ${kills} kills, ${kind} locks, Node ${process.version}, in ${place}`,
);
if (kind !== locks) {
  console.error(`soak: the ${locks} locks are not to be had${first.stderr && `:\n${first.stderr}`}`);
  process.exit(1);
}
await Promise.all([...Array.from({ length: processes }, (_, slot) => slotOf(slot)), stopSome(), tell()]);
const seconds = Number(now() - start) / 1e9;
// What was left by somebody killed within the last two seconds may still be in use, for all that a portable lock can tell.
if (locks === "portable") await new Promise((resolve) => setTimeout(resolve, 2_500));
const end = newWorker(0, new Random(seed), true);
await end.ended;
if (end.child.exitCode !== 0) {
  const { exitCode, signalCode } = end.child;
  violations.push(`the last process failed (exit ${exitCode}, signal ${signalCode}): ${end.stderr}`);
}
violations.push(...orphans().map((path) => `left behind: ${path}`));

const checked = new History(histories, deaths).check(kind === "kernel");
violations.push(...checked.violations);
console.log(
  `${killed} kills in ${seconds.toFixed(0)} s (${(killed / seconds).toFixed(1)} a second), ${stops} stops; ${checked.operations} operations, ${checked.computations} computations, ${checked.reads} values read, ${checked.waits} waits for other processes; ${checked.plainKeys} plain keys, ${checked.seconds} computed by two at once; longest operation ${(checked.longest / 1000).toFixed(1)} s`,
);
for (const [text, count] of checked.warnings) console.log(`${count} times: ${text}`);
if (violations.length > 0) {
  for (const text of violations.slice(0, 20)) console.error(`VIOLATION: ${text}`);
  console.error(
    `${violations.length} violations. Again: npm run soak -- --kills ${kills} --seed ${seed} --processes ${processes} --locks ${locks}`,
  );
}
process.exit(violations.length > 0 ? 1 : 0);

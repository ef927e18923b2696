import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { setPriority } from "node:os";
import { join } from "node:path";
import type { ExecutionContext } from "ava";
import { createCache } from "../../src/index.js";
import { needs } from "../needs.js";
import { filesIn, newDirectory } from "../place.js";
// @ts-expect-error plain node runs it, too
import { WORK as WORKS } from "./faults.work.mjs";

/** See faults.work.mjs. */
interface Work {
  prepare(): void;
  act(): boolean;
  peek(): { readonly value: unknown } | undefined;
  isRight(value: unknown): boolean;
  isWhole(): boolean;
  isRestored(): boolean;
}

type Name = "publish" | "restore";
const WORK: Record<Name, (permacache: unknown, place: string) => Work> = WORKS;

const PROGRAM = join(import.meta.dirname, "faults.program.mjs");

/** What a system call may fail with, besides EIO. */
const ERRORS: Record<string, readonly string[]> = {
  openat: ["EACCES", "EMFILE", "ENOSPC"],
  mkdir: ["EACCES", "ENOSPC"],
  write: ["ENOSPC"],
  rename: ["EACCES", "ENOSPC"],
  fsync: ["ENOSPC"],
  fcntl: ["ENOLCK"],
  ioctl: ["EOPNOTSUPP"],
  copy_file_range: ["ENOSPC"],
  sendfile: ["ENOSPC"],
  fchmod: ["EPERM"],
  chmod: ["EPERM"],
  unlink: ["EACCES"],
};

/** On files and descriptors. */
const TRACED = "trace=%file,%desc";

interface Fault {
  readonly call: string;
  /** As strace takes it: `error=EIO:when=3`. */
  readonly what: string;
}

/** Where one piece of work is done. */
function newPlace(t: ExecutionContext, name: Name) {
  const outer = newDirectory(t);
  const place = join(outer, "place");
  mkdirSync(join(place, "rehearsal"), { recursive: true });
  writeFileSync(join(outer, "outside"), "outside");
  // By another name: to this process that is another cache, so that it sees the one with fresh eyes afterwards.
  symlinkSync(place, join(outer, "link"));
  workIn(join(outer, "link"), name).prepare();
  return { outer, place };
}

function workIn(place: string, name: Name): Work {
  return WORK[name](createCache({ dir: join(place, "cache") }).permacache, place);
}

interface Run {
  /** That the process ended by. */
  readonly signal: NodeJS.Signals | null;
  readonly said: string;
  /** As strace prints them. */
  readonly calls: readonly string[];
}

/** Does the work in a process of its own, under strace. @returns how the process ended, and the calls that it made */
async function run(name: Name, place: string, fault?: Fault): Promise<Run> {
  const log = join(place, "..", "log");
  const child = spawn(process.execPath, ["--no-warnings", PROGRAM, name, place], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, UV_USE_IO_URING: "0" },
  });
  let said = "";
  child.stderr.on("data", (data) => (said += data));
  const ended = once(child, "close");
  await Promise.race([once(child.stdout, "data"), ended]);
  const inject = fault ? ["-e", `inject=${fault.call}:${fault.what}`] : [];
  const strace = spawn("strace", ["-f", "-o", log, "-e", TRACED, ...inject, "-p", String(child.pid)], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const over = once(strace, "close");
  let attached = "";
  await Promise.race([
    over,
    new Promise<void>((resolve) => {
      strace.stderr.on("data", (data) => {
        attached += data;
        if (attached.includes("attached")) resolve();
      });
    }),
  ]);
  if (!attached.includes("attached")) {
    child.kill("SIGKILL");
    throw new Error(`strace cannot attach: ${attached}`);
  }
  setPriority(child.pid!, 1);
  const [, signal] = (await ended) as [number | null, NodeJS.Signals | null];
  await over;
  const calls = readFileSync(log, "utf8")
    .split("\n")
    .filter((line) => line.startsWith(`${child.pid} `));
  return { signal, said, calls };
}

/** Every call of the work, in turn. */
async function faultsOf(t: ExecutionContext, name: Name): Promise<Fault[]> {
  const { place } = newPlace(t, name);
  const { signal, said, calls } = await run(name, place);
  t.is(signal, "SIGUSR2", said);
  const counts = new Map<string, number>();
  for (const line of calls) {
    const call = /^\d+ +(\w+)\(/.exec(line)?.[1];
    if (call) counts.set(call, (counts.get(call) ?? 0) + 1);
  }
  t.log([...counts].map(([call, count]) => `${count} ${call}`).join(", "));
  return [...counts].flatMap(([call, count]) =>
    Array.from({ length: count }, (_, i) => [
      { call, what: `error=EIO:when=${i + 1}` },
      { call, what: `error=EIO:when=${i + 1}+` },
      { call, what: `signal=KILL:when=${i + 1}` },
      ...(ERRORS[call] ?? []).map((error) => ({ call, what: `error=${error}:when=${i + 1}` })),
    ]).flat(),
  );
}

/** Lets one call fail, and looks at what is left of the work. */
async function suffer(t: ExecutionContext, name: Name, fault: Fault) {
  const { outer, place } = newPlace(t, name);
  const { signal, said, calls } = await run(name, place, fault);
  const problems: string[] = [];
  const expect = (holds: unknown, what: string) => {
    if (!holds) problems.push(`${fault.call} ${fault.what}: ${what}`);
  };
  const isKilled = signal === "SIGKILL" && fault.what.startsWith("signal=KILL");
  const isMet = isKilled || calls.some((line) => line.includes("(INJECTED)"));
  // Right, and at most a warning of each kind. Where a call fails from then on, so it does in the function, which writes a file.
  const isExcused = fault.what.endsWith("+") && signal === "SIGPROF";
  expect(isKilled || isExcused || signal === "SIGUSR2" || signal === "SIGVTALRM", `ended by ${signal}: ${said}`);
  try {
    const next = workIn(place, name);
    expect(next.isWhole(), "a torn file");
    const found = next.peek();
    expect(!found || next.isRight(found.value), `a wrong value is found: ${JSON.stringify(found?.value)}`);
    const start = performance.now();
    expect(next.act(), "the next caller gets a wrong value");
    expect(performance.now() - start < 10_000, "the next caller waits for the dead");
    expect(next.isRestored(), "the next caller has no file");
    expect(next.peek(), "the next caller stores nothing");
  } catch (error) {
    expect(false, `the next caller fails: ${(error as Error).stack}`);
  }
  const left = readdirSync(place).filter((each) => !["cache", "original", "rehearsal", "target"].includes(each));
  expect(left.length === 0, `left behind: ${left}`);
  const temporary = filesIn(join(place, "cache")).filter((file) => !file.endsWith(".entry"));
  expect(temporary.length === 0, `left in the cache: ${temporary}`);
  expect(readdirSync(outer).join() === "link,log,outside,place", "something was made outside");
  return { isMet, problems };
}

for (const name of ["publish", "restore"] as const) {
  needs("strace").serial(
    `${name}: every system call fails once, or from then on, or is the last before the process is killed`,
    async (t) => {
      const faults = await faultsOf(t, name);
      const rest = [...faults];
      const problems: string[] = [];
      let met = 0;
      const worker = async () => {
        for (let fault = rest.shift(); fault; fault = rest.shift()) {
          const suffered = await suffer(t, name, fault);
          problems.push(...suffered.problems);
          if (suffered.isMet) met++;
        }
      };
      await Promise.all([worker(), worker(), worker()]);
      t.deepEqual(problems, []);
      // On a machine that is busy a file is looked at when it is no longer young: then some calls are not made.
      t.log(`${met} of ${faults.length} faults were met`);
      t.true(met > 0.9 * faults.length);
    },
  );
}

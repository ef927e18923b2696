import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { ExecutionContext } from "ava";
import type { Random } from "../../scripts/soak/values.js";
import { needs } from "../needs.js";
import { newDirectory } from "../place.js";
import { newRandom } from "../seed.js";
import { ask, newServer } from "../stores/redis/redis-server.js";

const withRedis = needs("redis-server").serial;

interface Line {
  readonly computed?: string;
  readonly n?: number;
  readonly value?: string;
  readonly took?: number;
  readonly warning?: string;
  readonly done?: true;
}

interface Work {
  readonly name: string;
  readonly calls: number;
  readonly keys: number;
  /** Milliseconds that a computation takes. */
  readonly duration: number;
  readonly timeout: number;
  readonly lockTtl?: number;
  readonly once?: boolean;
  /** Of the test: each machine draws its own numbers, which the test's seed decides. */
  readonly random: Random;
}

/** A process with a temporary directory of its own: all that it shares with others is the server. */
class Machine {
  readonly lines: Line[] = [];
  readonly over: Promise<number | null>;
  readonly process: ChildProcess;
  #waiting: (() => void)[] = [];

  constructor(
    t: ExecutionContext,
    url: string,
    { name, calls, keys, duration, timeout, lockTtl = 10_000, once, random }: Work,
  ) {
    const program = new URL("./redis.work.mjs", import.meta.url).pathname;
    const order = once ? "once" : "random";
    const seed = random.below(1_000_000);
    const args = [url, "long", name, calls, keys, duration, timeout, lockTtl, order, seed].map(String);
    const env = { ...process.env, TMPDIR: newDirectory(t), PERMACACHE_DIR: newDirectory(t), NODE_NO_WARNINGS: "1" };
    this.process = spawn(process.execPath, [program, ...args], { env, stdio: ["ignore", "pipe", "inherit"] });
    t.teardown(() => this.process.kill("SIGKILL"));
    const lines = createInterface(this.process.stdout!);
    lines.on("line", (line) => {
      this.lines.push(JSON.parse(line));
      for (const each of this.#waiting.splice(0)) each();
    });
    const closed = new Promise((resolve) => lines.once("close", resolve));
    this.over = new Promise((resolve) => this.process.once("exit", (code) => void closed.then(() => resolve(code))));
  }

  async until(holds: (lines: readonly Line[]) => boolean): Promise<void> {
    const over = this.over.then((code) => {
      throw new Error(`It ended before, with ${code}.`);
    });
    while (!holds(this.lines)) await Promise.race([new Promise<void>((resolve) => this.#waiting.push(resolve)), over]);
    over.catch(() => {});
  }

  get computed(): string[] {
    return this.lines.flatMap(({ computed }) => computed ?? []);
  }

  get calls(): Line[] {
    return this.lines.filter(({ value }) => value !== undefined);
  }
}

/** Every value that was read was computed for that key, by somebody. */
function assertHistory(t: ExecutionContext, machines: readonly Machine[]): void {
  const computed = new Set(machines.flatMap((each) => each.computed));
  for (const { calls } of machines) {
    for (const { n, value } of calls) {
      if (!computed.has(value!) || Number(value!.split(" ")[0]) !== n) t.fail(`${n}: ${value}`);
    }
  }
  t.true(computed.size > 0);
}

/** Milliseconds: with the server there, however busy the machine. */
const PATIENT = 60_000;

withRedis("six processes on three machines compute each of 1,000 keys once", async (t) => {
  const server = await newServer(t);
  const names = ["a", "b", "c", "d", "e", "f"];
  const work = {
    random: newRandom(t),
    calls: 1_000,
    keys: 1_000,
    duration: 1,
    timeout: PATIENT,
    lockTtl: PATIENT,
    once: true,
  };
  const machines = names.map((name) => new Machine(t, server.url, { ...work, name }));
  for (const machine of machines) t.is(await machine.over, 0);
  assertHistory(t, machines);
  t.is(machines.flatMap(({ computed }) => computed).length, 1_000);
  t.is(machines.flatMap(({ calls }) => calls).length, 6_000);
  t.deepEqual(
    machines.flatMap(({ lines }) => lines.filter(({ warning }) => warning !== undefined)),
    [],
  );
});

withRedis("who computes is killed, and one of those who wait takes over", async (t) => {
  const server = await newServer(t);
  const work = { random: newRandom(t), calls: 1, keys: 1, timeout: PATIENT, lockTtl: 1_000 };
  const leader = new Machine(t, server.url, { ...work, name: "leader", duration: PATIENT * 10 });
  await leader.until((lines) => lines.some(({ computed }) => computed !== undefined));
  const others = ["a", "b"].map((name) => new Machine(t, server.url, { ...work, name, duration: 1 }));
  for (const other of others) await other.until((lines) => lines.length > 0);
  t.true(leader.process.kill("SIGKILL"));
  for (const other of others) t.is(await other.over, 0);
  assertHistory(t, others);
  t.is(others.flatMap(({ computed }) => computed).length, 1);
});

withRedis("between clears each generation of a key is computed once", async (t) => {
  const server = await newServer(t);
  const names = ["a", "b", "c"];
  const generations = 10;
  const random = newRandom(t);
  const all: string[] = [];
  for (let generation = 0; generation < generations; generation++) {
    const work = { random, calls: 20, keys: 20, duration: 1, timeout: PATIENT, lockTtl: PATIENT, once: true };
    const machines = names.map((name) => new Machine(t, server.url, { ...work, name: `${name}${generation}` }));
    for (const machine of machines) t.is(await machine.over, 0);
    assertHistory(t, machines);
    all.push(...machines.flatMap(({ computed }) => computed));
    await ask(server.url, "HSET", "long:{long/redis/=1}", "g", `cleared ${generation}`.replace(" ", ""));
  }
  t.is(all.length, 20 * generations);
});

for (const [what, disturb, restore] of [
  ["killed, and started again, empty", "kill", "start"],
  ["stopped, and goes on", "pause", "resume"],
] as const) {
  withRedis(`a server is ${what} in the middle of 10,000 calls`, async (t) => {
    const server = await newServer(t);
    const duration = 20;
    const work = { random: newRandom(t), name: "a", calls: 10_000, keys: 300, duration, timeout: 300 };
    const machine = new Machine(t, server.url, work);
    const reached = (calls: number) => machine.until((lines) => lines.length > calls);
    await reached(1_500);
    await server[disturb]();
    const before = machine.lines.length;
    await reached(before + 1_000);
    await server[restore]();
    t.is(await machine.over, 0);
    t.is(machine.calls.length, 10_000);
    assertHistory(t, [machine]);
    const longest = Math.max(...machine.calls.map(({ took }) => took!));
    t.true(longest < duration + 1_000, `${longest} ms`);
    const last = machine.lines.slice(-1_000);
    t.true(last.filter(({ computed }) => computed !== undefined).length < 500, "hits come back");
    t.is(machine.lines.filter(({ warning }) => warning !== undefined).length, 1);
  });
}

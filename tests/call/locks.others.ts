import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import type { ExecutionContext } from "ava";
import { newDirectory } from "../place.js";

const PROGRAM = join(import.meta.dirname, "locks.program.mjs");

/** The addon does not load: `require` finds none, as where it is not built for the machine. */
const WITHOUT_ADDON = `const Module = require("node:module");
const load = Module._load;
Module._load = (name, ...rest) => {
  if (name === "fs-native-extensions") throw Object.assign(new Error("hidden"), { code: "MODULE_NOT_FOUND" });
  return load(name, ...rest);
};`;

export type Kind = "kernel" | "portable";

/** Processes that wait for a test: to start one costs more than most tests. So only serial tests. */
const idle = new Map<Kind, Other[]>([
  ["kernel", []],
  ["portable", []],
]);

export async function endAll(): Promise<void> {
  await Promise.all([...idle.values()].flat().map((each) => each.kill()));
}

/** A cache, and those of other processes and threads who use it. For serial tests. */
export class Others {
  readonly dir: string;
  readonly #history: string;
  #count = 0;

  constructor(
    readonly t: ExecutionContext<any>,
    readonly kind: Kind = "kernel",
  ) {
    const place = newDirectory(t);
    this.dir = join(place, "cache");
    this.#history = join(place, "history");
    writeFileSync(this.#history, "");
  }

  /** Named `p1`, `p2` ... */
  async processes(count: number): Promise<Other[]> {
    return Promise.all(
      Array.from({ length: count }, async () => {
        const other = idle.get(this.kind)!.pop() ?? this.#newProcess();
        this.t.teardown(async () => {
          if (other.isIdle) idle.get(this.kind)!.push(other);
          else await other.kill();
        });
        return this.#entered(other);
      }),
    );
  }

  #newProcess(): Other {
    if (this.kind === "kernel") return new Other(fork(PROGRAM, [], { execArgv: [] }));
    const hide = join(this.dir, "../hide.cjs");
    writeFileSync(hide, WITHOUT_ADDON);
    return new Other(fork(PROGRAM, [], { execArgv: ["--require", hide] }));
  }

  /** Not kept for others. @param offset of its clock, as faketime has it: `+1h` */
  async processAt(offset: string): Promise<Other> {
    const other = new Other(fork(PROGRAM, [], { execPath: "faketime", execArgv: ["-f", offset, process.execPath] }));
    this.t.teardown(() => other.kill());
    return this.#entered(other);
  }

  async thread(): Promise<Other> {
    const worker = new Worker(PROGRAM, { execArgv: [] });
    this.t.teardown(() => worker.terminate());
    return this.#entered(new Other(worker));
  }

  async #entered(other: Other): Promise<Other> {
    other.name = `p${++this.#count}`;
    await other.enter(this.dir, this.#history);
    return other;
  }

  /** Lets the computations for an argument come to their end. */
  open(x: unknown): void {
    writeFileSync(`${this.#history}.${x}`, "");
  }

  /** How often something happened: `begin sync 1`, or `begin sync 1 p2`. */
  count(what: string): number {
    return this.lines().filter((line) => line === what || line.startsWith(`${what} `)).length;
  }

  lines(): string[] {
    return readFileSync(this.#history, "utf8").split("\n");
  }

  async until(what: string, count = 1): Promise<void> {
    await until(
      () => this.count(what) >= count,
      () => `"${what}" ${count} times in:\n${this.lines().join("\n")}`,
    );
  }
}

export async function until(isTrue: () => unknown, what = () => String(isTrue)): Promise<void> {
  const end = performance.now() + 30_000;
  while (!(await isTrue())) {
    if (performance.now() > end) throw new Error(`It never came to ${what()}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

interface Asked {
  resolve(value: any): void;
  reject(reason: unknown): void;
}

export class Other {
  name = "";
  readonly #asked = new Map<number, Asked>();
  #id = 0;
  #isGone = false;

  constructor(readonly at: ChildProcess | Worker) {
    at.on("message", ({ id, value, error }) => {
      const asked = this.#asked.get(id);
      this.#asked.delete(id);
      if (error) asked?.reject(Object.assign(new Error(error.message), { name: error.name, there: error.stack }));
      else asked?.resolve(value);
    });
    at.on("exit", () => {
      this.#isGone = true;
      for (const { reject } of this.#asked.values()) reject(new Error(`${this.name} is gone`));
    });
  }

  /** It lives, and has answered all it was asked. */
  get isIdle(): boolean {
    return !this.#isGone && this.#asked.size === 0;
  }

  enter(dir: string, history: string): Promise<void> {
    return this.#ask("enter", dir, history, this.name);
  }

  #answer(id: number): Promise<any> {
    return new Promise((resolve, reject) => this.#asked.set(id, { resolve, reject }));
  }

  #ask(command: string, ...args: unknown[]): Promise<any> {
    const id = ++this.#id;
    const answer = this.#answer(id);
    answer.catch(() => {}); // it may be killed, and asked for later
    const message = { id, command, args };
    if (this.at instanceof Worker) this.at.postMessage(message);
    else this.at.send(message);
    return answer;
  }

  call(of: string, args: unknown[], settings?: object): Promise<any> {
    return this.#ask("call", of, args, settings);
  }

  all(...calls: unknown[][]): Promise<any> {
    return this.#ask("all", calls);
  }

  method(of: string, method: string, ...args: unknown[]): Promise<any> {
    return this.#ask("method", of, method, args);
  }

  abort(abortable: string): Promise<any> {
    return this.#ask("abort", abortable);
  }

  now(): Promise<number> {
    return this.#ask("now");
  }

  clock(offset: number): Promise<any> {
    return this.#ask("clock", offset);
  }

  signal(signal: NodeJS.Signals): void {
    (this.at as ChildProcess).kill(signal);
  }

  async kill(): Promise<void> {
    if (this.#isGone) return;
    const exit = once(this.at, "exit");
    (this.at as ChildProcess).disconnect(); // ends what faketime started, which is not killed
    this.signal("SIGKILL");
    await exit;
  }
}

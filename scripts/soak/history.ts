// The history of a soak: a file for each worker, and what must hold in all of them together.
//
//     o <time> <operation> <what>                            an operation was begun
//     x <time> <begun> <operation>                           and is over
//     b <time> <oldest operation> <path> <key> <nonce>       a computation was begun
//     e <time> <path> <key> <nonce>                          and has its value
//     r <time> <begun> <path> <key> <nonce>                  what a call, begun then, returned
//     d <time> <begun> <path> <key or *>                     entries were removed
//     a <time>                                               it waits for the computation of another process
//     k <time>                                               the worker kills itself
//     w <time> <text>, ! <time> <text>                       a warning; a violation that the worker saw
//
// Times in nanoseconds of the clock that all processes of a machine share.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

export interface WorkerTask {
  readonly instance: number;
  readonly slot: number;
  readonly processes: number;
  readonly seed: number;
  /** When the soak began, by `now`. */
  readonly start: string;
  /** Of the cache, of the out files; the file of this worker's history. */
  readonly dir: string;
  readonly files: string;
  readonly history: string;
  readonly locks: "kernel" | "portable";
  /** Operations after which the worker kills itself in the middle of a computation. */
  readonly dieAt: number;
  readonly isLast: boolean;
}

export function now(): bigint {
  return process.hrtime.bigint();
}

export function lineOf(sign: string, words: readonly (string | number | bigint)[]): string {
  return `${sign} ${words.join(" ")}\n`;
}

/** By the number of the worker: before which time it was alive for certain. */
export type Deaths = Map<number, bigint>;

interface Computation {
  readonly at: bigint;
  /** When the oldest operation began that its process was at. */
  readonly asked: bigint;
  readonly nonce: string;
  readonly instance: number;
}

interface Removal {
  readonly begun: bigint;
  readonly ended: bigint;
}

export interface Checked {
  readonly violations: string[];
  /** Computations of a plain key while another process computed it: possible with portable locks only. */
  seconds: number;
  operations: number;
  computations: number;
  reads: number;
  waits: number;
  plainKeys: number;
  /** Milliseconds that an operation took at most, with the time that it was stopped. */
  longest: number;
  readonly warnings: Map<string, number>;
}

export class History {
  readonly #folder: string;
  readonly #deaths: Deaths;
  readonly #computations = new Map<string, Computation[]>();
  readonly #keyOf = new Map<string, string>();
  readonly #begunAt = new Map<string, bigint>();
  readonly #firstRead = new Map<string, bigint>();
  readonly #removals = new Map<string, Removal[]>();
  readonly #checked: Checked = {
    violations: [],
    seconds: 0,
    operations: 0,
    computations: 0,
    reads: 0,
    waits: 0,
    plainKeys: 0,
    longest: 0,
    warnings: new Map(),
  };

  constructor(folder: string, deaths: Deaths) {
    this.#folder = folder;
    this.#deaths = deaths;
  }

  /** @param isStrict no plain key may be computed by two processes at once */
  check(isStrict: boolean): Checked {
    this.#eachLine((instance, words) => this.#collect(instance, words));
    for (const removals of this.#removals.values()) sortWithLatest(removals);
    this.#eachLine((instance, words) => this.#judgeRead(instance, words));
    for (const [key, all] of this.#computations) if (key.startsWith("plain/")) this.#judgePlain(key, all, isStrict);
    return this.#checked;
  }

  #eachLine(action: (instance: number, words: string[]) => void): void {
    for (const name of readdirSync(this.#folder)) {
      const instance = Number.parseInt(name, 10);
      const lines = readFileSync(join(this.#folder, name), "utf8").split("\n").slice(0, -1); // the last may be torn
      for (const line of lines) action(instance, line.split(" "));
    }
  }

  #collect(instance: number, [sign, time, ...rest]: string[]): void {
    const at = BigInt(time!);
    const checked = this.#checked;
    if (sign === "o") checked.operations++;
    else if (sign === "a") checked.waits++;
    else if (sign === "x") checked.longest = Math.max(checked.longest, Number(at - BigInt(rest[0]!)) / 1e6);
    else if (sign === "b") {
      const [asked, path, number, nonce] = rest as [string, string, string, string];
      const key = `${path} ${number}`;
      checked.computations++;
      this.#keyOf.set(nonce, key);
      this.#begunAt.set(nonce, at);
      pushTo(this.#computations, key, { at, asked: BigInt(asked), nonce, instance });
    } else if (sign === "r") {
      const key = `${rest[1]} ${rest[2]}`;
      checked.reads++;
      const first = this.#firstRead.get(key);
      if (first === undefined || at < first) this.#firstRead.set(key, at);
    } else if (sign === "d") {
      pushTo(this.#removals, `${rest[1]} ${rest[2]}`, { begun: BigInt(rest[0]!), ended: at });
    } else if (sign === "k") this.#deaths.set(instance, at);
    else if (sign === "w") {
      const text = JSON.parse(rest.join(" "))
        .replaceAll(/[0-9a-f]{12,}/g, "*")
        .replaceAll(/\d+/g, "#");
      checked.warnings.set(text, (checked.warnings.get(text) ?? 0) + 1);
    } else if (sign === "!") {
      checked.violations.push(`worker ${instance}: ${JSON.parse(rest.join(" "))}`);
    }
  }

  /** 1: every value was computed for that key; and not before its key was removed. */
  #judgeRead(instance: number, [sign, , begun, path, number, nonce]: string[]): void {
    if (sign !== "r") return;
    const key = `${path} ${number}`;
    if (this.#keyOf.get(nonce!) !== key) {
      this.#violation(key, `worker ${instance} was given ${nonce}, which was computed for ${this.#keyOf.get(nonce!)}`);
    }
    const computedAt = this.#begunAt.get(nonce!) ?? 0n;
    const removedAt = [key, `${path} *`].map((name) => latestBefore(this.#removals.get(name) ?? [], BigInt(begun!)));
    if (removedAt.some((at) => at > computedAt)) {
      this.#violation(key, `worker ${instance} was given ${nonce}, which was removed before (call begun ${begun})`);
    }
  }

  /** 2 and 3: a plain key is computed again only if its process died before, and never when it was served already. */
  #judgePlain(key: string, computations: Computation[], isStrict: boolean): void {
    this.#checked.plainKeys++;
    computations.sort((a, b) => (a.at < b.at ? -1 : 1));
    const served = this.#firstRead.get(key);
    for (const [i, { at, asked, nonce }] of computations.entries()) {
      if (served !== undefined && served < (isStrict ? at : asked)) {
        this.#violation(key, `computed again (${nonce}) after it was served: its entry was lost`);
      }
      const before = computations[i - 1];
      if (!before || (this.#deaths.get(before.instance) ?? FOR_EVER) < at) continue;
      this.#checked.seconds++;
      if (isStrict)
        this.#violation(key, `computed (${nonce}) while ${before.nonce} was not over, nor its process dead`);
    }
  }

  #violation(key: string, text: string): void {
    const { violations } = this.#checked;
    violations.push(violations.length < SHOWN ? `${key}: ${text}\n${this.#linesOf(key)}` : `${key}: ${text}`);
  }

  /** All lines that name a key, in the order of time. */
  #linesOf(key: string): string {
    const [path, number] = key.split(" ");
    const found: [bigint, string][] = [];
    this.#eachLine((instance, words) => {
      const at = words.indexOf(path!, 2);
      const isOfKey = ["b", "e", "r", "d"].includes(words[0]!) && at > 0 && [number, "*"].includes(words[at + 1]);
      if (isOfKey) found.push([BigInt(words[1]!), `    ${words.join(" ")} (worker ${instance})`]);
    });
    for (const { instance } of this.#computations.get(key) ?? []) {
      const death = this.#deaths.get(instance);
      if (death !== undefined) found.push([death, `    died ${death} (worker ${instance})`]);
    }
    const lines = found.sort(([a], [b]) => (a < b ? -1 : 1)).map(([, line]) => line);
    return [...new Set(lines)].slice(-60).join("\n");
  }
}

/** Violations that are shown with the history of their key. */
const SHOWN = 3;

const FOR_EVER = 2n ** 63n;

function pushTo<T>(map: Map<string, T[]>, key: string, item: T): void {
  const items = map.get(key);
  if (items) items.push(item);
  else map.set(key, [item]);
}

/** By their ends; each then has the latest beginning of those up to it. */
function sortWithLatest(removals: Removal[]): void {
  removals.sort((a, b) => (a.ended < b.ended ? -1 : 1));
  let latest = 0n;
  for (const [i, { begun, ended }] of removals.entries()) {
    if (begun > latest) latest = begun;
    removals[i] = { begun: latest, ended };
  }
}

/** When the latest of the removals was begun that had ended by a time. */
function latestBefore(removals: readonly Removal[], time: bigint): bigint {
  let low = 0;
  let high = removals.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (removals[middle]!.ended < time) low = middle + 1;
    else high = middle;
  }
  return low === 0 ? 0n : removals[low - 1]!.begun;
}

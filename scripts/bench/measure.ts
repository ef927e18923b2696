import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/**
 * Measured in pairs: what is told of and its floor run in turns, block by block, so that whatever else the machine does
 * meets both. Only the ratio of the two medians means anything from machine to machine.
 */

/** A figure to be reached: at most so much, or at least. `undefined`: for comparison only. */
export type Target = { readonly atMost: number } | { readonly atLeast: number } | undefined;

interface Told {
  readonly name: string;
  readonly target: Target;
}

/** A pair. Both are called with 0, 1, 2 ..., each counting for itself. */
export interface Row extends Told {
  run(i: number): unknown;
  floor(i: number): unknown;
  /** The figure is how many times as fast as the floor it is, not how many times as slow. */
  readonly isSpeedUp?: boolean;
  /** What one call of each stands for, where that is many: elements of a batch, say. Times are told for one. */
  readonly per?: number;
  /** Runs of each, for calls that take long. By default as many as fit. */
  readonly rounds?: number;
}

/** A figure that is told as it is. */
export interface Figure extends Told {
  readonly unit: string;
  readonly value: number;
}

export interface Measured {
  readonly name: string;
  /** To the floor; of a figure, its value. */
  readonly ratio: number;
  /** `null`: for comparison only. */
  readonly target: number | null;
  readonly better: "less" | "more";
  readonly ok: boolean;
  /** What `ratio` is. */
  readonly unit: string;
  /** Medians, of a call. */
  readonly microseconds?: number;
  readonly floor?: number;
  /** From the tenth to the ninetieth of a hundred blocks. */
  readonly spread?: readonly [number, number];
}

/** How long to measure. */
export interface Effort {
  /** Blocks of each row, and before them those that do not count. */
  readonly blocks: number;
  readonly warmUp: number;
  /** The clock: milliseconds since any moment. */
  readonly now?: () => number;
}

/** Milliseconds that a block of calls takes, about: long beside the clock, short beside what others do on the machine. */
const BLOCK = 5;

export async function measure(
  row: Row | Figure,
  { blocks, warmUp, now = () => performance.now() }: Effort,
): Promise<Measured> {
  if ("value" in row) return judged(row, row.value, row.unit);
  const { per = 1, rounds, isSpeedUp = false } = row;
  const [run, floor] = [counting(row.run), counting(row.floor)];
  const calls = rounds ? [1, 1] : [await callsIn(run, now), await callsIn(floor, now)];
  const times: [number[], number[]] = [[], []];
  const first = rounds ? 1 : warmUp;
  for (let block = 0; block < first + (rounds ?? blocks); block++) {
    for (const which of [0, 1] as const) {
      if (rounds) collect(); // what the one has left is not the other's burden
      const time = await timeOf([run, floor][which]!, calls[which]!, now);
      if (block >= first) times[which].push((time * 1000) / per);
    }
  }
  const [own, other] = [median(times[0]), median(times[1])];
  return {
    ...judged(row, isSpeedUp ? other / own : own / other, "x"),
    microseconds: rounded(own),
    floor: rounded(other),
    spread: [rounded(quantile(times[0], 0.1)), rounded(quantile(times[0], 0.9))],
  };
}

function judged({ name, target }: Told, ratio: number, unit: string): Measured {
  const told = { name, ratio: rounded(ratio), unit };
  if (target === undefined) return { ...told, target: null, better: "less", ok: true };
  if ("atMost" in target) return { ...told, target: target.atMost, better: "less", ok: ratio <= target.atMost };
  return { ...told, target: target.atLeast, better: "more", ok: ratio >= target.atLeast };
}

setFlagsFromString("--expose-gc");
const collect: () => void = runInNewContext("gc");

function counting(call: (i: number) => unknown): () => unknown {
  let i = 0;
  return () => call(i++);
}

async function callsIn(call: () => unknown, now: () => number): Promise<number> {
  let calls = 1;
  for (;;) {
    const time = (await timeOf(call, calls, now)) * calls;
    if (time >= BLOCK) return Math.max(1, Math.round((calls * BLOCK) / time));
    calls *= 2;
  }
}

/** Milliseconds a call. */
async function timeOf(call: () => unknown, calls: number, now: () => number): Promise<number> {
  const start = now();
  for (let i = 0; i < calls; i++) {
    const returned = call();
    if (returned instanceof Promise) await returned;
  }
  return (now() - start) / calls;
}

function quantile(values: readonly number[], q: number): number {
  return values.toSorted((a, b) => a - b)[Math.floor(q * (values.length - 1))]!;
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

function rounded(value: number): number {
  return Number(value.toPrecision(3));
}

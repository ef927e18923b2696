import { writeSync } from "node:fs";
import { emit, isHeard } from "../events.js";
import { clearTimeout, setTimeout } from "../flow.js";
import type { Call } from "./bind.js";
import type { Plan } from "./plan.js";
import { warnOnce } from "./trouble.js";

/** How long calls wait for others, and what is told of those that wait for long. */

/** Milliseconds after which the holder is named. Tests make it shorter. */
export const patience = { long: 10_000 };

const LONGEST_TIMER = 2 ** 31 - 1;

export const LATE: unique symbol = Symbol("late");

/**
 * Waits for another call of this process, but no longer than `maxWait`.
 * @returns `LATE` where the time is over
 */
export function inTime<T>(promise: Promise<T>, calls: readonly Call[], maxWait: number): Promise<T | typeof LATE> {
  return new Promise((resolve, reject) => {
    const long = setTimeout(() => tellOfWait(calls, () => "this process", patience.long), patience.long);
    long.unref?.();
    const end = maxWait <= LONGEST_TIMER ? setTimeout(() => resolve(LATE), maxWait) : undefined;
    promise.then(resolve, reject).finally(() => {
      clearTimeout(long);
      clearTimeout(end);
    });
  });
}

/** @param holderOf names who computes, or holds the out paths */
export function tellOfWait(calls: readonly Call[], holderOf: (call: Call) => string, waited: number): void {
  for (const call of calls) emitWait(call, holderOf(call));
  const [call] = calls;
  if (call) warnOfWait(call.plan, holderOf(call), waited);
}

/** @param reason the holder, where the wait is long */
export function emitWait({ plan, key }: Call, reason?: string): void {
  if (isHeard("wait")) emit({ type: "wait", path: plan.path, version: plan.version, key, reason });
}

function warnOfWait(plan: Plan, holder: string, waited: number): void {
  if (plan.warned.has(KIND)) return;
  const message = `${plan.subject}: a call waits for ${holder}, which has been computing the same key, or writing the same out file, for ${Math.round(waited / 1000)} s or longer. A cached function that hands its work to a worker or child which calls the same function waits for itself: have the worker call the function that is wrapped (f.original). maxWait bounds the wait; then the call computes by itself.`;
  // A sync call blocks its thread, so nobody would see the warning before the wait is over.
  if (!plan.async && process.env.NODE_NO_WARNINGS !== "1") writeQuietly(`${message}\n`);
  warnOnce(plan.warned, KIND, message);
}

const KIND = "wait";

function writeQuietly(text: string): void {
  try {
    writeSync(2, text);
  } catch {
    // It is closed, or full.
  }
}

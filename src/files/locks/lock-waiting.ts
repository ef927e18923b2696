import { type Flow, setTimeout, wait } from "../../flow.js";
import { pause } from "../pause.js";

/** Milliseconds. */
const SHORTEST = 1;
const LONGEST = 50;

/**
 * How long to wait before the next try, in ms: longer each time, for most computations are either over at once or take
 * long; and not twice the same, so that those who wait do not come all at once.
 * @param attempt the tries so far, from 1
 * @param random from 0 up to 1
 */
export function pauseAfter(attempt: number, random: number): number {
  const longest = Math.min(LONGEST, SHORTEST * 1.5 ** attempt);
  return Math.max(SHORTEST, longest * (0.5 + random / 2));
}

/** Holds no thread of the pool, and burns no core. The process stays alive meanwhile: there is somebody who waits. */
export function* nextPause(attempt: number, async: boolean): Flow<void> {
  const milliseconds = pauseAfter(attempt, Math.random());
  if (async) yield* wait(new Promise<void>((resolve) => setTimeout(resolve, milliseconds)));
  else pause(milliseconds);
}

import { type Flow, performance, wait, yieldToEventLoop } from "../flow.js";

/**
 * Thousands of async calls that begin, or end, in one turn of the event loop would block it for as long as all their work
 * with the store takes. Beyond a number in flight they go on one after the other, and other code runs in between. They never
 * wait for each other's functions, which may wait for theirs.
 */

/** Computations of async functions that are in flight. */
let inFlight = 0;

/** Below it, nothing is put off: a function starts in the tick of its call. */
const CROWD = 500;

/** Milliseconds until other code runs. */
const SLICE = 10;

export function enterCrowd(): void {
  inFlight++;
}

export function leaveCrowd(): void {
  inFlight--;
}

export function isCrowded(): boolean {
  return inFlight > CROWD;
}

let waiting: (() => void)[] = [];
let isServing = false;

/** Goes on when those who came before have gone on. */
export function* queueUp(): Flow<void> {
  const turn = new Promise<void>((resolve) => waiting.push(resolve));
  if (!isServing) void serve();
  yield* wait(turn);
}

async function serve(): Promise<void> {
  isServing = true;
  while (waiting.length > 0) {
    const now = waiting;
    waiting = [];
    await yieldToEventLoop();
    let end = performance.now() + SLICE;
    for (const goOn of now) {
      goOn();
      await null; // it goes on before we do
      if (performance.now() < end) continue;
      await yieldToEventLoop();
      end = performance.now() + SLICE;
    }
  }
  isServing = false;
}

/** Lets other code run in a long loop, now and then. */
export class Slices {
  #end = performance.now() + SLICE;

  /** @returns what to wait for; `undefined` where it is too early */
  next(): Promise<void> | undefined {
    if (performance.now() < this.#end) return undefined;
    return yieldToEventLoop().then(() => {
      this.#end = performance.now() + SLICE;
    });
  }
}

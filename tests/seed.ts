import type { ExecutionContext } from "ava";
import { Random } from "../scripts/soak/values.js";

/**
 * What a test draws its random numbers from: another seed each time, or `TEST_SEED`, which makes a run draw again what
 * another run drew. When things happen is the system's choice all the same. The test's log says the seed, and failures show it.
 */
export function newSeed(t: ExecutionContext<any>): number {
  const seed = Number(process.env.TEST_SEED ?? Math.floor(Math.random() * 1_000_000));
  if (!Number.isSafeInteger(seed)) throw new Error(`TEST_SEED is a whole number, not "${process.env.TEST_SEED}".`);
  t.log(again(seed));
  return seed;
}

/** How to replay. */
export function again(seed: number): string {
  return `Seed ${seed}. To draw the same again: TEST_SEED=${seed}`;
}

/** Random numbers of the test's own seed. */
export function newRandom(t: ExecutionContext<any>): Random {
  return new Random(newSeed(t));
}

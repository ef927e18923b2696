/** Milliseconds. */
export const DAY = 24 * 60 * 60 * 1000;

/** Runs on a later day, by `Date.now`. The clock is right again afterwards. */
export async function onDay<T>(day: number, action: () => T | Promise<T>): Promise<T> {
  const { now } = Date;
  Date.now = () => now() + day * DAY;
  try {
    return await action();
  } finally {
    Date.now = now;
  }
}

/** Of this process. */
export interface Stats {
  hits: number;
  misses: number;
  stores: number;
  /** Results and entries that could not be stored or read. */
  errors: number;
  /** Calls that waited for the computation of another. */
  waited: number;
  /** What the hits took when they were computed, in milliseconds. */
  timeSaved: number;
}

export function newStats(): Stats {
  return { hits: 0, misses: 0, stores: 0, errors: 0, waited: 0, timeSaved: 0 };
}

export function addStats(to: Stats, more: Stats): void {
  for (const name of Object.keys(to) as (keyof Stats)[]) to[name] += more[name];
}

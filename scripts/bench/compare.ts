import type { Measured } from "./measure.js";

/** How far a row that was as it should be may miss its target before that is a failure: runs differ. */
const SLACK = 0.15;

/** Compares a run with one that was kept. */
export interface Comparison {
  /** Names of the rows that were ok, and miss their target now by more than 15 %. */
  readonly worse: readonly string[];
  /** Names of the rows that were not measured this time. */
  readonly missing: readonly string[];
}

export function compare(kept: readonly Measured[], now: readonly Measured[]): Comparison {
  const byName = new Map(now.map((row) => [row.name, row]));
  const worse = kept.filter(({ name, ok }) => ok && isWorse(byName.get(name)));
  return {
    worse: worse.map(({ name }) => name),
    missing: kept.filter(({ name }) => !byName.has(name)).map(({ name }) => name),
  };
}

function isWorse(row: Measured | undefined): boolean {
  if (!row || row.target === null) return false;
  return row.better === "less" ? row.ratio > row.target * (1 + SLACK) : row.ratio < row.target / (1 + SLACK);
}

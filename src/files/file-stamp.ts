import { type BigIntStats, lstatSync } from "node:fs";

/** What tells a regular file that is only ever replaced, never written to, from the next one in its place. */
export class FileStamp {
  readonly #stats: BigIntStats;

  private constructor(stats: BigIntStats) {
    this.#stats = stats;
  }

  /** No link is followed. `undefined` where there is no such file. */
  static of(path: string): FileStamp | undefined {
    const stats = lstatSync(path, LSTAT);
    return stats?.isFile() ? new FileStamp(stats) : undefined;
  }

  isSame(other: FileStamp): boolean {
    const [a, b] = [this.#stats, other.#stats];
    return (
      a.ctimeNs === b.ctimeNs && a.ino === b.ino && a.dev === b.dev && a.size === b.size && a.mtimeNs === b.mtimeNs
    );
  }

  /**
   * Whether nothing that is put in its place from now on can have the same stamp. An inode is given to the next file at
   * once, and the clock of many file systems ticks every 4 ms only.
   */
  isOld(): boolean {
    return BigInt(Date.now()) * 1_000_000n - this.#stats.ctimeNs >= OLD;
  }
}

const LSTAT = { bigint: true, throwIfNoEntry: false } as const;

/** Nanoseconds. */
const OLD = 50_000_000n;

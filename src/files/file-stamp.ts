import { type BigIntStats, lstatSync } from "node:fs";

/** What tells a regular file that is only ever replaced, never written to, from the next one in its place. */
export class FileStamp {
  readonly #stats: BigIntStats;

  private constructor(stats: BigIntStats) {
    this.#stats = stats;
  }

  /** No link is followed. `undefined` where there is nothing, or it is out of reach. */
  static of(path: string): FileStamp | undefined {
    try {
      const stats = lstatSync(path, LSTAT);
      return stats && new FileStamp(stats);
    } catch {
      return undefined; // reading it will tell
    }
  }

  isSame(other: FileStamp): boolean {
    const a = this.#stats;
    const b = other.#stats;
    return (
      a.ctimeNs === b.ctimeNs && a.ino === b.ino && a.dev === b.dev && a.size === b.size && a.mtimeNs === b.mtimeNs
    );
  }

  /**
   * An inode is given to the next file at once, and the clock of many file systems ticks every 4 ms only: what was changed
   * just now may be replaced by what looks the same. Asked now, the answer holds for all that comes.
   */
  isReliable(): boolean {
    return this.#stats.isFile() && BigInt(Date.now()) * 1_000_000n - this.#stats.ctimeNs >= OLD;
  }
}

const LSTAT = { bigint: true, throwIfNoEntry: false } as const;

/** Nanoseconds. */
const OLD = 50_000_000n;

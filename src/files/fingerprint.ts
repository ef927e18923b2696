import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { type Flow, wait } from "../flow.js";
import type { Io } from "./io.js";

/** What `stat` tells of a regular file; numbers beyond 2^53 as text. It changes whenever the file does, but see `isYoung`. */
export interface Stamp {
  readonly dev: string;
  readonly ino: string;
  readonly size: number;
  /** Nanoseconds since 1970. */
  readonly mtime: string;
  readonly ctime: string;
  readonly mode: number;
}

export function isSameStamp(a: Stamp, b: Stamp): boolean {
  return a.dev === b.dev && a.ino === b.ino && a.size === b.size && a.mtime === b.mtime && a.ctime === b.ctime;
}

/** The stamp of a path, links followed; `"directory"`, or `undefined` where there is no regular file. */
export function* stampOf(path: string, io: Io): Flow<Stamp | "directory" | undefined> {
  const stats = yield* wait(io.stat(path));
  if (stats?.isDirectory()) return "directory";
  if (!stats?.isFile()) return undefined;
  return {
    dev: String(stats.dev),
    ino: String(stats.ino),
    size: Number(stats.size),
    mtime: String(stats.mtimeNs),
    ctime: String(stats.ctimeNs),
    mode: Number(stats.mode & 0o7777n),
  };
}

/** The stamp of a regular file; `undefined` also where it is out of reach. */
export function* stampQuietly(path: string, io: Io): Flow<Stamp | undefined> {
  try {
    const stamp = yield* stampOf(path, io);
    return typeof stamp === "object" ? stamp : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Whether a file was changed so shortly ago that its times cannot tell: many kernels stamp files by a clock that ticks
 * every 4 ms (FAT has 2 s), so a further change in the same tick leaves size and times as they are.
 * The content of such a file has to be looked at. A time in the future is that of another clock.
 */
export function isYoung({ ctime }: Stamp, now: number): boolean {
  return now - millisecondsOf(ctime) < TICK;
}

export function millisecondsOf(nanoseconds: string): number {
  return Number(BigInt(nanoseconds) / 1_000_000n);
}

/** Milliseconds: the 2 s of FAT, and some slack for the clocks. */
const TICK = 2_050;

const BUFFER = 1024 * 1024;

/** SHA-256 of the content in hex, piece by piece: never the whole file in memory. @throws the system's error */
export function* digestOf(path: string, io: Io): Flow<string> {
  const fd = yield* wait(io.open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)));
  try {
    const hash = createHash("sha256");
    const buffer = Buffer.allocUnsafeSlow(BUFFER);
    for (;;) {
      const length = yield* wait(io.read(fd, buffer, 0, BUFFER));
      if (length === 0) return hash.digest("hex");
      hash.update(buffer.subarray(0, length));
    }
  } finally {
    yield* wait(io.close(fd));
  }
}

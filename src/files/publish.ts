import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { type Flow, wait } from "../flow.js";
import { codeOf, type Io } from "./io.js";
import { pause } from "./pause.js";
import { PRIVATE } from "./permissions.js";

const FLAGS = constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY | (constants.O_NOFOLLOW ?? 0);

/**
 * Writes a new file: all of it or none. A reader of `target` sees the old file or the whole new one.
 * @param temporary a path of 128 random bits on the same file system, see temporary.ts
 * @param isReady asked when all is written, at the last moment: whether the target may be taken. It makes the folder of
 *   the target; where that goes away at once, it is asked again.
 * @param isDurable it is on the disk before it is visible (fsync)
 * @param mode permissions of the file, before the umask takes of them
 * @returns whether it was published
 * @throws the system's error; no temporary file is left
 */
export function* publish(
  target: string,
  temporary: string,
  parts: readonly Uint8Array[],
  io: Io,
  isReady: () => boolean,
  isDurable = false,
  mode = PRIVATE.file,
): Flow<boolean> {
  let published = false;
  try {
    yield* writeNew(temporary, parts, io, isDurable, mode);
    for (let attempt = 1; !published && isReady(); attempt++) {
      if (attempt > 2) throw missing(`${temporary} was removed by another program`);
      published = yield* renameInto(temporary, target, io);
    }
    return published;
  } finally {
    if (!published) yield* discard(temporary, io);
  }
}

/** As the system tells that something is not there: whoever made it may make it again. */
export function missing(message: string): Error {
  return Object.assign(new Error(message), { code: "ENOENT" });
}

function* writeNew(path: string, parts: readonly Uint8Array[], io: Io, isDurable: boolean, mode: number): Flow<void> {
  const fd = yield* wait(io.open(path, FLAGS, mode));
  try {
    let total = 0;
    for (const part of parts) {
      // A short write is no error to the kernel: a full disk may take a third of it first.
      for (let at = 0; at < part.length; ) {
        const written = yield* wait(io.write(fd, part, at, part.length - at));
        if (written === 0) throw new Error("Nothing more could be written");
        at += written;
      }
      total += part.length;
    }
    const size = yield* wait(io.size(fd));
    if (size !== total) throw new Error(`${size} of ${total} bytes were written`);
    if (isDurable) yield* wait(io.fsync(fd));
  } finally {
    yield* wait(io.close(fd));
  }
}

/** Windows: another process has the target open for a moment. */
const BUSY = ["EPERM", "EBUSY", "EACCES"];

/** Blocks. @returns false where the file, or the folder of the target, is missing */
export function* renameInto(from: string, to: string, io: Io): Flow<boolean> {
  for (let attempt = 1; ; attempt++) {
    try {
      yield* wait(io.rename(from, to));
      return true;
    } catch (error) {
      const code = codeOf(error);
      if (code === "ENOENT") return false;
      if (process.platform !== "win32" || attempt === 10 || !BUSY.includes(code)) throw error;
      pause(attempt * 5);
    }
  }
}

export function* discard(path: string, io: Io): Flow<void> {
  try {
    yield* wait(io.unlink(path));
  } catch {
    // It was never made, or the disk is beyond reach; the next sweep finds it.
  }
}

export function randomName(): string {
  return randomBytes(16).toString("hex");
}

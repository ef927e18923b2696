import { constants } from "node:fs";
import { clearTimeout, type Flow, performance, run, setTimeout, wait } from "../flow.js";
import { asyncIo, codeOf, type Io, syncIo } from "./io.js";

/** No link is followed, and a FIFO in the place of an entry does not block. */
const FLAGS = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);

/** Most entries fit. Used again for every read: what is read stands here only until the next one. */
const buffer = Buffer.allocUnsafeSlow(64 * 1024);

/** Not there, or a file on the way; a link (EMLINK on some BSDs); a directory, a socket, a FIFO that is being written. */
const ABSENT = ["ENOENT", "ENOTDIR", "ELOOP", "EMLINK", "EISDIR", "ENXIO", "EAGAIN"];

/** A whole file; or one in pieces, one after the other, each in an ArrayBuffer of its own. */
export type Contents = Buffer | readonly Buffer[];

/**
 * The lengths in bytes of the pieces in which a file of this size is read that begins so; they add up to its size.
 * A single one stands for the whole file.
 */
export type Cut = (start: Buffer, size: number) => readonly number[];

export const WHOLE: Cut = (_start, size) => [size];

/**
 * The bytes of a regular file, `undefined` where there is none. They may stand in a buffer that the next call uses.
 * Small files are read synchronously also for async callers: 6 us against 91 through the thread pool.
 * @param async whether a promise may be returned: for large files, and where descriptors have run out
 * @throws the system's error where the file is there and cannot be read
 */
export function readFile(path: string, async: boolean): Buffer | undefined | Promise<Buffer | undefined> {
  return readPieces(path, async, WHOLE) as ReturnType<typeof readFile>;
}

/** As `readFile`, but files that are not small are read as they are cut. */
export function readPieces(
  path: string,
  async: boolean,
  cut: Cut,
): Contents | undefined | Promise<Contents | undefined> {
  try {
    return readAtOnce(path, async ? asyncIo : syncIo, cut);
  } catch (error) {
    const code = codeOf(error);
    if (ABSENT.includes(code)) return undefined;
    if (async && (code === "EMFILE" || code === "ENFILE")) return readQueued(path, cut);
    throw error;
  }
}

function readAtOnce(path: string, io: Io, cut: Cut): Contents | Promise<Contents> {
  const fd = syncIo.open(path, FLAGS) as number;
  let open = true;
  try {
    const length = syncIo.read(fd, buffer, 0, buffer.length) as number;
    if (length < buffer.length) return buffer.subarray(0, length);
    open = false; // the flow closes it
    return run(readRest(fd, Buffer.from(buffer), io, cut));
  } finally {
    if (open) syncIo.close(fd);
  }
}

/** Milliseconds to wait for a file descriptor. Beyond that it is better to compute. */
const PATIENCE = 1_000;
const PAUSE = 10;

async function readQueued(path: string, cut: Cut): Promise<Contents | undefined> {
  const end = performance.now() + PATIENCE;
  const reading = (async () => run(readRest(await openBefore(end, path), Buffer.alloc(0), asyncIo, cut)))();
  let timer: NodeJS.Timeout | undefined;
  const patience = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error("No file descriptor was to be had in time")), PATIENCE);
  });
  reading.catch(() => {}).finally(() => clearTimeout(timer));
  try {
    return await Promise.race([reading, patience]);
  } catch (error) {
    if (ABSENT.includes(codeOf(error))) return undefined;
    throw error;
  }
}

/** graceful-fs queues by itself, but may not have been loaded before there were no descriptors left. */
async function openBefore(end: number, path: string): Promise<number> {
  for (;;) {
    try {
      return await asyncIo.open(path, FLAGS);
    } catch (error) {
      if (!["EMFILE", "ENFILE"].includes(codeOf(error)) || performance.now() > end) throw error;
      await new Promise((resolve) => setTimeout(resolve, PAUSE));
    }
  }
}

/** What follows the first bytes. Short reads are ordinary; the size is that of the open file. */
function* readRest(fd: number, first: Buffer, io: Io, cut: Cut): Flow<Contents> {
  try {
    const pieces: Buffer[] = [];
    let start = 0;
    for (const length of cut(first, Math.max(yield* wait(io.size(fd)), first.length))) {
      const piece = Buffer.allocUnsafeSlow(length);
      let at = first.subarray(start).copy(piece);
      while (at < length) {
        const count = yield* wait(io.read(fd, piece, at, length - at));
        if (count === 0) break;
        at += count;
      }
      pieces.push(piece.subarray(0, at));
      start += length;
    }
    return pieces.length === 1 ? pieces[0]! : pieces;
  } finally {
    yield* wait(io.close(fd));
  }
}

import { constants } from "node:fs";
import { type Flow, run, wait } from "../flow.js";
import { asyncIo, codeOf, type Io, loadBulk, syncIo } from "./io.js";

/** No link is followed, and a FIFO in the place of an entry does not block. */
const FLAGS = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);

/** Most entries fit. Used again for every read: what is read stands here only until the next one. */
const buffer = Buffer.allocUnsafeSlow(64 * 1024);

/** Not there, or a file on the way; a link (EMLINK on some BSDs); a directory, a socket, a FIFO that is being written. */
const ABSENT = ["ENOENT", "ENOTDIR", "ELOOP", "EMLINK", "EISDIR", "ENXIO", "EAGAIN"];

/**
 * The bytes of a regular file, `undefined` where there is none. They may stand in a buffer that the next call uses.
 * Small files are read synchronously also for async callers: 6 us against 91 through the thread pool.
 * @param async whether a promise may be returned: for large files, and where descriptors have run out
 * @throws the system's error where the file is there and cannot be read
 */
export function readFile(path: string, async: boolean): Buffer | undefined | Promise<Buffer | undefined> {
  if (async) loadBulk(); // while there are descriptors left to load it
  try {
    return readAtOnce(path, async ? asyncIo : syncIo);
  } catch (error) {
    const code = codeOf(error);
    if (ABSENT.includes(code)) return undefined;
    if (async && (code === "EMFILE" || code === "ENFILE")) return readQueued(path);
    throw error;
  }
}

function readAtOnce(path: string, io: Io): Buffer | Promise<Buffer> {
  const fd = syncIo.open(path, FLAGS) as number;
  let open = true;
  try {
    const length = syncIo.read(fd, buffer, 0, buffer.length) as number;
    if (length < buffer.length) return buffer.subarray(0, length);
    open = false; // the flow closes it
    return run(readRest(fd, Buffer.from(buffer), io));
  } finally {
    if (open) syncIo.close(fd);
  }
}

/** Milliseconds to wait for a file descriptor. Beyond that it is better to compute. */
const PATIENCE = 1_000;

async function readQueued(path: string): Promise<Buffer | undefined> {
  const reading = (async () => run(readRest(await asyncIo.open(path, FLAGS), Buffer.alloc(0), asyncIo)))();
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

/** What follows the first bytes. Short reads are ordinary; the size is that of the open file. */
function* readRest(fd: number, first: Buffer, io: Io): Flow<Buffer> {
  try {
    const bytes = Buffer.allocUnsafeSlow(Math.max(yield* wait(io.size(fd)), first.length));
    let at = first.copy(bytes);
    while (at < bytes.length) {
      const length = yield* wait(io.read(fd, bytes, at, bytes.length - at));
      if (length === 0) break;
      at += length;
    }
    return bytes.subarray(0, at);
  } finally {
    yield* wait(io.close(fd));
  }
}

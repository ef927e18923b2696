import { constants } from "node:fs";
import { dirname, join } from "node:path";
import { type Flow, wait } from "../flow.js";
import { isSameStamp, type Stamp, stampOf } from "./fingerprint.js";
import { codeOf, type Io } from "./io.js";
import { discard, missing, renameInto } from "./publish.js";
import { isOrphan, sweep, temporaryName } from "./temporary.js";

/** Beside the target: that may be on a file system of its own. */
const TEMPORARY = ".permacache-";

/** A path for a file that will be renamed to the target. */
export function temporaryBeside(target: string): string {
  return join(dirname(target), `${TEMPORARY}${temporaryName()}`);
}

/** Whether a file is a temporary one of a process that lives. */
export function isBeingWritten(name: string, path: string): boolean {
  return name.startsWith(TEMPORARY) && !isOrphan(name.slice(TEMPORARY.length), path);
}

/**
 * Copies a file to a target: a clone where the file system can (the bytes are shared until one of the two is written).
 * The target is replaced only when the whole copy is there; parent directories are made.
 * @param seen the stamp of the source when its content was known
 * @param mode of the target
 * @returns false where the source changed meanwhile and the target was left alone; else the stamp of the target,
 *   `undefined` where somebody has replaced it again
 * @throws the system's error; nothing is left beside the target
 */
export function* restoreFile(
  source: string,
  seen: Stamp,
  target: string,
  mode: number,
  io: Io,
): Flow<Stamp | undefined | false> {
  const folder = dirname(target);
  yield* wait(io.mkdir(folder));
  sweepOnce(folder);
  return yield* copyInto(source, seen, target, temporaryBeside(target), mode, io);
}

/**
 * The same for a target in a folder that is there.
 * @param temporary a path for a new file on the file system of the target
 */
export function* copyInto(
  source: string,
  seen: Stamp,
  target: string,
  temporary: string,
  mode: number,
  io: Io,
): Flow<Stamp | undefined | false> {
  let isDone = false;
  try {
    if (!(yield* isCopied(source, temporary, io))) return false;
    yield* wait(io.chmod(temporary, mode));
    const after = yield* stampOf(source, io);
    const copy = yield* stampOf(temporary, io);
    if (typeof after !== "object" || !isSameStamp(after, seen)) return false;
    if (typeof copy !== "object") throw missing(`${temporary} was removed by another program`);
    if (copy.size !== seen.size) return false;
    isDone = yield* renameInto(temporary, target, io);
    if (!isDone) throw missing(`${dirname(target)} was removed while a file was copied to it`);
    const written = yield* stampOf(target, io);
    return typeof written === "object" && written.ino === copy.ino ? written : undefined;
  } finally {
    if (!isDone) yield* discard(temporary, io);
  }
}

/** False where the source is gone: a kept content may be evicted at any time. */
function* isCopied(source: string, temporary: string, io: Io): Flow<boolean> {
  try {
    yield* wait(io.copy(source, temporary, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE));
    return true;
  } catch (error) {
    if (codeOf(error) === "ENOENT" && (yield* stampOf(source, io)) === undefined) return false;
    throw error;
  }
}

/** By this process. */
const swept = new Set<string>();
const MOST = 1_000;

/** Before the first file is restored to a folder: what killed processes left behind there. */
function sweepOnce(folder: string): void {
  if (swept.has(folder)) return;
  if (swept.size === MOST) swept.clear();
  swept.add(folder);
  sweep(folder, TEMPORARY);
}

import { closeSync, constants, lstatSync, openSync, readFileSync, rmSync, type Stats, writeSync } from "node:fs";
import { codeOf } from "../../files/io.js";

/**
 * Which keys of a folder were removed, `<folder>/=_removed`: their digests, appended before the entry goes. A computation
 * that was begun earlier, in whatever process, sees by it that its result is not wanted any more.
 */
const FILE = "=_removed";

/** Bytes; a file this long is begun anew, and computations that run then store nothing. */
const LONGEST = 64 * 1024;

/** How a file begins that is not the first. */
const AGAIN = "again\n";

/**
 * @param mode permissions of the file, before the umask takes of them
 * @returns false where the folder is gone: it was cleared at this moment, which says the same
 */
export function noteRemoval(folder: string, digest: string, mode: number): boolean {
  const path = `${folder}/${FILE}`;
  const isFull = (lstatSync(path, { throwIfNoEntry: false })?.size ?? 0) > LONGEST;
  if (isFull) rmSync(path, { force: true });
  const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | (constants.O_NOFOLLOW ?? 0);
  let fd: number;
  try {
    fd = openSync(path, flags, mode);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return false;
    throw error;
  }
  try {
    writeSync(fd, `${isFull ? AGAIN : ""}${digest}\n`);
  } finally {
    closeSync(fd);
  }
  return true;
}

/** The state of the file, to be compared later: `<file> <size>`; `""` where there is none. */
export function removalsIn(folder: string): string {
  const stats = lstatSync(`${folder}/${FILE}`, { throwIfNoEntry: false });
  return stats ? `${fileOf(stats)} ${stats.size}` : "";
}

/** The inode alone would not do: file systems give a freed one to the next file. */
function fileOf({ ino, birthtimeMs }: Stats): string {
  return `${ino}-${birthtimeMs}`;
}

/** Whether a key was removed since the file was in that state, or that cannot be told. */
export function wasRemoved(folder: string, digest: string, since: string): boolean {
  if (removalsIn(folder) === since) return false;
  const [file, size = "0"] = since.split(" ");
  try {
    const text = readFileSync(`${folder}/${FILE}`, { encoding: "utf8", flag: READ as never });
    const isFirst = since === "" && !text.startsWith(AGAIN);
    const isSame = file === removalsIn(folder).split(" ")[0] && text.length >= Number(size);
    return !(isFirst || isSame) || text.slice(Number(size)).includes(digest);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return true; // begun anew
    throw error;
  }
}

const READ = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0);

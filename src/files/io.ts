import fs, { type BigIntStats } from "node:fs";
import { promisify } from "node:util";
import gracefulFs from "graceful-fs";

/**
 * The file operations that a flow needs, in two manners. `syncIo` blocks: for sync functions, and for entries so small
 * that a trip through the thread pool costs more than the work. `asyncIo` is graceful-fs: it queues where file
 * descriptors run out, and is for bulk.
 */
export interface Io {
  open(path: string, flags: number, mode?: number): number | Promise<number>;
  read(fd: number, buffer: Buffer, offset: number, length: number): number | Promise<number>;
  write(fd: number, buffer: Uint8Array, offset: number, length: number): number | Promise<number>;
  size(fd: number): number | Promise<number>;
  fsync(fd: number): void | Promise<void>;
  close(fd: number): void | Promise<void>;
  /** Blocks in both manners: between the last look at what it replaces and the renaming nothing else runs. */
  rename(from: string, to: string): void;
  unlink(path: string): void | Promise<void>;
  /** `undefined` where there is nothing. Links are followed. */
  stat(path: string): BigIntStats | undefined | Promise<BigIntStats | undefined>;
  /** @param flags see `fs.constants.COPYFILE_*` */
  copy(from: string, to: string, flags: number): void | Promise<void>;
  chmod(path: string, mode: number): void | Promise<void>;
  /** With its parents. */
  mkdir(path: string): void | Promise<void>;
}

export const syncIo: Io = {
  open: fs.openSync,
  read: (fd, buffer, offset, length) => fs.readSync(fd, buffer, offset, length, null),
  write: (fd, buffer, offset, length) => fs.writeSync(fd, buffer, offset, length),
  size: (fd) => fs.fstatSync(fd).size,
  fsync: fs.fsyncSync,
  close: fs.closeSync,
  rename: fs.renameSync,
  unlink: fs.unlinkSync,
  stat: (path) => fs.statSync(path, { bigint: true, throwIfNoEntry: false }),
  copy: fs.copyFileSync,
  chmod: fs.chmodSync,
  mkdir: (path) => void fs.mkdirSync(path, { recursive: true }),
};

const open = promisify(gracefulFs.open) as (path: string, flags: number, mode?: number) => Promise<number>;
const read = promisify(gracefulFs.read);
const write = promisify(gracefulFs.write) as (
  fd: number,
  buffer: Uint8Array,
  offset: number,
  length: number,
) => Promise<{ bytesWritten: number }>;
const fstat = promisify(gracefulFs.fstat);
const stat = promisify(gracefulFs.stat) as (path: string, options: { bigint: true }) => Promise<BigIntStats>;
const mkdir = promisify(gracefulFs.mkdir) as (
  path: string,
  options: { recursive: true },
) => Promise<string | undefined>;

export const asyncIo: Io = {
  open,
  read: async (fd, buffer, offset, length) => (await read(fd, buffer, offset, length, null)).bytesRead,
  write: async (fd, buffer, offset, length) => (await write(fd, buffer, offset, length)).bytesWritten,
  size: async (fd) => (await fstat(fd)).size,
  fsync: promisify(gracefulFs.fsync),
  close: promisify(gracefulFs.close),
  rename: fs.renameSync,
  unlink: promisify(gracefulFs.unlink),
  stat: async (path) => {
    try {
      return await stat(path, { bigint: true });
    } catch (error) {
      if (["ENOENT", "ENOTDIR"].includes(codeOf(error))) return undefined;
      throw error;
    }
  },
  copy: promisify(gracefulFs.copyFile) as (from: string, to: string, flags: number) => Promise<void>,
  chmod: promisify(gracefulFs.chmod),
  mkdir: async (path) => void (await mkdir(path, { recursive: true })),
};

export function ioFor(async: boolean): Io {
  return async ? asyncIo : syncIo;
}

/** The `code` of a system error, `""` for anything else. */
export function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === "string" ? code : "";
}

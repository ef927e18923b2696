import fs, { type BigIntStats, closeSync } from "node:fs";
import { createRequire } from "node:module";
import { promisify } from "node:util";
import { performance, setTimeout } from "../flow.js";

/**
 * The file operations that a flow needs, in two manners. `syncIo` blocks: for sync functions, and for entries so small
 * that a trip through the thread pool costs more than the work. `asyncIo` is for bulk: it is graceful-fs, but for what
 * opens files, which waits a bounded time where there is no descriptor left.
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
  // Not `fs.closeSync`: graceful-fs puts its own there, which looks at its queue each time, a fortieth of reading an entry.
  // The queue goes on without it.
  close: closeSync,
  rename: fs.renameSync,
  unlink: fs.unlinkSync,
  stat: (path) => fs.statSync(path, { bigint: true, throwIfNoEntry: false }),
  copy: fs.copyFileSync,
  chmod: fs.chmodSync,
  mkdir: (path) => void fs.mkdirSync(path, { recursive: true, mode: 0o777 }),
};

/** What is used of graceful-fs, as promises. */
function promised(
  bulk: Pick<typeof fs, "read" | "write" | "fstat" | "stat" | "mkdir" | "fsync" | "close" | "unlink" | "chmod">,
) {
  return {
    read: promisify(bulk.read),
    write: promisify(bulk.write),
    fstat: promisify(bulk.fstat),
    stat: promisify(bulk.stat) as (path: string, options: { bigint: true }) => Promise<BigIntStats>,
    mkdir: promisify(bulk.mkdir),
    fsync: promisify(bulk.fsync),
    close: promisify(bulk.close),
    unlink: promisify(bulk.unlink),
    chmod: promisify(bulk.chmod),
  };
}

let loaded: ReturnType<typeof promised> | undefined;

/**
 * Loads graceful-fs at once, when it is first needed: it would be a quarter of the import of this package. At once, because
 * whoever needs it may be about to open all the files there are descriptors for, and has opened one so far.
 */
function bulk(): ReturnType<typeof promised> {
  if (loaded) return loaded;
  try {
    loaded = promised(createRequire(import.meta.url)("graceful-fs") as typeof fs);
    return loaded;
  } catch {
    return promised(fs); // without its queue: no descriptor was left, or somebody has bundled the package without it
  }
}

const openFile = promisify(fs.open) as (path: string, flags: number, mode?: number) => Promise<number>;
const copyFile = promisify(fs.copyFile) as (from: string, to: string, flags: number) => Promise<void>;

/** Milliseconds to wait for a file descriptor: the caller's own sockets may hold them all, for good. */
const PATIENCE = 5_000;
const PAUSE = 10;

/** Tries again while there is no descriptor. Not by graceful-fs, which waits for a minute, and opens in the end what nobody wants. */
async function patiently<T>(act: () => Promise<T>): Promise<T> {
  const end = performance.now() + PATIENCE;
  for (;;) {
    try {
      return await act();
    } catch (error) {
      if (!["EMFILE", "ENFILE"].includes(codeOf(error)) || performance.now() > end) throw error;
      await new Promise((resolve) => setTimeout(resolve, PAUSE));
    }
  }
}

export const asyncIo: Io = {
  open: (path, flags, mode) => patiently(() => openFile(path, flags, mode)),
  read: async (fd, buffer, offset, length) => (await bulk().read(fd, buffer, offset, length, null)).bytesRead,
  write: async (fd, buffer, offset, length) => (await bulk().write(fd, buffer, offset, length)).bytesWritten,
  size: async (fd) => (await bulk().fstat(fd)).size,
  fsync: (fd) => bulk().fsync(fd),
  close: (fd) => bulk().close(fd),
  rename: fs.renameSync,
  unlink: (path) => bulk().unlink(path),
  stat: async (path) => {
    try {
      return await bulk().stat(path, { bigint: true });
    } catch (error) {
      if (["ENOENT", "ENOTDIR"].includes(codeOf(error))) return undefined;
      throw error;
    }
  },
  copy: (from, to, flags) => patiently(() => copyFile(from, to, flags)),
  chmod: (path, mode) => bulk().chmod(path, mode),
  mkdir: async (path) => void (await bulk().mkdir(path, { recursive: true, mode: 0o777 })),
};

export function ioFor(async: boolean): Io {
  return async ? asyncIo : syncIo;
}

/** The `code` of a system error, `""` for anything else. */
export function codeOf(error: unknown): string {
  try {
    const code = (error as { code?: unknown } | null | undefined)?.code;
    return typeof code === "string" ? code : "";
  } catch {
    return ""; // a Proxy that throws when it is read
  }
}

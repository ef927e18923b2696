import {
  type BigIntStats,
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  readFileSync,
  readlinkSync,
  statSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { createRequire } from "node:module";
import { basename, join } from "node:path";
import { codeOf } from "../io.js";
import { type Permissions, PRIVATE } from "../permissions.js";
import type { Held, KeyLock } from "./contract.js";
import { heldUntil, inFolder, namesIn, openLockFile, sweepLocks } from "./lock-file.js";

/**
 * What is used of fs-native-extensions. On Linux its locks are those of an open file description (OFD), on macOS those of
 * `flock`, on Windows those of a handle. So they exclude two descriptors of one process, too, but never one descriptor
 * from itself; they end with their descriptor, and Node closes those of a worker that is terminated. No child process
 * inherits them: Node opens with O_CLOEXEC.
 */
interface Addon {
  /** Offset and length 0 mean the whole file; macOS takes nothing else. */
  tryLock(fd: number, offset: number, length: number, how?: { readonly shared?: boolean }): boolean;
  unlock(fd: number, offset: number, length: number): void;
}

let addon: Addon | null | undefined;

/** Loaded when it is first needed: it is optional, and costs some milliseconds. */
export function loadAddon(): Addon | undefined {
  if (addon === undefined) {
    try {
      addon = createRequire(import.meta.url)("fs-native-extensions") as Addon;
    } catch {
      addon = null; // not installed, or not built for this machine
    }
  }
  return addon ?? undefined;
}

/** @returns `false` where somebody else holds it */
function lock(fd: number, offset: number, length: number): boolean {
  try {
    return loadAddon()!.tryLock(fd, offset, length);
  } catch (error) {
    if (codeOf(error) === "EBUSY") return false; // that is how Windows says it
    throw error;
  }
}

/** So often the lock file may be replaced while we lock it; whoever waits comes back. */
const ATTEMPTS = 10;

export const LOCK_FILE = "=_locks";

/**
 * One lock file for all keys of a folder, `=_locks`: a key is a byte of it, at an offset that its digest gives. The file
 * stays empty. It is open only while a key is locked: a program may have many folders, and few descriptors.
 */
export class RangeLock implements KeyLock {
  readonly kind = "kernel";
  readonly #path: string;
  readonly #permissions: Permissions;
  /** The one that is open. What was open before it was replaced lives on until its last key is released. */
  #file: LockFile | undefined;

  constructor(folder: string, permissions = PRIVATE) {
    this.#path = join(folder, LOCK_FILE);
    this.#permissions = permissions;
  }

  tryLock(digest: string): Held | undefined {
    const offset = offsetOf(digest);
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      this.#file ??= new LockFile(this.#path, this.#permissions);
      const file = this.#file;
      try {
        const isMine = file.lock(offset);
        // Not before the locking: until then the file may be removed, or its folder be renamed away.
        if (isAt(this.#path, file.stats)) return isMine ? this.#held(file, offset) : undefined;
        if (isMine) file.unlock(offset);
        this.#file = undefined;
      } finally {
        this.#closeIfUnused(file);
      }
    }
    return undefined;
  }

  #held(file: LockFile, offset: number): Held {
    return heldUntil(() => {
      file.unlock(offset);
      this.#closeIfUnused(file);
    });
  }

  #closeIfUnused(file: LockFile): void {
    if (file.held.size > 0) return;
    if (this.#file === file) this.#file = undefined;
    closeQuietly(file.fd);
  }

  /** The kernel names no owner, but Linux shows the locks of each descriptor of the processes of this user. */
  holder(digest: string): string | undefined {
    const offset = offsetOf(digest);
    const pid = namesIn("/proc").find(
      (each) =>
        /^\d+$/.test(each) && namesIn(`/proc/${each}/fd`).some((fd) => isLockedBy(each, fd, this.#path, offset)),
    );
    return pid === undefined ? undefined : `process ${pid}`;
  }
}

/** 48 bits: exact as a number, and taken by every kernel. Two keys of one offset exclude each other, no more. */
function offsetOf(digest: string): number {
  return Number.parseInt(digest.slice(0, 12), 16);
}

class LockFile {
  readonly fd: number;
  readonly stats: BigIntStats;
  /** Offsets. To the kernel a descriptor is no stranger to itself: it would grant a byte twice. */
  readonly held = new Set<number>();

  constructor(path: string, permissions: Permissions) {
    this.fd = create(path, permissions);
    this.stats = statsOf(this.fd);
  }

  lock(offset: number): boolean {
    const isMine = !this.held.has(offset) && lock(this.fd, offset, 1);
    if (isMine) this.held.add(offset);
    return isMine;
  }

  /** Whoever unlocks the last one closes the file. Never throws. */
  unlock(offset: number): void {
    this.held.delete(offset);
    try {
      if (this.held.size > 0) loadAddon()!.unlock(this.fd, offset, 1); // else closing does it
    } catch {
      // It ends with the descriptor.
    }
  }
}

function isLockedBy(pid: string, fd: string, path: string, offset: number): boolean {
  try {
    if (basename(readlinkSync(`/proc/${pid}/fd/${fd}`)) !== basename(path)) return false;
    if (!isAt(path, statSync(`/proc/${pid}/fd/${fd}`, { bigint: true }))) return false;
    // "lock: 1: OFDLCK ADVISORY WRITE -1 fd:00:1234 <first byte> <last byte>"; neighbours are shown as one.
    const ranges = readFileSync(`/proc/${pid}/fdinfo/${fd}`, "utf8").matchAll(/^lock:.* (\d+) (\d+)$/gm);
    return [...ranges].some(([, first, last]) => Number(first) <= offset && offset <= Number(last));
  } catch {
    return false; // it is over, or of another user
  }
}

const LOCK_OF_KEY = /^=_([0-9a-f]{40})\.flock$/;

/**
 * For macOS, where only whole files are locked: a file for each key that is locked, `=_<digest>.flock`. Not a fixed number
 * of files: of two keys in one file the second would wait for the computation of the first.
 */
export class FileLock implements KeyLock {
  readonly kind = "kernel";
  readonly #folder: string;
  readonly #permissions: Permissions;
  #isSwept = false;

  constructor(folder: string, permissions = PRIVATE) {
    this.#folder = folder;
    this.#permissions = permissions;
  }

  tryLock(digest: string): Held | undefined {
    this.#sweep();
    const path = this.#pathOf(digest);
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const fd = create(path, this.#permissions);
      let isMine = false;
      try {
        if (!lock(fd, 0, 0)) return undefined;
        // Not before the locking: until then its holder removes the file.
        isMine = isAt(path, statsOf(fd));
      } finally {
        if (!isMine) closeQuietly(fd);
      }
      if (isMine) {
        writeOwner(fd);
        return heldUntil(() => removeAndClose(path, fd));
      }
    }
    return undefined;
  }

  #pathOf(digest: string): string {
    return join(this.#folder, `=_${digest}.flock`);
  }

  /** Before the first lock: what killed processes left behind. */
  #sweep(): void {
    if (this.#isSwept) return;
    this.#isSwept = true;
    sweepLocks(this, this.#folder, LOCK_OF_KEY);
  }

  holder(digest: string): string | undefined {
    try {
      const fd = openLockFile(this.#pathOf(digest), constants.O_RDONLY);
      try {
        return `process ${/^\d+/.exec(readFileSync(fd, "utf8"))![0]}`;
      } finally {
        closeQuietly(fd);
      }
    } catch {
      return undefined;
    }
  }
}

/** For `holder`. The lock does without, on a full disk for instance. */
function writeOwner(fd: number): void {
  try {
    writeSync(fd, String(process.pid).padEnd(20), 0); // over that of a killed one
  } catch {}
}

/** In this order: while we hold the lock, the file at the path is ours to remove. */
function removeAndClose(path: string, fd: number): void {
  try {
    if (isAt(path, statsOf(fd))) unlinkSync(path);
  } catch {
    // Then the next one uses it.
  }
  closeQuietly(fd);
}

function create(path: string, permissions: Permissions): number {
  return inFolder(path, permissions, () => openLockFile(path, constants.O_RDWR | constants.O_CREAT, permissions.file));
}

function statsOf(fd: number): BigIntStats {
  return fstatSync(fd, { bigint: true });
}

/** Whether a path still leads to a file that is open: so its inode is no other file's. */
function isAt(path: string, opened: BigIntStats): boolean {
  try {
    const { dev, ino } = lstatSync(path, { bigint: true });
    return dev === opened.dev && ino === opened.ino;
  } catch {
    return false; // opening it anew will tell why
  }
}

function closeQuietly(fd: number): void {
  try {
    closeSync(fd);
  } catch {}
}

import { closeSync, constants, fstatSync, lstatSync } from "node:fs";
import { join } from "node:path";
import { StoreError } from "../../errors.js";
import { codeOf } from "../../files/io.js";
import { loadAddon } from "../../files/locks/kernel-lock.js";
import { openLockFile } from "../../files/locks/lock-file.js";
import { pause } from "../../files/pause.js";
import { PRIVATE } from "../../files/permissions.js";
import type { Guard, How } from "./guard.js";

/** Milliseconds until waiting is given up: opening and one transaction take a few. */
const WAIT = 5_000;
/** Milliseconds between two looks, at first and at most. */
const PAUSE = 0.05;
const LONGEST_PAUSE = 4;
/** So often the files may be removed while they are locked. */
const ATTEMPTS = 10;

/** Locks that somebody holds for too long, a stopped process for instance: nobody waits for one a second time. */
const stuck = new Set<string>();

/**
 * While one process opens the database, nobody writes to it. lmdb needs that: whoever opens it sets the number of the last
 * transaction, which all processes share, to what it has read a moment before (OpenLDAP ITS#9496). A commit in between is
 * undone: its entries are gone, its number and its pages are used again, and the writer may crash.
 *
 * The kernel's locks of two files beside the database are used, so a process that dies frees them. `=1.lock` is held alone
 * while opening, and shared while writing or closing. Whoever wants it passes `=1.gate` first, and an opener stays in there:
 * writers that are never idle could keep it out for ever. Reads lock nothing.
 */
export class OpenLock implements Guard {
  readonly #lock: string;
  readonly #gate: string;
  #files: { readonly lock: number; readonly gate: number; readonly dev: number; readonly ino: number } | undefined;

  /** @param directory of the store, which is there */
  constructor(directory: string) {
    this.#lock = join(directory, "=1.lock");
    this.#gate = join(directory, "=1.gate");
  }

  take(how: How): () => void {
    const until = Date.now() + (stuck.has(this.#lock) ? 0 : WAIT);
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      this.#files ??= openFiles(this.#lock, this.#gate);
      const { lock, gate } = this.#files;
      this.#wait(gate, how, until);
      try {
        this.#wait(lock, how, until);
      } catch (error) {
        unlock(gate);
        throw error;
      }
      stuck.delete(this.#lock);
      if (how === "shared") unlock(gate);
      // Not before the locking: until then the file may be removed, and others lock another one.
      if (this.#isThere()) {
        return () => {
          unlock(lock);
          if (how === "alone") unlock(gate);
        };
      }
      this.close(); // which unlocks them
    }
    throw new StoreError(`${this.#lock} is removed again and again by another program`);
  }

  close(): void {
    const files = this.#files;
    this.#files = undefined;
    if (!files) return;
    closeSync(files.lock);
    closeSync(files.gate);
  }

  #wait(fd: number, how: How, until: number): void {
    for (let ms = PAUSE; !tryLock(fd, how); ms = Math.min(2 * ms, LONGEST_PAUSE)) {
      if (Date.now() >= until) {
        stuck.add(this.#lock);
        throw new StoreError(`${this.#lock} is held by another process, which may have been stopped`);
      }
      pause(ms);
    }
  }

  #isThere(): boolean {
    const stats = lstatSync(this.#lock, { throwIfNoEntry: false });
    return stats !== undefined && stats.ino === this.#files?.ino && stats.dev === this.#files.dev;
  }
}

function openFiles(lockFile: string, gateFile: string) {
  const flags = constants.O_RDWR | constants.O_CREAT;
  const lock = openLockFile(lockFile, flags, PRIVATE.file);
  try {
    const { dev, ino } = fstatSync(lock);
    return { lock, gate: openLockFile(gateFile, flags, PRIVATE.file), dev, ino };
  } catch (error) {
    closeSync(lock);
    throw error;
  }
}

/** @returns `false` where somebody else holds it */
function tryLock(fd: number, how: How): boolean {
  try {
    return loadAddon()!.tryLock(fd, 0, 0, { shared: how === "shared" });
  } catch (error) {
    if (codeOf(error) === "EBUSY") return false; // that is how Windows says it
    throw error;
  }
}

function unlock(fd: number): void {
  loadAddon()!.unlock(fd, 0, 0);
}

import { constants, mkdirSync, openSync, readdirSync } from "node:fs";
import { dirname } from "node:path";
import { codeOf } from "../io.js";
import type { Permissions } from "../permissions.js";
import type { Held, KeyLock } from "./contract.js";

/** What the implementations of the key lock share: a file that is locked, in a folder that may go away at any time. */

/** No link in its place is followed (but on Windows), and no pipe holds us up. */
const SAFELY = (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);

/** @param flags what `open` is to do, besides. @param mode of a file that is made */
export function openLockFile(path: string, flags: number, mode?: number): number {
  return openSync(path, flags | SAFELY, mode);
}

/** Makes the folder of the file where that is missing, and runs the action again. */
export function inFolder<T>(path: string, permissions: Permissions, action: () => T): T {
  for (let attempt = 1; ; attempt++) {
    try {
      return action();
    } catch (error) {
      if (codeOf(error) !== "ENOENT" || attempt > 3) throw error;
      mkdirSync(dirname(path), { recursive: true, mode: permissions.folder });
    }
  }
}

/** @param free never throws */
export function heldUntil(free: () => void): Held {
  let isReleased = false;
  return {
    release() {
      if (isReleased) return;
      isReleased = true;
      free();
    },
  };
}

/** Locks and releases each key that has a file, which removes the files that killed processes left. Never throws. */
export function sweepLocks(lock: KeyLock, folder: string, pattern: RegExp): void {
  for (const name of namesIn(folder)) {
    const digest = pattern.exec(name)?.[1];
    try {
      if (digest) lock.tryLock(digest)?.release();
    } catch {
      // Whoever wants that key will be told.
    }
  }
}

export function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

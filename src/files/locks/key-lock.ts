import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { type Permissions, PRIVATE } from "../permissions.js";
import { FileLock, LOCK_FILE, loadAddon, RangeLock } from "./kernel-lock.js";
import { PortableLock } from "./portable-lock.js";

/**
 * One computation per key across the processes and threads of a machine. It only ever saves work: losing a lock may cost
 * a second computation, never a wrong value. So it may be lost: where somebody removes the lock file, or renames the
 * folder away, the next one locks anew, and what is still held there stops mattering.
 */
export interface KeyLock {
  /** `"kernel"`: the kernel frees it when its holder dies, by whatever cause. For people only. */
  readonly kind: "kernel" | "portable";

  /**
   * Tries once, never waits. Makes the folder where it is missing.
   * @param digest 40 hex digits
   * @returns `undefined` where somebody else holds it, of this process or another
   * @throws the system's error
   */
  tryLock(digest: string): Held | undefined;

  /** Who holds it, for people: `"process 1234"`. `undefined` where nobody does, or that cannot be told. Takes its time. */
  holder(digest: string): string | undefined;
}

export interface Held {
  /** Never throws. Does nothing the second time. */
  release(): void;
}

const locks = new Map<string, KeyLock>();

/**
 * The lock for the keys of one folder; the same object for the same folder and permissions of what it makes there. Kernel locks where the optional addon loads,
 * else the portable ones. The two do not exclude each other.
 */
export function keyLockIn(folder: string, permissions = PRIVATE): KeyLock {
  const path = resolve(folder);
  const name = `${permissions.file} ${path}`;
  let lock = locks.get(name);
  if (!lock) {
    lock = newLock(path, permissions);
    locks.set(name, lock);
  }
  return lock;
}

/** Whether keys of a folder were ever locked; the portable kind leaves nothing behind that would tell. */
export function isLockedIn(folder: string): boolean {
  return lockKind() === "portable" || existsSync(join(folder, LOCK_FILE));
}

/** Which kind is in force in this process. */
export function lockKind(): KeyLock["kind"] {
  return loadAddon() ? "kernel" : "portable";
}

function newLock(folder: string, permissions: Permissions): KeyLock {
  if (lockKind() === "portable") return new PortableLock(folder, permissions);
  return process.platform === "darwin" ? new FileLock(folder, permissions) : new RangeLock(folder, permissions);
}

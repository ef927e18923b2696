import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { ByName } from "../by-name.js";
import { type Permissions, PRIVATE } from "../permissions.js";
import type { KeyLock } from "./contract.js";
import { FileLock, LOCK_FILE, loadAddon, RangeLock } from "./kernel-lock.js";
import { PortableLock } from "./portable-lock.js";

/** Which kind of key lock a folder has. */

export type { Held, KeyLock } from "./contract.js";

const locks = new ByName<KeyLock>();

/**
 * The lock for the keys of one folder; the same object for the same folder and permissions of what it makes there. Kernel locks where the optional addon loads,
 * else the portable ones. The two do not exclude each other.
 */
export function keyLockIn(folder: string, permissions = PRIVATE): KeyLock {
  const path = resolve(folder);
  const name = `${permissions.file} ${path}`;
  return locks.of(name, () => newLock(path, permissions));
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

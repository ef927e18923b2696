import { closeSync, constants, fstatSync, lutimesSync, readSync, unlinkSync, writeSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { clearInterval, setInterval } from "../../flow.js";
import { codeOf } from "../io.js";
import { type Permissions, PRIVATE } from "../permissions.js";
import type { Held, KeyLock } from "./contract.js";
import { heldUntil, inFolder, openLockFile, sweepLocks } from "./lock-file.js";
import { isOwnerAlive, nameOf, newOwnerText, OWNER_SIZE, parseOwner } from "./lock-owner.js";

/** The files of a lock; a claim may be left without its lock. */
const LOCK_FILE = /^=_([0-9a-f]{40})\.lock(?:\.claim)?$/;

/** Milliseconds between two signs of life of a holder, and without one until it counts as dead, where one cannot ask. */
const HEARTBEAT = 10_000;
const SILENCE = 60_000;

/** Milliseconds. Microseconds pass from the making of a lock file to its owner's name in it, and while one takes over. */
const MOMENT = 2_000;

/**
 * The lock where the kernel's cannot be had: a file for each key that is locked, `=_<digest>.lock`, with its owner in it.
 * An owner on this machine holds it as long as it lives, and not a moment longer. Elsewhere (another machine or container
 * on the same disk) one cannot ask: there the time of the file decides, which the owner renews, but for a sync function
 * that blocks. So two holders at once are possible, though rare.
 */
export class PortableLock implements KeyLock {
  readonly kind = "portable";
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
    for (let attempt = 0; attempt < 3; attempt++) {
      const owner = newOwnerText();
      if (create(path, owner, this.#permissions)) return hold({ path, owner });
      if (!removeIfAbandoned(path)) return undefined;
    }
    return undefined;
  }

  holder(digest: string): string | undefined {
    try {
      return nameOf(parseOwner(read(this.#pathOf(digest))!.owner)!);
    } catch {
      return undefined;
    }
  }

  #pathOf(digest: string): string {
    return join(this.#folder, `=_${digest}.lock`);
  }

  /** Before the first lock: what killed processes left behind. */
  #sweep(): void {
    if (this.#isSwept) return;
    this.#isSwept = true;
    sweepLocks(this, this.#folder, LOCK_FILE);
  }
}

interface Lock {
  readonly path: string;
  readonly owner: string;
}

/** What this thread holds. */
const locks = new Set<Lock>();
let heartbeat: NodeJS.Timeout | undefined;

function hold(lock: Lock): Held {
  if (locks.size === 0) {
    heartbeat = setInterval(beat, HEARTBEAT).unref();
    process.on("exit", freeAll);
  }
  locks.add(lock);
  return heldUntil(() => free(lock));
}

function beat(): void {
  const now = new Date();
  for (const { path } of locks) {
    try {
      lutimesSync(path, now, now);
    } catch {
      // It was removed.
    }
  }
}

function freeAll(): void {
  for (const lock of [...locks]) free(lock);
}

/** Never throws. */
function free(lock: Lock): void {
  if (!locks.delete(lock)) return;
  if (locks.size === 0) {
    clearInterval(heartbeat);
    process.off("exit", freeAll);
  }
  try {
    if (read(lock.path)?.owner !== lock.owner) return; // it was lost
    removeQuietly(claimOf(lock.path)); // of one who was killed while taking over
    lockfile().unlockSync(lock.path);
  } catch {
    // Then the next one finds that we are gone, or never does.
  }
}

/** @returns whether the file is new, and so the lock ours */
function create(path: string, owner: string, permissions: Permissions): boolean {
  try {
    inFolder(path, permissions, () => {
      lockfile().lockSync(path);
      write(path, owner);
    });
    return true;
  } catch (error) {
    if (codeOf(error) === "EEXIST") return false;
    throw error;
  }
}

function write(path: string, owner: string): void {
  try {
    const fd = openLockFile(path, constants.O_WRONLY);
    try {
      writeSync(fd, owner);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    lockfile().unlockSync(path);
    throw error;
  }
}

interface Content {
  /** As text; half of it, or none, while it is written. */
  readonly owner: string;
  /** In ms since the epoch. */
  readonly renewedAt: number;
}

/** `undefined` where there is none. */
function read(path: string): Content | undefined {
  let fd: number;
  try {
    fd = openLockFile(path, constants.O_RDONLY);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  }
  try {
    const buffer = Buffer.alloc(OWNER_SIZE);
    const length = readSync(fd, buffer);
    return { owner: buffer.toString("latin1", 0, length), renewedAt: fstatSync(fd).mtimeMs };
  } finally {
    closeSync(fd);
  }
}

function isAbandoned(content: Content): boolean {
  const silence = Math.abs(Date.now() - content.renewedAt); // a clock may have been set back
  const owner = parseOwner(content.owner);
  if (!owner) return silence > MOMENT;
  const isAlive = isOwnerAlive(owner);
  return isAlive === undefined ? silence > SILENCE : !isAlive;
}

/** @returns whether the lock may be free now */
function removeIfAbandoned(path: string): boolean {
  const content = read(path);
  if (!content) return true;
  if (!isAbandoned(content) || !claim(path)) return false;
  try {
    const now = read(path);
    if (now?.owner === content.owner && now.renewedAt === content.renewedAt) removeQuietly(path);
    return true;
  } finally {
    lockfile().unlockSync(claimOf(path));
  }
}

/** Whoever removes the file of a dead owner holds this one. Else it might remove that of the next owner. */
function claimOf(path: string): string {
  return `${path}.claim`;
}

/** @returns `false` where another one is taking over */
function claim(path: string): boolean {
  try {
    lockfile().lockSync(claimOf(path), { stale: MOMENT });
    return true;
  } catch (error) {
    if (["EEXIST", "ENOENT"].includes(codeOf(error))) return false;
    throw error;
  }
}

function removeQuietly(path: string): void {
  try {
    unlinkSync(path);
  } catch {}
}

let loaded: typeof import("lockfile") | undefined;

/**
 * Its import hooks all signals that would end the process, to remove lock files. A process that is busy in a sync function
 * would then not end by Ctrl-C any more. So the hooks go at once, unless it was another package that set them.
 */
function lockfile(): typeof import("lockfile") {
  if (!loaded) {
    const require = createRequire(import.meta.url);
    const requireThere = createRequire(require.resolve("lockfile"));
    const isHooked = requireThere.resolve("signal-exit") in require.cache;
    loaded = require("lockfile") as typeof import("lockfile");
    if (!isHooked) (requireThere("signal-exit") as { unload(): void }).unload();
  }
  return loaded;
}

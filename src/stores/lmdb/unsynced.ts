import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, unlinkSync, writeSync } from "node:fs";
import { uptime } from "node:os";
import { dirname, join } from "node:path";
import { codeOf } from "../../files/io.js";
import { PRIVATE } from "../../files/permissions.js";

/**
 * The file `=1/unsynced`, which is there as long as commits may not be on the disk, and tells since which start of the
 * machine.
 *
 * A commit goes to the operating system, not to the disk: a killed process loses nothing. A power cut could leave pages
 * that do not belong together, which LMDB would follow wherever they lead. So a database that is found unsynced after a
 * restart of the machine is set aside, and another one is begun.
 */
export class UnsyncedMarker {
  readonly #file: string;

  /** @param folder of the database */
  constructor(folder: string) {
    this.#file = join(folder, "unsynced");
  }

  /**
   * `"lost"`: the machine was restarted since, and what the database holds cannot be trusted. A marker that does not say so,
   * because it cannot be read for instance, is no evidence of that.
   */
  state(): "synced" | "unsynced" | "lost" {
    let boot: string;
    try {
      boot = readFileSync(this.#file, "utf8");
    } catch (error) {
      return codeOf(error) === "ENOENT" ? "synced" : "unsynced";
    }
    return isThisBoot(boot) ? "unsynced" : "lost";
  }

  /** Only in a transaction, before anything is written. The marker is on the disk first. */
  put(): void {
    if (existsSync(this.#file)) return;
    writeDurably(this.#file, thisBoot());
  }

  remove(): void {
    try {
      unlinkSync(this.#file);
    } catch (error) {
      if (codeOf(error) !== "ENOENT") throw error;
    }
  }
}

/**
 * Beside its place, then renamed: whoever reads it sees all of it. It is brought to the disk with the folder that names it: a
 * file that a power cut takes away would not have told anything. Nobody else writes it meanwhile.
 */
function writeDurably(path: string, text: string): void {
  const fd = openSync(`${path}.new`, "w", PRIVATE.file);
  try {
    writeSync(fd, text);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(`${path}.new`, path);
  if (process.platform === "win32") return; // has no such thing
  const folder = openSync(dirname(path), "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

let boot: string | undefined;

/** Which start of the machine this is: as Linux tells, elsewhere its time in seconds. */
function thisBoot(): string {
  if (boot === undefined) {
    try {
      boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    } catch {
      boot = String(Math.round(Date.now() / 1000 - uptime()));
    }
  }
  return boot;
}

/** Seconds by which two readings of one start may differ. */
const SAME_START = 120;

/** What is empty, or a part of what would be written now, tells of no other start: versions before this wrote in place. */
function isThisBoot(other: string): boolean {
  const ours = thisBoot();
  const text = other.trim();
  return ours.startsWith(text) || Math.abs(Number(text) - Number(ours)) < SAME_START;
}

import { closeSync, existsSync, fsyncSync, openSync, readFileSync, unlinkSync, writeSync } from "node:fs";
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
 * restart of the machine is begun anew.
 */
export class UnsyncedMarker {
  readonly #file: string;

  /** @param folder of the database */
  constructor(folder: string) {
    this.#file = join(folder, "unsynced");
  }

  /** `"lost"`: the machine was restarted since, and what the database holds cannot be trusted. */
  state(): "synced" | "unsynced" | "lost" {
    let boot: string;
    try {
      boot = readFileSync(this.#file, "utf8");
    } catch (error) {
      if (codeOf(error) === "ENOENT") return "synced";
      throw error;
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

/** With the folder that names it: a file that a power cut takes away would not have told anything. */
function writeDurably(path: string, text: string): void {
  const fd = openSync(path, "w", PRIVATE.file);
  try {
    writeSync(fd, text);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
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

function isThisBoot(other: string): boolean {
  return other === thisBoot() || Math.abs(Number(other) - Number(thisBoot())) < SAME_START;
}

import { lstatSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { sha256 } from "#sha256";
import { randomName } from "./publish.js";

/**
 * Names of temporary files and folders: `<where>-<pid>-<random>`. They tell whose they are, so that what a killed process
 * left behind can go, but never while its owner lives.
 */
let where: string | undefined;

/** The machine since it was started, and the space of process ids: a pid means nothing outside. */
export function whereabouts(): string {
  // Only Linux has the last two; without them the name of the machine has to do.
  where ??= sha256(
    [
      hostname(),
      ...[() => readFileSync("/proc/sys/kernel/random/boot_id"), () => readlinkSync("/proc/self/ns/pid")].map(textOf),
    ].join(" "),
  ).slice(0, 12);
  return where;
}

function textOf(read: () => Buffer | string): string {
  try {
    return String(read());
  } catch {
    return "";
  }
}

export function temporaryName(): string {
  return `${whereabouts()}-${process.pid}-${randomName()}`;
}

const NAME = /^[0-9a-f]{12}-\d+-[0-9a-f]{32}$/;

/** An owner elsewhere cannot be asked whether it lives; what is untouched for so long has none. In ms. */
const ABANDONED = 24 * 60 * 60 * 1000;

/**
 * Removes the temporary files and folders in a folder that have no owner any more. Never throws.
 * @param prefix in front of their names, where the folder holds other things too: those are left alone
 */
export function sweep(temporaries: string, prefix?: string): void {
  for (const name of list(temporaries)) {
    if (prefix !== undefined && !(name.startsWith(prefix) && NAME.test(name.slice(prefix.length)))) continue;
    const path = join(temporaries, name);
    try {
      if (isOrphan(name.slice(prefix?.length ?? 0), path)) rmSync(path, { recursive: true, force: true });
    } catch {
      // Somebody else was quicker, or it is not ours to remove.
    }
  }
}

/** Whether the owner of a temporary file or folder is gone. */
export function isOrphan(name: string, path: string): boolean {
  const [place, pid] = name.split("-");
  if (place === whereabouts()) return !isAlive(Number(pid));
  return Date.now() - lstatSync(path).mtimeMs > ABANDONED;
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ESRCH"; // EPERM: alive, of another user
  }
}

function list(folder: string): string[] {
  try {
    return lstatSync(folder).isDirectory() ? readdirSync(folder) : []; // what a link leads to is not ours
  } catch {
    return [];
  }
}

import { lstatSync, readdirSync, readlinkSync, rmSync, unlinkSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { sha256 } from "#sha256";
import { randomName } from "./publish.js";

/**
 * Names of temporary files: `<where>-<pid>-<random>`. They tell who writes, so that what a killed process left behind
 * can go, but never while its writer lives.
 */
let where: string | undefined;

/** The machine and the space of process ids: a pid means nothing outside. */
function whereabouts(): string {
  if (where === undefined) {
    let space = "";
    try {
      space = readlinkSync("/proc/self/ns/pid");
    } catch {
      // Only Linux has it.
    }
    where = sha256(`${hostname()} ${space}`).slice(0, 12);
  }
  return where;
}

export function temporaryName(): string {
  return `${whereabouts()}-${process.pid}-${randomName()}`;
}

/** A writer elsewhere cannot be asked whether it lives; a file untouched for so long has none. In ms. */
const ABANDONED = 24 * 60 * 60 * 1000;

/** Removes temporary files without a writer, and folders that were set aside to be deleted. Never throws. */
export function sweep(temporaries: string, aside: string): void {
  for (const name of list(temporaries)) {
    const path = join(temporaries, name);
    if (isOrphan(name, path)) quietly(() => unlinkSync(path));
  }
  for (const name of list(aside)) quietly(() => rmSync(join(aside, name), { recursive: true, force: true }));
}

function isOrphan(name: string, path: string): boolean {
  const [place, pid] = name.split("-");
  if (place === whereabouts()) return !isAlive(Number(pid));
  try {
    return Date.now() - lstatSync(path).mtimeMs > ABANDONED;
  } catch {
    return false;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ESRCH"; // EPERM: alive, of another user
  }
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function quietly(action: () => void): void {
  try {
    action();
  } catch {
    // Somebody else was quicker, or it is not ours to remove.
  }
}

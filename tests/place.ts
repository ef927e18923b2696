import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ExecutionContext } from "ava";
import { type CacheOptions, createCache } from "../src/index.js";

/** A directory of the test's own, gone after it. */
export function newDirectory(t: ExecutionContext<any>): string {
  const dir = mkdtempSync(join(tmpdir(), "permacache-test-"));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** A cache in a directory of the test's own. */
export function newCache(t: ExecutionContext<any>, options: CacheOptions = {}) {
  const dir = join(newDirectory(t), "cache");
  const { permacache } = createCache({ dir, ...options });
  return { dir, permacache, files: () => filesIn(dir) };
}

/** All files below a directory, but for what the cache keeps for itself: entries, and whatever else was left there. */
export function filesIn(dir: string): string[] {
  try {
    return readdirSync(dir, { recursive: true, withFileTypes: true })
      .filter((each) => each.isFile() && !["CACHEDIR.TAG", "=_ledger", "=_locks", "=_removed"].includes(each.name))
      .map((each) => join(each.parentPath, each.name));
  } catch {
    return [];
  }
}

/** The warnings of this package while the action runs. Only in serial tests: warnings are of the whole process. */
export async function warningsOf(action: () => unknown): Promise<string[]> {
  const seen: string[] = [];
  const listener = (warning: Error) => {
    if (warning.name === "PermacacheWarning") seen.push(warning.message);
  };
  process.on("warning", listener);
  try {
    await action();
    await new Promise((resolve) => setImmediate(resolve)); // they are emitted in the next tick
  } finally {
    process.off("warning", listener);
  }
  return seen;
}

/** What was thrown, or rejected. */
export async function failureOf(action: () => unknown): Promise<any> {
  try {
    await action();
  } catch (error) {
    return error;
  }
  throw new Error("Nothing was thrown.");
}

/** Runs with the clock set forward. Serial tests only: there is one clock. */
export function later<T>(milliseconds: number, action: () => T): T {
  const { now } = Date;
  Date.now = () => now() + milliseconds;
  try {
    return action();
  } finally {
    Date.now = now;
  }
}

/** Milliseconds. */
export const DAY = 24 * 60 * 60 * 1000;

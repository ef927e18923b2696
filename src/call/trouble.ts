import { isInstance, messageOf, PermacacheError, StoreError } from "../errors.js";
import { callBack, emit, isHeard, warn } from "../events.js";
import { codeOf } from "../files/io.js";
import type { Folder } from "../stores/folder.js";
import type { Plan } from "./plan.js";

/** Trouble with storage never costs the caller the result, unless the option `onError` says so. */
function report(plan: Plan, what: string, error: unknown, given: Set<string>, kind: string, mayThrow = true): void {
  plan.stats.errors++;
  const reason = messageOf(error);
  const trouble = new StoreError(`${plan.subject}: ${what} (${reason.replace(/\.$/, "")}).`, { cause: error });
  if (isHeard("error")) emit({ type: "error", path: plan.path, version: plan.version, error: trouble });
  const { onError } = plan.settings();
  if (onError === "throw" && mayThrow) throw trouble;
  if (typeof onError === "string") warnOnce(given, kind, trouble.message, trouble.code);
  else callBack(`${plan.subject}: onError`, () => onError(trouble));
}

/** A result that cannot be stored: one warning per function. */
export function reportValue(plan: Plan, error: unknown): void {
  const what =
    "a result cannot be stored, and is returned uncached. Return plain data, register the class with defineType, or give a codec";
  report(plan, what, error, plan.warned, "value");
}

/** A result that is larger than the cache takes: one warning per function. */
export function reportLarge(plan: Plan, limit: string, reason: string): void {
  const what = `a result is too large to be stored, and is returned uncached. Raise ${limit}, or return less`;
  report(plan, what, new Error(reason), plan.warned, "large");
}

/** An entry that is whole, and yet nothing for this program: one warning per function. */
export function reportEntry(plan: Plan, error: unknown): void {
  const what =
    "an entry cannot be decoded, and counts as a miss. Register its types with defineType, or give the codec that wrote it";
  report(plan, what, error, plan.warned, "entry", false); // a miss, which is replaced
}

/** A store that cannot be read or written: one warning, however many functions have their entries there. */
export function reportStorage(plan: Plan, folder: Folder, deed: "read" | "written", error: unknown): void {
  const remedy = folder.remedy ?? "Give the directory access and room, or choose another `dir`";
  const what = `entries cannot be ${deed} in ${folder.location}; the function works, uncached. ${remedy}`;
  report(plan, what, error, directories, folder.directory);
}

/** A file that cannot be copied to where it is wanted: one warning per function. Perhaps the function can write there. */
export function reportOutFile(plan: Plan, error: unknown): void {
  const what =
    "an out file cannot be restored, and the function runs instead. Make its folder writable, or choose another path";
  report(plan, what, error, plan.warned, "out file");
}

/** What the system says to who manages entries becomes a StoreError; any other error stays what it is. */
export function storeTrouble(subject: string, location: string, error: unknown): unknown {
  if (isInstance(error, PermacacheError) || codeOf(error) === "" || !("syscall" in (error as object))) return error;
  return new StoreError(`${subject}: ${location}: ${(error as Error).message}.`, { cause: error });
}

const directories = new Set<string>();

export function warnOnce(given: Set<string>, kind: string, message: string, code = "ERR_PERMACACHE_STORE"): void {
  if (given.has(kind)) return;
  given.add(kind);
  warn(message, code);
}

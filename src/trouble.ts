import { StoreError } from "./errors.js";
import type { Plan } from "./plan.js";
import { warn } from "./warnings.js";

/** Trouble with storage never costs the caller the result, unless the option `onError` says so. */
export function report(plan: Plan, kind: string, what: string, error: unknown): void {
  plan.stats.errors++;
  const reason = error instanceof Error ? error.message : String(error);
  const trouble = new StoreError(`${plan.subject}: ${what} (${reason.replace(/\.$/, "")}).`, { cause: error });
  const { onError } = plan.settings();
  if (onError === "throw") throw trouble;
  if (onError === "warn") warnOnce(plan, kind, trouble.message, trouble.code);
  else onError(trouble);
}

export function warnOnce(plan: Plan, kind: string, message: string, code = "ERR_PERMACACHE_STORE"): void {
  if (plan.warned.has(kind)) return;
  plan.warned.add(kind);
  warn(message, code);
}

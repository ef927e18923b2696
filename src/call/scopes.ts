import { OptionError } from "../errors.js";
import { type Context, context } from "./context.js";
import { isMode, MODES, type Mode, type Scope } from "./modes.js";
import { type Subject, subjectOf } from "./subjects.js";

/**
 * Runs the callback with a mode for the cached calls made in it, also behind awaits. Of nested scopes the innermost
 * that names a function (or names none) holds for it. A mode given per call, `f.with({ mode })`, goes before.
 * @param only cached functions; without any, all of them
 * @throws OptionError for an unknown mode, or a function that is not cached
 */
export function withMode<R>(mode: Mode, callback: () => R, ...only: readonly Function[]): R {
  if (!isMode(mode))
    throw new OptionError(`withMode: ${JSON.stringify(mode)} is no mode. Use one of ${MODES.join(", ")}.`);
  if (typeof callback !== "function")
    throw new OptionError("withMode: the second argument must be a function, which is run with the mode.");
  const named = only.map((fn) => {
    const subject = subjectOf(fn);
    if (!subject)
      throw new OptionError(
        `withMode: ${fn?.name || String(fn)} is not a cached function. Name what permacache() returned.`,
      );
    return subject;
  });
  const outer = context.getStore();
  const scope: Scope = {
    mode,
    only: named.length > 0 ? new Set(named) : undefined,
    outer: outer?.scope,
    refreshed: new Set(),
  };
  return context.run({ scope, flight: outer?.flight }, callback);
}

/** The scope that holds for a function in a context. */
export function scopeIn(around: Context | undefined, subject: Subject): Scope | undefined {
  let scope = around?.scope;
  while (scope?.only && !scope.only.has(subject)) scope = scope.outer;
  return scope;
}

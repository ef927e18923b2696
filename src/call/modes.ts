import { OptionError } from "../errors.js";
import type { Mode } from "../types.js";
import { context } from "./context.js";
import { type Subject, subjectOf } from "./subjects.js";

export const MODES = ["read-write", "read-only", "refresh", "bypass", "only-if-cached"] as const satisfies Mode[];

export function isMode(value: unknown): value is Mode {
  return MODES.includes(value as Mode);
}

/** The run of one `withMode` callback, through all its awaits. */
export interface Scope {
  readonly mode: Mode;
  /** The functions it names; `undefined`: all. */
  readonly only: ReadonlySet<Subject> | undefined;
  readonly outer: Scope | undefined;
  /** What a refresh scope has computed, or is computing: each key once. */
  readonly refreshed: Set<string>;
}

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

/** The scope that holds for a function now. */
export function scopeOf(subject: Subject): Scope | undefined {
  let scope = context.getStore()?.scope;
  while (scope?.only && !scope.only.has(subject)) scope = scope.outer;
  return scope;
}

/** `PERMACACHE_MODE`. @throws OptionError where it is set to something else */
export function modeFromEnvironment(): Mode | undefined {
  const value = process.env.PERMACACHE_MODE;
  if (value === undefined || value === "") return undefined;
  if (!isMode(value)) {
    throw new OptionError(
      `PERMACACHE_MODE is ${JSON.stringify(value)}, which is no mode. Set it to one of ${MODES.join(", ")}, or unset it.`,
    );
  }
  return value;
}

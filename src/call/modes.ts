import { OptionError } from "../errors.js";
import { context } from "./context.js";
import { type Subject, subjectOf } from "./subjects.js";

/**
 * What a call may do with the cache:
 *
 * | mode               | reads | writes | on a miss              |
 * | ------------------ | ----- | ------ | ---------------------- |
 * | `"read-write"`     | yes   | yes    | computes               |
 * | `"read-only"`      | yes   | no     | computes               |
 * | `"refresh"`        | no    | yes    | computes               |
 * | `"bypass"`         | no    | no     | computes               |
 * | `"only-if-cached"` | yes   | no     | throws `CacheMissError` |
 */
export type Mode = "read-write" | "read-only" | "refresh" | "bypass" | "only-if-cached";

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

/** The mode in an environment variable. @throws OptionError where that is set to something else */
export function modeInVariable(name: string): Mode | undefined {
  const value = process.env[name];
  if (value === undefined || value === "") return undefined;
  if (!isMode(value)) {
    throw new OptionError(
      `${name} is ${JSON.stringify(value)}, which is no mode. Set it to one of ${MODES.join(", ")}, or unset it.`,
    );
  }
  return value;
}

import { OptionError } from "../errors.js";
import type { Subject } from "./subjects.js";

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

/** The run of one `withMode` callback, through all its awaits. */
export interface Scope {
  readonly mode: Mode;
  /** The functions it names; `undefined`: all. */
  readonly only: ReadonlySet<Subject> | undefined;
  readonly outer: Scope | undefined;
  /** What a refresh scope has computed, or is computing: each key once. */
  readonly refreshed: Set<string>;
}

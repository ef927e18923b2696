import type { Mode, Scope } from "./modes.js";
import type { Flight } from "./single-flight.js";

/** How a call is made. */
export interface Terms {
  readonly mode: Mode;
  /** The scope that the mode comes from, where it does. */
  readonly scope: Scope | undefined;
  /** The computation that the call is made in. */
  readonly within: Flight<any> | undefined;
}

/** Whether the call may change the store. */
export function writesIn({ mode }: Terms): boolean {
  return mode === "read-write" || mode === "refresh";
}

import { AsyncLocalStorage } from "node:async_hooks";
import type { Scope } from "./modes.js";
import type { Flight } from "./single-flight.js";

/** What goes with a call along all awaits: the mode scopes around it, and the computation that it is made in. */
export interface Context {
  readonly scope: Scope | undefined;
  readonly flight: Flight<any> | undefined;
}

/** Costs nothing until the first `run`. */
export const context = new AsyncLocalStorage<Context>();

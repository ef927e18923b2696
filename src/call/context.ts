import { AsyncLocalStorage } from "node:async_hooks";
import { Invocation } from "../flow.js";
import type { Scope } from "./modes.js";
import type { Flight } from "./single-flight.js";

/** What goes with a call along all awaits: the mode scopes around it, and the computation that it is made in. */
export interface Context {
  readonly scope: Scope | undefined;
  readonly flight: Flight<any> | undefined;
}

/** Costs nothing until it is first used. */
export const context = new AsyncLocalStorage<Context>();

/** A call of the user's function in a context. To enter and leave it puts no frame on the stack, as `context.run` would. */
export class InvocationIn extends Invocation {
  readonly #context: Context;
  #before: Context | undefined;

  constructor(fn: Function, self: unknown, args: readonly unknown[], within: Context) {
    super(fn, self, args);
    this.#context = within;
  }

  override enter(): void {
    this.#before = context.getStore();
    context.enterWith(this.#context);
  }

  override leave(): void {
    context.enterWith(this.#before as Context);
  }
}

/**
 * A call inside of another one may stand deep in a recursion. Before it takes anything that would have to be given back,
 * this makes sure that the stack has room for all that this library does: a stack that fills up later, in the function,
 * is then an error of the function like any other.
 * @throws RangeError "Maximum call stack size exceeded"
 */
export function assertStackRoom(): void {
  nothing.apply(undefined, ROOM);
}

/** As arguments these fill 64 KB of the stack, whatever the compiler makes of frames. It takes 3 us. */
const ROOM = new Array<undefined>(8192).fill(undefined) as [];
function nothing(): void {}

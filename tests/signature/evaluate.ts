import { runInThisContext } from "node:vm";
import { type BinderOptions, type Bound, createBinder } from "../../src/signature/bind.js";
import { readSignature } from "../../src/signature/parse.js";

/** The value of an expression. As text, because tsx would change the source of a function written in a test. */
export function evaluate(expression: string): any {
  return runInThisContext(`(${expression}\n)`);
}

/** How the function written as `source` takes a call. */
export function bind(source: string, args: readonly unknown[], options: Options = {}): Bound {
  return createBinder(readSignature(evaluate(source), options.signature), options).bind(args);
}

export interface Options extends BinderOptions {
  readonly signature?: string;
}

/** What is thrown by `act`. */
export function thrownBy(act: () => unknown): Error & { code?: string } {
  try {
    act();
  } catch (error) {
    return error as Error;
  }
  throw new Error("nothing was thrown");
}

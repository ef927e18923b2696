import { BindingError } from "../errors.js";
import type { Plain, Kw as TypedKw } from "./function-types.js";

// From the global registry, so that two copies of this package in one program know each other's keyword arguments.
const brand: unique symbol = Symbol.for("permacache.kw") as never;

/** Arguments by name, as made by `kw({...})`. */
export class Kw {
  readonly [brand]: Readonly<Record<string, unknown>>;

  constructor(named: Readonly<Record<string, unknown>>) {
    this[brand] = named;
  }
}

/**
 * Arguments by name, for the end of a call: `f(2, kw({ z: 3 }))`. Takes the own enumerable string-keyed properties.
 * @typeParam Args comes from the place of the call, or is given: `kw<{ x: number }>({ x: 1 })`
 * @throws BindingError where `args` is not an object
 */
export function kw<Args extends object = Plain>(args: NoInfer<Args>): TypedKw<Args>;
export function kw(...given: [args: object]): TypedKw<any> {
  if (given.length > 1) throw new BindingError("kw() takes one object of arguments by name, as in kw({ x: 2, y: 3 }).");
  const [args] = given;
  if (typeof args !== "object" || args === null || Array.isArray(args) || isKw(args)) {
    const what = args === null ? "null" : Array.isArray(args) ? "an array" : isKw(args) ? "kw(...)" : typeof args;
    throw new BindingError(`kw() got ${what}. Give it an object of arguments by name, as in kw({ x: 2 }).`);
  }
  return new Kw(copyNamed(args)) as unknown as TypedKw<any>;
}

/** Whether `value` came from `kw()`, of this or another copy of the package. */
export function isKw(value: unknown): value is Kw {
  if (typeof value !== "object" || value === null) return false;
  try {
    return Object.hasOwn(value, brand); // a Proxy may answer to any name
  } catch {
    return false; // a Proxy that throws, or is revoked
  }
}

/** The arguments in a `Kw`, by name (a null-prototype object). */
export function namedOf(keywords: Kw | TypedKw): Readonly<Record<string, unknown>> {
  return (keywords as Kw)[brand];
}

/** A null-prototype copy: a name such as `constructor` is there only if it was given. @throws BindingError */
export function copyNamed(args: object): Record<string, unknown> {
  const named: Record<string, unknown> = Object.create(null);
  try {
    for (const name of Object.keys(args)) named[name] = (args as Record<string, unknown>)[name];
  } catch (cause) {
    throw new BindingError("An argument by name could not be read: its getter failed. See the cause.", { cause });
  }
  return named;
}

import { BindingError, isInstance, OptionError } from "../errors.js";
import { bindingError, messageOf } from "./binding-error.js";
import { copyNamed, isKw, namedOf } from "./kw.js";
import type { Parameter, Signature } from "./parse.js";
import { type BinderOptions, Call, compileSteps, type PatternStep, propertyText, type Step } from "./steps.js";
import { fill, fromNames, takeApart } from "./take-apart.js";

/** Binds calls: from arguments, as they were passed, to the values of the parameters and what the function receives. */

export { type BinderOptions, byName } from "./steps.js";

/** A call, taken apart. */
export interface Bound {
  /** By index into the names of the signature; `undefined`: omitted and without default. An empty rest is `undefined`. */
  readonly values: readonly unknown[];
  /** What the function receives: nothing that `values` does not determine. */
  readonly args: unknown[];
}

/** Binds the calls of one function. */
export interface Binder {
  readonly names: readonly string[];
  /** @throws BindingError where the call does not fit the signature */
  bind(args: readonly unknown[]): Bound;
}

/**
 * Prepares all that binding a call needs: it is on the way of every hit.
 * @throws SignatureError for a default that cannot be read
 * @throws OptionError for an option that does not fit the signature
 */
export function createBinder(signature: Signature, options: BinderOptions = {}): Binder {
  checkOptions(signature, options);
  return signature.readsArguments ? new ArgumentsBinder(signature) : new ParameterBinder(signature, options);
}

function checkOptions(signature: Signature, { keywords, defaults = {}, ignored }: BinderOptions): void {
  const shown = `${signature.name}${signature.text}`;
  if (signature.readsArguments) {
    const hasIgnored = [...(ignored ?? [])].some((name) => name !== "this");
    if (keywords || hasIgnored || Object.keys(defaults).length > 0) {
      throw new OptionError(
        `${shown} reads arguments and is keyed by them as passed, so it takes no keywords, defaults or keyFunction by ` +
          'parameter. Give the option signature: "(x, y = 2)".',
      );
    }
    return;
  }
  for (const [name, evaluate] of Object.entries(defaults)) {
    if (typeof evaluate !== "function") {
      throw new OptionError(
        `defaults: ${JSON.stringify(name)} is no function. Write ${propertyText(name)}: () => value.`,
      );
    }
    const problem = !signature.names.includes(name)
      ? "is no parameter of"
      : isRest(signature.parameters, name)
        ? "is a rest, which takes no default, in"
        : undefined;
    if (problem === undefined) continue;
    const parameters =
      signature.names.length === 0 ? "It has none" : `Its parameters are ${signature.names.join(", ")}`;
    throw new OptionError(`defaults: ${JSON.stringify(name)} ${problem} ${shown}. ${parameters}.`);
  }
}

function isRest(parameters: readonly Parameter[], name: string): boolean {
  return parameters.some(({ key, rest, target }) =>
    typeof target === "string" ? rest && key === name : target.rest === name,
  );
}

/** A function that reads `arguments` is keyed by the call as made, and receives it as made. */
class ArgumentsBinder implements Binder {
  readonly names: readonly string[];
  readonly #signature: Signature;

  constructor(signature: Signature) {
    this.#signature = signature;
    this.names = signature.names;
  }

  bind(args: readonly unknown[]): Bound {
    if (args.some(isKw)) {
      throw bindingError(
        this.#signature,
        args,
        "takes no kw, because the function reads arguments,",
        'pass the arguments by position, or give the option signature: "(x, y = 2)".',
      );
    }
    return { values: [[...args]], args: [...args] };
  }
}

/** Binds calls by parameter name. */
class ParameterBinder implements Binder {
  readonly names: readonly string[];
  readonly #signature: Signature;
  readonly #keywords: boolean;
  readonly #steps: readonly Step[];
  /** Name -> index of its parameter; undefined for a rest. */
  readonly #positions: ReadonlyMap<string, number | undefined>;
  /** Variables differ from values only where there are patterns. */
  readonly #hasPatterns: boolean;

  constructor(signature: Signature, options: BinderOptions) {
    this.names = signature.names;
    this.#signature = signature;
    this.#keywords = options.keywords ?? false;
    this.#steps = compileSteps(signature, options);
    this.#positions = positionsOf(signature.parameters);
    this.#hasPatterns = this.#steps.some((step) => step.pattern !== undefined);
  }

  bind(args: readonly unknown[]): Bound {
    const named = this.#namedIn(args);
    const count = named === undefined ? args.length : args.length - 1;
    if (named !== undefined) this.#checkNames(named, args, count);

    const values = new Array<unknown>(this.names.length);
    const call = new Call(this.#signature, args, values, this.#hasPatterns ? [] : values);
    const passed: unknown[] = [];
    let end = 0; // after the last one that is not omitted
    const steps = this.#steps;
    for (let i = 0; i < steps.length; i++) {
      const step = steps[i]!;
      if (step.rest) {
        values[step.index] = count > i ? args.slice(i, count) : undefined;
        for (let at = i; at < count; at++) end = passed.push(args[at]);
        break;
      }
      let given = i < count ? args[i] : undefined;
      if (step.pattern !== undefined) {
        given = this.#takeParameter(step, step.pattern, given, named, call);
      } else {
        if (given === undefined && named !== undefined) given = named[step.key];
        let value = given;
        if (value === undefined && step.fallback !== undefined) {
          value = fill(step, call);
          if (step.passesFallback) given = value;
        }
        values[step.index] = value;
      }
      if (this.#hasPatterns && step.slot >= 0) call.locals[step.slot] = values[step.index];
      passed.push(given);
      if (given !== undefined) end = i + 1;
    }
    if (passed.length > end) passed.length = end;
    return { values, args: passed };
  }

  /** The arguments by name, where this is a call with some. */
  #namedIn(args: readonly unknown[]): Readonly<Record<string, unknown>> | undefined {
    const last = args.length - 1;
    for (let i = 0; i <= last; i++) {
      const arg = args[i];
      if (!isKw(arg)) continue;
      if (i < last) throw this.#error(args, "kw(...) is not the last argument", "move it to the end of the call.");
      return namedOf(arg);
    }
    return this.#keywords && last === 0 && isPlainObject(args[0]) ? copyNamed(args[0]) : undefined;
  }

  #checkNames(named: Readonly<Record<string, unknown>>, args: readonly unknown[], count: number): void {
    for (const name in named) {
      const quoted = JSON.stringify(name);
      const position = this.#positions.get(name);
      if (position === undefined) {
        if (this.#positions.has(name)) {
          throw this.#error(args, `the rest ${quoted} is given by name`, "give its values by position.");
        }
        const parameters =
          this.names.length === 0 ? "it has no parameters" : `its parameters are ${this.names.join(", ")}`;
        throw this.#error(args, `unknown name ${quoted}`, parameters);
      }
      // An explicit undefined, by position or by name, counts as omitted.
      if (position < count && args[position] !== undefined && named[name] !== undefined) {
        throw this.#error(args, `${quoted} is given both by position and by name`, "give it once.");
      }
    }
  }

  /** A parameter that is a pattern. */
  #takeParameter(
    step: Step,
    pattern: PatternStep,
    arg: unknown,
    named: Readonly<Record<string, unknown>> | undefined,
    call: Call,
  ): unknown {
    let source = arg;
    let passes = true;
    if (source === undefined && named !== undefined) source = fromNames(pattern, named);
    if (source === undefined && step.fallback !== undefined) {
      source = fill(step, call);
      passes = step.passesFallback || pattern.passesFallback;
    } else if (source === undefined && named !== undefined) {
      source = pattern.kind === "object" ? Object.create(null) : [];
    }
    try {
      const { given } = takeApart(pattern, source, call);
      return passes ? given : undefined;
    } catch (cause) {
      if (isInstance(cause, BindingError)) throw cause;
      throw call.error(`reading an argument failed (${messageOf(cause)})`, "see the cause.", cause);
    }
  }

  #error(args: readonly unknown[], what: string, mend: string): BindingError {
    return bindingError(this.#signature, args, what, mend);
  }
}

function positionsOf(parameters: readonly Parameter[]): Map<string, number | undefined> {
  const positions = new Map<string, number | undefined>();
  for (const [position, { key, target, rest }] of parameters.entries()) {
    if (typeof target === "string") {
      positions.set(key, rest ? undefined : position);
      continue;
    }
    for (const element of target.elements) if (element !== undefined) positions.set(element.key, position);
    if (target.rest !== undefined) positions.set(target.rest, undefined);
  }
  return positions;
}

function isPlainObject(value: unknown): value is object {
  if (typeof value !== "object" || value === null) return false;
  const prototype = Object.getPrototypeOf(value);
  // The Object.prototype of another realm is told by what it holds.
  return prototype === null || (Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, "isPrototypeOf"));
}

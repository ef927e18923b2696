import type { Expression } from "acorn";
import { type BindingError, SignatureError } from "../errors.js";
import { bindingError } from "./binding-error.js";
import { compileDefault, Unreadable } from "./defaults.js";
import type { Element, Pattern, Signature } from "./parse.js";

/** Options of the wrapped function that bear on binding. */
export interface BinderOptions {
  /** A call whose only argument is a plain object is a keyword call. Default: false. */
  readonly keywords?: boolean | undefined;
  /** Called with the earlier parameters by name (a null-prototype object); the function receives that very value. */
  readonly defaults?: Readonly<Record<string, (earlier: any) => unknown>> | undefined;
  /** Names whose value never matters to the key: a default that cannot be read is fine there. */
  readonly ignored?: ReadonlySet<string> | undefined;
  /** Parameters that functions in `defaults` are not given: what is filled in must not depend on them. */
  readonly parallel?: ReadonlySet<string> | undefined;
}

/** A place that takes a value, made ready for calls. */
export interface Step {
  readonly key: string;
  /** Into the names of the signature; -1 inside of a nested pattern, and for a pattern that is a whole parameter. */
  readonly index: number;
  /** Of the variable, for defaults that read it; -1 for a pattern. */
  readonly slot: number;
  readonly pattern: PatternStep | undefined;
  readonly rest: boolean;
  readonly fallback: ((call: Call) => unknown) | undefined;
  /** Whether the function receives what the fallback gave. Otherwise it evaluates its own default. */
  readonly passesFallback: boolean;
  /** It has a default that cannot be read, under an ignored name: where it applies, the value is not known. */
  readonly unreadable: boolean;
}

/** A pattern, made ready for calls. */
export interface PatternStep {
  readonly kind: "object" | "array";
  readonly steps: readonly (Step | undefined)[];
  readonly keys: ReadonlySet<PropertyKey>;
  readonly rest: { readonly index: number; readonly slot: number } | undefined;
  /** Whether one of its fallbacks is passed. */
  readonly passesFallback: boolean;
}

/** One call, while it is bound. */
export class Call {
  readonly signature: Signature;
  readonly args: readonly unknown[];
  readonly values: unknown[];
  readonly locals: unknown[];

  constructor(signature: Signature, args: readonly unknown[], values: unknown[], locals: unknown[]) {
    this.signature = signature;
    this.args = args;
    this.values = values;
    this.locals = locals;
  }

  error(what: string, mend: string, ...cause: [] | [unknown]): BindingError {
    return bindingError(this.signature, this.args, what, mend, ...cause);
  }
}

/** Values by name (a null-prototype object); omitted ones are absent. */
export function byName(names: readonly string[], values: readonly unknown[]): Record<string, any> {
  const named: Record<string, unknown> = Object.create(null);
  for (let i = 0; i < names.length; i++) {
    if (values[i] !== undefined) named[names[i]!] = values[i];
  }
  return named;
}

/**
 * Makes the parameters of a signature ready for calls.
 * @throws SignatureError for a default that cannot be read
 */
export function compileSteps(signature: Signature, options: BinderOptions): readonly Step[] {
  return new Compiler(signature, options).steps();
}

/** Turns parameters into steps, from left to right, as a call evaluates them. */
class Compiler {
  readonly #signature: Signature;
  readonly #options: BinderOptions;
  readonly #scope = new Map<string, number | undefined>();
  /** What a function in `defaults` can be given, for the messages. */
  readonly #earlier: { readonly key: string; readonly local: string }[] = [];
  #index = 0;
  #slot = 0;

  constructor(signature: Signature, options: BinderOptions) {
    this.#signature = signature;
    this.#options = options;
  }

  steps(): Step[] {
    const { parameters } = this.#signature;
    for (const local of parameters.flatMap(localsOf)) this.#scope.set(local, undefined);
    return parameters.map((parameter) =>
      typeof parameter.target === "string"
        ? this.#named(parameter, parameter.rest)
        : this.#step(parameter, { index: -1, name: undefined, rest: false, known: true }),
    );
  }

  /** An element with a name of its own in the key. */
  #named(element: Element, rest = false): Step {
    const step = this.#step(element, { index: this.#index++, name: element.key, rest, known: true });
    if (typeof element.target === "string") this.#earlier.push({ key: element.key, local: element.target });
    return step;
  }

  /** `name`: the name in the key it belongs to; `known`: whether it is inside of a value that is always known. */
  #step(element: Element, place: { index: number; name: string | undefined; rest: boolean; known: boolean }): Step {
    const { key, target } = element;
    const { index, name, rest } = place;
    const option = index >= 0 ? this.#option(element, index) : undefined;
    const fallback = option ?? this.#fallback(element, index, name);
    const unreadable = fallback instanceof Unreadable;
    const known = place.known && !unreadable;
    let slot = -1;
    let pattern: PatternStep | undefined;
    if (typeof target === "string") {
      slot = this.#slot++;
      if (known) this.#scope.set(target, slot);
    } else {
      pattern = this.#pattern(target, name, known);
    }
    return {
      key,
      index,
      slot,
      pattern,
      rest,
      fallback: unreadable ? undefined : fallback,
      // A given signature tells what is meant, not what the function does with an omitted parameter.
      passesFallback: option !== undefined || this.#signature.given,
      unreadable,
    };
  }

  #pattern({ kind, elements, rest }: Pattern, name: string | undefined, known: boolean): PatternStep {
    const steps = elements.map((element) => {
      if (element === undefined) return undefined;
      return name === undefined ? this.#named(element) : this.#step(element, { index: -1, name, rest: false, known });
    });
    const restPlace =
      rest === undefined ? undefined : { index: name === undefined ? this.#index++ : -1, slot: this.#slot++ };
    if (rest !== undefined && known) this.#scope.set(rest, restPlace!.slot);
    return {
      kind,
      steps,
      keys: new Set(elements.flatMap((element) => (element === undefined ? [] : [element.key]))),
      rest: restPlace,
      passesFallback: steps.some((step) => step?.fallback !== undefined && step.passesFallback),
    };
  }

  #option({ key, fallback }: Element, index: number): ((call: Call) => unknown) | undefined {
    const { defaults = {}, parallel } = this.#options;
    if (!Object.hasOwn(defaults, key)) return undefined;
    const evaluate = defaults[key]!;
    const earlier = this.#signature.names.slice(0, index);
    return (call) => {
      const given = byName(earlier, call.values);
      for (const name of parallel ?? []) delete given[name];
      const value = evaluate(given);
      if (value === undefined && fallback !== undefined) {
        throw new TypeError("option defaults gave undefined, for which the function would take its own default");
      }
      return value;
    };
  }

  #fallback(
    { fallback }: Element,
    index: number,
    name: string | undefined,
  ): ((call: Call) => unknown) | Unreadable | undefined {
    if (fallback === undefined) return undefined;
    const evaluate = compileDefault(fallback.node, this.#scope);
    if (!(evaluate instanceof Unreadable)) return (call) => evaluate(call.locals);
    if (name !== undefined && this.#options.ignored?.has(name)) return evaluate;

    const shown = `${this.#signature.name}${this.#signature.text}`;
    const text = fallback.text.replace(/\s+/g, " ");
    const whose = name === undefined ? "a pattern" : JSON.stringify(name);
    const mends: string[] = [];
    if (index >= 0)
      mends.push(`give it as the option defaults: { ${propertyText(name!)}: ${this.#arrowText(fallback.node, text)} }`);
    if (name !== undefined) mends.push(`leave it out of the key with keyFunction: { ${propertyText(name)}: null }`);
    else mends.push('write the defaults inside of the pattern, or give the option signature: "({ x = 2 } = {})"');
    throw new SignatureError(
      `${shown}: the default of ${whose}, ${text}, cannot be read from the source: ${evaluate.reason}. ` +
        `To mend it, ${mends.join(", or ")}.`,
    );
  }

  /** The default as a function for the option `defaults`: `({ x }) => load(x)`. */
  #arrowText(node: Expression, text: string): string {
    const words = new Set(text.split(/[^\w$]+/));
    const used = this.#earlier.filter(({ local }) => words.has(local));
    const parameters = used.map(({ key, local }) => (key === local ? key : `${propertyText(key)}: ${local}`));
    const head = parameters.length === 0 ? "()" : `({ ${parameters.join(", ")} })`;
    const isBare = node.type !== "SequenceExpression" && !text.startsWith("{");
    return `${head} => ${isBare ? text : `(${text})`}`;
  }
}

function localsOf({ target }: Element): string[] {
  if (typeof target === "string") return [target];
  const locals = target.elements.flatMap((element) => (element === undefined ? [] : localsOf(element)));
  return target.rest === undefined ? locals : [...locals, target.rest];
}

/** A property name as written in an object. */
export function propertyText(name: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name);
}

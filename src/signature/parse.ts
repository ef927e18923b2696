import type { Expression, Pattern as PatternNode } from "acorn";
import { SignatureError } from "../errors.js";
import { propertyName, withoutCounters } from "./defaults.js";
import { readsOf } from "./scope.js";
import { type Parsed, parseGiven, parseSource, sourceOf } from "./source.js";

/** What a function takes, and what else it reads. */
export interface Signature {
  /** As written, for messages: "(x, y = 2)"; shortened if very long. */
  readonly text: string;
  /** The function's name, or "anonymous". */
  readonly name: string;
  readonly async: boolean;
  /** Whether `this` or `super` stands in the function's own scope. */
  readonly readsThis: boolean;
  /** Whether `arguments` does; false where the signature was given. */
  readonly readsArguments: boolean;
  /** Whether it was given as text: then it need not be how the function is written. */
  readonly given: boolean;
  readonly parameters: readonly Parameter[];
  /** Every name that can stand in the key, in declaration order; `["arguments"]` where `readsArguments`. */
  readonly names: readonly string[];
  /** The function's own source text; undefined for native and bound functions and Proxies. */
  readonly source: string | undefined;
}

/** A place that takes a value: a parameter, a property of an object pattern, an element of an array pattern. */
export interface Element {
  /** Its name in the key, or in the object or array it stands in; "" for a parameter that is a pattern. */
  readonly key: string;
  /** The variable it binds, or the pattern that takes it apart. */
  readonly target: string | Pattern;
  readonly fallback: Default | undefined;
}

/** A parameter in its place. */
export interface Parameter extends Element {
  readonly rest: boolean;
}

/** `{ a, b: c = 1, ...rest }` or `[a, , b, ...rest]`; a hole is undefined. */
export interface Pattern {
  readonly kind: "object" | "array";
  readonly elements: readonly (Element | undefined)[];
  readonly rest: string | undefined;
}

/** A default as it stands in the source, coverage counters left away. */
export interface Default {
  readonly node: Expression;
  readonly text: string;
}

/**
 * Reads the signature of a function from its source, or from the text `given` for it.
 * @param fallbackName for messages, where the function has no name
 * @throws SignatureError where it cannot be read, or cannot be bound by name
 */
export function readSignature(fn: Function, given?: string, fallbackName = "anonymous"): Signature {
  const name = typeof fn.name === "string" && fn.name !== "" ? fn.name : fallbackName;
  const source = sourceOf(fn);
  const parsed = source === undefined ? undefined : parseSource(source);
  const tag = String((fn as { [Symbol.toStringTag]?: unknown })[Symbol.toStringTag]);
  refuseOtherThanFunctions(name, parsed, tag);
  const own = parsed?.kind === "function" ? parsed : undefined;

  // To search the text first saves most functions the walk, a quarter of what it takes to wrap one.
  const mayRead = own !== undefined && /this|super|arguments|\\/.test(own.text); // a name may be written with escapes
  const reads = mayRead ? readsOf(own.node) : { this: false, arguments: false };
  const isArrow = own?.node.type === "ArrowFunctionExpression";
  if (isArrow && reads.this) {
    throw new SignatureError(
      `${name}: an arrow's this is captured where the arrow is written, so the cache cannot see it. ` +
        "Use a function or a method, or pass what it reads as a parameter.",
    );
  }

  const shown = given === undefined ? own : parseGiven(given);
  if (shown === undefined) throw given === undefined ? unreadable(name, source) : badText(name, given);
  const text = textOf(shown.node.params, shown.text);
  const reader = new ParameterReader(`${name}${text}`, shown.text);
  // An arrow's `arguments` belong to the function around it; a parameter of that name is a parameter.
  const readsArguments =
    given === undefined && !isArrow && reads.arguments && !bindsName(shown.node.params, "arguments");
  const parameters = readsArguments ? [] : shown.node.params.map((node) => reader.parameter(node));
  const names = readsArguments ? ["arguments"] : parameters.flatMap(namesOf);
  refuseDoubles(`${name}${text}`, names, reads.this);

  return {
    text,
    name,
    async: tag === "AsyncFunction" || own?.node.async === true,
    readsThis: reads.this,
    readsArguments,
    given: given !== undefined,
    parameters,
    names,
    source,
  };
}

/** The names a parameter has in the key. */
function namesOf({ key, target }: Parameter): string[] {
  if (typeof target === "string") return [key];
  const names = target.elements.flatMap((element) => (element === undefined ? [] : [element.key]));
  return target.rest === undefined ? names : [...names, target.rest];
}

function refuseOtherThanFunctions(name: string, parsed: Parsed | undefined, tag: string): void {
  if (parsed?.kind === "class") {
    throw new SignatureError(
      `${name} is a class, which cannot be called without new. Wrap a function that makes one: (x) => new ${name}(x).`,
    );
  }
  if (/^(Async)?GeneratorFunction$/.test(tag) || parsed?.node.generator) {
    throw new SignatureError(
      `${name} is a generator, whose values cannot be cached while they are made. ` +
        "Wrap a function that collects them into an array and returns it.",
    );
  }
}

function unreadable(name: string, source: string | undefined): SignatureError {
  const why = source === undefined ? "is native, bound or a Proxy" : "has a source that cannot be parsed";
  return new SignatureError(
    `${name} ${why} and does not show its parameters. Give them as the option signature: "(x, y = 2)".`,
  );
}

function badText(name: string, given: string): SignatureError {
  return new SignatureError(
    `${name}: the option signature ${JSON.stringify(given)} is no parameter list. ` +
      'Write it as in a function, parentheses included: signature: "(x, y = 2)".',
  );
}

function refuseDoubles(shown: string, names: readonly string[], readsThis: boolean): void {
  const seen = new Set(readsThis ? ["this"] : []);
  for (const name of names) {
    if (seen.has(name)) {
      throw new SignatureError(
        `${shown}: the name ${JSON.stringify(name)} would stand twice in the key. ` +
          "Rename one of the parameters or properties.",
      );
    }
    seen.add(name);
  }
}

function textOf(params: readonly PatternNode[], source: string): string {
  if (params.length === 0) return "()";
  const text = source.slice(params[0]!.start, params.at(-1)!.end).replace(/\s+/g, " ");
  return text.length > 120 ? `(${text.slice(0, 119)}…)` : `(${text})`;
}

function bindsName(patterns: readonly (PatternNode | null)[], name: string): boolean {
  return patterns.some((node): boolean => {
    switch (node?.type) {
      case "Identifier":
        return node.name === name;
      case "AssignmentPattern":
        return bindsName([node.left], name);
      case "RestElement":
        return bindsName([node.argument], name);
      case "ArrayPattern":
        return bindsName(node.elements, name);
      case "ObjectPattern":
        return bindsName(
          node.properties.map((property) => (property.type === "Property" ? property.value : property.argument)),
          name,
        );
      default:
        return false;
    }
  });
}

/** Turns the AST of parameters into `Parameter`s. */
class ParameterReader {
  readonly #shown: string;
  readonly #source: string;

  constructor(shown: string, source: string) {
    this.#shown = shown;
    this.#source = source;
  }

  parameter(node: PatternNode): Parameter {
    if (node.type === "RestElement") {
      const name = this.#restName(node.argument);
      return { key: name, target: name, fallback: undefined, rest: true };
    }
    const { target, fallback } = this.#split(node);
    return { key: typeof target === "string" ? target : "", target, fallback, rest: false };
  }

  #split(node: PatternNode): Pick<Element, "target" | "fallback"> {
    if (node.type !== "AssignmentPattern") return { target: this.#target(node), fallback: undefined };
    const value = withoutCounters(node.right);
    return {
      target: this.#target(node.left),
      fallback: { node: value, text: this.#source.slice(value.start, value.end) },
    };
  }

  #target(node: PatternNode): string | Pattern {
    switch (node.type) {
      case "Identifier":
        return node.name;
      case "ObjectPattern":
        return this.#objectPattern(node);
      case "ArrayPattern":
        return this.#arrayPattern(node);
      default:
        throw this.#refuse(`${node.type} is no parameter`);
    }
  }

  #objectPattern(node: PatternNode & { type: "ObjectPattern" }): Pattern {
    const elements: Element[] = [];
    let rest: string | undefined;
    for (const property of node.properties) {
      if (property.type === "RestElement") {
        rest = this.#restName(property.argument);
        continue;
      }
      const key = property.computed ? undefined : propertyName(property.key);
      if (key === undefined) throw this.#refuse("a computed property name cannot stand in the key");
      if (elements.some((element) => element.key === key)) {
        throw this.#refuse(`the name ${JSON.stringify(key)} would stand twice in the key`);
      }
      elements.push({ key, ...this.#split(property.value) });
    }
    return { kind: "object", elements, rest };
  }

  #arrayPattern(node: PatternNode & { type: "ArrayPattern" }): Pattern {
    const elements: (Element | undefined)[] = [];
    let rest: string | undefined;
    for (const [index, item] of node.elements.entries()) {
      if (item?.type === "RestElement") rest = this.#restName(item.argument);
      else if (item === null) elements.push(undefined);
      else {
        const { target, fallback } = this.#split(item);
        elements.push({ key: typeof target === "string" ? target : String(index), target, fallback });
      }
    }
    return { kind: "array", elements, rest };
  }

  #restName(node: PatternNode): string {
    if (node.type === "Identifier") return node.name;
    throw this.#refuse("a rest that is taken apart at once has no name for the key");
  }

  #refuse(what: string): SignatureError {
    return new SignatureError(
      `${this.#shown}: ${what}. Name the parameters plainly, or give the option signature: "(x, y = 2)".`,
    );
  }
}

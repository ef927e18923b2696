import { types } from "node:util";
import type {
  ArrayExpression,
  BinaryExpression,
  Expression,
  LogicalExpression,
  MemberExpression,
  ObjectExpression,
  Super,
  TemplateLiteral,
  UnaryExpression,
} from "acorn";
import { isCounter } from "./counters.js";

/** Where the variables of a signature stand; `undefined` for one that a default cannot refer to (itself, later, unreadable). */
export type Scope = ReadonlyMap<string, number | undefined>;

/** A default, to be evaluated on the variables bound so far. Arrays, objects and regular expressions are fresh each time. */
export type Evaluate = (locals: readonly unknown[]) => unknown;

/** Why a default cannot be read. Never leaves this folder. */
export class Unreadable {
  readonly reason: string;

  constructor(reason: string) {
    this.reason = reason;
  }
}

/** In an optional chain that met null or undefined, the rest of the chain is skipped. */
const skipped = Symbol("skipped");

/** The default without the coverage counters around it: `(cov_1().b[0][0]++, 2)` is `2`. */
export function withoutCounters(node: Expression): Expression {
  if (node.type !== "SequenceExpression") return node;
  return node.expressions.slice(0, -1).every(isCounter) ? withoutCounters(node.expressions.at(-1)!) : node;
}

/** The default as a function of the variables before it, built from its AST (nothing is ever `eval`ed). */
export function compileDefault(node: Expression, scope: Scope): Evaluate | Unreadable {
  try {
    return compile(node, scope);
  } catch (error) {
    if (error instanceof Unreadable) return error;
    throw error;
  }
}

function compile(node: Expression | Super, scope: Scope): Evaluate {
  switch (node.type) {
    case "Literal": {
      if (node.regex) {
        const { pattern, flags } = node.regex;
        return () => new RegExp(pattern, flags);
      }
      const { value } = node;
      return () => value;
    }
    case "Identifier":
      return compileName(node.name, scope);
    case "ArrayExpression":
      return compileArray(node, scope);
    case "ObjectExpression":
      return compileObject(node, scope);
    case "TemplateLiteral":
      return compileTemplate(node, scope);
    case "UnaryExpression":
      return compileUnary(node, scope);
    case "BinaryExpression":
      return compileBinary(node, scope);
    case "LogicalExpression":
      return compileLogical(node, scope);
    case "ConditionalExpression": {
      const test = compile(node.test, scope);
      const consequent = compile(node.consequent, scope);
      const alternate = compile(node.alternate, scope);
      return (locals) => (test(locals) ? consequent(locals) : alternate(locals));
    }
    case "MemberExpression":
      return compileMember(node, scope);
    case "ChainExpression": {
      const chain = compile(node.expression, scope);
      return (locals) => {
        const value = chain(locals);
        return value === skipped ? undefined : value;
      };
    }
    case "ParenthesizedExpression":
      return compile(node.expression, scope);
    case "SequenceExpression": {
      const last = withoutCounters(node);
      if (last === node) throw new Unreadable("it is a sequence");
      return compile(last, scope);
    }
    default:
      throw new Unreadable(reasons[node.type] ?? `it has a ${node.type}`);
  }
}

const reasons: Readonly<Record<string, string>> = {
  ArrowFunctionExpression: "it has a function",
  AssignmentExpression: "it has an assignment",
  AwaitExpression: "it awaits",
  CallExpression: "it has a call",
  ClassExpression: "it has a class",
  FunctionExpression: "it has a function",
  ImportExpression: "it has an import",
  MetaProperty: "it has import.meta or new.target",
  NewExpression: "it has a call",
  Super: "it reads super",
  TaggedTemplateExpression: "it has a call",
  ThisExpression: "it reads this",
  UpdateExpression: "it has an assignment",
};

const globals: ReadonlyMap<string, unknown> = new Map([
  ["undefined", undefined],
  ["NaN", Number.NaN],
  ["Infinity", Number.POSITIVE_INFINITY],
]);

function compileName(name: string, scope: Scope): Evaluate {
  if (scope.has(name)) {
    const slot = scope.get(name);
    if (slot === undefined) throw new Unreadable(`${name} is not an earlier parameter with a known value`);
    return (locals) => locals[slot];
  }
  if (!globals.has(name)) throw new Unreadable(`${name} is a variable outside of the function`);
  const value = globals.get(name);
  return () => value;
}

function compileArray(node: ArrayExpression, scope: Scope): Evaluate {
  const add = node.elements.map((element): ((array: unknown[], locals: readonly unknown[]) => void) => {
    if (element === null) return (array) => void array.length++;
    if (element.type === "SpreadElement") {
      const spread = compile(element.argument, scope);
      return (array, locals) => void array.push(...arrayLike(spread(locals)));
    }
    const item = compile(element, scope);
    return (array, locals) => void array.push(item(locals));
  });
  return (locals) => {
    const array: unknown[] = [];
    for (const append of add) append(array, locals);
    return array;
  };
}

/** Only what can be iterated twice: the function iterates it again when it evaluates its default. */
function arrayLike(value: unknown): Iterable<unknown> {
  if (Array.isArray(value) || types.isTypedArray(value) || typeof value === "string") return value;
  throw new TypeError("only an array, a typed array or a string can be spread in a default");
}

function compileObject(node: ObjectExpression, scope: Scope): Evaluate {
  const steps = node.properties.map((property): ((object: object, locals: readonly unknown[]) => void) => {
    if (property.type === "SpreadElement") {
      const spread = compile(property.argument, scope);
      return (object, locals) => {
        // Spread keeps an own "__proto__" a property, which Object.assign does not.
        Object.defineProperties(object, Object.getOwnPropertyDescriptors({ ...(spread(locals) as object) }));
      };
    }
    if (property.kind !== "init" || property.method) throw new Unreadable("it has a function");
    const key = property.computed ? compile(property.key, scope) : constant(propertyName(property.key));
    if (!property.computed && !property.shorthand && key([]) === "__proto__") {
      throw new Unreadable("it sets a prototype");
    }
    const item = compile(property.value, scope);
    return (object, locals) => setOwn(object, key(locals) as PropertyKey, item(locals));
  });
  return (locals) => {
    const object = {};
    for (const step of steps) step(object, locals);
    return object;
  };
}

function constant(value: unknown): Evaluate {
  return () => value;
}

/** A property name as written: identifier, string or number; undefined for another expression. */
export function propertyName(key: { type: string; name?: unknown; value?: unknown }): string | undefined {
  if (key.type === "Identifier") return key.name as string;
  return key.type === "Literal" ? String(key.value) : undefined;
}

/** Assignment would set the prototype for a key `__proto__`. */
export function setOwn(object: object, key: PropertyKey, value: unknown): void {
  Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true });
}

function compileTemplate(node: TemplateLiteral, scope: Scope): Evaluate {
  const texts = node.quasis.map((quasi) => quasi.value.cooked ?? "");
  const values = node.expressions.map((expression) => compile(expression, scope));
  return (locals) => {
    let text = texts[0]!;
    for (let i = 0; i < values.length; i++) text += `${values[i]!(locals)}${texts[i + 1]}`;
    return text;
  };
}

const unary: Readonly<Record<string, (value: any) => unknown>> = {
  "+": (value) => +value,
  "-": (value) => -value,
  "!": (value) => !value,
  "~": (value) => ~value,
  typeof: (value) => typeof value,
  void: () => undefined,
};

function compileUnary(node: UnaryExpression, scope: Scope): Evaluate {
  const operator = unary[node.operator];
  if (operator === undefined) throw new Unreadable(`it has ${node.operator}`);
  const operand = compile(node.argument, scope);
  return (locals) => operator(operand(locals));
}

const binary: Readonly<Record<string, (left: any, right: any) => unknown>> = {
  "+": (left, right) => left + right,
  "-": (left, right) => left - right,
  "*": (left, right) => left * right,
  "/": (left, right) => left / right,
  "%": (left, right) => left % right,
  "**": (left, right) => left ** right,
  "<<": (left, right) => left << right,
  ">>": (left, right) => left >> right,
  ">>>": (left, right) => left >>> right,
  "&": (left, right) => left & right,
  "|": (left, right) => left | right,
  "^": (left, right) => left ^ right,
  // biome-ignore lint/suspicious/noDoubleEquals: the operator itself
  "==": (left, right) => left == right,
  // biome-ignore lint/suspicious/noDoubleEquals: the operator itself
  "!=": (left, right) => left != right,
  "===": (left, right) => left === right,
  "!==": (left, right) => left !== right,
  "<": (left, right) => left < right,
  "<=": (left, right) => left <= right,
  ">": (left, right) => left > right,
  ">=": (left, right) => left >= right,
  in: (left, right) => left in right,
  instanceof: (left, right) => left instanceof right,
};

function compileBinary(node: BinaryExpression, scope: Scope): Evaluate {
  const operator = binary[node.operator];
  if (operator === undefined || node.left.type === "PrivateIdentifier") throw new Unreadable(`it has ${node.operator}`);
  const left = compile(node.left, scope);
  const right = compile(node.right, scope);
  return (locals) => operator(left(locals), right(locals));
}

function compileLogical(node: LogicalExpression, scope: Scope): Evaluate {
  const left = compile(node.left, scope);
  const right = compile(node.right, scope);
  switch (node.operator) {
    case "&&":
      return (locals) => left(locals) && right(locals);
    case "||":
      return (locals) => left(locals) || right(locals);
    default:
      return (locals) => left(locals) ?? right(locals);
  }
}

function compileMember(node: MemberExpression, scope: Scope): Evaluate {
  const { object: target, property } = node;
  if (property.type === "PrivateIdentifier") throw new Unreadable("it reads a private member");
  if (target.type === "Identifier" && !scope.has(target.name) && pureNamespaces.has(target.name)) {
    return compileConstant(target.name, node.computed ? undefined : propertyName(property));
  }
  const object = compile(target, scope);
  const key = node.computed ? compile(property, scope) : constant(propertyName(property));
  const { optional } = node;
  return (locals) => {
    const value = object(locals) as any;
    if (value === skipped || (optional && (value === undefined || value === null))) return skipped;
    return value[key(locals) as PropertyKey];
  };
}

const pureNamespaces: ReadonlyMap<string, object> = new Map<string, object>([
  ["Math", Math],
  ["Number", Number],
]);

function compileConstant(namespace: string, name: string | undefined): Evaluate {
  const constants = pureNamespaces.get(namespace) as Record<string, unknown>;
  const value = name !== undefined && Object.hasOwn(constants, name) ? constants[name] : undefined;
  // `length` and `name` of Number can be redefined, the constants cannot.
  const property = name === undefined ? undefined : Object.getOwnPropertyDescriptor(constants, name);
  if (typeof value !== "number" || property?.configurable) {
    throw new Unreadable(`${namespace}${name === undefined ? "[...]" : `.${name}`} is no constant`);
  }
  return () => value;
}

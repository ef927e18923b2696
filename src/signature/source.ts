import {
  type ArrowFunctionExpression,
  type Expression,
  type Function as FunctionNode,
  type Options,
  parse,
} from "acorn";

/** What the source of a callable turned out to be. */
export type Parsed = { readonly kind: "function"; readonly node: FunctionNode; readonly text: string } | ParsedClass;
interface ParsedClass {
  readonly kind: "class";
}

const options: Options = {
  ecmaVersion: "latest",
  sourceType: "script", // sloppy code must parse too; strict code parses as sloppy
  allowImportExportEverywhere: true, // import.meta
  allowSuperOutsideMethod: true,
  checkPrivateFields: false,
};

/** The function's own text, whatever its `toString` says; `undefined` for native and bound functions and Proxies. */
export function sourceOf(fn: Function): string | undefined {
  const text = Function.prototype.toString.call(fn);
  return /\{\s*\[native code\]\s*\}\s*$/.test(text) ? undefined : text;
}

/** The function in a text made by `Function.prototype.toString`; `undefined` where acorn cannot read it. */
export function parseSource(source: string): Parsed | undefined {
  // A method is no expression by itself, and one with a private name stands only in a class.
  for (const [before, after] of [
    ["(", "\n)"],
    ["({", "\n})"],
    ["(class extends Object{", "\n})"],
  ]) {
    const text = `${before}${source}${after}`;
    const expression = parseExpression(text);
    if (expression === undefined) continue;
    const node = functionIn(expression, before === "(");
    if (node === "class") return { kind: "class" };
    if (node !== undefined) return { kind: "function", node, text };
  }
  return undefined;
}

/** The parameters given as text, `(x, y = 2)` or without the parentheses `x, y = 2`; `undefined` where it is neither. */
export function parseGiven(given: string): { node: ArrowFunctionExpression; text: string } | undefined {
  const trimmed = given.trim();
  const bare = trimmed !== "" && !/[()[\]{}]/.test(trimmed);
  const text = `(${bare ? `(${trimmed})` : trimmed} => 0)`;
  const node = parseExpression(text);
  // Anything longer, such as "(x) => 0, (y)", is another expression or has another body.
  const isParameters = node?.type === "ArrowFunctionExpression" && !node.async && node.body.type === "Literal";
  return isParameters ? { node, text } : undefined;
}

function parseExpression(text: string): Expression | undefined {
  try {
    const [statement, ...others] = parse(text, options).body;
    return others.length === 0 && statement?.type === "ExpressionStatement" ? statement.expression : undefined;
  } catch {
    return undefined;
  }
}

function functionIn(expression: Expression, itself: boolean): FunctionNode | "class" | undefined {
  switch (expression.type) {
    case "FunctionExpression":
    case "ArrowFunctionExpression":
      return expression;
    case "ClassExpression": {
      if (itself) return "class";
      const [member] = expression.body.body;
      return member?.type === "MethodDefinition" ? member.value : undefined;
    }
    case "ObjectExpression": {
      const [property] = expression.properties;
      return property?.type === "Property" && property.value.type === "FunctionExpression" ? property.value : undefined;
    }
    default:
      return undefined;
  }
}

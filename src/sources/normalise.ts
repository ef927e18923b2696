import type { AnyNode, Expression, Literal, SequenceExpression, Statement } from "acorn";
import { isCounter } from "../signature/counters.js";
import { propertyName } from "../signature/defaults.js";
import { parseSource } from "../signature/source.js";

type Tree = string | boolean | null | readonly Tree[] | { readonly [field: string]: Tree };

/**
 * A text of the function's syntax tree, to be hashed and compared: the same for two sources that differ only in how they
 * are written (comments, layout, quotes, parentheses, coverage counters), different for two that differ in meaning.
 * `undefined` where there is no function that can be parsed.
 *
 * The key of a method is outside of its function, and does not count; the name of any other function does.
 */
export function normalisedSource(source: string): string | undefined {
  const parsed = parseSource(source);
  if (parsed?.kind !== "function") return undefined;
  try {
    return JSON.stringify(treeOf(parsed.node as AnyNode));
  } catch (error) {
    if (error instanceof RangeError) return undefined; // nested too deeply for the stack
    throw error;
  }
}

function treeOf(node: AnyNode): Tree {
  switch (node.type) {
    case "Literal":
      return treeOfLiteral(node);
    case "TemplateElement": // `tail` follows from its place
      return { type: node.type, cooked: node.value.cooked ?? null };
    case "TaggedTemplateExpression": // the tag sees the raw text, from which the other follows
      return treeWith(node, {
        quasi: treeWith(node.quasi, { quasis: node.quasi.quasis.map(({ value }) => value.raw) }),
      });
    case "Property":
    case "MethodDefinition":
    case "PropertyDefinition":
      return treeWith(node, node.computed ? {} : { key: propertyName(node.key) ?? treeOf(node.key) });
    case "SequenceExpression": {
      const expressions = countersLeftAway(node);
      if (expressions.length === 1) return treeOf(expressions[0]!);
      return treeWith(node, { expressions: expressions.map(treeOf) });
    }
    case "ArrowFunctionExpression": // `expression` follows from the body
      return treeWith(node, { expression: null, body: treeOf(returnedBy(node.body)) });
    case "BlockStatement":
    case "StaticBlock":
      return treeWith(node, { body: meaningful(node.body).map(treeOf) });
    case "SwitchCase":
      return treeWith(node, { consequent: meaningful(node.consequent).map(treeOf) });
    case "IfStatement":
      return treeWith(node, { consequent: treesOfBranch(node.consequent), alternate: treesOfBranch(node.alternate) });
    case "ForStatement":
    case "ForInStatement":
    case "ForOfStatement":
    case "WhileStatement":
    case "DoWhileStatement":
    case "WithStatement":
      return treeWith(node, { body: treesOfBranch(node.body) });
    default:
      return treeWith(node);
  }
}

const positions: ReadonlySet<string> = new Set(["start", "end", "loc", "range"]);

/**
 * The node's fields, those in `folded` replaced. A field that is absent, null, false or empty says the same in every
 * node, so it is left away, and the fields are sorted: then a later acorn that adds fields for syntax not used here, or
 * sets them in another order, makes the same text.
 */
function treeWith(node: AnyNode, folded: Readonly<Record<string, Tree>> = {}): Tree {
  const tree: Record<string, Tree> = {};
  for (const [field, own] of Object.entries(node).sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (positions.has(field)) continue;
    const value = Object.hasOwn(folded, field) ? folded[field]! : treeOfField(own);
    const isEmpty = value === undefined || value === null || value === false || (Array.isArray(value) && !value.length);
    if (!isEmpty) tree[field] = value;
  }
  return tree;
}

function treeOfField(value: any): Tree {
  if (Array.isArray(value)) return value.map(treeOfField); // a hole of an array is null
  return typeof value?.type === "string" ? treeOf(value) : value;
}

/** By value, with its type: 0x10 is 16, which is neither "16" nor 16n. As text, because JSON has no Infinity (1e999). */
function treeOfLiteral({ type, value, regex }: Literal): Tree {
  if (regex) return { type, pattern: regex.pattern, flags: regex.flags };
  return { type, [typeof value]: String(value) };
}

/** Blocks around a single statement, and `else {}`, say nothing: istanbul adds them. */
function treesOfBranch(branch: Statement | null | undefined): Tree[] {
  if (!branch) return [];
  return meaningful(branch.type === "BlockStatement" ? branch.body : [branch]).map(treeOf);
}

/** istanbul makes `x => { return x; }` of `x => x`. */
function returnedBy(body: Expression | Extract<Statement, { type: "BlockStatement" }>): AnyNode {
  if (body.type !== "BlockStatement") return body;
  const [only, ...others] = meaningful(body.body);
  return only?.type === "ReturnStatement" && only.argument && others.length === 0 ? only.argument : body;
}

function meaningful(statements: readonly Statement[]): Statement[] {
  return statements.filter(
    (statement) =>
      statement.type !== "EmptyStatement" &&
      !(statement.type === "ExpressionStatement" && isCounter(statement.expression)),
  );
}

/** Flat, because `(a, (b, c))` is `(a, b, c)`. The last one is the value, so it stays. */
function countersLeftAway(node: SequenceExpression): Expression[] {
  const flat = (inner: Expression): Expression[] =>
    inner.type === "SequenceExpression" ? inner.expressions.flatMap(flat) : [inner];
  return flat(node).filter((expression, i, all) => i === all.length - 1 || !isCounter(expression));
}

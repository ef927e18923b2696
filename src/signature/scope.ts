import type { AnyNode, CallExpression, Class, Function as FunctionNode } from "acorn";

/** What a function reads beside its parameters. */
export interface Reads {
  this: boolean;
  arguments: boolean;
}

/** Whether `this` (or `super`) and `arguments` stand in the function's own scope, its parameters and nested arrows included. */
export function readsOf(node: FunctionNode): Reads {
  const reads = { this: false, arguments: false };
  scanFunction(node, reads);
  return reads;
}

function scanFunction(node: FunctionNode, reads: Reads): void {
  for (const parameter of node.params) scan(parameter, reads);
  scan(node.body, reads);
}

function scan(node: AnyNode, reads: Reads): void {
  switch (node.type) {
    case "ThisExpression":
    case "Super":
      reads.this = true;
      break;
    case "Identifier":
      if (node.name === "arguments") reads.arguments = true;
      break;
    case "FunctionDeclaration":
    case "FunctionExpression": // has its own `this` and `arguments`
    case "BreakStatement": // a label is no variable
    case "ContinueStatement":
      break;
    case "LabeledStatement":
      scan(node.body, reads);
      break;
    case "ClassDeclaration":
    case "ClassExpression":
      scanClass(node, reads);
      break;
    case "MemberExpression":
      scan(node.object, reads);
      if (node.computed) scan(node.property, reads);
      break;
    case "Property":
      if (node.computed) scan(node.key, reads);
      scan(node.value, reads);
      break;
    case "CallExpression":
      if (isAwaiterCall(node)) scanAwaiterCall(node, reads);
      else scanChildren(node, reads);
      break;
    default:
      scanChildren(node, reads);
  }
}

/** Only `extends` and computed keys are evaluated in the scope around a class. */
function scanClass(node: Class, reads: Reads): void {
  if (node.superClass) scan(node.superClass, reads);
  for (const member of node.body.body) {
    if (member.type !== "StaticBlock" && member.computed) scan(member.key, reads);
  }
}

/** `__awaiter(this, ...)` of tsc and `__async(this, ...)` of esbuild stand in every async function, also in one without `this`. */
function isAwaiterCall(node: CallExpression): boolean {
  let callee: AnyNode = node.callee;
  if (callee.type === "SequenceExpression") callee = callee.expressions.at(-1)!; // (0, tslib_1.__awaiter)(this, ...)
  if (callee.type === "MemberExpression" && !callee.computed) callee = callee.property;
  return (
    callee.type === "Identifier" &&
    /__(awaiter|generator|async)$/.test(callee.name) &&
    node.arguments[0]?.type === "ThisExpression"
  );
}

/** The body of the function was moved into a function that is called with the same `this`: what it reads counts. */
function scanAwaiterCall(node: CallExpression, reads: Reads): void {
  for (const argument of node.arguments.slice(1)) {
    if (argument.type === "FunctionExpression") scanFunction(argument, reads);
    else scan(argument, reads);
  }
}

function scanChildren(node: AnyNode, reads: Reads): void {
  for (const child of childrenOf(node)) scan(child, reads);
}

function childrenOf(node: AnyNode): AnyNode[] {
  return Object.values(node).flat().filter(isNode);
}

function isNode(value: unknown): value is AnyNode {
  return typeof (value as AnyNode | null | undefined)?.type === "string";
}

/** Whether a variable of one of these names stands in an expression. One that a function inside binds anew counts, too. */
export function mentions(node: AnyNode, names: ReadonlySet<string>): boolean {
  switch (node.type) {
    case "Identifier":
      return names.has(node.name);
    case "MemberExpression":
      return mentions(node.object, names) || (node.computed && mentions(node.property, names));
    case "Property":
      return mentions(node.value, names) || (node.computed && mentions(node.key, names));
    default:
      return childrenOf(node).some((child) => mentions(child, names));
  }
}

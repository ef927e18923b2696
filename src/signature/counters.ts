import type { Expression, Super } from "acorn";

/**
 * Whether an expression is a coverage counter of istanbul:
 * `cov_abc().s[3]++`, `cov_abc().b[0][1]++`, `cov_abc.f[0]++`. Nothing less exact, because what is left away here can
 * change without notice, and a function may well have a `cov_xy[i]++` of its own.
 */
export function isCounter(node: Expression): boolean {
  if (node.type !== "UpdateExpression" || node.operator !== "++" || node.prefix) return false;
  let target: Expression | Super = node.argument;
  let indices = 0;
  while (target.type === "MemberExpression" && target.computed) {
    if (target.property.type !== "Literal" || !/^\d+$/.test(String(target.property.value))) return false;
    target = target.object;
    indices++;
  }
  if (indices === 0 || target.type !== "MemberExpression" || target.property.type !== "Identifier") return false;
  if (!/^[sfb]$/.test(target.property.name)) return false;
  let root = target.object;
  if (root.type === "CallExpression" && root.arguments.length === 0) root = root.callee;
  return root.type === "Identifier" && /^(cov_[0-9a-z]+|__cov[\w$]+)$/.test(root.name);
}

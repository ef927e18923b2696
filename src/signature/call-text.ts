import { inspect } from "node:util";
import { isKw, namedOf } from "./kw.js";

const maxLength = 200;

/** A call for a message: `f(2, kw({ q: 1 }))`, short, and without running code of the values. */
export function callText(name: string, args: readonly unknown[]): string {
  const parts: string[] = [];
  let length = name.length;
  for (const arg of args) {
    const part = valueText(arg);
    length += part.length + 2;
    if (length > maxLength) {
      parts.push("…");
      break;
    }
    parts.push(part);
  }
  return `${name}(${parts.join(", ")})`;
}

function valueText(value: unknown): string {
  if (isKw(value)) return `kw(${valueText({ ...namedOf(value) })})`;
  try {
    const text = inspect(value, {
      depth: 1,
      breakLength: Number.POSITIVE_INFINITY,
      compact: true,
      customInspect: false,
      maxArrayLength: 5,
      maxStringLength: 40,
    });
    return text.length > 80 ? `${text.slice(0, 79)}…` : text;
  } catch {
    return `[${typeof value}]`; // a getter inspect reads (Symbol.toStringTag) threw
  }
}

import { inspect } from "node:util";
import { BindingError, isInstance, messageOf as textOf } from "../errors.js";
import { isKw, namedOf } from "./kw.js";
import type { Signature } from "./parse.js";

/** The error of a call that does not fit its signature: it shows the signature and the call. */

export function bindingError(
  { name, text }: Signature,
  args: readonly unknown[],
  what: string,
  mend: string,
  ...cause: [] | [unknown]
): BindingError {
  const message = `${name}${text}: ${what} in the call ${callText(name, args)}; ${mend}`;
  const ended = message.endsWith(".") ? message : `${message}.`;
  return new BindingError(ended, cause.length === 0 ? undefined : { cause: cause[0] });
}

export function messageOf(cause: unknown): string {
  return isInstance(cause, Error) ? textOf(cause) : "it threw what is no Error";
}

const maxLength = 200;

/** A call for a message: `f(2, kw({ q: 1 }))`, short, and without running code of the values. */
function callText(name: string, args: readonly unknown[]): string {
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

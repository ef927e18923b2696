import { OptionError, UnkeyableValueError } from "./errors.js";
import { canonicalArgument, canonicalJson } from "./key/canonical-json.js";
import { applyKeyFunction, type KeyFunction, leftOut } from "./key/key-functions.js";
import { byName } from "./signature/bind.js";

/** The option `keyFunction`: a transform per parameter (and `this`), or one function of all bound arguments. */
export type KeyFunctions = Readonly<Record<string, KeyFunction | undefined>> | ((bound: any) => unknown);

/** The key text of a call: bound values by their index among the names, and the receiver. */
export type CallKey = (values: readonly unknown[], self: unknown) => string;

interface Part {
  readonly name: string;
  /** Among the values; -1 for `this`. */
  readonly index: number;
  /** `"x":` */
  readonly label: string;
  readonly transform: KeyFunction | undefined;
}

/**
 * @param subject the function, for messages
 * @param names the parameters
 * @param excluded those that never stand in the key
 * @throws OptionError for a name in `keyFunction` that is no parameter
 */
export function createCallKey(
  subject: string,
  names: readonly string[],
  keyFunction: KeyFunctions = {},
  excluded: ReadonlySet<string> = new Set(),
): CallKey {
  if (typeof keyFunction === "function") return wholeCallKey(names, keyFunction, excluded);
  assertTransforms(subject, names, keyFunction);
  const parts: Part[] = names
    .map((name, index) => partOf(name, index, keyFunction))
    .filter(({ name }) => !excluded.has(name));
  if (Object.hasOwn(keyFunction, "this")) parts.push(partOf("this", -1, keyFunction));
  parts.sort((a, b) => (a.name < b.name ? -1 : 1));
  return (values, self) => {
    let text = "";
    let isEscaped = false;
    for (const { name, index, label, transform } of parts) {
      const value = index < 0 ? self : values[index];
      const keyed =
        transform === undefined ? (value === undefined ? leftOut : value) : transformed(name, transform, value);
      if (keyed === leftOut) continue;
      text += (text === "" ? "" : ",") + label + canonicalArgument(name, keyed);
      if (name === "$type") isEscaped = true; // as any object with that property
    }
    return isEscaped ? `{"$type":"object","value":{${text}}}` : `{${text}}`;
  };
}

function partOf(name: string, index: number, keyFunction: Readonly<Record<string, KeyFunction | undefined>>): Part {
  const transform = Object.hasOwn(keyFunction, name) ? keyFunction[name] : undefined;
  return { name, index, label: `${JSON.stringify(name)}:`, transform };
}

/** What a key function throws itself passes through; what it says of a value is told with the name of the argument. */
function transformed(name: string, transform: KeyFunction, value: unknown): unknown {
  try {
    return applyKeyFunction(transform, value);
  } catch (error) {
    if (!(error instanceof UnkeyableValueError)) throw error;
    throw new UnkeyableValueError(`${name}: ${error.message}`, { cause: error });
  }
}

function wholeCallKey(
  names: readonly string[],
  keyFunction: (bound: any) => unknown,
  excluded: ReadonlySet<string>,
): CallKey {
  return (values) => {
    const bound = byName(names, values);
    for (const name of excluded) delete bound[name];
    return canonicalJson(keyFunction(bound));
  };
}

function assertTransforms(
  subject: string,
  names: readonly string[],
  transforms: Readonly<Record<string, unknown>>,
): void {
  if (Object.hasOwn(transforms, "this") && names.includes("this")) {
    throw new OptionError(
      `keyFunction: "this" is the receiver, and a parameter of ${subject} too; name the parameter otherwise.`,
    );
  }
  for (const [name, transform] of Object.entries(transforms)) {
    if (name !== "this" && !names.includes(name)) {
      throw new OptionError(
        `keyFunction: "${name}" is not a parameter of ${subject}; its parameters are ${names.join(", ") || "none"}.`,
      );
    }
    if (transform !== null && transform !== undefined && typeof transform !== "function") {
      throw new OptionError(
        `keyFunction: the transform of "${name}" must be a function or null, not ${typeof transform}.`,
      );
    }
  }
}

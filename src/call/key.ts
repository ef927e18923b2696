import { isInstance, OptionError, UnkeyableValueError } from "../errors.js";
import { canonicalArgument, canonicalJson } from "../key/canonical-json.js";
import { applyKeyFunction, type KeyFunction, leftOut } from "../key/key-functions.js";
import { LONGEST_TEXT } from "../key/key-walk.js";
import { byName } from "../signature/bind.js";

/** The option `keyFunction`: a transform per parameter (and `this`), or one function of all bound arguments. */
export type KeyFunctions = Readonly<Record<string, KeyFunction | undefined>> | ((bound: any) => unknown);

export interface CallKey {
  /** The key text of a call: bound values by their index among the names, and the receiver. */
  of(values: readonly unknown[], self: unknown): string;
  /**
   * The key texts of calls that differ in a few values; what they have in common is made into text once.
   * @param varying the indices of those values
   * @returns the key text for such values, in the same order; `at` is their place, for messages
   */
  elements(
    values: readonly unknown[],
    self: unknown,
    varying: readonly number[],
  ): (elements: readonly unknown[], at: number) => string;
}

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
  const typed = parts.findIndex(({ name }) => name === "$type");
  return {
    of(values, self) {
      let text = "";
      let isEscaped = false;
      for (const part of parts) {
        const added = textOf(part, part.index < 0 ? self : values[part.index]);
        if (added === "") continue;
        assertFits(part.name, text.length + added.length);
        text += text === "" ? added : `,${added}`;
        if (part.name === "$type") isEscaped = true;
      }
      return objectOf(text, isEscaped);
    },
    elements(values, self, varying) {
      const texts = parts.map((part) => {
        const at = part.index < 0 ? -1 : varying.indexOf(part.index);
        return at < 0 ? textOf(part, part.index < 0 ? self : values[part.index]) : { part, at };
      });
      return (elements, place) => {
        const all = texts.map((text) => {
          return typeof text === "string" ? text : textOf(text.part, elements[text.at], place);
        });
        const given = all.filter((text) => text !== "");
        assertFits(
          "An element",
          given.reduce((total, text) => total + text.length, 0),
        );
        return objectOf(given.join(","), typed >= 0 && all[typed] !== "");
      };
    },
  };
}

/** @throws UnkeyableValueError where the arguments together would be longer than a text can be */
function assertFits(name: string, length: number): void {
  if (length > LONGEST_TEXT)
    throw new UnkeyableValueError(`${name} makes the key too large; key it, or another argument, by stableHash.`);
}

/** `"x":2`; nothing where it is left out. @param at which element it is, for messages */
function textOf({ name, label, transform }: Part, value: unknown, at?: number): string {
  const keyed =
    transform === undefined ? (value === undefined ? leftOut : value) : transformed(name, at, transform, value);
  return keyed === leftOut ? "" : label + canonicalArgument(name, keyed, at);
}

/** @param isEscaped it has a property `$type`, as any object may */
function objectOf(text: string, isEscaped: boolean): string {
  return isEscaped ? `{"$type":"object","value":{${text}}}` : `{${text}}`;
}

function partOf(name: string, index: number, keyFunction: Readonly<Record<string, KeyFunction | undefined>>): Part {
  const transform = Object.hasOwn(keyFunction, name) ? keyFunction[name] : undefined;
  return { name, index, label: `${JSON.stringify(name)}:`, transform };
}

/** What a key function throws itself passes through; what it says of a value is told with the name of the argument. */
function transformed(name: string, at: number | undefined, transform: KeyFunction, value: unknown): unknown {
  try {
    return applyKeyFunction(transform, value);
  } catch (error) {
    if (!isInstance(error, UnkeyableValueError)) throw error;
    const place = at === undefined ? name : `${name}[${at}]`;
    throw new UnkeyableValueError(`${place}: ${error.message}`, { cause: error });
  }
}

function wholeCallKey(
  names: readonly string[],
  keyFunction: (bound: any) => unknown,
  excluded: ReadonlySet<string>,
): CallKey {
  const keyOf = (values: readonly unknown[]) => {
    const bound = byName(names, values);
    for (const name of excluded) delete bound[name];
    return canonicalJson(keyFunction(bound));
  };
  return {
    of: keyOf,
    elements(values, _self, varying) {
      return (elements) => {
        const own = [...values];
        for (const [i, index] of varying.entries()) own[index] = elements[i];
        return keyOf(own);
      };
    },
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

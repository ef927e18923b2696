import { OptionError } from "../errors.js";
import { inheritingNothing } from "../key/originals.js";
import { isRecord } from "../wrap/option-rules.js";

/**
 * Options of a method.
 * @param types what `typeof` has to say of each
 * @throws OptionError for an unknown option, or one of the wrong type
 */
export function checkMethodOptions<O extends object>(
  subject: string,
  options: O | undefined,
  types: Readonly<Record<keyof O & string, "boolean" | "function" | "string" | "string or null">>,
): Partial<O> {
  if (options === undefined) return inheritingNothing<Partial<O>>({});
  if (!isRecord(options)) throw new OptionError(`${subject}: the options must be an object.`);
  for (const [name, value] of Object.entries(options)) {
    const type = Object.hasOwn(types, name) ? types[name as keyof O & string] : undefined;
    if (type === undefined)
      throw new OptionError(`${subject}: there is no option "${name}". Options are ${Object.keys(types).join(", ")}.`);
    if (value !== undefined && !type.split(" or ").includes(value === null ? "null" : typeof value))
      throw new OptionError(`${subject}: the option "${name}" must be a ${type}.`);
  }
  return inheritingNothing(options);
}

import { assertArguments, OptionError } from "../errors.js";
import { builtinOf } from "./kinds.js";
import { getPrototypeOf, hasOwn, isArray, keys, mapDelete, mapEach, mapGet, mapSet, mapSize } from "./originals.js";

/** How instances of a class become data and come back; see `defineType`. */
export interface TypeDefinition<T, E> {
  /** The name that stands in keys and entries. It outlives renames of the class. */
  name: string;
  /** Earlier names, so that entries written under them are still read. */
  aliases?: readonly string[] | undefined;
  /** The instance as data that can be keyed and stored. */
  encode(value: T): E;
  /**
   * The instance again. Runs only on data that passed the entry's checksum. What it gives must be an instance of exactly
   * this class, as what was encoded was: anything else (nothing, a promise, a subclass) counts as damage, and the
   * function computes again.
   */
  decode(data: E): T;
}

type AnyDefinition = TypeDefinition<any, any>;

const byPrototype = new Map<object, AnyDefinition>();
const byName = new Map<string, { prototype: object; definition: AnyDefinition }>();

/**
 * Teaches the cache a class: its instances can then stand in keys and be stored in entries.
 * Exactly this class: instances of subclasses need a definition of their own.
 * @throws OptionError where a name is taken by another class, the class is built in, or the definition is incomplete.
 */
export function defineType<T, E>(type: { readonly prototype: T }, definition: TypeDefinition<T, E>): void;
export function defineType(...args: [type: { readonly prototype: unknown }, definition: AnyDefinition]): void {
  assertArguments("defineType()", args, 2);
  const type = args[0];
  const definition = args[1];
  const prototype = type?.prototype as object | undefined;
  if (typeof type !== "function" || !prototype)
    throw new OptionError("defineType: the first argument must be a class.");
  const builtin = builtinOf(prototype);
  if (builtin)
    throw new OptionError(
      `defineType: ${builtin.name} is built in, and has its key already; define a class of your own.`,
    );
  const { name, encode, decode } = definition ?? {};
  const hasAliases = definition && hasOwn(definition, "aliases") && definition.aliases !== undefined;
  const aliases = hasAliases ? definition.aliases! : [];
  if (typeof name !== "string" || name === "")
    throw new OptionError("defineType: `name` must be a string that is not empty.");
  if (typeof encode !== "function" || typeof decode !== "function") {
    throw new OptionError(`defineType ${name}: give \`encode\` and \`decode\`, both functions.`);
  }
  if (!isArray(aliases) || !areNames(aliases)) {
    throw new OptionError(`defineType ${name}: \`aliases\` must be an array of earlier names.`);
  }
  const given = keys(definition);
  for (let i = 0; i < given.length; i++) {
    if (isMember(given[i]!)) continue;
    throw new OptionError(
      `defineType ${name}: there is no \`${given[i]}\`. A definition has name, aliases, encode and decode.`,
    );
  }
  const names = listed(name, aliases);
  for (let i = 0; i < names.length; i++) {
    if ((mapGet(byName, names[i]!)?.prototype ?? prototype) !== prototype) {
      throw new OptionError(
        `defineType: the name "${names[i]}" belongs to another class already; two classes under one name would read each other's entries. Choose another name.`,
      );
    }
  }
  mapEach(byName, (entry, old) => {
    if (entry.prototype === prototype) mapDelete(byName, old);
  });
  mapSet(byPrototype, prototype, definition);
  const named = { prototype, definition };
  for (let i = 0; i < names.length; i++) mapSet(byName, names[i]!, named);
}

function isMember(name: string): boolean {
  return name === "name" || name === "aliases" || name === "encode" || name === "decode";
}

function areNames(aliases: readonly unknown[]): boolean {
  for (let i = 0; i < aliases.length; i++) if (typeof aliases[i] !== "string" || aliases[i] === "") return false;
  return true;
}

function listed(name: string, aliases: readonly string[]): string[] {
  const names = [name];
  for (let i = 0; i < aliases.length; i++) names[i + 1] = aliases[i]!;
  return names;
}

/** The definition for exactly the class of this object. */
export function definitionOf(value: object): AnyDefinition | undefined {
  return mapSize(byPrototype) === 0 ? undefined : mapGet(byPrototype, getPrototypeOf(value));
}

/** The definition that a name or alias in an entry stands for, and the prototype of its class. */
export function definitionNamed(name: string) {
  return mapGet(byName, name);
}

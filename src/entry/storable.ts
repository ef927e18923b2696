import { hasOwnBesidesElements } from "#own-properties";
import { PermacacheError, StoreError } from "../errors.js";
import { type Builtin, classNameOf, hasHidden, kindOf, shapeOf } from "../key/kinds.js";
import {
  execute,
  getOwnPropertyDescriptor,
  getPrototypeOf,
  hrefOf,
  isResizable,
  keys as keysOf,
  lengthOf,
  mapEach,
  mapGet,
  mapSet,
  mapSize,
  ownKeys,
  placeOfBytes,
  regExpFlags,
  regExpSource,
  setAdd,
  setEach,
  silence,
  timeOf,
  typedArrayName,
} from "../key/originals.js";
import { definitionOf } from "../key/registered-types.js";
import { copyOf, placeOf, type Walk } from "../key/walk.js";
import type { Bytes } from "./spans.js";
import { unitOf } from "./views.js";

/**
 * What a walk over a whole value found out: a copy of it, for which each property was read once, so that no getter and
 * no proxy can say one thing here and another when it is encoded. Plain objects and arrays stand as such, everything
 * else as a `Special`. A value that has no survey cannot be stored.
 */
export interface Survey {
  readonly root: unknown;
  /** JSON text gives the value back as it is. */
  readonly json: boolean;
  /** The objects of the copy that stand in more than one place. */
  readonly repeated: ReadonlySet<object>;
  readonly buffers: ReadonlyMap<ArrayBuffer, Bytes>;
}

/** What stands in the copy for an object that is neither plain nor an array. */
export class Special {
  constructor(
    /** As it stands in entries. */
    readonly $type: string,
    /** What is known of it, apart from other values. */
    readonly facts: Readonly<Record<string, unknown>>,
    /** Its parts: keys and values in turn, or values. */
    readonly parts: unknown[] = [],
    /** Of an error, keys and values in turn: what is not enumerable. */
    readonly hidden: unknown[] = [],
  ) {}
}

/**
 * Walks a value before it is encoded.
 * @throws StoreError where a part of it would not come back equal; the message names the place
 */
export function survey(value: unknown): Survey {
  const surveyor = new Surveyor();
  let root: unknown;
  try {
    root = surveyor.visit(value);
  } catch (error) {
    if (isOurs(error)) throw error;
    throw surveyor.unstorable(isOverflow(error) ? "is nested too deeply" : `cannot be read: ${textOf(error)}`, error);
  }
  if (surveyor.isTooDeep) throw surveyor.unstorable("is nested too deeply");
  return { root, json: surveyor.json, repeated: surveyor.repeated, buffers: surveyor.buffers };
}

/** Levels. JSON is read without recursion, and has no such limit. */
export const DEEPEST_TREE = 1000;

/** Deeper than the stack holds. A getter may throw other RangeErrors. */
export function isOverflow(error: unknown): boolean {
  try {
    return error instanceof RangeError && execute(/call stack/, error.message) !== null;
  } catch {
    return false;
  }
}

/** Whether it has its message already. A proxy may throw when it is looked at. */
export function isOurs(error: unknown): error is PermacacheError {
  try {
    return error instanceof PermacacheError;
  } catch {
    return false;
  }
}

/** The text of what was thrown, which may throw itself. */
export function textOf(error: unknown): string {
  try {
    return String(error);
  } catch {
    return "what was thrown is no error";
  }
}

/** Not enumerable in an error are only these; whatever else is own and enumerable is kept as a property. */
export function isHiddenInErrors(key: unknown): boolean {
  return key === "name" || key === "message" || key === "stack" || key === "cause" || key === "errors";
}

class Surveyor {
  json = true;
  readonly repeated = new Set<object>();
  readonly buffers = new Map<ArrayBuffer, Bytes>();
  /** What stands in the copy for each object that was met. */
  readonly #met = new Map<object, object>();
  /** Of registered types, by the instance. */
  readonly #encoded = new Map<object, true>();
  readonly #walk: Walk = { depth: 0, ancestors: [], path: [] };
  #deepest = 0;

  /** What can be written could else be too deep to be read: a hit may come with less of the stack left. */
  get isTooDeep(): boolean {
    return !this.json && this.#deepest > DEEPEST_TREE;
  }

  unstorable(problem: string, cause?: unknown): StoreError {
    return new StoreError(`${placeOf(this.#walk)} ${problem}`, cause === undefined ? undefined : { cause });
  }

  visit(value: unknown): unknown {
    switch (typeof value) {
      case "number":
        if (!Number.isFinite(value) || Object.is(value, -0)) this.json = false;
        return value;
      case "undefined":
      case "bigint":
        this.json = false;
        return value;
      case "function":
      case "symbol":
        throw this.unstorable(`is a ${typeof value}`);
      case "object": {
        if (value === null) return value;
        const copy = mapGet(this.#met, value);
        return copy ? this.#repeat(value, copy) : this.#visitObject(value);
      }
      default:
        return value;
    }
  }

  #repeat(value: object, copy: object): object {
    this.json = false; // JSON would give two copies
    setAdd(this.repeated, copy);
    if (mapSize(this.#encoded) === 0) return copy;
    const { ancestors, depth } = this.#walk;
    let isInside = false;
    for (let i = depth - 1; i >= 0; i--) {
      if (mapGet(this.#encoded, ancestors[i]!)) isInside = true;
      if (ancestors[i] !== value) continue;
      if (isInside) throw this.unstorable("refers back to an instance of a registered type that contains it");
      break;
    }
    return copy;
  }

  /** @param copy is noted before its parts are visited: one of them may refer to it */
  #note<T extends object>(value: object, copy: T): T {
    mapSet(this.#met, value, copy);
    return copy;
  }

  #special(value: object, $type: string, facts: Record<string, unknown> = {}): Special {
    this.json = false;
    return this.#note(value, new Special($type, facts));
  }

  #visitObject(value: object): object {
    const walk = this.#walk;
    const definition = definitionOf(value);
    const builtin = definition ? null : kindOf(value);
    if (!definition && !builtin) {
      const name = classNameOf(value);
      const what = name ? `class ${name}` : "a class";
      throw this.unstorable(`is an instance of ${what}, which is not registered (defineType)`);
    }
    const { depth } = walk;
    walk.ancestors[depth] = value;
    walk.path[depth] = undefined;
    walk.depth = depth + 1;
    if (walk.depth > this.#deepest) this.#deepest = walk.depth;
    let copy: object;
    if (definition) {
      copy = this.#special(value, `type ${definition.name}`);
      mapSet(this.#encoded, value, true);
      this.#step("encode()");
      const data: unknown = definition.encode(value);
      silence(data);
      (copy as Special).parts[0] = this.visit(data);
    } else if (builtin!.kind === "plain") {
      copy = this.#visitPlain(value);
    } else if (builtin!.kind === "array") {
      copy = this.#visitArray(value as unknown[]);
    } else {
      copy = this.#visitBuiltin(value, builtin!);
    }
    walk.depth = depth;
    return copy;
  }

  /** To be called before a part is read: a getter may throw. */
  #step(key: string | number): void {
    this.#walk.path[this.#walk.depth - 1] = key;
  }

  #visitPlain(value: object): object {
    const isBare = getPrototypeOf(value) === null;
    const own = ownKeys(value).length;
    const copy = copyOf(value, this.#walk);
    const names = keysOf(copy);
    if (own !== names.length) throw this.unstorable("has a symbol or a hidden property as key");
    if (!isBare) this.#note(value, copy);
    const bare = isBare ? this.#special(value, "null object") : undefined;
    for (let i = 0; i < names.length; i++) {
      const name = names[i]!;
      this.#step(name);
      const each = this.visit(copy[name]);
      if (bare) append(bare.parts, name, each);
      else copy[name] = each; // its own property: no setter is called, and `__proto__` is a key like any other
    }
    return bare ?? copy;
  }

  #visitArray(array: readonly unknown[]): object {
    const shape = shapeOf(array);
    const { length, holes, extra, keys } = shape;
    if (extra !== undefined) throw this.unstorable(`is an array with a further property ("${extra}")`);
    if (hasHidden(array, shape)) throw this.unstorable("is an array with a hidden property");
    if (holes) {
      const sparse = this.#special(array, "Array", { length });
      for (let i = 0; i < keys!.length; i++) {
        const index = Number(keys![i]);
        this.#step(index);
        append(sparse.parts, index, this.visit(array[index]));
      }
      return sparse;
    }
    const copy: unknown[] = this.#note(array, keys ?? []); // in the place of the keys, one after the other
    for (let i = 0; i < length; i++) {
      this.#step(i);
      copy[i] = this.visit(array[i]);
    }
    return copy;
  }

  #visitBuiltin(value: object, { kind, name }: Builtin): object {
    if (kind === "boxed") throw this.unstorable(`is a boxed primitive (${name})`);
    if (kind === "Error") return this.#visitError(value, name);
    if (hasOwnProperties(value, kind)) throw this.unstorable(`is a ${name} with a property of its own`);
    switch (kind) {
      case "Map": {
        const copy = this.#special(value, name);
        let i = 0;
        mapEach(value as Map<unknown, unknown>, (each, key) => {
          this.#step(i);
          const keyCopy = this.visit(key);
          this.#step(i++);
          append(copy.parts, keyCopy, this.visit(each));
        });
        return copy;
      }
      case "Set": {
        const copy = this.#special(value, name);
        setEach(value as Set<unknown>, (each) => {
          this.#step(copy.parts.length);
          copy.parts[copy.parts.length] = this.visit(each);
        });
        return copy;
      }
      case "Date": {
        const time = timeOf(value);
        return this.#special(value, name, { value: Number.isNaN(time) ? null : time });
      }
      case "RegExp": {
        const { lastIndex } = value as RegExp;
        if (typeof lastIndex !== "number") throw this.unstorable("has a lastIndex that is no number");
        return this.#special(value, name, { source: regExpSource(value), flags: regExpFlags(value), lastIndex });
      }
      case "URL":
        return this.#special(value, name, { value: hrefOf(value) });
      case "ArrayBuffer":
        this.#bytes(value as ArrayBuffer).whole = true;
        return this.#special(value, name, { buffer: value, byteOffset: 0 });
      default: {
        const { buffer, byteOffset, byteLength } = placeOfBytes(value as ArrayBufferView);
        const { views } = this.#bytes(buffer);
        views[views.length] = { name, byteOffset, byteLength, unit: unitOf(name) };
        const length = typedArrayName(value) === undefined ? byteLength : lengthOf(value);
        return this.#special(value, name, { buffer, byteOffset, length });
      }
    }
  }

  #visitError(error: object, name: string): object {
    const copy = this.#special(error, name);
    const keys = ownKeys(error);
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i]!;
      const isShown = getOwnPropertyDescriptor(error, key)!.enumerable;
      if (typeof key === "symbol" || !(isShown || isHiddenInErrors(key)))
        throw this.unstorable(`is an error with a hidden property (${String(key)})`);
    }
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i] as string;
      this.#step(key);
      const { enumerable } = getOwnPropertyDescriptor(error, key) ?? { enumerable: true };
      append(enumerable ? copy.parts : copy.hidden, key, this.visit((error as Record<string, unknown>)[key]));
    }
    return copy;
  }

  #bytes(buffer: ArrayBuffer): Bytes {
    let bytes = mapGet(this.buffers, buffer);
    if (!bytes) {
      if (kindOf(buffer)?.kind !== "ArrayBuffer") throw this.unstorable("is backed by shared memory");
      if (isResizable?.(buffer)) throw this.unstorable("is backed by a resizable ArrayBuffer");
      new Uint8Array(buffer); // throws where it was transferred away
      bytes = { whole: false, views: [] };
      mapSet(this.buffers, buffer, bytes);
    }
    return bytes;
  }
}

function append(parts: unknown[], key: unknown, value: unknown): void {
  parts[parts.length] = key;
  parts[parts.length] = value;
}

function hasOwnProperties(value: object, kind: Builtin["kind"]): boolean {
  if (kind === "typed array" || kind === "Buffer") return hasOwnBesidesElements(value);
  return ownKeys(value).length > (kind === "RegExp" ? 1 : 0); // a RegExp has lastIndex
}

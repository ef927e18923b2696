import { hasOwnBesidesElements } from "#own-properties";
import { PermacacheError, StoreError } from "../errors.js";
import { type Builtin, classNameOf, kindOf, shapeOf, type TypedArray } from "../key/kinds.js";
import { definitionOf } from "../key/registered-types.js";
import { placeOf, type Walk } from "../key/walk.js";

/** What a walk over a whole value found out. A value that has none cannot be stored. */
export interface Survey {
  /** JSON text gives the value back as it is. */
  json: boolean;
  /** The objects that stand in more than one place. */
  readonly repeated: Set<object>;
  /** The arrays that have holes. */
  readonly holes: Set<object>;
  /** The data of each instance of a registered type, from its one call of `encode`. */
  readonly encoded: Map<object, unknown>;
  /** Each ArrayBuffer with the views on it; `whole` where the buffer itself stands in the value. */
  readonly buffers: Map<ArrayBuffer, { whole: boolean; views: ArrayBufferView[] }>;
}

/**
 * Walks a value before it is encoded.
 * @throws StoreError where a part of it would not come back equal; the message names the place
 */
export function survey(value: unknown): Survey {
  const surveyor = new Surveyor();
  try {
    surveyor.visit(value);
  } catch (error) {
    if (error instanceof PermacacheError) throw error;
    throw surveyor.unstorable(isOverflow(error) ? "is nested too deeply" : `cannot be read: ${String(error)}`, error);
  }
  if (surveyor.isTooDeep) throw surveyor.unstorable("is nested too deeply");
  return surveyor.found;
}

/** Levels. JSON is read without recursion, and has no such limit. */
export const DEEPEST_TREE = 1000;

/** Deeper than the stack holds. A getter may throw other RangeErrors. */
export function isOverflow(error: unknown): boolean {
  return error instanceof RangeError && /call stack/.test(error.message);
}

/** Not enumerable in an error are only these; whatever else is own and enumerable is kept as a property. */
export const HIDDEN_IN_ERRORS: readonly PropertyKey[] = ["name", "message", "stack", "cause", "errors"];

class Surveyor {
  readonly found: Survey = {
    json: true,
    repeated: new Set(),
    holes: new Set(),
    encoded: new Map(),
    buffers: new Map(),
  };
  readonly #seen = new Set<object>();
  readonly #walk: Walk = { ancestors: [], path: [] };
  #deepest = 0;

  /** What can be written could else be too deep to be read: a hit may come with less of the stack left. */
  get isTooDeep(): boolean {
    return !this.found.json && this.#deepest > DEEPEST_TREE;
  }

  unstorable(problem: string, cause?: unknown): StoreError {
    return new StoreError(`${placeOf(this.#walk)} ${problem}`, cause === undefined ? undefined : { cause });
  }

  visit(value: unknown): void {
    switch (typeof value) {
      case "number":
        if (!Number.isFinite(value) || Object.is(value, -0)) this.found.json = false;
        return;
      case "undefined":
      case "bigint":
        this.found.json = false;
        return;
      case "function":
      case "symbol":
        throw this.unstorable(`is a ${typeof value}`);
      case "object":
        if (value === null) return;
        if (this.#seen.has(value)) this.#repeat(value);
        else this.#visitObject(value);
    }
  }

  #repeat(value: object): void {
    this.found.json = false; // JSON would give two copies
    this.found.repeated.add(value);
    if (this.found.encoded.size === 0) return;
    const { ancestors } = this.#walk;
    const start = ancestors.lastIndexOf(value);
    if (start >= 0 && ancestors.slice(start).some((each) => this.found.encoded.has(each))) {
      throw this.unstorable("refers back to an instance of a registered type that contains it");
    }
  }

  #visitObject(value: object): void {
    this.#seen.add(value);
    const { ancestors, path } = this.#walk;
    const definition = definitionOf(value);
    const builtin = definition ? null : kindOf(value);
    if (!definition && !builtin) {
      const name = classNameOf(value);
      const what = name ? `class ${name}` : "a class";
      throw this.unstorable(`is an instance of ${what}, which is not registered (defineType)`);
    }
    path.length = ancestors.length;
    ancestors.push(value);
    this.#deepest = Math.max(this.#deepest, ancestors.length);
    if (definition) {
      this.found.json = false;
      this.#step("encode()");
      const data = definition.encode(value);
      this.found.encoded.set(value, data);
      this.visit(data);
    } else if (builtin!.kind === "plain") {
      this.#visitPlain(value);
    } else if (builtin!.kind === "array") {
      this.#visitArray(value as unknown[]);
    } else {
      this.found.json = false;
      this.#visitBuiltin(value, builtin!);
    }
    ancestors.pop();
    path.length = ancestors.length;
  }

  /** To be called before a part is read: a getter may throw. */
  #step(key: string | number): void {
    this.#walk.path[this.#walk.ancestors.length - 1] = key;
  }

  #visitPlain(value: object): void {
    if (Object.getPrototypeOf(value) === null) this.found.json = false;
    const keys = Object.keys(value);
    if (Reflect.ownKeys(value).length !== keys.length) {
      throw this.unstorable("has a symbol or a hidden property as key");
    }
    for (const key of keys) {
      this.#step(key);
      this.visit((value as Record<string, unknown>)[key]);
    }
  }

  #visitArray(array: readonly unknown[]): void {
    const { holes, extra, keys } = shapeOf(array);
    if (extra !== undefined) throw this.unstorable(`is an array with a further property ("${extra}")`);
    if (Reflect.ownKeys(array).length !== keys.length + 1) throw this.unstorable("is an array with a hidden property");
    if (holes) {
      this.found.json = false;
      this.found.holes.add(array);
    }
    for (const key of keys) {
      this.#step(Number(key));
      this.visit(array[Number(key)]);
    }
  }

  #visitBuiltin(value: object, { kind, name }: Builtin): void {
    if (kind === "boxed") throw this.unstorable(`is a boxed primitive (${name})`);
    if (kind === "Error") {
      this.#visitError(value);
      return;
    }
    if (hasOwnProperties(value, kind)) throw this.unstorable(`is a ${name} with a property of its own`);
    if (kind === "Map") {
      let i = 0;
      for (const [key, each] of value as Map<unknown, unknown>) {
        this.#step(i);
        this.visit(key);
        this.#step(i++);
        this.visit(each);
      }
    } else if (kind === "Set") {
      let i = 0;
      for (const each of value as Set<unknown>) {
        this.#step(i++);
        this.visit(each);
      }
    } else if (kind === "RegExp") {
      if (typeof (value as RegExp).lastIndex !== "number") throw this.unstorable("has a lastIndex that is no number");
    } else if (kind === "ArrayBuffer") {
      this.#note(value as ArrayBuffer).whole = true;
    } else if (ArrayBuffer.isView(value)) {
      this.#note(value.buffer as ArrayBuffer).views.push(value);
    }
  }

  #visitError(error: object): void {
    const keys = Reflect.ownKeys(error);
    const hidden = keys.find((key) => {
      const { enumerable } = Object.getOwnPropertyDescriptor(error, key)!;
      return typeof key === "symbol" || !(enumerable || HIDDEN_IN_ERRORS.includes(key));
    });
    if (hidden !== undefined) throw this.unstorable(`is an error with a hidden property (${String(hidden)})`);
    for (const key of keys as string[]) {
      this.#step(key);
      this.visit((error as unknown as Record<string, unknown>)[key]);
    }
  }

  #note(buffer: ArrayBuffer) {
    let noted = this.found.buffers.get(buffer);
    if (!noted) {
      if (kindOf(buffer)?.kind !== "ArrayBuffer") throw this.unstorable("is backed by shared memory");
      if ((buffer as { resizable?: boolean }).resizable) throw this.unstorable("is backed by a resizable ArrayBuffer");
      new Uint8Array(buffer); // throws where it was transferred away
      noted = { whole: false, views: [] };
      this.found.buffers.set(buffer, noted);
    }
    return noted;
  }
}

function hasOwnProperties(value: object, kind: Builtin["kind"]): boolean {
  if (kind === "typed array" || kind === "Buffer") return hasOwnBesidesElements(value as TypedArray);
  return Reflect.ownKeys(value).length > (kind === "RegExp" ? 1 : 0); // a RegExp has lastIndex
}

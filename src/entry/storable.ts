import { inspect } from "node:util";
import { PermacacheError, StoreError } from "../errors.js";
import { type Builtin, classNameOf, kindOf, shapeOf, type TypedArray } from "../key/kinds.js";
import { definitionOf } from "../key/registered-types.js";
import { placeOf, type Walk } from "../key/walk.js";

/** What a walk over a whole value found out. A value that has none cannot be stored. */
export interface Survey {
  /** JSON text gives the value back as it is. */
  json: boolean;
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
  const found: Survey = { json: true, encoded: new Map(), buffers: new Map() };
  const walk: Walk = { ancestors: [], path: [] };
  try {
    visit(value, walk, found, new Set());
  } catch (error) {
    if (error instanceof PermacacheError) throw error;
    const problem = error instanceof RangeError ? "is nested too deeply" : `cannot be read: ${String(error)}`;
    throw unstorable(walk, problem, { cause: error });
  }
  return found;
}

function unstorable(walk: Walk, problem: string, options?: { cause: unknown }): StoreError {
  return new StoreError(`${placeOf(walk)} ${problem}`, options);
}

function visit(value: unknown, walk: Walk, found: Survey, seen: Set<object>): void {
  switch (typeof value) {
    case "number":
      if (!Number.isFinite(value) || Object.is(value, -0)) found.json = false;
      return;
    case "undefined":
    case "bigint":
      found.json = false;
      return;
    case "function":
    case "symbol":
      throw unstorable(walk, `is a ${typeof value}`);
    case "object":
      if (value !== null) visitObject(value, walk, found, seen);
  }
}

function visitObject(value: object, walk: Walk, found: Survey, seen: Set<object>): void {
  if (seen.has(value)) {
    found.json = false; // JSON would give two copies
    const cycle = walk.ancestors.slice(walk.ancestors.lastIndexOf(value));
    if (cycle[0] === value && cycle.some((each) => found.encoded.has(each))) {
      throw unstorable(walk, "refers back to an instance of a registered type that contains it");
    }
    return;
  }
  seen.add(value);
  const definition = definitionOf(value);
  const builtin = definition ? null : kindOf(value);
  if (!definition && !builtin) {
    const name = classNameOf(value);
    throw unstorable(
      walk,
      `is an instance of ${name ? `class ${name}` : "a class"}, which is not registered (defineType)`,
    );
  }
  walk.ancestors.push(value);
  const visitChild = (step: string | number, child: unknown) => {
    walk.path[walk.ancestors.length - 1] = step;
    visit(child, walk, found, seen);
  };
  walk.path.length = walk.ancestors.length - 1;
  if (definition) {
    found.json = false;
    const data = definition.encode(value);
    found.encoded.set(value, data);
    visitChild("encode()", data);
  } else {
    visitBuiltin(value, builtin!, walk, found, visitChild);
  }
  walk.ancestors.pop();
}

type VisitChild = (step: string | number, child: unknown) => void;

function visitBuiltin(value: object, builtin: Builtin, walk: Walk, found: Survey, visitChild: VisitChild): void {
  const { kind } = builtin;
  if (kind === "plain") {
    if (Object.getPrototypeOf(value) === null) found.json = false;
    const keys = Object.keys(value);
    if (Reflect.ownKeys(value).length !== keys.length)
      throw unstorable(walk, "has a symbol or a hidden property as key");
    for (const key of keys) {
      walk.path[walk.ancestors.length - 1] = key; // before the read: a getter may throw
      visitChild(key, (value as Record<string, unknown>)[key]);
    }
    return;
  }
  if (kind === "array") {
    const array = value as unknown[];
    const { holes, extra, keys } = shapeOf(array);
    if (extra !== undefined) throw unstorable(walk, `is an array with a further property ("${extra}")`);
    if (Reflect.ownKeys(array).length !== keys.length + 1) throw unstorable(walk, "is an array with a hidden property");
    if (holes) found.json = false;
    for (const key of keys) visitChild(Number(key), array[Number(key)]);
    return;
  }
  found.json = false;
  if (kind === "boxed") throw unstorable(walk, `is a boxed primitive (${builtin.name})`);
  if (kind === "Error") {
    visitError(value, walk, visitChild);
    return;
  }
  refuseProperties(value, builtin, walk);
  if (kind === "Map") {
    let i = 0;
    for (const entry of value as Map<unknown, unknown>) for (const side of entry) visitChild(i++ >> 1, side);
  } else if (kind === "Set") {
    let i = 0;
    for (const each of value as Set<unknown>) visitChild(i++, each);
  } else if (kind === "ArrayBuffer") {
    noteBuffer(value as ArrayBuffer, walk, found).whole = true;
  } else if (ArrayBuffer.isView(value)) {
    noteBuffer(value.buffer as ArrayBuffer, walk, found).views.push(value);
  }
}

/** Not enumerable in an error are only these; whatever else is own and enumerable is kept as a property. */
const HIDDEN_IN_ERRORS: readonly PropertyKey[] = ["message", "stack", "cause", "errors"];

function visitError(error: object, walk: Walk, visitChild: VisitChild): void {
  for (const key of Reflect.ownKeys(error)) {
    const enumerable = Object.getOwnPropertyDescriptor(error, key)!.enumerable;
    if (typeof key === "symbol" || !(enumerable || HIDDEN_IN_ERRORS.includes(key))) {
      throw unstorable(walk, `is an error with a hidden property (${String(key)})`);
    }
    visitChild(key, (error as Record<string, unknown>)[key]);
  }
}

function noteBuffer(buffer: ArrayBuffer, walk: Walk, found: Survey) {
  let noted = found.buffers.get(buffer);
  if (!noted) {
    if (kindOf(buffer)?.kind !== "ArrayBuffer") throw unstorable(walk, "is backed by shared memory");
    if ((buffer as { resizable?: boolean }).resizable) throw unstorable(walk, "is backed by a resizable ArrayBuffer");
    noted = { whole: false, views: [] };
    found.buffers.set(buffer, noted);
  }
  return noted;
}

function refuseProperties(value: object, { kind, name }: Builtin, walk: Walk): void {
  const own =
    kind === "typed array" || kind === "Buffer"
      ? hasOwnBesidesElements(value as TypedArray)
      : Reflect.ownKeys(value).some((key) => key !== "lastIndex");
  if (own) throw unstorable(walk, `is a ${name} with a property of its own`);
}

/** Listing the keys of a typed array would list every element; inspecting it does not, and a bare twin tells the difference. */
function hasOwnBesidesElements(array: TypedArray): boolean {
  const { buffer, byteOffset, length } = array;
  const type = Object.getPrototypeOf(array).constructor;
  const twin =
    type === Buffer ? Buffer.from(buffer as ArrayBuffer, byteOffset, length) : new type(buffer, byteOffset, length);
  const options = { maxArrayLength: 0, depth: 0, customInspect: false };
  return inspect(array, options) !== inspect(twin, options);
}

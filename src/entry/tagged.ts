import { StoreError } from "../errors.js";
import { type Builtin, kindOf, type TypedArray } from "../key/kinds.js";
import { taggedPrimitive } from "../key/primitives.js";
import { definitionNamed, definitionOf } from "../key/registered-types.js";
import type { Survey } from "./storable.js";

/**
 * Values as trees of arrays, plain objects and primitives, and back. A tagged object stands for anything else:
 *
 *     {"$type":"undefined"}, "NaN", "Infinity", "-Infinity", "-0", {"$type":"bigint","value":"12"}
 *     {"$type":"Date","value":0}, null where invalid          {"$type":"URL","value":"a:b"}
 *     {"$type":"RegExp","source":"a","flags":"g","lastIndex":1}
 *     {"$type":"Map","entries":[k,v,k,v]}                     {"$type":"Set","values":[v,v]}
 *     {"$type":"Array","length":3,"entries":[0,v,2,v]}        an array with holes
 *     {"$type":"object","entries":[key,v]}                    an object that has a property $type
 *     {"$type":"null object","entries":[key,v]}               an object without prototype
 *     {"$type":"TypeError","hidden":[key,v],"entries":[key,v]}
 *     {"$type":"ArrayBuffer","base64":"..."}
 *     {"$type":"Float64Array","buffer":{...},"byteOffset":0,"length":2}
 *     {"$type":"type Point","value":v}                        a class of defineType
 *     {"$type":"shared","id":0,"value":v}, {"$type":"ref","id":0}     an object that stands in several places
 *
 * In the dialect `"json"` trees are JSON. `"native"` trees are for structured clone, which has all primitives itself, and
 * leave bytes beside the tree: {"$type":"ArrayBuffer","blob":0}.
 */
export type Dialect = "native" | "json";

export type Tagged = Record<string, unknown> & { $type: string };

export interface Tree {
  readonly root: unknown;
  /** The bytes that native trees refer to by number. */
  readonly blobs: Uint8Array[];
}

// ---- to a tree ----

/** @param found what `survey` found out about this value */
export function toTree(value: unknown, found: Survey, dialect: Dialect): Tree {
  const blobs: Uint8Array[] = [];
  const spans = new Map(
    [...found.buffers].map(([buffer, { whole, views }]) => [buffer, spansOf(buffer, whole, views)]),
  );
  /** What stands for an object, or a span of bytes, that was met before. */
  const refs = new Map<object, Tagged>();

  function tree(of: unknown): unknown {
    if (typeof of !== "object" || of === null) return dialect === "json" ? taggedPrimitive(of) : of;
    if (!found.repeated.has(of)) return node(of);
    return refs.get(of) ?? { ...share(of), value: node(of) };
  }

  function share(of: object): Tagged {
    const id = refs.size;
    refs.set(of, { $type: "ref", id });
    return { $type: "shared", id };
  }

  function node(of: object): unknown {
    const definition = definitionOf(of);
    if (definition) {
      // A getter that makes an instance anew at each look.
      if (!found.encoded.has(of)) throw new StoreError("A part of the value changed while it was encoded.");
      return { $type: `type ${definition.name}`, value: tree(found.encoded.get(of)) };
    }
    const builtin = kindOf(of)!;
    if (builtin.kind === "array") return arrayNode(of as unknown[]);
    if (builtin.kind !== "plain") return builtinNode(of, builtin);
    if (Object.getPrototypeOf(of) === null) return { $type: "null object", entries: properties(of, Object.keys(of)) };
    if (Object.hasOwn(of, "$type")) return { $type: "object", entries: properties(of, Object.keys(of)) };
    const copy = {};
    for (const key of Object.keys(of)) define(copy, key, tree((of as Tagged)[key]));
    return copy;
  }

  function arrayNode(array: readonly unknown[]): unknown {
    if (found.holes.has(array)) {
      const entries: unknown[] = [];
      for (const key of Object.keys(array)) entries.push(Number(key), tree(array[Number(key)]));
      return { $type: "Array", length: array.length, entries };
    }
    const copy: unknown[] = [];
    for (const each of array) copy.push(tree(each));
    return copy;
  }

  function builtinNode(of: object, { kind, name }: Builtin): Tagged {
    const $type = name;
    switch (kind) {
      case "Map": {
        const entries: unknown[] = [];
        for (const [key, value] of of as Map<unknown, unknown>) entries.push(tree(key), tree(value));
        return { $type, entries };
      }
      case "Set": {
        const values: unknown[] = [];
        for (const each of of as Set<unknown>) values.push(tree(each));
        return { $type, values };
      }
      case "Date": {
        const time = (of as Date).getTime();
        return { $type, value: Number.isNaN(time) ? null : time };
      }
      case "RegExp": {
        const { source, flags, lastIndex } = of as RegExp;
        return { $type, source, flags, lastIndex: tree(lastIndex) };
      }
      case "URL":
        return { $type, value: (of as URL).href };
      case "Error": {
        const shown = Object.keys(of);
        const hidden = (Reflect.ownKeys(of) as string[]).filter((key) => !shown.includes(key));
        return { $type, hidden: properties(of, hidden), entries: properties(of, shown) };
      }
      case "ArrayBuffer":
        return bytesNode(spanAt(of as ArrayBuffer, 0));
      case "DataView":
      case "Buffer":
      case "typed array": {
        const { buffer, byteOffset, byteLength } = of as DataView;
        const span = spanAt(buffer as ArrayBuffer, byteOffset);
        const length = (of as TypedArray).length ?? byteLength;
        return { $type, buffer: bytesNode(span), byteOffset: byteOffset - span.start, length };
      }
      default:
        throw new StoreError(`A ${name} cannot be stored.`);
    }
  }

  function properties(of: object, keys: readonly string[]): unknown[] {
    const entries: unknown[] = [];
    for (const key of keys) entries.push(key, tree((of as Tagged)[key]));
    return entries;
  }

  function spanAt(buffer: ArrayBuffer, offset: number): Span {
    return spans.get(buffer)!.findLast((span) => span.from <= offset)!;
  }

  function bytesNode(span: Span): Tagged {
    if (span.users === 1) return bytesTag(span.bytes);
    return refs.get(span) ?? { ...share(span), value: bytesTag(span.bytes) };
  }

  function bytesTag(bytes: Uint8Array): Tagged {
    const $type = "ArrayBuffer";
    if (dialect === "native") return { $type, blob: blobs.push(bytes) - 1 };
    return { $type, base64: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("base64") };
  }

  return { root: tree(value), blobs };
}

/** A part of an ArrayBuffer that stands in the value, and how many objects are made of it. */
interface Span {
  /** Where its first view begins, and where its bytes do: earlier, for the alignment of the others. */
  readonly from: number;
  readonly start: number;
  readonly bytes: Uint8Array;
  readonly users: number;
}

/**
 * Views on one buffer keep sharing it, from the first byte that one of them shows to the last; a single view takes
 * just its bytes along. Buffers are cut from a pool and have nothing to do with each other, unless they overlap, and nor
 * has anything else that may stand in the pool; what lies between them is somebody else's.
 */
function spansOf(buffer: ArrayBuffer, whole: boolean, views: readonly ArrayBufferView[]): Span[] {
  if (whole) return [{ from: 0, start: 0, bytes: new Uint8Array(buffer), users: views.length + 1 }];
  const names = new Set(views.map((view) => kindOf(view)?.name));
  const mayBePool = buffer.byteLength === Buffer.poolSize && [...names].every((name) => POOLED.includes(name!));
  const pooled = mayBePool || (names.size === 1 && names.has("Buffer"));
  const ranges: { start: number; end: number; unit: number; users: number }[] = [];
  for (const view of [...views].sort((a, b) => a.byteOffset - b.byteOffset)) {
    const start = view.byteOffset;
    const end = start + view.byteLength;
    const unit = (view as TypedArray).BYTES_PER_ELEMENT ?? 1;
    const last = ranges.at(-1);
    if (last && (!pooled || start < last.end)) {
      last.end = Math.max(last.end, end);
      last.unit = Math.max(last.unit, unit);
      last.users++;
    } else {
      ranges.push({ start, end, unit, users: 1 });
    }
  }
  return ranges.map(({ start, end, unit, users }) => {
    const padding = users > 1 ? start % unit : 0; // all views of it keep their alignment
    const bytes = new Uint8Array(buffer, start, end - start);
    if (padding === 0) return { from: start, start, bytes, users };
    const padded = new Uint8Array(padding + bytes.length);
    padded.set(bytes, padding);
    return { from: start, start: start - padding, bytes: padded, users };
  });
}

/** What is cut from the pool. */
const POOLED = ["Buffer", "Uint8Array"];

/** `__proto__` is a key like any other. */
export function define(target: object, key: string, value: unknown, enumerable = true): void {
  if (key !== "__proto__" && enumerable) (target as Record<string, unknown>)[key] = value;
  else Object.defineProperty(target, key, { value, enumerable, configurable: true, writable: true });
}

// ---- and back ----

export const PRIMITIVES = new Map<string, unknown>([
  ["undefined", undefined],
  ["NaN", Number.NaN],
  ["Infinity", Number.POSITIVE_INFINITY],
  ["-Infinity", Number.NEGATIVE_INFINITY],
  ["-0", -0],
]);

/** Constructors by name, and no others: an entry cannot name a class of its own choice. */
export const ERRORS = byName<new (errors: []) => Error>([
  ...[Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError],
  AggregateError,
]);
export const VIEWS = byName<new (buffer: ArrayBuffer, byteOffset: number, length: number) => ArrayBufferView>([
  ...[DataView, Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array],
  ...[Float32Array, Float64Array, BigInt64Array, BigUint64Array],
  (globalThis as { Float16Array?: typeof Float32Array }).Float16Array, // not in every Node that is supported
]);

function byName<C extends Function>(types: readonly (unknown | undefined)[]): Map<string, C> {
  return new Map((types as (C | undefined)[]).flatMap((type) => (type ? [[type.name, type]] : [])));
}

/**
 * The value of a tree. The tree is used up: its parts become parts of the value.
 * @param blobs ArrayBuffers of their own, which become those of the value
 * @throws where the tree is not one that `toTree` makes, or needs a type that is not registered
 */
export function fromTree(root: unknown, blobs: readonly ArrayBuffer[] = []): unknown {
  const shared = new Map<unknown, unknown>();

  /** @param id of a shared value, which is noted before its parts are revived: one of them may refer to it */
  function revive(node: unknown, id?: unknown): unknown {
    if (typeof node !== "object" || node === null) return node;
    if (Array.isArray(node)) {
      note(id, node);
      for (let i = 0; i < node.length; i++) node[i] = revive(node[i]);
      return node;
    }
    if (Object.hasOwn(node, "$type")) return reviveTagged(node as Tagged, id);
    note(id, node);
    for (const key of Object.keys(node)) define(node, key, revive((node as Tagged)[key]));
    return node;
  }

  function note<T>(id: unknown, value: T): T {
    if (id !== undefined) shared.set(id, value);
    return value;
  }

  function reviveTagged(node: Tagged, id: unknown): unknown {
    const { $type } = node;
    switch ($type) {
      case "bigint":
        return BigInt(node.value as string);
      case "shared":
        return note(node.id, revive(node.value, node.id));
      case "ref":
        if (!shared.has(node.id)) throw new TypeError("A reference to nothing.");
        return shared.get(node.id);
      case "Date":
        return new Date((node.value as number | null) ?? Number.NaN);
      case "RegExp": {
        const regExp = new RegExp(node.source as string, node.flags as string);
        regExp.lastIndex = revive(node.lastIndex) as number;
        return regExp;
      }
      case "URL":
        return new URL(node.value as string);
      case "Map": {
        const map = note(id, new Map());
        const entries = node.entries as unknown[];
        for (let i = 0; i < entries.length; i += 2) {
          const key = revive(entries[i]); // first: the value may refer to it
          map.set(key, revive(entries[i + 1]));
        }
        return map;
      }
      case "Set": {
        const set = note(id, new Set());
        for (const value of node.values as unknown[]) set.add(revive(value));
        return set;
      }
      case "Array": {
        const array = note(id, new Array(node.length as number));
        each(node.entries, (index, value) => {
          array[index as number] = value;
        });
        return array;
      }
      case "object":
      case "null object":
        return fill(note(id, $type === "object" ? {} : Object.create(null)), node.entries);
      case "ArrayBuffer":
        return node.base64 === undefined ? blobs[node.blob as number] : bufferOf(node.base64 as string);
      case "Buffer":
        return Buffer.from(revive(node.buffer) as ArrayBuffer, node.byteOffset as number, node.length as number);
    }
    if (PRIMITIVES.has($type)) return PRIMITIVES.get($type);
    const View = VIEWS.get($type);
    if (View) return new View(revive(node.buffer) as ArrayBuffer, node.byteOffset as number, node.length as number);
    const ErrorType = ERRORS.get($type);
    if (ErrorType) {
      const error = note(id, new ErrorType([]));
      for (const key of Reflect.ownKeys(error)) Reflect.deleteProperty(error, key); // its own message and stack
      return fill(fill(error, node.hidden, false), node.entries);
    }
    const definition = $type.startsWith("type ") ? definitionNamed($type.slice("type ".length)) : undefined;
    if (!definition)
      throw new TypeError(`The entry holds a value of type "${$type}", which is not registered (defineType).`);
    return definition.decode(revive(node.value));
  }

  /** Calls `set` with each key, and the value that belongs to it. */
  function each(entries: unknown, set: (key: unknown, value: unknown) => void): void {
    const list = entries as unknown[];
    for (let i = 0; i < list.length; i += 2) set(list[i], revive(list[i + 1]));
  }

  function fill(target: object, entries: unknown, enumerable = true): object {
    each(entries, (key, value) => define(target, key as string, value, enumerable));
    return target;
  }

  return revive(root);
}

function bufferOf(base64: string): ArrayBuffer {
  return new Uint8Array(Buffer.from(base64, "base64")).buffer;
}

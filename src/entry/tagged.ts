import { type Builtin, kindOf, shapeOf, type TypedArray } from "../key/kinds.js";
import { definitionNamed, definitionOf } from "../key/registered-types.js";
import type { Survey } from "./storable.js";

/**
 * Values as trees that a codec can carry, and back. Where a codec has no notation of its own for something, a tagged
 * object stands for it:
 *
 *     {"$type":"undefined"}, "NaN", "Infinity", "-Infinity", "-0", {"$type":"bigint","value":"12"}
 *     {"$type":"Date","value":0}, null where invalid          {"$type":"URL","value":"a:b"}
 *     {"$type":"RegExp","source":"a","flags":"g","lastIndex":1}
 *     {"$type":"Map","entries":[[k,v]]}                       {"$type":"Set","values":[v]}
 *     {"$type":"Array","length":3,"items":[[0,v]]}            an array with holes
 *     {"$type":"object","entries":[[key,v]]}                  an object that has a property $type
 *     {"$type":"null object","entries":[[key,v]]}             an object without prototype
 *     {"$type":"TypeError","hidden":[[key,v]],"properties":[[key,v]]}
 *     {"$type":"ArrayBuffer","blob":0}                        bytes that stand beside the tree, or "base64":"..."
 *     {"$type":"Float64Array","buffer":{...},"byteOffset":0,"length":2}
 *     {"$type":"type Point","value":v}                        a class of defineType
 *     {"$type":"shared","id":0,"value":v}, {"$type":"ref","id":0}
 *
 * `"native"` trees are for structured clone, which has undefined, numbers, bigint, Date, Map, Set, holes, sharing and
 * cycles itself; `"json"` trees are JSON.
 */
export type Dialect = "native" | "json";

type Tagged = Record<string, unknown> & { $type: string };

export interface Tree {
  readonly root: unknown;
  /** The bytes that native trees refer to by number. */
  readonly blobs: Uint8Array[];
}

// ---- to a tree ----

export function toTree(value: unknown, found: Survey, dialect: Dialect): Tree {
  const blobs: Uint8Array[] = [];
  const buffers = new Map(
    [...found.buffers].map(([buffer, { whole, views }]) => [buffer, spansOf(buffer, whole, views)]),
  );
  const copies = new Map<object, unknown>();

  /** One node for each object, so that sharing and cycles are those of the value. */
  function node(of: object): unknown {
    const known = copies.get(of);
    if (known !== undefined) return known;
    const definition = definitionOf(of);
    if (definition) {
      const tagged: Tagged = { $type: `type ${definition.name}` };
      copies.set(of, tagged);
      tagged.value = tree(found.encoded.get(of));
      return tagged;
    }
    return builtin(of, kindOf(of)!);
  }

  function tree(of: unknown): unknown {
    if (typeof of === "object" && of !== null) return node(of);
    return dialect === "json" ? tagPrimitive(of) : of;
  }

  function entriesOf(of: object, keys: readonly string[]): unknown[] {
    return keys.map((key) => [key, tree((of as Record<string, unknown>)[key])]);
  }

  function builtin(of: object, { kind, name }: Builtin): unknown {
    const tagged: Tagged = { $type: name };
    /** Before the parts of `of` are looked at: one of them may be `of`. */
    const begin = <T>(copy: T): T => {
      copies.set(of, copy);
      return copy;
    };
    switch (kind) {
      case "plain": {
        const keys = Object.keys(of);
        if (Object.getPrototypeOf(of) === null || Object.hasOwn(of, "$type")) {
          tagged.$type = Object.getPrototypeOf(of) === null ? "null object" : "object";
          begin(tagged).entries = entriesOf(of, keys);
          return tagged;
        }
        const copy = begin({});
        for (const key of keys) define(copy, key, tree((of as Record<string, unknown>)[key]));
        return copy;
      }
      case "array": {
        const array = of as unknown[];
        const { holes, keys } = shapeOf(array);
        if (holes && dialect === "json") {
          Object.assign(begin(tagged), {
            length: array.length,
            items: keys.map((key) => [Number(key), tree(array[Number(key)])]),
          });
          return tagged;
        }
        const copy = begin(new Array(array.length));
        for (const key of keys) copy[Number(key)] = tree(array[Number(key)]);
        return copy;
      }
      case "Map": {
        const map = of as Map<unknown, unknown>;
        if (dialect === "json") {
          begin(tagged).entries = [...map].map(([key, value]) => [tree(key), tree(value)]);
          return tagged;
        }
        const copy = begin(new Map());
        for (const [key, value] of map) copy.set(tree(key), tree(value));
        return copy;
      }
      case "Set": {
        const set = of as Set<unknown>;
        if (dialect === "json") {
          begin(tagged).values = [...set].map(tree);
          return tagged;
        }
        const copy = begin(new Set());
        for (const each of set) copy.add(tree(each));
        return copy;
      }
      case "Date": {
        const time = (of as Date).getTime();
        return begin(dialect === "native" ? new Date(time) : { ...tagged, value: Number.isNaN(time) ? null : time });
      }
      case "RegExp": {
        const { source, flags, lastIndex } = of as RegExp;
        return begin({ ...tagged, source, flags, lastIndex });
      }
      case "URL":
        return begin({ ...tagged, value: (of as URL).href });
      case "Error": {
        const keys = Reflect.ownKeys(of) as string[];
        const enumerable = new Set(Object.keys(of));
        begin(tagged);
        tagged.hidden = entriesOf(
          of,
          keys.filter((key) => !enumerable.has(key)),
        );
        tagged.properties = entriesOf(of, [...enumerable]);
        return tagged;
      }
      case "ArrayBuffer":
        return begin(blob(spanAt(of as ArrayBuffer, 0)));
      case "DataView":
      case "Buffer":
      case "typed array": {
        const { buffer, byteOffset, byteLength } = of as DataView;
        const span = spanAt(buffer as ArrayBuffer, byteOffset);
        const length = (of as TypedArray).length ?? byteLength;
        return begin({ ...tagged, buffer: blob(span), byteOffset: byteOffset - span.start, length });
      }
      case "boxed":
        throw new TypeError("Boxed primitives are refused by the survey.");
    }
  }

  function spanAt(buffer: ArrayBuffer, offset: number): Span {
    return buffers.get(buffer)!.findLast((span) => span.start <= offset)!;
  }

  function blob(span: Span): Tagged {
    span.node ??=
      dialect === "native"
        ? { $type: "ArrayBuffer", blob: blobs.push(span.bytes) - 1 }
        : {
            $type: "ArrayBuffer",
            base64: Buffer.from(span.bytes.buffer, span.bytes.byteOffset, span.bytes.length).toString("base64"),
          };
    return span.node;
  }

  const root = tree(value);
  return { root: dialect === "json" ? untangle(root) : root, blobs };
}

/** A part of an ArrayBuffer that stands in the value. */
interface Span {
  readonly start: number;
  readonly bytes: Uint8Array;
  node?: Tagged;
}

/**
 * Views on one buffer keep sharing it, from the first byte that one of them shows to the last; a single view takes
 * just its bytes along. Small Buffers are cut from one pool and have nothing to do with each other, unless they overlap.
 */
function spansOf(buffer: ArrayBuffer, whole: boolean, views: readonly ArrayBufferView[]): Span[] {
  if (whole) return [{ start: 0, bytes: new Uint8Array(buffer) }];
  const pooled = views.every((view) => kindOf(view)?.kind === "Buffer");
  const ranges: { start: number; end: number; views: number }[] = [];
  for (const { byteOffset: start, byteLength } of [...views].sort((a, b) => a.byteOffset - b.byteOffset)) {
    const last = ranges.at(-1);
    if (last && (!pooled || start < last.end)) {
      last.end = Math.max(last.end, start + byteLength);
      last.views++;
    } else {
      ranges.push({ start, end: start + byteLength, views: 1 });
    }
  }
  return ranges.map(({ start, end, views }) => {
    const aligned = views > 1 ? start & ~7 : start; // all views of it keep their alignment
    return { start: aligned, bytes: new Uint8Array(buffer, aligned, end - aligned) };
  });
}

function tagPrimitive(value: unknown): unknown {
  switch (typeof value) {
    case "number":
      if (Object.is(value, -0)) return { $type: "-0" };
      return Number.isFinite(value) ? value : { $type: String(value) };
    case "undefined":
      return { $type: "undefined" };
    case "bigint":
      return { $type: "bigint", value: String(value) };
    default:
      return value;
  }
}

/** `__proto__` is a key like any other. */
function define(target: object, key: string, value: unknown): void {
  if (key !== "__proto__") (target as Record<string, unknown>)[key] = value;
  else Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true });
}

/** A tree without sharing and cycles: a node met again becomes a reference to its first place. */
function untangle(root: unknown): unknown {
  const met = new Map<object, { repeated: boolean; id?: number }>();
  (function count(node: unknown): void {
    if (typeof node !== "object" || node === null) return;
    const known = met.get(node);
    if (known) {
      known.repeated = true;
      return;
    }
    met.set(node, { repeated: false });
    for (const key of Object.keys(node)) count((node as Record<string, unknown>)[key]);
  })(root);
  let ids = 0;
  return (function copy(node: unknown): unknown {
    if (typeof node !== "object" || node === null) return node;
    const known = met.get(node)!;
    if (known.id !== undefined) return { $type: "ref", id: known.id };
    if (known.repeated) known.id = ids++;
    let result: unknown;
    if (Array.isArray(node)) {
      result = node.map(copy);
    } else {
      result = {};
      for (const key of Object.keys(node)) define(result as object, key, copy((node as Record<string, unknown>)[key]));
    }
    return known.repeated ? { $type: "shared", id: known.id, value: result } : result;
  })(root);
}

// ---- and back ----

/** Constructors by name, and no others: an entry cannot name a class of its own choice. */
const ERRORS: Readonly<Record<string, (new (errors: []) => Error) | undefined>> = {
  __proto__: null as never,
  ...({ Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError, AggregateError } as object),
};
const VIEWS: Readonly<
  Record<string, (new (buffer: ArrayBuffer, byteOffset: number, length: number) => ArrayBufferView) | undefined>
> = {
  __proto__: null as never,
  ...{ DataView, Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array },
  ...{ Float32Array, Float64Array, BigInt64Array, BigUint64Array },
  Float16Array: (globalThis as { Float16Array?: typeof Float32Array }).Float16Array,
};

/**
 * The value of a tree. The tree is used up: its parts become parts of the value.
 * @param blobs ArrayBuffers of their own, which become those of the value
 * @throws where the tree is not one that `toTree` makes, or needs a type that is not registered
 */
export function fromTree(root: unknown, blobs: readonly ArrayBuffer[] = []): unknown {
  const values = new Map<object, unknown>();
  const shared = new Map<number, unknown>();

  function value(node: unknown): unknown {
    if (typeof node !== "object" || node === null) return node;
    if (values.has(node)) return values.get(node);
    return revive(node, (made) => values.set(node, made));
  }

  function fill(target: object, entries: unknown, enumerable = true): void {
    for (const [key, node] of entries as [string, unknown][]) {
      if (enumerable) define(target, key, value(node));
      else Object.defineProperty(target, key, { value: value(node), enumerable, configurable: true, writable: true });
    }
  }

  /** `made` is told the value before its parts are revived: one of them may be the value. */
  function revive(node: object, made: (value: unknown) => void): unknown {
    const begin = <T>(revived: T): T => {
      made(revived);
      return revived;
    };
    if (Array.isArray(node)) {
      begin(node);
      for (const key of shapeOf(node).keys) node[Number(key)] = value(node[Number(key)]);
      return node;
    }
    if (node instanceof Map) {
      const entries = [...begin(node)];
      node.clear();
      for (const [key, each] of entries) node.set(value(key), value(each));
      return node;
    }
    if (node instanceof Set) {
      const each = [...begin(node)];
      node.clear();
      for (const item of each) node.add(value(item));
      return node;
    }
    if (node instanceof Date) return begin(node);
    const tagged = node as Tagged;
    if (!Object.hasOwn(tagged, "$type")) {
      begin(node);
      for (const key of Object.keys(node)) define(node, key, value((node as Tagged)[key]));
      return node;
    }
    switch (tagged.$type) {
      case "undefined":
        return undefined;
      case "NaN":
        return NaN;
      case "Infinity":
        return Infinity;
      case "-Infinity":
        return -Infinity;
      case "-0":
        return -0;
      case "bigint":
        return BigInt(tagged.value as string);
      case "shared": {
        const id = tagged.id as number;
        const revived = revive(tagged.value as object, (early) => shared.set(id, early));
        shared.set(id, revived);
        return revived;
      }
      case "ref":
        if (!shared.has(tagged.id as number)) throw new TypeError("A reference to nothing.");
        return shared.get(tagged.id as number);
      case "Date":
        return begin(new Date((tagged.value as number | null) ?? NaN));
      case "RegExp": {
        const regExp = begin(new RegExp(tagged.source as string, tagged.flags as string));
        regExp.lastIndex = tagged.lastIndex as number;
        return regExp;
      }
      case "URL":
        return begin(new URL(tagged.value as string));
      case "Map": {
        const map = begin(new Map());
        for (const [key, each] of tagged.entries as [unknown, unknown][]) map.set(value(key), value(each));
        return map;
      }
      case "Set": {
        const set = begin(new Set());
        for (const each of tagged.values as unknown[]) set.add(value(each));
        return set;
      }
      case "Array": {
        const array = begin(new Array(tagged.length as number));
        for (const [index, each] of tagged.items as [number, unknown][]) array[index] = value(each);
        return array;
      }
      case "object":
      case "null object": {
        const object = begin(tagged.$type === "object" ? {} : (Object.create(null) as object));
        fill(object, tagged.entries);
        return object;
      }
      case "ArrayBuffer":
        return begin(tagged.base64 === undefined ? blobs[tagged.blob as number] : bufferOf(tagged.base64 as string));
      case "Buffer":
        return begin(
          Buffer.from(value(tagged.buffer) as ArrayBuffer, tagged.byteOffset as number, tagged.length as number),
        );
    }
    const view = VIEWS[tagged.$type];
    if (view)
      return begin(new view(value(tagged.buffer) as ArrayBuffer, tagged.byteOffset as number, tagged.length as number));
    const error = ERRORS[tagged.$type];
    if (error) {
      const revived = begin(new error([]));
      for (const key of Reflect.ownKeys(revived)) Reflect.deleteProperty(revived, key); // its own message and stack
      fill(revived, tagged.hidden, false);
      fill(revived, tagged.properties);
      return revived;
    }
    const name = /^type (.+)$/s.exec(tagged.$type)?.[1];
    const definition = name === undefined ? undefined : definitionNamed(name);
    if (!definition)
      throw new TypeError(`The entry holds a value of type "${tagged.$type}", which is not registered (defineType).`);
    return begin(definition.decode(value(tagged.value)));
  }

  return value(root);
}

function bufferOf(base64: string): ArrayBuffer {
  const bytes = Buffer.from(base64, "base64");
  return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer;
}

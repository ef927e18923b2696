import { StoreError } from "../errors.js";
import { hasOwn, isArray, keys as keysOf, mapEach, mapGet, mapSet, mapSize, setHas } from "../key/originals.js";
import { taggedPrimitive } from "../key/primitives.js";
import { base64Of, MOST_DIGITS, MOST_REG_EXP_WORK, regExpWork, type Tagged, typeName } from "./claims.js";
import { type Span, spansOf } from "./spans.js";
import { Special, type Survey } from "./storable.js";

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

export interface Tree {
  readonly root: unknown;
  /** The bytes that native trees refer to by number. */
  readonly blobs: Uint8Array[];
}

export const PRIMITIVES: ReadonlyMap<string, unknown> = new Map<string, unknown>([
  ["undefined", undefined],
  ["NaN", Number.NaN],
  ["Infinity", Number.POSITIVE_INFINITY],
  ["-Infinity", Number.NEGATIVE_INFINITY],
  ["-0", -0],
]);

/** The tree of a value that was surveyed. Its copy is used up: plain objects and arrays become nodes where they stand. */
export function toTree({ root, repeated, buffers }: Survey, dialect: Dialect): Tree {
  const blobs: Uint8Array[] = [];
  const spans = new Map<ArrayBuffer, Span[]>();
  mapEach(buffers, (bytes, buffer) => mapSet(spans, buffer, spansOf(buffer, bytes)));
  /** What stands for an object, or a span of bytes, that was met before. */
  const refs = new Map<object, Tagged>();
  let work = 0;

  function tree(of: unknown): unknown {
    if (typeof of !== "object" || of === null) return dialect === "json" ? tagged(of) : of;
    if (!setHas(repeated, of)) return node(of);
    return mapGet(refs, of) ?? { ...share(of), value: node(of) };
  }

  function tagged(primitive: unknown): unknown {
    if (typeof primitive === "bigint" && isTooLong(primitive))
      throw new StoreError(
        `The value holds a bigint of more than ${MOST_DIGITS} digits, which take too long to be read`,
      );
    return taggedPrimitive(primitive);
  }

  function share(of: object): Tagged {
    const id = mapSize(refs);
    mapSet(refs, of, { $type: "ref", id });
    return { $type: "shared", id };
  }

  function node(of: object): unknown {
    if (of instanceof Special) return special(of);
    if (isArray(of)) return trees(of);
    const names = keysOf(of);
    if (hasOwn(of, "$type")) return { $type: "object", entries: properties(of as Tagged, names) };
    for (let i = 0; i < names.length; i++) (of as Tagged)[names[i]!] = tree((of as Tagged)[names[i]!]);
    return of;
  }

  function properties(of: Tagged, names: readonly string[]): unknown[] {
    const entries: unknown[] = [];
    for (let i = 0; i < names.length; i++) {
      entries[2 * i] = names[i];
      entries[2 * i + 1] = tree(of[names[i]!]);
    }
    return entries;
  }

  function trees(list: unknown[]): unknown[] {
    for (let i = 0; i < list.length; i++) list[i] = tree(list[i]);
    return list;
  }

  /** The parts of what has keys: those are texts or indices, and stay what they are. */
  function values(parts: unknown[]): unknown[] {
    for (let i = 1; i < parts.length; i += 2) parts[i] = tree(parts[i]);
    return parts;
  }

  function special({ $type, facts, parts, hidden }: Special): Tagged {
    switch ($type) {
      case "Map":
        return { $type, entries: trees(parts) };
      case "Set":
        return { $type, values: trees(parts) };
      case "Date":
      case "URL":
        return { $type, ...facts };
      case "RegExp":
        work += dialect === "json" ? regExpWork(facts.source as string, facts.flags as string) : 0;
        if (work > MOST_REG_EXP_WORK)
          throw new StoreError("The value holds regular expressions that take too long to be made again");
        return { $type, ...facts, lastIndex: tree(facts.lastIndex) };
      case "Array":
        return { $type, ...facts, entries: values(parts) };
      case "null object":
        return { $type, entries: values(parts) };
      case "ArrayBuffer":
        return bytesNode(spanAt(facts));
    }
    if (hasOwn(facts, "buffer")) {
      const span = spanAt(facts);
      const byteOffset = (facts.byteOffset as number) - span.start;
      return { $type, buffer: bytesNode(span), byteOffset, length: facts.length };
    }
    if (typeName($type) !== undefined) return { $type, value: tree(parts[0]) };
    return { $type, hidden: values(hidden), entries: values(parts) };
  }

  function spanAt(facts: Special["facts"]): Span {
    const found = mapGet(spans, facts.buffer as ArrayBuffer)!;
    let i = found.length - 1;
    while (found[i]!.from > (facts.byteOffset as number)) i--;
    return found[i]!;
  }

  function bytesNode(span: Span): Tagged {
    if (span.users === 1) return bytesTag(span.bytes);
    return mapGet(refs, span) ?? { ...share(span), value: bytesTag(span.bytes) };
  }

  function bytesTag(bytes: Uint8Array): Tagged {
    const $type = "ArrayBuffer";
    if (dialect === "json") return { $type, base64: base64Of(bytes) };
    blobs[blobs.length] = bytes;
    return { $type, blob: blobs.length - 1 };
  }

  return { root: tree(root), blobs };
}

/** Made when the first bigint is met: it takes a while. */
let tooLong: bigint | undefined;
function isTooLong(value: bigint): boolean {
  if (value < SHORT && value > -SHORT) return false;
  tooLong ??= 10n ** BigInt(MOST_DIGITS);
  return value >= tooLong || value <= -tooLong;
}
const SHORT = 2n ** 1000n;

import { define, hasOwn, isArray, keys, mapGet, mapHas } from "../key/originals.js";
import { taggedPrimitive } from "../key/primitives.js";
import { printPlain } from "../key/print.js";
import {
  base64Of,
  bigint,
  bytesOf,
  integer,
  list,
  MOST_REG_EXP_WORK,
  only,
  pairs as pairsOf,
  regExpWork,
  type Tagged,
  tagOf,
  text,
  time,
  typeName,
} from "./claims.js";
import { readClone } from "./clone.js";
import { clonePartsOf, compressed, decompressed, type Payload, partsOf, textOf } from "./codecs.js";
import type { Compression } from "./compression.js";
import type { DecodedEntry } from "./entry.js";
import { hiddenKey } from "./from-tree.js";
import { DEEPEST_TREE } from "./storable.js";
import { type Dialect, PRIMITIVES, type Tree } from "./tagged.js";
import { isErrorName, unitOf, viewNamed } from "./views.js";

/**
 * Payloads from one format into another without the value in between: no type has to be registered, and none of its
 * functions is called. Trees are rebuilt node by node, by the grammar in tagged.ts and nothing beyond it, so what comes
 * from elsewhere may be hostile.
 */

/** The payload of an entry for other programs and machines: JSON, not compressed; that of an own codec as it is. */
export function portable(entry: DecodedEntry): Payload {
  const { format, codecName, lengths } = entry;
  const plain = decompressed(entry, entry.payload);
  const base = { compression: false, codecName, lengths: [] } as const;
  if (format === "own") return { ...base, format, parts: [plain] };
  if (format === "clone") {
    const all = partsOf(plain, lengths);
    const blobs: Uint8Array[] = [];
    for (let i = 1; i < all.length; i++) blobs[i - 1] = all[i]!;
    return { ...base, format: "tagged", parts: [jsonOf(transcodeTree(readClone(all[0]!), "json", blobs))] };
  }
  const root: unknown = JSON.parse(textOf(plain));
  if (format === "json" || !hasTags(root)) return { ...base, format: "json", parts: [plain] };
  return { ...base, format, parts: [jsonOf(transcodeTree(root, "json"))] };
}

/**
 * The payload of an entry that is portable, for the store of this machine.
 * @param isOpen that store takes no structured clone
 */
export function local(entry: DecodedEntry, compression: false | Compression, isOpen = false): Payload {
  const { format, codecName, lengths, payload } = entry;
  const base = { codecName, lengths: [] };
  if (format === "clone" || entry.compression || lengths.length > 0) throw new TypeError("It is not portable");
  if ((format === "own") !== (codecName !== "")) throw new TypeError("It has a codec's name, but not its format");
  if (format === "own") return compressed({ ...base, format, parts: [payload] }, compression);
  const root: unknown = JSON.parse(textOf(payload));
  if (format === "json" || !hasTags(root)) {
    return compressed({ ...base, format: "json", parts: [payload] }, compression);
  }
  if (isOpen) return compressed({ ...base, format, parts: [jsonOf(transcodeTree(root, "json"))] }, compression);
  const tree = transcodeTree(root, "native");
  return compressed({ ...base, ...clonePartsOf(tree) }, compression);
}

function jsonOf({ root }: Tree): Uint8Array {
  return Buffer.from(printPlain(root));
}

/** No recursion: plain JSON may be of any depth. */
function hasTags(root: unknown): boolean {
  const rest = [root];
  while (rest.length > 0) {
    const each = rest[rest.length - 1];
    rest.length--;
    if (typeof each !== "object" || each === null) continue;
    if (!isArray(each) && hasOwn(each, "$type")) return true;
    const names = keys(each);
    for (let i = 0; i < names.length; i++) rest[rest.length] = (each as Record<string, unknown>)[names[i]!];
  }
  return false;
}

/** A value that is shared: what its references may be used for. */
interface Shared {
  /** Of an ArrayBuffer; `undefined` for everything else. */
  readonly byteLength: number | undefined;
  /** In how many instances of classes it stands. */
  readonly insideTypes: number;
  isComplete: boolean;
}

/**
 * The same tree in a dialect.
 * @param blobs of a native tree
 * @throws TypeError where the tree is not one that `toTree` makes; and what JSON throws where it becomes too large
 */
export function transcodeTree(root: unknown, to: Dialect, blobs: readonly Uint8Array[] = []): Tree {
  const made: Uint8Array[] = [];
  const shared: Shared[] = [];
  let depth = 0;
  let insideTypes = 0;
  let work = 0;

  function node(of: unknown): unknown {
    if (typeof of !== "object" || of === null) return primitive(of);
    const tag = tagOf(of);
    if (tag === "shared") return sharedNode(of as Tagged, node);
    if (tag === "ref") return refNode(of as Tagged);
    if (tag !== undefined && mapHas(PRIMITIVES, tag)) return primitive(only(of) && mapGet(PRIMITIVES, tag));
    if (tag === "bigint") return primitive(bigint(only(of, "value").value));
    if (++depth > DEEPEST_TREE + 1) throw new TypeError("It is nested too deeply");
    const copy = tag === undefined ? untagged(of) : tagged(of as Tagged);
    depth--;
    return copy;
  }

  function primitive(of: unknown): unknown {
    return to === "json" ? taggedPrimitive(of) : of;
  }

  function untagged(of: object): unknown {
    if (isArray(of)) return mapped(of, node);
    const copy = {};
    const names = keys(of);
    for (let i = 0; i < names.length; i++) define(copy, names[i]!, node((of as Record<string, unknown>)[names[i]!]));
    return copy;
  }

  function tagged(of: Tagged): Tagged {
    const { $type } = of;
    switch ($type) {
      case "Map":
        return { $type, entries: pairs(only(of, "entries").entries, node) };
      case "Set":
        return { $type, values: mapped(list(only(of, "values").values), node) };
      case "Date": {
        const { value } = only(of, "value");
        time(value); // throws
        return { $type, value };
      }
      case "RegExp": {
        const { source, flags, lastIndex } = only(of, "source", "flags", "lastIndex");
        work += regExpWork(text(source), text(flags));
        if (work > MOST_REG_EXP_WORK) throw new TypeError("It takes too long to make its regular expressions");
        new RegExp(text(source), text(flags)); // throws
        const index = node(lastIndex);
        if (typeof (to === "json" ? revived(index) : index) !== "number")
          throw new TypeError("A lastIndex is no number");
        return { $type, source, flags, lastIndex: index };
      }
      case "URL":
        return { $type, value: new URL(text(only(of, "value").value)).href };
      case "Array": {
        const length = integer(only(of, "length", "entries").length, 0, 2 ** 32 - 1);
        let least = 0;
        return {
          $type,
          length,
          entries: pairs(of.entries, (index) => {
            least = integer(index, least, length - 1) + 1;
            return index;
          }),
        };
      }
      case "object":
      case "null object":
        return { $type, entries: pairs(only(of, "entries").entries, text) };
      case "ArrayBuffer":
        return bytesNode(of).tag;
    }
    if ($type === "Buffer" || viewNamed($type)) return viewNode(of);
    if (isErrorName($type)) {
      const { hidden, entries } = only(of, "hidden", "entries");
      return { $type, hidden: pairs(hidden, hiddenKey), entries: pairs(entries, text) };
    }
    if (typeName($type) === undefined) throw new TypeError(`Nothing is of the type ${JSON.stringify($type)}`);
    insideTypes++;
    const value = node(only(of, "value").value);
    insideTypes--;
    return { $type, value };
  }

  function bytesNode(of: Tagged): { tag: Tagged; byteLength: number } {
    const { $type } = of;
    const bytes = hasOwn(of, "blob")
      ? blobs[integer(only(of, "blob").blob, 0, blobs.length - 1)]!
      : bytesOf(text(only(of, "base64").base64));
    if (to === "native") {
      made[made.length] = bytes;
      return { tag: { $type, blob: made.length - 1 }, byteLength: bytes.length };
    }
    return { tag: { $type, base64: base64Of(bytes) }, byteLength: bytes.length };
  }

  function viewNode(of: Tagged): Tagged {
    const { $type } = of;
    const fields = only(of, "buffer", "byteOffset", "length");
    let room = 0;
    /** What stands for an ArrayBuffer. */
    const bufferNode = (buffer: unknown): Tagged => {
      const tag = tagOf(buffer);
      if (tag === "shared") return sharedNode(buffer as Tagged, bufferNode);
      if (tag === "ref") {
        const ref = refNode(buffer as Tagged);
        room = shared[ref.id as number]!.byteLength ?? -1;
        return ref;
      }
      if (tag !== "ArrayBuffer") throw new TypeError(`The buffer of a ${$type} is none`);
      const { tag: copy, byteLength } = bytesNode(buffer as Tagged);
      room = byteLength;
      return copy;
    };
    const buffer = bufferNode(fields.buffer);
    const unit = unitOf($type);
    const byteOffset = integer(fields.byteOffset, 0, room);
    const length = integer(fields.length, 0, (room - byteOffset) / unit);
    if (byteOffset % unit !== 0) throw new TypeError(`A ${$type} is not aligned`);
    return { $type, buffer, byteOffset, length };
  }

  /** Numbered in the order in which they begin. */
  function sharedNode(of: Tagged, inner: (of: unknown) => unknown): Tagged {
    const { id, value } = only(of, "id", "value");
    if (id !== shared.length) throw new TypeError("A shared value has the number of another");
    const tag = tagOf(value);
    const isObject = typeof value === "object" && value !== null;
    if (!isObject || tag === "shared" || tag === "ref" || tag === "bigint" || mapHas(PRIMITIVES, tag)) {
      throw new TypeError("What is shared is no object");
    }
    const noted: Shared = { byteLength: lengthOfBytes(value as Tagged), insideTypes, isComplete: false };
    shared[shared.length] = noted;
    const copy = inner(value);
    noted.isComplete = true;
    return { $type: "shared", id, value: copy };
  }

  function refNode(of: Tagged): Tagged {
    const { id } = only(of, "id");
    const target = shared[integer(id, 0, shared.length - 1)]!;
    if (!target.isComplete && target.insideTypes < insideTypes) {
      throw new TypeError("A class has a part that refers back to what contains it");
    }
    return { $type: "ref", id };
  }

  function lengthOfBytes(of: Tagged): number | undefined {
    if (of.$type !== "ArrayBuffer") return undefined;
    return hasOwn(of, "blob") ? blobs[of.blob as number]?.length : bytesOf(text(of.base64)).length;
  }

  function pairs(of: unknown, key: (of: unknown) => unknown): unknown[] {
    return mapped(pairsOf(of), (each, i) => (i % 2 === 0 ? key(each) : node(each)));
  }

  return { root: node(root), blobs: made };
}

function mapped<T>(list: readonly unknown[], change: (each: unknown, i: number) => T): T[] {
  const copy: T[] = [];
  for (let i = 0; i < list.length; i++) copy[i] = change(list[i], i);
  return copy;
}

/** What a tag in JSON stands for, where it is a primitive. */
function revived(of: unknown): unknown {
  return typeof of === "object" && of !== null ? mapGet(PRIMITIVES, (of as Tagged).$type) : of;
}

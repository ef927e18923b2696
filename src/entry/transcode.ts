import { deserialize, serialize } from "node:v8";
import { taggedPrimitive } from "../key/primitives.js";
import { compressed, decompressed, type Payload, partsOf, textOf } from "./codecs.js";
import type { Compression } from "./compression.js";
import type { DecodedEntry } from "./entry.js";
import { DEEPEST_TREE, HIDDEN_IN_ERRORS } from "./storable.js";
import { type Dialect, define, ERRORS, PRIMITIVES, type Tagged, type Tree, VIEWS } from "./tagged.js";

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
    const [structure, ...blobs] = partsOf(plain, lengths);
    return { ...base, format: "tagged", parts: [jsonOf(transcodeTree(deserialize(structure!), "json", blobs))] };
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
  const parts = [serialize(tree.root), ...tree.blobs];
  return compressed({ ...base, format: "clone", lengths: parts.map((part) => part.length), parts }, compression);
}

function jsonOf({ root }: Tree): Uint8Array {
  return Buffer.from(JSON.stringify(root));
}

/** No recursion: plain JSON may be of any depth. */
function hasTags(root: unknown): boolean {
  const rest = [root];
  while (rest.length > 0) {
    const each = rest.pop();
    if (typeof each !== "object" || each === null) continue;
    if (!Array.isArray(each) && Object.hasOwn(each, "$type")) return true;
    for (const key of Object.keys(each)) rest.push((each as Record<string, unknown>)[key]);
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

  function node(of: unknown): unknown {
    if (typeof of !== "object" || of === null) return primitive(of);
    const tag = tagOf(of);
    if (tag === "shared") return sharedNode(of as Tagged, node);
    if (tag === "ref") return refNode(of as Tagged);
    if (tag !== undefined && PRIMITIVES.has(tag)) return primitive(only(of, []) && PRIMITIVES.get(tag));
    if (tag === "bigint") return primitive(BigInt(match(only(of, ["value"]).value, /^(0|-?[1-9][0-9]*)$/)));
    if (++depth > DEEPEST_TREE + 1) throw new TypeError("It is nested too deeply");
    const copy = tag === undefined ? untagged(of) : tagged(of as Tagged);
    depth--;
    return copy;
  }

  function primitive(of: unknown): unknown {
    return to === "json" ? taggedPrimitive(of) : of;
  }

  function untagged(of: object): unknown {
    if (Array.isArray(of)) return Array.from(of, node);
    const copy = {};
    for (const key of Object.keys(of)) define(copy, key, node((of as Record<string, unknown>)[key]));
    return copy;
  }

  function tagged(of: Tagged): Tagged {
    const { $type } = of;
    switch ($type) {
      case "Map":
        return { $type, entries: pairs(only(of, ["entries"]).entries, node) };
      case "Set":
        return { $type, values: list(only(of, ["values"]).values).map(node) };
      case "Date": {
        const { value } = only(of, ["value"]);
        return { $type, value: value === null ? null : integer(value, -LATEST, LATEST) };
      }
      case "RegExp": {
        const { source, flags, lastIndex } = only(of, ["source", "flags", "lastIndex"]);
        new RegExp(text(source), text(flags)); // throws
        const index = node(lastIndex);
        if (typeof (to === "json" ? revived(index) : index) !== "number")
          throw new TypeError("A lastIndex is no number");
        return { $type, source, flags, lastIndex: index };
      }
      case "URL":
        return { $type, value: new URL(text(only(of, ["value"]).value)).href };
      case "Array": {
        const length = integer(only(of, ["length", "entries"]).length, 0, 2 ** 32 - 1);
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
        return { $type, entries: pairs(only(of, ["entries"]).entries, text) };
      case "ArrayBuffer":
        return bytesNode(of)[0];
    }
    if ($type === "Buffer" || VIEWS.has($type)) return viewNode(of);
    if (ERRORS.has($type)) {
      const { hidden, entries } = only(of, ["hidden", "entries"]);
      return { $type, hidden: pairs(hidden, hiddenKey), entries: pairs(entries, text) };
    }
    if (!/^type ./s.test($type)) throw new TypeError(`Nothing is of the type ${JSON.stringify($type)}`);
    insideTypes++;
    const value = node(only(of, ["value"]).value);
    insideTypes--;
    return { $type, value };
  }

  function bytesNode(of: Tagged): [Tagged, byteLength: number] {
    const { $type } = of;
    const bytes = Object.hasOwn(of, "blob")
      ? blobs[integer(only(of, ["blob"]).blob, 0, blobs.length - 1)]!
      : bytesOf(text(only(of, ["base64"]).base64));
    if (to === "native") return [{ $type, blob: made.push(bytes) - 1 }, bytes.length];
    const base64 = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("base64");
    return [{ $type, base64 }, bytes.length];
  }

  function viewNode(of: Tagged): Tagged {
    const { $type } = of;
    const fields = only(of, ["buffer", "byteOffset", "length"]);
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
      const [copy, byteLength] = bytesNode(buffer as Tagged);
      room = byteLength;
      return copy;
    };
    const buffer = bufferNode(fields.buffer);
    const unit = (VIEWS.get($type) as { BYTES_PER_ELEMENT?: number } | undefined)?.BYTES_PER_ELEMENT ?? 1;
    const byteOffset = integer(fields.byteOffset, 0, room);
    const length = integer(fields.length, 0, (room - byteOffset) / unit);
    if (byteOffset % unit !== 0) throw new TypeError(`A ${$type} is not aligned`);
    return { $type, buffer, byteOffset, length };
  }

  /** Numbered in the order in which they begin. */
  function sharedNode(of: Tagged, inner: (of: unknown) => unknown): Tagged {
    const { id, value } = only(of, ["id", "value"]);
    if (id !== shared.length) throw new TypeError("A shared value has the number of another");
    const tag = tagOf(value);
    const isObject = typeof value === "object" && value !== null;
    if (!isObject || tag === "shared" || tag === "ref" || tag === "bigint" || PRIMITIVES.has(tag!)) {
      throw new TypeError("What is shared is no object");
    }
    const noted: Shared = { byteLength: lengthOfBytes(value as Tagged), insideTypes, isComplete: false };
    shared.push(noted);
    const copy = inner(value);
    noted.isComplete = true;
    return { $type: "shared", id, value: copy };
  }

  function refNode(of: Tagged): Tagged {
    const { id } = only(of, ["id"]);
    const target = shared[integer(id, 0, shared.length - 1)]!;
    if (!target.isComplete && target.insideTypes < insideTypes) {
      throw new TypeError("A class has a part that refers back to what contains it");
    }
    return { $type: "ref", id };
  }

  function lengthOfBytes(of: Tagged): number | undefined {
    if (of.$type !== "ArrayBuffer") return undefined;
    return Object.hasOwn(of, "blob") ? blobs[of.blob as number]?.length : bytesOf(text(of.base64)).length;
  }

  function pairs(of: unknown, key: (of: unknown) => unknown): unknown[] {
    const entries = list(of);
    if (entries.length % 2 !== 0) throw new TypeError("A key has no value");
    return entries.map((each, i) => (i % 2 === 0 ? key(each) : node(each)));
  }

  return { root: node(root), blobs: made };
}

/** Of Dates, in ms. */
const LATEST = 8.64e15;

/** What a tag in JSON stands for, where it is a primitive. */
function revived(of: unknown): unknown {
  return typeof of === "object" && of !== null ? PRIMITIVES.get((of as Tagged).$type) : of;
}

function tagOf(of: unknown): string | undefined {
  if (typeof of !== "object" || of === null || !Object.hasOwn(of, "$type")) return undefined;
  return text((of as Tagged).$type);
}

/** @throws TypeError where it has other properties than these and `$type` */
function only(of: object, names: readonly string[]): Tagged {
  if (Object.keys(of).length !== names.length + 1 || !names.every((name) => Object.hasOwn(of, name))) {
    throw new TypeError(`A ${tagOf(of)} has not exactly the properties of one`);
  }
  return of as Tagged;
}

function hiddenKey(of: unknown): unknown {
  if (!HIDDEN_IN_ERRORS.includes(of as PropertyKey)) throw new TypeError("An error has a hidden property");
  return of;
}

function list(of: unknown): unknown[] {
  if (!Array.isArray(of)) throw new TypeError("There is no list where one belongs");
  return of;
}

function text(of: unknown): string {
  if (typeof of !== "string") throw new TypeError("There is no text where one belongs");
  return of;
}

function match(of: unknown, pattern: RegExp): string {
  if (!pattern.test(text(of))) throw new TypeError("There is no number where one belongs");
  return of as string;
}

function integer(of: unknown, least: number, most: number): number {
  if (!Number.isInteger(of) || (of as number) < least || (of as number) > most || Object.is(of, -0)) {
    throw new TypeError("There is no fitting number where one belongs");
  }
  return of as number;
}

function bytesOf(base64: string): Uint8Array {
  const bytes = Buffer.from(base64, "base64");
  if (bytes.toString("base64") !== base64) throw new TypeError("There is no base64 where it belongs");
  return bytes;
}

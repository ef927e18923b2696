import { types } from "node:util";
import {
  define,
  getPrototypeOf,
  hasOwn,
  isArray,
  keys,
  mapGet,
  mapHas,
  mapSet,
  setAdd,
  silence,
  URL,
} from "../key/originals.js";
import { definitionNamed } from "../key/registered-types.js";
import {
  bigint,
  bytesOf,
  integer,
  list,
  MOST_REG_EXP_WORK,
  only,
  pairs,
  regExpWork,
  type Tagged,
  tagOf,
  text,
  time,
  typeName,
} from "./claims.js";
import { isHiddenInErrors } from "./storable.js";
import { PRIMITIVES } from "./tagged.js";
import { bareError, isErrorName, unitOf, viewNamed } from "./views.js";

/** A value that is shared: what its references may be used for. */
interface Shared {
  value: unknown;
  /** In how many instances of classes it stands. */
  readonly insideTypes: number;
  isComplete: boolean;
}

/**
 * The value of a tree. The tree is used up: its parts become parts of the value.
 * @param blobs ArrayBuffers of their own, which become those of the value; `undefined`: it is a tree of JSON, which
 * anybody may have written
 * @throws where the tree is not one that `toTree` makes, or needs a type that is not registered
 */
export function fromTree(root: unknown, blobs?: readonly ArrayBuffer[]): unknown {
  return new Reviver(blobs).revive(root);
}

/** A class, for the methods of one are made once: to make as many functions for each hit takes longer than most trees. */
class Reviver {
  readonly #blobs: readonly ArrayBuffer[] | undefined;
  readonly #shared: Shared[] = [];
  #insideTypes = 0;
  #work = 0;

  constructor(blobs: readonly ArrayBuffer[] | undefined) {
    this.#blobs = blobs;
  }

  /** @param id of a shared value, which is noted before its parts are revived: one of them may refer to it */
  revive(node: unknown, id?: number): unknown {
    if (typeof node !== "object" || node === null) return node;
    if (isArray(node)) {
      this.#note(id, node);
      for (let i = 0; i < node.length; i++) node[i] = this.revive(node[i]);
      return node;
    }
    if (hasOwn(node, "$type")) return this.#reviveTagged(node as Tagged, id);
    this.#note(id, node);
    const names = keys(node);
    // Its own properties: no setter is called, and `__proto__` is one like any other.
    for (let i = 0; i < names.length; i++) (node as Tagged)[names[i]!] = this.revive((node as Tagged)[names[i]!]);
    return node;
  }

  #note<T>(id: number | undefined, value: T): T {
    if (id !== undefined) this.#shared[id]!.value = value;
    return value;
  }

  #reviveTagged(node: Tagged, id: number | undefined): unknown {
    const $type = text(node.$type);
    switch ($type) {
      case "bigint":
        return bigint(only(node, "value").value);
      case "shared":
        return this.#reviveShared(node);
      case "ref":
        return this.#referred(node);
      case "Date":
        return new Date(time(only(node, "value").value));
      case "RegExp":
        return this.#regExp(only(node, "source", "flags", "lastIndex"));
      case "URL":
        return new URL!(text(only(node, "value").value));
      case "Map": {
        const map = this.#note(id, new Map());
        const entries = pairs(only(node, "entries").entries);
        for (let i = 0; i < entries.length; i += 2) {
          const key = this.revive(entries[i]); // first: the value may refer to it
          mapSet(map, key, this.revive(entries[i + 1]));
        }
        return map;
      }
      case "Set": {
        const set = this.#note(id, new Set());
        const values = list(only(node, "values").values);
        for (let i = 0; i < values.length; i++) setAdd(set, this.revive(values[i]));
        return set;
      }
      case "Array":
        return this.#sparse(only(node, "length", "entries"), id);
      case "object":
        return this.#fill(this.#note(id, {}), only(node, "entries").entries);
      case "null object":
        return this.#fill(this.#note(id, { __proto__: null }), only(node, "entries").entries);
      case "ArrayBuffer":
        return this.#buffer(node);
    }
    if (mapHas(PRIMITIVES, $type)) return only(node) && mapGet(PRIMITIVES, $type);
    if ($type === "Buffer" || viewNamed($type)) return this.#view(only(node, "buffer", "byteOffset", "length"), $type);
    if (isErrorName($type)) {
      const error = this.#note(id, bareError($type));
      this.#each(only(node, "hidden", "entries").hidden, hiddenKey, (key, value) => define(error, key, value, false));
      return this.#fill(error, node.entries);
    }
    return this.#instance(node, $type);
  }

  /** Numbered in the order in which they begin. */
  #reviveShared(node: Tagged): unknown {
    const { value } = only(node, "id", "value");
    const id = integer(node.id, this.#shared.length, this.#shared.length);
    const tag = tagOf(value);
    const isObject = typeof value === "object" && value !== null;
    if (
      !isObject ||
      tag === "shared" ||
      tag === "ref" ||
      tag === "bigint" ||
      (tag !== undefined && mapHas(PRIMITIVES, tag))
    )
      throw new TypeError("What is shared is no object");
    const noted: Shared = { value: undefined, insideTypes: this.#insideTypes, isComplete: false };
    this.#shared[id] = noted;
    noted.value = this.revive(value, id);
    noted.isComplete = true;
    return noted.value;
  }

  #referred(node: Tagged): unknown {
    const target = this.#shared[integer(only(node, "id").id, 0, this.#shared.length - 1)]!;
    if (!target.isComplete && (target.insideTypes < this.#insideTypes || target.value === undefined))
      throw new TypeError("A class has a part that refers back to what contains it");
    return target.value;
  }

  #regExp({ source, flags, lastIndex }: Tagged): RegExp {
    this.#work += this.#blobs ? 0 : regExpWork(text(source), text(flags));
    if (this.#work > MOST_REG_EXP_WORK) throw new TypeError("It takes too long to make its regular expressions");
    const made = new RegExp(text(source), text(flags));
    const index = this.revive(lastIndex);
    if (typeof index !== "number") throw new TypeError("A lastIndex is no number");
    made.lastIndex = index;
    return made;
  }

  /** An array with holes. A length is only a claim: memory is taken for what is there. */
  #sparse(node: Tagged, id: number | undefined): unknown[] {
    const entries = pairs(node.entries);
    const length = integer(node.length, 0, 2 ** 32 - 1);
    const array: unknown[] = this.#note(id, []);
    if (length > 1000 + 4 * entries.length) array.length = 2 ** 32 - 1; // from here on it is a dictionary, also below
    array.length = length;
    let least = 0;
    this.#each(
      entries,
      (index) => {
        least = integer(index, least, length - 1) + 1;
        return least - 1;
      },
      (index, value) => define(array, index, value),
    );
    return array;
  }

  #buffer(node: Tagged): ArrayBuffer {
    if (!this.#blobs) return new Uint8Array(bytesOf(only(node, "base64").base64)).buffer;
    return this.#blobs[integer(only(node, "blob").blob, 0, this.#blobs.length - 1)]!;
  }

  #view({ buffer: of, byteOffset: offset, length: count }: Tagged, $type: string): ArrayBufferView {
    const bytes = this.revive(of);
    if (!types.isArrayBuffer(bytes)) throw new TypeError(`The buffer of a ${$type} is none`);
    const room = new Uint8Array(bytes).byteLength;
    const unit = unitOf($type);
    const byteOffset = integer(offset, 0, room);
    const length = integer(count, 0, (room - byteOffset) / unit);
    if (byteOffset % unit !== 0) throw new TypeError(`A ${$type} is not aligned`);
    const View = viewNamed($type);
    return View ? new View(bytes, byteOffset, length) : Buffer.from(bytes, byteOffset, length);
  }

  #instance(node: Tagged, $type: string): unknown {
    const name = typeName($type);
    const known = name === undefined ? undefined : definitionNamed(name);
    if (!known)
      throw new TypeError(`The entry holds a value of type "${$type}", which is not registered (defineType).`);
    this.#insideTypes++;
    const data = this.revive(only(node, "value").value);
    this.#insideTypes--;
    const value: unknown = known.definition.decode(data);
    // Exactly of the class, as what was encoded: an instance of another, or a promise of one, would be another value.
    if (typeof value === "object" && value !== null && getPrototypeOf(value) === known.prototype) return value;
    silence(value);
    throw new TypeError(`defineType ${name}: decode did not give an instance of the class.`);
  }

  /** Calls `set` with each key, and the value that belongs to it. The key first: the value may refer to it. */
  #each<K>(entries: unknown, keyOf: (of: unknown) => K, set: (key: K, value: unknown) => void): void {
    const found = pairs(entries);
    for (let i = 0; i < found.length; i += 2) {
      const key = keyOf(found[i]);
      set(key, this.revive(found[i + 1]));
    }
  }

  #fill(target: object, entries: unknown): object {
    this.#each(entries, text, (key, value) => define(target, key, value));
    return target;
  }
}

export function hiddenKey(of: unknown): string {
  if (!isHiddenInErrors(of)) throw new TypeError("An error has a hidden property");
  return of as string;
}

import stableStringify from "fast-json-stable-stringify";
import { endOfSlice, execute, isArray, joined, keys, sliceOf, sort, stringify } from "./originals.js";

/**
 * Trees of arrays, plain objects and primitives of JSON as text. The trees were made here: nobody else can reach
 * them, and whatever they inherit was put there by others.
 */

/** The text with sorted keys. @param size how many values and characters of long strings the tree has, about */
export function printSorted(tree: unknown, size: number): string {
  if (size <= LARGE && isIntact()) return stableStringify(tree);
  // A rope around the text itself: to join them would copy it.
  const parts = printParts(tree, true);
  return parts.length === 3 ? parts[0]! + parts[1]! + parts[2]! : joined(parts, "");
}

/** As `JSON.stringify` would print the tree in a program that left the prototypes alone. */
export function printPlain(tree: unknown): string {
  return isIntact() ? stringify(tree) : joined(printParts(tree, false), "");
}

/** The values or characters from which on a text is made in parts: a rope of millions of pieces takes ten times its size. */
export const LARGE = 50_000;

const PROTOTYPES = {
  all: Object.prototype,
  array: Array.prototype,
  string: String.prototype,
  number: Number.prototype,
  boolean: Boolean.prototype,
};
const { sort: arraySort, indexOf, push, splice } = Array.prototype;

/** Whether the two printers of others print our trees as they are: they ask for `toJSON`, and call methods of arrays. */
function isIntact(): boolean {
  const { all, array, string, number, boolean } = PROTOTYPES;
  if ("toJSON" in all || "toJSON" in array || "toJSON" in string || "toJSON" in number || "toJSON" in boolean)
    return false;
  return array.sort === arraySort && array.indexOf === indexOf && array.push === push && array.splice === splice;
}

/** The same texts as the printers of others give, for trees that those cannot be given. */
export function printParts(tree: unknown, isSorted: boolean): string[] {
  const printer = new Printer(isSorted);
  printer.print(tree);
  return printer.end();
}

/** Pieces in a part. */
const MOST_PIECES = 4096;

class Printer {
  readonly #isSorted: boolean;
  readonly #parts: string[] = [];
  #pieces: string[] = [];

  constructor(isSorted: boolean) {
    this.#isSorted = isSorted;
  }

  print(node: unknown): void {
    if (typeof node === "string") this.#printString(node);
    else if (typeof node !== "object" || node === null) this.#add(`${node as number | boolean | null}`);
    else if (isArray(node)) {
      this.#add("[");
      for (let i = 0; i < node.length; i++) {
        if (i > 0) this.#add(",");
        this.print(node[i]);
      }
      this.#add("]");
    } else {
      const names = this.#isSorted ? sort(keys(node)) : keys(node);
      for (let i = 0; i < names.length; i++) {
        this.#add(i === 0 ? "{" : ",");
        this.#printString(names[i]!);
        this.#add(":");
        this.print((node as Record<string, unknown>)[names[i]!]);
      }
      this.#add(names.length === 0 ? "{}" : "}");
    }
  }

  end(): string[] {
    this.#flush();
    return this.#parts;
  }

  #printString(text: string): void {
    if (text.length <= LARGE) {
      this.#add(stringify(text));
      return;
    }
    this.#flush();
    if (execute(ESCAPED, text) === null) {
      this.#add('"');
      this.#flush();
      this.#parts[this.#parts.length] = text;
      this.#add('"');
      this.#flush();
      return;
    }
    this.#add('"');
    for (let at = 0; at < text.length; ) {
      const end = endOfSlice(text, at + LARGE);
      this.#add(sliceOf(stringify(sliceOf(text, at, end)), 1, -1));
      at = end;
    }
    this.#add('"');
    this.#flush();
  }

  #add(piece: string): void {
    this.#pieces[this.#pieces.length] = piece;
    if (this.#pieces.length === MOST_PIECES) this.#flush();
  }

  #flush(): void {
    if (this.#pieces.length > 0) this.#parts[this.#parts.length] = joined(this.#pieces, "");
    this.#pieces = [];
  }
}

/** What JSON writes otherwise than it is: a surrogate only where it stands alone. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: it is them
const ESCAPED = /["\\\u0000-\u001f\p{Surrogate}]/u;

import { execute, keys, parse, sliceOf } from "../key/originals.js";
import { printPlain } from "../key/print.js";

/** The file name of an entry for people: `square_12_3_<20 hex digits>.entry`. At most 100 characters, safe on every file system. */
export class ReadableName {
  readonly #path: string;
  readonly #key: string;
  readonly #digest: string;
  /** Whether entries are to be written under it. They are found under either name. */
  readonly isPreferred: boolean;
  #file: string | undefined;

  constructor(path: string, key: string, digest: string, isPreferred: boolean) {
    this.#path = path;
    this.#key = key;
    this.#digest = digest;
    this.isPreferred = isPreferred;
  }

  /** Made when it is needed: most calls are served under the other name. */
  get file(): string {
    this.#file ??= this.#make();
    return this.#file;
  }

  #make(): string {
    const end = `_${sliceOf(this.#digest, 0, HASH)}.entry`;
    let name = wordOf(lastSegment(this.#path));
    const args = argumentsOf(this.#key);
    for (let i = 0; i < args.length; i++) name += `_${wordOf(args[i]!)}`;
    const whole = sliceOf(name, 0, LONGEST - end.length) + end;
    return execute(DEVICE, whole) === null ? whole : sliceOf(`=${whole}`, 0, LONGEST - end.length) + end;
  }
}

function lastSegment(path: string): string {
  let start = path.length;
  while (start > 0 && path[start - 1] !== "/") start--;
  return sliceOf(path, start);
}

/** A run of other characters becomes a dash. */
function wordOf(text: string): string {
  let word = "";
  let isOther = false;
  for (let i = 0; i < text.length && word.length < LONGEST; i++) {
    if (execute(SAFE, text[i]!) !== null) word += text[i];
    else if (!isOther) word += "-";
    isOther = execute(SAFE, text[i]!) === null;
  }
  return word;
}
const SAFE = /[A-Za-z0-9.@-]/;

/** Windows keeps these for devices, whatever follows the dot. */
const DEVICE = /^(con|prn|aux|nul|com[0-9]|lpt[0-9])\./i;

const LONGEST = 100;
/** Characters of a key. */
const READ = 6000;
/** Hex digits; the entry holds its key in full. */
export const HASH = 20;

function argumentsOf(key: string): string[] {
  if (key.length > READ) return [sliceOf(key, 0, LONGEST)]; // maybe too deep for the stack
  const named: unknown = parse(key);
  if (typeof named !== "object" || named === null) return [textOf(named)];
  const names = keys(named);
  const texts: string[] = [];
  for (let i = 0; i < names.length; i++) texts[i] = textOf((named as Record<string, unknown>)[names[i]!]);
  return texts;
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : printPlain(value);
}

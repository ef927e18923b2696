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
    const end = `_${this.#digest.slice(0, HASH)}.entry`;
    const segment = this.#path.slice(this.#path.lastIndexOf("/") + 1);
    const words = [segment, ...argumentsOf(this.#key)].map((word) => word.replaceAll(/[^A-Za-z0-9.@-]+/g, "-"));
    const name = words.join("_").slice(0, LONGEST - end.length) + end;
    return DEVICE.test(name) ? `=${name}`.slice(0, LONGEST - end.length) + end : name;
  }
}

/** Windows keeps these for devices, whatever follows the dot. */
const DEVICE = /^(con|prn|aux|nul|com[0-9]|lpt[0-9])\./i;

const LONGEST = 100;
/** Characters of a key. */
const READ = 6000;
/** Hex digits; the entry holds its key in full. */
export const HASH = 20;

function argumentsOf(key: string): string[] {
  if (key.length > READ) return [key.slice(0, LONGEST)]; // maybe too deep for the stack
  const named: unknown = JSON.parse(key);
  const values = typeof named === "object" && named !== null ? Object.values(named) : [named];
  return values.map((value) => (typeof value === "string" ? value : printPlain(value)));
}

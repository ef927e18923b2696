import { lstatSync, unlinkSync } from "node:fs";
import { dirname } from "node:path";
import { codeOf } from "../../files/io.js";
import type { Evicted } from "../engine.js";
import { isDirectory, isFolder, namesIn } from "./directories.js";
import { ENTRY, fileOf, isForPeople } from "./entry-file.js";
import { dropContents, KEPT_FOLDER } from "./kept-contents.js";
import type { Place, Victim } from "./ledger/victims.js";
import type { Root } from "./root.js";

/**
 * Removes entries that the index of the ledger has forgotten. Where that fails, the index has to be read anew.
 * @returns what is told of those that were not gone already
 * @throws what the system throws for one, once the others are removed: the ledger has none of them any more
 */
export function evict(root: Root, victims: readonly Victim[]): Evicted[] {
  try {
    return new Eviction(root.get()!).run(root, victims);
  } catch (error) {
    root.ledger.forget();
    throw error;
  }
}

/** Those of some entries that are gone, though the ledger has them: somebody has removed their files. */
export function missingOf(root: Root, places: Iterable<Place>): Place[] {
  const eviction = new Eviction(root.get()!);
  return [...places].filter((place) => !eviction.isThere(place));
}

/** The removal of some entries. It looks once, right before, at what leads to them, and follows no link. */
class Eviction {
  readonly #root: string;
  /** Of folders: whether they are some, and no links, as all on the way to them. */
  readonly #seen = new Map<string, boolean>();
  readonly #names = new Map<string, string[]>();
  readonly #keeps = new Map<string, boolean>();

  constructor(root: string) {
    this.#root = root;
  }

  /** The ledger is told first. */
  run({ ledger }: Root, victims: readonly Victim[]): Evicted[] {
    const named = victims.map((victim) => ({ ...victim, names: this.#namesOf(victim) }));
    ledger.note(...named.flatMap(({ folder, names }) => names.map((name) => `- ${folder}/${name}`)));
    const gone: Evicted[] = [];
    const errors: unknown[] = [];
    for (const { folder, names, evicted } of named) {
      try {
        if (names.filter((name) => this.#remove(folder, name)).length > 0) gone.push(evicted);
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw errors[0];
    return gone;
  }

  isThere(place: Place): boolean {
    return this.#namesOf(place).some((name) => isFile(`${this.#root}/${place.folder}/${name}`));
  }

  /** From the folder of the entry. */
  #namesOf({ folder, digits }: Place): string[] {
    const name = fileOf(digits);
    if (!isForPeople(digits)) return [name];
    const shard = digits.slice(0, 2);
    const end = `_${digits}${ENTRY}`;
    const found = this.#namesIn(`${folder}/${shard}`).filter((each) => each.endsWith(end));
    return found.length > 0 ? found.map((each) => `${shard}/${each}`) : [name]; // the ledger is to forget it
  }

  #namesIn(shard: string): string[] {
    return once(this.#names, shard, () => (this.#leadsTo(shard) ? namesIn(`${this.#root}/${shard}`) : []));
  }

  #leadsTo(folder: string): boolean {
    return once(this.#seen, folder, () => {
      const before = folder.lastIndexOf("/");
      return (before < 0 || this.#leadsTo(folder.slice(0, before))) && isDirectory(`${this.#root}/${folder}`);
    });
  }

  /** @returns whether it was still there */
  #remove(folder: string, name: string): boolean {
    const file = `${this.#root}/${folder}/${name}`;
    if (!this.#leadsTo(dirname(`${folder}/${name}`))) return false;
    try {
      unlinkSync(file);
    } catch (error) {
      if (["ENOENT", "ENOTDIR"].includes(codeOf(error))) return false;
      throw error;
    }
    const path = `${this.#root}/${folder}`;
    if (once(this.#keeps, folder, () => isFolder(`${path}/${KEPT_FOLDER}`))) dropContents(path, file, []);
    return true;
  }
}

/** What is out of reach may be there. */
function isFile(path: string): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch (error) {
    return codeOf(error) !== "ENOTDIR";
  }
}

function once<T>(known: Map<string, T>, name: string, find: () => T): T {
  const value = known.get(name) ?? find();
  known.set(name, value);
  return value;
}

import { closeSync, constants, fstatSync, openSync, readSync, renameSync, writeFileSync, writeSync } from "node:fs";
import { codeOf } from "../files/io.js";
import { pathOfFolder } from "../identity.js";
import { type Aged, type AgeLimits, exceeded, isExpired, type RetentionLimits, type SizeLimits } from "../retention.js";
import { ENTRY_FILE } from "./entry-file.js";
import type { Evicted } from "./store.js";

/**
 * The ledger of a directory: which entries there are, how large, and when they were last used. It is there only where
 * some program has limits, is made by the first of these, and from then on kept by all that write; so that no write has
 * to look through the directory. It serves retention and nothing else: an entry that it lacks is served all the same, one
 * that it has and that is gone is forgotten when its turn comes.
 *
 * A text file, appended to by single writes; times in ms since 1970, names relative to the directory:
 *
 *     + <name> <bytes> <createdAt> <usedAt>     an entry was written
 *     u <name> <usedAt>                         it was used
 *     - <name>                                  it was removed
 *     c <folder>                                all entries of a folder were
 */
export class Ledger {
  readonly #path: string;
  readonly #mode: number;
  readonly index = new Index();
  /** What of which file was read. */
  #ino = 0;
  #read = 0;

  /** @param mode permissions of the file, before the umask takes of them */
  constructor(path: string, mode: number) {
    this.#path = path;
    this.#mode = mode;
  }

  /** Appends a line, where there is a ledger. */
  note(line: string): void {
    let fd: number;
    try {
      fd = openSync(this.#path, constants.O_WRONLY | constants.O_APPEND | (constants.O_NOFOLLOW ?? 0));
    } catch (error) {
      if (["ENOENT", "ENOTDIR"].includes(codeOf(error))) return;
      throw error;
    }
    try {
      writeSync(fd, `${line}\n`);
    } finally {
      closeSync(fd);
    }
  }

  /**
   * Reads what others have appended; the first time, all of it.
   * @param list the entries there are, for a ledger that has to be made
   * @param temporary a path for a new file
   */
  catchUp(list: () => Iterable<[name: string, entry: Aged]>, temporary: () => string): void {
    if (!this.readOn()) {
      this.#write(new Map(list()), temporary());
      this.readOn();
      // What was written while it was made is in neither: it is read from the directory once more, now that all note.
      for (const [name, entry] of list()) if (!this.index.has(name)) this.note(written(name, entry));
      this.readOn();
    }
    if (this.#read > SMALLEST && this.#read > WORDY * this.index.all.size) {
      this.readOn();
      this.#write(this.index.all, temporary());
      this.readOn();
    }
  }

  /** Reads what others have appended. @returns false where there is no ledger */
  readOn(): boolean {
    let fd: number;
    try {
      fd = openSync(this.#path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0));
    } catch (error) {
      if (codeOf(error) === "ENOENT") return false;
      throw error;
    }
    try {
      const { ino, size } = fstatSync(fd);
      if (ino !== this.#ino || size < this.#read) {
        this.index.clear();
        this.#ino = ino;
        this.#read = 0;
      }
      const bytes = Buffer.allocUnsafe(Math.max(0, size - this.#read));
      const length = readSync(fd, bytes, 0, bytes.length, this.#read);
      const whole = bytes.subarray(0, length).lastIndexOf(0x0a) + 1; // a line may be half written
      for (const line of bytes.toString("utf8", 0, whole).split("\n")) this.index.apply(line);
      this.#read += whole;
      return true;
    } finally {
      closeSync(fd);
    }
  }

  #write(entries: ReadonlyMap<string, Aged>, temporary: string): void {
    // In the order of their age, then in that of their use: both are read from the order of the lines.
    const all = [...entries];
    const oldestFirst = all.toSorted(([, a], [, b]) => a.createdAt - b.createdAt);
    const used = all
      .filter(([, { createdAt, usedAt }]) => usedAt > createdAt)
      .sort(([, a], [, b]) => a.usedAt - b.usedAt);
    let text = "";
    for (const [name, { bytes, createdAt }] of oldestFirst) {
      text += `${written(name, { bytes, createdAt, usedAt: createdAt })}\n`;
    }
    for (const [name, { usedAt }] of used) text += `u ${name} ${usedAt}\n`;
    writeFileSync(temporary, text, { flag: "wx", mode: this.#mode });
    renameSync(temporary, this.#path);
  }
}

/** Bytes. A ledger is written anew when it is this large and mostly history. */
const SMALLEST = 64 * 1024;
const WORDY = 500;

export function written(name: string, { bytes, createdAt, usedAt }: Aged): string {
  return `+ ${name} ${bytes} ${createdAt} ${usedAt}`;
}

/** Entries in order: a Map keeps the order of insertion, so what is used again moves to the end. */
class Group {
  readonly byUse = new Map<string, Item>();
  readonly byAge = new Map<string, Item>();
  bytes = 0;

  get size(): number {
    return this.byUse.size;
  }

  add(item: Item): void {
    this.remove(item.name);
    this.byUse.set(item.name, item);
    this.byAge.set(item.name, item);
    this.bytes += item.bytes;
  }

  use(item: Item): void {
    if (this.byUse.delete(item.name)) this.byUse.set(item.name, item);
  }

  remove(name: string): void {
    this.bytes -= this.byUse.get(name)?.bytes ?? 0;
    this.byUse.delete(name);
    this.byAge.delete(name);
  }
}

interface Item extends Aged {
  readonly name: string;
  usedAt: number;
}

/** An entry that has to go, and why. */
export interface Beyond extends Evicted {
  readonly name: string;
}

/** What a ledger says, in memory. */
class Index {
  readonly #all = new Group();
  readonly #byPath = new Map<string, Group>();

  get all(): ReadonlyMap<string, Aged> {
    return this.#all.byUse;
  }

  /** The entries of the path of a name, or all of them. */
  of(name: string | undefined): readonly Item[] {
    return [...(name === undefined ? this.#all : this.#group(name)).byUse.values()];
  }

  has(name: string): boolean {
    return this.#all.byUse.has(name);
  }

  usedAt(name: string): number | undefined {
    return this.#all.byUse.get(name)?.usedAt;
  }

  clear(): void {
    this.#byPath.clear();
    for (const name of [...this.#all.byUse.keys()]) this.#all.remove(name);
  }

  /** A line that no writer of entries could have written is passed over: what it names is not to be trusted. */
  apply(line: string): void {
    const [sign, name = "", ...rest] = line.split(" ");
    const numbers = rest.map(Number);
    if (!numbers.every((number) => number >= 0 && Number.isFinite(number))) return;
    if (sign === "c") {
      const group = this.#group(`${name}/`);
      for (const each of [...group.byUse.keys()]) if (each.startsWith(`${name}/`)) this.apply(`- ${each}`);
      return;
    }
    if (!isEntryName(name)) return;
    const [first, createdAt, usedAt] = numbers;
    if (sign === "+" && usedAt !== undefined) {
      const item = { name, bytes: first!, createdAt: createdAt!, usedAt };
      for (const group of [this.#all, this.#group(name)]) group.add(item);
    } else if (sign === "u" && first !== undefined) {
      this.use(name, first);
    } else if (sign === "-") {
      for (const group of [this.#all, this.#group(name)]) group.remove(name);
    }
  }

  use(name: string, usedAt: number): void {
    const item = this.#all.byUse.get(name);
    if (!item || item.usedAt >= usedAt) return;
    item.usedAt = usedAt;
    for (const group of [this.#all, this.#group(name)]) group.use(item);
  }

  /** All versions of a path are one group. */
  #group(name: string): Group {
    const path = groupOf(name);
    let group = this.#byPath.get(path);
    if (!group) {
      group = new Group();
      this.#byPath.set(path, group);
    }
    return group;
  }

  /**
   * The next entry that has to go, among those of the path of a name, or of all where that is `undefined`. Only the ends
   * of the orders are looked at: the cost does not grow with the number of entries.
   */
  next(name: string | undefined, limits: AgeLimits & SizeLimits, now: number): Beyond | undefined {
    const group = name === undefined ? this.#all : this.#group(name);
    const [oldest] = group.byAge.values();
    if (!oldest) return undefined;
    const [leastRecent] = group.byUse.values() as Iterable<Item> as [Item];
    if (isExpired(oldest, { maxAge: limits.maxAge }, now)) return beyond(oldest, "maxAge");
    if (isExpired(leastRecent, { maxIdle: limits.maxIdle }, now)) return beyond(leastRecent, "maxIdle");
    const limit = exceeded(group.size, group.bytes, limits);
    return limit && beyond(leastRecent, limit);
  }
}

export function beyond({ name, createdAt, usedAt }: Item, limit: keyof RetentionLimits): Beyond {
  return { name, path: pathOfFolder(groupOf(name)), limit, isUnused: createdAt === usedAt };
}

/** `a/b/=1/3f/....entry`, and nothing that leads elsewhere: who evicts deletes by this name. */
function isEntryName(name: string): boolean {
  const parts = name.split("/");
  const [folder = "", shard = "", file = ""] = parts.slice(-3);
  return (
    parts.length > 3 &&
    parts.every((part) => part !== "" && part !== "." && part !== "..") &&
    /^=1(=|$)/.test(folder) &&
    /^[0-9a-f]{2}$/.test(shard) &&
    ENTRY_FILE.test(file)
  );
}

/** `a/b` as a folder, for `a/b/=1/3f/....entry`, whatever the version. */
function groupOf(name: string): string {
  return name.slice(0, name.indexOf("/=1"));
}

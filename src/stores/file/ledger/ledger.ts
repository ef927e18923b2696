import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  openSync,
  readSync,
  renameSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { codeOf } from "../../../files/io.js";
import type { Aged } from "../../limits.js";
import type { EntryTable } from "./entry-table.js";
import { LedgerIndex } from "./ledger-index.js";

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
 *
 * Of a name for people only the digits at its end count: where a ledger is written anew the rest is left out.
 */
export class Ledger {
  readonly #path: string;
  readonly #mode: number;
  readonly index = new LedgerIndex();
  /** What of which file was read. */
  #ino = 0;
  #read = 0;

  /** @param mode permissions of the file, before the umask takes of them */
  constructor(path: string, mode: number) {
    this.#path = path;
    this.#mode = mode;
  }

  /** Appends a line, or several at once, where there is a ledger. */
  note(...lines: readonly string[]): void {
    if (!existsSync(this.#path)) return; // to open what is not there takes three times as long
    let fd: number;
    try {
      fd = openSync(this.#path, constants.O_WRONLY | constants.O_APPEND | (constants.O_NOFOLLOW ?? 0));
    } catch (error) {
      if (["ENOENT", "ENOTDIR"].includes(codeOf(error))) return;
      throw error;
    }
    try {
      writeSync(fd, `${lines.join("\n")}\n`);
    } finally {
      closeSync(fd);
    }
  }

  /** Next time all of it is read. */
  forget(): void {
    this.#ino = 0;
  }

  /** Reads what others have appended; the first time, all of it. @returns false where there is no ledger */
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
      if (ino !== this.#ino || size < this.#read || this.index.isFull) {
        this.index.clear();
        this.#ino = ino;
        this.#read = 0;
      }
      if (size > this.#read) this.#readFrom(fd, Buffer.allocUnsafe(Math.min(BLOCK, size - this.#read)));
      return true;
    } finally {
      closeSync(fd);
    }
  }

  #readFrom(fd: number, block: Buffer): void {
    for (;;) {
      const length = readSync(fd, block, 0, block.length, this.#read);
      const whole = block.subarray(0, length).lastIndexOf(0x0a) + 1; // a line may be half written
      for (const line of block.toString("utf8", 0, whole).split("\n")) this.index.apply(line);
      // What fills a block without an end is no line of ours.
      this.#read += whole === 0 && length === BLOCK ? length : whole;
      if (length < BLOCK) return;
    }
  }

  /** Writes it anew where it is mostly history. @param temporary a path for a new file */
  tidy(temporary: () => string): void {
    if (this.#read <= SMALLEST || this.#read <= WORDY * this.index.size) return;
    const path = temporary();
    this.readOn();
    this.#write(path);
  }

  /**
   * Makes it, where there is none, of the entries of a table, which is that of the index from now on.
   * @param temporary a path for a new file
   */
  make(temporary: string, table: EntryTable): void {
    this.index.fill(table);
    this.#write(temporary);
  }

  /** What the index says, the least recently used first: in this order it is read. */
  #write(temporary: string): void {
    const fd = openSync(temporary, "wx", this.#mode);
    try {
      let text = "";
      for (const [name, aged] of this.index.entries()) {
        text += `${writtenLine(name, aged)}\n`;
        if (text.length < BLOCK) continue;
        writeFileSync(fd, text);
        text = "";
      }
      writeFileSync(fd, text);
      const { ino, size } = fstatSync(fd);
      renameSync(temporary, this.#path);
      this.#ino = ino;
      this.#read = size;
    } finally {
      closeSync(fd);
    }
  }
}

/** Bytes that are read or written at once: a ledger may be larger than memory should be. */
const BLOCK = 64 * 1024;

/** Bytes. A ledger is written anew when it is this large and mostly history. */
const SMALLEST = 64 * 1024;
const WORDY = 500;

export function writtenLine(name: string, { bytes, createdAt, usedAt }: Aged): string {
  return `+ ${name} ${bytes} ${Math.floor(createdAt)} ${Math.floor(usedAt)}`;
}

import { setTimeout } from "../../flow.js";
import { isAhead } from "../limits.js";
import type { Database } from "./database.js";
import { stampKey, stampOf, timeOf } from "./records.js";
import { folderIn, infoIn, putInfo } from "./tables.js";

/** Milliseconds: uses are noted for others this often. */
const TOUCH = 1_000;
/** Uses that are noted before other code has its turn. */
const AT_ONCE = 256;
/** Uses that are noted in one transaction. */
const AT_A_TIME = 1_000;

/**
 * When entries of a folder were used. A hit must not wait for a transaction: uses are held in memory, and written down
 * later, many at a time.
 */
export class Uses {
  readonly #database: Database;
  readonly #folder: Buffer;
  /** Digests of what was used, and when; not noted yet. */
  readonly #times = new Map<string, number>();
  #isNoting = false;

  /** @param folder the key of the folder */
  constructor(database: Database, folder: Buffer) {
    this.#database = database;
    this.#folder = folder;
  }

  add(digest: string): void {
    this.#times.set(digest, Date.now());
    this.#noteLater();
  }

  #noteLater(): void {
    if (this.#isNoting) return;
    this.#isNoting = true;
    const note = () => {
      this.#isNoting = false;
      try {
        if (this.note(AT_ONCE)) this.#noteLater();
      } catch {
        // It was a hit all the same; the next writer tells what is wrong.
      }
    };
    setTimeout(note, TOUCH).unref();
  }

  /** Writes down what was used. @param most so many of them. @returns whether some are left */
  note(most = Number.POSITIVE_INFINITY): boolean {
    if (this.#times.size === 0 || !this.#database.get()) return false;
    const uses = [...this.#times].slice(0, most);
    for (const [digest] of uses) this.#times.delete(digest);
    for (let from = 0; from < uses.length; from += AT_A_TIME) {
      this.#database.write((opened) => {
        const number = folderIn(opened, this.#folder)?.number;
        if (number === undefined) return;
        const transaction = opened.root.getWriteTxnId();
        for (const [i, [digest, time]] of uses.slice(from, from + AT_A_TIME).entries()) {
          const info = infoIn(opened, number, digest);
          if (!info || !isLater(time, timeOf(info.used))) continue;
          opened.byUse.remove(stampKey(number, info.used));
          putInfo(opened, number, digest, { ...info, used: stampOf(time, transaction, i + 1) });
        }
      });
    }
    return this.#times.size > 0;
  }

  /** In ms since 1970; `undefined` where there is no such entry. */
  at(digest: string): number | undefined {
    const info = this.#database.read((opened) => {
      const folder = folderIn(opened, this.#folder);
      return folder && infoIn(opened, folder.number, digest);
    });
    const noted = this.#times.get(digest);
    return info && (noted !== undefined && isLater(noted, timeOf(info.used)) ? noted : timeOf(info.used));
  }

  /** Its uses do not count: the entry is gone, or was written anew. */
  forget(digest: string): void {
    this.#times.delete(digest);
  }

  forgetAll(): void {
    this.#times.clear();
  }
}

/** Whether a use came after a known one: a known one that is dated ahead is of a clock that was wrong. */
function isLater(use: number, known: number): boolean {
  return use > known || isAhead(known, use);
}

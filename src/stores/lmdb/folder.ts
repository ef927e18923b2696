import { warnOfLittleSpace } from "../../files/free-space.js";
import { type Flow, wait, yieldToEventLoop } from "../../flow.js";
import type { Publishing } from "../engine.js";
import { forgetFolder, sweepCleared } from "./clear.js";
import type { Database } from "./database.js";
import { dropKept } from "./kept-files.js";
import type { Opened } from "./opened.js";
import { type FolderRecord, stampOf } from "./records.js";
import { addEntry, folderIn, makeFolderIn, noteRemoval, removeEntry, wasRemoved } from "./tables.js";
import { Uses } from "./uses.js";

/** The values of hex digits, by their character codes. */
const NIBBLES = new Uint8Array(128);
for (const [value, digit] of [..."0123456789abcdef"].entries()) NIBBLES[digit.charCodeAt(0)] = value;

/** The entries of one function and version, and what this process remembers of them. */
export class LmdbFolder {
  readonly #database: Database;
  /** The name, `a/b/=1`, as a key. */
  readonly #key: Buffer;
  /** For hits: the number of the folder, then the digest. */
  readonly #entry = Buffer.alloc(26);
  readonly uses: Uses;

  constructor(database: Database, name: string) {
    this.#database = database;
    this.#key = Buffer.from(name);
    this.uses = new Uses(database, this.#key);
  }

  /** `undefined` where the folder was never made, or was cleared. */
  recordIn(opened: Opened): FolderRecord | undefined {
    return folderIn(opened, this.#key);
  }

  /** Likewise. */
  get number(): number | undefined {
    return this.#database.read((opened) => this.recordIn(opened))?.number;
  }

  read(digest: string): Buffer | undefined {
    const opened = this.#database.get();
    if (!opened) return undefined;
    const key = this.#entry;
    try {
      if (!opened.folders.copyStart(this.#key, key, 6)) return undefined;
      // As `key.write(digest, 6, "hex")`, which would take a thirtieth of a hit more.
      for (let i = 0; i < 20; i++) {
        key[6 + i] = (NIBBLES[digest.charCodeAt(2 * i)]! << 4) | NIBBLES[digest.charCodeAt(2 * i + 1)]!;
      }
      return opened.entries.lend(key);
    } finally {
      opened.snapshot.end();
    }
  }

  mark(): string {
    const found =
      this.#database.read((opened) => this.recordIn(opened)) ??
      this.#database.write((opened) => this.recordIn(opened) ?? makeFolderIn(opened, this.#key));
    return `${found.number} ${found.removals}`;
  }

  publish(digest: string, parts: readonly Uint8Array[], publishing: Publishing): boolean {
    const bytes = Buffer.concat(parts);
    const { kept = 0 } = publishing;
    const [number = 0, removals = 0] = publishing.mark.split(" ").map(Number);
    const isPublished = this.#database.write((opened) => {
      if (!publishing.isCurrent()) return false;
      const now = this.recordIn(opened);
      if (now?.number !== number || wasRemoved(opened, now, removals, digest)) return false;
      removeEntry(opened, number, digest);
      const stamp = stampOf(Date.now(), opened.root.getWriteTxnId(), 0);
      addEntry(opened, number, digest, bytes, { created: stamp, used: stamp, bytes: bytes.length, kept });
      return true;
    }, publishing.isDurable);
    if (isPublished) {
      this.uses.forget(digest);
      warnOfLittleSpace(this.#database.path);
    }
    return isPublished;
  }

  remove(digest: string): boolean {
    if (this.number === undefined) return false;
    this.uses.forget(digest);
    const [number, isGone] = this.#database.write((opened) => {
      const folder = this.recordIn(opened);
      if (!folder) return [0, false];
      noteRemoval(opened, this.#key, folder, digest);
      return [folder.number, removeEntry(opened, folder.number, digest)];
    });
    if (isGone) dropKept(this.#database, number, digest, []);
    return isGone;
  }

  *clear(mayWait: boolean): Flow<number> {
    this.uses.forgetAll();
    if (this.number === undefined) return 0;
    const entries = this.#database.write((opened) => forgetFolder(opened, this.#key));
    try {
      for (const _ of sweepCleared(this.#database)) if (mayWait) yield* wait(yieldToEventLoop());
    } catch {
      // The entries are gone all the same; what is left of them goes with the next clear.
    }
    return entries;
  }
}

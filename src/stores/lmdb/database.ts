import { existsSync, mkdirSync, realpathSync, renameSync, statSync } from "node:fs";
import { join } from "node:path";
import { warn } from "../../events.js";
import { makeFolders } from "../../files/make-folders.js";
import { assertOwn } from "../../files/ownership.js";
import { PRIVATE } from "../../files/permissions.js";
import { sweep, temporaryName } from "../../files/temporary.js";
import type { Guard } from "./guard.js";
import { guardOf } from "./guard-of.js";
import { loadLmdb } from "./load-lmdb.js";
import { closeOpened, DATA, exclusively, keepOpenersOut, NoTransaction, type Opened, openIn } from "./opened.js";
import { prepareFile } from "./prepare-file.js";
import { Syncing } from "./syncing.js";
import { UnsyncedMarker } from "./unsynced.js";

/**
 * The LMDB environment of a store, `<path>/=1`: opened when it is first needed, again after a close or where somebody
 * removed it; written in transactions that exclude those of all other processes and threads.
 *
 * A second after the last write all is synced, see unsynced.ts and syncing.ts. Where a result was ever to be durable, every
 * commit is synced, by all processes, and nothing is ever unsynced.
 */
export class Database {
  /** The directory of the store as it was given: for messages, and until the real one is known. */
  readonly path: string;
  readonly #mapSize: number | undefined;
  #real: string | undefined;
  /** These three are there together. */
  #opened: Opened | undefined;
  #marker: UnsyncedMarker | undefined;
  #syncing: Syncing | undefined;
  /** In ms since 1970: when it was last seen that it is still there. */
  #seen = 0;
  #isSwept = false;
  /** Why it could not be opened the last time that this failed. */
  #failed: { readonly error: unknown; readonly at: number } | undefined;
  /** Called before it is closed, and at the exit of the process. */
  readonly #beforeClose: () => void;

  constructor(path: string, mapSize: number | undefined, beforeClose: () => void) {
    this.path = path;
    this.#mapSize = mapSize;
    this.#beforeClose = beforeClose;
  }

  // ---- its directory ----

  /** The directory of the store without links on the way to it; makes it. */
  makeDirectory(): string {
    makeFolders(this.#real ?? this.path, PRIVATE.folder);
    return this.#resolve();
  }

  /** Likewise, `undefined` where it is missing. */
  get directory(): string | undefined {
    return this.#real ?? (existsSync(this.path) ? this.#resolve() : undefined);
  }

  #resolve(): string {
    const real = this.#real ?? realpathSync(this.path);
    assertOwn(real);
    this.#real = real;
    return real;
  }

  /** A path for a new temporary file or folder. The first time, what dead owners left behind is removed. */
  temporary(): string {
    const folder = join(this.makeDirectory(), "=_tmp");
    mkdirSync(folder, { mode: PRIVATE.folder, recursive: true });
    if (!this.#isSwept) {
      this.#isSwept = true;
      sweep(folder);
    }
    return join(folder, temporaryName());
  }

  // ---- opening ----

  /** What is stored, `undefined` where there is nothing yet. Makes nothing. @throws OptionError where lmdb is missing */
  get(): Opened | undefined {
    const now = Date.now();
    if (this.#opened && Math.abs(now - this.#seen) < LOOK) return this.#opened;
    return this.#look(now);
  }

  #look(now: number): Opened | undefined {
    if (this.#isWriting) return this.#opened;
    const file = statSync(join(this.#real ?? this.path, FOLDER, DATA), { throwIfNoEntry: false });
    if (this.#opened && file?.ino !== this.#opened.ino) this.#abandon();
    this.#seen = now;
    if (!this.#opened && file) this.#open();
    return this.#opened;
  }

  #make(): Opened {
    const opened = this.#look(Date.now());
    if (opened) return opened;
    loadLmdb(); // before anything is made
    this.makeDirectory();
    return this.#open();
  }

  #open(): Opened {
    loadLmdb(); // before anything is set aside
    const directory = this.#resolve();
    const guard = guardOf(directory);
    try {
      const release = guard.take("alone");
      const opened = this.#openIn(join(directory, FOLDER), guard);
      release();
      return opened;
    } catch (error) {
      guard.close();
      throw error;
    }
  }

  #openIn(folder: string, guard: Guard): Opened {
    mkdirSync(folder, { mode: PRIVATE.folder, recursive: true }); // whoever held the guard before may have set it aside
    const marker = new UnsyncedMarker(folder);
    const state = marker.state();
    if (state === "lost") this.#setAside(folder);
    prepareFile(join(folder, DATA));
    const opened = this.#tryToOpen(folder, guard);
    this.#opened = opened;
    this.#marker = marker;
    this.#syncing = new Syncing(opened, marker);
    running.add(this);
    if (state === "unsynced") this.#syncing.later();
    return opened;
  }

  /** What fails in lmdb is printed by it, too: for a second nobody tries again. */
  #tryToOpen(folder: string, guard: Guard): Opened {
    if (this.#failed && Math.abs(Date.now() - this.#failed.at) < LOOK) throw this.#failed.error;
    try {
      return openIn(folder, this.#mapSize, guard);
    } catch (error) {
      this.#failed = { error, at: Date.now() };
      throw error;
    }
  }

  /** Keeps it: whoever misses what was in it may look, or remove it. */
  #setAside(folder: string): void {
    const aside = `${folder}.unsynced-${new Date().toISOString().replaceAll(/[:.]/g, "-")}-${process.pid}`;
    renameSync(folder, aside);
    mkdirSync(folder, { mode: PRIVATE.folder, recursive: true });
    warn(
      `The machine was restarted before all that was written to ${folder} was on the disk. That database may be damaged, so it was set aside as ${aside}, which you may remove, and another one is begun.`,
      "ERR_PERMACACHE_STORE",
    );
  }

  // ---- transactions ----

  /** Reads what is there now, by any process. Nothing that refers to the database may be kept. */
  read<T>(look: (opened: Opened) => T): T | undefined {
    const opened = this.get();
    if (!opened) return undefined;
    if (this.#isWriting) return look(opened);
    try {
      return look(opened);
    } finally {
      opened.snapshot.end();
    }
  }

  /**
   * Changes what is stored: all of it, or nothing where the action throws. Nobody else writes meanwhile. It is visible to
   * all when this returns. Inside of an action, another is a part of it.
   * @param isDurable it is on the disk when this returns, and from now on whatever is written
   */
  write<T>(action: (opened: Opened) => T, isDurable = false): T {
    if (this.#isWriting) return action(this.#opened!);
    const opened = this.#make();
    const [marker, syncing] = [this.#marker!, this.#syncing!];
    for (let isSynced = isDurable; ; isSynced = true) {
      const change = () => {
        const isAlways = opened.meta.get(DURABLE) !== undefined;
        if (isAlways && !isSynced) return undefined; // begun too lightly
        if (!isAlways && isSynced) opened.meta.put(DURABLE, ONE);
        if (!isSynced) marker.put();
        return { result: action(opened) };
      };
      const done = this.#exclusively(opened, change, isSynced);
      if (!done) continue;
      if (isSynced) marker.remove();
      else syncing.later();
      return done.result;
    }
  }

  #exclusively<T>(opened: Opened, change: () => T, isSynced: boolean): T {
    try {
      return exclusively(opened, change, isSynced);
    } catch (error) {
      if (error instanceof NoTransaction) this.#abandon(); // it is opened anew, with other locks once all have closed it
      throw error;
    }
  }

  get #isWriting(): boolean {
    return this.#opened?.snapshot.isWriting ?? false;
  }

  // ---- closing ----

  /** What is left to do before the process ends. Never throws. */
  finish(): void {
    try {
      this.#beforeClose();
      this.#syncing?.finish();
    } catch {
      // It stays unsynced, which is noted.
    }
  }

  /** The process ends, and lmdb closes the database after all that is ours. */
  leave(): void {
    this.finish();
    if (this.#opened) keepOpenersOut(this.#opened.guard);
  }

  async close(): Promise<void> {
    await this.#syncing?.running;
    this.finish();
    await this.#forget();
  }

  /** Somebody removed the database, or has put another in its place. */
  #abandon(): void {
    void this.#forget().catch(() => {});
  }

  async #forget(): Promise<void> {
    this.#syncing?.stop();
    const opened = this.#opened;
    this.#opened = undefined;
    this.#marker = undefined;
    this.#syncing = undefined;
    running.delete(this);
    if (opened) await closeOpened(opened);
  }
}

/** `1` is the version of the tables and of the entry grammar. */
const FOLDER = "=1";

/** Milliseconds between two looks whether the database is still there, for reads. */
const LOOK = 1_000;

const DURABLE = Buffer.from("durable");
const ONE = Buffer.from([1]);

/** Those that are open: what is left to do for them is done at the exit. */
const running = new Set<Database>();
process.on("exit", () => {
  for (const each of running) each.leave();
});

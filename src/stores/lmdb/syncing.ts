import { clearTimeout, setTimeout } from "../../flow.js";
import { exclusively, type Opened } from "./opened.js";
import type { UnsyncedMarker } from "./unsynced.js";

/** Milliseconds from a write until it is brought to the disk. */
const SETTLE = 1_000;

/** Brings to the disk, in the background, what an open database has committed without waiting for that. */
export class Syncing {
  readonly #opened: Opened;
  readonly #marker: UnsyncedMarker;
  #timer: NodeJS.Timeout | undefined;
  #isStopped = false;
  /** The sync that runs now. */
  running: Promise<void> | undefined;

  constructor(opened: Opened, marker: UnsyncedMarker) {
    this.#opened = opened;
    this.#marker = marker;
  }

  /** Something was committed: a second from now it goes to the disk. */
  later(): void {
    this.#timer ??= setTimeout(() => void this.#sync(), SETTLE).unref();
  }

  /** Brings all to the disk, and removes the marker, unless somebody wrote meanwhile. */
  async #sync(): Promise<void> {
    this.#timer = undefined;
    if (this.running) return;
    const { env } = this.#opened.root;
    this.running = (async () => {
      try {
        const { lastTxnId } = env.info();
        await new Promise<void>((resolve, reject) => env.sync((error) => (error ? reject(error) : resolve())));
        if (!this.#isStopped && !this.#noteSyncedUpTo(lastTxnId)) this.later();
      } catch {
        // It stays unsynced, which is noted; the next write tries again.
      }
    })();
    await this.running;
    this.running = undefined;
  }

  #noteSyncedUpTo(transaction: number): boolean {
    return exclusively(
      this.#opened,
      () => {
        const isLast = this.#opened.root.getWriteTxnId() - 1 <= transaction;
        if (isLast) this.#marker.remove();
        return isLast;
      },
      false,
    );
  }

  /** Does at once what was to be done later. */
  finish(): void {
    if (this.#timer === undefined) return;
    const { env } = this.#opened.root;
    const { lastTxnId } = env.info();
    env.sync();
    this.#noteSyncedUpTo(lastTxnId);
  }

  /** Nothing more is done: the database is about to be closed. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#isStopped = true;
  }
}

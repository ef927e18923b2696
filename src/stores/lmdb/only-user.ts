import { StoreError } from "../../errors.js";
import type { Held } from "../../files/locks/contract.js";
import { PortableLock } from "../../files/locks/portable-lock.js";
import type { Guard } from "./guard.js";

/** The key that is locked: a file `=_000...0.lock` tells who uses the database. */
const NAME = "0".repeat(40);

/**
 * Where the kernel's locks cannot be had, one process at a time uses a database, as long as it is open. What a process that
 * died has left behind is taken over.
 */
export class OnlyUser implements Guard {
  readonly #directory: string;
  #held: Held | undefined;

  constructor(directory: string) {
    this.#directory = directory;
  }

  take(): () => void {
    this.#held ??= this.#lock();
    return () => {};
  }

  #lock(): Held {
    const lock = new PortableLock(this.#directory);
    const held = lock.tryLock(NAME);
    if (held) return held;
    throw new StoreError(
      `${this.#directory} is in use by ${lock.holder(NAME) ?? "another process"}. Without the kernel's locks, for which the package fs-native-extensions must load, an LMDB store serves one process at a time`,
    );
  }

  close(): void {
    this.#held?.release();
    this.#held = undefined;
  }
}

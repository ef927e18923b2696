/**
 * One computation per key across the processes and threads of a machine. It only ever saves work: losing a lock may cost
 * a second computation, never a wrong value. So it may be lost: where somebody removes the lock file, or renames the
 * folder away, the next one locks anew, and what is still held there stops mattering.
 */
export interface KeyLock {
  /** `"kernel"`: the kernel frees it when its holder dies, by whatever cause. For people only. */
  readonly kind: "kernel" | "portable";

  /**
   * Tries once, never waits. Makes the folder where it is missing.
   * @param digest 40 hex digits
   * @returns `undefined` where somebody else holds it, of this process or another
   * @throws the system's error
   */
  tryLock(digest: string): Held | undefined;

  /** Who holds it, for people: `"process 1234"`. `undefined` where nobody does, or that cannot be told. Takes its time. */
  holder(digest: string): string | undefined;
}

export interface Held {
  /** Never throws. Does nothing the second time. */
  release(): void;
}

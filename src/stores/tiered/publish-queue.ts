import { StoreError } from "../../errors.js";

/**
 * Work that is done in the background, one after the other, in the order in which it was given: what is published and then
 * removed is gone. It keeps no process alive by itself: whoever wants it done before the end waits for `flushed`.
 */
export class PublishQueue {
  readonly #failed: (error: unknown) => void;
  #last: Promise<unknown> = Promise.resolve();
  #count = 0;
  #bytes = 0;

  /** @param failed told of each piece of work that failed, or for which there was no room */
  constructor(failed: (error: unknown) => void) {
    this.#failed = failed;
  }

  /**
   * @param bytes that are held for it; what holds none is never refused
   * @returns what the work gives. That it failed need not be handled: it was told
   */
  add<T>(bytes: number, work: () => T | Promise<T>): Promise<T | undefined> {
    if (bytes > 0 && (this.#count >= MOST || this.#bytes + bytes > MOST_BYTES)) {
      this.#failed(new StoreError(`${this.#count} entries wait to be published there already`));
      return Promise.resolve(undefined);
    }
    this.#count++;
    this.#bytes += bytes;
    const done = this.#last.then(work);
    this.#last = done.catch(this.#failed).then(() => {
      this.#count--;
      this.#bytes -= bytes;
    });
    return done;
  }

  /** All that was given so far is done, or has failed. */
  async flushed(): Promise<void> {
    await this.#last;
  }
}

/** Work that waits: a program that never gives its background a turn shall not grow for that. */
const MOST = 10_000;
const MOST_BYTES = 64 * 1024 * 1024;

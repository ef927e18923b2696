/** What this process removes in a folder: what was found far before that is not put near after it. */
export class Removals {
  #count = 0;
  /** Those that are not through yet. */
  #running = 0;

  async during<T>(removal: () => Promise<T>): Promise<T> {
    this.#count++;
    this.#running++;
    try {
      return await removal();
    } finally {
      this.#count++;
      this.#running--;
    }
  }

  /**
   * Before a look at what is far.
   * @returns what tells whether nothing was removed since; `undefined` while a removal runs: what is still to be found far is
   *   none any more
   */
  watch(): (() => boolean) | undefined {
    if (this.#running > 0) return undefined;
    const count = this.#count;
    return () => count === this.#count;
  }
}

import { OptionError } from "../../errors.js";
import type { Engine } from "../engine.js";
import { HeldEntries } from "./held-entries.js";
import { MemoryEngine } from "./memory-engine.js";

/**
 * Entries held in memory, before the engines of one cache. They are held as they are encoded, in buffers of their own: so
 * each hit is decoded anew, and what its caller does to it touches nothing here.
 *
 * A hit holds if the engine says that its entry is still the same: by a look at the identity of the file, which costs less
 * than opening it. So what other processes replace or remove is seen at once. An entry that was written too shortly
 * before it was read has no identity that could be relied on, and is read from the engine once more; those that this
 * process has just written are such. With `trust` entries also hold without a look for that long after the last one.
 */
export class MemoryTier {
  /** Milliseconds; 0: every hit looks. */
  readonly #trust: number;
  readonly #entries: HeldEntries;
  readonly #engines = new WeakMap<Engine, MemoryEngine>();

  constructor(maxBytes: number, trust: number) {
    this.#entries = new HeldEntries(maxBytes);
    this.#trust = trust;
  }

  /** @throws OptionError where entries of an engine can only be trusted, and are not */
  assertFor({ stamps, location }: Engine): void {
    if (stamps || this.#trust > 0) return;
    throw new OptionError(
      `The option "memory": ${location} cannot tell whether an entry is still what it was, so say for how long that is to be trusted: memory: { maxBytes, trust: "1s" }.`,
    );
  }

  /** The engine with this memory before it; always the same object for the same engine. */
  over(engine: Engine): Engine {
    let over = this.#engines.get(engine);
    if (!over) {
      over = new MemoryEngine(this.#entries, this.#trust, engine, (other) => this.over(other));
      this.#engines.set(engine, over);
    }
    return over;
  }
}

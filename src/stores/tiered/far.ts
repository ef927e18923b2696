import { StoreError } from "../../errors.js";
import { warn } from "../../events.js";
import type { Engine } from "../engine.js";

/** The engine that may be out of reach. How long it takes to notice that is its own affair. */
export class Far {
  readonly engine: Engine;
  readonly #near: Engine;
  #isTold = false;

  constructor(near: Engine, far: Engine) {
    this.engine = far;
    this.#near = near;
  }

  /** @param otherwise where it is out of reach */
  async try<T, D>(work: () => T | PromiseLike<T>, otherwise: D): Promise<T | D> {
    try {
      return await work();
    } catch (error) {
      this.lost(error);
      return otherwise;
    }
  }

  /** One warning. Each operation tries again, so nothing has to be done for it to recover. */
  lost(error: unknown): void {
    if (this.#isTold) return;
    this.#isTold = true;
    const message = `${this.engine.location} cannot be used (${reasonOf(error)}); until it can, the functions work with ${this.#near.location} alone.`;
    warn(message, "ERR_PERMACACHE_STORE");
  }

  /** For what has to be known by who asked for it. */
  error(deed: string, error: unknown): StoreError {
    const message = `${this.#near.location} has it ${deed}, but ${this.engine.location} cannot be used (${reasonOf(error)}). Try again when it can.`;
    return new StoreError(message, { cause: error });
  }
}

function reasonOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replace(/\.$/, "");
}

import { StoreError } from "../../errors.js";
import { randomName } from "../../files/publish.js";
import type { Argument, Connection } from "./connection.js";
import { FolderKeys } from "./keys.js";
import type { Script } from "./scripts.js";

/**
 * A folder on the server, as this process knows it: its keys, and the generation that they are in. A clear gives the folder
 * a new generation. Whatever is asked in an old one is refused with the present one, and is asked once more.
 */
export class FolderState {
  readonly connection: Connection;
  readonly keys: FolderKeys;
  /** For messages, without credentials. */
  readonly location: string;
  /** As far as this process knows. */
  generation = NONE;
  /** In which this process took its last mark. */
  #marked: string | undefined;

  /** @param shown the server, for messages @param name of the folder */
  constructor(connection: Connection, shown: string, prefix: string, name: string) {
    this.connection = connection;
    this.keys = new FolderKeys(prefix, name);
    this.location = `${shown} ${this.keys.state}`;
  }

  run(script: Script, keys: readonly string[], args: readonly Argument[]): Promise<any> {
    return this.connection.run(script, keys, args);
  }

  send(...args: Argument[]): Promise<any> {
    return this.connection.send(args);
  }

  /**
   * Runs a script that gives the generation first, and does nothing in another.
   * @param ask with the generation as we know it
   * @returns the generation, and what the script gives besides; `undefined` where there is no generation: there was never
   *   anything
   */
  async inGeneration(
    ask: (generation: string) => Promise<[Buffer | null, ...any[]]>,
  ): Promise<[generation: string, ...any[]] | undefined> {
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      const asked = this.generation;
      const [found, ...rest] = await ask(asked);
      if (found === null) return undefined;
      const generation = String(found);
      this.generation = generation;
      if (generation === asked) return [generation, ...rest];
    }
    throw new StoreError(`${this.location} is cleared again and again`);
  }

  /** Asks the server for the generation. `undefined` where there is none. */
  async present(): Promise<string | undefined> {
    const generation: Buffer | null = await this.send("HGET", this.keys.state, "g");
    if (generation === null) return undefined;
    this.generation = String(generation);
    return this.generation;
  }

  /** Likewise, but asks only where this process knows none yet. */
  async known(): Promise<string | undefined> {
    return this.generation === NONE ? this.present() : this.generation;
  }

  /** A computation begins in this generation. */
  marked(generation: string): void {
    this.generation = generation;
    this.#marked = generation;
  }

  /** The generation of the last mark; `undefined` where the folder was cleared since. Asks the server. */
  async stillMarked(): Promise<string | undefined> {
    const generation = await this.present();
    return generation === this.#marked ? generation : undefined;
  }
}

/** No generation has this name. */
const NONE = "none";

/** How often a folder may be cleared while it is asked. */
const ATTEMPTS = 100;

/** No generation comes twice, also where the server has lost all it knew. */
export function newGeneration(): string {
  return randomName().slice(0, 16);
}

import type { KeptContent, SeenFile } from "../engine.js";
import { Chunks } from "./chunks.js";
import type { FolderState } from "./state.js";

/** The contents of out files that are kept for the entries of a folder, each in the generation of its entry. */
export class KeptContents {
  readonly #state: FolderState;
  readonly #chunks: Chunks;
  /** The generations in which contents were kept for entries that are about to be published. */
  readonly #kept = new Map<string, string>();

  constructor(state: FolderState) {
    this.#state = state;
    this.#chunks = new Chunks(state.connection, state.keys);
  }

  async keep(digest: string, file: SeenFile): Promise<boolean> {
    const generation = await this.#state.stillMarked();
    if (generation === undefined) return false;
    this.#kept.set(digest, generation);
    await this.#chunks.keep(generation, digest, file);
    return true;
  }

  /** What was kept for an entry that has not come about goes, but not from under an older one. */
  async settle(digest: string, isPublished: boolean): Promise<void> {
    const generation = this.#kept.get(digest);
    this.#kept.delete(digest);
    if (generation === undefined || isPublished) return;
    const isThere = await this.#state.send("EXISTS", this.#state.keys.entry(generation, digest));
    if (!isThere) await this.#chunks.drop(generation, digest, []);
  }

  async path(sha256: string): Promise<string> {
    return this.#chunks.fetch(await this.#state.present(), sha256);
  }

  async drop(digest: string, except: readonly string[]): Promise<void> {
    const generation = await this.#state.known();
    if (generation !== undefined) await this.#chunks.drop(generation, digest, except);
  }

  async *list(): AsyncGenerator<readonly KeptContent[], void> {
    const generation = await this.#state.present();
    if (generation === undefined) return;
    const kept = [...(await this.#chunks.list(generation))];
    yield kept.map(([sha256, size]) => ({
      location: `${this.#state.location} ${sha256}`,
      size: () => size,
      isWhole: () => this.#chunks.isWhole(generation, sha256),
      remove: () => this.#chunks.remove(generation, sha256, size),
    }));
  }

  /** Deletes all contents of a generation that nobody is in any more. */
  async deleteAll(generation: string): Promise<void> {
    for (const [sha256, size] of await this.#chunks.list(generation)) {
      await this.#chunks.remove(generation, sha256, size);
    }
  }
}

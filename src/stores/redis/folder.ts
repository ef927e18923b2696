import { randomName } from "../../files/publish.js";
import type { Listed, Publishing } from "../engine.js";
import type { Connection } from "./connection.js";
import { KeptContents } from "./contents.js";
import { EntryIndex } from "./entry-index.js";
import { foldersKey } from "./keys.js";
import { PIECE, readPieces, writePieces } from "./pieces.js";
import { CLEAR, MARK, PUBLISH, READ, REMOVE } from "./scripts.js";
import { FolderState, newGeneration } from "./state.js";

/** The entries of one function and version. */
export class RedisFolder {
  readonly state: FolderState;
  readonly contents: KeptContents;
  readonly #index: EntryIndex;
  readonly #prefix: string;
  readonly #name: string;

  /** @param shown the server, for messages @param name of the folder */
  constructor(connection: Connection, shown: string, prefix: string, name: string) {
    this.state = new FolderState(connection, shown, prefix, name);
    this.contents = new KeptContents(this.state);
    this.#index = new EntryIndex(this.state);
    this.#prefix = prefix;
    this.#name = name;
  }

  async read(digest: string): Promise<Buffer | undefined> {
    const { state } = this;
    const [generation, size, beginning] = ((await state.inGeneration((asked) =>
      state.run(READ, [state.keys.state, state.keys.entry(asked, digest)], [asked, String(PIECE)]),
    )) ?? []) as [string?, number?, Buffer?];
    if (size === undefined || beginning === undefined) return undefined;
    return beginning.length === size
      ? beginning
      : readPieces(state, state.keys.entry(generation!, digest), size, beginning);
  }

  async mark(): Promise<string> {
    const { state } = this;
    const [[generation, fence]] = await Promise.all([
      state.run(MARK, [state.keys.state], [newGeneration()]),
      // So that it is found, also to be cleared before there is an entry. In another slot, so not in the same step; each
      // time, for a server that was started anew has forgotten it.
      state.send("SADD", foldersKey(this.#prefix), this.#name),
    ]);
    state.marked(String(generation));
    return `${generation} ${fence}`;
  }

  async publish(digest: string, parts: readonly Uint8Array[], publishing: Publishing): Promise<boolean> {
    const [generation = "", fence = ""] = publishing.mark.split(" ");
    const bytes = Buffer.concat(parts);
    const staged = bytes.length > PIECE ? this.state.keys.staged(generation, randomName()) : undefined;
    if (publishing.isCurrent() && staged) await writePieces(this.state, staged, bytes);
    const isPublished = publishing.isCurrent() && (await this.#publish(digest, bytes, generation, fence, staged));
    if (!isPublished && staged) await this.state.send("UNLINK", staged);
    await this.contents.settle(digest, isPublished);
    return isPublished;
  }

  async #publish(
    digest: string,
    bytes: Buffer,
    generation: string,
    fence: string,
    staged: string | undefined,
  ): Promise<boolean> {
    const { keys } = this.state;
    const published = await this.state.run(
      PUBLISH,
      // A script is given all keys, also one that it does not need.
      [
        keys.state,
        keys.entry(generation, digest),
        keys.index(generation, digest),
        staged ?? keys.staged(generation, ""),
      ],
      [generation, fence, digest, String(Date.now()), String(bytes.length), ...(staged ? [] : [bytes])],
    );
    return published === 1;
  }

  async remove(digest: string): Promise<boolean> {
    const { state } = this;
    const keysIn = (generation: string) => [
      state.keys.state,
      state.keys.entry(generation, digest),
      state.keys.index(generation, digest),
      state.keys.contentsOf(generation, digest),
    ];
    const found = await state.inGeneration((asked) => state.run(REMOVE, keysIn(asked), [asked, digest]));
    if (!found) return false;
    const [, removed, hasKept] = found;
    if (hasKept) await this.contents.drop(digest, []);
    return removed === 1;
  }

  async clear(): Promise<number> {
    const { state } = this;
    await state.run(CLEAR, [state.keys.state, state.keys.dead], [newGeneration()]);
    return this.#deleteDead();
  }

  /** What is left of it when this process dies goes with the next clear. */
  async #deleteDead(): Promise<number> {
    const { state } = this;
    const dead: Buffer[] = await state.send("SMEMBERS", state.keys.dead);
    let count = 0;
    for (const generation of dead.map(String)) {
      count += await this.#index.deleteAll(generation);
      await this.contents.deleteAll(generation);
      await state.send("SREM", state.keys.dead, generation);
    }
    return count;
  }

  async *list(isRead: boolean): AsyncGenerator<readonly Listed[], void> {
    for await (const group of this.#index.found(isRead)) {
      yield group.map(({ digest, bytes, writtenAt, content }) => ({
        digest,
        location: `${this.state.location} ${digest}`,
        read: () => content,
        stat: () => ({ bytes, writtenAt }),
        remove: async () => {
          await this.remove(digest);
        },
      }));
    }
  }
}

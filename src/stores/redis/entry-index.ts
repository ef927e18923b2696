import { SHARDS } from "./keys.js";
import { PIECE, readPieces } from "./pieces.js";
import { FORGET, WHICH } from "./scripts.js";
import type { FolderState } from "./state.js";

/** An entry, as the index has it. */
export interface Indexed {
  readonly digest: string;
  /** In ms since 1970. */
  readonly writtenAt: number;
  readonly bytes: number;
}

/** An entry that is there. */
export interface Found extends Indexed {
  /** Where it was asked for. */
  readonly content?: Buffer;
}

/** Keys that one command deletes, or asks for. */
const AT_ONCE = 256;

/**
 * The index of a folder: which entries there are, without reading any. The server may evict an entry by itself, so each one
 * is looked at before it is told of, and forgotten where it is gone.
 */
export class EntryIndex {
  readonly #state: FolderState;

  constructor(state: FolderState) {
    this.#state = state;
  }

  /** The entries that are there, by the beginnings of their digests. @param isRead whether they come with their content */
  async *found(isRead: boolean): AsyncGenerator<readonly Found[], void> {
    const generation = await this.#state.present();
    if (generation === undefined) return;
    for (const shard of await this.#shards(generation)) {
      const indexed = await this.#indexed(generation, shard);
      const group = isRead ? await this.#read(generation, indexed) : await this.#there(generation, indexed);
      if (group.length > 0) yield group;
    }
  }

  /** Deletes all entries of a generation that nobody is in any more. @returns how many there were */
  async deleteAll(generation: string): Promise<number> {
    let count = 0;
    for (const shard of await this.#shards(generation)) {
      for (const some of runsOf(await this.#indexed(generation, shard), AT_ONCE)) {
        count += await this.#state.send("UNLINK", ...some.map((each) => this.#keyOf(generation, each)));
      }
      await this.#state.send("UNLINK", this.#state.keys.index(generation, shard));
    }
    return count;
  }

  async #there(generation: string, entries: readonly Indexed[]): Promise<Found[]> {
    const there = await this.#which(entries.map((each) => this.#keyOf(generation, each)));
    const found: Found[] = [];
    for (const [i, each] of entries.entries()) {
      if (there[i]) found.push(each);
      else await this.#forget(generation, each);
    }
    return found;
  }

  async #read(generation: string, entries: readonly Indexed[]): Promise<Found[]> {
    const found: Found[] = [];
    for (const some of bySize(entries)) {
      const contents = await this.#contentsOf(generation, some);
      for (const [i, each] of some.entries()) {
        const content = contents[i];
        if (content && (content.length > 0 || each.bytes === 0)) found.push({ ...each, content });
        else await this.#forget(generation, each);
      }
    }
    return found;
  }

  async #contentsOf(generation: string, entries: readonly Indexed[]): Promise<(Buffer | null)[]> {
    const keys = entries.map((each) => this.#keyOf(generation, each));
    const [first] = entries;
    const isLarge = entries.length === 1 && first!.bytes > PIECE;
    return isLarge ? [await readPieces(this.#state, keys[0]!, first!.bytes)] : this.#state.send("MGET", ...keys);
  }

  #forget(generation: string, entry: Indexed): Promise<unknown> {
    const keys = [this.#state.keys.index(generation, entry.digest), this.#keyOf(generation, entry)];
    return this.#state.run(FORGET, keys, [entry.digest]);
  }

  async #shards(generation: string): Promise<string[]> {
    const there = await this.#which(SHARDS.map((shard) => this.#state.keys.index(generation, shard)));
    return SHARDS.filter((_, i) => there[i]);
  }

  async #which(keys: readonly string[]): Promise<boolean[]> {
    const there: boolean[] = [];
    for (const some of runsOf(keys, AT_ONCE)) there.push(...(await this.#state.run(WHICH, some, [])).map(Boolean));
    return there;
  }

  async #indexed(generation: string, shard: string): Promise<Indexed[]> {
    const pairs: Buffer[] = await this.#state.send("HGETALL", this.#state.keys.index(generation, shard));
    const found: Indexed[] = [];
    for (let i = 0; i < pairs.length; i += 2) {
      const [, writtenAt, bytes] = String(pairs[i + 1])
        .split(" ")
        .map(Number);
      found.push({ digest: String(pairs[i]), writtenAt: writtenAt!, bytes: bytes! });
    }
    return found;
  }

  #keyOf(generation: string, { digest }: Indexed): string {
    return this.#state.keys.entry(generation, digest);
  }
}

function* runsOf<T>(items: readonly T[], length: number): Generator<T[]> {
  for (let i = 0; i < items.length; i += length) yield items.slice(i, i + length);
}

/** So many together that they are one piece of what is sent; a larger one alone. */
function* bySize(entries: readonly Indexed[]): Generator<Indexed[]> {
  let some: Indexed[] = [];
  let bytes = 0;
  for (const each of entries) {
    if (some.length > 0 && (bytes + each.bytes > PIECE || some.length === AT_ONCE)) {
      yield some;
      some = [];
      bytes = 0;
    }
    some.push(each);
    bytes += each.bytes;
  }
  if (some.length > 0) yield some;
}

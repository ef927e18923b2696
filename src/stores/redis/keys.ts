/**
 * The names of keys. Those of one folder have one hash tag, so they are in one slot of a Cluster, where scripts can see
 * them together: the generation and the removals of a folder are compared in the very step that publishes, and a clear is
 * one step. The price: the entries of one function and version are on one node; different functions are on different ones.
 *
 *     permacache:folders                             the names of the folders that hold something
 *     permacache:{a/b/=1}                            state of a folder, see scripts.ts
 *     permacache:{a/b/=1}:dead                       generations that are cleared, and not deleted yet
 *     permacache:{a/b/=1}:<generation>:e:<digest>    an entry: its bytes
 *                                     :i:3f          index of the entries whose digests begin so: fence, ms, size
 *                                     :l:<digest>    a lock: the token of who holds it
 *                                     :s:<random>    a large entry, while it is written
 *                                     :o:<digest>    the contents that are kept for an entry, by their SHA-256
 *                                     :u:<sha256>    the entries that a content is kept for
 *                                     :k             sizes of the contents
 *                                     :k:<sha256>:0  the first chunk of a content
 *     permacache:{path}:<digest>                     lock of an out file
 */
export class FolderKeys {
  readonly state: string;
  readonly dead: string;

  constructor(prefix: string, name: string) {
    this.state = `${prefix}:{${name}}`;
    this.dead = `${this.state}:dead`;
  }

  entry(generation: string, digest: string): string {
    return `${this.state}:${generation}:e:${digest}`;
  }
  index(generation: string, digest: string): string {
    return `${this.state}:${generation}:i:${digest.slice(0, 2)}`;
  }
  lock(generation: string, digest: string): string {
    return `${this.state}:${generation}:l:${digest}`;
  }
  staged(generation: string, name: string): string {
    return `${this.state}:${generation}:s:${name}`;
  }
  contentsOf(generation: string, digest: string): string {
    return `${this.state}:${generation}:o:${digest}`;
  }
  usersOf(generation: string, sha256: string): string {
    return `${this.state}:${generation}:u:${sha256}`;
  }
  contents(generation: string): string {
    return `${this.state}:${generation}:k`;
  }
  chunk(generation: string, sha256: string, i: number): string {
    return `${this.contents(generation)}:${sha256}:${i}`;
  }
}

export function foldersKey(prefix: string): string {
  return `${prefix}:folders`;
}

export function pathLockKey(prefix: string, digest: string): string {
  return `${prefix}:{path}:${digest}`;
}

/** The beginnings of digests. */
export const SHARDS: readonly string[] = Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, "0"));

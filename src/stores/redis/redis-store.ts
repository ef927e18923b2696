import { type Identity, pathOfFolder } from "../../entry/identity.js";
import { OptionError } from "../../errors.js";
import type { WorkProgress } from "../../events.js";
import { Folders } from "../folders.js";
import type { RetentionLimits } from "../limits.js";
import type { AsyncStore, Evicted, Store, StoredFolder } from "../store.js";
import { assertInstalled, Connection } from "./connection.js";
import { assertAgeOnly, RedisFolder, type Server } from "./folder.js";
import { foldersKey } from "./keys.js";
import { newTemporary } from "./temporaries.js";

export interface RedisStoreOptions {
  /** `redis://[[user][:password]@]host[:port][/database]`, or `rediss:` for TLS. */
  readonly url: string;
  /** What all keys begin with, so that stores can share a database. Default: `"permacache"`. */
  readonly prefix?: string | undefined;
  /** Milliseconds of silence after which the server counts as down; functions then work without it. Default: 500. */
  readonly timeout?: number | undefined;
  /**
   * Milliseconds after which a waiting process takes over from one that died while it computed. A function that blocks its
   * thread for longer loses its lock, and may be computed twice. Default: 10,000.
   */
  readonly lockTtl?: number | undefined;
}

/**
 * Entries in a Redis or Valkey server, for many machines: for async functions only. A value is computed once across all of
 * them. Needs the package `@redis/client`. While the server is down or slow, functions compute and return.
 *
 * Entries go by `maxAge`; other limits are those of the server: `maxmemory` with a `maxmemory-policy`. Whatever it evicts,
 * a value is computed again.
 *
 * @throws OptionError for options that are wrong, or where the package is missing
 */
export function redisStore(options: RedisStoreOptions): AsyncStore {
  return new RedisStore(checked(options));
}

interface Checked {
  readonly url: string;
  /** The url without credentials. */
  readonly shown: string;
  readonly prefix: string;
  readonly timeout: number;
  readonly lockTtl: number;
}

class RedisStore implements Store {
  readonly sync = false;
  readonly isRemote = true;
  readonly directory: string;
  readonly lock = "redis";
  readonly #server: Server;
  readonly #folders = new Folders((names) => new RedisFolder(this.#server, pathIn(names), names));

  constructor({ url, shown, prefix, timeout, lockTtl }: Checked) {
    this.directory = shown;
    const connection = new Connection(url, shown, timeout);
    const prune = (limits: RetentionLimits, path: string | undefined) => this.#prune(limits, path);
    this.#server = { connection, directory: shown, prefix, lockTtl, prune };
  }

  assertLimits(limits: RetentionLimits): void {
    assertAgeOnly(limits);
  }

  folder(identity: Identity): RedisFolder {
    return this.#folders.of(identity);
  }

  async exists(): Promise<boolean> {
    try {
      return (await this.#names()).length > 0;
    } catch {
      return false;
    }
  }

  async #names(): Promise<string[]> {
    const { connection, prefix } = this.#server;
    const names: Buffer[] = await connection.send(["SMEMBERS", foldersKey(prefix)]);
    return names.map(String);
  }

  async *folders(path?: string): AsyncGenerator<StoredFolder & { readonly folder: RedisFolder }, void> {
    const found = (await this.#names()).map((name) => ({ path: pathIn(name), name }));
    const wanted = path === undefined ? found : found.filter((each) => each.path === path);
    for (const each of wanted.sort(byPath)) {
      yield {
        path: each.path,
        name: each.name.slice(each.name.lastIndexOf("/") + 1),
        folder: this.#folders.named(each.name),
      };
    }
  }

  prune(limits: RetentionLimits, onProgress?: (progress: WorkProgress) => void): Promise<Evicted[]> {
    return this.#prune(limits, undefined, onProgress);
  }

  async #prune(
    limits: RetentionLimits,
    path: string | undefined,
    onProgress?: (progress: WorkProgress) => void,
  ): Promise<Evicted[]> {
    const old: { readonly folder: RedisFolder; readonly digest: string }[] = [];
    for await (const { folder } of this.folders(path)) {
      assertAgeOnly(limits);
      for (const { digest } of await folder.expired(limits)) old.push({ folder, digest });
    }
    const gone: Evicted[] = [];
    onProgress?.({ done: 0, total: old.length });
    for (const [i, { folder, digest }] of old.entries()) {
      if (await folder.remove(digest)) gone.push(folder.evicted);
      onProgress?.({ done: i + 1, total: old.length });
    }
    return gone;
  }

  temporary(): string {
    return newTemporary();
  }

  close(): Promise<void> {
    return this.#server.connection.close();
  }
}

function pathIn(name: string): string {
  return pathOfFolder(name.slice(0, name.lastIndexOf("/")));
}

type Named = { readonly path: string; readonly name: string };

function byPath(a: Named, b: Named): number {
  if (a.path !== b.path) return a.path < b.path ? -1 : 1;
  return a.name < b.name ? -1 : 1;
}

// ---- options ----

const SUBJECT = "redisStore()";
const OPTIONS = ["url", "prefix", "timeout", "lockTtl"];

/** Messages never show the url: it may hold a password. */
function checked(options: RedisStoreOptions): Checked {
  if (typeof options !== "object" || options === null)
    throw new OptionError(`${SUBJECT}: give an object with a "url".`);
  for (const name of Object.keys(options)) {
    if (!OPTIONS.includes(name)) {
      throw new OptionError(`${SUBJECT}: there is no option "${name}". Options are ${OPTIONS.join(", ")}.`);
    }
  }
  const { url, prefix = "permacache", timeout = 500, lockTtl = 10_000 } = options;
  const parsed = typeof url === "string" && URL.canParse(url) ? new URL(url) : undefined;
  if (!parsed || !/^rediss?:$/.test(parsed.protocol) || !/^(\/\d*)?$/.test(parsed.pathname)) {
    throw new OptionError(
      `${SUBJECT}: the option "url" must be like redis://user:password@host:6379/0, or rediss: for TLS; special characters of a password as in encodeURIComponent.`,
    );
  }
  if (typeof prefix !== "string" || !/^[\w.:@/-]{1,100}$/.test(prefix)) {
    throw new OptionError(`${SUBJECT}: the option "prefix" must be 1 to 100 of A-Z a-z 0-9 _ . : @ / -.`);
  }
  for (const [name, value, least] of [
    ["timeout", timeout, 1],
    ["lockTtl", lockTtl, 100],
  ] as const) {
    if (!Number.isInteger(value) || value < least || value > 2 ** 31 - 1) {
      throw new OptionError(`${SUBJECT}: the option "${name}" must be a number of milliseconds from ${least}.`);
    }
  }
  assertInstalled();
  const shown = `${parsed.protocol}//${parsed.host}${parsed.pathname === "/" ? "" : parsed.pathname}`;
  return { url, prefix, timeout, lockTtl, shown };
}

import { hostname } from "node:os";
import { randomName } from "../../files/publish.js";
import { clearInterval, setInterval } from "../../flow.js";
import type { Held, LockName, Locks } from "../engine.js";
import type { Connection } from "./connection.js";
import { pathLockKey } from "./keys.js";
import { LOCK, RENEW, UNLOCK } from "./scripts.js";
import { type FolderState, newGeneration } from "./state.js";

/**
 * Locks on the server, for all machines. Each holds the token of its holder, for a time that the holder renews. Those of a
 * folder are in its generation: after a clear nobody waits for who computes what will not be stored.
 */
export class RedisLocks implements Locks {
  readonly kind = "redis";
  readonly #connection: Connection;
  readonly #prefix: string;
  /** Milliseconds for which a lock holds when its holder is gone. */
  readonly #ttl: number;
  readonly #stateOf: (folder: string) => FolderState;
  /** Who held the locks that were not to be had, by folder and digest. */
  readonly #holders = new Map<string | undefined, Map<string, string>>();

  constructor(connection: Connection, prefix: string, ttl: number, stateOf: (folder: string) => FolderState) {
    this.#connection = connection;
    this.#prefix = prefix;
    this.#ttl = ttl;
    this.#stateOf = stateOf;
  }

  tryLock(name: LockName): Promise<Held | undefined> {
    return name.folder === undefined ? this.#tryLockPath(name) : this.#tryLockKey(name, this.#stateOf(name.folder));
  }

  async #tryLockKey(name: LockName, state: FolderState): Promise<Held | undefined> {
    const token = newToken();
    const asked: string[] = [];
    try {
      const [generation, holder] = (await state.inGeneration((present) => {
        const key = state.keys.lock(present, name.digest);
        asked.push(key);
        return state.run(LOCK, [state.keys.state, key], [present, token, String(this.#ttl), newGeneration()]);
      }))!; // the script makes a generation where there is none
      return this.#held(name, state.keys.lock(generation, name.digest), token, String(holder));
    } catch (error) {
      for (const key of asked) this.#giveBack(key, token);
      throw error;
    }
  }

  /** A server that was too slow to answer may grant the lock all the same, and nobody would release it. */
  #giveBack(key: string, token: string): void {
    void this.#connection.owe(UNLOCK, [key], [token], this.#ttl);
  }

  async #tryLockPath(name: LockName): Promise<Held | undefined> {
    const token = newToken();
    const key = pathLockKey(this.#prefix, name.digest);
    try {
      const taken = await this.#connection.send(["SET", key, token, "NX", "PX", String(this.#ttl)]);
      const holder = taken ? token : String((await this.#connection.send(["GET", key])) ?? "");
      return this.#held(name, key, token, holder);
    } catch (error) {
      this.#giveBack(key, token);
      throw error;
    }
  }

  #held({ folder, digest }: LockName, key: string, token: string, holder: string): Held | undefined {
    if (holder === token) {
      this.#holders.get(folder)?.delete(digest);
      return new HeldLock(this.#connection, key, token, this.#ttl);
    }
    const ofFolder = this.#holders.get(folder) ?? new Map<string, string>();
    this.#holders.set(folder, ofFolder);
    ofFolder.set(digest, holderIn(holder));
    return undefined;
  }

  holder({ folder, digest }: LockName): string | undefined {
    return this.#holders.get(folder)?.get(digest);
  }

  /** Whoever held a lock of a folder that is cleared holds it no more. */
  forgetHolders(folder: string): void {
    this.#holders.delete(folder);
  }
}

/** Who we are, for others who wait; different each time. */
function newToken(): string {
  return `process ${process.pid} on ${hostname()} ${randomName()}`;
}

function holderIn(token: string): string {
  return token.slice(0, token.lastIndexOf(" "));
}

/**
 * A lock that we have: renewed while this process is there and not busy without a break, for `ttl`, in ms, at a time. Where
 * it is lost all the same, a key may be computed twice; its entry goes by the fence.
 */
class HeldLock implements Held {
  readonly #connection: Connection;
  readonly #key: string;
  readonly #token: string;
  readonly #ttl: number;
  readonly #renewal: NodeJS.Timeout;
  #isReleased = false;

  constructor(connection: Connection, key: string, token: string, ttl: number) {
    this.#connection = connection;
    this.#key = key;
    this.#token = token;
    this.#ttl = ttl;
    this.#renewal = setInterval(() => {
      connection.run(RENEW, [key], [token, String(ttl)]).catch(() => {}); // it runs out, or is renewed the next time
    }, ttl / 3);
    this.#renewal.unref();
  }

  release(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    clearInterval(this.#renewal);
    void this.#connection.owe(UNLOCK, [this.#key], [this.#token], this.#ttl);
  }
}

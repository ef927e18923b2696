import { hostname } from "node:os";
import type { Held } from "../../files/locks/key-lock.js";
import { randomName } from "../../files/publish.js";
import type { Connection } from "./connection.js";
import { RENEW, UNLOCK } from "./scripts.js";

/** Who we are, for others who wait; different each time. */
export function newToken(): string {
  return `process ${process.pid} on ${hostname()} ${randomName()}`;
}

export function holderIn(token: string): string {
  return token.slice(0, token.lastIndexOf(" "));
}

/**
 * A lock that we have: renewed while this process is there and not busy without a break, for `ttl`, in ms, at a time. Where
 * it is lost all the same, a key may be computed twice; its entry goes by the fence.
 */
export class HeldLock implements Held {
  readonly #connection: Connection;
  readonly #key: string;
  readonly #token: string;
  readonly #renewal: NodeJS.Timeout;
  #isReleased = false;

  constructor(connection: Connection, key: string, token: string, ttl: number) {
    this.#connection = connection;
    this.#key = key;
    this.#token = token;
    this.#renewal = setInterval(() => {
      connection.run(RENEW, [key], [token, String(ttl)]).catch(() => {}); // it runs out, or is renewed the next time
    }, ttl / 3);
    this.#renewal.unref();
  }

  release(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    clearInterval(this.#renewal);
    this.#connection.run(UNLOCK, [this.#key], [this.#token]).catch(() => {}); // it runs out
  }
}

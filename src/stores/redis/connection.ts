import { createRequire } from "node:module";
import { OptionError, StoreError } from "../../errors.js";
import { clearTimeout, performance, setImmediate, setTimeout } from "../../flow.js";
import { ALL, type Script } from "./scripts.js";

export type Argument = string | Buffer;

/** What is used of a client of `@redis/client`. */
interface Client {
  connect(): Promise<unknown>;
  sendCommand(args: readonly Argument[]): Promise<any>;
  on(event: string, listener: (error: Error) => void): unknown;
  unref(): void;
  destroy(): void;
  readonly isReady: boolean;
}

/** Milliseconds before a server that was down is tried again: doubled each time, but for a little chance. */
const SHORTEST = 100;
const LONGEST = 5_000;

/** What is owed beyond this is given up, the oldest first. */
const MOST_OWED = 10_000;

/** Connections that break one after the other, with no answer between, until the server counts as down. */
const MOST_BREAKS = 3;

/**
 * The connection to a server: made when it is needed, and again when it is lost. Where the server is silent for `timeout`,
 * or cannot be reached, it counts as down: until it answers again everything fails at once, so that nobody waits for it
 * more than once. Meanwhile it is tried now and then, on the side.
 *
 * The process stays alive while an answer is awaited, not because of the connection.
 */
export class Connection {
  readonly #url: string;
  /** Where it leads, for messages: no credentials. */
  readonly #shown: string;
  readonly #timeout: number;
  #client: Client | undefined;
  /** Of the client: the server said no. */
  #Refusal: new (...args: never[]) => Error = OptionError;
  #connecting: Promise<Client> | undefined;
  /** Why the server counts as down. */
  #down: Error | undefined;
  #attempts = 0;
  #breaks = 0;
  #probe: NodeJS.Timeout | undefined;

  /** What is run again when the server answers. */
  readonly #owed: (() => void)[] = [];

  /** Commands that have no answer yet. */
  #pending = 0;
  #heardAt = 0;
  #watch: NodeJS.Timeout | undefined;
  #idle: (() => void)[] = [];

  constructor(url: string, shown: string, timeout: number) {
    this.#url = url;
    this.#shown = shown;
    this.#timeout = timeout;
  }

  /**
   * Sent in this very tick where the connection is there; in the order of the calls in any case.
   * @throws StoreError where the server cannot be reached, does not answer in time, or refuses
   */
  send(args: readonly Argument[]): Promise<any> {
    return this.#telling(this.#send(args));
  }

  /** Runs a script; the keys are those that it touches. @throws StoreError as above */
  run(script: Script, keys: readonly string[], args: readonly Argument[]): Promise<any> {
    return this.#telling(this.#run(script, keys, args));
  }

  /**
   * Runs a script whose effect must not get lost while the server is silent: where it fails, it is run again as soon as
   * the server answers.
   * @param within milliseconds after which it does not matter any more
   */
  async owe(script: Script, keys: readonly string[], args: readonly Argument[], within: number): Promise<void> {
    const end = performance.now() + within;
    try {
      await this.#run(script, keys, args);
    } catch {
      if (this.#owed.length === MOST_OWED) this.#owed.shift();
      this.#owed.push(() => {
        const left = end - performance.now();
        if (left > 0) void this.owe(script, keys, args, left);
      });
    }
  }

  #run(script: Script, keys: readonly string[], args: readonly Argument[], attempt = 1): Promise<any> {
    const rest = [String(keys.length), ...keys, ...args];
    return this.#send(["EVALSHA", script.sha1, ...rest]).catch((error) => {
      if (String(error.message).startsWith("NOSCRIPT")) return this.#send(["EVAL", script.text, ...rest]);
      const isBroken = error instanceof BrokenError && !this.#down;
      if (!isBroken || !script.isRepeatable || attempt > 1) throw error;
      return this.#run(script, keys, args, attempt + 1);
    });
  }

  async #telling<T>(answer: Promise<T>): Promise<T> {
    try {
      return await answer;
    } catch (error) {
      if (error instanceof OptionError) throw error;
      throw new StoreError(`${this.#shown}: ${(error as Error).message || "no answer"}`, { cause: error });
    }
  }

  #send(args: readonly Argument[]): Promise<any> {
    if (this.#down) return Promise.reject(this.#down);
    const client = this.#client;
    if (client) return this.#ask(client, args);
    return this.#connected().then((connected) => this.#ask(connected, args));
  }

  async #ask(client: Client, args: readonly Argument[]): Promise<any> {
    if (this.#pending++ === 0) {
      this.#heardAt = performance.now();
      this.#watchFor(this.#timeout);
    }
    try {
      const answer = await client.sendCommand(args);
      this.#breaks = 0;
      return answer;
    } catch (error) {
      if (error instanceof this.#Refusal) throw error;
      throw this.#down ?? new BrokenError("the connection broke", { cause: error });
    } finally {
      this.#heardAt = performance.now();
      if (--this.#pending === 0) {
        clearTimeout(this.#watch);
        for (const each of this.#idle.splice(0)) each();
      }
    }
  }

  /** Looks after some time whether the server is silent. */
  #watchFor(milliseconds: number, forgiven = 0): void {
    const due = performance.now() + milliseconds;
    this.#watch = setTimeout(() => {
      const silent = performance.now() - this.#heardAt;
      if (wasBusy(due, this.#timeout, forgiven)) return this.#watchFor(this.#timeout / 2, forgiven + 1);
      if (silent < this.#timeout) return this.#watchFor(this.#timeout - silent, forgiven);
      // What has come by now is read before.
      this.#watch = setTimeout(() => setImmediate(() => this.#silent()), 0);
    }, milliseconds);
  }

  #silent(): void {
    if (this.#pending === 0) return;
    const silent = performance.now() - this.#heardAt;
    if (silent < this.#timeout) this.#watchFor(this.#timeout - silent);
    else this.#fail(new SilentError(`no answer within ${this.#timeout} ms`));
  }

  // ---- connecting ----

  /** One attempt for all who wait. */
  #connected(): Promise<Client> {
    this.#connecting ??= this.#connect().finally(() => {
      this.#connecting = undefined;
    });
    return this.#connecting;
  }

  async #connect(isProbe = false): Promise<Client> {
    const { createClient, RESP_TYPES, ErrorReply } = await load(); // takes its time, which is not the server's
    this.#Refusal = ErrorReply;
    const client: Client = createClient({
      url: this.#url,
      RESP: 2, // speaks to all servers, and asks nothing first
      disableClientInfo: true,
      disableOfflineQueue: true,
      maintNotifications: "disabled",
      socket: { connectTimeout: 5 * this.#timeout, reconnectStrategy: false }, // ours, below, is shorter
      commandOptions: { timeout: undefined, typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer } },
    } as object) as never;
    client.on("error", () => this.#lost(client));
    client.unref();
    try {
      await inTime(prepare(client), this.#timeout, isProbe);
    } catch (error) {
      client.on("connect", () => client.destroy()); // where it is just about to
      client.destroy();
      this.#fail(error as Error);
      throw error;
    }
    this.#client = client;
    this.#down = undefined;
    this.#attempts = 0;
    for (const again of this.#owed.splice(0)) again();
    return client;
  }

  /** A connection that broke is made again by the next one who needs it. */
  #lost(client: Client): void {
    if (this.#client !== client) return;
    this.#client = undefined;
    client.destroy();
    if (++this.#breaks >= MOST_BREAKS) this.#fail(new BrokenError("the connection breaks again and again"));
  }

  /** From now on everything fails at once. */
  #fail(error: Error): void {
    this.#down = error;
    this.#breaks = 0;
    const client = this.#client;
    this.#client = undefined;
    client?.destroy();
    const pause = Math.min(LONGEST, SHORTEST * 2 ** this.#attempts++) * (0.75 + Math.random() / 4);
    clearTimeout(this.#probe);
    this.#probe = setTimeout(() => this.#connect(true).catch(() => {}), pause);
    this.#probe.unref();
  }

  /** Waits for what is under way. Used again, it connects again. */
  async close(): Promise<void> {
    if (this.#connecting) await this.#connecting.catch(() => {});
    if (this.#pending > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
    clearTimeout(this.#probe);
    const client = this.#client;
    this.#client = undefined;
    this.#down = undefined;
    client?.destroy();
  }
}

class SilentError extends Error {}
class BrokenError extends Error {}

/** With the scripts in the server, commands are done in the order in which they are sent. */
async function prepare(client: Client): Promise<void> {
  await client.connect();
  await Promise.all(ALL.map(({ text }) => client.sendCommand(["SCRIPT", "LOAD", text]).catch(unlessBroken)));
  function unlessBroken(error: Error): void {
    if (!client.isReady) throw error;
  }
}

/** @param isAside the process need not stay alive for it */
function inTime<T>(work: Promise<T>, timeout: number, isAside: boolean): Promise<T> {
  return new Promise((resolve, reject) => {
    let timer: NodeJS.Timeout;
    const late = () => reject(new SilentError(`no connection within ${timeout} ms`));
    const watchFor = (milliseconds: number, forgiven = 0) => {
      const due = performance.now() + milliseconds;
      timer = setTimeout(() => {
        if (wasBusy(due, timeout, forgiven)) watchFor(timeout / 2, forgiven + 1);
        else setImmediate(late); // what has come by now is read before
      }, milliseconds);
      if (isAside) timer.unref();
    };
    watchFor(timeout);
    work.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

/** Whether a timer is late because this process was busy: then it could not hear what came meanwhile. Not forever. */
function wasBusy(due: number, timeout: number, forgiven: number): boolean {
  return performance.now() - due > timeout / 2 && forgiven < 3;
}

const MODULE = "@redis/client";
const MISSING = `The store of permacache/redis needs the package ${MODULE}. Add it: npm install ${MODULE}`;

/** @throws OptionError where the client is not installed */
export function assertInstalled(): void {
  try {
    createRequire(import.meta.url).resolve(MODULE);
  } catch (cause) {
    throw new OptionError(MISSING, { cause });
  }
}

async function load(): Promise<typeof import("@redis/client")> {
  try {
    return await import("@redis/client");
  } catch (cause) {
    throw new OptionError(MISSING, { cause });
  }
}

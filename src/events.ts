import { channel } from "node:diagnostics_channel";
import { debuglog, inspect } from "node:util";
import { assertArguments, messageOf, OptionError } from "./errors.js";
import { isThenable } from "./flow.js";

/**
 * What the diagnostics channels `permacache:hit`, `:miss`, `:wait`, `:store`, `:evict` and `:error` carry. A wait is for
 * the computation of another process, and from 10 s on also for one of this process.
 */
export interface CacheEvent {
  readonly type: "hit" | "miss" | "wait" | "store" | "evict" | "error";
  readonly path: string;
  readonly version?: string | undefined;
  /** Canonical JSON. */
  readonly key?: string | undefined;
  /** Of a miss: `"absent"`, `"expired"`, `"damaged"`, `"invalid"`, `"refresh"`, `"out files"`, `"other source"` or `"unsigned"` (also: a structured clone in a shared directory); of an eviction: the limit; of a wait that is long: who computes. */
  readonly reason?: string | undefined;
  /** Of the computation, in milliseconds. */
  readonly duration?: number | undefined;
  /** Of the entry. */
  readonly bytes?: number | undefined;
  readonly error?: unknown;
}

/**
 * What happens in the cache, for those who listen: subscribers of the diagnostics channels `permacache:hit`, `:miss`,
 * `:wait`, `:store`, `:evict` and `:error`, and stderr after `verbose(true)` or with `NODE_DEBUG=permacache`.
 */
const channels = {
  hit: channel("permacache:hit"),
  miss: channel("permacache:miss"),
  wait: channel("permacache:wait"),
  store: channel("permacache:store"),
  evict: channel("permacache:evict"),
  error: channel("permacache:error"),
};

let isVerbose = debuglog("permacache").enabled;

/** Logs what the cache does to stderr, one line an event. Quiet by default. @param on `false` makes it quiet again */
export function verbose(on?: boolean): void;
export function verbose(...args: [on?: boolean]): void {
  assertArguments("verbose()", args, 1);
  const [on = true] = args;
  if (typeof on !== "boolean") throw new OptionError("verbose() takes true or false.");
  isVerbose = on;
}

/** Whether anybody wants to know. The event is made only then. */
export function isHeard(type: CacheEvent["type"]): boolean {
  return isVerbose || channels[type].hasSubscribers;
}

export function emit(event: CacheEvent): void {
  if (channels[event.type].hasSubscribers) channels[event.type].publish(event);
  if (isVerbose) process.stderr.write(`permacache ${lineOf(event)}\n`);
}

const LONGEST_KEY = 200;

/** `hit my-project/square {"x":2} (saved 12 ms)` */
function lineOf({ type, path, key, reason, duration, bytes, error }: CacheEvent): string {
  const shortened = key !== undefined && key.length > LONGEST_KEY ? `${key.slice(0, LONGEST_KEY)}...` : key;
  const notes = [
    reason,
    duration === undefined ? undefined : `${type === "hit" ? "saved" : "took"} ${Number(duration.toPrecision(3))} ms`,
    bytes === undefined ? undefined : `${bytes} bytes`,
    error === undefined ? undefined : textOf(error),
  ].filter((note) => note !== undefined);
  const line = [type, path, shortened, notes.length > 0 ? `(${notes.join(", ")})` : undefined];
  // One event, one line, whatever the key or the message holds.
  return line
    .filter((part) => part !== undefined)
    .join(" ")
    .replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, " ");
}

function textOf(error: unknown): string {
  try {
    return error instanceof Error ? error.message : inspect(error);
  } catch {
    return "an error that cannot be read";
  }
}

/** Emits a process warning, which Node prints to stderr and hands to `process.on("warning")`. */
export function warn(message: string, code: string): void {
  process.emitWarning(message, { type: "PermacacheWarning", code });
}

const failed = new Set<string>();

/**
 * Calls a function of the user's whose answer does not matter. What it throws passes through. A promise is not waited for;
 * that it failed does not end the process, but is told once.
 * @param what it is, for the message
 */
export function callBack(what: string, call: () => unknown): void {
  const given = call();
  if (!isThenable(given)) return;
  new Promise((resolve) => resolve(given)).catch((error) => {
    if (failed.has(what)) return;
    failed.add(what);
    warn(`${what} gave a promise, which was rejected: ${messageOf(error)}`, "ERR_PERMACACHE_OPTION");
  });
}

/** What has to be done in all, and how much of that is. */
export interface WorkProgress {
  readonly done: number;
  readonly total: number;
}
export interface WorkOptions {
  /** Told now and then, and at the end. */
  onProgress?: ((progress: WorkProgress) => void) | undefined;
}

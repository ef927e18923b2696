import { assertArguments, OptionError } from "../../errors.js";
import { inheritingNothing } from "../../key/originals.js";
import type { AsyncEngine } from "../engine.js";
import { assertInstalled } from "./connection.js";
import { RedisEngine, type RedisPlace } from "./redis-engine.js";

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
export function redisStore(options: RedisStoreOptions): AsyncEngine;
export function redisStore(...args: [options: RedisStoreOptions]): AsyncEngine {
  assertArguments("redisStore()", args, 1);
  const [options] = args;
  return new RedisEngine(checked(options));
}

// ---- options ----

const SUBJECT = "redisStore()";
const OPTIONS = ["url", "prefix", "timeout", "lockTtl"];

/** Messages never show the url: it may hold a password. */
function checked(options: RedisStoreOptions): RedisPlace {
  if (typeof options !== "object" || options === null)
    throw new OptionError(`${SUBJECT}: give an object with a "url".`);
  for (const name of Object.keys(options)) {
    if (!OPTIONS.includes(name)) {
      throw new OptionError(`${SUBJECT}: there is no option "${name}". Options are ${OPTIONS.join(", ")}.`);
    }
  }
  const { url, prefix = "permacache", timeout = 500, lockTtl = 10_000 } = inheritingNothing(options);
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

import { createClient } from "@redis/client";
import type { ExecutionContext } from "ava";
import { RedisServer, redisBinary } from "../../../scripts/redis.js";
import { type RedisStoreOptions, redisStore as redisEngine } from "../../../src/stores/redis/redis-store.js";
import { Store } from "../../../src/stores/store.js";

/** Whether there is a server to test with. */
export const hasRedis = redisBinary() !== undefined;

/** As the package sees it. */
export function redisStore(options: RedisStoreOptions): Store {
  return Store.over(redisEngine(options));
}

let shared: Promise<RedisServer> | undefined;
let used = 0;

/** The server of this test file, and a prefix of one's own there. */
export async function newPlace(): Promise<{
  readonly url: string;
  readonly prefix: string;
  readonly server: RedisServer;
}> {
  shared ??= RedisServer.start();
  const server = await shared;
  return { url: server.url, prefix: `test-${used++}`, server };
}

/** A server of the test's own, gone after it. */
export async function newServer(t: ExecutionContext<any>, ...options: string[]): Promise<RedisServer> {
  const server = await RedisServer.start(...options);
  t.teardown(() => server.stop());
  return server;
}

/** Asks a server, past the store. */
export async function ask(url: string, ...command: string[]): Promise<any> {
  const client = createClient({ url, RESP: 2 });
  client.on("error", () => {});
  await client.connect();
  try {
    return await client.sendCommand(command);
  } finally {
    client.destroy();
  }
}

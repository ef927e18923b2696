import { join } from "node:path";
import cacache from "cacache";
import Keyv from "keyv";
import { open } from "lmdb";
import memoizeFs from "memoize-fs";
import { createCache } from "permacache";
import { lmdbStore } from "permacache/lmdb";
import { result } from "./hits.js";
import type { Row } from "./measure.js";

/** Hits of other caches, as their users get them, with the same result; against that of an async function. */
export async function peers(dir: string): Promise<Row[]> {
  const own = createCache({ dir: join(dir, "cache") }).permacache("bench/async")(
    async (_x: number, _y = 2, _z = 3) => result,
  );
  const inLmdb = createCache({ store: lmdbStore({ path: join(dir, "lmdb") }) }).permacache("bench/lmdb")(
    (_x: number, _y = 2, _z = 3) => result,
  );
  await own(2);
  inLmdb(2);
  const key = own.key(2);

  const memoized = await memoizeFs({ cachePath: join(dir, "memoize-fs") }).fn((_x: number, _y = 2, _z = 3) => result);
  await memoized(2);

  const inCacache = join(dir, "cacache");
  await cacache.put(inCacache, key, JSON.stringify(result));

  const plain = open({ path: join(dir, "plain-lmdb") });
  await plain.put(key, result);

  const rows: Row[] = [
    {
      name: "against memoize-fs",
      target: { atLeast: 30 },
      isSpeedUp: true,
      run: () => own(2),
      floor: () => memoized(2),
    },
    {
      name: "against cacache",
      target: { atLeast: 30 },
      isSpeedUp: true,
      run: () => own(2),
      floor: async () => JSON.parse((await cacache.get(inCacache, key)).data.toString()),
    },
  ];
  const keyv = await keyvOnSqlite(join(dir, "keyv.sqlite"));
  if (keyv) {
    await keyv.set(key, result);
    rows.push({
      name: "against keyv with SQLite",
      target: { atLeast: 8 },
      isSpeedUp: true,
      run: () => own(2),
      floor: () => keyv.get(key),
    });
  }
  rows.push({
    name: "LMDB, against plain lmdb, which neither binds nor verifies",
    target: undefined,
    run: () => inLmdb(2),
    floor: () => plain.get(key),
  });
  return rows;
}

/** `undefined` where SQLite could not be compiled. */
async function keyvOnSqlite(file: string): Promise<Keyv | undefined> {
  try {
    const { default: KeyvSqlite } = await import("@keyv/sqlite" as string);
    return new Keyv({ store: new KeyvSqlite(`sqlite://${file}`) });
  } catch (error) {
    console.error(`keyv with SQLite is left out: ${(error as Error).message}`);
    return undefined;
  }
}

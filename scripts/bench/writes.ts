import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createCache } from "permacache";
import { result, smallEntryBytes } from "./hits.js";
import type { Row } from "./measure.js";

/** A miss, whole: key, key lock, look again, computation, publishing. */
export async function writes(dir: string): Promise<Row[]> {
  const cold = createCache({ dir: join(dir, "cache") }).permacache("bench/cold")((_x: number) => result);
  const bytes = Buffer.alloc(smallEntryBytes(dir), "x");
  const temporary = join(dir, "temporary");
  return [
    {
      name: "cold call of a trivial function",
      target: { atMost: 1.6 },
      run: (i) => cold(i),
      floor: (i) => {
        writeFileSync(temporary, bytes);
        renameSync(temporary, join(dir, `cold-${i}`));
      },
    },
  ];
}

import { mkdirSync, renameSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createCache } from "permacache";
import { entryBelow, result } from "./hits.js";
import type { Row } from "./measure.js";

/** A miss, whole: key, key lock, look again, computation, publishing. The floor makes the same files in such folders. */
export async function writes(dir: string): Promise<Row[]> {
  const cold = createCache({ dir: join(dir, "cold") }).permacache("bench/cold")((_x: number) => result);
  cold(-1);
  const bytes = Buffer.alloc(statSync(entryBelow(join(dir, "cold"))).size, "x");
  const folders = Array.from({ length: 256 }, (_, i) => join(dir, `cold/bench/floor/${i}`));
  for (const folder of folders) mkdirSync(folder, { recursive: true });
  return [
    {
      name: "cold call of a trivial function",
      target: { atMost: 1.6 },
      run: (i) => cold(i),
      floor: (i) => {
        const temporary = join(dir, `cold/=_tmp/${i}`);
        writeFileSync(temporary, bytes);
        renameSync(temporary, join(folders[i % 256]!, `${i}`));
      },
    },
  ];
}

import { mkdirSync, renameSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createCache } from "permacache";
import { entryBelow, result } from "./hits.js";
import type { Row } from "./measure.js";

/**
 * A miss, whole: key, key lock, look again, computation, publishing. The floor is the ordinary atomic write, over the file
 * of the last one; to a name that is new, as the entry's is, many file systems defer the work and it costs a third.
 */
export async function writes(dir: string): Promise<Row[]> {
  const { permacache } = createCache({ dir: join(dir, "cold") });
  const cold = permacache("bench/cold")((_x: number) => result);
  const colder = permacache("bench/colder")((_x: number) => result);
  cold(-1);
  const bytes = Buffer.alloc(statSync(entryBelow(join(dir, "cold"))).size, "x");
  // Where the cache has its own: how long it takes to make a file hangs on what was made and removed near it.
  const temporary = join(dir, "cold/=_tmp/floor");
  const newNames = join(dir, "new");
  mkdirSync(newNames);
  return [
    {
      name: "cold call of a trivial function",
      target: { atMost: 1.6 },
      run: (i) => cold(i),
      floor: () => {
        writeFileSync(temporary, bytes);
        renameSync(temporary, join(dir, "target"));
      },
    },
    {
      name: "the same, against a floor that renames to new names",
      target: undefined,
      run: (i) => colder(i),
      floor: (i) => {
        writeFileSync(temporary, bytes);
        renameSync(temporary, join(newNames, `${i}`));
      },
    },
  ];
}

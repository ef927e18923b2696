import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import stringify from "fast-json-stable-stringify";
import { createCache } from "permacache";
import { canonicalJson } from "permacache/key";
import { entryBelow } from "./hits.js";
import type { Row } from "./measure.js";

const MEGABYTES = 100;

export async function large(dir: string): Promise<Row[]> {
  const numbers = new Float64Array((MEGABYTES * 1e6) / 8).map((_, i) => Math.sin(i));
  const { permacache } = createCache({ dir: join(dir, "large") });
  const asValue = permacache("bench/value")(() => numbers);
  const asArgument = permacache("bench/argument")((_data: Float64Array) => 0);
  asValue();
  const file = entryBelow(join(dir, "large/bench/value"));
  const bytes = new Uint8Array(numbers.buffer);

  const objects = Array.from({ length: 10_000 }, (_, i) => ({
    id: i,
    name: `item ${i}`,
    tags: ["a", "b"],
    ratio: i / 7,
    position: { x: i, y: -i },
  })).slice(0, 5_000); // each holds another
  return [
    {
      name: `${MEGABYTES} MB Float64Array as value, hit`,
      target: { atMost: 1.5 },
      rounds: 9,
      run: () => asValue(),
      floor: () => readFileSync(file),
    },
    {
      name: `${MEGABYTES} MB Float64Array as argument, key, against native SHA-256`,
      target: { atLeast: 0.85 },
      isSpeedUp: true,
      rounds: 9,
      run: () => asArgument.key(numbers),
      floor: () => createHash("sha256").update(bytes).digest("hex"),
    },
    {
      name: "key of 10,000 nested plain objects, against fast-json-stable-stringify",
      target: { atMost: 1.3 },
      run: () => canonicalJson(objects),
      floor: () => stringify(objects),
    },
  ];
}

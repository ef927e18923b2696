import test from "ava";
import fc from "fast-check";
import type { Compression } from "../../src/entry/compression.js";
import { size } from "../size.js";
import { hasRefusedCycle, value } from "./arbitrary.js";
import { differenceOf, hitOf } from "./faithful.js";

const compression = fc.constantFrom<false | Compression>(false, false, "gzip", "brotli");

for (const codec of ["auto", "json"] as const) {
  test(`whatever can be stored comes back equal (codec ${codec})`, (t) => {
    fc.assert(
      fc.property(value, compression, (each, compress) => {
        fc.pre(!hasRefusedCycle(each));
        const difference = differenceOf(each, hitOf(each, codec, compress));
        if (difference) throw new Error(difference);
      }),
      { numRuns: size(1500, 30000) },
    );
    t.pass();
  });
}

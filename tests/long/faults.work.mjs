import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/**
 * What is done on a cache while system calls fail: by faults.program.mjs, and again by faults.test.ts, which looks at
 * what is left of it. Both wrap the same functions, in a place of the work's own.
 * - `prepare`: what has to be there before
 * - `act`: the work. True where the result is right; throws what the call throws
 * - `peek`: what a call would be served
 * - `isRight`: whether a value is
 * - `isWhole`: whether what is made beside the cache is as it was, or all there; `isRestored`: the latter
 */
export const WORK = {
  /** A first call, in a directory that is not there yet. */
  publish(permacache, _place) {
    const f = permacache("faults/publish", { durability: "file" })((x) => ({ x, filler: "x".repeat(1000) }));
    const isRight = ({ x, filler }) => x === 7 && filler === "x".repeat(1000);
    return {
      prepare() {},
      act: () => isRight(f(7)),
      peek: () => f.peek(7),
      isRight,
      isWhole: () => true,
      isRestored: () => true,
    };
  },

  /** A hit of a function that has written its file elsewhere; something older is in the place where it is wanted now. */
  restore(permacache, place) {
    const target = join(place, "target");
    const content = "content\n".repeat(1000);
    const f = permacache("faults/restore", { outFile: "path" })((x, path) => {
      writeFileSync(path, content);
      return [x];
    });
    const isRight = ([x]) => x === 7;
    return {
      prepare() {
        f(7, join(place, "original"));
        writeFileSync(target, "older");
      },
      act: () => isRight(f(7, target)),
      peek: () => f.peek(7, target),
      isRight,
      isWhole: () => ["older", content].includes(readFileSync(target, "utf8")),
      isRestored: () => readFileSync(target, "utf8") === content,
    };
  },
};

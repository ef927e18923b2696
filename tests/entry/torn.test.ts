import { existsSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import test from "ava";
import { digestOf } from "../../src/call/bind.js";
import type { Codec } from "../../src/index.js";
import { createCache } from "../../src/index.js";
import { FileEngine } from "../../src/stores/file/file-engine.js";
import { filesIn, newCache, newDirectory } from "../place.js";
import { size } from "../size.js";

const reversed: Codec = {
  name: "reversed",
  encode: (text: string) => [...text].reverse().join(""),
  decode: (data) => [...Buffer.from(data).toString()].reverse().join(""),
};

/** An entry of each format, and of each manner of compression that every Node has. */
const ENTRIES: Record<string, [options: object, value: unknown]> = {
  JSON: [{}, { b: 1, a: [true, null, "ü"], long: "x".repeat(100) }],
  "structured clone with binary data": [{}, { when: new Date(1), big: 2n ** 70n, data: new Float64Array([1.5, Number.NaN]), bytes: Buffer.from("some bytes of a blob, that are a few more") }], // biome-ignore format: one line
  "tagged JSON, compressed": [{ codec: "json", compress: "gzip" }, { map: new Map<number, unknown>([[1, new Set(["x", "y"])], [2, "Sphinx of black quartz, judge my vow"]]), when: new Date(7) }], // biome-ignore format: one line
  "a codec of one's own, compressed": [
    { codec: reversed, compress: "brotli" },
    "The quick brown fox jumps over the lazy dog, then: 0123456789, 9876543210, and back. Pack my box!",
  ],
};

/** Calls that compute and publish among those that only look. */
const COMPUTED = size(100, 5);

for (const [what, [options, value]] of Object.entries(ENTRIES)) {
  test(`every truncation and every flipped bit of an entry is a miss, or the exact value: ${what}`, (t) => {
    const { permacache, files } = newCache(t, { onError: "throw" });
    let computed = 0;
    const f: any = permacache(
      "torn",
      options,
    )((x: number) => {
      computed++;
      return x === 1 ? value : undefined;
    });
    f(1);
    const [file] = files() as [string];
    const whole = readFileSync(file);
    let cases = 0;
    const check = (damage: () => void, where: string) => {
      writeFileSync(file, whole, { flag: "r+" }); // to begin with an empty file would cost milliseconds
      damage();
      const found = f.peek(1);
      if (found && !isDeepStrictEqual(found.value, value)) t.fail(`a wrong value: ${where}`);
      if (cases++ % COMPUTED > 0) return;
      const before = computed;
      if (!isDeepStrictEqual(f(1), value)) t.fail(`a wrong value is returned: ${where}`);
      if (!found && computed !== before + 1) t.fail(`not computed: ${where}`);
      if (!isDeepStrictEqual(f.peek(1)?.value, value)) t.fail(`not replaced: ${where}`);
    };
    for (let length = 0; length < whole.length; length++) {
      check(() => truncateSync(file, length), `cut after ${length} bytes`);
    }
    for (let bit = 0; bit < whole.length * 8; bit++) {
      const damaged = Buffer.from(whole);
      damaged[bit >> 3]! ^= 1 << (bit & 7);
      check(() => writeFileSync(file, damaged, { flag: "r+" }), `bit ${bit}`);
    }
    t.log(`${cases} cases`);
    t.is(cases, whole.length * 9);
    t.is(files().length, 1);
  });
}

test("a file of another program, and bytes after an entry, are misses and are replaced", (t) => {
  const { permacache, files } = newCache(t, { onError: "throw" });
  let computed = 0;
  const f = permacache("damaged")((x: number) => ({ x, computed: ++computed }));
  f(1);
  const [file] = files() as [string];
  const whole = readFileSync(file);
  for (const bytes of [Buffer.from("hello"), Buffer.alloc(100_000), Buffer.concat([whole, whole])]) {
    writeFileSync(file, bytes);
    t.false(f.has(1));
    const before = computed;
    t.is(f(1).computed, before + 1);
    t.is(f(1).computed, before + 1);
  }
  t.is(files().length, 1);
});

test("a valid entry in the place of another key, function or version is a miss, and is replaced", (t) => {
  const { permacache, files } = newCache(t, { onError: "throw" });
  let computed = 0;
  const compute = (x: number) => [x, ++computed];
  const f = permacache("place")(compute);
  const fileOf = (call: () => unknown) => {
    const before = new Set(files());
    call();
    return files().find((file) => !before.has(file))!;
  };
  const own = fileOf(() => f(1));
  const others: [string, string][] = [
    ["another key", fileOf(() => f(2))],
    ["another function", fileOf(() => permacache("elsewhere")(compute)(1))],
    ["another version", fileOf(() => permacache("place", { version: "2" })(compute)(1))],
  ];
  for (const [what, other] of others) {
    writeFileSync(own, readFileSync(other));
    t.false(f.has(1), what);
    const last = computed;
    t.deepEqual(f(1), [1, last + 1], what);
    t.deepEqual(f(1), [1, last + 1], what);
  }
});

test("two keys of one digest share a file in turn, and never a value", async (t) => {
  const dir = newDirectory(t);
  const { permacache } = createCache({ store: withOneDigest(FileEngine.at(dir)), onError: "throw" });
  const files = () => filesIn(dir);
  const f = permacache("sync")((x: number) => [x]);
  const g = permacache("async")(async (x: number) => [x]);
  for (let round = 0; round < 3; round++) {
    for (const x of [1, 1, 2, 2]) {
      t.deepEqual(f(x), [x]);
      t.deepEqual(await g(x), [x]);
    }
    t.deepEqual(await Promise.all([g(1), g(2), g(1), g(2)]), [[1], [2], [1], [2]]);
  }
  t.true(f.stats().hits >= 6 && f.stats().misses === 6);
  t.is(files().length, 2);
  t.deepEqual([f.has(1), f.has(2)], [false, true]);
  t.true(files().every((file) => existsSync(file) && file.includes(SAME.slice(2))));
});

const SAME = digestOf("any key");

/** As if all keys had one digest: an engine whose members, and those of its capabilities, see no other. */
function withOneDigest<T extends object>(engine: T): T {
  const own = (arg: unknown) =>
    typeof arg === "object" && arg !== null && "digest" in arg ? { ...arg, digest: SAME, readable: undefined } : arg;
  return new Proxy(engine, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name, target);
      if (typeof member === "object" && member !== null) return withOneDigest(member);
      if (typeof member !== "function") return member;
      return (...args: unknown[]) => member.apply(target, args.map(own));
    },
  });
}

import { appendFileSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import test, { type ExecutionContext } from "ava";
import { newCache } from "../place.js";

// Large blobs are read into buffers of their own, which become those of the value.

const KB = 1024;
const SECRET = "a secret of 32 bytes or more, for signatures";

function numbers(length: number, seed = 1): Float64Array {
  return Float64Array.from({ length }, (_, i) => (i + 1) * seed);
}

const VALUES: Record<string, () => unknown> = {
  "one array": () => numbers(20_000),
  "an array that begins in the first bytes and one that does not": () => [numbers(9_000), numbers(9_000, 2)],
  "arrays of many types": () => ({
    a: numbers(20_000),
    b: new Uint8Array(100 * KB).fill(7),
    c: new BigInt64Array(20_000).fill(-3n),
    d: new Map([["e", Buffer.alloc(100 * KB, "buffer")]]),
  }),
  "two views on one buffer": () => {
    const { buffer } = numbers(20_000);
    return [new Float64Array(buffer, 0, 15_000), new Uint8Array(buffer, 8, 1_001), buffer];
  },
  "an array beside much else": () => ({
    much: Array.from({ length: 10_000 }, (_, i) => BigInt(i)),
    array: numbers(20_000),
  }),
  "small arrays, and an empty one, beside a large one": () => [
    new Uint8Array(3).fill(1),
    new Uint8Array(0),
    numbers(20_000),
  ],
  "many small arrays": () => Array.from({ length: 300 }, (_, i) => numbers(100, i)),
};

for (const options of [{}, { secret: SECRET }, { memory: { maxBytes: "1GB" } }, { compress: "gzip" as const }]) {
  const title = JSON.stringify(options);
  for (const [name, make] of Object.entries(VALUES)) {
    test(`${title}: ${name}, of a sync and of an async function`, async (t) => {
      const { permacache } = newCache(t, options);
      let computed = 0;
      const sync = permacache("sync")(() => { computed++; return make(); }); // biome-ignore format: one line
      const async = permacache("async")(async () => { computed++; return make(); }); // biome-ignore format: one line
      sync();
      await async();
      for (const get of [sync, async, sync, async]) {
        const hit = await get();
        t.deepEqual(hit, make());
        t.deepEqual(buffersOf(hit), buffersOf(make()));
        for (const view of viewsOf(hit)) new Uint8Array(view.buffer).fill(255); // it belongs to the caller
      }
      t.is(computed, 2);
    });
  }
}

/** Every view inside a value. */
function viewsOf(value: unknown): ArrayBufferView[] {
  if (ArrayBuffer.isView(value)) return [value];
  if (value instanceof Map) return [...value.values()].flatMap(viewsOf);
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(viewsOf) : [];
}

/** Where each view stands in what memory, of those that take their whole buffer along. */
function buffersOf(value: unknown): unknown[] {
  const views = viewsOf(value).filter((view) => view.buffer.byteLength !== Buffer.poolSize);
  return views.map(({ buffer, byteOffset, byteLength }) => ({
    size: buffer.byteLength,
    byteOffset,
    byteLength,
    sharedWith: views.findIndex((other) => other.buffer === buffer),
  }));
}

test("the buffer of a hit is an ordinary one: it can be transferred", (t) => {
  const { permacache } = newCache(t);
  const make = permacache("make")(() => numbers(20_000));
  make();
  const hit = make();
  const moved = structuredClone(hit, { transfer: [hit.buffer as ArrayBuffer] });
  t.is(hit.length, 0);
  t.deepEqual(moved, numbers(20_000));
  t.deepEqual(make(), numbers(20_000));
});

const harmed = test.macro({
  async exec(t, harm: (file: string) => void) {
    for (const options of [{}, { secret: SECRET }]) {
      for (const isAsync of [false, true]) await recomputes(t, options, isAsync, harm);
    }
  },
  title: (title = "") => `a large entry ${title} is a miss`,
});

async function recomputes(t: ExecutionContext, options: object, isAsync: boolean, harm: (file: string) => void) {
  const { permacache, files } = newCache(t, options);
  let computed = 0;
  const value = () => { computed++; return [numbers(20_000), numbers(20_000, 2)]; }; // biome-ignore format: one line
  const make: () => unknown = isAsync ? permacache("make")(async () => value()) : permacache("make")(value);
  await make();
  const [file] = files();
  const before = readFileSync(file!);
  harm(file!);
  t.deepEqual(await make(), [numbers(20_000), numbers(20_000, 2)]);
  t.is(computed, 2);
  t.is(readFileSync(file!).length, before.length); // and stored again
  await make();
  t.is(computed, 2);
}

function flipped(at: (size: number) => number): (file: string) => void {
  return (file) => {
    const bytes = readFileSync(file);
    bytes[at(bytes.length)]! ^= 1;
    writeFileSync(file, bytes);
  };
}

test(
  "with a flipped bit in its key",
  harmed,
  flipped(() => 100),
);
test(
  "with a flipped bit in the first array",
  harmed,
  flipped(() => 1_000),
);
test(
  "with a flipped bit beyond the first bytes",
  harmed,
  flipped(() => 100_000),
);
test(
  "with a flipped bit in the last array",
  harmed,
  flipped((size) => size - 1_000),
);
test(
  "with a flipped last bit",
  harmed,
  flipped((size) => size - 1),
);
test("without its last byte", harmed, (file) => truncateSync(file, readFileSync(file).length - 1));
test("without its last array", harmed, (file) => truncateSync(file, readFileSync(file).length - 160_000));
test("without most of it", harmed, (file) => truncateSync(file, 70_000));
test("with bytes after it", harmed, (file) => appendFileSync(file, "more"));
test("with 32 bytes after it", harmed, (file) => appendFileSync(file, "0123456789abcdef0123456789abcdef"));
test("twice", harmed, (file) => appendFileSync(file, readFileSync(file)));

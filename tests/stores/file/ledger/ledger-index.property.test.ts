import test from "ava";
import fc from "fast-check";
import { LedgerIndex } from "../../../../src/stores/file/ledger/ledger-index.js";
import type { Victim } from "../../../../src/stores/file/ledger/victims.js";
import { size } from "../../../size.js";

const RUNS = { numRuns: size(500, 10_000) };

/** `f/=1/0a/000....entry`, of two paths, one with two versions, some with a name for people. */
const NAMES = ["f/=1", "f/=1=v2", "g/h/=1"].flatMap((folder) =>
  Array.from({ length: 8 }, (_, i) => {
    const shard = `0${i}`;
    return `${folder}/${shard}/${i % 4 === 3 ? `name_${shard}${"7".repeat(18)}` : `${i}`.repeat(38)}.entry`;
  }),
);
const name = fc.constantFrom(...NAMES);
const line = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ sign: fc.constant("+" as const), name, bytes: fc.nat(100), passes: fc.nat(50) }),
  },
  { weight: 4, arbitrary: fc.record({ sign: fc.constant("u" as const), name, passes: fc.nat(50) }) },
  { weight: 2, arbitrary: fc.record({ sign: fc.constant("-" as const), name }) },
  { weight: 1, arbitrary: fc.record({ sign: fc.constant("c" as const), folder: fc.constantFrom("f/=1", "f/=1=v2", "none/=1") }) }, // biome-ignore format: one line
);
const positive = fc.option(fc.integer({ min: 1, max: 1000 }), { nil: undefined });
const few = fc.option(fc.integer({ min: 1, max: 12 }), { nil: undefined });
const limits = fc.record({ maxAge: positive, maxIdle: positive, maxEntries: few, maxBytes: positive });
const scope = fc.constantFrom(undefined, "f", "g/h");

interface Item {
  readonly createdAt: number;
  readonly usedAt: number;
  readonly bytes: number;
}

/** Applies the lines to an index, and to a Map whose order is that of the last uses. */
function applied(lines: readonly (typeof line extends fc.Arbitrary<infer L> ? L : never)[]) {
  const index = new LedgerIndex();
  const model = new Map<string, Item>();
  let now = 1000;
  for (const each of lines) {
    if (each.sign === "+") {
      now += each.passes;
      index.apply(`+ ${each.name} ${each.bytes} ${now} ${now}`);
      model.delete(each.name);
      model.set(each.name, { createdAt: now, usedAt: now, bytes: each.bytes });
    } else if (each.sign === "u") {
      now += each.passes;
      index.apply(`u ${each.name} ${now}`);
      const item = model.get(each.name);
      if (!item || item.usedAt >= now) continue;
      model.delete(each.name);
      model.set(each.name, { ...item, usedAt: now });
    } else if (each.sign === "-") {
      index.apply(`- ${each.name}`);
      model.delete(each.name);
    } else {
      index.apply(`c ${each.folder}`);
      for (const name of [...model.keys()]) if (name.startsWith(`${each.folder}/`)) model.delete(name);
    }
  }
  return { index, model, now };
}

function idOf({ folder, digits }: Victim): string {
  return NAMES.find((name) => name.startsWith(`${folder}/`) && name.replaceAll("/", "").includes(digits))!;
}

test("it knows what the lines say, and when each was used last, in that order", (t) => {
  fc.assert(
    fc.property(fc.array(line, { maxLength: 100 }), (lines) => {
      const { index, model } = applied(lines);
      t.is(index.size, model.size);
      for (const name of NAMES) t.is(index.usedAt(name), model.get(name)?.usedAt);
      t.deepEqual(
        [...index.entries()].map(([, aged]) => aged),
        [...model.values()],
      );
    }),
    RUNS,
  );
});

for (const way of ["beyond", "next"] as const) {
  test(`${way}: what stays is within the limits, of the others the least recently used went, and no more than had to`, (t) => {
    fc.assert(
      fc.property(fc.array(line, { maxLength: 100 }), limits, scope, fc.nat(500), (lines, given, path, passed) => {
        const { index, model, now: last } = applied(lines);
        const now = last + passed;
        // Of the whole store, after a write, there are only limits of size.
        const { maxEntries, maxBytes } = given;
        const asked = way === "next" && path === undefined ? { maxEntries, maxBytes } : given;
        const { maxAge = Infinity, maxIdle = Infinity } = asked as typeof given;
        const expected: string[] = [];
        const stay = new Map([...model].filter(([name]) => path === undefined || name.startsWith(`${path}/`)));
        const go = (name: string) => {
          expected.push(name);
          stay.delete(name);
        };
        for (const [name, { createdAt, usedAt }] of [...stay]) if (now - createdAt > maxAge || now - usedAt > maxIdle) go(name); // biome-ignore format: one line
        const bytes = () => [...stay.values()].reduce((sum, each) => sum + each.bytes, 0);
        while (stay.size > (maxEntries ?? Infinity) || bytes() > (maxBytes ?? Infinity)) go([...stay.keys()][0]!);
        const gone = way === "next" ? index.next(path, asked, now) : index.beyond(path, asked, now, Infinity).victims;
        t.deepEqual([...gone].map(idOf).sort(), expected.sort());
        for (const name of NAMES) t.is(index.has(name), model.has(name) && !expected.includes(name));
        t.deepEqual([...index.next(path, asked, now)], []);
      }),
      RUNS,
    );
  });
}

test("only some are given at once, and told how many there are", (t) => {
  const index = new LedgerIndex();
  for (const [i, name] of NAMES.entries()) index.apply(`+ ${name} 1 ${i} ${i}`);
  const found = index.beyond(undefined, { maxEntries: 4 }, 100, 15);
  t.is(found.total, 20);
  t.deepEqual([...found.victims].map(idOf), NAMES.slice(0, 15));
  t.is(index.size, 9);
  t.deepEqual([...index.beyond(undefined, { maxEntries: 4 }, 100, 15).victims].map(idOf), NAMES.slice(15, 20));
});

test("it takes no more than 64 bytes for each of 100,000 entries", (t) => {
  const before = process.memoryUsage().arrayBuffers;
  const index = new LedgerIndex();
  const count = 100_000;
  for (let i = 0; i < count; i++) index.apply(`+ f/=1/3f/${i.toString(16).padStart(38, "0")}.entry 1 ${i} ${i}`);
  t.is(index.size, count);
  t.true((process.memoryUsage().arrayBuffers - before) / count <= 64);
});

for (const [what, line] of Object.entries({
  "a shard that is none": "+ f/=1/zz/1.entry 1 1 1",
  "a way out": `+ f/../=1/3f/${"0".repeat(38)}.entry 1 1 1`,
  "an absolute path": `+ /f/=1/3f/${"0".repeat(38)}.entry 1 1 1`,
  "no folder of entries": `+ f/3f/${"0".repeat(38)}.entry 1 1 1`,
  "no path": `+ =1/3f/${"0".repeat(38)}.entry 1 1 1`,
  "another shard than its digits": `+ f/=1/3f/name_${"0".repeat(20)}.entry 1 1 1`,
  "a size below 0": `+ f/=1/3f/${"0".repeat(38)}.entry -1 1 1`,
  "no time": `+ f/=1/3f/${"0".repeat(38)}.entry 1 1`,
})) {
  test(`a line is passed over: ${what}`, (t) => {
    const index = new LedgerIndex();
    index.apply(line);
    t.is(index.size, 0);
    t.is(index.beyond(undefined, { maxAge: 1 }, 1e6, 9).total, 0);
  });
}

import test from "ava";
import fc from "fast-check";
import { beyondLimits, isExpired } from "../../src/stores/limits.js";
import { size } from "../size.js";

const entries = fc.array(
  fc.record({ createdAt: fc.nat(1000), idle: fc.nat(1000), bytes: fc.nat(100) }).map(({ createdAt, idle, bytes }) => ({
    createdAt,
    usedAt: createdAt + idle,
    bytes,
  })),
);
const positive = fc.option(fc.integer({ min: 1, max: 1500 }), { nil: undefined });
const limits = fc.record({ maxAge: positive, maxIdle: positive, maxEntries: positive, maxBytes: positive });
const RUNS = { numRuns: size(1000, 20_000) };

test("what stays is within the limits, and no more goes than has to", (t) => {
  fc.assert(
    fc.property(entries, limits, fc.nat(3000), (all, given, now) => {
      const gone = beyondLimits(all, given, now);
      const stay = all.filter((entry) => !gone.has(entry));
      const { maxEntries = Infinity, maxBytes = Infinity } = given;
      const total = (of: typeof all) => of.reduce((sum, { bytes }) => sum + bytes, 0);
      t.true(stay.every((entry) => !isExpired(entry, given, now)));
      t.true(stay.length <= maxEntries && total(stay) <= maxBytes);
      // Of those that are not expired the least recently used went, and not one too many.
      const evicted = [...gone.keys()]
        .filter((entry) => !isExpired(entry, given, now))
        .sort((a, b) => a.usedAt - b.usedAt);
      const last = evicted.at(-1);
      if (!last) return;
      t.true(stay.every(({ usedAt }) => usedAt >= last.usedAt));
      t.true(stay.length + 1 > maxEntries || total(stay) + last.bytes > maxBytes);
    }),
    RUNS,
  );
});

test("without limits nothing goes", (t) => {
  fc.assert(
    fc.property(entries, fc.nat(), (all, now) => void t.is(beyondLimits(all, {}, now).size, 0)),
    RUNS,
  );
});

test("an entry dated more than a minute ahead is expired where there is a maximum age", (t) => {
  const ahead = (by: number) => ({ createdAt: 1_000_000 + by, usedAt: 1_000_000 + by });
  t.false(isExpired(ahead(59_000), { maxAge: 5 }, 1_000_000));
  t.true(isExpired(ahead(61_000), { maxAge: 5 }, 1_000_000));
});

test("a use dated more than a minute ahead does not count: idle is then since it was written", (t) => {
  const used = (createdAt: number, by: number) => ({ createdAt, usedAt: 1_000_000 + by });
  t.false(isExpired(used(0, 59_000), { maxIdle: 5 }, 1_000_000));
  t.true(isExpired(used(0, 61_000), { maxIdle: 5 }, 1_000_000));
  t.false(isExpired(used(999_998, 61_000), { maxIdle: 5 }, 1_000_000));
  t.true(isExpired(used(1_061_000, 61_000), { maxIdle: 5 }, 1_000_000));
  const entries = [used(1, 61_000), used(2, 0)].map((each) => ({ ...each, bytes: 1 }));
  t.deepEqual([...beyondLimits(entries, { maxEntries: 1 }, 1_000_000).keys()], [entries[0]!]);
});

import { createHash } from "node:crypto";
import test from "ava";
import fc from "fast-check";
import { EntryTable, NONE, sortedRows, TIME_BITS, ticksOf } from "../../../../src/stores/file/ledger/entry-table.js";
import { size } from "../../../size.js";

const RUNS = { numRuns: size(200, 5_000) };

const FOLDERS = ["a/=1", "a/=1=v2", "b/c/=1"];
/** Few, so that the same ones come again; some begin alike, and some are those of names for people. */
const DIGITS = Array.from({ length: 60 }, (_, i) => {
  const digits = createHash("sha1").update(`${i}`).digest("hex");
  return [digits, `3f${digits.slice(2)}`, digits.slice(0, 20)][i % 3]!;
});

const id = fc.record({ folder: fc.constantFrom(...FOLDERS), digits: fc.constantFrom(...DIGITS) });
const time = fc.oneof(fc.nat(2 ** 43), fc.nat(100)).map((ticks) => ticks / 16);
const bytes = fc.oneof(fc.nat(100), fc.integer({ min: 2 ** 32 - 3, max: 2 ** 32 + 3 }));
const aged = fc.record({ createdAt: time, usedAt: time, bytes });
const step = fc.oneof(
  fc.record({ kind: fc.constant("add" as const), id, aged }),
  fc.record({ kind: fc.constant("remove" as const), id }),
  fc.record({ kind: fc.constant("use" as const), id, usedAt: time }),
  fc.record({ kind: fc.constant("find" as const), id }),
);

test("it has what was added, used and removed, as a Map would", (t) => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      const table = new EntryTable();
      const model = new Map<string, { createdAt: number; usedAt: number; bytes: number }>();
      // Until one is looked for, no hash is kept: rows are known here.
      const rows = new Map<string, number>();
      for (const each of steps) {
        const { folder, digits } = each.id;
        const name = `${folder} ${digits}`;
        const row = rows.get(name);
        if (each.kind === "find") {
          t.is(table.find(folder, digits), row ?? NONE);
        } else if (each.kind === "add" && row === undefined) {
          rows.set(name, table.add(folder, digits, each.aged));
          model.set(name, each.aged);
        } else if (each.kind === "remove" && row !== undefined) {
          table.remove(row);
          rows.delete(name);
          model.delete(name);
        } else if (each.kind === "use" && row !== undefined) {
          table.use(row, each.usedAt);
          model.set(name, { ...model.get(name)!, usedAt: each.usedAt });
        }
      }
      t.is(table.size, model.size);
      const all = [...table.rows()].map((row) => [`${table.folderOf(row)} ${table.digitsOf(row)}`, table.agedOf(row)]);
      t.deepEqual(Object.fromEntries(all), Object.fromEntries(model));
      for (const [name, row] of rows) t.is(table.find(...(name.split(" ") as [string, string])), row);
    }),
    RUNS,
  );
});

test("rows are sorted by what they have, equal ones by row", (t) => {
  fc.assert(
    fc.property(fc.array(time, { maxLength: 300 }), fc.nat(1000), (times, first) => {
      const rows = times.map((_, i) => first + i);
      const timeOf = (row: number) => times[row - first]!;
      const sorted = sortedRows(rows, rows.length, first + rows.length, (row) => ticksOf(timeOf(row)), TIME_BITS);
      t.deepEqual(
        [...sorted],
        rows.toSorted((a, b) => timeOf(a) - timeOf(b)),
      );
    }),
    RUNS,
  );
});

test("in a large table they are sorted by times that differ by a millisecond", (t) => {
  const count = 100_000;
  const start = Date.UTC(2026, 0);
  const rows = Array.from({ length: count }, (_, i) => i);
  const timeOf = (row: number) => start + ((row * 7919) % count);
  const sorted = [...sortedRows(rows, count, count, (row) => ticksOf(timeOf(row)), TIME_BITS)];
  t.true(sorted.every((row, i) => i === 0 || timeOf(sorted[i - 1]!) < timeOf(row)));
  t.is(new Set(sorted).size, count);
});

test("a table of 100,000 takes no more than 50 bytes for each", (t) => {
  const table = new EntryTable();
  const before = process.memoryUsage().arrayBuffers;
  const digits = (i: number) => createHash("sha1").update(`${i}`).digest("hex");
  const count = 100_000;
  for (let i = 0; i < count; i++) table.add("a/=1", digits(i), { bytes: i, createdAt: i, usedAt: i });
  t.is(table.find("a/=1", digits(77_777)), 77_777);
  t.is(table.find("a/=1", digits(count)), NONE);
  t.true((process.memoryUsage().arrayBuffers - before) / count < 50);
});

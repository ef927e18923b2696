import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { type Codec, createCache, defineType, stableHash, UnkeyableValueError } from "../../src/index.js";

/** What keys and entries promise, seen from a cached function. */

const dir = mkdtempSync(join(tmpdir(), "permacache-whole-"));
test.after.always(() => rmSync(dir, { recursive: true, force: true }));
const { permacache } = createCache({ dir });

function warnings(): string[] {
  const told: string[] = [];
  process.on("warning", ({ message }) => told.push(message));
  return told;
}
const told = warnings();
const turn = () => new Promise((resolve) => setImmediate(resolve));

test.serial("a toJSON on the prototypes changes neither hits nor keys", (t) => {
  let calls = 0;
  const pair = permacache("whole/pair")((n: unknown) => {
    calls++;
    return [n, [n]];
  });
  const args = [1, [1, [1, 2]], [1, 1, 2], "[1,1,2]", { a: [1] }];
  const keep = { configurable: true, writable: true, enumerable: true };
  for (const prototype of [Array.prototype, Object.prototype, String.prototype]) {
    Object.defineProperty(prototype, "toJSON", { ...keep, value: () => "patched" });
  }
  try {
    for (const arg of args) t.deepEqual([pair(arg), pair(arg)], [[arg, [arg]], [arg, [arg]]]); // biome-ignore format: one line
  } finally {
    for (const prototype of [Array.prototype, Object.prototype, String.prototype]) {
      Reflect.deleteProperty(prototype, "toJSON");
    }
  }
  for (const arg of args) t.deepEqual(pair(arg), [arg, [arg]]);
  t.is(calls, args.length);
});

test.serial(
  "a decode that gives nothing, or a promise, is damage: the result is computed again, with one warning",
  async (t) => {
    class Money {
      constructor(readonly amount: number) {}
    }
    for (const [name, decode] of Object.entries({
      nothing: () => undefined,
      promise: async (n: number) => new Money(n),
    })) {
      defineType(Money, { name: `whole/${name}`, encode: ({ amount }) => amount, decode: decode as never });
      let calls = 0;
      const price = permacache(`whole/money-${name}`)((n: number) => {
        calls++;
        return new Money(n);
      });
      const codec: Codec = { name: "own", encode: String, decode: decode as never };
      const text = permacache(`whole/codec-${name}`, { codec })((n: number) => {
        calls++;
        return n;
      });
      for (let i = 0; i < 3; i++) t.deepEqual([price(1), text(1)], [new Money(1), 1]);
      t.is(calls, 6);
      await turn();
      const about = told.filter((each) => each.includes(`-${name}"`) && each.includes("counts as a miss"));
      t.is(about.length, 2);
    }
  },
);

test.serial("a key of a million characters warns once, and names stableHash", async (t) => {
  const f = permacache("whole/large")((text: string) => text.length);
  const g = permacache("whole/hashed", { keyFunction: { text: stableHash } })((text: string) => text.length);
  for (const length of [999_000, 1_000_000, 1_000_001]) t.is(f("x".repeat(length)), length);
  t.is(g("x".repeat(1_000_000)), 1_000_000);
  await turn();
  const about = told.filter((each) => each.includes("characters"));
  t.is(about.length, 1);
  t.regex(about[0]!, /"whole\/large": a key has 1000011 characters.*stableHash/);
});

test.serial("arguments that are too large together, or alone, are unkeyable, and stableHash takes them", (t) => {
  const f = permacache("whole/two")((x: string, y: string) => x.length + y.length);
  const half = "x".repeat(2 ** 28);
  t.throws(() => f(half, half), { instanceOf: UnkeyableValueError, message: /y makes the key too large.*stableHash/ });
  const whole = "x".repeat(2 ** 29 - 24);
  t.throws(() => f(whole, ""), { instanceOf: UnkeyableValueError, message: /x is too large.*stableHash/ });
  const hashed = permacache("whole/two", { keyFunction: { x: stableHash, y: stableHash } })((x: string, y: string) => x.length + y.length); // biome-ignore format: one line
  t.is(hashed(whole, half), whole.length + half.length);
});

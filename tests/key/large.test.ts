import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import test from "ava";
import fc from "fast-check";
import { UnkeyableValueError } from "../../src/errors.js";
import { canonicalArgument, canonicalJson } from "../../src/key/canonical-json.js";
import { stableHash } from "../../src/key/key-functions.js";
import { sha256, sha256OfParts } from "../../src/key/node.js";
import { sha256OfParts as portableOfParts } from "../../src/key/portable.js";
import { printParts, printSorted } from "../../src/key/print.js";
import { size } from "../size.js";

const digest = (text: string) => createHash("sha256").update(text).digest("hex");

test("both printers give one text", (t) => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 5, stringUnit: "binary" }), (tree) => {
      t.is(printParts(tree, true).join(""), printSorted(tree, 0));
      t.is(printParts(tree, false).join(""), JSON.stringify(tree));
    }),
    { numRuns: size(500, 20000) },
  );
});

const LARGE: Record<string, unknown> = {
  "a long text": "x".repeat(200_000),
  "a long text with escapes at every place": '"\\\n\u0001é😀'.repeat(30_000),
  "a long text of halves of characters": "\ud83d".repeat(100_001),
  "a long text of pairs": `x${"😀".repeat(100_000)}`,
  "many numbers": Array.from({ length: 120_000 }, (_, i) => i),
  "many objects": Array.from({ length: 30_000 }, (_, i) => ({ b: i, a: [`${i}`, null], 10: true, 9: {} })),
  "many keys": Object.fromEntries(Array.from({ length: 60_000 }, (_, i) => [`k${i}`, i])),
  "a long text inside": { a: ["y".repeat(100_000), { b: '"'.repeat(60_000) }] },
};

for (const [name, value] of Object.entries(LARGE)) {
  test(`the key of what is large is the one of JSON: ${name}`, (t) => {
    const text = canonicalJson(value);
    t.true(text === printSorted(JSON.parse(JSON.stringify(value)), 0));
    t.deepEqual(JSON.parse(text), value);
    t.true(canonicalArgument("x", value) === text);
    t.is(stableHash(value), digest(text));
    t.is(sha256(text), digest(text));
  });
}

test("tags in a large value", (t) => {
  const value = Array.from({ length: 60_000 }, (_, i) => (i % 2 ? undefined : -0));
  t.is(canonicalJson(value).slice(0, 44), '[{"$type":"-0"},{"$type":"undefined"},{"$typ');
  t.is(stableHash(value), digest(canonicalJson(value)));
});

test("a digest of parts is that of the whole", (t) => {
  for (const parts of [[], [""], ["a", "é😀", "x".repeat(3_000_000)], [`${"😀".repeat(600_000)}`]]) {
    t.is(sha256OfParts(parts), digest(parts.join("")));
    if (parts.join("").length < 100) t.is(portableOfParts(parts), digest(parts.join("")));
  }
});

test("a large array with holes, with a property more, and a symbol", (t) => {
  const holes = Array.from({ length: 20_000 }, () => 1);
  delete holes[10_000];
  t.true(canonicalJson(holes).startsWith('{"$type":"Array","items":{"0":1,'));
  const extra = Object.assign(
    Array.from({ length: 20_000 }, () => 1),
    { note: 1 },
  );
  t.throws(() => canonicalJson(extra), { instanceOf: UnkeyableValueError, message: /further property \("note"\)/ });
  const symbol = Object.assign(
    Array.from({ length: 20_000 }, () => 1),
    { [Symbol("s")]: 1 },
  );
  t.throws(() => canonicalJson(symbol), { instanceOf: UnkeyableValueError });
  const proxy = new Proxy(
    Array.from({ length: 20_000 }, () => 1),
    {},
  );
  t.true(canonicalJson(proxy).startsWith("[1,1,"));
});

test("a text of 512 MB is refused at once, at its place, with the way out", (t) => {
  const long = "x".repeat(2 ** 29 - 24);
  for (const [value, place] of [
    [long, "x"],
    [{ a: [long] }, "x.a[0]"],
  ] as const) {
    const start = performance.now();
    const error = t.throws(() => canonicalArgument("x", value), { instanceOf: UnkeyableValueError });
    t.true(performance.now() - start < 1000);
    t.true(error.message.startsWith(`${place} is too large to stand in a key; key it by stableHash`), error.message);
  }
  const half = long.slice(2 ** 28);
  t.throws(() => canonicalArgument("x", [half, half, half]), {
    instanceOf: UnkeyableValueError,
    message: /^x\[\d\] is too large.*stableHash/,
  });
});

test("the key of many numbers takes a small multiple of its size", (t) => {
  // As a rope of six million pieces it took 600 MB.
  const program = `
    import { canonicalJson } from "./src/key/canonical-json.ts";
    const value = Array.from({ length: 3_000_000 }, (_, i) => 10_000_000 + i);
    console.log(canonicalJson(value).length);`;
  const options = ["--max-old-space-size=200", "--import=tsx", "--input-type=module", "-e", program];
  t.is(execFileSync(process.execPath, options, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] }), "27000001\n");
});

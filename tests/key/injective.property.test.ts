import test from "ava";
import fc from "fast-check";
import stringify from "fast-json-stable-stringify";
import { canonicalJson, dropIfEqual, stableHash } from "../../src/key/index.js";
import { size } from "../size.js";
import { same } from "./same.js";
import { build, countLeaves, leaves, type Recipe, recipes, withLeaf } from "./values.js";

const RUNS = { numRuns: size(3000, 60000) };

/** The texts agree exactly where the values are structurally equal. */
function agree(a: unknown, b: unknown): boolean {
  return (canonicalJson(a) === canonicalJson(b)) === same(a, b);
}

test("a value built twice has one text, in whatever order it is filled", (t) => {
  fc.assert(
    fc.property(recipes, (recipe) => {
      const [value, other] = [build(recipe), build(recipe, true)];
      t.true(same(value, other));
      t.is(canonicalJson(value), canonicalJson(other));
      t.is(stableHash(value), stableHash(other));
    }),
    RUNS,
  );
});

const changed: fc.Arbitrary<[Recipe, Recipe]> = recipes.chain((recipe) =>
  fc
    .tuple(fc.nat(countLeaves(recipe) - 1), leaves)
    .map(([index, leaf]): [Recipe, Recipe] => [recipe, withLeaf(recipe, index, leaf)]),
);

test("with one leaf changed: the same text exactly if structurally equal", (t) => {
  fc.assert(
    fc.property(changed, ([a, b]) => agree(build(a), build(b, true))),
    RUNS,
  );
  t.pass();
});

test("any two: the same text exactly if structurally equal", (t) => {
  fc.assert(
    fc.property(recipes, recipes, (a, b) => agree(build(a), build(b))),
    RUNS,
  );
  t.pass();
});

test("a value is not what its text says", (t) => {
  fc.assert(
    fc.property(recipes, (recipe) => {
      const value = build(recipe);
      const parsed: unknown = JSON.parse(canonicalJson(value));
      return agree(value, parsed);
    }),
    RUNS,
  );
  t.pass();
});

test("the text is JSON: compact, with sorted keys, without lone surrogates", (t) => {
  fc.assert(
    fc.property(recipes, (recipe) => {
      const text = canonicalJson(build(recipe));
      t.is(stringify(JSON.parse(text)), text);
      t.notRegex(text, /\p{Surrogate}/u);
    }),
    RUNS,
  );
});

test("plain JSON is read back as it was", (t) => {
  const json = fc.jsonValue().map((value): unknown => JSON.parse(JSON.stringify(value))); // JSON has no -0
  fc.assert(
    fc.property(json, (value) => {
      fc.pre(!canonicalJson(value).includes("$type"));
      t.deepEqual(JSON.parse(canonicalJson(value)), value);
    }),
    RUNS,
  );
});

test("dropIfEqual drops exactly what is structurally equal", (t) => {
  fc.assert(
    fc.property(changed, ([a, b]) => {
      const [value, other] = [build(a), build(b)];
      fc.pre(other !== undefined);
      t.is(dropIfEqual(value, () => "kept")(other), same(value, other) ? undefined : "kept");
    }),
    RUNS,
  );
});

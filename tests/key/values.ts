import fc from "fast-check";

/**
 * A description of a value, so that it can be built twice, in another order, or with one leaf changed.
 * `make` builds it from its parts.
 */
export interface Recipe {
  readonly make: (parts: unknown[], reversed: boolean) => unknown;
  readonly parts: readonly Recipe[];
}

/** The value anew; with `reversed`, objects, Maps and Sets are filled from the other end. */
export function build({ make, parts }: Recipe, reversed = false): unknown {
  return make(
    parts.map((part) => build(part, reversed)),
    reversed,
  );
}

export function countLeaves({ parts }: Recipe): number {
  return parts.length === 0 ? 1 : parts.reduce((sum, part) => sum + countLeaves(part), 0);
}

/** The recipe with its `index`th leaf replaced. */
export function withLeaf(recipe: Recipe, index: number, leaf: Recipe): Recipe {
  if (recipe.parts.length === 0) return leaf;
  let first = 0;
  const parts = recipe.parts.map((part) => {
    const at = index - first;
    const count = countLeaves(part);
    first += count;
    return at >= 0 && at < count ? withLeaf(part, at, leaf) : part;
  });
  return { ...recipe, parts };
}

const leaf = (make: () => unknown): Recipe => ({ make, parts: [] });

/** Few, and alike, so that equal and nearly equal values are met often. */
const KEYS = [
  "a",
  "b",
  "",
  "1",
  "10",
  "9",
  "01",
  "$type",
  "__proto__",
  "constructor",
  "value",
  "toJSON",
  "\ud800",
  "é",
];
const TEXTS = [...KEYS, "undefined", "Map", "object", "0", "null", "\ud800\udc00", "\udc00", '","', "\ufffd"];
const NUMBERS = [0, -0, 1, -1, 0.1, 1e21, 2 ** 53, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];

const bytes = fc.uint8Array({ maxLength: 3 }).map((array) => Uint8Array.from([...array, ...array, ...array, ...array]));
const padded = bytes.chain((content) =>
  fc.constantFrom(0, 8).map((offset) => {
    const whole = new Uint8Array(offset + content.length + 8);
    whole.set(content, offset);
    return { buffer: whole.buffer, offset, length: content.length };
  }),
);
const TYPES = [
  Int8Array,
  Uint8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
];

export const leaves: fc.Arbitrary<Recipe> = fc
  .oneof(
    fc.constantFrom<unknown>(null, undefined, true, false, ...NUMBERS, ...TEXTS, 0n, 1n, -1n, 2n ** 70n),
    fc.double(),
    fc.bigInt(),
    fc.string({ unit: "binary", maxLength: 4 }),
  )
  .map((value) => leaf(() => value));

const objectLeaves: fc.Arbitrary<Recipe> = fc.oneof(
  fc.constantFrom(0, 1, -1, 1e12, Number.NaN).map((time) => leaf(() => new Date(time))),
  fc
    .record({
      source: fc.constantFrom("a", "b", "/", ""),
      flags: fc.constantFrom("", "g", "gi"),
      at: fc.constantFrom(0, 1),
    })
    .map(({ source, flags, at }) => leaf(() => Object.assign(new RegExp(source, flags), { lastIndex: at }))),
  fc.constantFrom("a:b", "a:c", "http://a/", "http://A").map((href) => leaf(() => new URL(href))),
  fc.constantFrom<unknown>(0, -0, Number.NaN, "", "0", "ab", true, false, 0n).map((value) => leaf(() => Object(value))),
  fc
    .tuple(fc.constantFrom(...TYPES), padded)
    .map(([Type, { buffer, offset, length }]) => leaf(() => new Type(buffer, offset, length / Type.BYTES_PER_ELEMENT))),
  padded.map(({ buffer, offset, length }) => leaf(() => Buffer.from(buffer, offset, length))),
  padded.map(({ buffer, offset, length }) => leaf(() => new DataView(buffer, offset, length))),
  bytes.map(({ buffer }) => leaf(() => buffer)),
);

const ERRORS = [Error, TypeError, RangeError, SyntaxError];

export const recipes: fc.Arbitrary<Recipe> = fc.letrec<{ any: Recipe }>((tie) => {
  const parts = fc.array(tie("any"), { maxLength: 4 });
  const named = fc.uniqueArray(fc.tuple(fc.constantFrom(...KEYS), tie("any")), {
    maxLength: 4,
    selector: ([key]) => key,
  });
  return {
    any: fc.oneof(
      { maxDepth: 4, withCrossShrink: true },
      { arbitrary: leaves, weight: 3 },
      { arbitrary: objectLeaves, weight: 1 },
      {
        arbitrary: fc.tuple(named, fc.boolean()).map(
          ([entries, bare]): Recipe => ({
            parts: entries.map(([, part]) => part),
            make: (values, reversed) => fill(bare ? Object.create(null) : {}, entries, values, reversed),
          }),
        ),
        weight: 3,
      },
      { arbitrary: parts.map((parts): Recipe => ({ parts, make: (values) => values })), weight: 2 },
      {
        arbitrary: fc.tuple(parts, fc.array(fc.nat(2), { maxLength: 4 })).map(
          ([parts, gaps]): Recipe => ({
            parts,
            make: (values) => {
              const array: unknown[] = [];
              for (const [i, value] of values.entries()) {
                array.length += gaps[i] ?? 0;
                array.push(value);
              }
              array.length += gaps.at(-1) ?? 0;
              return array;
            },
          }),
        ),
        weight: 1,
      },
      {
        arbitrary: parts.map(
          (parts): Recipe => ({ parts, make: (values, reversed) => new Set(turned(values, reversed)) }),
        ),
        weight: 1,
      },
      {
        arbitrary: fc.array(fc.tuple(tie("any"), tie("any")), { maxLength: 3 }).map(
          (pairs): Recipe => ({
            parts: pairs.flat(),
            // Primitive keys may meet: the last one wins, so what is turned is the Map.
            make: (values, reversed) =>
              new Map(turned([...new Map(pairs.map((_, i) => [values[2 * i], values[2 * i + 1]]))], reversed)),
          }),
        ),
        weight: 1,
      },
      {
        arbitrary: fc.tuple(fc.constantFrom(...ERRORS), fc.constantFrom("", "m"), fc.boolean(), named, tie("any")).map(
          ([Type, message, caused, entries, cause]): Recipe => ({
            parts: [cause, ...entries.map(([, part]) => part)],
            make: ([cause, ...values], reversed) =>
              fill(caused ? new Type(message, { cause }) : new Type(message), entries, values, reversed),
          }),
        ),
        weight: 1,
      },
      {
        arbitrary: parts.map((parts): Recipe => ({ parts, make: (values) => new AggregateError(values, "m") })),
        weight: 1,
      },
    ),
  };
}).any;

function fill(
  object: object,
  entries: readonly (readonly [string, Recipe])[],
  values: unknown[],
  reversed: boolean,
): object {
  const properties = entries.map(([key], i) => [key, values[i]] as const);
  for (const [key, value] of turned(properties, reversed)) {
    Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true });
  }
  return object;
}

function turned<T>(items: readonly T[], reversed: boolean): T[] {
  return reversed ? [...items].reverse() : [...items];
}

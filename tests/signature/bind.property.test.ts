// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the strings are source text
import { deepStrictEqual } from "node:assert";
import test from "ava";
import fc from "fast-check";
import { createBinder } from "../../src/signature/bind.js";
import { kw } from "../../src/signature/kw.js";
import { readSignature } from "../../src/signature/parse.js";
import { size } from "../size.js";
import { evaluate } from "./evaluate.js";

/** One name of a signature, and the value a call gives it (undefined: none). */
const name = fc.record({
  renamed: fc.boolean(),
  fallback: fc.constantFrom(
    "",
    "2",
    "'s'",
    "[1, , 3]",
    "{ k: [null] }",
    "EARLIER",
    "[EARLIER]",
    "EARLIER ?? -1",
    "`${typeof EARLIER}`",
  ),
  value: fc.oneof(
    { weight: 2, arbitrary: fc.constant(undefined) },
    fc.constantFrom<unknown>(null, 0, -0, Number.NaN, "", "text", false, 7n),
    fc.array(fc.nat(3), { maxLength: 2 }),
    fc.record({ k: fc.nat(3) }),
  ),
});
type Name = typeof name extends fc.Arbitrary<infer T> ? T : never;

const parameter = fc.record({
  kind: fc.constantFrom("name", "name", "object", "array"),
  names: fc.array(name, { minLength: 1, maxLength: 3 }),
  fallback: fc.constantFrom("", "whole"),
  rest: fc.boolean(),
  extra: fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, fc.array(fc.nat(3), { maxLength: 2 })),
});
const shape = fc.record({
  parameters: fc.array(parameter, { maxLength: 4 }),
  rest: fc.option(fc.array(fc.constantFrom<unknown>(1, "r", undefined), { maxLength: 2 })),
});
type Shape = typeof shape extends fc.Arbitrary<infer T> ? T : never;

/** A parameter as the test knows it, found without the code under test. */
interface Known {
  /** What a positional call passes. */
  readonly positional: unknown;
  /** The same by name; undefined where a rest is given, which has no keyword. */
  readonly named: Record<string, unknown> | undefined;
  readonly keys: readonly string[];
  /** Builds the positional argument from the values bound for `keys` (and the rest). */
  rebuild(values: readonly unknown[]): unknown;
}

/** The source of a function that returns all its variables, and what the test knows of its parameters. */
function write({ parameters, rest }: Shape): { source: string; known: Known[] } {
  const locals: string[] = [];
  let keyCount = 0;

  function writeName({ renamed, fallback }: Name, canRename: boolean): { key: string; text: string } {
    const key = `k${keyCount++}`;
    const local = renamed && canRename ? `v${keyCount}` : key;
    const text = fallback.replaceAll("EARLIER", locals.at(-1) ?? "undefined");
    locals.push(local);
    return { key, text: `${local === key ? key : `${key}: ${local}`}${text === "" ? "" : ` = ${text}`}` };
  }

  const known: Known[] = [];
  const texts = parameters.map((parameter): string => {
    const isObject = parameter.kind === "object";
    const names = parameter.kind === "name" ? parameter.names.slice(0, 1) : parameter.names;
    const written = names.map((one) => writeName(one, isObject));
    const keys = written.map(({ key }) => key);
    const given = names.map(({ value }) => value);
    const named = Object.fromEntries(keys.map((key, i) => [key, given[i]]));
    if (parameter.kind === "name") {
      known.push({ positional: given[0], named, keys, rebuild: ([value]) => value });
      return written[0]!.text;
    }
    const items = written.map(({ text }) => text);
    const extra: readonly number[] = parameter.rest ? parameter.extra : [];
    if (parameter.rest) {
      const restName = `r${keyCount++}`;
      locals.push(restName);
      keys.push(restName);
      items.push(`...${restName}`);
    }
    const extras = Object.fromEntries(extra.map((value, i) => [`extra${i}`, value]));
    const isOmitted = parameter.fallback !== "" && extra.length === 0 && given.every((value) => value === undefined);
    const rebuild = (values: readonly unknown[]): unknown => {
      const own = values.slice(0, names.length);
      const more = values[names.length];
      if (!isObject) return [...own, ...((more as unknown[] | undefined) ?? [])];
      return { ...Object.fromEntries(own.map((value, i) => [keys[i]!, value])), ...(more as object | undefined) };
    };
    known.push({
      positional: isOmitted ? undefined : rebuild([...given, isObject ? extras : extra]),
      named: extra.length === 0 ? named : undefined,
      keys,
      rebuild,
    });
    const whole = isObject ? `{ ${keys[0]}: "whole" }` : '["whole"]';
    const pattern = isObject ? `{ ${items.join(", ")} }` : `[${items.join(", ")}]`;
    return parameter.fallback === "" ? pattern : `${pattern} = ${whole}`;
  });
  if (rest !== null) {
    texts.push("...rest");
    locals.push("rest");
  }
  return { source: `function f(${texts.join(", ")}) { return [${locals.join(", ")}]; }`, known };
}

test("every way to write a call has the same values, and the function sees what the language gives it", (t) => {
  fc.assert(
    fc.property(shape, fc.nat(4), (drawn, cut) => {
      const { source, known } = write(drawn);
      const rest = drawn.rest ?? [];
      const fn = evaluate(source);
      const binder = createBinder(readSignature(fn));
      const positional = [...known.map((one) => one.positional), ...rest];
      const { values } = binder.bind(positional);
      const observed = fn(...positional);

      const styles: Record<string, unknown[]> = { positional };
      if (drawn.rest === null) {
        styles["with undefined and more behind"] = [...positional, undefined, 1];
        const end = positional.findLastIndex((value) => value !== undefined) + 1;
        styles["trailing ones left out"] = positional.slice(0, end);
      }
      const byKey = new Map(binder.names.map((key, i) => [key, values[i]]));
      const writtenOut = known.map(({ keys, rebuild }) => rebuild(keys.map((key) => byKey.get(key))));
      styles["defaults written out"] = [...writtenOut, ...rest];
      const tail = known.slice(cut);
      if (rest.length === 0 && tail.every(({ named }) => named !== undefined)) {
        const named = Object.assign({}, ...tail.map((one) => one.named).reverse());
        styles.mixed = [...positional.slice(0, cut), kw(named)];
        styles["mixed, with undefined before kw"] = [
          ...positional.slice(0, cut),
          ...tail.map(() => undefined),
          kw(named),
        ];
      }

      for (const [style, args] of Object.entries(styles)) {
        const bound = binder.bind(args);
        deepStrictEqual(bound.values, values, `${source}: values of ${style}`);
        deepStrictEqual(fn(...bound.args), observed, `${source}: seen by ${style}`);
      }
    }),
    { numRuns: size(1500, 30000) },
  );
  t.pass();
});

test("a bound call binds to itself, and what a call has too much does not reach the function", (t) => {
  let bindings = 0;
  const numRuns = size(1000, 20000);
  fc.assert(
    fc.property(shape, shape, (drawn, other) => {
      const { source } = write(drawn);
      const fn = evaluate(source);
      const binder = createBinder(readSignature(fn));
      // Any arguments, mostly of another shape than the function expects: what they have too much must not reach it.
      const args = write(other).known.map((one, i) =>
        Array.isArray(one.positional) ? one.positional : { ...Object(one.positional), k0: i, q: i },
      );
      let bound: ReturnType<typeof binder.bind>;
      try {
        bound = binder.bind(args);
      } catch {
        return; // an array pattern that got an object
      }
      bindings++;
      deepStrictEqual(
        fn(...bound.args),
        fn(...args.slice(0, drawn.rest === null ? drawn.parameters.length : undefined)),
      );
      deepStrictEqual(binder.bind(bound.args), bound);
    }),
    { numRuns },
  );
  t.true(bindings > 0.5 * numRuns, `only ${bindings} of ${numRuns} calls could be bound`);
});

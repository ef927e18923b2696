import { setImmediate as turn } from "node:timers/promises";
import test from "ava";
import fc from "fast-check";
import { CacheMissError } from "../../../src/index.js";
import { failureOf, newCache } from "../../place.js";
import { size } from "../../size.js";

const RUNS = { numRuns: size(60, 3_000) };

const element = fc.constantFrom(..."abcdefgh");
const elements = fc.array(element, { maxLength: 12 });
const mode = fc.constantFrom("read-write", "read-write", "read-only", "refresh", "bypass", "only-if-cached");
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ deed: fc.constant("call"), xs: elements, mode, asText: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ deed: fc.constantFrom("delete", "prime"), xs: elements }) },
) as fc.Arbitrary<{ deed: "call" | "delete" | "prime"; xs: string[]; mode: any; asText: boolean }>;
const plan = fc.record({
  chunkSize: fc.option(fc.integer({ min: 1, max: 4 }), { nil: undefined }),
  concurrency: fc.option(fc.integer({ min: 1, max: 3 }), { nil: undefined }),
  async: fc.boolean(),
  steps: fc.array(step, { maxLength: 12 }),
});

function chunked(xs: readonly string[], length = Number.POSITIVE_INFINITY): string[][] {
  return xs.length === 0 ? [] : [xs.slice(0, length), ...chunked(xs.slice(length), length)];
}

/** Values by element: which run of the function gave it. */
class Model {
  readonly stored = new Map<string, string>();
  #runs = 0;

  constructor(readonly chunkSize: number | undefined) {}

  /** The results, and what the function is called with. */
  call(xs: readonly string[], how: string): { results: string[]; ran: string[][] } {
    const distinct = [...new Set(xs)];
    if (how === "bypass") {
      const ran = chunked(xs, this.chunkSize);
      return { ran, results: ran.flatMap((chunk) => this.#run(chunk)) };
    }
    const ran = chunked(how === "refresh" ? distinct : distinct.filter((x) => !this.stored.has(x)), this.chunkSize);
    const known = new Map(this.stored);
    for (const chunk of ran) for (const [i, value] of this.#run(chunk).entries()) known.set(chunk[i]!, value);
    if (how !== "read-only") for (const [x, value] of known) this.stored.set(x, value);
    return { ran, results: xs.map((x) => known.get(x)!) };
  }

  #run(chunk: readonly string[]): string[] {
    this.#runs++;
    return chunk.map((x) => `${x} of run ${this.#runs}`);
  }
}

test("whatever is called, deleted and primed: results as of the model, the function called for what is missing", async (t) => {
  const { permacache } = newCache(t);
  let version = 0;
  await fc.assert(
    fc.asyncProperty(plan, async ({ chunkSize, concurrency, async, steps }) => {
      let ran: string[][] = [];
      let runs = 0;
      const compute = (xs: any) => {
        ran.push([...xs]);
        const run = ++runs;
        return Array.from(xs, (x) => `${x} of run ${run}`);
      };
      const options = { parallel: "xs", chunkSize, concurrency, version: `v${version++}` };
      const f: any = async
        ? permacache(
            "model",
            options,
          )(async (xs: any) => {
            const results = compute(xs);
            for (let i = 0; i < runs % 3; i++) await turn();
            return results;
          })
        : permacache("model", options)((xs: any) => compute(xs));
      const model = new Model(chunkSize);
      for (const { deed, xs, mode: how, asText } of steps) {
        ran = [];
        if (deed === "delete") {
          t.deepEqual(
            await f.delete(xs),
            xs.map((x) => model.stored.has(x)),
          );
          for (const x of xs) model.stored.delete(x);
        } else if (deed === "prime") {
          await f.prime(
            xs.map((x, i) => `${x} primed ${i}`),
            xs,
          );
          for (const [i, x] of xs.entries()) if (xs.indexOf(x) === i) model.stored.set(x, `${x} primed ${i}`);
        } else {
          const absent = xs.find((x) => !model.stored.has(x));
          const call = () => f.with({ mode: how })(asText ? xs.join("") : xs);
          if (how === "only-if-cached" && absent !== undefined) {
            const error = await failureOf(call);
            t.true(error instanceof CacheMissError);
            t.is(error.key, `{"xs":"${absent}"}`);
            t.deepEqual(ran, []);
          } else {
            const expected = model.call(xs, how);
            t.deepEqual(await call(), expected.results);
            t.deepEqual(ran, expected.ran);
          }
        }
        const all = [..."abcdefgh"];
        t.deepEqual(
          await f.has(all),
          all.map((x) => model.stored.has(x)),
        );
        t.deepEqual(
          (await f.peek(all)).map((found: any) => found?.value),
          all.map((x) => model.stored.get(x)),
        );
      }
    }),
    RUNS,
  );
});

test("batches that run at once: each gets its results, and no element is computed twice", async (t) => {
  const { permacache } = newCache(t);
  let version = 0;
  const batches = fc.array(elements, { minLength: 1, maxLength: 6 });
  const number = fc.integer({ min: 1, max: 4 });
  await fc.assert(
    fc.asyncProperty(batches, number, number, async (all, chunkSize, concurrency) => {
      const ran: string[] = [];
      const f: any = permacache("at/once", { parallel: "xs", chunkSize, concurrency, version: `v${version++}` })(
        async (xs: string[]) => {
          ran.push(...xs);
          for (let i = 0; i < ran.length % 3; i++) await turn();
          return xs.map((x) => ({ x }));
        },
      );
      const results = await Promise.all(all.map((xs) => f(xs)));
      t.deepEqual(
        results,
        all.map((xs) => xs.map((x) => ({ x }))),
      );
      t.deepEqual(ran.toSorted(), [...new Set(all.flat())].sort());
    }),
    RUNS,
  );
});

import test from "ava";
import { newCache } from "../../place.js";
import { size } from "../../size.js";

for (const [kind, count] of [
  ["sync", size(2_000, 100_000)],
  ["async", size(2_000, 20_000)],
] as const) {
  test(`a batch with 1 % missing calls the function with exactly these, once, in their order: ${kind}`, async (t) => {
    const { permacache } = newCache(t);
    const ran: number[][] = [];
    const compute = (xs: number[]) => {
      ran.push(xs);
      return xs.map((x) => x * 2);
    };
    const f: any =
      kind === "sync"
        ? permacache("large/sync", { parallel: "xs" })((xs: number[]) => compute(xs))
        : permacache("large/async", { parallel: "xs" })(async (xs: number[]) => compute(xs));
    const all = Array.from({ length: count }, (_, x) => x);
    const isMissing = (x: number) => x % 100 === 37;
    const known = all.filter((x) => !isMissing(x));
    await f.prime(
      known.map((x) => x * 2),
      known,
    );
    const results: number[] = await f(all);
    t.is(ran.length, 1);
    t.is(ran[0]!.length, count / 100);
    t.true(ran[0]!.every((x, i) => x === i * 100 + 37));
    t.is(results.length, count);
    t.true(results.every((result, x) => result === x * 2));
    const again: number[] = await f.with({ mode: "only-if-cached" })(all);
    t.true(again.every((result, x) => result === x * 2));
    t.is(ran.length, 1);
  });
}

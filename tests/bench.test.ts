import test from "ava";
import { compare } from "../scripts/bench/compare.js";
import { type Measured, measure } from "../scripts/bench/measure.js";

function row(name: string, ratio: number, target: number | null, better: "less" | "more" = "less"): Measured {
  const ok = target === null || (better === "less" ? ratio <= target : ratio >= target);
  return { name, ratio, target, better, ok, unit: "x" };
}

const CASES: readonly [string, before: Measured, now: Measured, isWorse: boolean][] = [
  ["as it was", row("a", 1.2, 1.35), row("a", 1.2, 1.35), false],
  ["slower, within the target", row("a", 0.5, 1.35), row("a", 1.3, 1.35), false],
  ["beyond the target by less than 15 %", row("a", 1.2, 1), row("a", 1.1, 1), false],
  ["that was ok, and is beyond by 20 %", row("a", 0.9, 1), row("a", 1.2, 1), true],
  ["that was not ok, and is worse", row("a", 1.1, 1), row("a", 2, 1), false],
  ["with a speed-up that is too small by 20 %", row("a", 40, 30, "more"), row("a", 24, 30, "more"), true],
  ["with a speed-up that is too small by 10 %", row("a", 40, 30, "more"), row("a", 27.2, 30, "more"), false],
  ["without a target", row("a", 1, null), row("a", 9, null), false],
];
for (const [what, before, now, isWorse] of CASES) {
  test(`a row ${what} ${isWorse ? "fails" : "passes"}`, (t) => {
    t.deepEqual(compare([before], [now]), { worse: isWorse ? ["a"] : [], missing: [] });
  });
}

test("a row that was not measured is told, and is no failure", (t) => {
  t.deepEqual(compare([row("a", 1, 2), row("b", 1, 2)], [row("b", 1, 2)]), { worse: [], missing: ["a"] });
});

const EFFORT = { blocks: 3, warmUp: 1 };
test("a row is measured as a ratio to its floor, and judged by its target", async (t) => {
  const pair = { run: () => 0, floor: () => 0 };
  const least = await measure({ name: "a", target: { atMost: 2 }, ...pair }, EFFORT);
  t.like(least, { name: "a", target: 2, better: "less", ok: least.ratio <= 2, unit: "x" });
  const most = await measure({ name: "b", target: { atLeast: 2 }, isSpeedUp: true, ...pair }, EFFORT);
  t.like(most, { name: "b", target: 2, better: "more", ok: most.ratio >= 2, unit: "x" });
  t.like(await measure({ name: "c", target: undefined, ...pair }, EFFORT), { target: null, ok: true });
});

test("a figure is told as it is", async (t) => {
  t.deepEqual(await measure({ name: "import", target: { atMost: 25 }, unit: "ms", value: 26.04 }, EFFORT), {
    name: "import",
    ratio: 26,
    unit: "ms",
    target: 25,
    better: "less",
    ok: false,
  });
});

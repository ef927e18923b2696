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
  ["that was ok, and is beyond by 10 %", row("a", 0.9, 1), row("a", 1.1, 1), false],
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

/** A clock that stands still but for the calls that are measured, each of which takes as long as it says. */
function newClock() {
  let time = 1_000;
  const now = () => time;
  const taking = (milliseconds: number | readonly number[]) => (i: number) => {
    time += typeof milliseconds === "number" ? milliseconds : milliseconds[i]!;
  };
  return { effort: { blocks: 3, warmUp: 1, now }, taking };
}

for (const [what, target, own, other, expected] of [
  ["1.5, at most 1.5", { atMost: 1.5 }, 3, 2, { ratio: 1.5, target: 1.5, better: "less", ok: true }],
  ["1.5, at most 1.49", { atMost: 1.49 }, 3, 2, { ratio: 1.5, target: 1.49, better: "less", ok: false }],
  ["a speed-up of 1.5, at least 1.5", { atLeast: 1.5 }, 2, 3, { ratio: 1.5, target: 1.5, better: "more", ok: true }],
  [
    "a speed-up of 1.5, at least 1.51",
    { atLeast: 1.51 },
    2,
    3,
    { ratio: 1.5, target: 1.51, better: "more", ok: false },
  ],
  ["1.5, without a target", undefined, 3, 2, { ratio: 1.5, target: null, better: "less", ok: true }],
] as const) {
  test(`a row is measured as a ratio to its floor, and judged by its target: ${what}`, async (t) => {
    const { effort, taking } = newClock();
    const row = { name: "a", target, isSpeedUp: own < other, run: taking(own), floor: taking(other) };
    t.deepEqual(await measure(row, effort), {
      ...expected,
      name: "a",
      unit: "x",
      microseconds: own * 1_000,
      floor: other * 1_000,
      spread: [own * 1_000, own * 1_000],
    });
  });
}

test("medians are told, and nine tenths; what comes first does not count; a call may stand for many", async (t) => {
  const { effort, taking } = newClock();
  const pair = { run: taking([999, 100, 4, 1, 2, 3]), floor: taking([999, 2, 2, 2, 0, 9]) };
  const told = await measure({ name: "a", target: undefined, rounds: 5, per: 10, ...pair }, effort);
  t.like(told, { ratio: 1.5, microseconds: 300, floor: 200, spread: [100, 400] });
});

test("an async call lasts until its promise is kept", async (t) => {
  const { effort, taking } = newClock();
  const later = async (i: number) => {
    await new Promise((resolve) => setImmediate(resolve));
    taking(3)(i);
  };
  const told = await measure({ name: "a", target: undefined, run: later, floor: taking(2) }, effort);
  t.like(told, { ratio: 1.5, microseconds: 3_000 });
});

test("a row and its floor run in turns, in blocks of 5 ms", async (t) => {
  const { effort, taking } = newClock();
  const [three, two] = [taking(3), taking(2)];
  let order = "";
  const run = (i: number) => {
    order += "r";
    three(i);
  };
  const floor = (i: number) => {
    order += "f";
    two(i);
  };
  await measure({ name: "a", target: undefined, run, floor }, effort);
  const isFound = "rrr" + "fffffff"; // how many calls fill a block: 1, 2, 4 ... are tried
  t.is(order, isFound + "rrfff".repeat(1 + 3));
});

test("a figure is told as it is", async (t) => {
  const figure = { name: "import", target: { atMost: 25 }, unit: "ms", value: 26.04 };
  t.deepEqual(await measure(figure, newClock().effort), {
    name: "import",
    ratio: 26,
    unit: "ms",
    target: 25,
    better: "less",
    ok: false,
  });
});

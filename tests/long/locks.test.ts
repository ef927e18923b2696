import test from "ava";
import { endAll, type Kind, type Other, Others } from "../call/locks.others.js";
import { disturb } from "../concurrency.js";
import { needs } from "../needs.js";
import { newRandom } from "../seed.js";

const KINDS: readonly Kind[] = ["kernel", "portable"];
const FLAVOURS = ["sync", "async"] as const;

test.after.always(endAll);

for (const kind of KINDS) {
  for (const f of FLAVOURS) {
    test.serial(
      `${kind} locks, ${f}: 12 processes on one cold key compute it once, in each of 50 rounds`,
      async (t) => {
        const others = new Others(t, kind);
        const all = await others.processes(12);
        for (let round = 0; round < 50; round++) {
          const x = `round${round}`;
          const results = all.map((each) => each.call(f, [x]));
          // Some rounds are over before the others come, in others all of them wait.
          if (round % 2 === 0) await others.until(`wait ${f} ${x}`, 11);
          others.open(x);
          await Promise.all(results);
          t.is(others.count(`begin ${f} ${x}`), 1);
        }
      },
    );

    test.serial(
      `${kind} locks, ${f}: with the holder killed at random moments, one more for each death, and at once`,
      async (t) => {
        const random = newRandom(t);
        for (let round = 0; round < 15; round++) {
          const others = new Others(t, kind);
          const all = await others.processes(6);
          const results = all.map((each) => each.call(f, [1]));
          let deaths = 0;
          for (; deaths < 3; deaths++) {
            await others.until(`begin ${f} 1`, deaths + 1);
            await new Promise((resolve) => setTimeout(resolve, random.below(50)));
            const holder = others
              .lines()
              .findLast((line) => line.startsWith("begin"))!
              .split(" ")[3];
            const killedAt = performance.now();
            await all.find(({ name }) => name === holder)!.kill();
            await others.until(`begin ${f} 1`, deaths + 2);
            const passed = performance.now() - killedAt;
            t.true(passed < 2_000, `the next one began after ${passed} ms`);
          }
          others.open(1);
          const endedAt = performance.now();
          const settled = await Promise.allSettled(results);
          const passed = performance.now() - endedAt;
          t.true(passed < 2_000, `the last one had the value after ${passed} ms`);
          t.is(settled.filter(({ status }) => status === "fulfilled").length, 3);
          t.is(others.count(`begin ${f} 1`), deaths + 1);
        }
      },
    );
  }

  test.serial(`${kind} locks: four processes whose functions call each other, 100 rounds, none hangs`, async (t) => {
    const others = new Others(t, kind);
    const all = await others.processes(4);
    for (let round = 0; round < 100; round++) {
      const results = await Promise.all(
        all.map((each, i) =>
          each.all(...(i % 2 === 0 ? ["aAsync", "bAsync"] : ["bAsync", "aAsync"]).map((f) => [f, round])),
        ),
      );
      for (const { x } of results.flat()) t.is(x, round);
    }
  });

  for (const f of ["batch", "batchAsync", "batchChunks", "outer"]) {
    test.serial(
      `${kind} locks, ${f}: six processes with batches in random orders compute each element once`,
      async (t) => {
        const others = new Others(t, kind);
        const all = await others.processes(6);
        const random = newRandom(t);
        for (let round = 0; round < 20; round++) {
          const from = round * 100;
          await Promise.all(
            all.map((each) => {
              const xs = Array.from({ length: 100 }, (_, i) => from + i).filter(() => random.next() < 0.6);
              return each.call(f, [xs.sort(() => random.next() - 0.5)]);
            }),
          );
        }
        const begun = others.lines().filter((line) => line.startsWith("begin"));
        const elements = begun.map((line) => line.split(" ")[2]);
        t.is(new Set(elements).size, elements.length);
      },
    );
  }
}

for (const f of FLAVOURS) {
  needs("faketime").serial(
    `${f}: processes whose clocks are an hour off, by faketime, wait for each other`,
    async (t) => {
      const others = new Others(t);
      const all = [await others.processAt("+1h"), await others.processAt("-1h"), ...(await others.processes(1))];
      for (const [i, sign] of [1, -1, 0].entries()) {
        const hours = ((await all[i]!.now()) - Date.now()) / 3_600_000;
        t.is(Math.round(hours * 2) + 0, sign * 2); // -0 + 0 is 0
      }
      for (const x of ["a", "b", "c"]) {
        const [first, ...rest] = all as [Other, ...Other[]];
        const results = [first.call(f, [x])];
        await others.until(`begin ${f} ${x}`);
        results.push(...rest.map((each) => each.call(f, [x])));
        await others.until(`wait ${f} ${x}`, 2);
        others.open(x);
        for (const { by } of await Promise.all(results)) t.is(by, first.name);
        all.push(all.shift()!);
      }
    },
  );
}

test.serial(
  "for a minute: writers, readers, clear, prune, import at once: no exception, no wrong value, no orphan",
  async (t) => {
    const end = performance.now() + 60_000;
    while (performance.now() < end) await disturb(t, 6, 1_500);
  },
);

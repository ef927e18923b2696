import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Worker } from "node:worker_threads";
import test, { type ExecutionContext } from "ava";
import { failureOf, filesIn, newDirectory } from "../place.js";
import { endAll, type Kind, type Other, Others } from "./locks.others.js";

const KINDS: readonly Kind[] = ["kernel", "portable"];
const FLAVOURS = ["sync", "async"] as const;

test.after.always(endAll);

/** A behaviour that both kinds of key locks have, sync functions and async ones. */
function behaves(what: string, body: (t: ExecutionContext, others: Others, flavour: string) => Promise<void>): void {
  for (const kind of KINDS) {
    for (const flavour of FLAVOURS) {
      test.serial(`${kind} locks, ${flavour}: ${what}`, (t) => body(t, new Others(t, kind), flavour));
    }
  }
}

// ---- one cold key ----

for (const [kind, count] of [
  ["kernel", 12],
  ["portable", 4],
] as const) {
  test.serial(`${kind} locks: ${count} processes on one cold key compute it once, in each round`, async (t) => {
    const others = new Others(t, kind);
    const all = await others.processes(count);
    for (let round = 0; round < 3; round++) {
      for (const f of FLAVOURS) {
        const x = `${f}${round}`;
        const results = all.map((each) => each.call(f, [x]));
        await others.until(`begin ${f} ${x}`);
        await others.until(`wait ${f} ${x}`, count - 1);
        others.open(x);
        const values = await Promise.all(results);
        t.is(others.count(`begin ${f} ${x}`), 1);
        t.is(new Set(values.map(({ by }) => by)).size, 1);
      }
    }
  });
}

behaves("while one computes another waits, which shows, and has its value", async (t, others, f) => {
  const [p1, p2] = (await others.processes(2)) as [Other, Other];
  const first = p1.call(f, [1]);
  await others.until(`begin ${f} 1 p1`);
  const second = p2.call(f, [1]);
  await others.until(`wait ${f} 1 p2`);
  others.open(1);
  t.deepEqual(await first, { x: 1, by: "p1" });
  t.deepEqual(await second, { x: 1, by: "p1" });
  t.is(others.count(`begin ${f} 1`), 1);
  const { waited, misses, hits } = await p2.method(f, "stats");
  t.deepEqual([waited, misses, hits], [1, 0, 1]);
});

behaves("where the holder is killed, one of those who wait computes", async (t, others, f) => {
  const all = await others.processes(3);
  const results = new Map(all.map((each) => [each, each.call(f, [1])]));
  for (let deaths = 0; deaths < 2; deaths++) {
    await others.until(`begin ${f} 1`, deaths + 1);
    const holder = others
      .lines()
      .findLast((line) => line.startsWith("begin"))!
      .split(" ")[3];
    await all.find(({ name }) => name === holder)!.kill();
  }
  await others.until(`begin ${f} 1`, 3);
  others.open(1);
  const settled = await Promise.allSettled(results.values());
  t.is(settled.filter(({ status }) => status === "fulfilled").length, 1);
  t.is(others.count(`begin ${f} 1`), 3);
});

behaves("a stopped holder is waited for, by others with maxWait only so long", async (t, others, f) => {
  const [p1, p2, p3] = (await others.processes(3)) as [Other, Other, Other];
  const first = p1.call(f, [1]);
  await others.until(`begin ${f} 1 p1`);
  p1.signal("SIGSTOP");
  const patient = p2.call(f, [1]);
  await others.until(`wait ${f} 1 p2`);
  const impatient = p3.call(f, [1], { maxWait: 20 });
  await others.until(`begin ${f} 1 p3`);
  t.is(others.count(`wait ${f} 1 p3`), 1);
  t.is(others.count(`begin ${f} 1 p2`), 0);
  others.open(1);
  t.is((await impatient).by, "p3");
  t.is((await patient).by, "p3", "the value before the lock");
  p1.signal("SIGCONT");
  t.is((await first).by, "p1");
  t.is(others.count(`begin ${f} 1`), 2);
});

behaves("maxWait 0: nobody waits, nobody is waited for", async (t, others, f) => {
  const [p1, p2] = (await others.processes(2)) as [Other, Other];
  const first = p1.call(f, [1], { maxWait: 0 });
  await others.until(`begin ${f} 1 p1`);
  const second = p2.call(f, [1]);
  await others.until(`begin ${f} 1 p2`);
  others.open(1);
  t.deepEqual([(await first).by, (await second).by], ["p1", "p2"]);
  t.is(others.count("wait"), 0);
});

behaves("a clock that is set forth or back an hour lets nobody in", async (t, others, f) => {
  const HOUR = 3_600_000;
  const [p1, p2, p3, p4] = (await others.processes(4)) as [Other, Other, Other, Other];
  await p1.clock(-HOUR);
  await p2.clock(HOUR);
  const all = [p1.call(f, [1])];
  await others.until(`begin ${f} 1 p1`);
  for (const each of [p2, p3]) all.push(each.call(f, [1]));
  for (const name of ["p2", "p3"]) await others.until(`wait ${f} 1 ${name}`);
  if (f === "async") for (const each of [p1, p2, p3]) await each.clock(each === p1 ? HOUR : -HOUR);
  await p4.clock(-HOUR);
  all.push(p4.call(f, [1]));
  await others.until(`wait ${f} 1 p4`);
  others.open(1);
  for (const value of await Promise.all(all)) t.is(value.by, "p1");
  t.is(others.count(`begin ${f} 1`), 1);
});

for (const f of FLAVOURS) {
  test.serial(`${f}: where the holder is a worker that is terminated, another one computes`, async (t) => {
    const others = new Others(t);
    const worker = await others.thread();
    const [other] = (await others.processes(1)) as [Other];
    worker.call(f, [1]);
    await others.until(`begin ${f} 1 p1`);
    const second = other.call(f, [1]);
    await others.until(`wait ${f} 1 p2`);
    await (worker.at as Worker).terminate();
    await others.until(`begin ${f} 1 p2`);
    others.open(1);
    t.is((await second).by, "p2");
  });

  test.serial(`${f}: threads of one process wait for each other, too`, async (t) => {
    const others = new Others(t);
    const [first, second] = [await others.thread(), await others.thread()];
    const one = first.call(f, [1]);
    await others.until(`begin ${f} 1 p1`);
    const two = second.call(f, [1]);
    await others.until(`wait ${f} 1 p2`);
    others.open(1);
    t.deepEqual(await Promise.all([one, two]), [
      { x: 1, by: "p1" },
      { x: 1, by: "p1" },
    ]);
  });
}

// ---- no hold-and-wait ----

for (const kind of KINDS) {
  for (const [a, b] of [
    ["a", "b"],
    ["aAsync", "bAsync"],
    ["aMixed", "bMixed"],
  ] as const) {
    test.serial(
      `${kind} locks: ${a} calls ${b}, and in another process ${b} calls ${a}: both come to an end`,
      async (t) => {
        const others = new Others(t, kind);
        const [p1, p2] = (await others.processes(2)) as [Other, Other];
        t.deepEqual(await Promise.all([p1.call(a, [1]), p2.call(b, [1])]), [
          { x: 1, own: a },
          { x: 1, own: b },
        ]);
        t.is(others.count("wait"), 0);
      },
    );
  }

  test.serial(
    `${kind} locks: the same where both processes call both: who holds a key joins nobody who waits`,
    async (t) => {
      const others = new Others(t, kind);
      const [p1, p2] = (await others.processes(2)) as [Other, Other];
      const results = await Promise.all([p1.all(["aAsync", 1], ["bAsync", 1]), p2.all(["bAsync", 1], ["aAsync", 1])]);
      for (const { x } of results.flat()) t.is(x, 1);
    },
  );

  for (const f of ["batch", "batchAsync", "batchChunks", "outer"]) {
    test.serial(`${kind} locks, ${f}: batches that overlap in opposite orders compute each element once`, async (t) => {
      const others = new Others(t, kind);
      const [p1, p2, p3] = (await others.processes(3)) as [Other, Other, Other];
      const xs = Array.from({ length: 30 }, (_, i) => i);
      const backwards = xs.toReversed();
      const middle = [...xs.slice(10), 40, 41];
      const plus = f === "outer" ? 1 : 0;
      const [one, two, three] = await Promise.all([p1.call(f, [xs]), p2.call(f, [backwards]), p3.call(f, [middle])]);
      t.deepEqual(
        [one, two, three],
        [xs, backwards, middle].map((each) => each.map((x) => x * 2 + plus)),
      );
      const inner = f === "outer" ? "batch" : f;
      for (const x of [...xs, 40, 41]) t.is(others.count(`begin ${inner} ${x}`), 1, `${x}`);
    });
  }
}

// ---- what ends otherwise ----

for (const kind of KINDS) {
  for (const f of FLAVOURS) {
    test.serial(`${kind} locks, ${f}: begun before a delete in another process: returned, not stored`, async (t) => {
      const others = new Others(t, kind);
      const [p1, p2] = (await others.processes(2)) as [Other, Other];
      const first = p1.call(f, [1]);
      await others.until(`begin ${f} 1 p1`);
      t.false(await p2.method(f, "delete", 1));
      const second = p2.call(f, [1]);
      await others.until(`wait ${f} 1 p2`);
      others.open(1);
      t.is((await first).by, "p1");
      t.is((await second).by, "p2");
      t.is((await p1.call(f, [1])).by, "p2");
    });

    test.serial(
      `${kind} locks, ${f}: begun before a clear in another process: returned, not stored, not waited for`,
      async (t) => {
        const others = new Others(t, kind);
        const [p1, p2] = (await others.processes(2)) as [Other, Other];
        const first = p1.call(f, [1]);
        await others.until(`begin ${f} 1 p1`);
        await p2.method(f, "clear");
        const second = p2.call(f, [1]);
        await others.until(`begin ${f} 1 p2`);
        others.open(1);
        t.is((await first).by, "p1");
        t.is((await second).by, "p2");
        t.is((await p1.call(f, [1])).by, "p2");
      },
    );
  }
}

behaves("the leader throws: other processes try themselves, one after the other", async (t, others, flavour) => {
  const f = flavour === "sync" ? "syncFailing" : "failing";
  const [p1, p2] = (await others.processes(2)) as [Other, Other];
  const first = p1.call(f, [1]);
  await others.until(`begin ${f} 1 p1`);
  const second = p2.call(f, [1]);
  await others.until(`wait ${f} 1 p2`);
  others.open(1);
  t.is((await failureOf(() => first)).message, "of p1");
  t.is((await failureOf(() => second)).message, "of p2");
  t.true(others.lines().indexOf(`end ${f} 1 p1`) < others.lines().indexOf(`begin ${f} 1 p2`));
});

test.serial("those who wait inside a process share the error of the one who tried", async (t) => {
  const others = new Others(t);
  const [p1, p2] = (await others.processes(2)) as [Other, Other];
  const first = p1.call("failing", [1]);
  await others.until("begin failing 1 p1");
  const waiting = [p2.call("failing", [1]), p2.call("failing", [1])];
  await others.until("wait failing 1 p2");
  others.open(1);
  await failureOf(() => first);
  for (const each of waiting) t.is((await failureOf(() => each)).message, "of p2");
  t.is(others.count("begin failing 1"), 2);
});

test.serial("a signal lets go a call that waits for another process; the other goes on", async (t) => {
  const others = new Others(t);
  const [p1, p2] = (await others.processes(2)) as [Other, Other];
  const first = p1.call("async", [1]);
  await others.until("begin async 1 p1");
  const second = p2.call("async", [1], { abortable: "second" });
  await others.until("wait async 1 p2");
  await p2.abort("second");
  t.is((await failureOf(() => second)).name, "AbortError");
  others.open(1);
  t.is((await first).by, "p1");
  t.is((await p2.call("async", [1])).by, "p1");
  t.is(others.count("begin async 1"), 1);
});

// ---- out files ----

for (const kind of KINDS) {
  test.serial(
    `${kind} locks: calls of other processes that write one path wait for each other, whatever function`,
    async (t) => {
      const others = new Others(t, kind);
      const [p1, p2] = (await others.processes(2)) as [Other, Other];
      const [a, b] = ["a", "b"].map((name) => join(newDirectory(t), name)) as [string, string];
      others.open(2);
      const first = p1.call("fill", [1, a]);
      await others.until("begin fill 1 p1");
      const second = p2.call("fillToo", [2, a]);
      await others.until("wait fillToo 2 p2");
      t.is(others.count("begin fillToo"), 0);
      others.open(1);
      await Promise.all([first, second]);
      t.is(readFileSync(a, "utf8"), "fillToo 2");
      await p1.call("fill", [1, b]); // the first one's file is gone
      t.is(readFileSync(b, "utf8"), "fill 1");
      await p1.call("fillToo", [2, b]);
      t.is(readFileSync(b, "utf8"), "fillToo 2");
      t.is(others.count("begin fillToo 2"), 1);
    },
  );

  test.serial(`${kind} locks: two paths in opposite orders, one of them shared: nobody hangs`, async (t) => {
    const others = new Others(t, kind);
    const all = await others.processes(3);
    const out = newDirectory(t);
    const [a, b, c] = ["a", "b", "c"].map((name) => join(out, name)) as [string, string, string];
    for (const x of [1, 2, 3]) others.open(x);
    const paths = [
      [a, b],
      [b, c],
      [c, a],
    ] as const;
    await Promise.all(all.map((each, i) => each.call("fillBoth", [i + 1, ...paths[i]!])));
    for (const x of [1, 2, 3]) t.is(others.count(`begin fillBoth ${x}`), 2, "both of its files");
    const half = [a, b, c].filter((each) => !/^fillBoth \d$/.test(readFileSync(each, "utf8")));
    t.deepEqual(half, []);
  });
}

test.serial("a call whose out file is to be had in no time goes on without, and stores nothing", async (t) => {
  const others = new Others(t);
  const [p1, p2, p3] = (await others.processes(3)) as [Other, Other, Other];
  const path = join(newDirectory(t), "a");
  const first = p1.call("fill", [1, path]);
  await others.until("begin fill 1 p1");
  others.open(2);
  await p2.call("fillToo", [2, path], { maxWait: 20 });
  await p2.call("fillToo", [2, path], { maxWait: 0 });
  t.is(others.count("begin fillToo 2 p2"), 2);
  t.is(others.count("wait fillToo 2 p2"), 1);
  t.false(await p2.method("fillToo", "has", 2, path));
  others.open(1);
  await first;
  t.true(await p3.method("fill", "has", 1, path));
  t.is(filesIn(others.dir).length, 1);
});

test.serial(
  "in a mode that writes nothing, too, an out file is not restored while another process writes it",
  async (t) => {
    const others = new Others(t);
    const [p1, p2] = (await others.processes(2)) as [Other, Other];
    const [a, b] = ["a", "b"].map((name) => join(newDirectory(t), name)) as [string, string];
    for (const x of [1, 3]) others.open(x);
    await p1.call("fill", [1, a]);
    const writing = p1.call("fill", [2, b]);
    await others.until("begin fill 2 p1");
    const restoring = p2.call("fill", [1, b], { mode: "only-if-cached" });
    await others.until("wait fill 1 p2");
    others.open(2);
    await writing;
    await restoring;
    t.is(readFileSync(b, "utf8"), "fill 1");
  },
);

import { setImmediate as turn } from "node:timers/promises";
import test from "ava";
import { warningsOf } from "../../place.js";
import { gate, KINDS, placeOf, recording } from "./recording.js";

for (const kind of KINDS) {
  for (const what of ["an element", "a constant argument"]) {
    test.serial(
      `${what} that the function changes between chunks: returned, not stored, one warning, ${kind}`,
      async (t) => {
        const { permacache: wrap, files } = placeOf(t);
        const elements = [1, 2, 3].map((id) => ({ id }));
        const constant = { by: 1 };
        const compute = (xs: any[], factor: any) => {
          if (what === "an element") for (const element of elements) element.id += 10;
          else constant.by++;
          return xs.map(({ id }) => [id, factor.by]);
        };
        const options = { parallel: "xs", chunkSize: 1 } as const;
        const f: any =
          kind === "sync"
            ? wrap("changing", options)((xs: any[], factor: any) => compute(xs, factor))
            : wrap("changing", options)(async (xs: any[], factor: any) => compute(xs, factor));
        const warnings = await warningsOf(async () => t.is((await f(elements, constant)).length, 3));
        t.is(warnings.length, 1);
        t.regex(warnings[0]!, /changing.*an argument was changed/);
        t.is(files().length, 1, "the first chunk was keyed and begun at once");
        const ids = [{ id: 1 }, { id: 2 }, { id: 3 }];
        t.deepEqual(await f.has(ids, { by: 1 }), [true, false, false]);
      },
    );
  }
}

test.serial("an argument that the caller changes while the batch runs: nothing wrong is stored", async (t) => {
  const { permacache: wrap } = placeOf(t);
  const f: any = wrap("caller", { parallel: "xs", chunkSize: 1 })(async (xs: any[], constant: any) => {
    await turn();
    return xs.map(({ id }) => [id, constant.by]);
  });
  const elements = [1, 2, 3].map((id) => ({ id }));
  const constant = { by: 1 };
  await warningsOf(async () => {
    const running = f(elements, constant);
    elements[1]!.id = 20;
    await turn();
    constant.by = 5;
    elements.length = 0;
    t.is((await running).length, 3);
  });
  const stored: unknown[] = [];
  for (const id of [1, 2, 3, 20]) {
    for (const by of [1, 5]) {
      const [found] = await f.peek([{ id }], { by });
      if (found) stored.push([id, by, ...found.value]);
    }
  }
  t.deepEqual(stored, [[1, 1, 1, 1]]);
  t.deepEqual(await f.has([{ id: 2 }, { id: 3 }], { by: 1 }), [false, false]);
});

test.serial("an argument that changes while large entries are read: nothing wrong is stored", async (t) => {
  const { permacache: wrap } = placeOf(t);
  const f: any = wrap("read/changed", { parallel: "xs" })(async (xs: any[], constant: any) =>
    xs.map(({ id }) => (id === 0 ? "large".repeat(50_000) : [id, constant.by])),
  );
  await f([{ id: 0 }], { by: 1 });
  for (const change of ["element", "constant"]) {
    const element = { id: change === "element" ? 1 : 2 };
    const constant = { by: 1 };
    const { id } = element;
    await warningsOf(async () => {
      const running = f([element, { id: 0 }], constant);
      if (change === "element") element.id = 99;
      else constant.by = 99;
      await running;
    });
    t.deepEqual(await f([{ id }], { by: 1 }), [[id, 1]], change);
  }
});

test.serial("an argument that changes while many elements are looked up: nothing wrong is stored", async (t) => {
  const { permacache: wrap } = placeOf(t);
  const f: any = wrap("many/changed", { parallel: "xs", shouldStore: (id: number) => id < 3 || id > 2000 })(
    async (xs: any[]) => xs.map(({ id }) => id),
  );
  const elements = Array.from({ length: 2500 }, (_, id) => ({ id }));
  await warningsOf(async () => {
    const running = f(elements);
    elements[1]!.id = -1;
    elements[2400]!.id = -1;
    await running;
  });
  t.deepEqual(await f.has([{ id: 1 }, { id: 2 }, { id: 2400 }, { id: 2401 }]), [false, true, false, true]);
});

test.serial("an argument that onProgress changes: nothing wrong is stored", async (t) => {
  const { permacache: wrap } = placeOf(t);
  const elements = [{ id: 1 }, { id: 2 }];
  const f: any = wrap("progress/changed", {
    parallel: "xs",
    onProgress: () => {
      elements[0]!.id = 99;
    },
  })((xs: any[]) => xs.map(({ id }) => id));
  await warningsOf(() => t.deepEqual(f(elements), [99, 2]));
  t.deepEqual(f.has([{ id: 1 }, { id: 2 }]), [false, true]);
});

test.serial("who joins an element whose argument was changed does not get the result of another", async (t) => {
  const { permacache: wrap } = placeOf(t);
  const begun = gate();
  const { opened, open } = gate();
  const f: any = wrap("joined/changed", { parallel: "xs", chunkSize: 1 })(async (xs: any[]) => {
    await turn();
    if (xs[0].id === 99) {
      begun.open();
      await opened;
    }
    return xs.map(({ id }) => id);
  });
  const elements = [{ id: 1 }, { id: 2 }];
  await warningsOf(async () => {
    const leader = f(elements);
    elements[1]!.id = 99;
    await begun.opened;
    const joined = f([{ id: 2 }]);
    open();
    t.deepEqual(await leader, [1, 99]);
    t.deepEqual(await joined, [2]);
  });
  t.deepEqual(await f.with({ mode: "only-if-cached" })([{ id: 2 }]), [2]);
});

test("an input array that changes after an async call is what it was", async (t) => {
  const { f, ran } = recording(t, { chunkSize: 1 }, "async");
  for (const make of [() => [1, 2, 3], () => Uint8Array.of(1, 2, 3), () => Buffer.from([1, 2, 3])]) {
    await f.clear();
    ran.length = 0;
    const input: any = make();
    const running = f(input);
    input.fill(9);
    if (Array.isArray(input)) input.length = 0;
    t.deepEqual(
      (await running).map(([x]: any) => x),
      [1, 2, 3],
    );
    t.deepEqual(await f.has([1, 2, 3, 9]), [true, true, true, false]);
  }
});

test("a function that changes the sequence it was given changes nothing", (t) => {
  const { permacache: wrap } = placeOf(t);
  const f: any = wrap("emptied", { parallel: "xs", chunkSize: 2 })((xs: number[]) => {
    const results = xs.map((x) => x * 2);
    xs.length = 0;
    return results;
  });
  const input = [1, 2, 3];
  t.deepEqual(f(input), [2, 4, 6]);
  t.deepEqual(input, [1, 2, 3]);
  t.deepEqual(f.with({ mode: "only-if-cached" })([3, 2, 1]), [6, 4, 2]);
});

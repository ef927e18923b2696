import type { Evicted, EvictionLimits } from "../engine.js";
import { DAY, onDay } from "./clock.js";
import {
  assertEqual,
  assertThat,
  digestOf,
  FOLDER,
  NEVER_MADE,
  PARENT,
  type Promised,
  type Subject,
} from "./subject.js";

/** Another version of the same path. */
const VERSION = "contract/a/=1=v2";
/** Other paths, of which one begins alike and one is inside. */
const OTHERS = ["contract/=1", "contract/a/b/=1", "contract/ab/=1"] as const;

/** Milliseconds: some engines date by whole seconds. */
const COARSE = 2_000;

const [ONE, TWO, THREE, FOUR] = [1, 2, 3, 4].map(digestOf) as [string, string, string, string];

/** What an engine with `usage` promises. Each of these tests runs on several days. */
export const usage: readonly Promised[] = [
  promised("a use is remembered", async (subject) => {
    const { engine } = subject;
    assertEqual(
      engine.usage!.usedAt(FOLDER, { digest: ONE }),
      undefined,
      "usage.usedAt: of an absent entry is unknown",
    );
    assertEqual(
      engine.usage!.usedAt(NEVER_MADE, { digest: ONE }),
      undefined,
      "usage.usedAt: of an absent entry is unknown",
    );
    await onDay(1, () => subject.put(ONE, "1"));
    for (const day of [3, 5]) {
      await onDay(day, async () => {
        use(subject, ONE);
        const usedAt = engine.usage!.usedAt(FOLDER, { digest: ONE });
        const isNow = usedAt !== undefined && Math.abs(usedAt - Date.now()) < COARSE;
        assertThat(isNow, `usage.usedAt: gives the time of the last use, not ${usedAt} instead of ${Date.now()}`);
      });
    }
  }),
  promised("the use of an absent entry does nothing", async (subject) => {
    use(subject, ONE);
    use(subject, ONE, NEVER_MADE);
    await subject.put(TWO, "2");
    use(subject, ONE);
    await subject.has({ [TWO]: "2" }, [ONE], "usage.use: makes no entry");
    assertEqual(await evict(subject, { maxEntries: 1 }), [], "usage.use: counts no entry that is absent");
    await subject.has({ [TWO]: "2" }, [], "usage.evict: counts no entry that is absent");
  }),
  ...[true, false].flatMap((isThorough) =>
    [PARENT, undefined].flatMap((parent): Promised[] => {
      const where = `${parent === undefined ? "of all paths" : "of one path"}${isThorough ? "" : ", after a write"}`;
      return [
        promised(`the least recently used goes first, ${where}`, async (subject) => {
          for (const n of [1, 2, 3, 4]) await onDay(n, () => subject.put(digestOf(n), "x".repeat(n)));
          await onDay(5, () => use(subject, ONE));
          await onDay(6, async () => {
            assertEqual(
              await evict(subject, { maxEntries: 4 }, parent, isThorough),
              [],
              "usage.evict: removes nothing within the limits",
            );
            const gone = await evict(subject, { maxEntries: 3 }, parent, isThorough);
            assertEqual(
              gone,
              [{ path: PARENT, limit: "maxEntries", isUnused: true }],
              "usage.evict: tells what it removed",
            );
            await subject.has(
              { [ONE]: "x", [THREE]: "xxx", [FOUR]: "xxxx" },
              [TWO],
              "usage.evict: removes the least recently used",
            );
            use(subject, THREE);
          });
          await onDay(7, async () => {
            const gone = await evict(subject, { maxEntries: 1 }, parent, isThorough);
            assertEqual(
              gone.map(({ isUnused }) => isUnused).sort(),
              [false, true],
              "usage.evict: tells what was never used",
            );
            await subject.has({ [THREE]: "xxx" }, [ONE, FOUR], "usage.evict: removes the least recently used");
          });
        }),
        promised(`entries go until the bytes fit, ${where}`, async (subject) => {
          for (const n of [1, 2, 3]) await onDay(n, () => subject.put(digestOf(n), "x".repeat(10)));
          await onDay(4, async () => {
            assertEqual(
              await evict(subject, { maxBytes: 30 }, parent, isThorough),
              [],
              "usage.evict: removes nothing within maxBytes",
            );
            const gone = await evict(subject, { maxBytes: 19 }, parent, isThorough);
            assertEqual(
              gone.map(({ limit }) => limit),
              ["maxBytes", "maxBytes"],
              "usage.evict: removes what is beyond maxBytes",
            );
            await subject.has({ [THREE]: "x".repeat(10) }, [ONE, TWO], "usage.evict: removes the least recently used");
          });
        }),
        promised(`what is gone does not count, ${where}`, async (subject) => {
          for (const n of [1, 2, 3]) await onDay(1, () => subject.put(digestOf(n), "x"));
          await onDay(2, () => subject.put(ONE, "y"));
          for (const digest of [ONE, TWO]) await onDay(2, () => subject.put(digest, "x", { folder: VERSION }));
          await onDay(3, async () => {
            await subject.remove(TWO);
            await subject.clear(VERSION);
            assertEqual(
              await evict(subject, { maxEntries: 2 }, parent, isThorough),
              [],
              "usage.evict: counts what is there",
            );
            await evict(subject, { maxEntries: 1 }, parent, isThorough);
          });
          await subject.has({ [ONE]: "y" }, [TWO, THREE], "usage.evict: a replaced entry was used when it was written");
        }),
      ];
    }),
  ),
  ...[true, false].flatMap((isThorough): Promised[] => {
    const where = isThorough ? "" : ", after a write";
    return [
      promised(`entries that were written too long ago go${where}`, async (subject) => {
        for (const digest of [ONE, TWO, THREE]) await onDay(1, () => subject.put(digest, "old"));
        await onDay(5, async () => {
          await subject.put(TWO, "new");
          use(subject, THREE);
        });
        await onDay(6, async () => {
          const gone = await evict(subject, { maxAge: 3 * DAY }, PARENT, isThorough);
          assertEqual(
            gone.map(({ limit }) => limit),
            ["maxAge", "maxAge"],
            "usage.evict: removes what is beyond maxAge",
          );
          await subject.has(
            { [TWO]: "new" },
            [ONE, THREE],
            "usage.evict: maxAge counts from when an entry was written",
          );
        });
      }),
      promised(`entries that were not used for too long go${where}`, async (subject) => {
        for (const digest of [ONE, TWO, THREE]) await onDay(1, () => subject.put(digest, "x"));
        await onDay(5, () => use(subject, THREE));
        await onDay(6, async () => {
          const gone = await evict(subject, { maxIdle: 3 * DAY }, PARENT, isThorough);
          assertEqual(
            gone.map(({ limit }) => limit),
            ["maxIdle", "maxIdle"],
            "usage.evict: removes what is beyond maxIdle",
          );
          await subject.has({ [THREE]: "x" }, [ONE, TWO], "usage.evict: maxIdle counts from when an entry was used");
        });
      }),
      promised(`a parent counts all versions of a path, and no other path${where}`, async (subject) => {
        for (const folder of OTHERS) await onDay(1, () => subject.put(ONE, "other", { folder }));
        await onDay(2, () => subject.put(ONE, "1"));
        await onDay(3, () => subject.put(ONE, "version 2", { folder: VERSION }));
        await onDay(4, async () => {
          assertEqual(await evict(subject, { maxEntries: 2 }, PARENT, isThorough), [], "usage.evict: counts one path");
          const gone = await evict(subject, { maxEntries: 1 }, PARENT, isThorough);
          assertEqual(
            gone.map(({ path }) => path),
            [PARENT],
            "usage.evict: tells the path",
          );
          await subject.has({}, [ONE], "usage.evict: removes the least recently used of all versions");
          await subject.has(
            { [ONE]: "version 2" },
            [],
            "usage.evict: removes the least recently used of all versions",
            VERSION,
          );
          for (const folder of OTHERS) {
            await subject.has({ [ONE]: "other" }, [], "usage.evict: leaves other paths alone", folder);
          }
          const all = await evict(subject, { maxEntries: 1 }, undefined, isThorough);
          const paths = all.map(({ path }) => path).sort();
          assertEqual(
            paths,
            ["contract", "contract/a/b", "contract/ab"],
            "usage.evict: counts all paths without a parent",
          );
          await subject.has(
            { [ONE]: "version 2" },
            [],
            "usage.evict: leaves the most recently used of all paths",
            VERSION,
          );
        });
      }),
    ];
  }),
  promised("old entries of all paths go", async (subject) => {
    for (const folder of [FOLDER, ...OTHERS]) await onDay(1, () => subject.put(ONE, "old", { folder }));
    await onDay(5, () => subject.put(TWO, "new"));
    await onDay(6, async () => {
      const gone = await evict(subject, { maxAge: 3 * DAY });
      const expected = ["contract", "contract/a", "contract/a/b", "contract/ab"];
      assertEqual(
        gone.map(({ path }) => path).sort(),
        expected,
        "usage.evict: removes what is beyond maxAge, of all paths",
      );
    });
    await subject.has({ [TWO]: "new" }, [ONE], "usage.evict: removes what is beyond maxAge");
  }),
  promised("without limits nothing goes", async (subject) => {
    for (const n of [1, 2, 3]) await onDay(n, () => subject.put(digestOf(n), "x"));
    for (const isThorough of [true, false]) {
      assertEqual(await evict(subject, {}, undefined, isThorough), [], "usage.evict: removes nothing without limits");
      assertEqual(
        await evict(subject, { maxAge: undefined }, PARENT, isThorough),
        [],
        "usage.evict: an undefined limit is none",
      );
    }
    await subject.has({ [ONE]: "x", [TWO]: "x", [THREE]: "x" }, [], "usage.evict: removes nothing without limits");
  }),
  promised("an eviction may stop between two steps, and is taken up again", async (subject) => {
    for (let n = 0; n < 200; n++) await onDay(1, () => subject.put(digestOf(n), "x"));
    await onDay(2, async () => {
      let gone = 0;
      for await (const step of subject.engine.usage!.evict({ maxEntries: 1 }, undefined, true)) {
        assertThat(
          step.total >= step.gone.length,
          "usage.evict: tells how many entries the whole eviction will remove",
        );
        gone += step.gone.length;
        break;
      }
      gone += (await evict(subject, { maxEntries: 1 })).length;
      assertEqual(gone, 199, "usage.evict: removes all that is beyond the limits, though it was stopped before");
    });
  }),
  {
    ...promised("another engine on the same place counts what this one writes", async (subject) => {
      const other = await subject.again();
      for (const n of [1, 2, 3]) await onDay(n, () => subject.put(digestOf(n), "x"));
      await onDay(4, async () =>
        assertEqual(
          (await evict(other, { maxEntries: 1 })).length,
          2,
          "usage.evict: counts what another engine object has written",
        ),
      );
      await subject.has({ [THREE]: "x" }, [ONE, TWO], "usage.evict: removes what another engine object has written");
    }),
    needsAgain: true,
  },
];

/** On an engine that had limits before: it may begin to note uses only when somebody asks for limits. */
function promised(name: string, check: (subject: Subject) => Promise<void>): Promised {
  return {
    name: `usage: ${name}`,
    async check(subject) {
      await subject.put(digestOf(0), "0");
      await evict(subject, { maxEntries: 100 }, PARENT, false);
      await subject.remove(digestOf(0));
      await check(subject);
    },
  };
}

function use({ engine }: Subject, digest: string, folder: string = FOLDER): void {
  engine.usage!.use(folder, { digest });
}

async function evict(
  subject: Subject,
  limits: EvictionLimits,
  parent: string | undefined = undefined,
  isThorough = true,
): Promise<Evicted[]> {
  const steps = await subject.all("usage.evict", subject.engine.usage!.evict(limits, parent, isThorough));
  return steps.flatMap(({ gone }) => gone.map(({ path, limit, isUnused }) => ({ path, limit, isUnused })));
}

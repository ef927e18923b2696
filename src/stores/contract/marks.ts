import { assertEqual, digestOf, FOLDER, OTHER_FOLDERS, type Promised, type Subject } from "./subject.js";

const [ONE, THREE] = [digestOf(1), digestOf(3)];

/**
 * What every engine promises of marks: with a mark that was taken before an entry was removed, or its folder cleared, that
 * entry is not published.
 */
export const marks: readonly Promised[] = [
  isOld("a clear", markThenClear),
  isOld("a clear of entries", async (subject) => {
    await subject.put(digestOf(7), "x");
    return markThenClear(subject);
  }),
  isOld("a clear and a new mark", async (subject) => {
    const mark = await markThenClear(subject);
    await subject.mark();
    return mark;
  }),
  isOld("several clears", async (subject) => {
    const mark = await markThenClear(subject);
    await subject.put(digestOf(7), "x");
    await subject.clear();
    return mark;
  }),
  isOld("a removal", async (subject) => {
    await subject.put(ONE, "x");
    const mark = await subject.mark();
    await subject.remove(ONE);
    return mark;
  }),
  isOld("a removal of an entry that was absent", async (subject) => {
    const mark = await subject.mark();
    assertEqual(await subject.remove(ONE), false, "remove: tells that there is no entry");
    return mark;
  }),
  isOld("a removal among many", async (subject) => {
    const mark = await subject.mark();
    for (const n of [5, 1, 6, 7]) await subject.remove(digestOf(n));
    return mark;
  }),
  {
    ...isOld("a clear by another engine", async (subject) => {
      const mark = await subject.mark();
      await (await subject.again()).clear();
      return mark;
    }),
    needsAgain: true,
  },
  {
    ...isOld("a removal by another engine", async (subject) => {
      const mark = await subject.mark();
      await (await subject.again()).remove(ONE);
      return mark;
    }),
    needsAgain: true,
  },
  {
    name: "mark: it holds while other entries come and go",
    async check(subject) {
      const mark = await subject.mark();
      for (let n = 0; n < 5; n++) await subject.put(digestOf(n), "x");
      await subject.remove(THREE);
      await subject.mark();
      const published = await subject.put(digestOf(9), "x", { mark });
      assertEqual(published, true, "publish: a mark holds while other entries are published and removed");
      assertEqual(await subject.put(THREE, "x", { mark }), false, "publish: it was removed after the mark was taken");
      assertEqual(await subject.put(THREE, "x"), true, "publish: a mark that is taken after a removal holds");
      assertEqual(await subject.text(THREE), "x", "publish: a mark that is taken after a removal holds");
    },
  },
  {
    name: "mark: it can be used for several entries, several times",
    async check(subject) {
      const mark = await subject.mark();
      for (const content of ["1", "2"]) {
        for (const digest of [ONE, THREE]) {
          assertEqual(await subject.put(digest, content, { mark }), true, "publish: a mark can be used again");
          assertEqual(await subject.text(digest), content, "publish: a mark can be used again");
        }
      }
    },
  },
  {
    name: "mark: it holds while other folders are cleared",
    async check(subject) {
      const mark = await subject.mark();
      for (const folder of OTHER_FOLDERS) {
        await subject.put(ONE, "other", { folder });
        await subject.remove(ONE, folder);
        await subject.clear(folder);
      }
      const published = await subject.put(ONE, "1", { mark });
      assertEqual(published, true, `publish: what happens in other folders is nothing to a mark of ${FOLDER}`);
      await subject.has({ [ONE]: "1" }, [], "publish: stores the entry");
    },
  },
  {
    name: "mark: no clear gives an old mark again, however fast they follow",
    async check(subject) {
      const taken = new Set<string>();
      for (let i = 0; i < 300; i++) {
        taken.add(await subject.mark());
        await subject.clear();
      }
      assertEqual(taken.size, 300, "mark: gives another mark after each clear");
    },
  },
];

async function markThenClear(subject: Subject): Promise<string> {
  const mark = await subject.mark();
  await subject.clear();
  return mark;
}

function isOld(when: string, mark: (subject: Subject) => Promise<string>): Promised {
  return {
    name: `mark: one that was taken before ${when} publishes nothing`,
    async check(subject) {
      const old = await mark(subject);
      const promise = `publish: a mark that was taken before ${when} publishes nothing`;
      assertEqual(await subject.put(ONE, "old", { mark: old }), false, promise);
      assertEqual(await subject.text(ONE), undefined, promise);
      assertEqual(await subject.put(ONE, "new"), true, `publish: a mark that was taken after ${when} holds`);
      assertEqual(await subject.put(ONE, "old", { mark: old }), false, promise);
      assertEqual(await subject.text(ONE), "new", promise);
    },
  };
}

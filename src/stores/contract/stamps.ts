import type { EntryStamp } from "../engine.js";
import { onDay } from "./clock.js";
import { assertEqual, assertThat, digestOf, FOLDER, NEVER_MADE, type Promised, type Subject } from "./subject.js";

const [ONE, TWO] = [digestOf(1), digestOf(2)];

/** What an engine with `stamps` promises. */
export const stamps: readonly Promised[] = [
  {
    name: "stamps: an absent entry has none",
    async check(subject) {
      assertEqual(subject.engine.stamps!.of(NEVER_MADE, { digest: ONE }), undefined, "stamps.of: gives none");
      await subject.put(TWO, "2");
      assertEqual(await stampOf(subject, ONE), undefined, "stamps.of: gives none of an absent entry");
      await subject.put(ONE, "1");
      await subject.remove(ONE);
      assertEqual(await stampOf(subject, ONE), undefined, "stamps.of: gives none of an entry that was removed");
      await subject.clear();
      assertEqual(await stampOf(subject, TWO), undefined, "stamps.of: gives none of an entry that was cleared");
    },
  },
  {
    name: "stamps: an entry that stays has the same stamp, which is reliable a day later",
    async check(subject) {
      await subject.put(ONE, "1");
      const stamp = (await stampOf(subject, ONE))!;
      assertThat(stamp !== undefined, "stamps.of: gives a stamp of an entry that was read");
      await subject.put(TWO, "2");
      const later = await onDay(1, () => stampOf(subject, ONE));
      assertThat(
        later !== undefined && stamp.isSame(later) && later.isSame(stamp),
        "stamps: isSame() tells that it is the same entry",
      );
      assertThat(await onDay(1, () => stamp.isReliable()), "stamps: isReliable() of an old entry is true");
    },
  },
  {
    name: "stamps: another entry of this name has another stamp",
    async check(subject) {
      const seen: EntryStamp[] = [];
      for (const content of ["1", "twenty-two", "", "333"]) {
        await subject.put(ONE, content);
        const stamp = (await stampOf(subject, ONE))!;
        assertThat(stamp !== undefined, "stamps.of: gives a stamp of an entry that was read");
        const isOther = seen.every((older) => !older.isSame(stamp) && !stamp.isSame(older));
        assertThat(isOther, "stamps: isSame() tells that the entry was replaced by one of another size");
        seen.push(stamp);
      }
    },
  },
  {
    name: "stamps: a reliable stamp comes only once",
    async check(subject) {
      for (let i = 0; i < 100; i++) {
        await subject.put(ONE, `${i % 10}`);
        const stamp = await stampOf(subject, ONE);
        const isReliable = stamp?.isReliable() ?? false;
        if (i % 3 === 0) await subject.remove(ONE);
        if (i % 7 === 0) await subject.clear();
        await subject.put(ONE, `${(i + 1) % 10}`);
        const next = await stampOf(subject, ONE);
        const isTold = !isReliable || next === undefined || !stamp!.isSame(next);
        assertThat(
          isTold,
          "stamps: where isReliable() was true, isSame() tells every later entry of this name from it",
        );
      }
    },
  },
];

/** An engine may know an entry only once it was read. */
async function stampOf(subject: Subject, digest: string): Promise<EntryStamp | undefined> {
  await subject.read(digest);
  return subject.engine.stamps!.of(FOLDER, { digest });
}

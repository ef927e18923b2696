import assert from "node:assert/strict";
import { assertEqual, digestOf, type Promised, type Subject } from "./subject.js";

const RUNS = 60;
const STEPS = 30;

/** What any sequence of operations does to an engine is what it does to a `Map`. Each run has a folder of its own. */
export const sequences: readonly Promised[] = [
  {
    name: "sequences: any sequence of operations does what it does to a Map",
    async check(subject) {
      const all = subject.hasAgain ? [subject, await subject.again()] : [subject];
      for (let seed = 1; seed <= RUNS; seed++) await runSequence(all, seed);
    },
  },
];

/** @param subjects engines on one place: each operation is done by one of them */
async function runSequence(subjects: readonly Subject[], seed: number): Promise<void> {
  const random = randomOf(seed);
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)]!;
  const folder = `contract/run-${seed}/=1`;
  const entries = new Map<string, string>();
  /** What was removed since the mark was taken. */
  let removed = new Set<string>();
  let isMarkOld = false;
  const [first] = subjects;
  let mark = await first!.mark(folder); // a mark is for the engine that gave it
  const done: string[] = [];

  const operations: Record<string, (subject: Subject, digest: string) => Promise<void>> = {
    async publish(_subject, digest) {
      const content = random() < 0.1 ? "x".repeat(70_000) : `${random()}`.slice(0, Math.floor(random() * 9));
      const isCurrent = random() < 0.8;
      const expected = isCurrent && !isMarkOld && !removed.has(digest);
      const given = await first!.put(digest, content, { folder, mark, isCurrent: () => isCurrent });
      assertEqual(given, expected, "publish: tells whether it stored the entry");
      if (expected) entries.set(digest, content);
    },
    async read(subject, digest) {
      assertEqual(await subject.text(digest, folder), entries.get(digest), "read: gives the entry that is there");
    },
    async remove(subject, digest) {
      removed.add(digest);
      const given = await subject.remove(digest, folder);
      assertEqual(given, entries.delete(digest), "remove: tells whether there was an entry");
    },
    async clear(subject) {
      const given = await subject.clear(folder);
      if (subject.engine.listing) assertEqual(given, entries.size, "clear: tells how many entries there were");
      entries.clear();
      isMarkOld = true;
    },
    async mark() {
      mark = await first!.mark(folder);
      isMarkOld = false;
      removed = new Set();
    },
    async list(subject) {
      if (!subject.engine.listing) return;
      const expected = Object.fromEntries([...entries].sort());
      assertEqual(await subject.list(folder), expected, "listing.list: gives the entries that are there");
    },
  };
  const names = ["publish", "publish", "publish", "read", "read", "remove", "clear", "mark", "mark", "list"];
  for (let step = 0; step < STEPS; step++) {
    const [name, subject, n] = [pick(names), pick(subjects), Math.floor(random() * 4)];
    done.push(`${name} ${n}${subject === first || name === "publish" || name === "mark" ? "" : " (another engine)"}`);
    try {
      await operations[name]!(subject, digestOf(n));
    } catch (error) {
      if (error instanceof assert.AssertionError) error.message += `, after this sequence: ${done.join(", ")}`;
      throw error;
    }
  }
}

/** Numbers from 0 to 1, the same each time: mulberry32. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

import {
  answersAtOnce,
  assertEqual,
  assertThat,
  bytesOf,
  digestOf,
  FOLDER,
  isPromise,
  known,
  NEVER_MADE,
  OTHER_FOLDERS,
  type Promised,
  type Subject,
} from "./subject.js";

/** Sizes around those at which an engine may change its way. */
const SIZES = [0, 1, 100, 64 * 1024 - 1, 64 * 1024, 64 * 1024 + 1, 1_000_000];

const [ONE, TWO] = [digestOf(1), digestOf(2)];

/** What every engine promises of entries: `read`, `publish`, `remove`, `clear`, `close`. */
export const entries: readonly Promised[] = [
  {
    name: "engine: it says what it is",
    async check({ engine }) {
      assertEqual(typeof engine.sync, "boolean", "engine.sync is true or false");
      assertThat(typeof engine.location === "string" && engine.location !== "", "engine.location is a text");
      assertThat(!engine.forSync || engine.forSync.sync, "engine.forSync is a sync engine");
    },
  },
  {
    name: "read: an entry that nobody published is absent",
    async check(subject) {
      for (const isMarked of [false, true]) {
        if (isMarked) await subject.mark();
        const when = isMarked ? "after mark()" : "in an empty place";
        await subject.has({}, [ONE], `read: there is no entry ${when}`);
        assertEqual(await subject.remove(ONE), false, `remove: there is no entry ${when}`);
        assertEqual(await subject.clear(), 0, `clear: there is no entry ${when}`);
      }
    },
  },
  ...SIZES.map(
    (size): Promised => ({
      name: `read: ${size} bytes come back`,
      async check(subject) {
        const bytes = bytesOf(size);
        assertEqual(await subject.put(ONE, bytes), true, "publish: tells that it stored the entry");
        const read = await subject.read(ONE);
        assertThat(read?.equals(bytes) ?? false, `read: gives the ${size} bytes that were published`);
      },
    }),
  ),
  {
    name: "read: digests that begin alike are different entries",
    async check(subject) {
      const [a, b] = [known(`${"ab".repeat(19)}00`), known(`${"ab".repeat(19)}01`)];
      await subject.put(a, "a");
      await subject.has({ [a]: "a" }, [b], "read: the whole digest names an entry");
      await subject.put(b, "b");
      await subject.has({ [a]: "a", [b]: "b" }, [], "read: the whole digest names an entry");
    },
  },
  {
    name: "read: folders do not share entries, and are cleared one by one",
    async check(subject) {
      const folders = [FOLDER, ...OTHER_FOLDERS];
      for (const [i, folder] of folders.entries()) await subject.put(ONE, `${i}`, { folder });
      for (const [i, folder] of folders.entries()) {
        await subject.has({ [ONE]: `${i}` }, [TWO], `read: ${folder} shares no entries with another folder`, folder);
      }
      for (const [i, folder] of folders.entries()) {
        assertEqual(await subject.clear(folder), 1, `clear: tells how many entries were in ${folder}`);
        await subject.has({}, [ONE], `clear: empties ${folder}`, folder);
        for (const [j, later] of folders.entries()) {
          if (j > i) assertEqual(await subject.text(ONE, later), `${j}`, `clear: of ${folder} leaves ${later} alone`);
        }
      }
    },
  },
  {
    name: "read: an entry with a name for people is read, replaced and removed under this name",
    async check(subject) {
      const readable = { file: `square_12_${ONE.slice(0, 20)}.entry`, isPreferred: true };
      const entry = { digest: ONE, readable };
      await subject.putNamed(entry, [Buffer.from("1")]);
      await subject.putNamed(entry, [Buffer.from("2")]);
      assertEqual(String(await subject.readNamed(entry)), "2", "read: finds an entry that has a name for people");
      if (subject.engine.listing) {
        assertEqual(await subject.list(), { [ONE]: "2" }, "listing.list: gives an entry with a name for people once");
      }
      const removed = await subject.given("remove", subject.engine.remove(FOLDER, entry));
      assertEqual(removed, true, "remove: finds an entry that has a name for people");
      assertEqual(await subject.readNamed(entry), undefined, "remove: removes an entry that has a name for people");
    },
  },
  {
    name: "read: another engine on the same place sees what this one does",
    needsAgain: true,
    async check(subject) {
      const other = await subject.again();
      await other.has({}, [ONE], "read: there is nothing yet");
      await subject.put(ONE, "1");
      await other.has({ [ONE]: "1" }, [], "read: sees what another engine object has published");
      await other.put(ONE, "one");
      await other.put(TWO, "2");
      await subject.has({ [ONE]: "one", [TWO]: "2" }, [], "read: sees what another engine object has replaced");
      assertEqual(await other.remove(ONE), true, "remove: removes what another engine object has published");
      await subject.has({ [TWO]: "2" }, [ONE], "read: sees that another engine object has removed an entry");
      assertEqual(await subject.clear(), 1, "clear: removes what another engine object has published");
      await other.has({}, [ONE, TWO], "read: sees that another engine object has cleared the folder");
    },
  },
  {
    name: "forget: the next read finds the entry all the same",
    onlyIf: ({ forget }) => forget !== undefined,
    async check(subject) {
      subject.engine.forget!(FOLDER, ONE);
      await subject.put(ONE, "1");
      await subject.text(ONE);
      subject.engine.forget!(FOLDER, ONE);
      assertEqual(await subject.text(ONE), "1", "forget: drops copies, no entry");
    },
  },

  // ---- publish ----

  {
    name: "publish: parts become one entry",
    async check(subject) {
      const around = Buffer.from("<<bc>>");
      const parts = [Buffer.from("a"), Buffer.alloc(0), around.subarray(2, 4), new Uint8Array([100])];
      assertEqual(await subject.putNamed({ digest: ONE }, parts), true, "publish: stores an entry of several parts");
      assertEqual(await subject.text(ONE), "abcd", "publish: puts the parts one after the other");
      const large = [bytesOf(70_000), bytesOf(10), bytesOf(900_000)];
      await subject.putNamed({ digest: TWO }, large);
      const read = await subject.read(TWO);
      assertThat(read?.equals(Buffer.concat(large)) ?? false, "publish: puts large parts one after the other");
    },
  },
  {
    name: "publish: no part at all is an empty entry",
    async check(subject) {
      assertEqual(await subject.putNamed({ digest: ONE }, []), true, "publish: stores an entry of no bytes");
      assertEqual(await subject.text(ONE), "", "read: gives the entry of no bytes, not undefined");
    },
  },
  ...[10, 1_000_000].map(
    (size): Promised => ({
      name: `publish: ${size} bytes belong to the caller again afterwards`,
      async check(subject) {
        const { engine, mayWait } = subject;
        const part = bytesOf(size);
        const mark = await subject.mark();
        const publishing = { mark, isCurrent: () => true, mayWait, isDurable: false };
        const published = engine.publish(FOLDER, { digest: ONE }, [part], publishing);
        if (isPromise(published)) await published;
        part.fill(0); // in the very moment in which it may be
        const read = await subject.read(ONE);
        const promise = "publish: keeps none of the parts once it has returned, or its promise is resolved";
        assertThat(read?.equals(bytesOf(size)) ?? false, promise);
      },
    }),
  ),
  {
    name: "publish: a later entry replaces an older one, shorter or longer",
    async check(subject) {
      for (const content of ["old", "longer than old", "", "new", "x".repeat(100_000), "short"]) {
        assertEqual(await subject.put(ONE, content), true, "publish: tells that it replaced the entry");
        await subject.has({ [ONE]: content }, [], "publish: replaces the entry of this name");
      }
    },
  },
  {
    name: "publish: a durable entry is an entry",
    async check(subject) {
      for (const content of ["1", "x".repeat(100_000)]) {
        assertEqual(await subject.put(ONE, content, { isDurable: true }), true, "publish: stores a durable entry");
        await subject.has({ [ONE]: content }, [], "publish: makes a durable entry visible");
      }
    },
  },
  ...[10, 1_000_000].flatMap((size): Promised[] => [
    {
      name: `publish: ${size} bytes that are not wanted any more are not stored`,
      async check(subject) {
        await subject.put(ONE, "old");
        for (const digest of [ONE, TWO]) {
          const published = await subject.put(digest, bytesOf(size), { isCurrent: () => false });
          assertEqual(published, false, "publish: tells that it stored nothing, because isCurrent() said so");
        }
        await subject.has({ [ONE]: "old" }, [TWO], "publish: stores nothing where isCurrent() gives false");
      },
    },
    {
      name: `publish: a clear while ${size} bytes are published wins`,
      async check(subject) {
        const mark = await subject.mark();
        let asked = 0;
        const publishing = subject.put(ONE, bytesOf(size), { mark, isCurrent: () => ++asked > 0 });
        await subject.clear();
        await publishing;
        await subject.has({}, [ONE], "publish: stores nothing where the folder was cleared after the mark was taken");
        assertThat(asked > 0, "publish: calls isCurrent()");
      },
    },
  ]),
  {
    name: "publish: a removal in the last moment wins",
    onlyIf: answersAtOnce, // others ask in a moment in which nothing can be done
    async check(subject) {
      let isRemoved = false;
      const isCurrent = () => {
        if (!isRemoved) {
          isRemoved = true;
          void subject.engine.remove(FOLDER, { digest: ONE });
        }
        return true;
      };
      const published = await subject.put(ONE, bytesOf(10), { isCurrent });
      assertEqual(published, false, "publish: looks at the mark after isCurrent(), in which the entry was removed");
      await subject.has({}, [ONE], "publish: stores nothing that was removed while isCurrent() ran");
    },
  },
  {
    name: "publish: writers, readers and clears at once see whole entries",
    async check(subject) {
      const write = async (n: number) => {
        for (let i = 0; i < 15; i++) await subject.put(digestOf(n), Buffer.alloc(i % 5 === 0 ? 100_000 : 10, n));
      };
      const read = async (n: number) => {
        for (let i = 0; i < 60; i++) {
          const bytes = await subject.read(digestOf(n));
          const isWhole = !bytes || ([10, 100_000].includes(bytes.length) && bytes.every((byte) => byte === n));
          assertThat(isWhole, "publish: makes an entry visible whole, or not at all");
          await null;
        }
      };
      const clear = async () => {
        for (let i = 0; i < 10; i++) await subject.clear();
      };
      await Promise.all([...[1, 2, 3].flatMap((n) => [write(n), read(n)]), clear()]);
      await subject.clear();
      await subject.has({}, [1, 2, 3].map(digestOf), "clear: leaves nothing");
    },
  },

  // ---- remove and clear ----

  {
    name: "remove: tells whether there was an entry",
    async check(subject) {
      await subject.put(ONE, "1");
      await subject.put(TWO, "2");
      await subject.put(ONE, "other", { folder: OTHER_FOLDERS[0] });
      assertEqual(await subject.remove(ONE), true, "remove: tells that there was an entry");
      assertEqual(await subject.remove(ONE), false, "remove: tells that there is no entry any more");
      await subject.has({ [TWO]: "2" }, [ONE], "remove: removes one entry");
      await subject.has({ [ONE]: "other" }, [], "remove: leaves other folders alone", OTHER_FOLDERS[0]);
      assertEqual(await subject.put(ONE, "new"), true, "publish: stores an entry after its removal");
      await subject.has({ [ONE]: "new", [TWO]: "2" }, [], "publish: stores an entry after its removal");
    },
  },
  {
    name: "clear: no read begun after it sees an entry",
    async check(subject) {
      const all = Array.from({ length: 20 }, (_, n) => digestOf(n));
      for (const digest of all) await subject.put(digest, "x");
      const clearing = subject.clear();
      await subject.has({}, all, "clear: no read that begins after it sees an entry, not even before it is done");
      await assertCount(subject, await clearing, 20);
      assertEqual(await subject.clear(), 0, "clear: there is nothing left");
    },
  },
  {
    name: "clear: entries can be published again",
    async check(subject) {
      for (const content of ["1", "2", "3"]) {
        assertEqual(await subject.put(ONE, content), true, "publish: stores an entry after a clear");
        await subject.has({ [ONE]: content }, [], "publish: stores an entry after a clear");
        await assertCount(subject, await subject.clear(), 1);
      }
    },
  },
  {
    name: "clear: a folder that was never made is empty",
    async check(subject) {
      await subject.put(ONE, "1");
      assertEqual(await subject.clear(NEVER_MADE), 0, "clear: there is nothing in a folder that was never made");
      await subject.has({ [ONE]: "1" }, [], "clear: leaves other folders alone");
    },
  },
  {
    name: "close: the engine can be used again",
    async check(subject) {
      const { engine } = subject;
      await engine.close();
      await subject.put(ONE, "1");
      await engine.close();
      await engine.close();
      await subject.has({ [ONE]: "1" }, [], "close: an engine that is used again has its entries");
      await engine.close();
      assertEqual(await subject.put(TWO, "2"), true, "close: an engine that is used again stores entries");
      await subject.has({ [ONE]: "1", [TWO]: "2" }, [], "close: an engine that is used again has its entries");
    },
  },
];

/** Who cannot list may not be able to count. */
async function assertCount({ engine }: Subject, count: number, expected: number): Promise<void> {
  if (engine.listing) assertEqual(count, expected, "clear: tells how many entries there were");
  else assertThat(count >= 0 && count <= expected, `clear: tells no more than the ${expected} entries that there were`);
}

import {
  assertEqual,
  assertThat,
  bytesOf,
  digestOf,
  FOLDER,
  NEVER_MADE,
  OTHER_FOLDERS,
  PARENT,
  type Promised,
} from "./subject.js";

/** Milliseconds: some clocks of file systems tick by two seconds. */
const COARSE = 2_000;

const [ONE, TWO, THREE] = [digestOf(1), digestOf(2), digestOf(3)];

/** What an engine with `listing` promises. */
export const listing: readonly Promised[] = [
  {
    name: "listing: a folder is not there until somebody wants to write to it",
    async check(subject) {
      await subject.text(ONE);
      await subject.remove(ONE);
      await subject.clear();
      assertEqual(await subject.groups(), [], "listing.list: gives no group of a folder that is not there");
      assertEqual(await subject.folders(), [], "read, remove and clear make no folder: listing.folders()");
      await subject.put(ONE, "x");
      assertEqual(await subject.folders(), [FOLDER], "listing.folders: gives the folder that holds an entry");
    },
  },
  {
    name: "listing: the folders are found",
    async check(subject) {
      const all = [FOLDER, ...OTHER_FOLDERS, "contract-a/=1", "contract.a/z/=1", "=z/=1", "==con/=1"];
      for (const folder of all) await subject.put(TWO, "x", { folder });
      for (const folder of all) await subject.put(ONE, "x", { folder });
      const found = await subject.folders();
      assertEqual(found, [...new Set(found)].sort(), "listing.folders: gives each folder once");
      assertEqual(found, [...all].sort(), "listing.folders: gives every folder that holds entries, and no other");
    },
  },
  {
    name: "listing: the folders of a parent are all directly in it",
    async check(subject) {
      const all = [FOLDER, ...OTHER_FOLDERS, "contract/ab/=1", "contract/a-b/=1"];
      for (const folder of all) await subject.put(ONE, "x", { folder });
      for (const parent of [PARENT, "contract", "contract/a/b", "contract/none", "con"]) {
        const found = await subject.folders(parent);
        assertEqual(found, [...new Set(found)].sort(), `listing.folders("${parent}"): gives each folder once`);
        assertThat(
          found.every((folder) => all.includes(folder)),
          `listing.folders("${parent}"): gives no folder that was never made: ${found}`,
        );
        const isIn = (folder: string) => folder.slice(0, folder.lastIndexOf("/")) === parent;
        const promise = `listing.folders("${parent}"): gives all folders directly in it`;
        assertEqual(found.filter(isIn), all.filter(isIn).sort(), promise);
      }
    },
  },
  {
    name: "listing: groups are by the first two digits, in their order",
    async check(subject) {
      const numbers = Array.from({ length: 60 }, (_, i) => (i * 37 + 11) % 256);
      for (const n of numbers) {
        await subject.put(digestOf(n), `${n}`);
        await subject.put(digestOf(n).replace(/.$/, "7"), `${n}`); // a second one that begins alike
      }
      const groups = await subject.groups();
      const firsts = groups.map((group) => new Set(group.map(({ digest }) => digest.slice(0, 2))));
      assertThat(
        firsts.every(({ size }) => size <= 1),
        "listing.list: the digests of a group begin with the same two digits",
      );
      const order = firsts.flatMap((first) => [...first]);
      assertEqual(
        order,
        [...new Set(order)].sort(),
        "listing.list: gives the groups in the order of their digits, each once",
      );
      const expected = [...new Set(numbers.map((n) => digestOf(n).slice(0, 2)))].sort();
      assertEqual(order, expected, "listing.list: gives all groups");
      const distinct = new Set(numbers.flatMap((n) => [digestOf(n), digestOf(n).replace(/.$/, "7")]));
      assertEqual(groups.flat().length, distinct.size, "listing.list: gives every entry once");
    },
  },
  {
    name: "listing: an entry tells its bytes, its size, when it was written, and where it is",
    async check(subject) {
      const before = Date.now() - COARSE;
      for (let n = 0; n < 20; n++) await subject.put(digestOf(n), bytesOf(n));
      await subject.put(ONE, bytesOf(70_000));
      await subject.put(ONE, "other", { folder: OTHER_FOLDERS[0] });
      await subject.remove(THREE);
      for (const isRead of [true, false]) {
        const entries = (await subject.groups(FOLDER, isRead)).flat();
        assertEqual(entries.length, 19, "listing.list: gives the entries that are there");
        let bytes = 0;
        for (const entry of entries) {
          const { digest, location } = entry;
          assertThat(location.length > 0, `listing.list: tells where ${digest} is`);
          const stat = entry.stat();
          assertThat(stat !== undefined, `listing.list: stat() of ${digest} tells its size`);
          bytes += stat!.bytes;
          const isNow = stat!.writtenAt >= before && stat!.writtenAt <= Date.now() + COARSE;
          assertThat(isNow, `listing.list: stat() of ${digest} tells when it was written, in ms since 1970`);
          if (isRead)
            assertEqual(entry.read()?.length, stat!.bytes, `listing.list: read() of ${digest} gives its bytes`);
        }
        assertEqual(bytes, 190 - 1 - 3 + 70_000, "listing.list: the sizes add up to what was published");
      }
    },
  },
  {
    name: "listing: an entry can be removed",
    onlyIf: ({ tiers }) => tiers === undefined, // in the others another tier may have it
    async check(subject) {
      const expected = Object.fromEntries([0, 1, 2, 3, 4].map((n) => [digestOf(n), `${n}`]));
      for (const [digest, content] of Object.entries(expected)) await subject.put(digest, content);
      for (const listed of (await subject.groups(FOLDER, false)).flat()) {
        if (!THREE.startsWith(listed.digest)) continue;
        await subject.given("listing.list: remove", listed.remove());
        await subject.given("listing.list: remove", listed.remove());
      }
      delete expected[THREE];
      await subject.has(expected, [THREE], "listing.list: remove() removes this entry");
    },
  },
  {
    name: "listing: entries that go while they are listed are no error",
    async check(subject) {
      for (let n = 0; n < 8; n++) await subject.put(digestOf(n), "x");
      let seen = 0;
      for await (const group of subject.engine.listing!.list(FOLDER, true)) {
        await subject.remove(digestOf(seen));
        for (const listed of group) {
          seen++;
          await listed.remove();
          const bytes = listed.read(); // an engine that is far away has read it for the list
          if (bytes !== undefined)
            assertEqual(String(bytes), "x", "listing.list: read() gives the entry, or undefined");
          listed.stat();
          await subject.clear();
        }
      }
      assertThat(seen >= 1, "listing.list: gives what was there when it began");
      await subject.has({}, [ONE, TWO], "listing.list: what was cleared is gone");
    },
  },
  {
    name: "listing: a folder that was never made has nothing",
    async check(subject) {
      await subject.put(ONE, "x");
      assertEqual((await subject.groups(NEVER_MADE)).flat(), [], "listing.list: a folder that was never made is empty");
      assertEqual(await subject.folders(), [FOLDER], "listing.list: makes no folder");
    },
  },
  {
    name: "listing: entries are no strays",
    onlyIf: ({ listing }) => listing?.strays !== undefined,
    async check(subject) {
      for (const n of [1, 2, 3]) await subject.put(digestOf(n), "x");
      for (const folder of [FOLDER, NEVER_MADE]) {
        const strays = await subject.all("listing.strays", subject.engine.listing!.strays!(folder));
        const locations = strays.flat().map(({ location }) => location);
        assertEqual(locations, [], "listing.strays: gives only what does not belong there");
      }
    },
  },
];

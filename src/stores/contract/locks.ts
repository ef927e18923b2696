import { existsSync } from "node:fs";
import type { Held, LockName } from "../engine.js";
import { assertEqual, assertThat, digestOf, FOLDER, OTHER_FOLDERS, type Promised, type Subject } from "./subject.js";

const KEY: LockName = { folder: FOLDER, digest: digestOf(1) };
/** Of an out file. */
const PATH: LockName = { folder: undefined, digest: digestOf(1) };

/** What an engine with `locks` promises. */
export const locks: readonly Promised[] = [
  {
    name: "locks: they have a name for people",
    async check({ engine }) {
      const { kind } = engine.locks!;
      assertThat(typeof kind === "string" && kind !== "", "locks.kind: is a text");
    },
  },
  ...Object.entries({ key: KEY, path: PATH }).flatMap(([what, name]): Promised[] => [
    {
      name: `locks: a ${what} is locked once`,
      async check(subject) {
        await isExclusive(subject, subject, name);
      },
    },
    {
      name: `locks: a ${what} is locked once, by two engines on the same place`,
      needsAgain: true,
      async check(subject) {
        const other = await subject.again();
        await isExclusive(subject, other, name);
        await isExclusive(other, subject, name);
      },
    },
    {
      name: `locks: of several who try for a ${what}, one has it`,
      async check(subject) {
        const others = subject.hasAgain ? [subject, await subject.again()] : [subject];
        const tried = await Promise.all([...others, ...others, ...others].map((each) => tryLock(each, name)));
        const held = tried.filter((each) => each !== undefined);
        assertEqual(held.length, 1, "locks.tryLock: gives a lock to one of those who try at the same time");
        held[0]!.release();
        await isFree(subject, name);
      },
    },
    {
      name: `locks: a second release of a ${what} does nothing`,
      async check(subject) {
        const first = await taken(subject, name);
        first.release();
        first.release();
        const second = await taken(subject, name);
        first.release();
        assertEqual(await tryLock(subject, name), undefined, "locks: a second release() does not free another's lock");
        second.release();
        await isFree(subject, name);
      },
    },
    {
      name: `locks: who holds a ${what} is told, or not`,
      async check(subject) {
        const { locks } = subject.engine;
        assertEqual(locks!.holder(name), undefined, "locks.holder: nobody holds what was never locked");
        const held = await taken(subject, name);
        await tryLock(subject, name);
        const holder = locks!.holder(name);
        const isText = holder === undefined || (typeof holder === "string" && holder !== "");
        assertThat(isText, "locks.holder: gives a text, or undefined");
        held.release();
        await isFree(subject, name);
        assertEqual(locks!.holder(name), undefined, "locks.holder: nobody holds what was released");
      },
    },
  ]),
  {
    name: "locks: other names are other locks",
    async check(subject) {
      const names: LockName[] = [
        KEY,
        PATH,
        { folder: FOLDER, digest: digestOf(2) },
        { folder: undefined, digest: digestOf(2) },
        ...OTHER_FOLDERS.map((folder) => ({ folder, digest: KEY.digest })),
      ];
      const held: Held[] = [];
      for (const name of names) held.push(await taken(subject, name));
      for (const name of names) {
        assertEqual(await tryLock(subject, name), undefined, "locks.tryLock: each name is a lock of its own");
      }
      held[0]!.release();
      await isFree(subject, KEY);
      assertEqual(await tryLock(subject, PATH), undefined, "locks: release() frees no other lock");
      for (const each of held) each.release();
      for (const name of names) await isFree(subject, name);
    },
  },
  {
    name: "locks: a locked key can be read, published and removed",
    async check(subject) {
      const held = await taken(subject, KEY);
      assertEqual(await subject.put(KEY.digest, "1"), true, "publish: works while the key is locked");
      await subject.has({ [KEY.digest]: "1" }, [], "read: works while the key is locked");
      assertEqual(await subject.remove(KEY.digest), true, "remove: works while the key is locked");
      held.release();
      await isFree(subject, KEY);
    },
  },
  {
    name: "locks: who may make nothing makes nothing, and is locked out by those who hold",
    async check(subject) {
      const { engine } = subject;
      const isThere = existsSync(engine.location); // where it is a path
      const free = await tryLock(subject, PATH, false);
      assertThat(free !== undefined, "locks.tryLock: a place that is missing locks nobody out");
      assertEqual(existsSync(engine.location), isThere, "locks.tryLock: makes nothing where `makes` is false");
      if (engine.listing) assertEqual(await subject.folders(), [], "locks.tryLock: makes no folder for a path");
      free!.release();
      free!.release();
      const held = await taken(subject, PATH);
      const promise = "locks.tryLock: gives no lock that somebody holds, also where `makes` is false";
      assertEqual(await tryLock(subject, PATH, false), undefined, promise);
      held.release();
      await isFree(subject, PATH, false);
    },
  },
];

async function tryLock(subject: Subject, name: LockName, makes = true): Promise<Held | undefined> {
  return subject.given("locks.tryLock", subject.engine.locks!.tryLock(name, makes));
}

async function taken(subject: Subject, name: LockName): Promise<Held> {
  const held = await tryLock(subject, name);
  assertThat(held !== undefined, "locks.tryLock: gives a lock that nobody holds");
  return held!;
}

async function isFree(subject: Subject, name: LockName, makes = true): Promise<void> {
  const held = await tryLock(subject, name, makes);
  assertThat(held !== undefined, "locks: release() frees the lock");
  held!.release();
}

async function isExclusive(subject: Subject, other: Subject, name: LockName): Promise<void> {
  for (let i = 0; i < 3; i++) {
    const held = await taken(subject, name);
    assertEqual(await tryLock(other, name), undefined, "locks.tryLock: gives no lock that somebody holds");
    assertEqual(await tryLock(other, name), undefined, "locks.tryLock: gives no lock to who tries a second time");
    held.release();
    // A release that goes over a network is through when what follows it is.
    await subject.text(name.digest);
    await isFree(other, name);
    await other.text(name.digest);
  }
}

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { KeptContent, SeenFile } from "../engine.js";
import {
  assertEqual,
  assertThat,
  bytesOf,
  digestOf,
  FOLDER,
  NEVER_MADE,
  OTHER_FOLDERS,
  type Promised,
  type Subject,
} from "./subject.js";

const [ONE, TWO, THREE] = [digestOf(1), digestOf(2), digestOf(3)];

/** What an engine with `contents` promises of the contents of out files. */
export const contents: readonly Promised[] = [
  ...[0, 10, 3_000_000].map((size) =>
    promised(`a content of ${size} bytes is kept for an entry`, async (subject, files) => {
      const content = bytesOf(size);
      const file = files.write("out", content);
      await subject.mark();
      assertEqual(await keep(subject, ONE, file), true, "contents.keep: keeps a file before its entry is there");
      await subject.put(ONE, "1");
      unlinkSync(file.path);
      assertThat(
        (await kept(subject, ONE, file))?.equals(content) ?? false,
        "contents.path: gives a file with the content",
      );
      assertEqual(
        await kept(subject, TWO, file, NEVER_MADE),
        undefined,
        "contents.path: of another folder gives no file",
      );
      const [listed, ...others] = await list(subject);
      assertEqual(others.length, 0, "contents.list: gives the content once");
      assertEqual(listed?.size(), size, "contents.list: size() tells its size");
      assertThat(listed!.location.length > 0, "contents.list: tells where the content is");
      assertEqual(await listed!.isWhole(), true, "contents.list: isWhole() of a content that nobody touched");
    }),
  ),
  {
    ...promised("another engine on the same place sees it", async (subject, files) => {
      const file = files.write("out", "abc");
      await publishWith(subject, ONE, file);
      const other = await subject.again();
      assertEqual(String(await kept(other, ONE, file)), "abc", "contents.path: sees what another engine object keeps");
      assertEqual((await list(other)).length, 1, "contents.list: sees what another engine object keeps");
      await other.remove(ONE);
      assertEqual(await kept(subject, ONE, file), undefined, "remove: drops what another engine object keeps");
      assertEqual((await list(subject)).length, 0, "remove: drops what another engine object keeps");
    }),
    needsAgain: true,
  },
  promised("equal contents are kept once", async (subject, files) => {
    const [a, b] = [files.write("a", "same"), files.write("b", "same")];
    await publishWith(subject, ONE, a);
    await publishWith(subject, TWO, b);
    await publishWith(subject, TWO, b);
    assertEqual((await list(subject)).length, 1, "contents.list: gives equal contents once");
    await subject.remove(ONE);
    assertEqual(String(await kept(subject, TWO, b)), "same", "remove: leaves what another entry uses");
    assertEqual((await list(subject)).length, 1, "remove: leaves what another entry uses");
    await subject.remove(TWO);
    assertEqual(await kept(subject, TWO, b), undefined, "remove: drops what no entry uses any more");
    assertEqual((await list(subject)).length, 0, "remove: drops what no entry uses any more");
  }),
  promised("folders do not share contents", async (subject, files) => {
    const file = files.write("a", "same");
    const [folder] = OTHER_FOLDERS;
    await publishWith(subject, ONE, file);
    await publishWith(subject, ONE, file, folder);
    assertEqual((await list(subject, folder)).length, 1, "contents.list: gives those of one folder");
    await subject.clear();
    assertEqual((await list(subject)).length, 0, "clear: drops all contents");
    assertEqual(await kept(subject, ONE, file), undefined, "clear: drops all contents");
    assertEqual(String(await kept(subject, ONE, file, folder)), "same", "clear: leaves those of other folders");
    assertEqual((await list(subject, NEVER_MADE)).length, 0, "contents.list: a folder that was never made has none");
  }),
  promised("drop leaves those that it is told", async (subject, files) => {
    const [a, b, c] = ["a", "b", "c"].map((text) => files.write(text, text)) as [SeenFile, SeenFile, SeenFile];
    for (const file of [a, b, c]) await publishWith(subject, ONE, file);
    await publishWith(subject, TWO, c);
    assertEqual((await list(subject)).length, 3, "contents.list: gives every content");
    await drop(subject, ONE, [b.sha256]);
    assertEqual(await kept(subject, ONE, a), undefined, "contents.drop: drops what it is not told to leave");
    assertEqual(String(await kept(subject, ONE, b)), "b", "contents.drop: leaves what it is told to leave");
    assertEqual(String(await kept(subject, TWO, c)), "c", "contents.drop: leaves what another entry uses");
    assertEqual((await list(subject)).length, 2, "contents.drop: leaves the rest");
    await drop(subject, ONE, []);
    assertEqual(await subject.text(ONE), "entry", "contents.drop: leaves the entry");
    assertEqual((await list(subject)).length, 1, "contents.drop: drops all for an entry");
    await drop(subject, THREE, []);
    await drop(subject, ONE, [], NEVER_MADE);
    assertEqual((await list(subject)).length, 1, "contents.drop: of an entry that has none does nothing");
  }),
  promised("a replaced entry keeps its contents", async (subject, files) => {
    const file = files.write("a", "a");
    await publishWith(subject, ONE, file);
    await subject.put(ONE, "new");
    assertEqual(
      String(await kept(subject, ONE, file)),
      "a",
      "publish: leaves the contents of the entry that it replaces",
    );
  }),
  promised("a file that has changed is refused", async (subject, files) => {
    const seen = files.write("out", "as it was seen");
    files.write("out", "changed since");
    await subject.mark();
    await assert.rejects(
      async () => keep(subject, ONE, seen),
      "contents.keep: throws where the file is not as it was when it was seen",
    );
    await subject.put(ONE, "1");
    assertEqual(await kept(subject, ONE, seen), undefined, "contents.keep: keeps nothing of a file that has changed");
    assertEqual((await list(subject)).length, 0, "contents.keep: keeps nothing of a file that has changed");
    await assert.rejects(
      async () => keep(subject, ONE, { ...seen, path: `${seen.path}.none` }),
      "contents.keep: throws where there is no file",
    );
  }),
  promised("nothing is kept in a folder that was cleared", async (subject, files) => {
    const file = files.write("out", "a");
    await publishWith(subject, ONE, file);
    await subject.clear();
    assertEqual(await keep(subject, ONE, file), false, "contents.keep: gives false where the folder was cleared");
    await subject.mark();
    assertEqual((await list(subject)).length, 0, "contents.keep: keeps nothing in a folder that was cleared");
    assertEqual(await kept(subject, ONE, file), undefined, "contents.keep: keeps nothing in a folder that was cleared");
    await publishWith(subject, ONE, file);
    assertEqual(String(await kept(subject, ONE, file)), "a", "contents.keep: keeps contents again after a clear");
  }),
  promised("damage is told, and healed by what is kept anew", async (subject, files) => {
    const file = files.write("out", "content");
    await publishWith(subject, ONE, file);
    const [listed] = await list(subject);
    if (!existsSync(listed!.location)) return; // it is nowhere where a test could damage it
    for (const damage of ["CONTENT", "con"]) {
      chmodSync(listed!.location, 0o600);
      writeFileSync(listed!.location, damage);
      const whole = await Promise.all((await list(subject)).map((each) => each.isWhole()));
      assertThat(whole.includes(false), "contents.list: isWhole() tells that a content is damaged");
      await publishWith(subject, ONE, file);
      assertEqual(String(await kept(subject, ONE, file)), "content", "contents.keep: a damaged content heals");
    }
  }),
  {
    ...promised("a content can be removed for all entries", async (subject, files) => {
      const [a, b] = [files.write("a", "a"), files.write("b", "bb")];
      await publishWith(subject, ONE, a);
      await publishWith(subject, TWO, a);
      await publishWith(subject, TWO, b);
      for (const listed of await list(subject)) if (listed.size() === 1) await listed.remove();
      assertEqual((await list(subject)).length, 1, "contents.list: remove() removes this content");
      for (const digest of [ONE, TWO]) {
        assertEqual(await kept(subject, digest, a), undefined, "contents.list: remove() removes it for all entries");
      }
      assertEqual(String(await kept(subject, TWO, b)), "bb", "contents.list: remove() leaves other contents");
      assertEqual(await subject.text(ONE), "entry", "contents.list: remove() leaves the entries");
    }),
    onlyIf: ({ tiers }) => tiers === undefined, // in the others another tier may have it
  },
  {
    ...promised("a listed entry is removed with its contents", async (subject, files) => {
      await publishWith(subject, ONE, files.write("a", "a"));
      for (const listed of (await subject.groups()).flat()) await listed.remove();
      assertEqual((await list(subject)).length, 0, "listing.list: remove() drops the contents of the entry");
    }),
    onlyIf: ({ listing }) => listing !== undefined,
  },
  {
    ...promised("a temporary file has a path of its own", async ({ engine }) => {
      const paths = [engine.contents!.temporary!(), engine.contents!.temporary!()];
      assertThat(paths[0] !== paths[1], "contents.temporary: gives another path each time");
      for (const path of paths) {
        writeFileSync(path, "x", { flag: "wx" });
        unlinkSync(path);
      }
    }),
    onlyIf: ({ contents }) => contents?.temporary !== undefined,
  },
];

/** With files of its own, which go afterwards. */
function promised(name: string, check: (subject: Subject, files: Files) => Promise<void>): Promised {
  return {
    name: `contents: ${name}`,
    async check(subject) {
      const files = new Files();
      try {
        await check(subject, files);
      } finally {
        files.remove();
      }
    },
  };
}

class Files {
  readonly #directory = mkdtempSync(join(tmpdir(), "engine-test-"));

  /** Writes a file. @returns what is seen of it */
  write(name: string, content: string | Buffer): SeenFile {
    const path = join(this.#directory, name);
    writeFileSync(path, content);
    const { dev, ino, size, mtimeNs, ctimeNs, mode } = statSync(path, { bigint: true });
    return {
      path,
      sha256: createHash("sha256").update(content).digest("hex"),
      stamp: {
        dev: String(dev),
        ino: String(ino),
        size: Number(size),
        mtime: String(mtimeNs),
        ctime: String(ctimeNs),
        mode: Number(mode & 0o7777n),
      },
    };
  }

  remove(): void {
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

async function keep(subject: Subject, digest: string, file: SeenFile, folder: string = FOLDER): Promise<boolean> {
  const { mayWait } = subject;
  return subject.given("contents.keep", subject.engine.contents!.keep(folder, digest, file, mayWait), mayWait);
}

/** As a call does it: first the contents, then the entry. */
async function publishWith(subject: Subject, digest: string, file: SeenFile, folder: string = FOLDER): Promise<void> {
  const mark = await subject.mark(folder);
  assertEqual(await keep(subject, digest, file, folder), true, "contents.keep: tells that it keeps the content");
  assertEqual(await subject.put(digest, "entry", { folder, mark }), true, "publish: stores an entry with contents");
}

/** The content that is kept for an entry, `undefined` where there is no file. */
async function kept(
  subject: Subject,
  digest: string,
  { sha256 }: SeenFile,
  folder: string = FOLDER,
): Promise<Buffer | undefined> {
  const path = await subject.given("contents.path", subject.engine.contents!.path(folder, digest, sha256));
  assertEqual(typeof path, "string", "contents.path: gives a path, also where there is no file");
  return existsSync(path) ? readFileSync(path) : undefined;
}

async function drop(
  subject: Subject,
  digest: string,
  except: readonly string[],
  folder: string = FOLDER,
): Promise<void> {
  await subject.given("contents.drop", subject.engine.contents!.drop(folder, digest, except));
}

async function list(subject: Subject, folder: string = FOLDER): Promise<KeptContent[]> {
  return (await subject.all("contents.list", subject.engine.contents!.list(folder))).flat();
}

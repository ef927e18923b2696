import { execFileSync } from "node:child_process";
import {
  appendFileSync,
  closeSync,
  constants,
  fstatSync,
  mkdirSync,
  openSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import test from "ava";
import { asyncIo, syncIo } from "../../src/files/io.js";
import { readFile, readPieces } from "../../src/files/read-file.js";
import { newDirectory } from "./directory.js";

const KB = 1024;

function bytesOf(length: number): Buffer {
  return Buffer.from(Uint8Array.from({ length }, (_, i) => i * 31 + (i >> 8)));
}

for (const async of [false, true]) {
  const manner = async ? "async" : "sync";

  for (const length of [0, 1, 64 * KB - 1, 64 * KB, 64 * KB + 1, 300 * KB]) {
    test(`${manner}: ${length} bytes`, async (t) => {
      const path = join(newDirectory(), "file");
      writeFileSync(path, bytesOf(length));
      const read = readFile(path, async);
      if (!async || length < 64 * KB) t.false(read instanceof Promise);
      t.true(bytesOf(length).equals((await read)!));
    });
  }

  test(`${manner}: a file in pieces`, async (t) => {
    const path = join(newDirectory(), "file");
    const bytes = bytesOf(300 * KB);
    writeFileSync(path, bytes);
    for (const lengths of [
      [100, 0, 50 * KB, 250 * KB - 100],
      [64 * KB, 236 * KB],
      [64 * KB - 1, 2, 236 * KB - 1],
      [200 * KB, 100 * KB, 0],
    ]) {
      // biome-ignore format: one line
      const pieces = (await readPieces(path, async, (start, size) => {
        t.true(start.equals(bytes.subarray(0, 64 * KB)));
        t.is(size, bytes.length);
        return lengths;
      })) as Buffer[];
      t.deepEqual(pieces.map((piece) => piece.length), lengths); // biome-ignore format: one line
      t.deepEqual(pieces.map((piece) => piece.buffer.byteLength), lengths); // biome-ignore format: one line
      t.true(Buffer.concat(pieces).equals(bytes));
    }
  });

  test(`${manner}: a small file, and one that is not cut, are whole`, async (t) => {
    const path = join(newDirectory(), "file");
    writeFileSync(path, bytesOf(100));
    t.true(bytesOf(100).equals((await readPieces(path, async, () => t.fail() as never)) as Buffer));
    writeFileSync(path, bytesOf(300 * KB));
    t.true(bytesOf(300 * KB).equals((await readPieces(path, async, (_, size) => [size])) as Buffer));
    t.is(await readPieces(`${path}.not`, async, () => t.fail() as never), undefined);
  });

  const absent = test.macro({
    async exec(t, place: (path: string) => unknown) {
      const path = join(newDirectory(), "file");
      await place(path);
      t.is(await readFile(path, async), undefined);
    },
    title: (title = "") => `${manner}: ${title} is no file`,
  });
  test("nothing", absent, () => {});
  test("a directory", absent, (path) => mkdirSync(path));
  test("a link to nothing", absent, (path) => symlinkSync("nowhere", path));
  test("a link to itself", absent, (path) => symlinkSync(path, path));
  test("a link to a file", absent, (path) => {
    writeFileSync(`${path}.other`, "x");
    symlinkSync(`${path}.other`, path);
  });
  test("a socket", absent, (path) => new Promise<void>((done) => { const server = createServer().listen(path, done); server.unref(); })); // biome-ignore format: one line
  test("a FIFO that a writer has open", absent, (path) => {
    execFileSync("mkfifo", [path]);
    openSync(path, constants.O_RDWR | constants.O_NONBLOCK); // stays open: it goes with the process
  });

  test(`${manner}: a FIFO gives no bytes, and does not block`, async (t) => {
    const path = join(newDirectory(), "fifo");
    execFileSync("mkfifo", [path]);
    t.is((await readFile(path, async))?.length, 0);
  });

  test(`${manner}: a file on the way is no file`, async (t) => {
    const path = join(newDirectory(), "file");
    writeFileSync(path, "");
    t.is(await readFile(join(path, "below"), async), undefined);
  });
}

const changing = test.macro({
  async exec(t, when: "before" | "after", change: (path: string) => void, expected: Buffer) {
    const path = join(newDirectory(), "file");
    for (const io of [syncIo, asyncIo]) {
      writeFileSync(path, bytesOf(200 * KB));
      const { size } = io;
      // Asked between the first read and the next.
      io.size = (fd) => {
        const known = fstatSync(fd).size;
        change(path);
        return when === "before" ? fstatSync(fd).size : known;
      };
      try {
        t.true(expected.equals((await readFile(path, io === asyncIo))!));
      } finally {
        io.size = size;
      }
    }
  },
  title: (title = "", when) => `a file that ${title} ${when} its size is known`,
});
const more = Buffer.from("more");
test.serial(
  "grows",
  changing,
  "before",
  (path) => appendFileSync(path, more),
  Buffer.concat([bytesOf(200 * KB), more]),
);
test.serial("grows", changing, "after", (path) => appendFileSync(path, more), bytesOf(200 * KB));
test.serial("shrinks", changing, "before", (path) => truncateSync(path, 100 * KB), bytesOf(100 * KB));
test.serial("shrinks", changing, "after", (path) => truncateSync(path, 100 * KB), bytesOf(100 * KB));
test.serial("shrinks to less than was read", changing, "before", (path) => truncateSync(path, 10), bytesOf(64 * KB));
test.serial("shrinks to less than was read", changing, "after", (path) => truncateSync(path, 10), bytesOf(64 * KB));

test.serial("of a file in pieces that shrinks there is what was read", async (t) => {
  const path = join(newDirectory(), "file");
  for (const async of [false, true]) {
    writeFileSync(path, bytesOf(300 * KB));
    const cut = () => {
      truncateSync(path, 150 * KB);
      return [100 * KB, 100 * KB, 100 * KB];
    };
    const pieces = (await readPieces(path, async, cut)) as Buffer[];
    t.deepEqual(pieces.map((piece) => piece.length), [100 * KB, 50 * KB, 0]); // biome-ignore format: one line
    t.true(Buffer.concat(pieces).equals(bytesOf(150 * KB)));
  }
});

test.serial("an async read waits where file descriptors have run out, a sync one throws", async (t) => {
  const path = join(newDirectory(), "file");
  writeFileSync(path, "content");
  const { open } = syncIo;
  syncIo.open = () => {
    throw Object.assign(new Error("EMFILE"), { code: "EMFILE" });
  };
  try {
    t.throws(() => readFile(path, false), { code: "EMFILE" });
    t.is(String(await readFile(path, true)), "content");
    t.is(await readFile(`${path}.not`, true), undefined);
  } finally {
    syncIo.open = open;
  }
});

test.serial("no file descriptor stays open", async (t) => {
  const directory = newDirectory();
  const path = join(directory, "file");
  writeFileSync(path, bytesOf(100 * KB));
  const probe = () => {
    const fd = openSync(path, "r");
    closeSync(fd);
    return fd;
  };
  const before = probe();
  for (let i = 0; i < 20; i++) {
    readFile(path, false);
    await readFile(path, true);
    readFile(directory, false);
    readFile(`${path}.not`, true);
  }
  t.is(probe(), before);
});

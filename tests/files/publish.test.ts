import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { asyncIo, type Io, syncIo } from "../../src/files/io.js";
import { publish } from "../../src/files/publish.js";
import { run } from "../../src/flow.js";
import { newDirectory } from "./directory.js";

const PARTS = [Buffer.from("first "), Buffer.alloc(0), Buffer.from("second")];
const WHOLE = "first second";

function system(code: string): NodeJS.ErrnoException {
  return Object.assign(new Error(code), { code });
}

function prepare() {
  const directory = newDirectory();
  const [target, temporary] = [join(directory, "target"), join(directory, "temporary")];
  return { directory, target, temporary };
}

for (const [manner, io] of Object.entries({ sync: syncIo, async: asyncIo })) {
  test(`${manner}: a new file, private, and nothing else`, async (t) => {
    const { directory, target, temporary } = prepare();
    t.true(await run(publish(target, temporary, PARTS, io, () => true)));
    t.is(readFileSync(target, "utf8"), WHOLE);
    t.is(statSync(target).mode & 0o777, 0o600);
    t.deepEqual(readdirSync(directory), ["target"]);
  });

  test(`${manner}: it takes the place of an older file`, async (t) => {
    const { target, temporary } = prepare();
    writeFileSync(target, "something longer than what comes");
    t.true(await run(publish(target, temporary, PARTS, io, () => true)));
    t.is(readFileSync(target, "utf8"), WHOLE);
  });

  test(`${manner}: the target is as it was where it may not be taken, and all was written by then`, async (t) => {
    const { directory, target, temporary } = prepare();
    writeFileSync(target, "old");
    let written = "";
    const isReady = () => {
      written = readFileSync(temporary, "utf8");
      return false;
    };
    t.false(await run(publish(target, temporary, PARTS, io, isReady)));
    t.is(written, WHOLE);
    t.is(readFileSync(target, "utf8"), "old");
    t.deepEqual(readdirSync(directory), ["target"]);
  });

  test(`${manner}: the folder of the target may vanish once`, async (t) => {
    const { directory, temporary } = prepare();
    const folder = join(directory, "folder");
    let asked = 0;
    const isReady = () => {
      if (++asked === 2) mkdirSync(folder);
      return true;
    };
    t.true(await run(publish(join(folder, "target"), temporary, PARTS, io, isReady)));
    t.is(asked, 2);
    t.deepEqual(readdirSync(directory), ["folder"]);
  });

  test(`${manner}: a link in the place of the temporary file is not followed`, async (t) => {
    const { directory, target, temporary } = prepare();
    const outside = join(newDirectory(), "outside");
    symlinkSync(outside, temporary);
    await t.throwsAsync(async () => run(publish(target, temporary, PARTS, io, () => true)), { code: "EEXIST" });
    t.throws(() => statSync(outside));
    t.false(readdirSync(directory).includes("target"));
  });

  test(`${manner}: a link in the place of the target is replaced, not followed`, async (t) => {
    const { target, temporary } = prepare();
    const outside = join(newDirectory(), "outside");
    writeFileSync(outside, "untouched");
    symlinkSync(outside, target);
    t.true(await run(publish(target, temporary, PARTS, io, () => true)));
    t.is(readFileSync(outside, "utf8"), "untouched");
    t.is(readFileSync(target, "utf8"), WHOLE);
  });

  const failing = test.macro({
    async exec(t, change: (real: Io) => Partial<Io>, message: RegExp) {
      const { directory, target, temporary } = prepare();
      writeFileSync(target, "old");
      await t.throwsAsync(async () => run(publish(target, temporary, PARTS, { ...io, ...change(io) }, () => true)), {
        message,
      });
      t.is(readFileSync(target, "utf8"), "old");
      t.deepEqual(readdirSync(directory), ["target"], "no temporary file");
    },
    title: (title = "") => `${manner}: where ${title}, it throws, and leaves all as it was`,
  });
  const fail = (code: string) => () => {
    throw system(code);
  };
  test("open fails", failing, () => ({ open: fail("EACCES") }), /EACCES/);
  for (const n of [1, 2]) {
    test(`write ${n} fails`, failing, ({ write }) => {
      let calls = 0;
      return { write: (...args) => (++calls === n ? fail("ENOSPC")() : write(...args)) };
    }, /ENOSPC/); // biome-ignore format: one line
  }
  test("a write takes nothing", failing, () => ({ write: () => 0 }), /Nothing more/);
  test("a write is lost", failing, () => ({ write: (_fd, _buffer, _offset, length) => length }), /0 of 12 bytes/);
  test("the size cannot be told", failing, () => ({ size: fail("EIO") }), /EIO/);
  test("close fails", failing, ({ close }) => ({ close: async (fd) => { await close(fd); fail("EDQUOT")(); } }), /EDQUOT/); // biome-ignore format: one line
  test("rename fails", failing, () => ({ rename: fail("EIO") }), /EIO/);
  test("the folder of the target never comes", failing, () => ({ rename: fail("ENOENT") }), /was removed/);
  test("the temporary file is taken away", failing, ({ rename }) => ({ rename: (from, to) => { rmSync(from, { force: true }); rename(from, to); } }), /was removed/); // biome-ignore format: one line

  test(`${manner}: short writes go on until all is written`, async (t) => {
    const { target, temporary } = prepare();
    const short: Io = {
      ...io,
      write: (fd, buffer, offset, length) => io.write(fd, buffer, offset, Math.min(length, 2)),
    };
    t.true(await run(publish(target, temporary, PARTS, short, () => true)));
    t.is(readFileSync(target, "utf8"), WHOLE);
  });

  test(`${manner}: where nothing can be removed either, the first error counts`, async (t) => {
    const { target, temporary } = prepare();
    const broken: Io = { ...io, rename: fail("EIO"), unlink: fail("EROFS") };
    await t.throwsAsync(async () => run(publish(target, temporary, PARTS, broken, () => true)), { code: "EIO" });
  });
}

import { execFileSync } from "node:child_process";
import { closeSync, existsSync, lstatSync, mkdirSync, openSync, readFileSync, readlinkSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs"; // biome-ignore format: one line
import { createServer } from "node:net";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import test, { type ExecutionContext } from "ava";
import { BindingError } from "../../../src/index.js";
import { failureOf, newCache, newDirectory } from "../../place.js";

/** A function that writes a file, sync and async. */
function writers(t: ExecutionContext) {
  const { permacache } = newCache(t);
  let ran = 0;
  const write = (x: number, loc: string) => {
    ran++;
    writeFileSync(loc, `content ${x}`);
    return x;
  };
  const functions: any[] = [
    permacache("special/sync", { outFile: "loc", keepOutFiles: true })(write),
    permacache("special/async", { outFile: "loc", keepOutFiles: true })(async (x: number, loc: string) =>
      write(x, loc),
    ),
  ];
  return { functions, out: newDirectory(t), ran: () => ran };
}

const POSIX = process.platform === "win32" ? test.skip : test;

POSIX("a device, a pipe, a socket or a circle of links as out path is refused, and stays what it is", async (t) => {
  const { functions, out, ran } = writers(t);
  const at = (name: string) => join(out, name);
  execFileSync("mkfifo", [at("pipe")]);
  const server = createServer().listen(at("socket"));
  await new Promise((resolve) => server.once("listening", resolve));
  t.teardown(() => server.close());
  symlinkSync(at("circle"), at("circle"));
  symlinkSync(at("pipe"), at("to-pipe"));
  symlinkSync("/dev/null", at("to-null"));
  for (const f of functions) {
    await f(1, at("file")); // so that each of the others would be a hit
    const before = ran();
    for (const [path, what] of [
      ["/dev/null", /a device, \/dev\/null/],
      [pathToFileURL("/dev/null"), /a device/],
      [at("to-null"), /a device, \/dev\/null/],
      [at("pipe"), /a pipe/],
      [at("to-pipe"), /a pipe/],
      [at("socket"), /a socket/],
      [at("circle"), /leads in a circle/],
      [out, /is a directory/],
    ] as const) {
      for (const action of [() => f(1, path), () => f(9, path), () => f.has(1, path), () => f.prime(1, 1, path)]) {
        const error = await failureOf(action);
        t.true(error instanceof BindingError, `${path}: ${error}`);
        t.regex(error.message, what);
      }
    }
    t.is(ran(), before);
  }
  t.true(lstatSync("/dev/null").isCharacterDevice());
  t.true(lstatSync(at("pipe")).isFIFO());
  t.true(lstatSync(at("socket")).isSocket());
  t.true(lstatSync(at("to-null")).isSymbolicLink());
});

POSIX("what a process has open is refused by all its names, also where it leads to a regular file", async (t) => {
  const { functions, out } = writers(t);
  const log = join(out, "log");
  const fd = openSync(log, "w");
  t.teardown(() => closeSync(fd));
  writeFileSync(fd, "printed before\n");
  symlinkSync(`/dev/fd/${fd}`, join(out, "to-fd"));
  symlinkSync("/dev/stdout", join(out, "to-stdout"));
  const names = [`/dev/fd/${fd}`, "/dev/stdout", "/dev/stderr", "/dev/../dev/stdout", join(out, "to-fd"), join(out, "to-stdout")]; // biome-ignore format: one line
  if (process.platform === "linux") {
    names.push(`/proc/self/fd/${fd}`, `/proc/${process.pid}/fd/${fd}`, `/proc/thread-self/fd/${fd}`, "/dev/../proc/self/fd/1"); // biome-ignore format: one line
  }
  for (const f of functions) {
    await f(1, join(out, "file"));
    for (const name of names) {
      const error = await failureOf(() => f(1, name));
      t.true(error instanceof BindingError, `${name}: ${error}`);
      t.regex(error.message, /is an open file|is a device|is a pipe/);
    }
  }
  t.is(readFileSync(log, "utf8"), "printed before\n");
});

POSIX("a live or dangling link as out path is written through, by the function and by a hit", async (t) => {
  const { functions, out, ran } = writers(t);
  for (const [i, f] of functions.entries()) {
    const at = (name: string) => join(out, `${i}-${name}`);
    mkdirSync(at("folder"));
    writeFileSync(at("live"), "old");
    symlinkSync(at("live"), at("to-live"));
    symlinkSync(`${i}-dangling`, at("to-dangling")); // relative
    symlinkSync(at("to-dangling"), at("to-link"));
    symlinkSync(at("folder/new"), at("to-folder"));
    symlinkSync(at("later"), at("to-later"));
    symlinkSync(at("to-later"), at("by-later"));
    const links = ["to-live", "to-dangling", "to-folder"];

    for (const link of links) await f(10 + links.indexOf(link), at(link)); // misses
    t.is(readFileSync(at("live"), "utf8"), "content 10");
    t.is(readFileSync(at("dangling"), "utf8"), "content 11");
    t.is(readFileSync(at("folder/new"), "utf8"), "content 12");

    await f(1, at("file"));
    const before = ran();
    unlinkSync(at("dangling"));
    for (const link of [...links, "to-link", "by-later"]) {
      t.is(await f(1, at(link)), 1); // hits
      t.true(lstatSync(at(link)).isSymbolicLink(), link);
      t.is(readFileSync(at(link), "utf8"), "content 1");
    }
    t.is(ran(), before);
    t.is(readlinkSync(at("to-dangling")), `${i}-dangling`);
    for (const name of ["live", "dangling", "folder/new", "later"]) t.true(existsSync(at(name)), name);

    // One path by whatever name.
    const { outFiles } = await f.detail(1, at("to-live"));
    t.deepEqual(Object.values(outFiles), [at("live")]);
  }
});

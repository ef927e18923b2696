import { spawnSync } from "node:child_process";
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { needs } from "../../needs.js";
import { newDirectory } from "../../place.js";

const withMounts = needs("root", "mounts");

const PROGRAM = join(import.meta.dirname, "disk.program.mjs");

/** Nobody in particular. To root nothing is forbidden, and nothing would be shown. */
const UID = 65534;

/** Characters of a value. */
const SMALL = 100;
const LARGE = 100_000;

const isRoot = process.getuid?.() === 0;

/** Directories that the programs may write to: one for the cache, and one for out files. */
function newPlaces(t: ExecutionContext) {
  const outer = newDirectory(t);
  chmodSync(outer, 0o755);
  return { outer, disk: owned(join(outer, "disk")), out: owned(join(outer, "out")) };
}

function owned(directory: string): string {
  mkdirSync(directory, { recursive: true });
  if (isRoot) chownSync(directory, UID, UID);
  return directory;
}

/** A file system of the test's own. */
function mounted(t: ExecutionContext, options: string): ReturnType<typeof newPlaces> {
  const places = newPlaces(t);
  const { status } = spawnSync("mount", ["-t", "tmpfs", "-o", `${options},mode=0777`, "tmpfs", places.disk]);
  if (status !== 0) throw new Error("The file system was not mounted.");
  t.teardown(() => void spawnSync("umount", [places.disk]));
  return places;
}

interface Given {
  readonly dir: string;
  readonly out: string;
  readonly calls: readonly number[];
  readonly length: number;
  /** As the shell takes it. */
  readonly limit?: string;
  /** At most so many files may be open. */
  readonly descriptors?: number;
}

/** What the program says. */
function run({ limit = "true", ...given }: Given) {
  const argument = JSON.stringify({ ...given, uid: isRoot ? UID : undefined });
  const command = `${limit} && exec "$0" --no-warnings "$1" "$2"`;
  const { stdout, stderr, status, signal } = spawnSync("bash", ["-c", command, process.execPath, PROGRAM, argument], {
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`ended by ${signal ?? status}: ${stderr}`);
  return JSON.parse(stdout) as { isRight: boolean; hits: number[]; warnings: string[] };
}

/** Besides that of a disk with little space, which small ones always are. */
function troubles(warnings: readonly string[]): string[] {
  return warnings.filter((each) => !each.includes("little space left"));
}

function assertNothingTemporary(t: ExecutionContext, dir: string, out: string) {
  const temporaries = join(dir, "=_tmp");
  t.deepEqual(existsSync(temporaries) ? readdirSync(temporaries) : [], []);
  t.deepEqual(
    readdirSync(out).filter((name) => !/^\d+$/.test(name)),
    [],
  );
}

/** All that was there before is served, the rest is computed, with one warning; out files are there. */
function assertWorks(t: ExecutionContext, given: Given, words: RegExp) {
  const out = owned(join(given.out, "restored"));
  const { isRight, hits, warnings } = run({ ...given, out, calls: [1, 2, 3, 3] });
  t.true(isRight);
  t.true(
    hits.every((each) => each >= 2),
    `${hits}`,
  );
  t.is(troubles(warnings).length, 1, warnings.join("\n"));
  t.regex(warnings.join("\n"), words);
  for (const x of [1, 2, 3]) t.is(readFileSync(join(out, `${x}`), "utf8").slice(0, 5), `${x}:tex`);
  assertNothingTemporary(t, given.dir, out);
}

function prepared({ disk, out }: ReturnType<typeof newPlaces>, length: number): Given {
  const given = { dir: join(disk, "cache"), out: owned(join(out, "first")), length };
  const { isRight, warnings } = run({ ...given, calls: [1, 2] });
  if (!isRight || troubles(warnings).length > 0) throw new Error(warnings.join("\n"));
  return { ...given, calls: [] };
}

withMounts("a disk of 1 MB that is full: results are returned, hits are served, one warning", (t) => {
  const places = mounted(t, "size=1m");
  const given = prepared(places, 10_000);
  try {
    writeFileSync(join(places.disk, "filler"), Buffer.alloc(2 * 1024 * 1024));
  } catch {}
  assertWorks(t, given, /cannot be written in .*ENOSPC/);
});

withMounts("a disk that is out of inodes: the same", (t) => {
  const places = mounted(t, "size=8m");
  const given = prepared(places, SMALL);
  const { stdout } = spawnSync("df", ["--output=iused", places.disk], { encoding: "utf8" });
  const remount = `remount,nr_inodes=${stdout.split("\n")[1]!.trim()}`;
  t.is(spawnSync("mount", ["-o", remount, places.disk]).status, 0);
  assertWorks(t, given, /cannot be written in .*ENOSPC/);
});

withMounts("a disk of 5 inodes, which no entry fits on: results are returned, one warning", (t) => {
  const places = mounted(t, "size=8m,nr_inodes=5");
  const given = { dir: join(places.disk, "cache"), out: places.out, calls: [1, 2, 2], length: SMALL };
  for (const _ of [1, 2]) {
    const { isRight, warnings } = run(given);
    t.true(isRight);
    t.is(troubles(warnings).length, 1, warnings.join("\n"));
    t.regex(warnings[0]!, /ENOSPC/);
    assertNothingTemporary(t, given.dir, given.out);
  }
});

withMounts("a disk that may only be read: results are returned, hits are served, one warning", (t) => {
  const places = mounted(t, "size=8m");
  const given = prepared(places, SMALL);
  t.is(spawnSync("mount", ["-o", "remount,ro", places.disk]).status, 0);
  assertWorks(t, given, /cannot be written in .*EROFS/);
});

test("directories of mode 0555: the same", (t) => {
  const places = newPlaces(t);
  const given = prepared(places, SMALL);
  const chmod = (mode: string) => spawnSync("find", [given.dir, "-type", "d", "-exec", "chmod", mode, "{}", "+"]);
  t.teardown(() => chmod("0700"));
  chmod("0555");
  assertWorks(t, given, /cannot be written in .*EACCES/);
});

test("a directory that cannot be made, of mode 0555 or a device: results are returned, one warning", (t) => {
  const { disk, out } = newPlaces(t);
  chmodSync(disk, 0o555);
  const devices = existsSync("/dev/full") ? ["/dev/full", "/dev/full/cache"] : [];
  for (const dir of [join(disk, "cache"), ...devices]) {
    const { isRight, warnings } = run({ dir, out, calls: [1, 1], length: SMALL });
    t.true(isRight);
    t.is(warnings.length, 1, warnings.join("\n"));
    t.regex(warnings[0]!, /EACCES|EEXIST|ENOTDIR/);
    assertNothingTemporary(t, dir, out);
  }
});

needs("/dev/full")("warnings that cannot be printed, stderr being full: results are returned", (t) => {
  const { disk, out } = newPlaces(t);
  chmodSync(disk, 0o555);
  const given = { dir: join(disk, "cache"), out, calls: [1, 1], length: SMALL };
  t.true(run({ ...given, limit: "exec 2>/dev/full" }).isRight);
});

test("files of at most 4 KB (ulimit -f): the same", (t) => {
  const given = prepared(newPlaces(t), 10_000);
  assertWorks(t, { ...given, limit: "ulimit -f 4" }, /cannot be written in .*EFBIG/);
});

needs("prlimit")(
  "30 file descriptors: a hundred calls at once are answered, with at most one warning, and nothing is left behind",
  (t) => {
    const { disk, out } = newPlaces(t);
    const calls = Array.from({ length: 100 }, (_, x) => x);
    for (const length of [SMALL, LARGE]) {
      const given = { dir: join(disk, `${length}`), out, calls, length, descriptors: 30 };
      for (const isWarm of [false, true]) {
        const { isRight, hits, warnings } = run(given);
        t.true(isRight);
        // The first thing that the process does is to want all files at once: they are waited for.
        if (isWarm) t.deepEqual(hits, [100, 100, 100, 100]);
        t.true(troubles(warnings).length <= 1, warnings.join("\n"));
        t.log(`${length} characters: hits ${hits}`);
        assertNothingTemporary(t, given.dir, out);
      }
    }
  },
);

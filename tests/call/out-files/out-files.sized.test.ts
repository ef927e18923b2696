import { execFile, execFileSync, spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync, statSync, unlinkSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import test from "ava";
import { needs } from "../../needs.js";
import { newCache, newDirectory } from "../../place.js";
import { size } from "../../size.js";

const MB = 1024 * 1024;

const LARGE = size(16, 1024); // MB
const RESTORES = size(20, 200);

test("a large out file (1 GB in test:long) is recorded, restored and kept without the process growing by more than 64 MB", async (t) => {
  const dir = newDirectory(t);
  const program = `
    import { closeSync, openSync, statSync, unlinkSync, writeSync } from "node:fs";
    import { createCache } from "permacache";
    const { permacache } = createCache({ dir: ${JSON.stringify(join(dir, "cache"))} });
    const write = (megabytes, loc) => {
      const fd = openSync(loc, "w");
      const piece = Buffer.alloc(${MB}, "x");
      for (let i = 0; i < megabytes; i++) writeSync(fd, piece);
      closeSync(fd);
    };
    const options = { outFile: "loc", keepOutFiles: true };
    const sync = permacache("large/sync", options)((megabytes, loc) => write(megabytes, loc));
    const async = permacache("large/async", options)(async (megabytes, loc) => write(megabytes, loc));
    const at = (name) => ${JSON.stringify(`${dir}/`)} + name;
    sync(1, at("warm")); sync(1, at("warm2")); await async(1, at("warm")); await async(1, at("warm2"));
    const before = process.memoryUsage().rss;
    let peak = 0;
    const watch = () => { peak = Math.max(peak, process.memoryUsage().rss - before); };
    const timer = setInterval(watch, 5);
    for (const f of [sync, async]) {
      await f(${LARGE}, at("a")); watch();
      await f(${LARGE}, at("b")); watch();
      unlinkSync(at("a")); unlinkSync(at("b"));
      await f(${LARGE}, at("c")); watch();
      if (statSync(at("c")).size !== ${LARGE} * ${MB} || f.stats().misses !== 2) throw new Error("not restored");
      unlinkSync(at("c"));
      await f.clear();
    }
    clearInterval(timer);
    console.log(Math.round(peak / ${MB}));`;
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", program], {
    timeout: 500_000,
  });
  t.log(`grew by ${stdout.trim()} MB`);
  t.true(Number(stdout) <= 64, stdout);
});

test("8 processes restore one target again and again beside a reader, which never sees a part of it", async (t) => {
  const { permacache, dir } = newCache(t);
  const out = newDirectory(t);
  const target = join(out, "target");
  const write = (x: number, loc: string) => writeFileSync(loc, String(x).repeat(MB));
  const f = permacache("restored", { outFile: "loc" })(write);
  for (const x of [1, 2]) f(x, join(out, `source-${x}`));
  f(1, target);
  const file = join(out, "restorer.mjs");
  writeFileSync(
    file,
    `import { createCache } from ${JSON.stringify(join(import.meta.dirname, "../../../dist/index.js"))};
    const { permacache } = createCache({ dir: ${JSON.stringify(dir)} });
    const f = permacache("restored", { outFile: "loc" })((x, loc) => { throw new Error("ran for " + x); });
    for (let i = 0; i < ${RESTORES}; i++) f(1 + (i % 2), ${JSON.stringify(target)});`,
  );
  const restorers = Array.from({ length: 8 }, () =>
    spawn(process.execPath, [file], { stdio: ["ignore", "ignore", "inherit"] }),
  );
  const ended = Promise.all(
    restorers.map((each) => new Promise<number | null>((resolve) => each.once("exit", resolve))),
  );
  let running = true;
  let reads = 0;
  const reader = (async () => {
    while (running) {
      const content = readFileSync(target, "latin1");
      if (content !== "1".repeat(MB) && content !== "2".repeat(MB)) t.fail(`a part: ${content.length} bytes`);
      reads++;
      await new Promise((resolve) => setImmediate(resolve));
    }
  })();
  t.deepEqual(await ended, Array(8).fill(0));
  running = false;
  await reader;
  t.log(`${reads} reads`);
  t.true(reads > 0);
});

needs(
  "root",
  "mkfs.xfs",
  "loop devices",
)("on a file system with clones the bytes are shared", (t) => {
  const dir = newDirectory(t);
  const image = join(dir, "image");
  const mount = join(dir, "mount");
  mkdirSync(mount);
  closeSync(openSync(image, "w"));
  execFileSync("truncate", ["-s", "400M", image]);
  execFileSync("mkfs.xfs", ["-q", "-m", "reflink=1", image], { stdio: "pipe" });
  execFileSync("mount", ["-o", "loop", image, mount], { stdio: "pipe" });
  try {
    const { permacache } = newCache(t, { dir: join(mount, "cache") });
    const f = permacache("cloned", { outFile: "loc", keepOutFiles: true })((megabytes: number, loc: string) => {
      const fd = openSync(loc, "w");
      for (let i = 0; i < megabytes; i++) writeSync(fd, Buffer.alloc(MB, "x"));
      closeSync(fd);
    });
    const used = () => Number(execFileSync("df", ["--output=used", "-B1", mount], { encoding: "utf8" }).split("\n")[1]);
    f(100, join(mount, "first"));
    execFileSync("sync");
    const before = used();
    for (let i = 0; i < 10; i++) f(100, join(mount, `copy-${i}`));
    execFileSync("sync");
    t.is(statSync(join(mount, "copy-9")).size, 100 * MB);
    t.true(used() - before < 10 * MB, `${(used() - before) / MB} MB for ten copies of 100 MB`);
    unlinkSync(join(mount, "first"));
  } finally {
    execFileSync("umount", [mount]);
  }
});

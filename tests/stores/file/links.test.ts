import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs"; // biome-ignore format: one line
import { dirname, join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { syncIo } from "../../../src/files/io.js";
import { publish } from "../../../src/files/publish.js";
import { run } from "../../../src/flow.js";
import { createCache } from "../../../src/index.js";
import { filesIn, newDirectory } from "../../place.js";

/** All that there is below a directory, with contents. */
function stateOf(dir: string): Record<string, string> {
  const names = readdirSync(dir, { recursive: true }).map(String).sort();
  return Object.fromEntries(
    names.map((name) => {
      const stats = statSync(join(dir, name));
      return [name, stats.isFile() ? `${stats.mode} ${readFileSync(join(dir, name), "utf8")}` : `${stats.mode}`];
    }),
  );
}

/** A cache with an entry of everything that is ever made, in a directory that this process has not seen yet. */
function newPlace(t: ExecutionContext) {
  const root = newDirectory(t);
  const made = join(root, "made");
  const functions = (dir: string) => {
    const { permacache } = createCache({ dir, maxEntries: 100, onError: () => {} });
    let ran = 0;
    const f = permacache("a/f", { outFile: "loc", keepOutFiles: true })((n: number, loc: string) => {
      ran++;
      writeFileSync(loc, `content ${n}`);
      return `value ${n}`;
    });
    const g = permacache("a/g")(async (n: number) => [n, ran++][0]);
    return { f, g, ran: () => ran };
  };
  const out = join(root, "out");
  mkdirSync(out);
  const first = functions(made);
  first.f(1, join(out, "first"));
  first.f(2, join(out, "second"));
  first.f.delete(2, join(out, "second"));
  const dir = join(root, "cache");
  renameSync(made, dir);
  return { root, dir, out, ...functions(dir) };
}

/** Names in the cache that somebody may plant a link at. */
const PLACES = {
  "the temporary folder": () => "=_tmp",
  "the folder of a path": () => "a",
  "the function's folder": () => "a/f",
  "the folder of its version": () => "a/f/=1",
  "a shard": (entry: string) => dirname(entry),
  "the entry": (entry: string) => entry,
  "the lock file": () => "a/f/=1/=_locks",
  "the removals file": () => "a/f/=1/=_removed",
  "the ledger": () => "=_ledger",
  "the lock file of out paths": () => "=_locks",
  "the kept folder": () => "a/f/=1/=kept",
  "a shard of the kept folder": (_: string, kept: string) => dirname(kept),
  "a kept content": (_: string, kept: string) => kept,
  "CACHEDIR.TAG": () => "CACHEDIR.TAG",
};

for (const [what, placeOf] of Object.entries(PLACES)) {
  for (const leads of ["to what is there", "to what is not there", "to a directory"] as const) {
    test(`a link in the place of ${what}, ${leads}: not followed`, async (t) => {
      const { root, dir, out, f, g } = newPlace(t);
      const files = filesIn(dir).map((file) => file.slice(dir.length + 1));
      const entry = files.find((name) => name.endsWith(".entry"))!;
      const kept = files.find((name) => name.includes("=kept/"))!;
      const place = join(dir, placeOf(entry, kept));
      const outside = join(root, "outside");
      mkdirSync(join(outside, "directory"), { recursive: true });
      writeFileSync(join(outside, "directory", "of-somebody"), "theirs");
      const lead = join(outside, "lead");
      if (leads === "to what is there" && existsSync(place)) renameSync(place, lead);
      else if (leads === "to what is there") writeFileSync(lead, "");
      else rmSync(place, { recursive: true, force: true });
      symlinkSync(leads === "to a directory" ? join(outside, "directory") : lead, place);
      const before = stateOf(outside);

      const at = (name: string) => join(out, name);
      t.is(f(1, at("one")), "value 1");
      t.is(readFileSync(at("one"), "utf8"), "content 1");
      t.is(f(3, at("three")), "value 3");
      t.is(f(3, at("again")), "value 3");
      t.is(readFileSync(at("again"), "utf8"), "content 3");
      t.is(f.with({ mode: "refresh" })(1, at("one")), "value 1");
      t.deepEqual(await Promise.all([g(1), g(1), g(2)]), [1, 1, 2]);
      for (const manage of [
        () => f.delete(3, at("three")),
        () => f.prime("primed", 4, at("three")),
        () => f.prune({ maxEntries: 1 }),
        () => f.clear(),
        () => g.clear(),
      ]) {
        try {
          await manage();
        } catch (error) {
          t.is((error as Error).name, "StoreError", String(error));
        }
      }
      t.is(f(5, at("five")), "value 5");
      t.deepEqual(stateOf(outside), before);
    });
  }
}

test("a folder that was used, then moved away and linked to: not followed", (t) => {
  const root = newDirectory(t);
  const dir = join(root, "cache");
  const { permacache } = createCache({ dir, onError: () => {} });
  const f = permacache("a/f")((x: number) => x);
  f(1);
  renameSync(join(dir, "a"), join(root, "a"));
  symlinkSync(join(root, "a"), join(dir, "a"));
  const before = stateOf(root);
  t.is(f(2), 2);
  t.throws(() => f.delete(1), { name: "StoreError" });
  t.throws(() => f.clear(), { name: "StoreError" });
  t.deepEqual(stateOf(root), before);
});

test("a link in the place of the temporary file: an error, not a file elsewhere", async (t) => {
  const root = newDirectory(t);
  for (const lead of ["there", "missing"]) {
    writeFileSync(join(root, "there"), "theirs");
    const temporary = join(root, `temporary-${lead}`);
    symlinkSync(join(root, lead), temporary);
    const target = join(root, "target");
    t.throws(() => run(publish(target, temporary, [Buffer.from("x")], syncIo, () => true)), { code: "EEXIST" });
    t.false(existsSync(target));
  }
  t.is(readFileSync(join(root, "there"), "utf8"), "theirs");
  t.false(existsSync(join(root, "missing")));
});

test("a directory that is a link is resolved once: what it leads to later does not matter", (t) => {
  const root = newDirectory(t);
  const [real, other, link] = ["real", "other", "link"].map((name) => join(root, name)) as [string, string, string];
  mkdirSync(real, { mode: 0o700 });
  mkdirSync(other, { mode: 0o700 });
  symlinkSync(real, link);
  const f = createCache({ dir: link, onError: "throw" }).permacache("f")((x: number) => x);
  f(1);
  rmSync(link);
  symlinkSync(other, link);
  f(2);
  t.true(f.has(1));
  t.is(filesIn(real).length, 2);
  t.deepEqual(readdirSync(other), []);
});

test("links on the way to the directory are followed", (t) => {
  const root = newDirectory(t);
  mkdirSync(join(root, "real"));
  symlinkSync("real", join(root, "link"));
  const f = createCache({ dir: join(root, "link/below/cache"), onError: "throw" }).permacache("f")((x: number) => x);
  f(1);
  t.true(f.has(1));
  t.is(filesIn(join(root, "real/below/cache")).length, 1);
});

import { resolve, sep } from "node:path";
import test from "ava";
import fc from "fast-check";
import {
  assertPath,
  folderNames,
  type Identity,
  identityText,
  isEntriesFolder,
  parseIdentity,
  pathOfFolder,
  segmentOfFolder,
  versionFolder,
  versionOfFolder,
} from "../../src/entry/identity.js";
import { PathError } from "../../src/errors.js";

const layout = test.macro({
  exec(t, identity: Identity, expected: string) {
    t.is(folderNames(identity).join("/"), expected);
  },
  title: (_: string | undefined, { path, version, source }: Identity, expected: string) =>
    `${path} ${JSON.stringify({ version, source })} lives in ${expected}`,
});
test(layout, { path: "a/b" }, "a/b/=1");
test(layout, { path: "a/3f" }, "a/3f/=1");
test(layout, { path: "my-project/load_data@2.x" }, "my-project/load_data@2.x/=1");
test(layout, { path: "a/Load" }, "a/=load/=1");
test(layout, { path: "ABC" }, "=a=b=c/=1");
test(layout, { path: "nul" }, "==nul/=1");
test(layout, { path: "a/com1.txt" }, "a/==com1.txt/=1");
test(layout, { path: "CON" }, "=c=o=n/=1");
test(layout, { path: "console" }, "console/=1");
test(layout, { path: "aux." }, "aux=-/=1");
test(layout, { path: "a." }, "a=-/=1");
test(layout, { path: "..." }, "..=-/=1");
test(layout, { path: "Tmp" }, "=tmp/=1");
test(layout, { path: "a", version: "2" }, "a/=1=v2");
test(layout, { path: "a", version: "" }, "a/=1=v");
test(layout, { path: "a", version: "V/..\\:\0" }, "a/=1=v=56=2f=2e=2e=5c=3a=00");
test(layout, { path: "a", version: "ü" }, "a/=1=v=c3=bc");
test(layout, { path: "a", source: "0123456789abcdef".repeat(4) }, "a/=1=s0123456789abcdef0123456789abcdef");
test(layout, { path: "a", version: "2", source: "ab".repeat(32) }, `a/=1=v2=s${"ab".repeat(16)}`);

test("a long version stands as its digest", (t) => {
  const name = (version: string) => folderNames({ path: "a", version }).at(-1)!;
  t.is(name("v".repeat(100)), `=1=v${"v".repeat(100)}`);
  t.regex(name("v".repeat(101)), /^=1=v=h[0-9a-f]{64}$/);
  t.not(name("v".repeat(101)), name("v".repeat(102)));
});

test("the line for people", (t) => {
  t.is(identityText({ path: "a/b" }), "a/b");
  t.is(identityText({ path: "a/b", version: '"2\n"' }), 'a/b version "\\"2\\n\\""');
  t.is(identityText({ path: "a/b", version: "2", source: "ff" }), 'a/b version "2" source ff');
});

const refused = test.macro({
  exec(t, path: unknown, words: string) {
    const error = t.throws(() => assertPath(path), { instanceOf: PathError, code: "ERR_PERMACACHE_PATH" });
    t.true(error.message.includes(words), error.message);
  },
  title: (_, path) => `no path: ${String(JSON.stringify(path)).slice(0, 40)}`,
});
for (const path of ["", "/a", "a/", "a//b", "/"]) test(refused, path, "an empty segment");
for (const path of [".", "..", "../a", "a/..", "a/./b"]) test(refused, path, "which is not allowed");
for (const path of ["a\\b", "C:", "a\0", "a b", "ä", "a=b", "a*", "~", "a\n", "😀", "x".repeat(101)]) {
  test(refused, path, "which is not allowed");
}
test(refused, Array(50).fill("abcde").join("/"), "299 characters");
test(refused, 1, "it is number");
test(refused, undefined, "it is undefined");

for (const path of ["a", "x".repeat(100), Array(100).fill("a").join("/"), "a.b", "@scope/x", "...", "-", "a/b/c"]) {
  test(`a path: ${path.slice(0, 20)}`, (t) => t.notThrows(() => assertPath(path)));
}

const letters = "aAbBtTmMpPcCoOnNuUlLxX019._@-vVsShH";
const segment = fc.oneof(
  fc.string({ unit: fc.constantFrom(...letters), minLength: 1, maxLength: 6 }),
  fc.string({ unit: fc.constantFrom("A", "a", "."), minLength: 90, maxLength: 100 }),
  fc.constantFrom("con", "CON", "Con", "con.", "con.x", "nul", "LPT1", "Tmp", "Aside", "_tmp", "3f"),
);
const path = fc
  .array(segment, { minLength: 1, maxLength: 3 })
  .map((segments) => segments.join("/"))
  .filter((each) => each.length <= 200 && !each.split("/").some((name) => name === "." || name === ".."));
const version = fc.oneof(
  fc.constantFrom(undefined, "", "2", "v2", "V2", "=v2", "2=s", "A", "a", "=41"),
  fc.string({ unit: "grapheme", maxLength: 60 }),
);
const source = fc.constantFrom(undefined, "ab".repeat(32), "cd".repeat(32));
const identity = fc.record({ path, version, source });
/** As a file system that ignores case and trailing dots would have it. */
const folded = (each: Identity) => folderNames(each).map((name) => name.toLowerCase().replace(/[. ]+$/, ""));

test("two identities never share a folder, on any file system", (t) => {
  fc.assert(
    fc.property(identity, identity, (a, b) => {
      t.is(folded(a).join("/") === folded(b).join("/"), identityText(a) === identityText(b));
    }),
    { numRuns: 5000 },
  );
});

test("paths that differ only in case have folders of their own", (t) => {
  fc.assert(
    fc.property(path, (each) => {
      fc.pre(each !== each.toLowerCase());
      t.notDeepEqual(folded({ path: each }), folded({ path: each.toLowerCase() }));
    }),
  );
});

test("the folder of one path never lies in that of another, nor where temporary files are", (t) => {
  fc.assert(
    fc.property(identity, identity, (a, b) => {
      const [x, y] = [folded(a), folded(b)];
      if (x.join("/") !== y.join("/")) t.false(`${y.join("/")}/`.startsWith(`${x.join("/")}/`));
      t.not(x[0], "=_tmp");
    }),
    { numRuns: 3000 },
  );
});

test("folder names are short, no device names, and stay inside", (t) => {
  fc.assert(
    fc.property(identity, (each) => {
      const names = folderNames(each);
      const place = resolve("/cache", ...names);
      t.true(place.startsWith(`${resolve("/cache")}${sep}`));
      t.is(place.split(sep).length, resolve("/cache").split(sep).length + names.length);
      for (const name of names) {
        t.true(Buffer.byteLength(name) <= 255);
        t.notRegex(name, /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)|[. ]$|[A-Z/\\:*?"<>|\0]/);
      }
    }),
    { numRuns: 3000 },
  );
});

test("a folder tells its path", (t) => {
  for (const path of ["a/b", "A.b/cOn/nul", "x./con.txt", "...", "a@-_1"]) {
    t.is(pathOfFolder(folderNames({ path }).slice(0, -1).join("/")), path);
  }
});

test("the line for people tells the identity", (t) => {
  fc.assert(
    fc.property(identity, fc.string({ unit: "binary" }), (each, text) => {
      for (const one of [each, { ...each, version: text }]) t.deepEqual(parseIdentity(identityText(one)), { ...one });
    }),
    { numRuns: 2000 },
  );
});

for (const line of [
  "",
  " ",
  "a ",
  "../a",
  "a/",
  "a version",
  'a version "',
  'a version "2" ',
  "a version 2",
  'a  version "2"',
  'a version "\\u0032"',
  "a source",
  "a source xyz",
  'a source ff version "2"',
  "a\n",
  "x".repeat(201),
]) {
  // biome-ignore format: one line
  test(`no identity: ${JSON.stringify(line).slice(0, 40)}`, (t) => t.is(parseIdentity(line), undefined));
}

test("names of folders tell path and version, but for a version that stands as its digest", (t) => {
  fc.assert(
    fc.property(identity, (each) => {
      const names = folderNames(each);
      t.is(
        names
          .slice(0, -1)
          .map((name) => segmentOfFolder(name))
          .join("/"),
        each.path,
      );
      t.true(isEntriesFolder(names.at(-1)!));
      t.is(versionFolder(names.at(-1)!), folderNames({ ...each, source: undefined }).at(-1)!);
      const { version, isDigest } = versionOfFolder(names.at(-1)!);
      if (!isDigest) t.is(version, each.version);
    }),
    { numRuns: 2000 },
  );
  t.true(versionOfFolder(folderNames({ path: "a", version: "ü".repeat(60) }).at(-1)!).isDigest);
});

for (const name of ["=1", "=_tmp", "A", "=A", "con", "==con=", "=-", "a.", ".", "..", "a=", "=3f", "a b", ""]) {
  test(`no segment of a path has the folder ${JSON.stringify(name)}`, (t) => t.is(segmentOfFolder(name), undefined));
}
for (const name of ["=", "=2", "=12", "=1=", "=1=vA", "=1=v=4", "=1=sff", "=1=v=h00", "=1=v2=s", "1", "=1 "]) {
  test(`no entries are in ${JSON.stringify(name)}`, (t) => t.false(isEntriesFolder(name)));
}

test("versions that are no well-formed text have folders of their own", (t) => {
  const names = ["\ud800", "\udfff", "\ufffd"].map((version) => folderNames({ path: "a", version }).at(-1));
  t.is(new Set(names).size, 3);
});

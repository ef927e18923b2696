import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import test, { type ExecutionContext } from "ava";
import { fromBufferPromise } from "yauzl";
import { ZipFile } from "yazl";
import { exportTo } from "../../../src/cache/archive/export.js";
import { importFrom } from "../../../src/cache/archive/import.js";
import { type Codec, encodeValue } from "../../../src/entry/codecs.js";
import { type DecodedEntry, decodeEntry, encodeEntry } from "../../../src/entry/entry.js";
import { createCache } from "../../../src/index.js";
import { FileEngine } from "../../../src/stores/file/file-engine.js";
import { Store } from "../../../src/stores/store.js";
import { failureOf, filesIn, newDirectory } from "../../place.js";
import { size } from "../../size.js";

type Members = Map<string, Buffer>;

async function unzip(zip: Buffer): Promise<Members> {
  const members: Members = new Map();
  const file = await fromBufferPromise(zip);
  for await (const entry of file.eachEntry())
    members.set(entry.fileName, await buffer(await file.openReadStreamPromise(entry)));
  return members;
}

/** @param write adds members to a zip file */
async function zipOf(write: (zip: ZipFile) => void): Promise<Buffer> {
  const zip = new ZipFile();
  write(zip);
  zip.end();
  return buffer(zip.outputStream as NodeJS.ReadableStream);
}

function rezip(members: Iterable<readonly [string, Buffer]>, options = {}): Promise<Buffer> {
  return zipOf((zip) => {
    for (const [name, content] of members) zip.addBuffer(content, name, options);
  });
}

/** An archive with two entries, one of which has a kept out file, in 2 or 3 members; and how to change it. */
async function newArchive(t: ExecutionContext) {
  const root = newDirectory(t);
  const dir = join(root, "cache");
  const { permacache } = createCache({ dir });
  const wrap = (path: string) =>
    permacache(path, { outFile: "loc", keepOutFiles: true })((x: number, loc?: string) => {
      if (loc !== undefined) writeFileSync(loc, `file ${x}`);
      return [x, undefined];
    });
  const f = wrap("f");
  f(1, join(root, "out"));
  f(2);
  const file = join(root, "archive.zip");
  await exportTo(Store.over(FileEngine.at(dir)), "f", file);
  const original = readFileSync(file);
  const there = join(root, "there");
  return { root, file, original, members: await unzip(original), there, store: Store.over(FileEngine.at(there)) };
}

type Archive = Awaited<ReturnType<typeof newArchive>>;

/** Imports bytes: they are refused, and nothing is written. @returns the message */
async function refusal(t: ExecutionContext, { root, file, there, store }: Archive, bytes: Buffer): Promise<string> {
  writeFileSync(file, bytes);
  const before = readdirSync(root);
  const error = await failureOf(() => importFrom(store, "g", file));
  t.is(error.name, "StoreError", error.stack);
  t.true(error.message.includes(file), error.message);
  t.deepEqual(readdirSync(root), before);
  t.deepEqual(filesIn(there), []);
  t.is(({} as any).polluted, undefined);
  return error.message;
}

const manifestOf = (members: Members) => JSON.parse(String(members.get("manifest.json")));

/** With a manifest that fits the members. */
function fitting(members: Members, change: object = {}): Members {
  const rest = [...members].filter(([name]) => name !== "manifest.json");
  const contents = rest.filter(([name]) => name.startsWith("contents/")).length;
  const bytes = rest.reduce((sum, [, content]) => sum + content.length, 0);
  const manifest = { ...manifestOf(members), contents, bytes, ...change };
  return new Map([...rest, ["manifest.json", Buffer.from(`${JSON.stringify(manifest)}\n`)]]);
}

function framed(entry: Buffer): Buffer {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(entry.length));
  return Buffer.concat([length, entry]);
}

/** The archive with one of its entries (by `x`) changed; the rest fits. */
function withEntry(
  members: Members,
  x: number,
  change: (entry: DecodedEntry) => Partial<DecodedEntry> | Buffer,
): Members {
  const changed = new Map(members);
  for (const [name, content] of members) {
    if (!name.startsWith("entries/")) continue;
    const entry = decodeEntry(content.subarray(8))!; // one in each
    if (entry.key !== `{"x":${x}}`) continue;
    const made = change(entry);
    const whole = { ...entry, ...made } as DecodedEntry;
    const bytes = Buffer.isBuffer(made)
      ? made
      : Buffer.concat(encodeEntry(whole, { ...whole, parts: [whole.payload] }));
    changed.set(name, framed(bytes));
  }
  return fitting(changed);
}

/** The name of the member that holds an entry. */
function memberOf(members: Members, x: number): string {
  return [...members].find(([name, content]) => name.startsWith("entries/") && content.includes(`{"x":${x}}`))![0];
}

test("the archive that the others are made of is good", async (t) => {
  const { file, members, store, there } = await newArchive(t);
  writeFileSync(file, await rezip(fitting(members)));
  t.is(await importFrom(store, "g", file), 2);
  const g = createCache({ dir: there }).permacache("g")((x: number): unknown => [x, "computed"]);
  t.deepEqual(
    [g(1), g(2)],
    [
      [1, undefined],
      [2, undefined],
    ],
  );
});

// ---- names and kinds of members ----

/** yazl refuses such names itself: one of the same length stands there first. */
function renamed(zip: Buffer, from: string, to: string): Buffer {
  return Buffer.from(zip.toString("latin1").replaceAll(from, to), "latin1");
}

const NAMES = ["../evil", "..\\evil", "/evil", "\\\\host\\evil", "C:\\evil", "C:evil", "evil\0.zip", "evil/", "entries/../../evil", "contents/evil", "entries/000000-3f/evil", "entries/000000-3F", "entries/0-3f", "ENTRIES/000000-3f", "manifest.json/", "manifest.json ", "./manifest.json", "evil", "nul", "__proto__"]; // biome-ignore format: one line
for (const name of NAMES) {
  test(`a member named ${JSON.stringify(name)} is refused`, async (t) => {
    const archive = await newArchive(t);
    const stand = "x".repeat(name.length);
    const zip = await rezip([...fitting(archive.members), [stand, Buffer.from("evil")]]);
    const message = await refusal(t, archive, renamed(zip, stand, name));
    t.true(message.includes(JSON.stringify(name)), message);
    t.false(existsSync(join(archive.root, "..", "evil")));
  });
}

for (const [what, mode] of [
  ["a symbolic link", 0o120777],
  ["a directory", 0o040755],
  ["a device", 0o020666],
  ["a FIFO", 0o010644],
] as const) {
  test(`${what} is refused`, async (t) => {
    const archive = await newArchive(t);
    const name = memberOf(archive.members, 1);
    const zip = await zipOf((each) => {
      for (const [other, content] of archive.members)
        each.addBuffer(content, other, { mode: other === name ? mode : 0o100644 });
    });
    const message = await refusal(t, archive, zip);
    t.true(message.includes(`"${name}" is a link, a directory or a device`), message);
  });
}

/** Changes the headers of a member, in the list at the end of the file. */
function inList(zip: Buffer, name: string, change: (header: Buffer) => void): Buffer {
  const patched = Buffer.from(zip);
  const at = patched.lastIndexOf(name) - 46;
  change(patched.subarray(at, at + 46));
  return patched;
}

test("an encrypted member is refused", async (t) => {
  const archive = await newArchive(t);
  const name = memberOf(archive.members, 1);
  const message = await refusal(
    t,
    archive,
    inList(archive.original, name, (header) => header.writeUInt16LE(0x801, 8)),
  );
  t.true(message.includes(`"${name}" is encrypted`), message);
});

test("a member compressed by an unknown method is refused", async (t) => {
  const archive = await newArchive(t);
  const name = memberOf(archive.members, 1);
  const message = await refusal(
    t,
    archive,
    inList(archive.original, name, (header) => header.writeUInt16LE(99, 10)),
  );
  t.true(message.includes(`"${name}" is compressed by an unknown method`), message);
});

test("a member that is there twice is refused", async (t) => {
  const archive = await newArchive(t);
  for (const name of archive.members.keys()) {
    const message = await refusal(t, archive, await rezip([...archive.members, [name, archive.members.get(name)!]]));
    t.true(message.includes(`"${name}" is there twice`), message);
  }
});

test("members that overlap are refused", async (t) => {
  const archive = await newArchive(t);
  const [one, two] = [memberOf(archive.members, 1), memberOf(archive.members, 2)];
  const first = archive.original.readUInt32LE(archive.original.lastIndexOf(one) - 46 + 42);
  const message = await refusal(
    t,
    archive,
    inList(archive.original, two, (header) => header.writeUInt32LE(first, 42)),
  );
  t.regex(message, /"entries\/.*" overlaps another/);
});

test("a member that reaches beyond the file is refused", async (t) => {
  const archive = await newArchive(t);
  const name = memberOf(archive.members, 1);
  const zip = inList(archive.original, name, (header) => header.writeUInt32LE(1e6, 20));
  t.regex(await refusal(t, archive, zip), /overlaps another|beyond the end/);
});

// ---- sizes ----

test("sizes that lie are refused", async (t) => {
  const archive = await newArchive(t);
  for (const name of archive.members.keys()) {
    for (const by of [-1, 1]) {
      const zip = inList(archive.original, name, (header) => header.writeUInt32LE(header.readUInt32LE(24) + by, 24));
      await refusal(t, archive, zip);
    }
  }
});

test("an archive that would unpack to much more than its size is refused before it is unpacked", async (t) => {
  const archive = await newArchive(t);
  const name = `contents/${"ab".repeat(32)}`;
  const members = fitting(new Map([[name, Buffer.alloc(1_000_000)], ...archive.members]));
  const zip = inList(await rezip(members), name, (header) => header.writeUInt32LE(2 ** 32 - 2, 24));
  const message = await refusal(t, archive, zip);
  t.true(message.includes(`"${name}" is the largest`), message);
});

test("a member that unpacks to more than it says is refused when it does", async (t) => {
  const archive = await newArchive(t);
  const content = Buffer.alloc(20_000_000);
  const name = `contents/${createHash("sha256").update(content).digest("hex")}`;
  const members = new Map([[name, content], ...archive.members]);
  const zip = await rezip(fitting(members, { bytes: manifestOf(fitting(members)).bytes - content.length + 10 }));
  t.regex(
    await refusal(
      t,
      archive,
      inList(zip, name, (header) => header.writeUInt32LE(10, 24)),
    ),
    new RegExp(name),
  );
});

test("JSON of few bytes in the file that would fill the memory is refused", async (t) => {
  const archive = await newArchive(t);
  const payload = Buffer.from(`[${"[],".repeat(20_000_000)}[]]`);
  const members = withEntry(archive.members, 1, () => ({ format: "json", payload }));
  t.regex(await refusal(t, archive, await rezip(members, { compressionLevel: 1 })), /would have \d+ parts/);
});

test("an entry that says to be longer than its member is refused", async (t) => {
  const archive = await newArchive(t);
  const name = memberOf(archive.members, 1);
  for (const length of [0n, 10n, 2n ** 32n, 2n ** 63n, 2n ** 64n - 1n]) {
    const members = new Map(archive.members);
    const content = Buffer.from(members.get(name)!);
    content.writeBigUInt64LE(length);
    const message = await refusal(t, archive, await rezip(fitting(members.set(name, content))));
    t.true(message.includes(`"${name}"`), message);
    if (length > 1e6) t.regex(message, /reaches beyond it/);
  }
  const good = archive.members.get(name)!;
  const more = [Buffer.alloc(1), Buffer.alloc(7), Buffer.alloc(8)].map((bytes) => Buffer.concat([good, bytes]));
  for (const content of [Buffer.alloc(0), Buffer.alloc(7), good.subarray(0, -1), ...more]) {
    const message = await refusal(t, archive, await rezip(fitting(new Map(archive.members).set(name, content))));
    t.true(message.includes(`"${name}"`), message);
  }
});

// ---- the manifest ----

test("an archive without manifest is refused", async (t) => {
  const archive = await newArchive(t);
  archive.members.delete("manifest.json");
  t.regex(await refusal(t, archive, await rezip(archive.members)), /has no manifest\.json/);
  t.regex(await refusal(t, archive, await rezip([])), /has no manifest\.json/);
});

test("a manifest of a newer version says so, also where it has other members", async (t) => {
  const archive = await newArchive(t);
  for (const members of [archive.members, new Map([...archive.members, ["signatures.json", Buffer.from("{}")]])]) {
    const zip = await rezip(fitting(members, { version: 2, news: true }));
    t.regex(
      await refusal(t, archive, zip),
      /was written by a newer version of permacache \(format 2; this one reads 1\)/,
    );
  }
});

const MANIFESTS: Record<string, string | object> = {
  empty: "",
  "no JSON": "{",
  null: "null",
  "a list": "[]",
  "another format": { format: "zip" },
  "an older version": { version: 0 },
  "no version": { version: undefined },
  "a version that is none": { version: "1" },
  "further properties": { more: 1 },
  "a prototype": '{"__proto__":{"polluted":1}}\n',
  "another path": { path: "other" },
  "a path that is none": { path: "../f" },
  "fewer entries": { entries: 1 },
  "more entries": { entries: 3 },
  "entries that are no number": { entries: "2" },
  "fewer contents": { contents: 0 },
  "other bytes": { bytes: 1 },
  "bytes beyond numbers": { bytes: 1e300 },
  "very long": `{"format":"permacache"${" ".repeat(1e6)}}`,
};
for (const [what, change] of Object.entries(MANIFESTS)) {
  test(`a manifest is refused: ${what}`, async (t) => {
    const archive = await newArchive(t);
    const { members } = archive;
    const changed =
      typeof change === "string" ? members.set("manifest.json", Buffer.from(change)) : fitting(members, change);
    t.regex(await refusal(t, archive, await rezip(changed)), /"(manifest\.json|entries\/.*)"/);
  });
}

test("members that are missing, or were added, are refused", async (t) => {
  const archive = await newArchive(t);
  for (const name of archive.members.keys()) {
    if (name === "manifest.json") continue;
    const without = [...archive.members].filter(([other]) => other !== name);
    t.regex(await refusal(t, archive, await rezip(without)), /some are missing, or were added/);
  }
  for (const name of [`contents/${"ab".repeat(32)}`, "entries/000000-zz".replace("zz", "00")]) {
    t.regex(await refusal(t, archive, await rezip([[name, Buffer.from("x")], ...archive.members])), /were added/);
  }
});

// ---- entries ----

const own: Codec = { name: "own", encode: String, decode: String };
function payloadOf(value: unknown, codec: "auto" | "json" | Codec, compress: false | "gzip" = false) {
  const { parts, ...payload } = encodeValue(value, codec, compress);
  return { ...payload, payload: Buffer.concat(parts) };
}
const json = (text: string) => ({ format: "tagged", payload: Buffer.from(text) }) as const;
const record = (kept: object, rest: object = { written: {} }) => ({ record: JSON.stringify({ ...rest, kept }) });
const sha256 = createHash("sha256").update("file 1").digest("hex");
const kept = { sha256, size: 6, mode: 0o644 };

const ENTRIES: Record<string, (entry: DecodedEntry) => Partial<DecodedEntry> | Buffer> = {
  "that is damaged": () => Buffer.from("no entry"),
  "that is empty": () => Buffer.alloc(0),
  "of another path": () => ({ identity: "other" }),
  "of a path that is none": () => ({ identity: "../f" }),
  "of another version than those with it": () => ({ identity: 'f version "2"' }),
  "with an identity in another spelling": () => ({ identity: 'f version "\\u0032"' }),
  "for another key": () => ({ key: '{"x":3}' }),
  "with a key that is no JSON": () => ({ key: "{" }),
  "in structured clone": () => payloadOf(new Map(), "auto"),
  "in structured clone that is JSON": () => ({ format: "clone", payload: Buffer.from("1") }),
  "that is compressed": () => payloadOf({}, "auto", "gzip"),
  "that is compressed, of a codec of one's own": () => payloadOf("x", own, "gzip"),
  "with the name of a codec, and the format of none": () => ({ codecName: "own" }),
  "with lengths": () => ({ lengths: [1] }),
  "with JSON that is none": () => json("{"),
  "with a tree that is none": () => json('{"$type":"Float64Array","buffer":1000000000,"byteOffset":0,"length":1}'),
  "with an array that has a prototype": () =>
    json('{"$type":"Array","length":1,"entries":["__proto__",{"polluted":1}]}'),
  "written never": () => ({ createdAt: Number.NaN }),
  "that took forever": () => ({ duration: Number.POSITIVE_INFINITY }),
  "with paths of out files": () =>
    record({}, { written: { loc: [{ path: "/etc/passwd", sha256, stamp: { size: 1 }, young: false }] } }),
  "with a record that is no JSON": () => ({ record: "{" }),
  "with a record that is null": () => ({ record: "null" }),
  "with a record that is empty": () => record({}),
  "with a record of further properties": () => record({ loc: kept }, { written: {}, more: 1 }),
  "with a record in another order": () => ({ record: JSON.stringify({ kept: { loc: kept }, written: {} }) }),
  "with a kept content that is missing": () => record({ loc: { ...kept, sha256: "ab".repeat(32) } }),
  "with a kept content that has no digest": () => record({ loc: { size: 6, mode: 1 } }),
  "with a kept content whose digest is a path": () => record({ loc: { ...kept, sha256: "../../manifest.json" } }),
  "with a kept content whose digest is a list": () => record({ loc: { ...kept, sha256: [sha256] } }),
  "with a kept content of another size": () => record({ loc: { ...kept, size: 7 } }),
  "with a kept content that lends rights": () => record({ loc: { ...kept, mode: 0o4755 } }),
  "with a kept content whose mode is none": () => record({ loc: { ...kept, mode: "644" } }),
  "with a kept content of further properties": () => record({ loc: { ...kept, path: "/etc/passwd" } }),
  "with a kept content that is null": () => record({ loc: null }),
  "with an out file named __proto__": () => ({
    record: `{"written":{},"kept":{"__proto__":${JSON.stringify(kept)}}}`,
  }),
};
for (const [what, change] of Object.entries(ENTRIES)) {
  test(`an entry is refused ${what}`, async (t) => {
    const archive = await newArchive(t);
    for (const x of [1, 2]) {
      const message = await refusal(t, archive, await rezip(withEntry(archive.members, x, change)));
      // Of two that differ in their versions, the later one.
      if (!what.includes("another version")) t.true(message.includes(`"${memberOf(archive.members, x)}"`), message);
    }
  });
}

test("an entry that is there twice is refused: in its member, or among those of another number", async (t) => {
  const archive = await newArchive(t);
  const name = memberOf(archive.members, 1);
  const content = archive.members.get(name)!;
  const twice = new Map(archive.members).set(name, Buffer.concat([content, content]));
  t.true((await refusal(t, archive, await rezip(fitting(twice, { entries: 3 })))).includes(`"${name}"`));
  const other = name.replace("000000", "000001");
  const elsewhere = new Map(archive.members).set(other, content);
  t.true((await refusal(t, archive, await rezip(fitting(elsewhere, { entries: 3 })))).includes(`"${other}"`));
  const moved = new Map(archive.members).set(name.replace(/..$/, "00"), content);
  moved.delete(name);
  t.regex(await refusal(t, archive, await rezip(fitting(moved))), /is not of the digest of its key/);
});

test("an entry with a key that is no JSON is refused, also where its digest fits its place", async (t) => {
  const archive = await newArchive(t);
  const name = memberOf(archive.members, 1);
  const isFitting = (key: string) => createHash("sha256").update(key).digest("hex").startsWith(name.slice(-2));
  let key = "{";
  while (!isFitting(key)) key += " ";
  const message = await refusal(t, archive, await rezip(withEntry(archive.members, 1, () => ({ key }))));
  t.regex(message, /cannot be decoded/);
});

test("a member that does not have its checksum is refused", async (t) => {
  const archive = await newArchive(t);
  for (const name of archive.members.keys()) {
    const zip = inList(archive.original, name, (header) =>
      header.writeUInt32LE((header.readUInt32LE(16) ^ 1) >>> 0, 16),
    );
    const message = await refusal(t, archive, zip);
    t.true(message.includes(`"${name}" does not have the content of its checksum`), message);
  }
});

test("a content that is not that of its name is refused", async (t) => {
  const archive = await newArchive(t);
  const name = `contents/${sha256}`;
  const members = new Map(archive.members).set(name, Buffer.from("file 9"));
  const message = await refusal(t, archive, await rezip(members));
  t.true(message.includes(`"${name}" does not have the content of its name`), message);
});

test("a content that no entry needs changes nothing", async (t) => {
  const archive = await newArchive(t);
  const content = Buffer.from("unused");
  const name = `contents/${createHash("sha256").update(content).digest("hex")}`;
  writeFileSync(archive.file, await rezip(fitting(new Map([...archive.members, [name, content]]))));
  t.is(await importFrom(archive.store, "g", archive.file), 2);
  t.false(filesIn(archive.there).some((file) => readFileSync(file).equals(content)));
});

// ---- files ----

test("what is no archive is refused", async (t) => {
  const archive = await newArchive(t);
  for (const bytes of ["", "x", "PK\x05\x06", "no zip file".repeat(10_000), Buffer.alloc(100_000)]) {
    t.regex(await refusal(t, archive, Buffer.from(bytes)), /cannot be read/);
  }
  const folder = join(archive.root, "folder.zip");
  mkdirSync(folder);
  t.regex((await failureOf(() => importFrom(archive.store, "g", folder))).message, /folder\.zip .*not a file/);
  const missing = await failureOf(() => importFrom(archive.store, "g", join(archive.root, "missing")));
  t.is(missing.name, "StoreError");
  t.regex(missing.message, /There is no archive .*missing\.zip/);
  t.deepEqual(filesIn(archive.there), []);
});

test("a truncated archive is refused, wherever", async (t) => {
  const archive = await newArchive(t);
  const { length } = archive.original;
  const step = Math.max(1, Math.floor(length / size(60, 5000)));
  for (let end = 0; end < length; end += step) await refusal(t, archive, archive.original.subarray(0, end));
  await refusal(t, archive, archive.original.subarray(0, length - 1));
  await refusal(t, archive, Buffer.concat([archive.original, Buffer.from("x")]));
});

test("with flipped bits an archive is refused, or gives exactly what it held", async (t) => {
  const archive = await newArchive(t);
  const { file, original, root } = archive;
  const bits = original.length * 8;
  const tries = size(120, 20_000);
  let taken = 0;
  for (let i = 0; i < tries; i++) {
    const bit = Math.floor((i * bits) / tries) + (i % 7);
    const damaged = Buffer.from(original);
    damaged[(bit >> 3) % original.length]! ^= 1 << (bit & 7);
    writeFileSync(file, damaged);
    const dir = join(root, `flipped ${i}`);
    try {
      t.is(await importFrom(Store.over(FileEngine.at(dir)), "g", file), 2);
      taken++;
      const calls: number[] = [];
      const g = createCache({ dir }).permacache("g", { outFile: "loc", keepOutFiles: true })((x: number, loc?: string): unknown => {
        calls.push(x);
        return [loc];
      }); // biome-ignore format: as in newArchive
      t.deepEqual(
        [g(1, join(dir, "restored")), g(2)],
        [
          [1, undefined],
          [2, undefined],
        ],
      );
      t.is(readFileSync(join(dir, "restored"), "utf8"), "file 1");
      t.deepEqual(calls, []);
    } catch (error: any) {
      t.is(error.name, "StoreError", error.stack);
      t.deepEqual(filesIn(dir), [], `bit ${bit}`);
    }
  }
  t.true(taken < tries / 2);
});

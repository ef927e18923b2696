import { crc32 } from "node:zlib";
import test from "ava";
import fc from "fast-check";
import { type Codec, encodeValue } from "../../src/entry/codecs.js";
import { decodeEntry, encodeEntry } from "../../src/entry/entry.js";

const own: Codec = { name: "own ü", encode: (value) => value, decode: String };
const head = {
  identity: 'a/b version "2"',
  key: '{"x":"ü😀"}',
  async: true,
  createdAt: 1_700_000_000_000,
  duration: 12.5,
  source: "ab".repeat(32),
  record: '{"written":{}}',
};

const ENTRIES = {
  json: entryOf({ x: 1 }, "auto"),
  clone: entryOf([1n, Buffer.from("blob")], "auto"),
  own: entryOf("custom", own),
};

function entryOf(value: unknown, codec: "auto" | "json" | Codec, header = head): Buffer {
  return Buffer.concat(encodeEntry(header, encodeValue(value, codec, false)));
}

test("headers and payload come back", (t) => {
  for (const [codec, compression] of [
    ["auto", false],
    ["json", "gzip"],
    [own, "brotli"],
  ] as const) {
    // biome-ignore format: one line
    const { parts, ...payload } = encodeValue("v", codec, compression);
    const bytes = Buffer.concat(encodeEntry(head, { ...payload, parts }));
    t.deepEqual(decodeEntry(bytes), { ...head, ...payload, bytes: bytes.length, payload: Buffer.concat(parts) });
  }
});

test("any header comes back", (t) => {
  const text = fc.string({ unit: "grapheme" });
  const header = fc.record({
    identity: text,
    key: text,
    async: fc.boolean(),
    createdAt: fc.double({ noNaN: true }),
    duration: fc.double({ noNaN: true }),
    source: fc.constantFrom("", "01".padStart(64, "0"), "ff".repeat(32)),
    record: text,
  });
  fc.assert(
    fc.property(header, fc.jsonValue(), (given, value) => {
      const { payload, bytes, format, compression, codecName, lengths, ...decoded } = decodeEntry(
        entryOf(value, "auto", given),
      )!;
      t.deepEqual(decoded, given);
    }),
  );
});

test("an unknown source is empty, also after one that is known", (t) => {
  for (const source of [head.source, "", head.source, "cd".repeat(32)]) {
    t.is(decodeEntry(entryOf(1, "auto", { ...head, source }))!.source, source);
  }
});

test("what was decoded does not change with the bytes", (t) => {
  const bytes = Buffer.from(ENTRIES.json);
  const { payload, ...decoded } = decodeEntry(bytes)!;
  const before = structuredClone(decoded);
  bytes.fill(0);
  t.deepEqual(decoded, before);
});

for (const [format, whole] of Object.entries(ENTRIES)) {
  test(`${format}: it is whole`, (t) => t.is(decodeEntry(whole)?.key, head.key));

  test(`${format}: every truncation is no entry`, (t) => {
    for (let length = 0; length < whole.length; length++) t.is(decodeEntry(whole.subarray(0, length)), undefined);
  });

  test(`${format}: every flipped bit makes it no entry`, (t) => {
    for (let bit = 0; bit < whole.length * 8; bit++) {
      const damaged = Buffer.from(whole);
      damaged[bit >> 3]! ^= 1 << (bit & 7);
      t.is(decodeEntry(damaged), undefined, `bit ${bit}`);
    }
  });

  test(`${format}: bytes after it make it no entry`, (t) => {
    for (const more of [Buffer.alloc(1), Buffer.alloc(1000), whole]) {
      t.is(decodeEntry(Buffer.concat([whole, more])), undefined);
    }
  });
}

test("random bytes are no entry", (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      t.is(decodeEntry(Buffer.from(bytes)), undefined);
      t.is(decodeEntry(Buffer.concat([ENTRIES.json.subarray(0, 8), bytes])), undefined);
    }),
  );
});

const forged = test.macro({
  exec(t, change: (entry: Buffer) => void) {
    const entry = Buffer.from(ENTRIES.json);
    change(entry);
    entry.writeUInt32LE(crc32(entry.subarray(12)), 8); // as a damaged program would
    t.is(decodeEntry(entry), undefined);
  },
  title: (title = "") => `${title} is no entry, though its checksum holds`,
});
test("another magic", forged, (entry) => entry.write("X", 0));
test("a later version of the grammar", forged, (entry) => entry.writeUInt8(2, 7));
test("an unknown format", forged, (entry) => entry.writeUInt8(4, 13));
test("an unknown compression", forged, (entry) => entry.writeUInt8(4, 14));
for (const offset of [64, 68, 72, 76]) {
  test(`a claim of 4 GB at ${offset}`, forged, (entry) => entry.writeUInt32LE(0xffffffff, offset));
  test(`a claim of 4 GB at ${offset} that adds up`, forged, (entry) => {
    const [is, size] = [entry.readUInt32LE(offset), offset === 76 ? 8 : 1];
    entry.writeUInt32LE(0xffffffff, offset);
    entry.writeDoubleLE(entry.readDoubleLE(80) - (0xffffffff - is) * size, 80);
  });
}
for (const length of [Number.NaN, Number.POSITIVE_INFINITY, -1, 2 ** 60]) {
  test(`a payload of ${length} bytes`, forged, (entry) => entry.writeDoubleLE(length, 80));
}

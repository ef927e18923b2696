import { crc32 } from "node:zlib";
import test from "ava";
import fc from "fast-check";
import { type Codec, decodeValue, encodeValue } from "../../src/entry/codecs.js";
import { checksumOf, decodeEntry, encodeEntry, isSealed, piecesOf } from "../../src/entry/entry.js";
import { Seal } from "../../src/entry/seal.js";

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

// ---- in pieces ----

const KB = 1024;
const BLOBS = [new Uint8Array(70 * KB).fill(1), new Uint8Array(0), new Uint8Array(130 * KB).fill(2)];
const SEAL = new Seal(["a secret of 32 bytes or more, for signatures"]);

function largeEntry(value: unknown, seal?: Seal, compression: false | "gzip" = false): Buffer {
  return Buffer.concat(encodeEntry(head, encodeValue(value, "auto", compression), seal));
}

function cut(entry: Buffer, lengths: readonly number[]): Buffer[] {
  let at = 0;
  return lengths.map((length) => {
    at += length;
    return Buffer.from(new Uint8Array(entry.subarray(at - length, at)).buffer);
  });
}

for (const seal of [undefined, SEAL]) {
  const title = seal ? "signed" : "unsigned";
  const whole = largeEntry(BLOBS, seal);
  const lengths = piecesOf(whole.subarray(0, 64 * KB), whole.length);

  test(`${title}: large blobs are pieces of their own`, (t) => {
    t.deepEqual(lengths.slice(1), BLOBS.map(({ length }) => length).concat(seal ? [32] : []));
    t.is(
      lengths.reduce((sum, each) => sum + each),
      whole.length,
    );
  });

  test(`${title}: the pieces are the entry, and their memory that of the value`, (t) => {
    const pieces = cut(whole, lengths);
    const { payload, blobs, ...entry } = decodeEntry(pieces)!;
    const { payload: wholePayload, ...wholeEntry } = decodeEntry(whole)!;
    t.deepEqual(entry, wholeEntry);
    t.is(checksumOf(pieces), checksumOf(whole));
    t.deepEqual(Buffer.concat([payload, ...blobs!]), Buffer.from(wholePayload));
    const value = decodeValue({ ...entry, blobs: blobs! }, payload, "auto") as Uint8Array[];
    t.deepEqual(value, BLOBS);
    t.is(value[2]!.buffer, pieces[3]!.buffer);
    t.is(isSealed(pieces, SEAL), seal !== undefined);
    t.is(isSealed(whole, SEAL), seal !== undefined);
    t.false(isSealed(pieces, new Seal(["another secret of 32 bytes or more, and no other"])));
  });

  test(`${title}: a flipped bit in a piece makes it no entry`, (t) => {
    for (let i = 0; i < lengths.length; i++) {
      for (const at of [0, lengths[i]! >> 1, lengths[i]! - 1]) {
        const pieces = cut(whole, lengths);
        if (pieces[i]!.length === 0) continue;
        pieces[i]![at]! ^= 1;
        t.is(decodeEntry(pieces), undefined);
      }
    }
  });

  test(`${title}: a piece that is missing, short, too long or empty makes it no entry`, (t) => {
    for (let i = 0; i < lengths.length; i++) {
      const change = (to: (piece: Buffer) => Buffer[]) => cut(whole, lengths).flatMap((piece, j) => (i === j ? to(piece) : [piece])); // biome-ignore format: one line
      t.is(decodeEntry(change(() => [])), undefined);
      t.is(decodeEntry(change((piece) => [Buffer.concat([piece, Buffer.alloc(1)])])), undefined);
      if (lengths[i] === 0) continue;
      t.is(decodeEntry(change((piece) => [piece.subarray(0, -1)])), undefined);
      t.is(decodeEntry(change(() => [Buffer.alloc(0)])), undefined);
      t.is(decodeEntry(change((piece) => [piece.subarray(0, 1), piece.subarray(1)])), undefined);
    }
    t.is(decodeEntry([...cut(whole, lengths), Buffer.alloc(1)]), undefined);
  });
}

test("read whole is what has no large blobs, or they cannot be told", (t) => {
  const large = largeEntry(BLOBS);
  const isWhole = (entry: Buffer, start = entry) => t.deepEqual(piecesOf(start, entry.length), [entry.length]);
  for (const small of Object.values(ENTRIES)) isWhole(small);
  isWhole(largeEntry("x".repeat(200 * KB)));
  isWhole(largeEntry(Array.from({ length: 100 }, () => new Uint8Array(KB))));
  isWhole(largeEntry(BLOBS, undefined, "gzip"));
  isWhole(Buffer.concat([Buffer.from("X"), large.subarray(1)]));
  for (const length of [0, 1, 91, 92, 100]) isWhole(large, large.subarray(0, length));
});

test("lengths that make no sense are no pieces", (t) => {
  const lengthsAt = largeEntry(BLOBS).length - decodeEntry(largeEntry(BLOBS))!.payload.length - 4 * 8;
  for (let i = 0; i < 4; i++) {
    for (const length of [Number.NaN, Number.POSITIVE_INFINITY, -1, 0.5, 2 ** 60, 1e9]) {
      const entry = largeEntry(BLOBS);
      entry.writeDoubleLE(length, lengthsAt + 8 * i);
      t.deepEqual(piecesOf(entry, entry.length), [entry.length]);
    }
  }
});

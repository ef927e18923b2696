import { freemem } from "node:os";
import zlib from "node:zlib";
import test, { type ExecutionContext } from "ava";
import { decodeValue, encodeValue, type Payload } from "../../src/entry/codecs.js";
import { mostOf, usualMost } from "../../src/entry/compression.js";
import { local } from "../../src/entry/transcode.js";
import { StoreError } from "../../src/errors.js";
import { defineType } from "../../src/key/registered-types.js";
import { differenceOf, hitOf } from "./faithful.js";

const TAGGED = { format: "tagged", compression: false, codecName: "", lengths: [] } as const;

function decode(root: unknown): unknown {
  return decodeValue(TAGGED, Buffer.from(typeof root === "string" ? root : JSON.stringify(root)), "auto");
}

/** Refused, before memory or time is taken. */
function refused(t: ExecutionContext, root: unknown): void {
  const before = process.memoryUsage();
  const start = performance.now();
  t.throws(() => decode(root));
  const after = process.memoryUsage();
  t.true(performance.now() - start < 2000, "time");
  t.true(after.arrayBuffers - before.arrayBuffers < 5e7 && after.heapTotal - before.heapTotal < 2e8, "memory");
}

let given: unknown[] = [];
class Taken {}
defineType(Taken, {
  name: "hostile.test/Taken",
  encode: () => 1,
  decode(data) {
    given.push(data);
    return new Taken();
  },
});
const TYPE = "type hostile.test/Taken";

const buffer = { $type: "ArrayBuffer", base64: "AAAAAAAAAAA=" };
const HOSTILE: Record<string, unknown> = {
  "a typed array on a number": { $type: "Uint8Array", buffer: 2 ** 31 - 1, byteOffset: 0, length: 2 ** 31 - 1 },
  "a Float64Array on a number": { $type: "Float64Array", buffer: 2e8, byteOffset: 0, length: 2e8 },
  "a Buffer of an object with a length": { $type: "Buffer", buffer: { length: 1e9 }, byteOffset: 0, length: 1e9 },
  "a Buffer of a text": { $type: "Buffer", buffer: "x", byteOffset: 0, length: 1 },
  "a view on a list": { $type: "Uint8Array", buffer: [1, 2], byteOffset: 0, length: 2 },
  "a view on a view": {
    $type: "Uint8Array",
    buffer: { $type: "Buffer", buffer, byteOffset: 0, length: 8 },
    byteOffset: 0,
    length: 1,
  },
  "a view beyond its bytes": { $type: "Uint8Array", buffer, byteOffset: 0, length: 9 },
  "a view at a place that is none": { $type: "Int32Array", buffer, byteOffset: 1.5, length: 1 },
  "a view that is not aligned": { $type: "Int32Array", buffer, byteOffset: 2, length: 1 },
  "a view without a length": { $type: "Uint8Array", buffer, byteOffset: 0 },
  "a DataView of a negative length": { $type: "DataView", buffer, byteOffset: 0, length: -1 },
  "bytes that are an object with a length": { $type: "ArrayBuffer", base64: { length: 1e9 } },
  "bytes that are a number": { $type: "ArrayBuffer", base64: 1e9 },
  "bytes in a blob": { $type: "ArrayBuffer", blob: 0 },
  "a bigint of 10^7 digits": { $type: "bigint", value: "9".repeat(1e7) },
  "a bigint in hex": { $type: "bigint", value: "0x10" },
  "a bigint that is a number": { $type: "bigint", value: 1e15 },
  "a RegExp of many Unicode classes": {
    $type: "RegExp",
    source: `[${"\\p{L}".repeat(20_000)}]`,
    flags: "iu",
    lastIndex: 0,
  },
  "a RegExp of many classes of texts": {
    $type: "RegExp",
    source: "\\p{RGI_Emoji}".repeat(7_000),
    flags: "v",
    lastIndex: 0,
  },
  "many RegExps of some classes": Array.from({ length: 300 }, () => ({
    $type: "RegExp",
    source: "\\p{L}".repeat(99),
    flags: "u",
    lastIndex: 0,
  })),
  "a RegExp of 10 MB": { $type: "RegExp", source: "x".repeat(1e7), flags: "iu", lastIndex: 0 },
  "a RegExp whose source is an object": { $type: "RegExp", source: { length: 9 }, flags: "", lastIndex: 0 },
  "a RegExp with a lastIndex that is none": { $type: "RegExp", source: "x", flags: "", lastIndex: {} },
  "a RegExp with nesting that is too deep": { $type: "RegExp", source: "(?:".repeat(100_000), flags: "", lastIndex: 0 },
  "a Date beyond time": { $type: "Date", value: 1e300 },
  "a Date of a text": { $type: "Date", value: "2020" },
  "a URL of an object": { $type: "URL", value: {} },
  "a Map of half an entry": { $type: "Map", entries: [1] },
  "a Map that says its length": { $type: "Map", entries: { length: 1e9 } },
  "a Map with a size": { $type: "Map", entries: [], size: 1e9 },
  "a Set of a text": { $type: "Set", values: "x".repeat(10) },
  "an Array that is too long": { $type: "Array", length: 2 ** 32, entries: [] },
  "an Array of a length that is a text": { $type: "Array", length: "3", entries: [] },
  "an Array with a prototype": { $type: "Array", length: 3, entries: ["__proto__", { evil: 1 }] },
  "an Array with an element beyond": { $type: "Array", length: 3, entries: [3, 1] },
  "an Array with an element twice": { $type: "Array", length: 3, entries: [1, 1, 1, 2] },
  "an object whose key is an object": { $type: "object", entries: [{ a: 1 }, 1] },
  "an error with a hidden property of its choice": { $type: "Error", hidden: ["__proto__", { evil: 1 }], entries: [] },
  "an error of a name of its choice": { $type: "Object", hidden: [], entries: [] },
  "an error whose name is a property of every object": { $type: "constructor", hidden: [], entries: [] },
  "a view whose name is a property of every object": { $type: "__proto__", buffer, byteOffset: 0, length: 1 },
  "a tag that is no text": { $type: { $type: "Map" } },
  "a reference to nothing": { $type: "ref", id: 0 },
  "a reference to a text": { $type: "ref", id: "__proto__" },
  "a shared value of another number": { $type: "shared", id: 1e9, value: {} },
  "a shared number": { $type: "shared", id: 0, value: 1 },
  "a class that is not registered": { $type: "type Nothing", value: 1 },
  "a class that contains itself": { $type: "shared", id: 0, value: { $type: TYPE, value: { $type: "ref", id: 0 } } },
  "a class in a list that it contains": {
    $type: "shared",
    id: 0,
    value: [{ $type: TYPE, value: { $type: "ref", id: 0 } }],
  },
  "a class with more than its data": { $type: TYPE, value: 1, more: 2 },
  "sets in each other, 200,000 levels": `${'{"$type":"Set","values":['.repeat(200_000)}${"]}".repeat(200_000)}`,
};

for (const [what, root] of Object.entries(HOSTILE)) {
  test.serial(`a shared entry with ${what} is damage`, (t) => {
    given = [];
    refused(t, root);
    refused(t, typeof root === "string" ? `[1,${root}]` : [1, root]);
    t.deepEqual(given, []); // no decoder was given what is not whole
    t.is(({} as any).evil, undefined);
  });
}

test("an array of a huge length takes the memory of what is there", (t) => {
  for (const length of [10_000, 3e7, 33_554_433, 2 ** 32 - 1]) {
    const before = process.memoryUsage().heapTotal;
    const array = decode({ $type: "Array", length, entries: [1, "a", length - 1, "b"] }) as unknown[];
    t.true(process.memoryUsage().heapTotal - before < 5e7);
    t.is(array.length, length);
    t.deepEqual(Object.keys(array), ["1", String(length - 1)]);
    t.is(differenceOf(array, hitOf(array, "json")), undefined);
    array.length = 2;
    t.deepEqual(Object.entries(array), [["1", "a"]]);
  }
});

test("a decoder is given its data, once, and only for instances that stand in the entry", (t) => {
  given = [];
  decode([
    { $type: TYPE, value: { a: [1] } },
    { $type: "object", entries: ["$type", TYPE, "value", 1] },
  ]);
  t.deepEqual(given, [{ a: [1] }]);
});

test("regular expressions and bigints that could not be read are not stored where anybody writes", (t) => {
  const many = Array.from({ length: 300 }, () => new RegExp("\\p{L}".repeat(10), "u"));
  t.throws(() => encodeValue(many, "json", false), { instanceOf: StoreError, message: /regular expressions/ });
  t.is(differenceOf(many, hitOf(many, "auto")), undefined);
  const long = 10n ** 1_000_000n;
  t.throws(() => encodeValue([long], "json", false), { instanceOf: StoreError, message: /bigint of more than/ });
  t.true((hitOf([long], "auto") as bigint[])[0] === long);
  t.true((hitOf([-long + 1n], "json") as bigint[])[0] === -long + 1n);
  const few = Array.from({ length: 100 }, () => /\p{L}/u);
  t.is(differenceOf(few, hitOf(few, "json")), undefined);
});

// ---- lengths ----

test("the lengths of a structured clone must be those of what is there", (t) => {
  const payload = encodeValue([new Uint8Array(3), new Float64Array(2)], "auto", false);
  const bytes = Buffer.concat(payload.parts as Uint8Array[]);
  t.notThrows(() => decodeValue(payload, bytes, "auto"));
  t.throws(() => decodeValue(payload, Buffer.concat([bytes, Buffer.from("x")]), "auto"));
  const [first, second, third] = payload.lengths as [number, number, number];
  for (const lengths of [
    [],
    [first],
    [first, 1e12, third],
    [first, second - 1, third],
    [first, -1, third],
    [first, second, third + 1],
    [first, Number.NaN, third],
    [first, second + 0.5, third - 0.5],
  ]) {
    // biome-ignore format: one line
    t.throws(() => decodeValue({ ...payload, lengths }, bytes, "auto"));
  }
});

// ---- compression ----

const COMPRESS: Record<string, (bytes: Buffer) => Buffer> = {
  gzip: zlib.gzipSync,
  brotli: (bytes) => zlib.brotliCompressSync(bytes, { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 1 } }),
};

for (const [compression, compress] of Object.entries(COMPRESS)) {
  const bomb = compress(Buffer.alloc(400 * 1024 * 1024, "1"));
  for (const format of ["json", "tagged", "own", "clone"] as const) {
    test.serial(`a ${compression} bomb in an entry of the format ${format} is damage`, (t) => {
      const codecName = format === "own" ? "own" : "";
      let calls = 0;
      const codec = { name: "own", encode: String, decode: () => calls++ };
      const payload = { format, codecName, compression, lengths: [] } as unknown as Payload;
      const before = process.memoryUsage().arrayBuffers;
      t.throws(() => decodeValue(payload, bomb, format === "own" ? codec : "auto"), { code: "ERR_BUFFER_TOO_LARGE" });
      t.true(process.memoryUsage().arrayBuffers - before < 100 * 1024 * 1024);
      t.is(calls, 0);
    });
  }

  test.serial(`a ${compression} bomb in an archive is refused`, (t) => {
    const payload = { format: "json", codecName: "", compression, lengths: [], payload: bomb } as never;
    t.throws(() => local(payload, false));
  });

  test.serial(`maxValueBytes bounds what ${compression} gives, and what is stored`, (t) => {
    const value = "x".repeat(5000);
    const payload = encodeValue(value, "auto", compression as "gzip", 5002);
    const bytes = Buffer.concat(payload.parts as Uint8Array[]);
    t.is(decodeValue(payload, bytes, "auto", 5002), value);
    t.throws(() => decodeValue(payload, bytes, "auto", 5001), { code: "ERR_BUFFER_TOO_LARGE" });
    const words = { instanceOf: StoreError, message: /5002 bytes before compression, and maxValueBytes is 5001/ };
    t.throws(() => encodeValue(value, "auto", compression as "gzip", 5001), words);
    t.notThrows(() => encodeValue(value, "auto", false, 5001)); // its size in the store decides
  });

  test.serial(`what ${compression} makes so small that it passes for a bomb is stored as it is, and is a hit`, (t) => {
    const value = new Uint8Array(80 * 1024 * 1024);
    const payload = encodeValue(value, "auto", compression as "gzip");
    t.false(payload.compression);
    t.is(
      (decodeValue(payload, Buffer.concat(payload.parts as Uint8Array[]), "auto") as Uint8Array).length,
      value.length,
    );
    const smaller = encodeValue(value.subarray(0, 60 * 1024 * 1024), "auto", compression as "gzip");
    t.is(smaller.compression, compression as "gzip");
  });
}

test("decompression takes no more than half of the memory that is free", (t) => {
  t.true(mostOf(1e12, Number.POSITIVE_INFINITY) <= freemem());
  t.true(mostOf(1, 1e15) <= freemem());
  t.is(mostOf(1, 1000), 1000);
  t.is(usualMost(1), 64 * 1024 * 1024);
  t.is(usualMost(1024 * 1024), 100 * 1024 * 1024);
});

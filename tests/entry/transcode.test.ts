import { serialize } from "node:v8";
import test from "ava";
import fc from "fast-check";
import { type Codec, decodeValue, encodeValue } from "../../src/entry/codecs.js";
import { type DecodedEntry, decodeEntry, encodeEntry } from "../../src/entry/entry.js";
import { local, portable, transcodeTree } from "../../src/entry/transcode.js";
import { size } from "../size.js";
import { BOX, Box, hasRefusedCycle, value } from "./arbitrary.js";
import { differenceOf } from "./faithful.js";

const HEADER = { identity: "a", key: "{}", async: false, createdAt: 1, duration: 1, source: "", record: "" };

function entryOf(payload: Parameters<typeof encodeEntry>[1]): DecodedEntry {
  return decodeEntry(Buffer.concat(encodeEntry(HEADER, payload)))!;
}

function valueOf(entry: DecodedEntry, codec: "auto" | "json" | Codec = "auto"): unknown {
  return decodeValue(entry, entry.payload, codec);
}

for (const codec of ["auto", "json"] as const) {
  test(`whatever was stored (codec ${codec}) is the same after it was portable, and again local`, (t) => {
    fc.assert(
      fc.property(value, fc.constantFrom<false | "gzip">(false, "gzip"), (each, compress) => {
        fc.pre(!hasRefusedCycle(each));
        const there = entryOf(portable(entryOf(encodeValue(each, codec, compress))));
        t.true(["json", "tagged"].includes(there.format));
        t.false(there.compression);
        const differences = [differenceOf(each, valueOf(there))];
        const back = entryOf(local(there, compress));
        t.true(["json", "clone"].includes(back.format));
        t.is(back.compression, compress);
        differences.push(differenceOf(each, valueOf(back)));
        // The same value, the same bytes: whatever codec and however often.
        const again = portable(back);
        if (again.format !== there.format || !Buffer.concat(again.parts).equals(there.payload)) {
          differences.push("other bytes");
        }
        const difference = differences.find((found) => found !== undefined);
        if (difference) throw new Error(difference);
      }),
      { numRuns: size(800, 20000) },
    );
    t.pass();
  });
}

test("an instance of a class that is not registered stays what it is", (t) => {
  const { parts } = encodeValue([new Box(1n), new Box(Buffer.from("x"))], "auto", false);
  const renamed = Buffer.from(Buffer.concat(parts).toString("latin1").replaceAll(BOX, "tests/Fox"), "latin1");
  const { lengths } = encodeValue([new Box(1n), new Box(Buffer.from("x"))], "auto", false);
  const payload = { format: "clone", compression: false, codecName: "", lengths, parts: [renamed] } as const;
  const there = portable(entryOf(payload));
  t.true(
    String(there.parts[0]).includes('{"$type":"type tests/Fox","value":{"content":{"$type":"bigint","value":"1"}}}'),
  );
  const back = local(entryOf(there), false);
  t.deepEqual(Buffer.concat(back.parts), renamed);
});

test("the payload of a codec of one's own is carried as it is, whatever it says", (t) => {
  const codec: Codec = { name: "own", encode: String, decode: String };
  for (const compress of [false, "brotli"] as const) {
    const there = entryOf(portable(entryOf(encodeValue('{"$type":"nonsense"}', codec, compress))));
    t.like(there, { format: "own", codecName: "own", compression: false });
    const back = entryOf(local(there, compress));
    t.like(back, { format: "own", codecName: "own", compression: compress });
    t.is(valueOf(back, codec), "123,34,36,116,121,112,101,34,58,34,110,111,110,115,101,110,115,101,34,125");
  }
});

test("JSON of any depth", (t) => {
  const deep = JSON.parse(`${"[".repeat(200_000)}${"]".repeat(200_000)}`);
  const text = `${"[".repeat(200_000)}${"]".repeat(200_000)}`;
  const payload = {
    format: "tagged",
    compression: false,
    codecName: "",
    lengths: [],
    parts: [Buffer.from(text)],
  } as const;
  t.true(Array.isArray(deep));
  t.is(String(portable(entryOf(payload)).parts[0]), text);
  t.is(local(entryOf(payload), false).format, "json");
});

const buffer = { $type: "ArrayBuffer", base64: "AAAAAAAAAAA=" };
const HOSTILE: Record<string, unknown> = {
  "an unknown type": { $type: "Function", value: "x" },
  "a type without a name": { $type: "type ", value: 1 },
  "a tag that is no text": { $type: 1 },
  "a further property": { $type: "undefined", value: 1 },
  "a missing property": { $type: "Map" },
  "a Map with half an entry": { $type: "Map", entries: [1] },
  "a Map without a list": { $type: "Map", entries: { length: 1e9 } },
  "a Set of a text": { $type: "Set", values: "ab" },
  "a Date beyond time": { $type: "Date", value: 1e300 },
  "a Date of a text": { $type: "Date", value: "2020" },
  "a RegExp that is none": { $type: "RegExp", source: "(", flags: "", lastIndex: 0 },
  "a RegExp with a lastIndex that is none": { $type: "RegExp", source: "a", flags: "", lastIndex: {} },
  "a URL that is none": { $type: "URL", value: "x" },
  "a bigint that is none": { $type: "bigint", value: "0x10" },
  "a bigint of a number": { $type: "bigint", value: 5 },
  "an Array with a prototype": { $type: "Array", length: 1, entries: ["__proto__", { a: 1 }] },
  "an Array with an element beyond it": { $type: "Array", length: 1, entries: [1, 1] },
  "an Array with an element twice": { $type: "Array", length: 2, entries: [0, 1, 0, 2] },
  "an Array of a length that is none": { $type: "Array", length: 2 ** 32, entries: [] },
  "an object with a key that is none": { $type: "object", entries: [{}, 1] },
  "an error with a hidden property": { $type: "Error", hidden: ["__proto__", {}], entries: [] },
  "a view on a number": { $type: "Float64Array", buffer: 1e9, byteOffset: 0, length: 1 },
  "a view on a list": { $type: "Buffer", buffer: [1], byteOffset: 0, length: 1 },
  "a view on a shared object": {
    $type: "Uint8Array",
    buffer: { $type: "shared", id: 0, value: {} },
    byteOffset: 0,
    length: 0,
  },
  "a view on a reference to an object": [
    { $type: "shared", id: 0, value: {} },
    { $type: "Uint8Array", buffer: { $type: "ref", id: 0 }, byteOffset: 0, length: 0 },
  ],
  "a view beyond its buffer": { $type: "Float64Array", buffer, byteOffset: 0, length: 2 },
  "a view before its buffer": { $type: "Uint8Array", buffer, byteOffset: -1, length: 2 },
  "a view that is not aligned": { $type: "Int32Array", buffer, byteOffset: 1, length: 1 },
  "a view of a length that is none": { $type: "Int32Array", buffer, byteOffset: 0, length: "1" },
  "bytes that are no base64": { $type: "ArrayBuffer", base64: "A" },
  "bytes in a blob": { $type: "ArrayBuffer", blob: 0 },
  "a reference to nothing": { $type: "ref", id: 0 },
  "a reference to a prototype": { $type: "ref", id: "__proto__" },
  "a shared number": { $type: "shared", id: 0, value: 1 },
  "a shared undefined": { $type: "shared", id: 0, value: { $type: "undefined" } },
  "a number of another": [
    { $type: "shared", id: 0, value: {} },
    { $type: "shared", id: 0, value: {} },
  ],
  "a class that contains itself": {
    $type: "shared",
    id: 0,
    value: { $type: "type A", value: { $type: "ref", id: 0 } },
  },
  "a class in a list that it contains": {
    $type: "shared",
    id: 0,
    value: [{ $type: "type A", value: { $type: "ref", id: 0 } }],
  },
  "a nesting that would break the stack": JSON.parse(
    `${'{"$type":"Set","values":['.repeat(50_000)}${"]}".repeat(50_000)}`,
  ),
};

for (const [what, root] of Object.entries(HOSTILE)) {
  test(`no tree: ${what}`, (t) => {
    t.throws(() => transcodeTree(root, "native"));
    t.throws(() => transcodeTree(root, "json"));
  });
}

test("__proto__ is a key like any other", (t) => {
  const text =
    '{"__proto__":{"polluted":{"$type":"undefined"}},"x":{"$type":"object","entries":["__proto__",{"a":1}]}}';
  const { root } = transcodeTree(JSON.parse(text), "json");
  t.is(JSON.stringify(root), text);
  t.is(Object.getPrototypeOf(root), Object.prototype);
  t.is(({} as any).polluted, undefined);
});

test("what is not portable is not made local", (t) => {
  const payload = { compression: false, codecName: "", lengths: [], parts: [Buffer.from("1")] } as const;
  t.throws(() => local(entryOf({ ...payload, format: "clone", parts: [serialize(1)] }), false));
  t.throws(() => local(entryOf({ ...payload, format: "json", compression: "gzip" }), false));
  t.throws(() => local(entryOf({ ...payload, format: "json", lengths: [1] }), false));
  t.throws(() => local(entryOf({ ...payload, format: "json", codecName: "x" }), false));
  t.throws(() => local(entryOf({ ...payload, format: "own" }), false));
  t.throws(() => local(entryOf({ ...payload, format: "json", parts: [Buffer.from("{")] }), false));
});

import zlib from "node:zlib";
import test from "ava";
import { type Codec, decodeValue, encodeValue } from "../../src/entry/codecs.js";
import { OptionError, StoreError } from "../../src/errors.js";
import { hitOf } from "./faithful.js";

const text: Codec = {
  name: "text",
  encode: (value) => `<${value}>`,
  decode: (data) => Buffer.from(data).toString().slice(1, -1),
};
const bytes: Codec = { name: "bytes", encode: (value: string) => Uint8Array.from(value, Number), decode: (data) => data.join("") }; // biome-ignore format: one line
const codec = (encode: (value: any) => unknown): Codec => ({
  name: "bad",
  encode: encode as Codec["encode"],
  decode: () => 1,
});

const own = test.macro({
  exec(t, given: Codec, value: unknown) {
    for (const compression of [false, "gzip"] as const) t.deepEqual(hitOf(value, given, compression), value);
  },
  title: (title = "") => `a codec of one's own: ${title}`,
});
test("to a string", own, text, "ü😀");
test("to bytes", own, bytes, "123");
test("to no bytes", own, bytes, "");

test("a codec of one's own is trusted with what else could not be stored", (t) => {
  const fn: Codec = { name: "fn", encode: (value: Function) => value.name, decode: (data) => ({ name: String(data) }) };
  t.notThrows(() => encodeValue(() => 1, fn, false));
});

test("methods of a codec see the codec", (t) => {
  class Prefixed implements Codec {
    readonly name = "prefixed";
    readonly prefix = "p:";
    encode(value: string) {
      return this.prefix + value;
    }
    decode(data: Uint8Array) {
      return Buffer.from(data).toString().slice(this.prefix.length);
    }
  }
  t.is(hitOf("x", new Prefixed()), "x");
});

const bad = test.macro({
  exec(t, encode: (value: any) => unknown, words: RegExp) {
    const error = t.throws(() => encodeValue(1, codec(encode), false), { instanceOf: StoreError });
    t.regex(error.message, words);
  },
  title: (title = "") => `a codec that gives ${title} is refused`,
});
test("a number", bad, () => 1, /codec "bad" must encode to a Uint8Array or a string/);
test("undefined", bad, () => undefined, /must encode/);
test("a promise", bad, async () => "", /must encode/);
test("other typed arrays", bad, () => new Uint16Array(1), /must encode/);
test("an error", bad, () => { throw new Error("no luck"); }, /cannot be encoded: Error: no luck/); // biome-ignore format: one line

test("a codec decodes bytes of its own", (t) => {
  let kept: Uint8Array | undefined;
  const keeping: Codec = { name: "k", encode: () => "kept", decode: (data) => (kept = data) };
  for (const compression of [false, "gzip"] as const) {
    hitOf(1, keeping, compression); // wipes the bytes that it read from
    t.is(Buffer.from(kept!).toString(), "kept");
    t.is(kept!.buffer.byteLength, 4);
    t.is(Object.getPrototypeOf(kept), Uint8Array.prototype);
  }
});

test("an entry of another codec cannot be decoded", (t) => {
  const payload = encodeValue("x", text, false);
  const data = Buffer.concat(payload.parts);
  for (const other of ["auto", "json", bytes] as const) {
    t.throws(() => decodeValue(payload, data, other), {
      instanceOf: StoreError,
      message: /written by the codec "text"/,
    });
  }
});

test("entries of the built-in codecs are read under any codec", (t) => {
  for (const written of ["auto", "json"] as const) {
    const payload = encodeValue([1n], written, false);
    for (const read of ["auto", "json", text] as const) {
      t.deepEqual(decodeValue(payload, Buffer.concat(payload.parts), read), [1n]);
    }
  }
});

for (const compression of ["gzip", "brotli"] as const) {
  test(`${compression} makes a repetitive value small`, (t) => {
    const { parts } = encodeValue("x".repeat(100_000), "auto", compression);
    t.true(parts.reduce((sum, part) => sum + part.length, 0) < 1000);
  });
  test(`a damaged ${compression} payload throws`, (t) => {
    const payload = encodeValue("some text", "auto", compression);
    t.throws(() => decodeValue(payload, Buffer.concat(payload.parts).subarray(0, -3), "auto"));
  });
}

if ("zstdCompressSync" in zlib) {
  test("zstd round trip", (t) => t.deepEqual(hitOf([1n, "x"], "auto", "zstd"), [1n, "x"]));
} else {
  test("zstd is an OptionError that names the Node it needs", (t) => {
    const error = t.throws(() => encodeValue(1, "auto", "zstd"), { instanceOf: OptionError });
    t.true(error.message.includes(process.version) && error.message.includes("22.15"));
  });
}

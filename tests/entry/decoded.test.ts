// biome-ignore-all lint/suspicious/noThenProperty: they are the case
import test from "ava";
import { type Codec, decodeValue, encodeValue } from "../../src/entry/codecs.js";
import { StoreError } from "../../src/errors.js";
import { defineType } from "../../src/key/registered-types.js";
import { hitOf } from "./faithful.js";

class Point {
  constructor(readonly x: unknown) {}
}
class Sub extends Point {}
class Other {}

/** The hit of a Point whose `decode` is this. */
function hit(decode: (x: any) => any): unknown {
  defineType(Point, { name: "decoded.test/Point", encode: ({ x }) => x, decode });
  return hitOf([new Point(1)]);
}

const GIVEN: Record<string, () => unknown> = {
  undefined: () => undefined,
  null: () => null,
  "a promise of an instance": () => Promise.resolve(new Point(1)),
  "a promise that is rejected": () => Promise.reject(new Error("late")),
  "plain data": () => ({ x: 1 }),
  "a number": () => 1,
  "an instance of another class": () => new Other(),
  "an instance of a subclass": () => new Sub(1),
  "the class": () => Point,
};
for (const [name, decode] of Object.entries(GIVEN)) {
  test.serial(`a decode of defineType that gives ${name} is damage`, async (t) => {
    t.throws(() => hit(decode), { message: /defineType decoded\.test\/Point: decode did not give an instance/ });
    await new Promise((resolve) => setTimeout(resolve, 5)); // nothing was left unhandled
  });
}

test.serial("a decode that was registered again counts, and any way to make an instance", (t) => {
  t.deepEqual(hit((x) => new Point(x)), [new Point(1)]); // biome-ignore format: one line
  t.deepEqual(hit((x) => Object.assign(Object.create(Point.prototype), { x })), [new Point(1)]); // biome-ignore format: one line
});

function codec(decode: (data: Uint8Array) => unknown, encode: (value: any) => string = String): Codec {
  return { name: "own", encode, decode };
}

test("a codec that decodes to undefined what was something else is damage", (t) => {
  t.throws(
    () =>
      hitOf(
        "x",
        codec(() => undefined),
      ),
    { instanceOf: StoreError, message: /"own" decoded to undefined/ },
  );
  const strict = (value: string) => value.toUpperCase(); // throws for undefined
  t.throws(
    () =>
      hitOf(
        "x",
        codec(() => undefined, strict),
      ),
    { instanceOf: StoreError, message: /decoded to undefined/ },
  );
});

test("a codec that encodes undefined, and decodes it, gives it back", (t) => {
  const json: Codec = {
    name: "json",
    encode: (value) => JSON.stringify({ value }),
    decode: (data) => JSON.parse(String(Buffer.from(data))).value,
  };
  for (const compression of [false, "gzip"] as const) {
    t.is(hitOf(undefined, json, compression), undefined);
    t.deepEqual(hitOf([1], json, compression), [1]);
  }
});

test("a codec that encodes undefined anew each time cannot store it", (t) => {
  let count = 0;
  const salted = codec(() => undefined, (value) => `${count++} ${value}`); // biome-ignore format: one line
  t.throws(() => encodeValue(undefined, salted, false), {
    instanceOf: StoreError,
    message: /encodes undefined in another way/,
  });
  t.notThrows(() => encodeValue(1, salted, false));
});

test("a codec that decodes to a promise, or to anything with a `then`, is damage", async (t) => {
  for (const decode of [
    async () => 1,
    async () => { throw new Error("late"); },
    () => ({ then() {} }),
    () => Object.assign(() => {}, { then() {} }),
    () => new (class Thenable { then() {} })(),
  ] /* biome-ignore format: one line */) {
    t.throws(() => hitOf("x", codec(decode)), { instanceOf: StoreError, message: /decoded to a promise/ });
  }
  await new Promise((resolve) => setTimeout(resolve, 5)); // nothing was left unhandled
  t.deepEqual(
    hitOf(
      "x",
      codec(() => ({ then: 1 })),
    ),
    { then: 1 } as any,
  );
});

test("an encode that gives a promise that is rejected ends nothing", async (t) => {
  const late = async () => { throw new Error("late"); }; // biome-ignore format: one line
  t.throws(() => encodeValue(1, codec(String, late as never), false), {
    instanceOf: StoreError,
    message: /must encode/,
  });
  defineType(Other, { name: "decoded.test/Other", encode: late, decode: () => new Other() });
  t.throws(() => encodeValue(new Other(), "auto", false), { instanceOf: StoreError, message: /Promise/ });
  await new Promise((resolve) => setTimeout(resolve, 5));
});

test("a damaged entry of a codec stays an error of the codec", (t) => {
  const payload = encodeValue("x", codec(() => { throw new Error("broken"); }), false); // biome-ignore format: one line
  t.throws(() => decodeValue(payload, Buffer.concat(payload.parts as Uint8Array[]), codec(() => { throw new Error("broken"); })), { message: "broken" }); // biome-ignore format: one line
});

import { decodeValue, encodeValue, type Payload } from "../../../src/entry/codecs.js";
import { decodeEntry, encodeEntry } from "../../../src/entry/entry.js";
import { ReadableName } from "../../../src/entry/readable-name.js";
import { local, portable } from "../../../src/entry/transcode.js";
import { StoreError } from "../../../src/errors.js";
import { canonicalJson } from "../../../src/key/canonical-json.js";
import { stableHash } from "../../../src/key/key-functions.js";
import { defineType } from "../../../src/key/registered-types.js";

/** What a process says of keys and entries: run in a clean one, and in one whose prototypes are patched. */

class Point {
  constructor(readonly x: unknown) {}
}
defineType(Point, { name: "Point", encode: ({ x }) => [x], decode: (data) => new Point(data[0]) });
class Plain {
  x = 1;
}
class Money {
  toJSON() {
    return { amount: 1n };
  }
}
class Keyed {
  [Symbol.for("permacache.key")]() {
    return [1];
  }
}

function moved(value: object, prototype: object | null): object {
  return Object.setPrototypeOf(value, prototype);
}

/** Made before anything is patched. */
export function values(): Record<string, unknown> {
  const shared = { a: [1] };
  const cyclic = { list: [1, undefined], self: undefined as unknown };
  cyclic.self = cyclic;
  const sparse: unknown[] = [];
  sparse[3] = "x";
  return {
    text: 'a"\n',
    number: 1.5,
    true: true,
    zero: -0,
    undefined: undefined,
    bigint: 12n,
    list: [1, [1, 2], "[1,2]", []],
    object: { b: 1, a: { x: "x", value: 2, get: 3, length: 5 }, 10: 1, 9: 2, entries: [], name: "n" },
    tagged: { $type: "Map", entries: [1, 2] },
    named: JSON.parse('{"__proto__":{"x":1},"constructor":2,"toJSON":3}'),
    bare: Object.assign(Object.create(null), { x: 1 }),
    map: new Map<unknown, unknown>([
      ["b", new Set([2, 1])],
      ["a", { x: [undefined] }],
    ]),
    dates: [new Date(0), new Date(Number.NaN)],
    regExps: [/a\/b/dgimsuy, Object.assign(/x/g, { lastIndex: 2 }), Object.assign(/x/, { lastIndex: -0 })],
    url: new URL("https://example.org/a?b=c"),
    boxed: [Object(1), Object("ab"), Object(1n), Object(false)],
    errors: [
      new TypeError("m", { cause: Object.assign(new Error("c"), { stack: "stack" }) }),
      Object.assign(new Error("m"), { code: "E" }),
    ].map((error) => {
      error.stack = "stack";
      return error;
    }),
    aggregate: Object.assign(new AggregateError([1, [2]], "m"), { stack: "stack" }),
    sparse,
    bytes: [
      new Uint8Array([1, 2]),
      new Float64Array([0.5]),
      new DataView(new ArrayBuffer(4), 1),
      Buffer.from("b"),
      new ArrayBuffer(3),
    ],
    shared: [shared, shared],
    cyclic,
    point: new Point([new Point(1n)]),
    money: new Money(),
    keyed: new Keyed(),
    plain: new Plain(),
    promise: new WeakMap(),
    hiddenMap: moved(new Map([[1, 2]]), null),
    hiddenSet: moved(new Set([1]), Object.prototype),
    hiddenDate: moved(new Date(0), Object.prototype),
    many: Array.from({ length: 12_000 }, (_, i) => ({ i })),
    long: `${"x".repeat(60_000)}"é\ud800`.repeat(2),
  };
}

/** A line for each: texts of keys and their digests, bytes of entries, and what comes back of them. */
export function report(of: Record<string, unknown>, names: readonly string[]): string {
  let lines = "";
  for (let i = 0; i < names.length; i++) {
    const name = names[i]!;
    const value = of[name];
    lines += `${name} key ${attempt(() => canonicalJson(value))} ${attempt(() => stableHash(value))}\n`;
    lines += `${name} file ${attempt(() => new ReadableName("a/b", canonicalJson({ x: value }), DIGEST, true).file)}\n`;
    for (let j = 0; j < 2; j++) {
      const codec = j === 0 ? "auto" : "json";
      lines += `${name} entry ${codec} ${attempt(() => roundTrip(value, codec))}\n`;
    }
  }
  return lines;
}

const DIGEST = "d".repeat(40);
const HEADER = { identity: "a", key: "{}", async: false, createdAt: 1, duration: 1, source: "", record: "" };

function roundTrip(value: unknown, codec: "auto" | "json"): string {
  const payload = encodeValue(value, codec, false);
  const entry = () => decodeEntry(Buffer.concat(encodeEntry(HEADER, payload)))!;
  const there = portable(entry());
  const back = local(decodeEntry(Buffer.concat(encodeEntry(HEADER, there)))!, false);
  return `${print(payload)} then ${print(encodeValue(decode(payload), codec, false))}, ${print(there)}, ${print(back)}`;
}

function decode(payload: Payload): unknown {
  return decodeValue(payload, Buffer.concat(payload.parts as Uint8Array[]), "auto");
}

function print(payload: Payload): string {
  return `${payload.format} ${Buffer.concat(payload.parts as Uint8Array[]).toString("hex")}`;
}

function attempt(make: () => string): string {
  try {
    return make();
  } catch (error) {
    // What the reason is may be told by the name of an error, which belongs to its prototype.
    return error instanceof StoreError ? "StoreError" : wordsOf(error as Error);
  }
}

function wordsOf({ message }: Error): string {
  let start = "";
  for (let i = 0; i < message.length && message[i] !== "("; i++) start += message[i];
  return start;
}

import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { inspect } from "node:util";
import { crc32 } from "node:zlib";
import test, { type ExecutionContext } from "ava";
import { encodeValue } from "../../src/entry/codecs.js";
import { decodeEntry, encodeEntry } from "../../src/entry/entry.js";
import { Seal } from "../../src/entry/seal.js";
import {
  type CacheEvent,
  type CacheOptions,
  createCache,
  defaultCache,
  OptionError,
  tempCache,
} from "../../src/index.js";
import { failureOf, filesIn, newDirectory, warningsOf } from "../place.js";

const SECRET = "the first secret, of 32 bytes or more";
const NEW = "another secret, and this is the newer one";

/** Caches in one directory, each with its secret. */
function newPlace(t: ExecutionContext) {
  const dir = join(newDirectory(t), "cache");
  return {
    dir,
    cacheWith: (secret?: CacheOptions["secret"], options: CacheOptions = {}) =>
      createCache({ dir, secret, onError: "throw", ...options }),
    entry: () => filesIn(dir).filter((file) => file.endsWith(".entry")),
  };
}

/** The reasons of the misses of a path while the action runs. */
function missesOf(path: string, action: () => unknown): (string | undefined)[] {
  const reasons: (string | undefined)[] = [];
  const listener = (event: unknown) => {
    const { path: of, reason } = event as CacheEvent;
    if (of === path) reasons.push(reason);
  };
  subscribe("permacache:miss", listener);
  try {
    action();
  } finally {
    unsubscribe("permacache:miss", listener);
  }
  return reasons;
}

/** As whoever tampers with an entry would: the checksum is right again. */
function withChecksum(entry: Buffer): Buffer {
  entry.writeUInt32LE(crc32(entry.subarray(12)), 8);
  return entry;
}

// ---- what is served ----

for (const [what, value] of [
  ["plain data", { a: [1, "two"] }],
  ["a structured clone", new Map([[new Date(5), new Uint8Array([1, 2, 3])]])],
] as const) {
  for (const compress of [false, "gzip"] as const) {
    test(`signed and served: ${what}, compress: ${compress}`, (t) => {
      const { cacheWith } = newPlace(t);
      const f = () => cacheWith(SECRET, { compress }).permacache("f")((_n: number) => value);
      t.deepEqual(f()(1), value);
      const { value: served, hit } = f().detail(1);
      t.true(hit);
      t.deepEqual(served, value);
    });
  }
}

test("async functions and batches too", async (t) => {
  const { cacheWith, entry } = newPlace(t);
  const f = () => cacheWith(SECRET).permacache("f", { parallel: "xs" })(async (xs: number[]) => xs.map((x) => x * 2));
  t.deepEqual(await f()([1, 2]), [2, 4]);
  t.deepEqual(await f().has([1, 2, 3]), [true, true, false]);
  t.is(entry().length, 2);
  const other = cacheWith(NEW).permacache("f", { parallel: "xs" })(async (xs: number[]) => xs);
  t.deepEqual(await other.has([1, 2]), [false, false]);
});

test("a text and its UTF-8 bytes are one secret", (t) => {
  const { cacheWith } = newPlace(t);
  const text = "ß".repeat(16); // 32 bytes
  cacheWith(text).permacache("f")((x: number) => x)(1);
  t.true(
    cacheWith(new TextEncoder().encode(text))
      .permacache("f")((x: number) => x)
      .has(1),
  );
});

test("bytes that are wiped after the cache was made do no harm", (t) => {
  const { cacheWith } = newPlace(t);
  const bytes = new Uint8Array(32).fill(7);
  const f = cacheWith(bytes).permacache("f")((x: number) => x);
  bytes.fill(0);
  f(1);
  t.true(
    cacheWith(new Uint8Array(32).fill(7))
      .permacache("f")((x: number) => x)
      .has(1),
  );
  t.false(
    cacheWith(bytes)
      .permacache("f")((x: number) => x)
      .has(1),
  );
});

for (const [what, writer] of [
  ["unsigned", undefined],
  ["signed with another secret", NEW],
] as const) {
  test(`an entry that is ${what} is a miss, and is replaced`, (t) => {
    const { cacheWith, entry } = newPlace(t);
    cacheWith(writer).permacache("f")((_x: number) => "theirs")(1);
    const f = cacheWith(SECRET).permacache("f")((_x: number) => "ours");
    t.false(f.has(1));
    t.is(f.peek(1), undefined);
    t.deepEqual([...f.entries()], []);
    t.deepEqual(
      missesOf("f", () => t.is(f(1), "ours")),
      ["unsigned"],
    );
    t.deepEqual(
      missesOf("f", () => t.is(f(1), "ours")),
      [],
    );
    t.is(entry().length, 1);
    t.is([...f.entries()].length, 1);
    t.is(f.stats().errors, 0, "a clean miss");
  });
}

test("only-if-cached tells why", (t) => {
  const { cacheWith } = newPlace(t);
  cacheWith().permacache("f")((x: number) => x)(1);
  const f = cacheWith(SECRET, { mode: "only-if-cached" }).permacache("f")((x: number) => x);
  t.throws(() => f(1), { code: "ERR_PERMACACHE_MISS", message: /unsigned/ });
});

test("without a secret the signatures of a private directory are not looked at", (t) => {
  const { cacheWith } = newPlace(t);
  cacheWith(SECRET).permacache("f")((x: number) => new Map([[x, x]]))(1);
  const f = cacheWith().permacache("f")((x: number) => x as never as Map<number, number>);
  t.deepEqual(f(1), new Map([[1, 1]]));
  t.deepEqual([...f.entries()].length, 1);
});

// ---- rotation ----

test("[new, old]: what the old one signed is served, what is written is signed by the new one", (t) => {
  const { cacheWith } = newPlace(t);
  const f = (secret: CacheOptions["secret"]) => cacheWith(secret).permacache("f")((x: number) => x);
  f(SECRET)(1);
  f([NEW, SECRET])(2);
  const known = (secret: CacheOptions["secret"]) => [1, 2].map((x) => f(secret).has(x));
  t.deepEqual(known([NEW, SECRET]), [true, true]);
  t.deepEqual(known([SECRET, NEW]), [true, true]);
  t.deepEqual(known(SECRET), [true, false]);
  t.deepEqual(known(NEW), [false, true]);
  t.deepEqual(known([NEW]), [false, true]);
});

// ---- tampering ----

const IDENTITY = "f";
const AT = { identity: 92 };

/** Each field of an entry of `f(1)`, by its first byte. */
function fieldsOf(entry: Buffer): Record<string, number> {
  const [identity, key, codecName, count] = [64, 68, 72, 76].map((at) => entry.readUInt32LE(at));
  const record = entry.readUInt32LE(88);
  const keyAt = AT.identity + identity!;
  const recordAt = keyAt + key! + codecName!;
  const lengthsAt = recordAt + record;
  return {
    flags: 12,
    format: 13,
    compression: 14,
    zero: 15,
    createdAt: 16 + 3, // the last digits
    duration: 24 + 3,
    source: 32,
    identityLength: 64,
    keyLength: 68,
    codecNameLength: 72,
    lengthsCount: 76,
    payloadLength: 80 + 6,
    recordLength: 88,
    identity: AT.identity,
    key: keyAt,
    record: recordAt,
    lengths: lengthsAt,
    payload: lengthsAt + 8 * count!,
    signature: entry.length - 1,
  };
}

/** A signed entry with every field in it, in the place of f(1). */
function planted(t: ExecutionContext, secret = SECRET) {
  const place = newPlace(t);
  const fn = (_n: number) => new Map([["a", new Uint8Array([1, 2])]]);
  const f = () => place.cacheWith(secret).permacache(IDENTITY)(fn);
  f()(1);
  const [file] = place.entry();
  const { payload, ...header } = decodeEntry(readFileSync(file!))!;
  const record = '{"written":{},"kept":{}}';
  const parts = encodeEntry({ ...header, record }, { ...header, parts: [payload] }, new Seal([secret]));
  const entry = Buffer.concat(parts);
  writeFileSync(file!, entry);
  return { ...place, f, fn, file: file!, entry };
}

test("the planted entry is served", (t) => {
  const { f, fn } = planted(t);
  t.true(f().detail(1).hit);
  t.deepEqual(f()(1), fn(1));
});

/** Lengths that do not fit, another identity or key: not even looked at. */
const NOT_WHOLE = ["identityLength", "keyLength", "codecNameLength", "lengthsCount", "payloadLength", "recordLength"];
for (const field of Object.keys(fieldsOf(Buffer.alloc(200)))) {
  test(`one byte of it changed, and the checksum made right: ${field}`, (t) => {
    const { f, fn, file, entry } = planted(t);
    const tampered = Buffer.from(entry);
    tampered[fieldsOf(entry)[field]!]! ^= 1;
    writeFileSync(file, withChecksum(tampered));
    t.false(f().has(1));
    const called = f();
    const [reason, ...others] = missesOf(IDENTITY, () => t.deepEqual(called(1), fn(1)));
    t.is(reason, [...NOT_WHOLE, "identity", "key"].includes(field) ? "damaged" : "unsigned");
    t.deepEqual(others, []);
    t.is(called.stats().errors, 0);
    t.true(f().has(1), "replaced");
  });
}

test("every byte of it changed, and the checksum made right: never served", (t) => {
  const { f, file, entry } = planted(t);
  const cached = f();
  for (let at = 12; at < entry.length; at++) {
    const tampered = Buffer.from(entry);
    tampered[at]! ^= 1 << (at % 8);
    writeFileSync(file, withChecksum(tampered));
    t.false(cached.has(1), `byte ${at}`);
  }
});

test("that is more than a checksum can do: without the secret the same change is served", (t) => {
  const { cacheWith, file, entry } = planted(t);
  const tampered = Buffer.from(entry);
  tampered[entry.length - 33]! ^= 1; // the last of the payload: the second number
  writeFileSync(file, withChecksum(tampered));
  const f = cacheWith().permacache(IDENTITY)((_n: number): unknown => "computed");
  t.deepEqual(f(1), new Map([["a", new Uint8Array([1, 3])]]));
});

test("bytes moved from a field to the next, with the lengths made to fit", (t) => {
  const { f, file, entry } = planted(t);
  const moved = Buffer.from(entry);
  moved.writeUInt32LE(moved.readUInt32LE(68) - 1, 68); // the key is shorter,
  moved.writeUInt32LE(moved.readUInt32LE(72) + 1, 72); // the codec's name longer
  writeFileSync(file, withChecksum(moved));
  t.truthy(decodeEntry(moved), "it is whole");
  t.false(f().has(1));
});

test("a signature that was taken off", (t) => {
  const { f, cacheWith, file, entry } = planted(t);
  const bare = Buffer.from(entry.subarray(0, -32));
  bare[12]! &= ~2;
  writeFileSync(file, withChecksum(bare));
  t.true(
    cacheWith()
      .permacache(IDENTITY)((_n: number) => 0)
      .has(1),
    "whole",
  );
  t.false(f().has(1));
});

test("a reader that knows no signatures takes it for one of the wrong length", (t) => {
  const { entry } = planted(t);
  const [identity, key, codecName, count] = [64, 68, 72, 76].map((at) => entry.readUInt32LE(at));
  const length = 92 + identity! + key! + codecName! + entry.readUInt32LE(88) + 8 * count! + entry.readDoubleLE(80);
  t.is(entry.length, length + 32);
});

// ---- replay ----

test("a signed entry is bound to its key", (t) => {
  const { cacheWith, entry } = newPlace(t);
  const f = () => cacheWith(SECRET).permacache("f")((x: number) => x);
  f()(1);
  const [one] = entry();
  f()(2);
  const two = entry().find((file) => file !== one)!;
  copyFileSync(one!, two);
  t.false(f().has(2));
  const renamed = readFileSync(one!);
  const at = renamed.indexOf('{"x":1}');
  renamed.write('{"x":2}', at);
  writeFileSync(two, withChecksum(renamed));
  t.is(decodeEntry(renamed)?.key, '{"x":2}');
  const called = f();
  t.deepEqual(
    missesOf("f", () => t.is(called(2), 2)),
    ["unsigned"],
  );
  t.true(f().has(1));
});

for (const [what, path, options] of [
  ["path", "g", {}],
  ["version", "f", { version: "2" }],
] as const) {
  test(`a signed entry is bound to its ${what}`, (t) => {
    const { cacheWith, entry } = newPlace(t);
    cacheWith(SECRET).permacache("f", { version: "1" })((_x: number) => "of f, version 1")(1);
    const [from] = entry();
    const other = () => cacheWith(SECRET).permacache(path, options)((_x: number) => "own");
    other()(1);
    const to = entry().find((file) => file !== from)!;
    const { identity } = decodeEntry(readFileSync(to))!;
    copyFileSync(from!, to);
    t.false(other().has(1));
    const { payload, ...header } = decodeEntry(readFileSync(from!))!;
    const signature = readFileSync(from!).subarray(-32);
    const bytes = Buffer.concat(encodeEntry({ ...header, identity }, { ...header, parts: [payload, signature] }));
    bytes.writeDoubleLE(payload.length, 80);
    bytes[12]! |= 2;
    writeFileSync(to, withChecksum(bytes));
    t.is(decodeEntry(bytes)?.identity, identity, "whole, under the other identity");
    const called = other();
    t.deepEqual(
      missesOf(path, () => t.is(called(1), "own")),
      ["unsigned"],
    );
  });
}

// ---- before anything is decoded ----

test("nothing of an unsigned entry is decoded or unpacked", (t) => {
  const { cacheWith, entry } = newPlace(t);
  let decoded = 0;
  const codec = { name: "spy", encode: () => "x", decode: () => ++decoded };
  cacheWith().permacache("f", { codec, compress: "gzip" })((x: number) => x)(1);
  const f = cacheWith(SECRET).permacache("f", { codec })((x: number) => x);
  t.false(f.has(1));
  const [file] = entry();
  const { payload, ...header } = decodeEntry(readFileSync(file!))!;
  const broken = { ...header, parts: [payload.map((byte) => byte ^ 255)] };
  writeFileSync(file!, Buffer.concat(encodeEntry(header, broken)));
  t.false(f.has(1));
  t.is(f(1), 1);
  t.is(f.stats().errors, 0);
  t.is(decoded, 0);
  f(1);
  t.is(decoded, 1, "its own");
});

// ---- written again ----

test("an entry that learns of another out file is signed again", (t) => {
  const { dir, cacheWith, entry } = newPlace(t);
  const write = (n: number, loc: string) => {
    writeFileSync(loc, `content ${n}`);
    return n;
  };
  const f = (secret = SECRET) => cacheWith(secret).permacache("f", { outFile: "loc" })(write);
  const [a, b] = [join(dir, "../a"), join(dir, "../b")];
  f()(1, a);
  const before = readFileSync(entry()[0]!);
  t.true(f().detail(1, b).hit);
  t.notDeepEqual(readFileSync(entry()[0]!), before);
  rmSync(a);
  t.true(f().detail(1, a).hit, "from the copy");
  t.is(readFileSync(a, "utf8"), "content 1");
  t.false(f(NEW).has(1, a));
});

test("primed values are signed", (t) => {
  const { cacheWith } = newPlace(t);
  const f = () => cacheWith(SECRET).permacache("f")((x: number) => x);
  f().prime(7, 1);
  t.is(f()(1), 7);
});

// ---- as a whole ----

test("verify counts what is not signed as damaged, and removes it with fix", async (t) => {
  const { cacheWith, entry } = newPlace(t);
  const f = (secret?: string) => cacheWith(secret).permacache("f")((x: number) => new Map([[x, x]]));
  f()(1);
  const [unsigned] = entry();
  f(SECRET)(2);
  f(NEW)(3);
  t.deepEqual(await cacheWith().verify(), { checked: 3, damaged: [], removed: 0 });
  const { checked, damaged } = await cacheWith([NEW, SECRET]).verify();
  t.is(checked, 3);
  t.deepEqual(damaged, [unsigned]);
  t.is((await cacheWith(SECRET).verify({ fix: true })).removed, 2);
  t.true(f(SECRET).has(2));
  t.is(entry().length, 1);
});

test("open shows what is signed", async (t) => {
  const { cacheWith } = newPlace(t);
  cacheWith().permacache("f")((x: number) => x)(1);
  cacheWith(SECRET).permacache("f")((x: number) => x)(2);
  const open = cacheWith(SECRET).open("f");
  const keys: string[] = [];
  for await (const { key } of open.entries()) keys.push(key);
  t.deepEqual(keys, ['{"x":2}']);
  t.is(await open.peek({ x: 1 }), undefined);
  t.false(await open.has({ x: 1 }));
  t.is((await open.peek({ x: 2 }))?.value, 2);
});

test("an archive has no signatures; import signs with the secret of its cache", async (t) => {
  const here = newPlace(t);
  const there = newPlace(t);
  const archive = join(newDirectory(t), "a.zip");
  here.cacheWith(SECRET).permacache("f")((x: number) => new Map([[x, "y"]]))(1);
  here.cacheWith().permacache("f")((x: number) => x)(2);
  t.is(await here.cacheWith(SECRET).exportTo("f", archive), 1, "only what is signed");
  t.is(await there.cacheWith(NEW).importFrom("f", archive), 1);
  const f = (secret?: string) => there.cacheWith(secret).permacache("f")((x: number) => new Map([[x, "computed"]]));
  t.deepEqual(f(NEW)(1), new Map([[1, "y"]]));
  t.false(f(SECRET).has(1));
  const again = join(newDirectory(t), "b.zip");
  await there.cacheWith().exportTo("f", again);
  t.deepEqual(readFileSync(again), readFileSync(archive), "as if none had ever been signed");
});

test("merge replaces what is there unsigned, and keeps what is signed", async (t) => {
  const here = newPlace(t);
  const there = newPlace(t);
  const archive = join(newDirectory(t), "a.zip");
  const f = (place: typeof here, of: string, secret?: string) =>
    place.cacheWith(secret).permacache("f")((x: number) => `${of} ${x}`);
  f(here, "here")(1);
  f(here, "here")(2);
  await here.cacheWith().exportTo("f", archive);
  f(there, "there")(1);
  f(there, "there", SECRET)(2);
  t.is(await there.cacheWith(SECRET).importFrom("f", archive, { merge: true }), 1);
  t.deepEqual([1, 2].map(f(there, "computed", SECRET)), ["here 1", "there 2"]);
});

// ---- the secret itself ----

test.serial("it is nowhere to be seen: messages, the cache, functions, entries", async (t) => {
  const { dir, cacheWith, entry } = newPlace(t);
  const cache = createCache({ dir, secret: [SECRET, Buffer.from(NEW)] });
  const f = cache.permacache("f")((x: number) => x);
  f(1);
  const shown = (value: unknown) => inspect(value, { depth: 12, showHidden: true, getters: true, showProxy: true });
  const seen = [shown(cache), shown(f), shown(cache.open("f")), shown(new Seal([SECRET, NEW]))];
  seen.push(JSON.stringify(cache), String(f), JSON.stringify(await cache.stats()));
  seen.push(readFileSync(entry()[0]!, "latin1"), entry().join());
  seen.push(...(await warningsOf(() => cacheWith(SECRET, { onError: "warn" }).permacache("f")((x: number) => x)(1))));
  const short = SECRET.slice(0, 31);
  const failures = [
    await failureOf(() => cacheWith(short)),
    await failureOf(() => cacheWith([SECRET, short])),
    await failureOf(() => cacheWith({ secret: SECRET } as never)),
    await failureOf(() => cache.permacache("f", { secret: SECRET } as never)),
    await failureOf(() => (f as any).with({ secret: SECRET })),
  ];
  seen.push(...failures.flatMap((error) => [error.message, shown(error)]));
  for (const text of seen) {
    for (const secret of [SECRET, NEW]) {
      const spellings = [short, NEW.slice(0, 31), Buffer.from(secret).toString("hex").slice(0, 40)];
      for (const spelling of spellings) t.false(text.includes(spelling), text.slice(0, 300));
    }
    t.false(text.includes(inspect(Buffer.from(NEW)).slice(8, 40)), text.slice(0, 300));
  }
});

const WRONG: [string, unknown][] = [
  ["too short", "x".repeat(31)],
  ["too short in bytes", new Uint8Array(31)],
  ["empty", ""],
  ["no secret at all", []],
  ["one of several too short", ["x".repeat(32), "short"]],
  ["one in a list in a list", [["x".repeat(32)]]],
  ["a number", 32],
  ["null", null],
  ["an array of numbers", [...Buffer.alloc(32)]],
  ["a wider typed array", new Uint16Array(32)],
];
for (const [what, secret] of WRONG) {
  test(`refused: ${what}`, (t) => {
    const expected = { instanceOf: OptionError, message: /"secret" must be .* at least 32 bytes.*randomBytes/ };
    t.throws(() => createCache({ secret: secret as never }), expected);
    t.throws(() => tempCache("x", { secret: secret as never }), expected);
    t.throws(() => defaultCache.configure({ secret: secret as never }), expected);
  });
}

test("32 bytes are enough; only a cache has a secret, and `shared`", (t) => {
  const { cacheWith } = newPlace(t);
  const { permacache } = cacheWith("ß".repeat(16));
  t.notThrows(() => cacheWith([new Uint8Array(32), Buffer.alloc(32)]));
  for (const [name, value] of Object.entries({ secret: SECRET, shared: true })) {
    const message = new RegExp(`"${name}" is one of a cache, not of a `);
    t.throws(() => permacache("f", { [name]: value } as never), { instanceOf: OptionError, message });
    const f: any = permacache("f")((x: number) => x);
    t.throws(() => f.with({ [name]: value }), { instanceOf: OptionError, message });
  }
  for (const shared of [1, "yes", null]) {
    t.throws(() => createCache({ shared: shared as never }), { instanceOf: OptionError, message: /must be a boolean/ });
  }
});

test("every codec and every place: an entry made by hand is served only with the signature", (t) => {
  const { dir, cacheWith, entry } = newPlace(t);
  const f = () => cacheWith(SECRET).permacache("f")((_x: number): unknown => "computed");
  f()(1);
  const [file] = entry();
  const { payload: _, ...header } = decodeEntry(readFileSync(file!))!;
  for (const value of [1, "text", { a: 1 }, new Map([[1, 2]]), new Uint8Array(5)]) {
    for (const codec of ["auto", "json"] as const) {
      for (const compress of [false, "gzip", "brotli"] as const) {
        const payload = encodeValue(value, codec, compress);
        mkdirSync(dirname(file!), { recursive: true });
        writeFileSync(file!, Buffer.concat(encodeEntry(header, payload, new Seal([SECRET]))));
        t.deepEqual(f()(1), value);
        writeFileSync(file!, Buffer.concat(encodeEntry(header, payload, new Seal([NEW]))));
        t.is(f()(1), "computed");
        rmSync(file!);
      }
    }
  }
  t.true(existsSync(dir));
});

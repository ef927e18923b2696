import { randomBytes } from "node:crypto";
import test from "ava";
import { createCache, fileStore, OptionError } from "../../src/index.js";
import type { Place } from "../../src/wrap/option-rules.js";
import { OPTIONS, type Option } from "../../src/wrap/options.js";
import { checkOptions, settingsOf } from "../../src/wrap/settings.js";

type Name = keyof typeof OPTIONS;
const NAMES = Object.keys(OPTIONS) as Name[];
const PLACES: readonly Place[] = ["cache", "function", "call"];

/** A value of each option that is right, and not its default. */
const RIGHT: Readonly<Record<Name, unknown>> = {
  mode: "read-only",
  dir: "somewhere",
  codec: "json",
  compress: "gzip",
  naming: "readable",
  onError: "throw",
  maxAge: "2d",
  maxIdle: "1h",
  maxEntries: 10,
  maxBytes: "10GB",
  maxWait: "10s",
  durability: "file",
  shared: true,
  secret: randomBytes(32),
  store: fileStore(),
  maxValueBytes: "1MB",
  memory: { maxBytes: "1MB" },
  keyFunction: { x: null },
  defaults: { x: () => 1 },
  signature: "(x)",
  keywords: true,
  async: true,
  version: "2",
  source: true,
  shouldStore: () => true,
  validate: () => true,
  outFile: "x",
  keepOutFiles: true,
  parallel: ["x"],
  chunkSize: 2,
  concurrency: 2,
  onProgress: () => {},
  this: {},
  signal: new AbortController().signal,
};

/** Gives options at a place, as users do. */
const { permacache } = createCache();
const f: any = permacache("option-table")((x: number) => x);
const GIVE: Readonly<Record<Place, (options: object) => unknown>> = {
  cache: (options) => createCache(options),
  function: (options) => permacache("option-table", options),
  call: (options) => f.with(options),
};

for (const name of NAMES) {
  const { at, mayBeUndefined }: Option = OPTIONS[name];

  test(`${name} is taken where the table says, and refused elsewhere`, (t) => {
    for (const place of PLACES) {
      if (at.includes(place)) {
        t.notThrows(() => GIVE[place]({ [name]: RIGHT[name] }), place);
        continue;
      }
      for (const value of [RIGHT[name], undefined]) {
        const { message } = t.throws(() => GIVE[place]({ [name]: value }), { instanceOf: OptionError }, place);
        t.true(message.endsWith(`: the option "${name}" is one of a ${at.join(" or ")}, not of a ${place}.`), message);
      }
    }
  });

  test(`${name}: undefined ${mayBeUndefined ? "is a value" : "counts as not given"}`, (t) => {
    for (const place of at) {
      t.notThrows(() => GIVE[place]({ [name]: undefined }));
      t.deepEqual(checkOptions("", { [name]: undefined }, place), mayBeUndefined ? { [name]: undefined } : {});
    }
  });

  if (OPTIONS[name].rule(Symbol("wrong"), "call") === undefined) continue;
  test(`${name}: a wrong value is refused, wherever it stands`, (t) => {
    for (const place of at) {
      const { message } = t.throws(() => GIVE[place]({ [name]: Symbol("wrong") }), { instanceOf: OptionError }, place);
      t.regex(message, new RegExp(`: the option "${name}" must be `));
    }
  });
}

for (const place of PLACES) {
  test(`an unknown option of a ${place}: the message lists those that there are`, (t) => {
    const { message } = t.throws(() => GIVE[place]({ toString: 1 }), { instanceOf: OptionError });
    const names = NAMES.filter((name) => (OPTIONS[name] as Option).at.includes(place));
    t.true(
      message.endsWith(`: there is no option "toString". Options of a ${place} are ${names.join(", ")}.`),
      message,
    );
  });
}

for (const name of NAMES) {
  const { at, byDefault, setting = name }: Option = OPTIONS[name];
  if (byDefault === undefined || !at.includes("cache")) continue;

  test(`${name}: the function's goes before the cache's, that before the default`, (t) => {
    const valueOf = (cache: object, own: object) =>
      (settingsOf(checkOptions("", cache, "cache"), own, false) as any)[setting];
    const [usual, right] = [{ [name]: byDefault }, { [name]: RIGHT[name] }];
    t.deepEqual(valueOf({}, {}), valueOf(usual, {}));
    t.notDeepEqual(valueOf(right, {}), valueOf(usual, {}));
    if (!at.includes("function")) return;
    const own = (options: object) => checkOptions("", options, "function");
    t.deepEqual(valueOf(usual, own(right)), valueOf(right, {}));
    t.deepEqual(valueOf(right, own(usual)), valueOf(usual, {}));
  });
}

test("every option of a call goes before the function's, and texts are numbers by then", (t) => {
  const given = checkOptions("", { maxWait: "10s", durability: "file", mode: "bypass", this: undefined }, "call");
  t.deepEqual(given as object, { maxWait: 10_000, isDurable: true, mode: "bypass", this: undefined });
});

test("limits: ages of the function replace those of the cache, sizes hold at both", (t) => {
  const cache = checkOptions("", { maxAge: "2s", maxIdle: "3s", maxEntries: 4, maxBytes: "1KB" }, "cache");
  const own = checkOptions("", { maxAge: "1s", maxEntries: 2 }, "function");
  t.deepEqual(settingsOf(cache, own, false).limits, {
    own: { maxAge: 1_000, maxIdle: 3_000, maxEntries: 2 },
    whole: { maxEntries: 4, maxBytes: 1_024 },
    needUse: true,
  });
  t.false(settingsOf({}, checkOptions("", { maxAge: 1 }, "function"), false).limits!.needUse);
  t.is(settingsOf({}, {}, false).limits, undefined);
});

import test from "ava";
import { hasColours } from "../../src/cli/output.js";
import { normalisedKey } from "../../src/cli/show.js";
import { similarTo } from "../../src/cli/similar.js";
import { counted, dateText, durationText, printable, printableLines, sizeText } from "../../src/cli/text.js";

test("sizes, dates and durations are short", (t) => {
  t.deepEqual([0, 1023, 1536, 5 * 1024 ** 3].map(sizeText), ["0 B", "1023 B", "1.5 KB", "5 GB"]);
  t.deepEqual([0.2, 1, 999.6, 1_500, 90_000, 7_200_000].map(durationText), ["<1ms", "1ms", "1s", "1.5s", "2m", "2h"]);
  t.is(dateText(new Date(2026, 6, 8, 9, 5, 7)), "2026-07-08 09:05");
  t.is(dateText(new Date(2026, 6, 8, 9, 5, 7), true), "2026-07-08 09:05:07");
  t.is(dateText(undefined), "");
  t.deepEqual(
    [0, 1, 1_234].map((number) => counted(number, "path", "paths")),
    ["0 paths", "1 path", "1,234 paths"],
  );
});

test("a JSON text made printable is the same JSON", (t) => {
  const value = { "\x1b[2J": ["\u009b1m", "\u2028", "\u202e", "é日👩‍👩‍👧‍👦", "\ud800", "\ufeff"] };
  const text = printable(JSON.stringify(value));
  t.deepEqual(JSON.parse(text), value);
  t.notRegex(text, /[\p{Cc}\u2028\u202e\ufeff]/u);
  t.regex(text, /é日👩‍👩‍👧‍👦/);
});

test("lines stay lines where that is asked for", (t) => {
  t.is(printableLines("a\nb\x1b\tc"), "a\nb\\u001b\\u0009c");
});

test("similar texts: parts first, then spelling mistakes; nothing else", (t) => {
  const there = ["my/load", "my/lode", "my/load/raw", "other/thing"];
  t.deepEqual(similarTo("my/load", there), ["my/load", "my/load/raw", "my/lode"]);
  t.deepEqual(similarTo("MY/LOAD", there)[0], "my/load");
  t.deepEqual(similarTo("zzz", there), []);
});

test("of enormous texts the beginnings are compared", (t) => {
  t.is(similarTo("x".repeat(1_000_000), ["x".repeat(1_000_001)]).length, 1);
});

test("a key may be spelled in any order and layout", (t) => {
  t.is(
    normalisedKey(' { "y": [1, {"b": 1, "a": 2}],\n "x": 1.0, "é": null } '),
    '{"x":1,"y":[1,{"a":2,"b":1}],"é":null}',
  );
  t.is(normalisedKey('{"b":1,"__proto__":{"z":1,"a":2}}'), '{"__proto__":{"a":2,"z":1},"b":1}');
  t.is(normalisedKey('"text"'), '"text"');
  t.throws(() => normalisedKey("{x: 1}"), { instanceOf: SyntaxError });
});

test("colours: as the terminal has them, unless FORCE_COLOR says otherwise", (t) => {
  const terminal = { hasColors: () => true };
  t.true(hasColours(terminal, {}));
  t.false(hasColours({}, {}));
  t.true(hasColours({}, { FORCE_COLOR: "1" }));
  t.true(hasColours({}, { FORCE_COLOR: "" }));
  t.false(hasColours(terminal, { FORCE_COLOR: "0" }));
});

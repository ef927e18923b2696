import test from "ava";
import stringWidth from "string-width";
import { type Column, shortened, type TableOptions, tableLines } from "../../src/cli/table.js";

async function* stream(rows: readonly (readonly string[])[]): AsyncGenerator<readonly string[], void> {
  for (const row of rows) yield row;
}

async function linesOf(columns: readonly Column[], rows: string[][], options?: TableOptions): Promise<string[]> {
  const lines: string[] = [];
  for await (const line of tableLines(columns, stream(rows), options)) lines.push(line);
  return lines;
}

const COLUMNS: readonly Column[] = [
  { title: "PATH", shorten: "middle" },
  { title: "VERSION", shorten: "end", optional: true },
  { title: "SIZE", align: "right" },
];

test("columns are as wide as their widest cell; numbers stand to the right", async (t) => {
  t.deepEqual(
    await linesOf(COLUMNS, [
      ["a/b", "v2", "12 KB"],
      ["my-project/load", "", "3 B"],
    ]),
    [
      "PATH             VERSION   SIZE", //
      "a/b              v2       12 KB",
      "my-project/load             3 B",
    ],
  );
});

test("an optional column without texts is left out", async (t) => {
  t.deepEqual(await linesOf(COLUMNS, [["a/b", "", "3 B"]]), ["PATH  SIZE", "a/b    3 B"]);
});

test("without rows there are the titles", async (t) => {
  t.deepEqual(await linesOf(COLUMNS, []), ["PATH  SIZE"]);
});

test("no line is wider than the terminal, whatever its width", async (t) => {
  const rows = [
    ["project/with/a/long/path/to/it", "version 2 of it", "1.2 GB"],
    ["プロジェクト/👩‍👩‍👧‍👦/データ/読み込み", "é".repeat(40), "3 B"],
  ];
  for (let width = 1; width <= 100; width++) {
    for (const line of await linesOf(COLUMNS, rows, { width })) t.true(stringWidth(line) <= width, `${width}: ${line}`);
  }
});

test("a table that is too wide fills the terminal, and what may not be shortened is whole", async (t) => {
  const rows = [["project/with/a/long/path/to/it", "", "1.2 GB"]];
  t.deepEqual(await linesOf(COLUMNS, rows, { width: 24 }), ["PATH                SIZE", "project/…h/to/it  1.2 GB"]);
});

test("without a width nothing is cut", async (t) => {
  const long = "x".repeat(5_000);
  t.true((await linesOf(COLUMNS, [[long, "", "1 B"]]))[1]!.startsWith(`${long}  `));
});

test("one enormous cell does not pad the others to its width", async (t) => {
  const [, , short] = await linesOf(COLUMNS, [
    ["x".repeat(5_000), "", "1 B"],
    ["a", "", "1 B"],
  ]);
  t.true(short!.length < 300);
});

test("control characters, escape sequences and marks of direction are shown, not sent", async (t) => {
  const [, line] = await linesOf(COLUMNS, [["\x1b[31mred\r\n\x9b2J\u202e\ud800\x7f", "", "1 B"]]);
  t.is(line, "\\u001b[31mred\\u000d\\u000a\\u009b2J\\u202e\\ud800\\u007f   1 B");
});

test("rows are taken one by one once the widths are chosen", async (t) => {
  let taken = 0;
  let isEnded = false;
  async function* endless() {
    try {
      for (;;) yield [`row ${++taken}`, "", "1 B"];
    } finally {
      isEnded = true;
    }
  }
  let seen = 0;
  for await (const _line of tableLines(COLUMNS, endless(), { sample: 10 })) if (++seen === 50) break;
  t.true(taken >= 49 && taken <= 51, String(taken));
  t.true(isEnded);
});

test("a later row that is wider than the first ones is whole in a pipe, and cut at a terminal", async (t) => {
  const rows = [
    ["a", "", "1 B"],
    ["a/longer/path", "", "1 B"],
  ];
  t.is((await linesOf(COLUMNS, rows, { sample: 1 }))[2], "a/longer/path   1 B");
  t.is((await linesOf(COLUMNS, rows, { sample: 1, width: 80 }))[2], "a/…h   1 B");
});

for (const [text, width, where, expected] of [
  ["abcdef", 6, "end", "abcdef"],
  ["abcdefg", 6, "end", "abcde…"],
  ["abcdefg", 6, "middle", "abc…fg"],
  ["日本語", 5, "end", "日本…"],
  ["日本語", 4, "end", "日…"],
  ["a👩‍👩‍👧‍👦b", 3, "end", "a…"],
  ["ae\u0301e\u0301e\u0301", 3, "end", "ae\u0301…"],
  ["abc", 1, "middle", "…"],
] as const) {
  test(`"${text}" in ${width} columns, cut in the ${where}, is "${expected}"`, (t) => {
    t.is(shortened(text, width, where), expected);
  });
}

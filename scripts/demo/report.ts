import { stripVTControlCharacters, styleText } from "node:util";
import type { Detail } from "permacache";
import type { OnProgress } from "./statistics.js";

/** What the demo prints. Colours and a moving line are for terminals; what is piped is plain text. */

export interface Row {
  readonly call: string;
  readonly key: string;
  /** What the call took now, in milliseconds. */
  readonly time: number;
  readonly hit: boolean;
  /** What it took when it was computed. */
  readonly duration: number;
  readonly sameSource: boolean;
  /** On a hit, by name, from where the files that the call writes were served. */
  readonly outFiles?: Readonly<Record<string, string>>;
}

/** Makes calls, keeps a row of each, and shows the running one at a terminal. */
export class Calls {
  readonly rows: Row[] = [];
  readonly #planned: number;

  constructor(planned: number) {
    this.#planned = planned;
  }

  /** @param detail makes the call, by the method of that name */
  async make<T>(call: string, detail: (onProgress: OnProgress) => Detail<T> | Promise<Detail<T>>): Promise<T> {
    const number = this.rows.length + 1;
    const start = performance.now();
    try {
      const told = await detail(progressOf(`[${number}/${this.#planned}] ${call}`));
      this.rows.push({ call, time: performance.now() - start, ...told });
      return told.value;
    } finally {
      clearProgress();
    }
  }
}

let shownAt = 0;

/** Ten times a second is enough, and costs nothing. */
function progressOf(what: string): OnProgress {
  return (done) => {
    if (!process.stderr.isTTY || performance.now() - shownAt < 100) return;
    shownAt = performance.now();
    const line = `${what}  ${Math.floor(done * 100)} %`;
    process.stderr.write(`\r\x1b[K${shorten(line, (process.stderr.columns || 80) - 1)}`);
  };
}

function clearProgress(): void {
  if (shownAt > 0) process.stderr.write("\r\x1b[K");
  shownAt = 0;
}

const width = process.stdout.columns || 110;
const hasColours = process.stdout.isTTY && process.stdout.hasColors();

function paint(format: Parameters<typeof styleText>[0], text: string): string {
  return hasColours ? styleText(format, text) : text;
}

export function heading(text: string): string {
  return paint("bold", text);
}

export function callTable(rows: readonly Row[]): string {
  const lines = [
    ["call", "key", "time", "hit or miss"],
    ...rows.map((row) => [row.call, shortenHashes(row.key), seconds(row.time), outcomeOf(row)]),
  ];
  const [calls, keys, times, outcomes] = lines[0]!.map((_, column) =>
    Math.max(...lines.map((line) => stripVTControlCharacters(line[column]!).length)),
  ) as [number, number, number, number];
  const room = Math.min(keys, Math.max(12, width - calls - times - outcomes - 6));
  const [head, ...body] = lines.map(([call, key, time, outcome]) =>
    [call!.padEnd(calls), shorten(key!, room).padEnd(room), time!.padStart(times), outcome].join("  "),
  );
  return [paint("dim", head!), ...body].join("\n");
}

function outcomeOf({ hit, sameSource, duration }: Row): string {
  if (!hit) return paint("yellow", "miss");
  // By default a permanent cache survives an edit of the function; who made one should know what they look at.
  return `${paint("green", "hit")}  (${sameSource ? "" : "by other code, "}took ${seconds(duration)})`;
}

/** The first digits are enough to tell one from another. */
function shortenHashes(key: string): string {
  return key.replace(/[0-9a-f]{64}/g, (hash) => `${hash.slice(0, 8)}…`);
}

function shorten(text: string, length: number): string {
  return text.length > length ? `${text.slice(0, Math.max(0, length - 1))}…` : text;
}

/** `3.21 s`, or below a second `0.42 ms`. */
export function seconds(milliseconds: number): string {
  const [value, unit] = milliseconds < 1000 ? [milliseconds, "ms"] : [milliseconds / 1000, "s"];
  return `${value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)} ${unit}`;
}

/** Wide enough for an interval, narrow enough for the words beside it. */
const cells = Math.max(10, Math.min(40, width - 62));

/** `  ├──●──┤  `: an interval on a scale. */
export function plotInterval(low: number, middle: number, high: number, [from, to]: readonly [number, number]): string {
  const cell = (value: number) => Math.round(((value - from) / (to - from)) * (cells - 1));
  const line = Array.from<unknown, string>({ length: cells }, (_, i) => (i > cell(low) && i < cell(high) ? "─" : " "));
  line[cell(low)] = "├";
  line[cell(high)] = "┤";
  line[cell(middle)] = "●";
  return line.join("");
}

/** `▁▂▅█`: shares from 0 to a half and above. */
export function sparkline(shares: readonly number[]): string {
  return shares.map((share) => "▁▂▃▄▅▆▇█"[Math.min(7, Math.floor(share * 16))]).join("");
}

/** Words in lines that fit the terminal. */
export function wrapWords(words: readonly string[], indent: string): string {
  const lines = [indent];
  for (const word of words) {
    if (lines.at(-1)!.length + word.length + 1 > width) lines.push(indent);
    lines[lines.length - 1] += `${word} `;
  }
  return lines.map((line) => line.trimEnd()).join("\n");
}

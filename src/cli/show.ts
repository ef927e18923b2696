import { inspect } from "node:util";
import stringify from "fast-json-stable-stringify";
import type { Cache, PathEntry } from "../cache/interface.js";
import { encodeValue } from "../entry/codecs.js";
import { StoreError } from "../errors.js";
import type { Output } from "./output.js";
import { similarTo } from "./similar.js";
import { withStandIns } from "./stand-ins.js";
import { type Column, tableLines } from "./table.js";
import { dateText, durationText, entriesText, printable, printableLines, sizeText } from "./text.js";

const COLUMNS: readonly Column[] = [
  { title: "KEY", shorten: "end" },
  { title: "VERSION", shorten: "end", optional: true },
  { title: "VALUE", shorten: "end" },
  { title: "CREATED" },
  { title: "TOOK", align: "right" },
  { title: "SIZE", align: "right" },
];

/** All entries of a path. They stream: there may be a million. */
export async function showEntries(cache: Cache, path: string, isJson: boolean, out: Output): Promise<void> {
  const entries = valuesOf(cache, path);
  if (isJson) return out.jsonArray(map(entries, ({ entry, shown }) => entryJson(entry, shown)));
  const rows = map(entries, ({ entry, shown }) => [
    entry.key,
    entry.version ?? "",
    previewOf(shown),
    dateText(entry.createdAt),
    durationText(entry.duration),
    sizeText(entry.bytes),
  ]);
  await out.lines(tableLines(COLUMNS, rows, { width: out.width, titleStyle: out.bold }));
}

/** The entry of a key, with its value in full. @throws StoreError where there is none */
export async function showEntry(cache: Cache, path: string, key: string, isJson: boolean, out: Output): Promise<void> {
  const entry = await entryOf(cache, path, key);
  const shown = await valueOf(cache, path, entry);
  if (isJson) return out.line(printable(entryJson(entry, shown)));
  await out.lines([
    ...factLines([
      ["path", path],
      ...(entry.version === undefined ? [] : [["version", entry.version] as const]),
      ["created", dateText(entry.createdAt, true)],
      ["took", durationText(entry.duration)],
      ["size", sizeText(entry.bytes)],
    ]),
    "",
    out.bold("arguments"),
    ...factLines(argumentsOf(key)).map((line) => `  ${line}`),
    "",
    out.bold("value"),
    "problem" in shown ? `(${printable(shown.problem)})` : inFull(shown.value, out.hasColours),
  ]);
}

/**
 * A key as it is stored.
 * @param text JSON in any order and layout
 * @throws SyntaxError where it is none
 */
export function normalisedKey(text: string): string {
  return stringify(JSON.parse(text));
}

/** Names and what they stand for, one below the other. */
export function factLines(facts: readonly (readonly [name: string, text: string])[]): string[] {
  const width = Math.max(0, ...facts.map(([name]) => printable(name).length));
  return facts.map(([name, text]) => `${printable(name).padEnd(width)}  ${printable(text)}`);
}

/** A value, or why there is none to show. */
type Shown = { readonly value: unknown } | { readonly problem: string };

interface EntryWithValue {
  readonly entry: PathEntry;
  readonly shown: Shown;
}

async function* valuesOf(cache: Cache, path: string): AsyncGenerator<EntryWithValue, void> {
  for await (const entry of cache.open(path).entries()) yield { entry, shown: await valueOf(cache, path, entry) };
}

async function valueOf(cache: Cache, path: string, { version, key, createdAt }: PathEntry): Promise<Shown> {
  try {
    const found = await withStandIns(() => cache.open(path, { version: version ?? null }).peek(key));
    if (!found) return { problem: "removed meanwhile" };
    // The sources of a function are no versions: the newest entry of them is found.
    if (found.createdAt.getTime() !== createdAt.getTime()) return { problem: "replaced by a newer one" };
    return { value: found.value };
  } catch (error) {
    if (error instanceof StoreError) return { problem: reasonOf(error) };
    throw error;
  }
}

/** There is an entry, but no value to show. */
function ignoreStoreError(error: unknown): undefined {
  if (!(error instanceof StoreError)) throw error;
}

/** Without what to do about it, which is for programs. */
function reasonOf({ message, cause }: StoreError): string {
  return cause instanceof Error ? cause.message : message;
}

/** Of the entries that are looked at for similar keys. */
const LOOKED_AT = 1_000;

/** The entry of a key, of several versions the newest. @throws StoreError, which names similar keys, where there is none */
async function entryOf(cache: Cache, path: string, key: string): Promise<PathEntry> {
  const opened = cache.open(path);
  let found: PathEntry | undefined = await withStandIns(() => opened.peek(key)).catch(ignoreStoreError);
  if (found) return found;
  let total = 0;
  const keys: string[] = [];
  for await (const entry of opened.entries()) {
    if (entry.key === key && !(found && found.createdAt >= entry.createdAt)) found = entry;
    if (keys.length < LOOKED_AT) keys.push(entry.key);
    total++;
  }
  if (found) return found;
  const similar = similarTo(key, keys);
  const hint =
    similar.length > 0
      ? `Similar ones: ${similar.join(", ")}`
      : `It has ${entriesText(total)}: see permacache show ${path}`;
  throw new StoreError(`${path} has no entry ${key}. ${hint}`);
}

/** One line, of a bounded length. */
function previewOf(shown: Shown): string {
  if ("problem" in shown) return `(${shown.problem})`;
  const text = inspect(shown.value, { depth: 3, maxArrayLength: 20, maxStringLength: 200, breakLength: Infinity });
  const line = text.replaceAll(/\n\s+at .*/g, "").replaceAll(/\s*\n\s*/g, " "); // errors without their stack
  return line.length <= 500 ? line : `${line.slice(0, 500)}…`;
}

/** Colours are codes for the terminal, as those that a value may hold: then it has none. */
function inFull(value: unknown, hasColours: boolean): string {
  const options = { depth: Infinity, maxArrayLength: Infinity, maxStringLength: Infinity, compact: 3 };
  const plain = inspect(value, options);
  const safe = printableLines(plain);
  return hasColours && safe === plain ? inspect(value, { ...options, colors: true }) : safe;
}

/** By name; of a key that is made otherwise, the whole. */
function argumentsOf(key: string): (readonly [name: string, text: string])[] {
  const parsed = parsedKey(key);
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed) || Object.hasOwn(parsed, "$type")) {
    return [["key", key]];
  }
  return Object.entries(parsed).map(([name, value]) => [name, stringify(value)]);
}

/** `undefined` where it is no JSON: whoever can write to the cache can put any text there. */
function parsedKey(key: string): unknown {
  try {
    return JSON.parse(key);
  } catch {
    return undefined;
  }
}

/**
 * JSON for programs. The key is what it is in the cache; the value is the text of codec "json": plain where it is JSON,
 * else with tags (`{"$type":"Date","value":0}`).
 */
function entryJson({ key, version, createdAt, duration, bytes }: PathEntry, shown: Shown): string {
  const keyText = parsedKey(key) === undefined ? JSON.stringify(key) : key;
  const meta = JSON.stringify({ version: version ?? null, createdAt, duration, bytes });
  return `{"key":${keyText},${shownJson(shown)},${meta.slice(1)}`;
}

function shownJson(shown: Shown): string {
  if ("problem" in shown) return `"problem":${JSON.stringify(shown.problem)}`;
  try {
    const { parts } = encodeValue(shown.value, "json", false);
    return `"value":${Buffer.concat([...parts])}`;
  } catch (error) {
    if (error instanceof StoreError) return shownJson({ problem: error.message });
    throw error;
  }
}

async function* map<T, R>(items: AsyncIterable<T>, change: (item: T) => R): AsyncGenerator<R, void> {
  for await (const item of items) yield change(item);
}

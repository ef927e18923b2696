import { isYoung, type Stamp } from "../files/fingerprint.js";
import { printPlain } from "../key/print.js";

/**
 * What an entry knows of out files: where they were written, and which of them the cache keeps a copy of. It stands in
 * the head of the entry as a text.
 */

/** A file that a call wrote, or was given as a copy. */
export interface Written {
  readonly path: string;
  /** Of the content, in hex. */
  readonly sha256: string;
  readonly stamp: Stamp;
  /** The stamp cannot tell whether the file has changed: look at the content. */
  readonly young: boolean;
}

/** A copy of the content in the cache. */
export interface Kept {
  readonly sha256: string;
  readonly size: number;
  readonly mode: number;
}

/** What an entry knows of out files, by the name of the parameter. */
export interface OutRecord {
  /** Newest first. */
  readonly written: Readonly<Record<string, readonly Written[]>>;
  readonly kept: Readonly<Record<string, Kept>>;
}

/** Paths remembered for an out file. */
const MOST = 16;

export const NO_RECORD: OutRecord = { written: {}, kept: {} };

export function parseRecord(text: string): OutRecord {
  return text === "" ? NO_RECORD : (JSON.parse(text) as OutRecord);
}

/** The record with a file in front. */
export function remember(record: OutRecord, name: string, file: Written): OutRecord {
  const others = (record.written[name] ?? []).filter(({ path }) => path !== file.path);
  return { ...record, written: { ...record.written, [name]: [file, ...others].slice(0, MOST) } };
}

/** What two calls have learnt of one entry: the first in front. */
export function merged(ours: OutRecord, theirs: OutRecord): OutRecord {
  let record = theirs;
  for (const [name, files] of Object.entries(ours.written)) {
    for (const file of [...files].reverse()) record = remember(record, name, file);
  }
  return record;
}

export function textOf(record: OutRecord): string {
  const isEmpty = [record.written, record.kept].every((each) => Object.keys(each).length === 0);
  return isEmpty ? "" : printPlain(record);
}

export function contentsOf(record: OutRecord): string[] {
  return Object.values(record.kept).map(({ sha256 }) => sha256);
}

export function bytesKept(record: OutRecord): number {
  return Object.values(record.kept).reduce((total, { size }) => total + size, 0);
}

/** A file that has this content now. */
export function writtenNow(path: string, sha256: string, stamp: Stamp): Written {
  return { path, sha256, stamp, young: isYoung(stamp, Date.now()) };
}

// ---- the form of a record ----

type Form = Readonly<Record<string, (value: any) => boolean>>;

const isWhole = (value: unknown) => Number.isSafeInteger(value) && (value as number) >= 0;
const isDigits = (value: unknown) => typeof value === "string" && /^\d{1,30}$/.test(value);
const isSha256 = (value: unknown) => typeof value === "string" && /^[0-9a-f]{64}$/.test(value);
const isPath = (value: unknown) => typeof value === "string" && value !== "" && !value.includes("\0");

const STAMP: Form = { dev: isDigits, ino: isDigits, size: isWhole, mtime: isDigits, ctime: isDigits, mode: isWhole };
const WRITTEN: Form = {
  path: isPath,
  sha256: isSha256,
  stamp: (value) => hasForm(value, STAMP),
  young: (value) => typeof value === "boolean",
};
const KEPT: Form = { sha256: isSha256, size: isWhole, mode: isWhole };
const RECORD: Form = {
  written: (value) => isObject(value) && Object.values(value).every((files) => isListOf(files, WRITTEN)),
  kept: (value) => isObject(value) && Object.values(value).every((each) => hasForm(each, KEPT)),
};

/** Whether a text has the form that records have. */
export function isRecord(text: string): boolean {
  try {
    return text === "" || hasForm(JSON.parse(text), RECORD);
  } catch {
    return false;
  }
}

function hasForm(value: unknown, form: Form): boolean {
  return isObject(value) && Object.entries(form).every(([name, isRight]) => isRight(value[name]));
}

function isListOf(value: unknown, form: Form): boolean {
  return Array.isArray(value) && value.every((each) => hasForm(each, form));
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

import { NO_RECORD, type OutRecord, parseRecord, type Written } from "../call/out-files/out-files.js";
import { lessUmask } from "../files/permissions.js";
import { type DecodedEntry, decodeEntry, decodeHead, type EntryBytes, type EntryHead, isSealed } from "./entry.js";
import type { Seal } from "./seal.js";

/**
 * Which entries a cache believes. In a directory of the user's own: all that are whole. With a secret: those that are
 * signed. In a shared one without: those that do no harm, whoever wrote them.
 */
export interface Trust {
  /** Signs what is written. */
  readonly seal: Seal | undefined;
  /** Anybody may have written the entries: no structured clone is decoded, and none is written. */
  readonly isOpen: boolean;
}

/** Of a directory of the user's own. */
export const OWN: Trust = { seal: undefined, isOpen: false };

export function isTrusted(bytes: EntryBytes, entry: EntryHead, { seal, isOpen }: Trust): boolean {
  if (seal) return isSealed(bytes, seal);
  return !isOpen || (entry.format !== "clone" && isRecord(entry.record));
}

/** The entry in these bytes, where it is whole and to be believed. */
export function decodeTrusted(bytes: Buffer, trust: Trust): DecodedEntry | undefined {
  const entry = decodeEntry(bytes);
  return entry && isTrusted(bytes, entry, trust) ? entry : undefined;
}

/** No more of it than a listing tells. */
export function headTrusted(bytes: Buffer, trust: Trust): EntryHead | undefined {
  const head = decodeHead(bytes);
  return head && isTrusted(bytes, head, trust) ? head : undefined;
}

/** What an entry that is to be believed says of out files. */
export function recordIn({ record: text }: DecodedEntry, { isOpen }: Trust): OutRecord {
  if (text === "") return NO_RECORD;
  const record = parseRecord(text);
  return isOpen ? harmless(record) : record;
}

/**
 * A file is restored with no more rights than a new one has. And its content is looked at: whoever knows the size and the
 * times of somebody's private file, but not what is in it, shall not have it copied to where it can be read.
 */
function harmless({ written, kept }: OutRecord): OutRecord {
  const file = (each: Written) => ({ ...each, young: true, stamp: withoutRights(each.stamp) });
  return { written: mapped(written, (files) => files.map(file)), kept: mapped(kept, withoutRights) };
}

function withoutRights<T extends { readonly mode: number }>(of: T): T {
  return { ...of, mode: lessUmask(of.mode & 0o777) };
}

function mapped<T>(record: Readonly<Record<string, T>>, change: (each: T) => T): Record<string, T> {
  return Object.fromEntries(Object.entries(record).map(([name, each]) => [name, change(each)]));
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
function isRecord(text: string): boolean {
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

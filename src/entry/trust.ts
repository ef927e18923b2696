import { lessUmask } from "../files/permissions.js";
import { type DecodedEntry, decodeEntry, decodeHead, type EntryBytes, type EntryHead, isSealed } from "./entry.js";
import { isRecord, NO_RECORD, type OutRecord, parseRecord, type Written } from "./out-record.js";
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

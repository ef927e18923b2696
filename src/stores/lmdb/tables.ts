import type { Opened } from "./opened.js";
import {
  after,
  type Counts,
  entryKey,
  type FolderRecord,
  firstNumber,
  folderKey,
  type Info,
  keysOf,
  numbers,
  readCounts,
  readFolder,
  readInfo,
  stampKey,
  writeCounts,
  writeFolder,
  writeInfo,
} from "./records.js";

/** What is done to the tables inside of a transaction, so that they agree with each other. */

// ---- folders ----

const NEXT = Buffer.from("next");

export function folderIn(opened: Opened, key: Buffer): FolderRecord | undefined {
  const record = opened.folders.get(key);
  return record && readFolder(record);
}

export function makeFolderIn({ meta, folders }: Opened, key: Buffer): FolderRecord {
  const next = meta.get(NEXT);
  const made = { number: next ? next.readUIntBE(0, 6) : firstNumber(), removals: 0 };
  meta.put(NEXT, numbers(made.number + 1));
  folders.put(key, writeFolder(made));
  return made;
}

/** Names of the folders in a parent, such as `a/b`, or of all. */
export function namesIn({ folders }: Opened, parent?: string): string[] {
  if (parent === undefined) return folders.keys({}).map(String);
  const start = Buffer.from(`${parent}/=1`); // the folder of no version: the names of all others begin with it
  return folders.keys({ start, end: after(start) }).map(String);
}

// ---- removals ----

/** Removals of a folder that are remembered: what was begun before more of them is not stored. */
const REMOVALS = 1_000;

function removalKey(folder: number, removal: number): Buffer {
  return numbers(folder, removal);
}

export function noteRemoval(opened: Opened, key: Buffer, folder: FolderRecord, digest: string): void {
  const removals = folder.removals + 1;
  opened.folders.put(key, writeFolder({ ...folder, removals }));
  opened.removals.put(removalKey(folder.number, removals), Buffer.from(digest, "hex"));
  if (removals > REMOVALS) opened.removals.remove(removalKey(folder.number, removals - REMOVALS));
}

/** Whether an entry was removed since there were so many removals, or that cannot be told. */
export function wasRemoved(opened: Opened, folder: FolderRecord, since: number, digest: string): boolean {
  if (folder.removals === since) return false;
  if (folder.removals - since > REMOVALS) return true;
  const start = removalKey(folder.number, since + 1);
  const removed = Buffer.from(digest, "hex");
  return opened.removals.records({ start, end: keysOf(folder.number).end }).some(({ value }) => removed.equals(value));
}

// ---- entries ----

export function infoIn(opened: Opened, number: number, digest: string): Info | undefined {
  const record = opened.info.get(entryKey(number, digest));
  return record && readInfo(record);
}

export function putInfo(opened: Opened, number: number, digest: string, info: Info): void {
  const name = Buffer.from(digest, "hex");
  opened.info.put(entryKey(number, digest), writeInfo(info));
  opened.byAge.put(stampKey(number, info.created), name);
  opened.byUse.put(stampKey(number, info.used), name);
}

/** Adds an entry to a folder that has none of this name. */
export function addEntry(opened: Opened, number: number, digest: string, bytes: Buffer, info: Info): void {
  opened.entries.put(entryKey(number, digest), bytes);
  putInfo(opened, number, digest, info);
  count(opened, number, { entries: 1, bytes: info.bytes + info.kept });
}

/** @returns whether the entry was there */
export function removeEntry(opened: Opened, number: number, digest: string): boolean {
  const info = infoIn(opened, number, digest);
  if (!info) return false;
  const key = entryKey(number, digest);
  opened.entries.remove(key);
  opened.info.remove(key);
  opened.byAge.remove(stampKey(number, info.created));
  opened.byUse.remove(stampKey(number, info.used));
  count(opened, number, { entries: -1, bytes: -info.bytes - info.kept });
  return true;
}

function count({ counts }: Opened, number: number, more: Counts): void {
  const key = folderKey(number);
  const { entries, bytes } = readCounts(counts.get(key));
  counts.put(key, writeCounts({ entries: entries + more.entries, bytes: bytes + more.bytes }));
}

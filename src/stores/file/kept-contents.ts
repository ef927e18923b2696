import { linkSync, lstatSync, unlinkSync } from "node:fs";
import { basename, dirname } from "node:path";
import { StoreError } from "../../errors.js";
import { digestOf, stampOf } from "../../files/fingerprint.js";
import { asyncIo, codeOf, type Io } from "../../files/io.js";
import { copyInto } from "../../files/restore-file.js";
import { type Flow, run } from "../../flow.js";
import type { SeenFile } from "../engine.js";
import { namesIn } from "./directories.js";

/**
 * Contents of out files, kept with the entries of a folder:
 *
 *     <folder>/=kept/3f/<62 hex digits>                     the content, by its SHA-256
 *     <folder>/3f/<18 hex digits>.<16 hex digits>.kept      the same file (a hard link), for one entry that uses it: the
 *                                                           beginnings of both digests
 *
 * The number of links tells whether an entry still uses a content. Where a file system has no hard links, each entry has
 * a copy of its own.
 */
export const KEPT_FOLDER = "=kept";
const KEPT = ".kept";

/** The path of a content, for the entry in this file. */
export function keptFileOf(entryFile: string, sha256: string): string {
  return `${dirname(entryFile)}/${prefixOf(entryFile)}${sha256.slice(0, 16)}${KEPT}`;
}

/** The same for an entry's file under either of its names: both begin, or end, with the first 20 digits of its digest. */
function prefixOf(entryFile: string): string {
  const name = basename(entryFile);
  const readable = /_[0-9a-f]{2}([0-9a-f]{18})\.entry$/.exec(name);
  return `${readable ? readable[1] : name.slice(0, 18)}.`;
}

function contentFileOf(folder: string, sha256: string): string {
  return `${folder}/${KEPT_FOLDER}/${sha256.slice(0, 2)}/${sha256.slice(2)}`;
}

/**
 * @param newTemporary a path for a new file, where what killed processes left behind is swept
 * @param mode of the copy: that of the original stands in the record
 * @throws StoreError where the file has changed
 */
export function* keepContent(
  folder: string,
  entryFile: string,
  file: SeenFile,
  newTemporary: () => string,
  mode: number,
  io: Io,
): Flow<void> {
  const content = contentFileOf(folder, file.sha256);
  const own = keptFileOf(entryFile, file.sha256);
  // Looked at each time it is used again, so that a damaged one heals.
  if (!(yield* isWhole(content, file, io))) yield* copy(file, content, newTemporary(), mode, io);
  if (!link(content, own)) yield* copy(file, own, newTemporary(), mode, io);
}

function* isWhole(content: string, { sha256, stamp }: SeenFile, io: Io): Flow<boolean> {
  const found = yield* stampOf(content, io);
  return typeof found === "object" && found.size === stamp.size && (yield* digestOf(content, io)) === sha256;
}

function* copy({ path, stamp }: SeenFile, target: string, temporary: string, mode: number, io: Io): Flow<void> {
  if ((yield* copyInto(path, stamp, target, temporary, mode, io)) === false) {
    throw new StoreError(`${path} changed while its content was kept`);
  }
}

/**
 * False where the file system has no hard links, or another process has just dropped the content. Another process may have
 * linked the same content just now: that is as good.
 */
function link(content: string, own: string): boolean {
  try {
    remove(own); // of a damaged content, perhaps
    linkSync(content, own);
    return true;
  } catch (error) {
    if (codeOf(error) === "EEXIST") return true;
    if (["ENOENT", "EPERM", "ENOTSUP", "ENOSYS", "EXDEV", "EMLINK"].includes(codeOf(error))) return false;
    throw error;
  }
}

/** Whether a file in a shard is named as a content that is kept for an entry. */
export function isKeptFile(name: string): boolean {
  return /^[0-9a-f]{18}\.[0-9a-f]{16}\.kept$/.test(name);
}

/** Whether a file in the folder of contents is named as one. */
export function isKeptContent(name: string): boolean {
  return /^[0-9a-f]{62}$/.test(name);
}

/** The beginning of the SHA-256 that a content has by its name; the whole of it, but for a copy that an entry has of its own. */
function digitsOf(file: string): string {
  const name = basename(file);
  return isKeptContent(name) ? basename(dirname(file)) + name : name.slice(-16 - KEPT.length, -KEPT.length);
}

/** Whether a content, under either name, is what it was when it was kept; `undefined` where it is gone. */
export async function isWholeContent(file: string): Promise<boolean | undefined> {
  try {
    return (await run(digestOf(file, asyncIo))).startsWith(digitsOf(file));
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    if (codeOf(error) === "EIO") return false;
    throw error;
  }
}

/** Removes a content for all entries. @param shards where these have their names for it */
export function removeContent(file: string, shards: readonly string[]): void {
  const stats = lstatSync(file, { throwIfNoEntry: false });
  remove(file);
  if (!stats || stats.nlink === 1) return;
  const end = `.${digitsOf(file).slice(0, 16)}${KEPT}`;
  for (const shard of shards) {
    for (const name of namesIn(shard)) {
      const own = `${shard}/${name}`;
      if (name.endsWith(end) && lstatSync(own, { throwIfNoEntry: false })?.ino === stats.ino) remove(own);
    }
  }
}

/** Drops what is kept for an entry, and contents that no entry uses any more. Other entries' links are their own. */
export function dropContents(folder: string, entryFile: string, except: readonly string[]): void {
  const shard = dirname(entryFile);
  const prefix = prefixOf(entryFile);
  const wanted = new Set(except.map((sha256) => keptFileOf(entryFile, sha256)));
  for (const name of namesIn(shard)) {
    const own = `${shard}/${name}`;
    if (!name.startsWith(prefix) || !name.endsWith(KEPT) || wanted.has(own)) continue;
    const stats = lstatSync(own, { throwIfNoEntry: false });
    if (!stats) continue; // somebody was quicker
    remove(own);
    dropUnused(folder, name.slice(prefix.length, -KEPT.length), stats.ino);
  }
}

function dropUnused(folder: string, digits: string, ino: number): void {
  const shard = `${folder}/${KEPT_FOLDER}/${digits.slice(0, 2)}`;
  if (!lstatSync(shard, { throwIfNoEntry: false })?.isDirectory()) return; // what a link leads to is not ours
  for (const name of namesIn(shard)) {
    if (!name.startsWith(digits.slice(2))) continue;
    const stats = lstatSync(`${shard}/${name}`, { throwIfNoEntry: false });
    if (stats?.ino === ino && stats.nlink === 1) remove(`${shard}/${name}`);
  }
}

function remove(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw error;
  }
}

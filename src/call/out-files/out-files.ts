import { realpathSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { BindingError, OutFileMissingError } from "../../errors.js";
import { digestOf, isSameStamp, isYoung, millisecondsOf, type Stamp, stampOf } from "../../files/fingerprint.js";
import { type Io, ioFor, syncIo } from "../../files/io.js";
import { pause } from "../../files/pause.js";
import { restoreFile } from "../../files/restore-file.js";
import { type Flow, run, wait } from "../../flow.js";

/**
 * Out files: paths that a function is given to write to. They are not in the key. An entry remembers where its files
 * are, and a call is served while, for every out file it asks for, one of them still holds: that one is copied to the
 * asked path, if it is not there yet.
 */

/** A parameter that names an out file. */
export interface OutParameter {
  readonly name: string;
  /** Among the bound values. */
  readonly index: number;
}

/** An out file that a call asks for. */
export interface Asked {
  readonly name: string;
  /** Absolute, without links on the way. */
  readonly path: string;
}

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

/**
 * The out files of a call; one that is omitted is not asked for.
 * @param shown the function, for messages
 * @throws BindingError where one is no path, is a directory, or is given twice
 */
export function askedFor(shown: string, parameters: readonly OutParameter[], values: readonly unknown[]): Asked[] {
  const asked: Asked[] = [];
  for (const { name, index } of parameters) {
    const value = values[index];
    if (value === undefined) continue;
    const path = pathOf(shown, name, value);
    const same = asked.find((each) => each.path === path);
    if (same) {
      throw new BindingError(
        `${shown}: the out files "${same.name}" and "${name}" are the same file, ${path}. Give each a path of its own.`,
      );
    }
    if (isDirectory(path)) {
      throw new BindingError(
        `${shown}: the out file "${name}" is a directory, ${path}. Give the path of a file in it.`,
      );
    }
    asked.push({ name, path });
  }
  return asked;
}

/** What is out of reach is none: whoever writes there will be told. */
function isDirectory(path: string): boolean {
  try {
    return run(stampOf(path, syncIo)) === "directory";
  } catch {
    return false;
  }
}

function pathOf(shown: string, name: string, value: unknown): string {
  const isFileUrl = value instanceof URL && value.protocol === "file:";
  if (!isFileUrl && (typeof value !== "string" || value === "" || value.includes("\0"))) {
    throw new BindingError(
      `${shown}: the out file "${name}" must be a path or a file URL, not ${typeof value === "string" ? JSON.stringify(value) : typeof value}.`,
    );
  }
  return withoutLinks(resolve(isFileUrl ? fileURLToPath(value) : (value as string)));
}

/** The one spelling of a path: what exists of it by its real path, the rest as it is. */
function withoutLinks(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    const folder = dirname(path);
    return folder === path ? path : join(withoutLinks(folder), basename(path));
  }
}

// ---- serving ----

/** A file with the content that is asked for. */
interface Source {
  readonly path: string;
  readonly sha256: string;
  readonly mode: number;
  /** As it was when its content was known. */
  readonly stamp: Stamp;
  /** Where the record has the file, but not as it is. */
  readonly isNews: boolean;
}

export interface Served {
  /** From where: by name, the path itself where it still held. */
  readonly from: Readonly<Record<string, string>>;
  /** The record with what was learnt; `undefined` where that is nothing. */
  readonly record: OutRecord | undefined;
}

/** By name, a file that still holds; `undefined` where one has none: the call is a miss. Changes nothing. */
export function* sourcesOf(
  record: OutRecord,
  asked: readonly Asked[],
  keptFile: KeptFile,
  async: boolean,
): Flow<Source[] | undefined> {
  const io = ioFor(async);
  const sources: Source[] = [];
  for (const { name, path } of asked) {
    const source = yield* sourceOf(record, name, path, keptFile, io);
    if (!source) return undefined;
    sources.push(source);
  }
  return sources;
}

/** The path of the copy of a content in the cache. */
export type KeptFile = (sha256: string) => string | Promise<string>;

function* sourceOf(
  record: OutRecord,
  name: string,
  target: string,
  keptFile: KeptFile,
  io: Io,
): Flow<Source | undefined> {
  const written = record.written[name] ?? [];
  const isTarget = ({ path }: Written) => path === target;
  // The target itself first: then there is nothing to copy.
  for (const file of [...written.filter(isTarget), ...written.filter((each) => !isTarget(each))]) {
    const stamp = yield* heldBy(file, io);
    if (stamp)
      return {
        path: file.path,
        sha256: file.sha256,
        mode: file.stamp.mode,
        stamp,
        isNews: file.young || !isSameStamp(stamp, file.stamp),
      };
  }
  const kept = record.kept[name];
  if (!kept) return undefined;
  const path = yield* wait(keptFile(kept.sha256));
  const stamp = yield* stampWithContent(path, kept.sha256, kept.size, io);
  return stamp && { path, sha256: kept.sha256, mode: kept.mode, stamp, isNews: false };
}

/** The stamp of a file that still has the content it was written with. */
function* heldBy({ path, sha256, stamp, young }: Written, io: Io): Flow<Stamp | undefined> {
  const now = yield* stampQuietly(path, io);
  if (now && !young && isSameStamp(now, stamp)) return now;
  return yield* stampWithContent(path, sha256, stamp.size, io);
}

function* stampWithContent(path: string, sha256: string, size: number, io: Io): Flow<Stamp | undefined> {
  const before = yield* stampQuietly(path, io);
  if (before?.size !== size) return undefined;
  try {
    if ((yield* digestOf(path, io)) !== sha256) return undefined;
  } catch {
    return undefined; // out of reach
  }
  const after = yield* stampQuietly(path, io);
  return after && isSameStamp(before, after) ? after : undefined; // else it is being written
}

function* stampQuietly(path: string, io: Io): Flow<Stamp | undefined> {
  try {
    const stamp = yield* stampOf(path, io);
    return typeof stamp === "object" ? stamp : undefined;
  } catch {
    return undefined; // out of reach
  }
}

/**
 * Puts every out file that is asked for in its place.
 * @returns `undefined` where one cannot be: the call is a miss
 * @throws the system's error where a target cannot be written
 */
export function* serve(
  record: OutRecord,
  asked: readonly Asked[],
  keptFile: KeptFile,
  async: boolean,
): Flow<Served | undefined> {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const sources = yield* sourcesOf(record, asked, keptFile, async);
    if (!sources) return undefined;
    const served = yield* restore(record, asked, sources, ioFor(async));
    if (served) return served;
  }
  return undefined;
}

/** How often a source may change while it is copied, before the call counts as a miss. */
const ATTEMPTS = 5;

/** `undefined` where a source changed meanwhile: another one may hold. */
function* restore(
  record: OutRecord,
  asked: readonly Asked[],
  sources: readonly Source[],
  io: Io,
): Flow<Served | undefined> {
  const from: Record<string, string> = {};
  let news: OutRecord | undefined;
  for (const [i, { name, path }] of asked.entries()) {
    const source = sources[i]!;
    from[name] = source.path;
    if (source.path === path && !source.isNews) continue;
    const stamp =
      source.path === path ? source.stamp : yield* restoreFile(source.path, source.stamp, path, source.mode, io);
    if (stamp === false) return undefined;
    if (stamp) news = remember(news ?? record, name, writtenNow(path, source.sha256, stamp));
  }
  return { from, record: news };
}

function writtenNow(path: string, sha256: string, stamp: Stamp): Written {
  return { path, sha256, stamp, young: isYoung(stamp, Date.now()) };
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
  return isEmpty ? "" : JSON.stringify(record);
}

// ---- recording ----

type Stamps = readonly (Stamp | undefined)[];

function stampsOf(asked: readonly Asked[]): Stamps {
  return asked.map(({ path }) => run(stampQuietly(path, syncIo)) as Stamp | undefined);
}

/**
 * Looks at the targets before the function runs; sync, for that is to start in the same tick. A target that was changed
 * just now would look the same after a further change in the same tick of the file clock: the next tick is waited for.
 */
export function stampsBefore(asked: readonly Asked[]): Stamps {
  const stamps = stampsOf(asked);
  const now = Date.now();
  const isFresh = stamps.some((stamp) => stamp && now - millisecondsOf(stamp.ctime) < KERNEL_TICK);
  if (isFresh) pause(KERNEL_TICK);
  return stamps;
}

/** Milliseconds: kernels tick every 1 to 10. */
const KERNEL_TICK = 20;

/** @throws OutFileMissingError where a target is not there, or is as it was before the function ran */
export function assertWritten(subject: string, asked: readonly Asked[], before: Stamps): void {
  if (asked.length === 0) return;
  const after = stampsOf(asked);
  for (const [i, { name, path }] of asked.entries()) {
    const was = before[i];
    const is = after[i];
    if (is && !(was && isSameStamp(was, is))) continue;
    throw new OutFileMissingError(
      `${subject}: the function returned without writing its out file "${name}" (${path}). It must write a file to the path it is given; nothing was stored.`,
    );
  }
}

/**
 * What the function has written. Of an earlier record remain the files of the same content, and those of out files that
 * were not asked for.
 * @returns `undefined` where somebody else writes to one at the same time
 */
export function* recordOf(asked: readonly Asked[], earlier: OutRecord, async: boolean): Flow<OutRecord | undefined> {
  const io = ioFor(async);
  let record = earlier;
  for (const { name, path } of asked) {
    const before = yield* stampQuietly(path, io);
    const sha256 = before && (yield* digestOf(path, io));
    const after = yield* stampQuietly(path, io);
    if (!sha256 || !after || !isSameStamp(before, after)) return undefined;
    const { [name]: files = [], ...written } = record.written;
    const { [name]: keptFile, ...kept } = record.kept;
    const isSame = (content: { readonly sha256: string }) => content.sha256 === sha256;
    record = {
      written: { ...written, [name]: files.filter(isSame) },
      kept: keptFile && isSame(keptFile) ? record.kept : kept,
    };
    record = remember(record, name, writtenNow(path, sha256, after));
  }
  return record;
}

// ---- keeping ----

/**
 * Keeps a copy of what was just written.
 * @param store puts the content of a file into the cache
 */
export function* keep(
  record: OutRecord,
  asked: readonly Asked[],
  store: (file: Written) => Flow<void>,
): Flow<OutRecord> {
  const kept = { ...record.kept };
  for (const { name } of asked) {
    const file = record.written[name]![0]!;
    yield* store(file);
    kept[name] = { sha256: file.sha256, size: file.stamp.size, mode: file.stamp.mode };
  }
  return { ...record, kept };
}

export function contentsOf(record: OutRecord): string[] {
  return Object.values(record.kept).map(({ sha256 }) => sha256);
}

export function bytesKept(record: OutRecord): number {
  return Object.values(record.kept).reduce((total, { size }) => total + size, 0);
}

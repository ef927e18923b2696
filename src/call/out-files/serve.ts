import { type OutRecord, remember, type Written, writtenNow } from "../../entry/out-record.js";
import { digestOf, isSameStamp, type Stamp, stampQuietly } from "../../files/fingerprint.js";
import { type Io, ioFor } from "../../files/io.js";
import { restoreFile } from "../../files/restore-file.js";
import { type Flow, wait } from "../../flow.js";
import type { Asked } from "./asked.js";

/** Serves out files from a record: finds files that still hold, and puts copies of them where they are asked for. */

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

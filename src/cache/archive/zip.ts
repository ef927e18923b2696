import { createWriteStream } from "node:fs";
import { stat } from "node:fs/promises";
import { dirname } from "node:path";
import { Readable } from "node:stream";
import { finished, pipeline } from "node:stream/promises";
import { crc32 } from "node:zlib";
import type { Entry, ZipFile } from "yauzl";
import { StoreError } from "../../errors.js";
import { asyncIo } from "../../files/io.js";
import { discard, renameInto } from "../../files/publish.js";
import { temporaryBeside } from "../../files/restore-file.js";
import { run } from "../../flow.js";

/**
 * Zip files: written as a stream, member by member; read by a party that trusts nothing in them.
 */

// ---- writing ----

export interface NewMember {
  readonly name: string;
  readonly chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>;
}

/** The parts of this time are written as they are, so it is local: the same bytes in every time zone. */
const MEMBER_OPTIONS = { mtime: new Date(1980, 0, 1), forceDosTimestamp: true, mode: 0o100644 };

/**
 * Writes a zip file: all of it or none, also where one is replaced. The same members make the same bytes.
 * @throws what the members throw, and the system's error; nothing is left beside the target
 */
export async function writeZip(target: string, members: AsyncIterable<NewMember>): Promise<void> {
  const temporary = temporaryBeside(target);
  let isDone = false;
  try {
    await writeMembers(temporary, members);
    isDone = (await run(renameInto(temporary, target, asyncIo))) as boolean;
    if (!isDone) throw new Error(`${dirname(target)} was removed meanwhile`);
  } finally {
    if (!isDone) await run(discard(temporary, asyncIo));
  }
}

async function writeMembers(file: string, members: AsyncIterable<NewMember>): Promise<void> {
  const { ZipFile } = await import("yazl");
  const zip = new ZipFile();
  const output = createWriteStream(file, { flags: "wx", mode: 0o666, signal: undefined } as object);
  const closed = new Promise<void>((resolve) => output.once("close", resolve));
  let member: Readable | undefined;
  let failure: { error: Error } | undefined;
  const written = pipeline(zip.outputStream, output);
  written.catch((error: Error) => {
    failure = { error };
    member?.destroy(error);
  });
  try {
    // One by one: what waits in the zip file stands in memory.
    for await (const { name, chunks } of members) {
      const stream = Readable.from(chunks, { objectMode: false });
      member = stream;
      if (failure) throw failure.error;
      zip.addReadStreamLazy(name, MEMBER_OPTIONS, (give) => give(null, stream));
      await finished(stream);
    }
    zip.end();
    await written;
  } finally {
    output.destroy();
    await closed;
  }
}

// ---- reading ----

/** A member of a zip file that may be hostile. */
export interface Member {
  readonly name: string;
  /** Bytes, as the file says: reading fails where it is wrong. */
  readonly size: number;
  /** Bytes that it takes in the file. */
  readonly packed: number;
  /** Its content. @throws StoreError where that is damaged */
  read(): AsyncGenerator<Buffer, void>;
}

export interface OpenZip {
  readonly members: ReadonlyMap<string, Member>;
  /** What is wrong with the members, by their names and sizes. */
  readonly problem: StoreError | undefined;
  close(): void;
}

/** What is wrong with an archive. */
export function refused(file: string, member: string | undefined, problem: string, cause?: unknown): StoreError {
  const what = member === undefined ? "it" : `its member ${JSON.stringify(member)}`;
  return new StoreError(
    `The archive ${file} is refused: ${what} ${problem}. Export it anew from the cache that it comes from.`,
    cause === undefined ? undefined : { cause },
  );
}

/**
 * @param names what members may be called
 * @throws StoreError where there is no such file, or none that can be read
 */
export async function openZip(file: string, names: RegExp): Promise<OpenZip> {
  const { openPromise } = await import("yauzl");
  let zip: ZipFile | undefined;
  try {
    if (!(await stat(file)).isFile()) throw new Error("it is not a file"); // a FIFO would never open
    // Names stay bytes: there is one way to read those that are allowed.
    zip = await openPromise(file, { autoClose: false, decodeStrings: false });
    const members = new Map<string, Member>();
    const places: Place[] = [];
    let problem: StoreError | undefined;
    for await (const entry of zip.eachEntry()) {
      const name = (entry.fileName as unknown as Buffer).toString();
      const wrong = problemOf(entry, name, names) ?? (members.has(name) ? "is there twice" : undefined);
      if (wrong) problem ??= refused(file, name, wrong);
      else members.set(name, memberOf(file, zip, entry, name));
      if (!wrong) places.push({ name, start: entry.relativeOffsetOfLocalHeader, packed: entry.compressedSize });
    }
    const size = zip.fileSize;
    problem ??= overlapIn(file, places, size) ?? expansionOf(file, [...members.values()], size);
    return { members, problem, close: () => zip!.close() };
  } catch (error) {
    zip?.close();
    if (error instanceof StoreError) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") throw new StoreError(`There is no archive ${file}.`, { cause: error });
    throw refused(file, undefined, `cannot be read (${message.replace(/\.$/, "")})`, error);
  }
}

const TYPE = 0o170000;
const REGULAR = 0o100000;
const DOS_DIRECTORY = 0x10;

function problemOf(entry: Entry, name: string, names: RegExp): string | undefined {
  if (!names.test(name)) return "has a name that none of its members has";
  const type = (entry.externalFileAttributes >>> 16) & TYPE;
  if ((type !== 0 && type !== REGULAR) || entry.externalFileAttributes & DOS_DIRECTORY) {
    return "is a link, a directory or a device";
  }
  if (entry.isEncrypted()) return "is encrypted";
  if (!entry.canDecodeFileData()) return `is compressed by an unknown method (${entry.compressionMethod})`;
  return undefined;
}

interface Place {
  readonly name: string;
  readonly start: number;
  readonly packed: number;
}

/** Before the content: the header, and the name once more. */
const LOCAL_HEADER = 30;

/** Members that share bytes of the file: a small file could then unpack to any size. */
function overlapIn(file: string, places: readonly Place[], size: number): StoreError | undefined {
  let free = 0;
  for (const { name, start, packed } of [...places].sort((a, b) => a.start - b.start)) {
    if (start < free) return refused(file, name, "overlaps another");
    free = start + LOCAL_HEADER + name.length + packed;
    if (free > size) return refused(file, name, "reaches beyond the end of the file");
  }
  return undefined;
}

/** Bytes that any archive may unpack to, and how many times its size. */
const MOST = 1024 ** 3;
const MOST_TIMES = 100;

function expansionOf(file: string, members: readonly Member[], size: number): StoreError | undefined {
  const total = members.reduce((sum, member) => sum + member.size, 0);
  if (total <= Math.max(MOST, MOST_TIMES * size)) return undefined;
  const largest = members.reduce((most, member) => (member.size > most.size ? member : most));
  return refused(file, largest.name, `is the largest of those that would make ${total} bytes of the file's ${size}`);
}

function memberOf(file: string, zip: ZipFile, entry: Entry, name: string): Member {
  return {
    name,
    size: entry.uncompressedSize,
    packed: entry.compressedSize,
    async *read() {
      let checksum = 0;
      const open = async () => zip.openReadStreamPromise(entry);
      const stream = await telling(file, name, open());
      const chunks = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
      try {
        for (let next = await telling(file, name, chunks.next()); !next.done; ) {
          checksum = crc32(next.value, checksum);
          yield next.value;
          next = await telling(file, name, chunks.next());
        }
      } finally {
        stream.destroy();
      }
      if (checksum !== entry.crc32) throw refused(file, name, "does not have the content of its checksum");
    },
  };
}

async function telling<T>(file: string, member: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw refused(file, member, `cannot be read (${(error as Error).message.replace(/\.$/, "")})`, error);
  }
}

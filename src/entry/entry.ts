import { crc32 } from "node:zlib";
import { execute, sliceOf, weakGet, weakSet } from "../key/originals.js";
import { COMPRESSIONS, FORMATS, type Payload } from "./codecs.js";
import { type Seal, SIGNATURE_LENGTH } from "./seal.js";

/**
 * The bytes of an entry. Numbers are little-endian.
 *
 *     entry       = magic checksum fixed texts lengths payload [signature]
 *     magic       = "pmcache" 0x01                     8 bytes; the last is the version of this grammar, which also
 *                                                      stands in the path of the entry (`=1`): another is a clean miss
 *     checksum    = uint32                             CRC-32 of all that follows
 *     fixed       = flags format compression zero      4 bytes; flags: 1 = the function gave a promise,
 *                                                      2 = there is a signature, 4 = and was a plain function, not an
 *                                                      async one (never set without 1; older readers ignore it)
 *                   createdAt duration                 float64 each; ms since 1970 and ms of computation
 *                   source                             32 bytes: SHA-256 of the function's source, zero where unknown
 *                   identityLength keyLength           uint32 each; bytes
 *                   codecNameLength lengthsCount       uint32 each
 *                   payloadLength                      float64; bytes
 *                   recordLength                       uint32; bytes
 *     texts       = identity key codecName record      UTF-8: path, version and source digest of the function; the
 *                                                      canonical JSON key; the name of a codec of the user's own; what
 *                                                      is known of out files, as JSON, see out-record.ts
 *     lengths     = float64 * lengthsCount             see Payload
 *     payload     = see codecs.ts
 *     signature   = 32 bytes                           HMAC-SHA-256, see seal.ts, of fixed texts lengths payload. Every
 *                                                      field has a fixed length, or one that stands in `fixed` and is
 *                                                      signed with it: no two entries are the same bytes to the HMAC
 *
 * An older reader takes an entry with a signature for one of the wrong length: a miss.
 * The checksum is over everything, and identity and key are compared in full: damage, truncation, an entry that was
 * copied to another's place and two keys under one file name are all ordinary misses.
 */
const MAGIC = Buffer.from("pmcache\x01", "latin1");
const MAGIC_LOW = MAGIC.readUInt32LE(0);
const MAGIC_HIGH = MAGIC.readUInt32LE(4);

const CHECKSUM = 8;
const FLAGS = 12;
const FORMAT = 13;
const COMPRESSION = 14;
const CREATED_AT = 16;
const DURATION = 24;
const SOURCE = 32;
const IDENTITY_LENGTH = 64;
const KEY_LENGTH = 68;
const CODEC_NAME_LENGTH = 72;
const LENGTHS_COUNT = 76;
const PAYLOAD_LENGTH = 80;
const RECORD_LENGTH = 88;
const TEXTS = 92;

const ASYNC = 1;
const SIGNED = 2;
const PLAIN = 4;

export interface EntryHeader extends Omit<Payload, "parts"> {
  /** Path, version and source digest of the function, see `identityText`. */
  readonly identity: string;
  /** Canonical JSON. */
  readonly key: string;
  readonly async: boolean;
  /** It gave a promise, though it is a plain function that does not say so. */
  readonly isPlainPromise?: boolean;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  /** Milliseconds that the computation took. */
  readonly duration: number;
  /** SHA-256 of the function's source in hex, `""` where it is out of reach. */
  readonly source: string;
  /** What is known of out files, see `OutRecord`; `""` where that is nothing. */
  readonly record: string;
}

/**
 * The parts of an entry, ready to be written one after the other.
 * @param seal signs it; without one it bears no signature
 */
export function encodeEntry(header: Omit<EntryHeader, keyof Payload>, payload: Payload, seal?: Seal): Uint8Array[] {
  const identity = Buffer.from(header.identity);
  const key = Buffer.from(header.key);
  const codecName = Buffer.from(payload.codecName);
  const record = Buffer.from(header.record);
  const texts = [identity, key, codecName, record];
  const head = Buffer.alloc(TEXTS + bytesIn(texts) + 8 * payload.lengths.length);
  MAGIC.copy(head);
  head[FLAGS] = (header.async ? ASYNC : 0) | (seal ? SIGNED : 0) | (header.isPlainPromise ? PLAIN : 0);
  head[FORMAT] = placeIn(FORMATS, payload.format);
  head[COMPRESSION] = placeIn(COMPRESSIONS, payload.compression);
  head.writeDoubleLE(header.createdAt, CREATED_AT);
  head.writeDoubleLE(header.duration, DURATION);
  head.write(header.source, SOURCE, "hex");
  head.writeUInt32LE(identity.length, IDENTITY_LENGTH);
  head.writeUInt32LE(key.length, KEY_LENGTH);
  head.writeUInt32LE(codecName.length, CODEC_NAME_LENGTH);
  head.writeUInt32LE(payload.lengths.length, LENGTHS_COUNT);
  head.writeDoubleLE(bytesIn(payload.parts), PAYLOAD_LENGTH);
  head.writeUInt32LE(record.length, RECORD_LENGTH);
  let at = TEXTS;
  for (let i = 0; i < texts.length; i++) at += texts[i]!.copy(head, at);
  for (let i = 0; i < payload.lengths.length; i++) at = head.writeDoubleLE(payload.lengths[i]!, at);
  const parts: Uint8Array[] = [head];
  for (let i = 0; i < payload.parts.length; i++) parts[i + 1] = payload.parts[i]!;
  if (seal) parts[parts.length] = seal.sign(withoutChecksum(parts));
  head.writeUInt32LE(checksumFrom(parts), CHECKSUM);
  return parts;
}

export interface DecodedEntry extends EntryHeader {
  /** Bytes of the whole entry. */
  readonly bytes: number;
  /** A view on the bytes that were decoded, without `blobs`. */
  readonly payload: Uint8Array;
  /** Of an entry in pieces: each in an ArrayBuffer of its own. */
  readonly blobs?: readonly Buffer[];
}

/** An entry; whole, or in the pieces of `piecesOf`. */
export type EntryBytes = Buffer | readonly Buffer[];

/** Bytes. Blobs that are smaller on average are copied in less time than it takes to read each of them; so are many. */
const LARGE_BLOB = 64 * 1024;
const MOST_BLOBS = 100;

/**
 * How an entry is to be read, so that its large blobs need not be copied to become those of a value, which costs as much
 * again as reading them: up to the first blob, each blob apart, the signature.
 * @param start the first bytes of the entry, of which nothing is verified yet
 * @param size of the entry in bytes
 * @returns the lengths of the pieces; a single one where it is to be read whole
 */
export function piecesOf(start: Buffer, size: number): readonly number[] {
  if (!hasMagic(start) || FORMATS[start[FORMAT]!] !== "clone" || COMPRESSIONS[start[COMPRESSION]!] !== false) {
    return [size];
  }
  const { recordEnd, count, payloadStart } = placesIn(start, size);
  if (payloadStart > start.length) return [size];
  const lengths = lengthsIn(start, recordEnd, count);
  const blobs = lengths.length - 1;
  if (blobs < 1 || blobs > MOST_BLOBS) return [size];
  let end = payloadStart;
  for (let i = 0; i < lengths.length; i++) {
    if (!Number.isSafeInteger(lengths[i]) || lengths[i]! < 0) return [size];
    end += lengths[i]!;
  }
  const areLarge = end - payloadStart - lengths[0]! >= LARGE_BLOB * blobs;
  if (!areLarge || end > size) return [size];
  lengths[0]! += payloadStart;
  if (end < size) lengths[lengths.length] = size - end;
  return lengths;
}

/** What is known of bytes that stay as they are, once it was asked. */
const held = new WeakMap<Buffer, DecodedEntry | null>();

/** For bytes that stay as they are: what they hold is made out once. */
export function holdEntry(entry: Buffer): void {
  weakSet(held, entry, null);
}

/**
 * The entry in these bytes, or `undefined` where they are not, exactly, one whole undamaged entry.
 */
export function decodeEntry(entry: EntryBytes): DecodedEntry | undefined {
  if (!Buffer.isBuffer(entry)) return decodePieces(entry);
  const known = weakGet(held, entry);
  if (known) return known;
  const decoded = decode(entry, [entry], entry.length);
  if (known === null) weakSet(held, entry, decoded ?? null);
  return decoded;
}

function decodePieces(pieces: readonly Buffer[]): DecodedEntry | undefined {
  const head = pieces[0]!;
  const size = bytesIn(pieces);
  const lengths = piecesOf(head, size);
  if (lengths.length !== pieces.length) return undefined;
  for (let i = 0; i < lengths.length; i++) if (lengths[i] !== pieces[i]!.length) return undefined;
  const decoded = decode(head, pieces, size);
  if (!decoded) return undefined;
  const blobs: Buffer[] = [];
  for (let i = 1; i < decoded.lengths.length; i++) blobs[i - 1] = pieces[i]!;
  return { ...decoded, blobs };
}

/**
 * @param entry the first of the pieces, which does not end before the payload begins
 * @param length of it all, in bytes
 */
function decode(entry: Buffer, pieces: readonly Buffer[], length: number): DecodedEntry | undefined {
  const places = verifiedPlaces(entry, pieces, length);
  if (!places) return undefined;
  const { identityEnd, keyEnd, codecNameEnd, recordEnd, count, payloadStart, payloadEnd } = places;
  const textOf = textsIn(entry, recordEnd);
  const decoded: DecodedEntry = {
    identity: textOf(TEXTS, identityEnd),
    key: textOf(identityEnd, keyEnd),
    codecName: textOf(keyEnd, codecNameEnd),
    record: textOf(codecNameEnd, recordEnd),
    async: (entry[FLAGS]! & ASYNC) !== 0,
    createdAt: entry.readDoubleLE(CREATED_AT),
    duration: entry.readDoubleLE(DURATION),
    source: sourceOf(entry),
    format: FORMATS[entry[FORMAT]!]!,
    compression: COMPRESSIONS[entry[COMPRESSION]!]!,
    lengths: lengthsIn(entry, recordEnd, count),
    bytes: length,
    payload: entry.subarray(payloadStart, payloadEnd),
  };
  return (entry[FLAGS]! & PLAIN) === 0 ? decoded : { ...decoded, isPlainPromise: true };
}

/** What a listing tells of an entry, and what decides whether it is to be believed. */
export type EntryHead = Pick<
  DecodedEntry,
  "identity" | "key" | "record" | "createdAt" | "duration" | "format" | "bytes"
>;

/** As `decodeEntry`, for those who need no more: half the time, where millions are listed. */
export function decodeHead(entry: Buffer): EntryHead | undefined {
  const places = verifiedPlaces(entry, [entry], entry.length);
  if (!places) return undefined;
  const { identityEnd, keyEnd, codecNameEnd, recordEnd } = places;
  const textOf = textsIn(entry, recordEnd);
  return {
    identity: textOf(TEXTS, identityEnd),
    key: textOf(identityEnd, keyEnd),
    record: textOf(codecNameEnd, recordEnd),
    createdAt: entry.readDoubleLE(CREATED_AT),
    duration: entry.readDoubleLE(DURATION),
    format: FORMATS[entry[FORMAT]!]!,
    bytes: entry.length,
  };
}

/** All texts at once, or one after the other: to decode one text instead of four saves 0.2 us of a hit. */
function textsIn(entry: Buffer, end: number): (from: number, to: number) => string {
  if (end - TEXTS > LONG_TEXTS) return (from, to) => entry.toString("utf8", from, to); // nothing long twice
  const texts = entry.toString("utf8", TEXTS, end);
  if (texts.length !== end - TEXTS) return (from, to) => entry.toString("utf8", from, to);
  return (from, to) => sliceOf(texts, from - TEXTS, to - TEXTS); // a character is a byte
}

/** Bytes. */
const LONG_TEXTS = 64 * 1024;

function hasMagic(entry: Buffer): boolean {
  return entry.length >= TEXTS && entry.readUInt32LE(0) === MAGIC_LOW && entry.readUInt32LE(4) === MAGIC_HIGH;
}

/** Where the parts of an entry end. `undefined` where this is not, exactly, one whole undamaged entry. */
function verifiedPlaces(entry: Buffer, pieces: readonly Buffer[], length: number) {
  if (!hasMagic(entry)) return undefined;
  const places = placesIn(entry, length);
  const { payloadStart, payloadEnd } = places;
  if (payloadStart > payloadEnd || payloadEnd !== payloadStart + entry.readDoubleLE(PAYLOAD_LENGTH)) return undefined;
  if (payloadStart > entry.length || checksumFrom(pieces) !== entry.readUInt32LE(CHECKSUM)) return undefined;
  if (entry[FORMAT]! >= FORMATS.length || entry[COMPRESSION]! >= COMPRESSIONS.length) return undefined;
  return places;
}

function placesIn(entry: Buffer, length: number) {
  const identityEnd = TEXTS + entry.readUInt32LE(IDENTITY_LENGTH);
  const keyEnd = identityEnd + entry.readUInt32LE(KEY_LENGTH);
  const codecNameEnd = keyEnd + entry.readUInt32LE(CODEC_NAME_LENGTH);
  const recordEnd = codecNameEnd + entry.readUInt32LE(RECORD_LENGTH);
  const count = entry.readUInt32LE(LENGTHS_COUNT);
  const payloadStart = recordEnd + 8 * count;
  const payloadEnd = (entry[FLAGS]! & SIGNED) === 0 ? length : length - SIGNATURE_LENGTH;
  return { identityEnd, keyEnd, codecNameEnd, recordEnd, count, payloadStart, payloadEnd };
}

function lengthsIn(entry: Buffer, from: number, count: number): number[] {
  const lengths: number[] = [];
  for (let i = 0; i < count; i++) lengths[i] = entry.readDoubleLE(from + 8 * i);
  return lengths;
}

function checksumFrom(parts: readonly Uint8Array[]): number {
  let checksum = crc32(parts[0]!.subarray(FLAGS));
  // An empty one would give 0.
  for (let i = 1; i < parts.length; i++) if (parts[i]!.length > 0) checksum = crc32(parts[i]!, checksum);
  return checksum;
}

/** What is signed: the first piece begins with what is not. */
function withoutChecksum(parts: readonly Uint8Array[]): Uint8Array[] {
  const signed = [parts[0]!.subarray(FLAGS)];
  for (let i = 1; i < parts.length; i++) signed[i] = parts[i]!;
  return signed;
}

/** Whether an entry that is whole, or all its pieces, bears a signature of this seal. */
export function isSealed(entry: EntryBytes, seal: Seal): boolean {
  const signed = withoutChecksum(Buffer.isBuffer(entry) ? [entry] : entry);
  const head = Buffer.isBuffer(entry) ? entry : entry[0]!;
  if ((head[FLAGS]! & SIGNED) === 0) return false;
  const last = signed[signed.length - 1]!;
  const end = last.length - SIGNATURE_LENGTH;
  signed[signed.length - 1] = last.subarray(0, Math.max(0, end));
  return end >= 0 && seal.verifies(signed, last.subarray(end));
}

/** What tells an entry from an earlier one in its place, most likely; nothing is verified by it. */
export function checksumOf(entry: EntryBytes): number {
  const head = Buffer.isBuffer(entry) ? entry : entry[0]!;
  return head.length < TEXTS ? -1 : head.readUInt32LE(CHECKSUM);
}

/** The last one that was met: entries that are read one after the other are mostly of one function. */
const lastSource = { bytes: Buffer.alloc(32), text: "" };

/** Printing the digest anew would be a notable part of a hit. */
function sourceOf(entry: Buffer): string {
  const { bytes } = lastSource;
  let same = 0;
  while (same < 32 && entry[SOURCE + same] === bytes[same]) same++; // `compare` takes four times as long
  if (same < 32) {
    entry.copy(bytes, 0, SOURCE, SOURCE + 32);
    const text = bytes.toString("hex");
    lastSource.text = execute(/^0+$/, text) === null ? text : "";
  }
  return lastSource.text;
}

function bytesIn(parts: readonly Uint8Array[]): number {
  let total = 0;
  for (let i = 0; i < parts.length; i++) total += parts[i]!.length;
  return total;
}

function placeIn<T>(list: readonly T[], value: T): number {
  let i = 0;
  while (i < list.length && list[i] !== value) i++;
  return i;
}

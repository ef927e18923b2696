import { crc32 } from "node:zlib";
import { COMPRESSIONS, FORMATS, type Payload } from "./codecs.js";
import { type Seal, SIGNATURE_LENGTH } from "./seal.js";

/**
 * The bytes of an entry. Numbers are little-endian.
 *
 *     entry       = magic checksum fixed texts lengths payload [signature]
 *     magic       = "pmcache" 0x01                     8 bytes; the last is the version of this grammar, which also
 *                                                      stands in the path of the entry (`=1`): another is a clean miss
 *     checksum    = uint32                             CRC-32 of all that follows
 *     fixed       = flags format compression zero      4 bytes; flags: 1 = the function was async,
 *                                                      2 = there is a signature
 *                   createdAt duration                 float64 each; ms since 1970 and ms of computation
 *                   source                             32 bytes: SHA-256 of the function's source, zero where unknown
 *                   identityLength keyLength           uint32 each; bytes
 *                   codecNameLength lengthsCount       uint32 each
 *                   payloadLength                      float64; bytes
 *                   recordLength                       uint32; bytes
 *     texts       = identity key codecName record      UTF-8: path, version and source digest of the function; the
 *                                                      canonical JSON key; the name of a codec of the user's own; what
 *                                                      is known of out files, as JSON, see out-files.ts
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

export interface EntryHeader extends Omit<Payload, "parts"> {
  /** Path, version and source digest of the function, see `identityText`. */
  readonly identity: string;
  /** Canonical JSON. */
  readonly key: string;
  readonly async: boolean;
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
  const head = Buffer.alloc(TEXTS + sum(texts.map((text) => text.length)) + 8 * payload.lengths.length);
  MAGIC.copy(head);
  head[FLAGS] = (header.async ? ASYNC : 0) | (seal ? SIGNED : 0);
  head[FORMAT] = FORMATS.indexOf(payload.format);
  head[COMPRESSION] = COMPRESSIONS.indexOf(payload.compression);
  head.writeDoubleLE(header.createdAt, CREATED_AT);
  head.writeDoubleLE(header.duration, DURATION);
  head.write(header.source, SOURCE, "hex");
  head.writeUInt32LE(identity.length, IDENTITY_LENGTH);
  head.writeUInt32LE(key.length, KEY_LENGTH);
  head.writeUInt32LE(codecName.length, CODEC_NAME_LENGTH);
  head.writeUInt32LE(payload.lengths.length, LENGTHS_COUNT);
  head.writeDoubleLE(sum(payload.parts.map((part) => part.length)), PAYLOAD_LENGTH);
  head.writeUInt32LE(record.length, RECORD_LENGTH);
  let at = TEXTS;
  for (const text of texts) at += text.copy(head, at);
  for (const length of payload.lengths) at = head.writeDoubleLE(length, at);
  const parts = seal ? [...payload.parts, seal.sign([head.subarray(FLAGS), ...payload.parts])] : payload.parts;
  let checksum = crc32(head.subarray(FLAGS));
  for (const part of parts) if (part.length > 0) checksum = crc32(part, checksum); // an empty one would give 0
  head.writeUInt32LE(checksum, CHECKSUM);
  return [head, ...parts];
}

export interface DecodedEntry extends EntryHeader {
  /** Bytes of the whole entry. */
  readonly bytes: number;
  /** A view on the bytes that were decoded. */
  readonly payload: Uint8Array;
}

/** What is known of bytes that stay as they are, once it was asked. */
const held = new WeakMap<Buffer, DecodedEntry | undefined>();

/** For bytes that stay as they are: what they hold is made out once. */
export function holdEntry(entry: Buffer): void {
  held.set(entry, undefined);
}

/**
 * The entry in these bytes, or `undefined` where they are not, exactly, one whole undamaged entry.
 */
export function decodeEntry(entry: Buffer): DecodedEntry | undefined {
  const known = held.get(entry);
  if (known) return known;
  const decoded = decode(entry);
  if (held.has(entry)) held.set(entry, decoded);
  return decoded;
}

function decode(entry: Buffer): DecodedEntry | undefined {
  if (entry.length < TEXTS || entry.readUInt32LE(0) !== MAGIC_LOW || entry.readUInt32LE(4) !== MAGIC_HIGH)
    return undefined;
  const identityEnd = TEXTS + entry.readUInt32LE(IDENTITY_LENGTH);
  const keyEnd = identityEnd + entry.readUInt32LE(KEY_LENGTH);
  const codecNameEnd = keyEnd + entry.readUInt32LE(CODEC_NAME_LENGTH);
  const count = entry.readUInt32LE(LENGTHS_COUNT);
  const recordEnd = codecNameEnd + entry.readUInt32LE(RECORD_LENGTH);
  const payloadStart = recordEnd + 8 * count;
  const flags = entry[FLAGS]!;
  const payloadEnd = (flags & SIGNED) === 0 ? entry.length : entry.length - SIGNATURE_LENGTH;
  if (payloadStart > payloadEnd || payloadEnd !== payloadStart + entry.readDoubleLE(PAYLOAD_LENGTH)) return undefined;
  if (crc32(entry.subarray(FLAGS)) !== entry.readUInt32LE(CHECKSUM)) return undefined;
  const format = FORMATS[entry[FORMAT]!];
  const compression = COMPRESSIONS[entry[COMPRESSION]!];
  if (format === undefined || compression === undefined) return undefined;
  const lengths: number[] = [];
  for (let i = 0; i < count; i++) lengths.push(entry.readDoubleLE(recordEnd + 8 * i));
  return {
    identity: entry.toString("utf8", TEXTS, identityEnd),
    key: entry.toString("utf8", identityEnd, keyEnd),
    codecName: entry.toString("utf8", keyEnd, codecNameEnd),
    record: entry.toString("utf8", codecNameEnd, recordEnd),
    async: (flags & ASYNC) !== 0,
    createdAt: entry.readDoubleLE(CREATED_AT),
    duration: entry.readDoubleLE(DURATION),
    source: sourceOf(entry),
    format,
    compression,
    lengths,
    bytes: entry.length,
    payload: entry.subarray(payloadStart, payloadEnd),
  };
}

/** Whether an entry that is whole bears a signature of this seal. */
export function isSealed(entry: Buffer, seal: Seal): boolean {
  const end = entry.length - SIGNATURE_LENGTH;
  return (entry[FLAGS]! & SIGNED) !== 0 && seal.verifies(entry.subarray(FLAGS, end), entry.subarray(end));
}

/** What tells an entry from an earlier one in its place, most likely; nothing is verified by it. */
export function checksumOf(entry: Buffer): number {
  return entry.length < TEXTS ? -1 : entry.readUInt32LE(CHECKSUM);
}

/** The last one that was met: entries that are read one after the other are mostly of one function. */
const lastSource = { bytes: Buffer.alloc(32), text: "" };

/** Printing the digest anew would be a notable part of a hit. */
function sourceOf(entry: Buffer): string {
  if (entry.compare(lastSource.bytes, 0, 32, SOURCE, SOURCE + 32) !== 0) {
    entry.copy(lastSource.bytes, 0, SOURCE, SOURCE + 32);
    const text = lastSource.bytes.toString("hex");
    lastSource.text = /^0+$/.test(text) ? "" : text;
  }
  return lastSource.text;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}

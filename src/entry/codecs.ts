import { types } from "node:util";
import { StoreError } from "../errors.js";
import { methodOf } from "../key/kinds.js";
import { parse, silence } from "../key/originals.js";
import { printPlain } from "../key/print.js";
import { integer } from "./claims.js";
import { readClone, writeClone } from "./clone.js";
import { type Compression, compressionOf, mostOf, usualMost } from "./compression.js";
import { fromTree } from "./from-tree.js";
import { textOf as errorText, isOurs, isOverflow, survey } from "./storable.js";
import { type Tree, toTree } from "./tagged.js";

/** A codec of the user's own; trusted to give back an equal value. */
export interface Codec {
  /** Stands in the entry: an entry of another codec is a miss. */
  readonly name: string;
  encode(value: any): Uint8Array | string;
  /** A promise counts as damage, and so does `undefined`, unless `encode(undefined)` gives these very bytes. */
  decode(data: Uint8Array): unknown;
}

/**
 * How a payload is written.
 * - `json`: the JSON text of the value, where that is lossless
 * - `clone`: structured clone of a native tree (see tagged.ts), then the bytes it refers to
 * - `tagged`: the JSON text of a JSON tree
 * - `own`: what the user's codec made
 */
export const FORMATS = ["json", "clone", "tagged", "own"] as const;
export const COMPRESSIONS = [false, "gzip", "brotli", "zstd"] as const;

export interface Payload {
  readonly format: (typeof FORMATS)[number];
  readonly compression: false | Compression;
  /** The name of the user's codec, else empty. */
  readonly codecName: string;
  /** For `clone`: the lengths in bytes of the structured clone and of each blob, before compression. */
  readonly lengths: readonly number[];
  /** The bytes, in parts so that large blobs are not copied. */
  readonly parts: readonly Uint8Array[];
}

/**
 * @param maxBytes how many bytes it may be before compression: it could else not be read
 * @throws StoreError where the value cannot be stored faithfully; OptionError where this Node lacks the compression
 */
export function encodeValue(
  value: unknown,
  codec: "auto" | "json" | Codec,
  compression: false | Compression,
  maxBytes = Number.POSITIVE_INFINITY,
): Payload {
  if (compression) compressionOf(compression); // before the work
  try {
    const plain = typeof codec === "object" ? encodeOwn(value, codec) : encodeBuiltIn(value, codec);
    if (compression) assertFits(plain, maxBytes);
    return compressed(plain, compression);
  } catch (error) {
    if (isOurs(error)) throw error;
    // Among others: larger than a string or a buffer can be.
    const problem = isOverflow(error) ? "is nested too deeply" : `cannot be encoded: ${errorText(error)}`;
    throw new StoreError(`The value ${problem}`, { cause: error });
  }
}

function assertFits({ parts }: PlainPayload, maxBytes: number): void {
  let length = 0;
  for (let i = 0; i < parts.length; i++) length += parts[i]!.length;
  if (length > maxBytes)
    throw new StoreError(`The value has ${length} bytes before compression, and maxValueBytes is ${maxBytes}`);
}

export type PlainPayload = Omit<Payload, "compression">;

export function compressed(plain: PlainPayload, compression: false | Compression): Payload {
  if (!compression) return { ...plain, compression };
  const bytes = plain.parts.length === 1 ? plain.parts[0]! : Buffer.concat(plain.parts);
  const short = compressionOf(compression).compress(bytes);
  // What would pass for a bomb stays as it is.
  if (bytes.length > usualMost(short.length)) return { ...plain, compression: false };
  return { ...plain, compression, parts: [short] };
}

/**
 * The bytes before compression.
 * @param maxBytes how many they may be; without it, as many as `mostOf` says
 * @throws where they are more
 */
export function decompressed(
  { compression }: Pick<Payload, "compression">,
  bytes: Uint8Array,
  maxBytes = Number.POSITIVE_INFINITY,
): Uint8Array {
  return compression ? compressionOf(compression).decompress(bytes, mostOf(bytes.length, maxBytes)) : bytes;
}

/**
 * The structured clone and the blobs of a payload of the format `clone`: views.
 * @throws TypeError where the lengths are not those of what is there
 */
export function partsOf(plain: Uint8Array, lengths: readonly number[]): Uint8Array[] {
  const parts: Uint8Array[] = [];
  let at = 0;
  for (let i = 0; i < lengths.length; i++) {
    const end = at + integer(lengths[i], 0, plain.length - at);
    parts[i] = plain.subarray(at, end);
    at = end;
  }
  integer(at, plain.length, plain.length);
  return parts;
}

function encodeOwn(value: unknown, codec: Codec): PlainPayload {
  const bytes = ownBytes(value, codec);
  if (value === undefined && !bytes.equals(ownBytes(value, codec))) {
    throw new StoreError(
      `The codec "${codec.name}" encodes undefined in another way each time, so a hit of it looks like damage. Return null, or { value: undefined }`,
    );
  }
  return { format: "own", codecName: codec.name, lengths: [], parts: [bytes] };
}

function ownBytes(value: unknown, codec: Codec): Buffer {
  const bytes: unknown = codec.encode(value);
  if (typeof bytes === "string") return Buffer.from(bytes);
  silence(bytes);
  if (!types.isUint8Array(bytes))
    throw new StoreError(`The codec "${codec.name}" must encode to a Uint8Array or a string`);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/**
 * What a codec gives is trusted, but for two things that no codec means to give: a promise, from a `decode` that is
 * async, and `undefined`, from one that returns nothing. That is a value only where the codec encodes it to these bytes.
 */
function decodeOwn(plain: Uint8Array, codec: Codec): unknown {
  const value: unknown = codec.decode(new Uint8Array(plain));
  if (value === undefined && !isUndefined(plain, codec))
    throw new StoreError(`The codec "${codec.name}" decoded to undefined`);
  if (isThenable(value)) {
    silence(value);
    throw new StoreError(`The codec "${codec.name}" decoded to a promise; it must give the value itself`);
  }
  return value;
}

function isUndefined(plain: Uint8Array, codec: Codec): boolean {
  try {
    return ownBytes(undefined, codec).equals(plain);
  } catch {
    return false; // it cannot be encoded, so nobody did
  }
}

function isThenable(value: unknown): boolean {
  if (types.isPromise(value)) return true;
  const mayBe = (typeof value === "object" && value !== null) || typeof value === "function";
  return mayBe && methodOf(value, "then") !== undefined;
}

function encodeBuiltIn(value: unknown, codec: "auto" | "json"): PlainPayload {
  const base = { codecName: "", lengths: [] };
  const found = survey(value);
  if (codec === "json")
    return { ...base, format: "tagged", parts: [Buffer.from(printPlain(toTree(found, "json").root))] };
  if (found.json) return { ...base, format: "json", parts: [Buffer.from(printPlain(found.root))] };
  return { ...base, ...clonePartsOf(toTree(found, "native")) };
}

/** The payload of a native tree. */
export function clonePartsOf({ root, blobs }: Tree): Pick<Payload, "format" | "lengths" | "parts"> {
  const parts: Uint8Array[] = [writeClone(root)];
  const lengths = [parts[0]!.length];
  for (let i = 0; i < blobs.length; i++) {
    parts[i + 1] = blobs[i]!;
    lengths[i + 1] = blobs[i]!.length;
  }
  return { format: "clone", lengths, parts };
}

/**
 * @param payload with `blobs`, which are not in `bytes`: their ArrayBuffers become those of the value
 * @param bytes the payload after its checksum was verified; not kept, so it may stand in a buffer that is used again
 * @param maxBytes how many bytes it may be before compression; without it, as many as `mostOf` says
 * @throws where the payload cannot be decoded here: another user codec, a type that is not registered; and where what
 * comes of it is not what was encoded, as far as that can be told
 */
export function decodeValue(
  payload: Omit<Payload, "parts"> & { readonly blobs?: readonly Buffer[] },
  bytes: Uint8Array,
  codec: "auto" | "json" | Codec,
  maxBytes?: number,
): unknown {
  const { format, codecName, lengths } = payload;
  const plain = decompressed(payload, bytes, maxBytes);
  switch (format) {
    case "json":
      return parse(textOf(plain));
    case "tagged":
      return fromTree(parse(textOf(plain)));
    case "clone": {
      // A hit of 100 MB takes 64 ms instead of 116, where `readFileSync` takes 47.
      if (payload.blobs) return fromTree(readClone(bytes), buffersOf(payload.blobs));
      const parts = partsOf(plain, lengths);
      const blobs: ArrayBuffer[] = [];
      // Copies: each buffer of a hit is its own, and none is that of the file. (`slice` of a Buffer would be a view.)
      for (let i = 1; i < parts.length; i++) blobs[i - 1] = new Uint8Array(parts[i]!).buffer;
      return fromTree(readClone(parts[0]!), blobs);
    }
    case "own":
      if (typeof codec !== "object" || codec.name !== codecName) {
        throw new StoreError(`The entry was written by the codec "${codecName}"`);
      }
      return decodeOwn(plain, codec);
  }
}

function buffersOf(blobs: readonly Buffer[]): ArrayBuffer[] {
  const buffers: ArrayBuffer[] = [];
  for (let i = 0; i < blobs.length; i++) buffers[i] = blobs[i]!.buffer as ArrayBuffer;
  return buffers;
}

export function textOf(bytes: Uint8Array): string {
  const buffer = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  return buffer.toString();
}

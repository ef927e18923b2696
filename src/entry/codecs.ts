import { isUint8Array } from "node:util/types";
import { deserialize, serialize } from "node:v8";
import { PermacacheError, StoreError } from "../errors.js";
import { type Compression, compressionOf } from "./compression.js";
import { isOverflow, survey } from "./storable.js";
import { fromTree, toTree } from "./tagged.js";

/** A codec of the user's own; trusted to give back an equal value. */
export interface Codec {
  /** Stands in the entry: an entry of another codec is a miss. */
  readonly name: string;
  encode(value: any): Uint8Array | string;
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
 * @throws StoreError where the value cannot be stored faithfully; OptionError where this Node lacks the compression
 */
export function encodeValue(value: unknown, codec: "auto" | "json" | Codec, compression: false | Compression): Payload {
  if (compression) compressionOf(compression); // before the work
  try {
    return compressed(typeof codec === "object" ? encodeOwn(value, codec) : encodeBuiltIn(value, codec), compression);
  } catch (error) {
    if (error instanceof PermacacheError) throw error;
    // Among others: larger than a string or a buffer can be.
    const problem = isOverflow(error) ? "is nested too deeply" : `cannot be encoded: ${String(error)}`;
    throw new StoreError(`The value ${problem}`, { cause: error });
  }
}

export type PlainPayload = Omit<Payload, "compression">;

export function compressed(plain: PlainPayload, compression: false | Compression): Payload {
  if (!compression) return { ...plain, compression };
  const bytes = plain.parts.length === 1 ? plain.parts[0]! : Buffer.concat(plain.parts);
  return { ...plain, compression, parts: [compressionOf(compression).compress(bytes)] };
}

export function decompressed({ compression }: Pick<Payload, "compression">, bytes: Uint8Array): Uint8Array {
  return compression ? compressionOf(compression).decompress(bytes) : bytes;
}

/** The structured clone and the blobs of a payload of the format `clone`: views. */
export function partsOf(plain: Uint8Array, lengths: readonly number[]): Uint8Array[] {
  const parts: Uint8Array[] = [];
  let at = 0;
  for (const length of lengths) {
    parts.push(plain.subarray(at, at + length));
    at += length;
  }
  return parts;
}

function encodeOwn(value: unknown, codec: Codec): PlainPayload {
  const bytes = codec.encode(value);
  if (typeof bytes !== "string" && !isUint8Array(bytes)) {
    throw new StoreError(`The codec "${codec.name}" must encode to a Uint8Array or a string`);
  }
  return {
    format: "own",
    codecName: codec.name,
    lengths: [],
    parts: [typeof bytes === "string" ? Buffer.from(bytes) : bytes],
  };
}

function encodeBuiltIn(value: unknown, codec: "auto" | "json"): PlainPayload {
  const base = { codecName: "", lengths: [] };
  const found = survey(value);
  if (codec === "json") {
    return { ...base, format: "tagged", parts: [Buffer.from(JSON.stringify(toTree(value, found, "json").root))] };
  }
  if (found.json) return { ...base, format: "json", parts: [Buffer.from(JSON.stringify(value))] };
  const { root, blobs } = toTree(value, found, "native");
  const parts = [serialize(root), ...blobs];
  return { ...base, format: "clone", lengths: parts.map((part) => part.length), parts };
}

/**
 * @param payload with `blobs`, which are not in `bytes`: their ArrayBuffers become those of the value
 * @param bytes the payload after its checksum was verified; not kept, so it may stand in a buffer that is used again
 * @throws where the payload cannot be decoded here: another user codec, a type that is not registered
 */
export function decodeValue(
  payload: Omit<Payload, "parts"> & { readonly blobs?: readonly Buffer[] },
  bytes: Uint8Array,
  codec: "auto" | "json" | Codec,
): unknown {
  const { format, codecName, lengths } = payload;
  const plain = decompressed(payload, bytes);
  switch (format) {
    case "json":
      return JSON.parse(textOf(plain));
    case "tagged":
      return fromTree(JSON.parse(textOf(plain)));
    case "clone": {
      // A hit of 100 MB takes 64 ms instead of 116, where `readFileSync` takes 47.
      if (payload.blobs) {
        return fromTree(
          deserialize(bytes),
          payload.blobs.map(({ buffer }) => buffer as ArrayBuffer),
        );
      }
      // Copies: each buffer of a hit is its own, and none is that of the file. (`slice` of a Buffer would be a view.)
      const [structure, ...blobs] = partsOf(plain, lengths);
      return fromTree(
        deserialize(structure!),
        blobs.map((blob) => new Uint8Array(blob).buffer),
      );
    }
    case "own":
      if (typeof codec !== "object" || codec.name !== codecName) {
        throw new StoreError(`The entry was written by the codec "${codecName}"`);
      }
      return codec.decode(new Uint8Array(plain));
  }
}

export function textOf(bytes: Uint8Array): string {
  const buffer = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  return buffer.toString();
}

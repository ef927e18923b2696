import { freemem } from "node:os";
import zlib from "node:zlib";
import { OptionError } from "../errors.js";

export type Compression = "gzip" | "brotli" | "zstd";

interface Method {
  compress(bytes: Uint8Array): Uint8Array;
  /** @throws a RangeError where it gives more bytes than that */
  decompress(bytes: Uint8Array, most: number): Uint8Array;
}

/** Not in every Node that is supported. */
const { zstdCompressSync, zstdDecompressSync } = zlib as {
  zstdCompressSync?: Method["compress"];
  zstdDecompressSync?: (bytes: Uint8Array, options: { maxOutputLength: number }) => Uint8Array;
};

const METHODS: Readonly<Record<Compression, Method | undefined>> = {
  gzip: {
    compress: (bytes) => zlib.gzipSync(bytes),
    decompress: (bytes, most) => zlib.gunzipSync(bytes, { maxOutputLength: most }),
  },
  brotli: {
    compress: (bytes) => {
      // The default quality, 11, is made for files that are compressed once and served a million times: 50 times slower.
      const params = {
        [zlib.constants.BROTLI_PARAM_QUALITY]: 5,
        [zlib.constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
      };
      return zlib.brotliCompressSync(bytes, { params });
    },
    decompress: (bytes, most) => zlib.brotliDecompressSync(bytes, { maxOutputLength: most }),
  },
  zstd:
    zstdCompressSync && zstdDecompressSync
      ? {
          compress: zstdCompressSync,
          decompress: (bytes, most) => zstdDecompressSync(bytes, { maxOutputLength: most }),
        }
      : undefined,
};

/** @throws OptionError where this Node lacks the method */
export function compressionOf(name: Compression): Method {
  const method = METHODS[name];
  if (!method) {
    throw new OptionError(
      `compress: "${name}" is not in this Node (${process.version}; it came with 22.15 and 23.8). Use "brotli" or "gzip", or a newer Node.`,
    );
  }
  return method;
}

/** Bytes that any entry may have before compression, and how many times as many as after it. */
const ALWAYS = 64 * 1024 * 1024;
const RATIO = 100;

/**
 * How many bytes so many may become where no limit is set: what is more passes for a bomb. What compresses better, and
 * is larger, is stored as it is.
 */
export function usualMost(length: number): number {
  return Math.max(ALWAYS, RATIO * length);
}

/** How many bytes so many may become now. @param maxBytes the limit that is set */
export function mostOf(length: number, maxBytes: number): number {
  const most = maxBytes < Number.POSITIVE_INFINITY ? maxBytes : usualMost(length);
  return Math.max(1, Math.floor(Math.min(most, available() / 2, LARGEST)));
}

/** Of a buffer. */
const LARGEST = 2 ** 32 - 1;

/** Not every runtime knows what a container leaves. */
function available(): number {
  return (process as { availableMemory?(): number }).availableMemory?.() ?? freemem();
}

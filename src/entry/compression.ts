import zlib from "node:zlib";
import { OptionError } from "../errors.js";

export type Compression = "gzip" | "brotli" | "zstd";

interface Method {
  compress(bytes: Uint8Array): Uint8Array;
  decompress(bytes: Uint8Array): Uint8Array;
}

/** Not in every Node that is supported. */
const { zstdCompressSync, zstdDecompressSync } = zlib as {
  zstdCompressSync?: Method["compress"];
  zstdDecompressSync?: Method["decompress"];
};

const METHODS: Readonly<Record<Compression, Method | undefined>> = {
  gzip: { compress: (bytes) => zlib.gzipSync(bytes), decompress: (bytes) => zlib.gunzipSync(bytes) },
  brotli: {
    compress: (bytes) => {
      // The default quality, 11, is made for files that are compressed once and served a million times: 50 times slower.
      const params = {
        [zlib.constants.BROTLI_PARAM_QUALITY]: 5,
        [zlib.constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
      };
      return zlib.brotliCompressSync(bytes, { params });
    },
    decompress: (bytes) => zlib.brotliDecompressSync(bytes),
  },
  zstd:
    zstdCompressSync && zstdDecompressSync ? { compress: zstdCompressSync, decompress: zstdDecompressSync } : undefined,
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

import type { Kept, OutRecord } from "../../entry/out-record.js";

/**
 * The entries of a path, in a zip file. Its members, in this order:
 *
 *     contents/<64 hex digits>        a kept out file, by its SHA-256
 *     entries/000000-3f               entries of one version and source, whose digests begin with these digits, one after
 *                                     the other in the order of their digests: each 8 bytes for its length, then the
 *                                     entry as in entry.ts. Many in a member: a zip file of a million would be slow
 *     manifest.json                   {"format":"permacache","version":1,"path":"a/b","entries":1,"contents":0,"bytes":9}
 *
 * The same entries make the same bytes. Entries say nothing of paths on this machine, and are such that a machine that
 * trusts nothing can read them: payloads are JSON (see tagged.ts), or of a codec of the user's own; not compressed.
 */
export const MEMBER = /^(?:contents\/[0-9a-f]{64}|entries\/[0-9]{6}-[0-9a-f]{2}|manifest\.json)$/;
export const MANIFEST = "manifest.json";
export const FORMAT = "permacache";
export const VERSION = 1;

export interface Manifest {
  readonly format: typeof FORMAT;
  readonly version: typeof VERSION;
  readonly path: string;
  readonly entries: number;
  readonly contents: number;
  /** Of all members but this one, unpacked. */
  readonly bytes: number;
}

/** The name of the file of an archive, in which the ending may be left out. */
export function fileNameOf(file: string): string {
  return /\.zip$/i.test(file) ? file : `${file}.zip`;
}

/** Bytes of the number before each entry. */
export const LENGTH = 8;

/** Bits that a file may have where it is restored: none that lends rights. */
const PERMISSIONS = 0o777;

/** In one spelling. */
export function portableRecord(kept: readonly (readonly [name: string, Kept])[]): OutRecord {
  const sorted = [...kept].sort(([a], [b]) => (a < b ? -1 : 1));
  return {
    written: {},
    kept: Object.fromEntries(
      sorted.map(([name, { sha256, size, mode }]) => [name, { sha256, size, mode: mode & PERMISSIONS }]),
    ),
  };
}

/** A key, for messages. */
export function shown(key: string): string {
  return key.length > 200 ? `${key.slice(0, 200)}...` : key;
}

export function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}

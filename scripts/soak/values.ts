// What the functions of the soak return and write: all of it follows from the path, the key and a nonce, so whoever reads
// a value can tell whether it is whole.
import { createHash } from "node:crypto";

export interface Value {
  readonly path: string;
  readonly key: number;
  /** Names one computation of the whole soak. */
  readonly nonce: string;
  readonly body: unknown;
}

export function valueOf(path: string, key: number, nonce: string): Value {
  const digest = createHash("sha256").update(`${path} ${key} ${nonce}`).digest();
  return { path, key, nonce, body: bodyOf(digest, sizeBy(digest)) };
}

/** Mostly small; one in eight is beyond the size up to which entries are written synchronously. */
function sizeBy(digest: Buffer): number {
  const scale = digest.readUInt16BE(0) / 0x10000;
  if (digest[2]! % 8 > 0) return Math.floor(scale * 3_000);
  return 65_000 + Math.floor(scale * 100_000);
}

function bodyOf(digest: Buffer, size: number): unknown {
  const text = digest
    .toString("hex")
    .repeat(Math.ceil(size / 64))
    .slice(0, size);
  const bytes = new Uint8Array(size).fill(digest[3]!);
  bytes.set(digest.subarray(0, Math.min(size, 32)));
  if (digest[4]! % 3 === 0) return text;
  if (digest[4]! % 3 === 1) return { list: [text.length, null, text], flag: true };
  return new Map<string, unknown>([
    ["bytes", bytes],
    ["date", new Date(size)],
  ]);
}

/** Of few sizes: another content of the same size is the one that is easily mistaken. */
export function contentOf(path: string, key: number, nonce: string): string {
  const head = `${path} ${key} ${nonce}\n`;
  const digest = createHash("sha256").update(head).digest();
  return head.padEnd([100, 100, 5_000, 90_000][digest[0]! % 4]!, digest.toString("hex"));
}

/** A generator with a seed (mulberry32). */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = Math.imul(seed, 0x9e3779b1) | 0;
  }

  /** From 0 up to 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number from 0 up to the limit. */
  below(limit: number): number {
    return Math.floor(this.next() * limit);
  }

  between(low: number, high: number): number {
    return low + this.next() * (high - low);
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)]!;
  }
}

import { apply, execute, hasOwn, isArray, keys, sliceOf } from "../key/originals.js";

/**
 * What an entry says of itself is a claim, and whoever wrote it may be hostile: each is checked against what is there
 * before memory or time is taken. All throw a TypeError.
 */

export type Tagged = Record<string, unknown> & { $type: string };

/** The tag of a node, where it has one. */
export function tagOf(of: unknown): string | undefined {
  if (typeof of !== "object" || of === null || !hasOwn(of, "$type")) return undefined;
  return text((of as Tagged).$type);
}

/** What it has, besides `$type`, are exactly these properties. */
export function only(of: object, ...names: readonly string[]): Tagged {
  let isRight = keys(of).length === names.length + 1;
  for (let i = 0; i < names.length; i++) isRight &&= hasOwn(of, names[i]!);
  if (!isRight) throw new TypeError(`A ${tagOf(of)} has not exactly the properties of one`);
  return of as Tagged;
}

export function list(of: unknown): unknown[] {
  if (!isArray(of)) throw new TypeError("There is no list where one belongs");
  return of;
}

/** A list of keys and values in turn. */
export function pairs(of: unknown): unknown[] {
  if (list(of).length % 2 !== 0) throw new TypeError("A key has no value");
  return of as unknown[];
}

export function text(of: unknown): string {
  if (typeof of !== "string") throw new TypeError("There is no text where one belongs");
  return of;
}

export function integer(of: unknown, least: number, most: number): number {
  if (!Number.isInteger(of) || (of as number) < least || (of as number) > most || Object.is(of, -0)) {
    throw new TypeError("There is no fitting number where one belongs");
  }
  return of as number;
}

/** Milliseconds of a Date; NaN for an invalid one. */
export function time(of: unknown): number {
  return of === null ? Number.NaN : integer(of, -LATEST, LATEST);
}
const LATEST = 8.64e15;

/** To read a million digits takes 0.2 s, ten times as many twelve times as long. */
export const MOST_DIGITS = 1_000_000;

export function bigint(of: unknown): bigint {
  const digits = text(of);
  if (digits.length > MOST_DIGITS + 1) throw new TypeError(`A bigint has more than ${MOST_DIGITS} digits`);
  if (execute(DIGITS, digits) === null) throw new TypeError("There is no number where one belongs");
  return BigInt(digits);
}
const DIGITS = /^(0|-?[1-9][0-9]*)$/;

/**
 * How much work it may be to make the regular expressions of one entry. A class of Unicode takes up to 0.4 ms, one of
 * texts (flag `v`) up to 8 ms, and a megabyte of anything else half a second.
 */
export const MOST_REG_EXP_WORK = 2000;

export function regExpWork(source: string, flags: string): number {
  let classes = 0;
  for (let i = 0; i + 1 < source.length; i++) {
    if (source[i] !== "\\") continue;
    i++;
    if (source[i] === "p" || source[i] === "P") classes++;
  }
  return classes * (execute(/v/, flags) === null ? 1 : 20) + source.length / 1000;
}

/** The bytes that a text in base64 stands for. */
export function bytesOf(base64: unknown): Uint8Array {
  const bytes = Buffer.from(text(base64), "base64");
  if (base64Of(bytes) !== base64) throw new TypeError("There is no base64 where it belongs");
  return bytes;
}

export function base64Of(bytes: Uint8Array): string {
  return apply(toText, Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), ["base64"]);
}
const { toString: toText } = Buffer.prototype;

/** The name of the class of `defineType`, where a tag is one. */
export function typeName($type: string): string | undefined {
  return $type.length > 5 && sliceOf($type, 0, 5) === "type " ? sliceOf($type, 5) : undefined;
}

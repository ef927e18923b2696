import { isTypedArray } from "node:util/types";

/** A parallel argument: its elements, as they were when the batch was called, and how some of them are passed on. */
export interface Sequence {
  readonly items: readonly unknown[];
  /** A sequence of the same type. */
  of(items: readonly unknown[]): unknown;
}

/** `undefined` for what is no array, string, typed array or other iterable. */
export function sequenceOf(value: unknown): Sequence | undefined {
  if (typeof value === "string") return { items: value.split(""), of: (items) => items.join("") }; // by UTF-16 unit
  if (Buffer.isBuffer(value)) return { items: [...value], of: (items) => Buffer.from(items as number[]) };
  if (isTypedArray(value)) {
    const type = typedArrayNamed(value[Symbol.toStringTag]);
    return { items: Array.from(value as ArrayLike<unknown>), of: (items) => type.from(items as number[]) };
  }
  const isIterable = typeof value === "object" && value !== null && Symbol.iterator in value;
  return isIterable ? { items: Array.from(value as Iterable<unknown>), of: (items) => [...items] } : undefined;
}

function typedArrayNamed(name: string): typeof Uint8Array {
  return (globalThis as unknown as Record<string, typeof Uint8Array>)[name]!;
}

import { Deserializer, serialize } from "node:v8";

/**
 * The tree in a structured clone. As `deserialize` reads it, but for views on bytes, of which trees have none; and
 * whoever replaced the iterator of arrays breaks that one.
 */
export function readClone(bytes: Uint8Array): unknown {
  const reader = new Deserializer(bytes);
  reader.readHeader();
  return reader.readValue();
}

export const writeClone: (tree: unknown) => Uint8Array = serialize;

/** `permacache/key`: keys without the cache, and without Node. */
import type { keySymbol } from "./canonical-json.js";

export { canonicalJson, keySymbol } from "./canonical-json.js";
export { dropIf, dropIfEqual, type KeyFunction, stableHash, str } from "./key-functions.js";
export { defineType, type TypeDefinition } from "./registered-types.js";

/** A class that says what stands for its instances in keys. */
export interface Keyable {
  [keySymbol](): unknown;
}

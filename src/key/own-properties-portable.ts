import type { TypedArray } from "./kinds.js";

/** As `own-properties-node`, by listing all keys: without Node there is no other way. */
export function hasOwnBesidesElements(array: TypedArray): boolean {
  return Reflect.ownKeys(array).length > array.length;
}

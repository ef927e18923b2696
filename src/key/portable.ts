import Sha256 from "sha.js/sha256.js";
import type { TypedArray } from "./kinds.js";

/** As in node.ts, for browsers and other runtimes: a tenth of the speed, the same digits. */
export function sha256(data: string | Uint8Array): string {
  return new Sha256().update(typeof data === "string" ? utf8(data) : data).digest("hex");
}

/** Without `TextEncoder`, which bare JavaScript engines lack. As there, a lone surrogate counts as U+FFFD. */
function utf8(text: string): Uint8Array {
  const bytes = unescape(encodeURIComponent(text.replace(/\p{Surrogate}/gu, "\ufffd")));
  return Uint8Array.from(bytes, (char) => char.charCodeAt(0));
}

/** As in node.ts, by listing all keys: without Node there is no other way. */
export function hasOwnBesidesElements(array: TypedArray): boolean {
  return Reflect.ownKeys(array).length > array.length;
}

import { hash } from "node:crypto";

/** SHA-256 in 64 hex digits; a string counts as its UTF-8 bytes. Chosen by the import `#sha256` where there is Node. */
export function sha256(data: string | Uint8Array): string {
  return hash("sha256", data, "hex");
}

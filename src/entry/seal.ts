import { createHmac, createSecretKey, type KeyObject, timingSafeEqual } from "node:crypto";

/** Of a text, its UTF-8 bytes count. */
export type Secret = string | Uint8Array;

/** Bytes of a secret, at least: as many as HMAC-SHA-256 gives. */
export const SHORTEST_SECRET = 32;

/** Bytes. */
export const SIGNATURE_LENGTH = 32;

/** So that a signature for anything else under the same secret is none for an entry. */
const DOMAIN = Buffer.from("permacache entry, version 1\n");

/**
 * Signs entries by HMAC-SHA-256, and knows what was signed with one of its secrets: the first signs, all are known, so
 * that a secret can be replaced. The secrets are out of sight of whoever prints the object.
 */
export class Seal {
  readonly #keys: readonly KeyObject[];

  /** @param secrets at least one */
  constructor(secrets: readonly Secret[]) {
    // A copy: bytes of the caller's may be wiped, or used again.
    this.#keys = secrets.map((secret) => createSecretKey(typeof secret === "string" ? Buffer.from(secret) : secret));
  }

  sign(parts: readonly Uint8Array[]): Uint8Array {
    return signatureOf(parts, this.#keys[0]!);
  }

  /** @param signature of `SIGNATURE_LENGTH` */
  verifies(parts: readonly Uint8Array[], signature: Uint8Array): boolean {
    for (let i = 0; i < this.#keys.length; i++) {
      if (timingSafeEqual(signatureOf(parts, this.#keys[i]!), signature)) return true;
    }
    return false;
  }
}

function signatureOf(parts: readonly Uint8Array[], key: KeyObject): Uint8Array {
  const hmac = createHmac("sha256", key).update(DOMAIN);
  for (let i = 0; i < parts.length; i++) hmac.update(parts[i]!);
  return hmac.digest();
}

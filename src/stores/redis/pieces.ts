import type { FolderState } from "./state.js";

/**
 * Large entries go to the server, and come from it, in pieces. Each piece has the whole timeout, so that size is no reason
 * for one.
 */

/** Bytes of a piece. */
export const PIECE = 1024 * 1024;

/** Milliseconds in which a large entry has to be written. */
const STAGED = 600_000;

/** Writes to a key that nobody reads yet. */
export async function writePieces(state: FolderState, key: string, bytes: Buffer): Promise<void> {
  for (let at = 0; at < bytes.length; at += PIECE) {
    await state.send("APPEND", key, bytes.subarray(at, at + PIECE));
    if (at === 0) await state.send("PEXPIRE", key, String(STAGED));
  }
}

/** Where it is replaced meanwhile, the pieces do not fit, and neither does the checksum. */
export async function readPieces(
  state: FolderState,
  key: string,
  size: number,
  beginning = Buffer.alloc(0),
): Promise<Buffer> {
  const pieces = [beginning];
  for (let at = beginning.length; at < size; at += PIECE) {
    pieces.push(await state.send("GETRANGE", key, String(at), String(Math.min(size, at + PIECE) - 1)));
  }
  return Buffer.concat(pieces);
}

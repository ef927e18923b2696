import { sort } from "../key/originals.js";

/** What an object is made of: a part of an ArrayBuffer. */
export interface View {
  /** Of the type. */
  readonly name: string;
  readonly byteOffset: number;
  readonly byteLength: number;
  /** Bytes of an element. */
  readonly unit: number;
}

/** An ArrayBuffer with the views on it; `whole` where the buffer itself stands in the value. */
export interface Bytes {
  whole: boolean;
  readonly views: View[];
}

/** A part of an ArrayBuffer that stands in the value, and how many objects are made of it. */
export interface Span {
  /** Where its first view begins, and where its bytes do: earlier, for the alignment of the others. */
  readonly from: number;
  readonly start: number;
  readonly bytes: Uint8Array;
  readonly users: number;
}

/**
 * Views on one buffer keep sharing it, from the first byte that one of them shows to the last; a single view takes
 * just its bytes along. Buffers are cut from a pool and have nothing to do with each other, unless they overlap, and nor
 * has anything else that may stand in the pool; what lies between them is somebody else's.
 */
export function spansOf(buffer: ArrayBuffer, { whole, views }: Bytes): Span[] {
  if (whole) return [{ from: 0, start: 0, bytes: new Uint8Array(buffer), users: views.length + 1 }];
  const isPooled = mayBePooled(new Uint8Array(buffer).byteLength, views);
  const spans: Span[] = [];
  const rest = sort(views, (a, b) => a.byteOffset - b.byteOffset);
  for (let i = 0; i < rest.length; ) {
    const from = rest[i]!.byteOffset;
    let end = from;
    let unit = 0;
    let users = 0;
    for (; i < rest.length && (users === 0 || !isPooled || rest[i]!.byteOffset < end); i++, users++) {
      end = Math.max(end, rest[i]!.byteOffset + rest[i]!.byteLength);
      unit = Math.max(unit, rest[i]!.unit);
    }
    spans[spans.length] = spanOf(buffer, from, end, unit, users);
  }
  return spans;
}

function spanOf(buffer: ArrayBuffer, from: number, end: number, unit: number, users: number): Span {
  const padding = users > 1 ? from % unit : 0; // all views of it keep their alignment
  const bytes = new Uint8Array(buffer, from, end - from);
  if (padding === 0) return { from, start: from, bytes, users };
  const padded = new Uint8Array(padding + bytes.byteLength);
  padded.set(bytes, padding);
  return { from, start: from - padding, bytes: padded, users };
}

/** Buffers are cut from the pool, and so are the Uint8Arrays of what is made of them. */
function mayBePooled(bytes: number, views: readonly View[]): boolean {
  let buffers = 0;
  let others = 0;
  for (let i = 0; i < views.length; i++) {
    if (views[i]!.name === "Buffer") buffers++;
    else if (views[i]!.name !== "Uint8Array") others++;
  }
  return buffers === views.length || (others === 0 && bytes === Buffer.poolSize);
}

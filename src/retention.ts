/** Which entries have to go. Ages in milliseconds, sizes in bytes. */
export interface RetentionLimits {
  readonly maxAge?: number | undefined;
  readonly maxEntries?: number | undefined;
  readonly maxBytes?: number | undefined;
}

export interface Aged {
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  readonly bytes: number;
}

/** The entries beyond the limits: those that are too old, then the oldest until number and size fit. */
export function beyondLimits<E extends Aged>(entries: readonly E[], limits: RetentionLimits, now: number): E[] {
  const { maxAge = Infinity, maxEntries = Infinity, maxBytes = Infinity } = limits;
  const newestFirst = [...entries].sort((a, b) => b.createdAt - a.createdAt);
  let bytes = 0;
  let kept = 0;
  let isFull = false;
  return newestFirst.filter((entry) => {
    if (now - entry.createdAt > maxAge) return true;
    isFull ||= kept + 1 > maxEntries || bytes + entry.bytes > maxBytes;
    if (isFull) return true;
    kept++;
    bytes += entry.bytes;
    return false;
  });
}

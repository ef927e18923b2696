/** Milliseconds, or a text such as `"2d"`. */
export type Duration = number | string;
/** Bytes, or a text such as `"10GB"`. */
export type Size = number | string;

/** What goes when there is too much: by default nothing is ever removed. */
export interface Limits {
  /** Since the entry was written. */
  maxAge?: Duration | undefined;
  /** Since the entry was last used. */
  maxIdle?: Duration | undefined;
  /** The least recently used go first. */
  maxEntries?: number | undefined;
  maxBytes?: Size | undefined;
}

/** Limits as numbers, in milliseconds and bytes. `undefined`: none. */
export interface AgeLimits {
  /** Since an entry was written. */
  readonly maxAge?: number | undefined;
  /** Since it was last used. */
  readonly maxIdle?: number | undefined;
}
export interface SizeLimits {
  readonly maxEntries?: number | undefined;
  readonly maxBytes?: number | undefined;
}
export interface RetentionLimits extends AgeLimits, SizeLimits {}

export function hasLimits(limits: RetentionLimits): boolean {
  return Object.values(limits).some((limit) => limit !== undefined);
}

export interface Aged {
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  /** Likewise; no earlier than `createdAt`. */
  readonly usedAt: number;
  readonly bytes: number;
}

/** Clocks differ a little; an entry dated further ahead than this cannot be told from an old one. */
const AHEAD = 60_000;

/** Whether a time lies so far ahead that it is none: the clock was wrong when it was noted, or is now. */
export function isAhead(time: number, now: number): boolean {
  return time - now > AHEAD;
}

/** When an entry was last used. A use that is dated ahead tells nothing: then it is when the entry was written. */
export function lastUse({ createdAt, usedAt }: Omit<Aged, "bytes">, now: number): number {
  return isAhead(usedAt, now) ? createdAt : usedAt;
}

/** Whether an entry is too old, or was not used for too long. */
export function isExpired(entry: Omit<Aged, "bytes">, limits: AgeLimits, now: number): boolean {
  const { maxAge, maxIdle } = limits;
  if (maxAge !== undefined && isBeyond(entry.createdAt, maxAge, now)) return true;
  return maxIdle !== undefined && isBeyond(lastUse(entry, now), maxIdle, now);
}

function isBeyond(time: number, limit: number, now: number): boolean {
  return now - time > limit || isAhead(time, now);
}

/** The limit that entries exceed together, `undefined` where they fit. */
export function exceeded(
  entries: number,
  bytes: number,
  { maxEntries, maxBytes }: SizeLimits,
): keyof SizeLimits | undefined {
  if (maxEntries !== undefined && entries > maxEntries) return "maxEntries";
  if (maxBytes !== undefined && bytes > maxBytes) return "maxBytes";
  return undefined;
}

/** The limit by which an entry is expired. */
function expiredBy(
  entry: Omit<Aged, "bytes">,
  { maxAge, maxIdle }: AgeLimits,
  now: number,
): keyof AgeLimits | undefined {
  if (isExpired(entry, { maxAge, maxIdle: undefined }, now)) return "maxAge";
  return isExpired(entry, { maxAge: undefined, maxIdle }, now) ? "maxIdle" : undefined;
}

/**
 * The entries beyond the limits, each with the limit: those that are expired, then the least recently used until number and
 * size fit.
 */
export function beyondLimits<E extends Aged>(
  entries: readonly E[],
  limits: RetentionLimits,
  now: number,
): Map<E, keyof RetentionLimits> {
  const leastRecentFirst = () => entries.toSorted((a, b) => lastUse(a, now) - lastUse(b, now));
  return new Map(
    beyond(
      () => entries,
      leastRecentFirst,
      (entry) => entry,
      limits,
      now,
    ),
  );
}

/** Likewise, of entries that can be gone through; in the order of their use only where that matters. */
export function* beyond<E>(
  entries: () => Iterable<E>,
  leastRecentFirst: () => Iterable<E>,
  agedOf: (entry: E) => Aged,
  limits: RetentionLimits,
  now: number,
): Generator<[E, keyof RetentionLimits], void> {
  let [count, bytes] = [0, 0];
  for (const entry of entries()) {
    const aged = agedOf(entry);
    const limit = expiredBy(aged, limits, now);
    if (limit) {
      yield [entry, limit];
    } else {
      count++;
      bytes += aged.bytes;
    }
  }
  if (!exceeded(count, bytes, limits)) return;
  for (const entry of leastRecentFirst()) {
    const limit = exceeded(count, bytes, limits);
    if (!limit) return;
    const aged = agedOf(entry);
    if (expiredBy(aged, limits, now)) continue;
    yield [entry, limit];
    count--;
    bytes -= aged.bytes;
  }
}

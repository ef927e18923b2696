import type { EntryHead } from "../entry/entry.js";
import type { EntryMeta } from "../entry/entry-meta.js";
import { bytesKept, parseRecord } from "../entry/out-record.js";
import { emit, isHeard } from "../events.js";
import type { Call } from "./bind.js";
import type { Plan } from "./plan.js";

/** What a call gives. */
export interface Outcome {
  readonly value: unknown;
  readonly hit: boolean;
  readonly key: string;
  /** Whether it is given as a promise. */
  readonly async: boolean;
  /** Of a new result: whether a plain function gave a promise. */
  readonly isPlainPromise?: boolean;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  readonly duration: number;
  readonly source: string;
  /** Of the entry, and of the out files that are kept with it; 0 where there is none. */
  readonly bytes: number;
  /** On a hit: from where out files were served. */
  readonly outFiles?: Readonly<Record<string, string>>;
}

/** An entry as `entries()`, `peek()` and `validate` show it. */
export function metaOf({
  key,
  createdAt,
  duration,
  bytes,
}: Pick<Outcome, "key" | "createdAt" | "duration" | "bytes">): EntryMeta {
  return { key, createdAt: new Date(createdAt), duration, bytes };
}

/** The same of an entry as it was read. Its bytes are counted with those of the out files that are kept for it. */
export function metaOfHead({ key, createdAt, duration, bytes, record }: EntryHead): EntryMeta {
  const kept = record === "" ? 0 : bytesKept(parseRecord(record));
  return { key, createdAt: new Date(createdAt), duration, bytes: bytes + kept };
}

/** Counts a hit, and tells of it. */
export function hit(plan: Plan, outcome: Outcome): Outcome {
  plan.stats.hits++;
  plan.stats.timeSaved += outcome.duration;
  if (isHeard("hit")) {
    const { key, duration, bytes } = outcome;
    emit({ type: "hit", path: plan.path, version: plan.version, key, duration, bytes });
  }
  return outcome;
}

/** Counts a miss, and tells of it. */
export function miss(call: Call): void {
  const { plan, key, folder, missed } = call;
  plan.stats.misses++;
  if (!isHeard("miss")) return;
  const reason = missed === "absent" && folder.hasOfOtherSource(call) ? "other source" : missed;
  emit({ type: "miss", path: plan.path, version: plan.version, key, reason });
}

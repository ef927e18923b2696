import { type OutRecord, remember, writtenNow } from "../../entry/out-record.js";
import { OutFileMissingError } from "../../errors.js";
import { digestOf, isSameStamp, millisecondsOf, type Stamp, stampQuietly } from "../../files/fingerprint.js";
import { ioFor, syncIo } from "../../files/io.js";
import { pause } from "../../files/pause.js";
import { type Flow, run } from "../../flow.js";
import type { Asked } from "./asked.js";

/** Records what a function wrote to its out files: looks before and after it runs, and keeps copies. */

type Stamps = readonly (Stamp | undefined)[];

function stampsOf(asked: readonly Asked[]): Stamps {
  return asked.map(({ path }) => run(stampQuietly(path, syncIo)) as Stamp | undefined);
}

/**
 * Looks at the targets before the function runs; sync, for that is to start in the same tick. A target that was changed
 * just now would look the same after a further change in the same tick of the file clock: the next tick is waited for.
 */
export function stampsBefore(asked: readonly Asked[]): Stamps {
  const stamps = stampsOf(asked);
  const now = Date.now();
  const isFresh = stamps.some((stamp) => stamp && now - millisecondsOf(stamp.ctime) < KERNEL_TICK);
  if (isFresh) pause(KERNEL_TICK);
  return stamps;
}

/** Milliseconds: kernels tick every 1 to 10. */
const KERNEL_TICK = 20;

/** @throws OutFileMissingError where a target is not there, or is as it was before the function ran */
export function assertWritten(subject: string, asked: readonly Asked[], before: Stamps): void {
  if (asked.length === 0) return;
  const after = stampsOf(asked);
  for (const [i, { name, path }] of asked.entries()) {
    const was = before[i];
    const is = after[i];
    if (is && !(was && isSameStamp(was, is))) continue;
    throw new OutFileMissingError(
      `${subject}: the function returned without writing its out file "${name}" (${path}). It must write a file to the path it is given; nothing was stored.`,
    );
  }
}

/**
 * What the function has written. Of an earlier record remain the files of the same content, and those of out files that
 * were not asked for.
 * @returns `undefined` where somebody else writes to one at the same time
 */
export function* recordOf(asked: readonly Asked[], earlier: OutRecord, async: boolean): Flow<OutRecord | undefined> {
  const io = ioFor(async);
  let record = earlier;
  for (const { name, path } of asked) {
    const before = yield* stampQuietly(path, io);
    const sha256 = before && (yield* digestOf(path, io));
    const after = yield* stampQuietly(path, io);
    if (!sha256 || !after || !isSameStamp(before, after)) return undefined;
    const { [name]: files = [], ...written } = record.written;
    const { [name]: keptFile, ...kept } = record.kept;
    const isSame = (content: { readonly sha256: string }) => content.sha256 === sha256;
    record = {
      written: { ...written, [name]: files.filter(isSame) },
      kept: keptFile && isSame(keptFile) ? record.kept : kept,
    };
    record = remember(record, name, writtenNow(path, sha256, after));
  }
  return record;
}

/** The record that tells of copies of what was just written. */
export function withKept(record: OutRecord, asked: readonly Asked[]): OutRecord {
  const kept = { ...record.kept };
  for (const { name } of asked) {
    const { sha256, stamp } = record.written[name]![0]!;
    kept[name] = { sha256, size: stamp.size, mode: stamp.mode };
  }
  return { ...record, kept };
}

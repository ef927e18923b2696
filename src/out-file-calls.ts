import { context } from "./context.js";
import { decodeEntry, encodeEntry } from "./entry/entry.js";
import { type Flow, run, wait } from "./flow.js";
import type { Call } from "./keyed-call.js";
import {
  type Asked,
  type KeptFile,
  keep,
  merged,
  type OutRecord,
  parseRecord,
  recordOf,
  serve,
  textOf,
} from "./out-files.js";
import type { Outcome } from "./outcome.js";
import { Flight } from "./single-flight.js";
import { reportStorage, warnOnce } from "./trouble.js";

/** What a call does about its out files: holds them, has them served, records them. */

/**
 * A flow of the call while its out files are held: from before they are looked at until what was written is recorded, no
 * other call of this process writes to them. The call waits for those that hold one; where that could never end (a call
 * inside theirs), it goes on without, and stores nothing.
 */
export function* holding<T>(call: Call, flow: () => Flow<T>): Flow<T> {
  for (let holder = holderOf(call.out); holder; holder = holderOf(call.out)) {
    const released = holder.join();
    if (!released) break;
    call.waited = true;
    call.plan.stats.waited++;
    yield* wait(released);
  }
  const hold = new Flight<void>(undefined, false);
  hold.canBeJoined = true;
  call.holds = !holderOf(call.out);
  if (call.holds) for (const { path } of call.out) holders.set(path, hold);
  try {
    const around = { scope: context.getStore()?.scope, flight: hold };
    return yield* wait(context.run(around, () => run(flow())));
  } finally {
    for (const { path } of call.out) if (holders.get(path) === hold) holders.delete(path);
    hold.land();
  }
}

/** Who of this process writes to a path, or looks at what it wrote. */
const holders = new Map<string, Flight<void>>();

function holderOf(out: readonly Asked[]): Flight<void> | undefined {
  for (const { path } of out) if (holders.has(path)) return holders.get(path);
  return undefined;
}

export function keptFileOf({ folder, digest }: Call): KeptFile {
  return (sha256) => folder.keptFile(digest, sha256);
}

/** Puts the out files in their places; `undefined` where one is nowhere any more, and the function has to run. */
export function* serveOutFiles<F extends Outcome & { readonly record: OutRecord }>(
  call: Call,
  found: F,
  writes: boolean,
): Flow<Outcome | undefined> {
  call.record = found.record;
  const served = yield* serve(found.record, call.out, keptFileOf(call), call.plan.async);
  if (!served) {
    call.missed = "out files";
    return undefined;
  }
  if (writes && served.record) yield* updateRecord(call, found, served.record);
  return { ...found, outFiles: served.from };
}

/** Writes what was learnt about out files into the entry, unless that is a newer one by now. */
function* updateRecord(call: Call, { createdAt }: Outcome, record: OutRecord): Flow<void> {
  const { plan, folder, digest } = call;
  try {
    const mark = folder.mark();
    const bytes = folder.read(digest, false, call.readable) as Buffer | undefined;
    const now = bytes && decodeEntry(bytes);
    if (now?.key !== call.key || now.identity !== plan.identity || now.createdAt !== createdAt) return;
    // What another process has learnt meanwhile is kept, behind ours.
    const text = textOf(merged(record, parseRecord(now.record)));
    const parts = encodeEntry({ ...now, record: text }, { ...now, parts: [Buffer.from(now.payload)] });
    yield* folder.publish(digest, parts, mark, {
      isCurrent: () => true,
      async: plan.async,
      isDurable: plan.settings().durability === "file",
      readable: call.readable,
    });
  } catch (error) {
    reportStorage(plan, folder, "written", error);
  }
}

/** `undefined` where another program writes to one of them at the same time. */
export function* recordOutFiles(call: Call, canWait: boolean): Flow<OutRecord | undefined> {
  const { plan, folder, digest, out } = call;
  const record = yield* recordOf(out, call.record, canWait);
  if (!record) {
    warnOnce(
      plan.warned,
      "contested",
      `${plan.subject}: another program wrote to an out file while it was recorded. The result is returned and not stored.`,
    );
    return undefined;
  }
  return plan.keepOutFiles ? yield* keep(record, out, (file) => folder.keep(digest, file, canWait)) : record;
}

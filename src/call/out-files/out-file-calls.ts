import { encodeEntry } from "../../entry/entry.js";
import { bytesKept, merged, type OutRecord, textOf } from "../../entry/out-record.js";
import { decodeTrusted, recordIn } from "../../entry/trust.js";
import { type Flow, performance, wait } from "../../flow.js";
import type { Call } from "../bind.js";
import { keepLimits, mostBytes } from "../limits.js";
import { type LockTerms, lockPaths } from "../locks.js";
import type { Outcome } from "../outcome.js";
import { inTime, LATE } from "../patience.js";
import type { Plan } from "../plan.js";
import { Flight } from "../single-flight.js";
import { reportOutFile, reportStorage, warnOnce } from "../trouble.js";
import type { Asked } from "./asked.js";
import { recordOf, withKept } from "./record.js";
import { type KeptFile, type Served, serve } from "./serve.js";

/** What a call does about its out files: holds them, has them served, records them. */

/**
 * A flow of the call while its out files are held: from before they are looked at until what was written is recorded, no
 * other call writes to them, of this process or of another one on the same store. The call waits for those that hold one;
 * where that could never end (a call inside theirs), or not in time, it goes on without, and stores nothing.
 * @param writes whether the mode of the call lets it change the store
 */
export function* holding<T>(
  call: Call,
  terms: LockTerms,
  writes: boolean,
  flow: (within: Flight<void>) => Flow<T>,
): Flow<T> {
  const { plan, out } = call;
  const start = performance.now();
  for (let holder = holderOf(out); holder; holder = holderOf(out)) {
    const left = terms.maxWait - (performance.now() - start);
    if (left <= 0) break;
    // A sync function cannot wait for others of its thread. One that is still at it gives promises, without saying so.
    const released = plan.async || holder.plan === plan ? holder.hold.join(terms.within) : undefined;
    if (!released) break;
    call.waited = true;
    plan.stats.waited++;
    if ((yield* wait(inTime(released, [call], left))) === LATE) break;
  }
  const hold = new Flight<void>(undefined, false, terms.within);
  hold.canBeJoined = true;
  call.holds = !holderOf(out);
  const holder = { hold, plan };
  if (call.holds) for (const { path } of out) holders.set(path, holder);
  try {
    return yield* call.holds ? lockedToo(call, terms, hold, writes, flow) : flow(hold);
  } finally {
    for (const { path } of out) if (holders.get(path) === holder) holders.delete(path);
    hold.land();
  }
}

function* lockedToo<T>(
  call: Call,
  terms: LockTerms,
  hold: Flight<void>,
  writes: boolean,
  flow: (within: Flight<void>) => Flow<T>,
): Flow<T> {
  const release = yield* lockPaths(call, terms, hold, writes);
  call.holds = release !== undefined;
  try {
    return yield* flow(hold);
  } finally {
    release?.();
  }
}

interface Holder {
  readonly plan: Plan;
  readonly hold: Flight<void>;
}

/** Who of this process writes to a path, or looks at what it wrote. */
const holders = new Map<string, Holder>();

function holderOf(out: readonly Asked[]): Holder | undefined {
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
  let served: Served | undefined;
  try {
    served = yield* serve(found.record, call.out, keptFileOf(call), call.plan.async);
  } catch (error) {
    reportOutFile(call.plan, error);
  }
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
  const { trust } = plan;
  try {
    const mark = yield* wait(folder.mark());
    folder.forget(digest);
    const bytes = yield* wait(folder.read(call, false));
    const now = bytes && decodeTrusted(bytes, trust);
    if (now?.key !== call.key || now.identity !== plan.identity || now.createdAt !== createdAt) return;
    // What another process has learnt meanwhile is kept, behind ours.
    const all = merged(record, recordIn(now, trust));
    const text = textOf(all);
    if (text === now.record) return;
    const parts = encodeEntry({ ...now, record: text }, { ...now, parts: [Buffer.from(now.payload)] }, trust.seal);
    const kept = bytesKept(all);
    const size = parts.reduce((total, part) => total + part.length, kept);
    if (size > mostBytes(plan)) return; // it is a hit, and its entry stays as it is
    const { isDurable } = plan.settings();
    const publishing = { mark, isCurrent: () => true, mayWait: plan.async, isDurable, kept };
    if (yield* wait(folder.publish(call, parts, publishing))) yield* keepLimits(call, size);
  } catch (error) {
    reportStorage(plan, folder, "written", error);
  }
}

/** Records what was written, and what will be kept of it; `undefined` where another program writes to one of them at the same time. */
export function* recordOutFiles(call: Call, canWait: boolean): Flow<OutRecord | undefined> {
  const { plan, out } = call;
  const record = yield* recordOf(out, call.record, canWait);
  if (!record) {
    warnOnce(
      plan.warned,
      "contested",
      `${plan.subject}: another program wrote to an out file while it was recorded. The result is returned and not stored.`,
    );
    return undefined;
  }
  return plan.settings().keepOutFiles ? withKept(record, out) : record;
}

/** Keeps copies of what was just written, before the record of it is published. */
export function* keepOutFiles({ plan, folder, digest, out }: Call, record: OutRecord, canWait: boolean): Flow<void> {
  if (!plan.settings().keepOutFiles) return;
  for (const { name } of out) yield* folder.keep(digest, record.written[name]![0]!, canWait);
}

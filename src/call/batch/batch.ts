import { BatchError } from "../../errors.js";
import { callBack } from "../../events.js";
import { type Flow, isFlow, wait, yieldToEventLoop } from "../../flow.js";
import type { Bound } from "../../signature/bind.js";
import type { Folder } from "../../stores/folder.js";
import { type Call, callFor, directoryOf, keyed } from "../bind.js";
import { assertMayCompute, storingTerms, termsOf, uncached } from "../call.js";
import { hasWaited, type Job, obtain } from "../compute.js";
import { consult } from "../look-up.js";
import type { Outcome } from "../outcome.js";
import type { BatchPlan, Plan } from "../plan.js";
import type { CallSettings, Progress } from "../settings.js";
import { type ChunkOptions, inChunks } from "./chunks.js";
import { type Sequence, sequenceOf } from "./sequence.js";

/**
 * A call with parallel arguments: each element is keyed and stored as a call of its own, with the other arguments as they
 * are. The function is called for those that are missing, each once, in their order:
 *
 *     call -> bind -> take the sequences apart -> key, digest for each element -> distinct calls
 *          -> look each up -> obtain what is missing, chunk by chunk -> results in order
 */
export interface Batch {
  readonly plan: Plan;
  readonly self: unknown;
  readonly args: readonly unknown[];
  readonly bound: Bound;
  readonly sequences: readonly Sequence[];
  /** The distinct calls, in the order in which they first stand. Many, so no more than this is kept of each. */
  readonly elements: readonly BatchElement[];
  /** For each element of the sequences, which of the distinct ones it is. */
  readonly positions: readonly number[];
}

interface BatchElement {
  readonly key: string;
  readonly folder: Folder;
  /** Where it first stands. */
  readonly at: number;
  /** How often it stands. */
  count: number;
}

/** Takes all keys, before anything else runs. */
export function beginBatch(plan: Plan, self: unknown, args: readonly unknown[], dir: string | undefined): Batch {
  const bound = plan.binder.bind(args);
  const sequences = sequencesOf(plan, bound);
  const keyAt = keysOf(plan, self, bound, sequences);
  const folderAt = foldersOf(plan, dir, bound, sequences);
  const elements: BatchElement[] = [];
  const positions: number[] = [];
  const known = new Map<Folder, Map<string, number>>();
  const length = sequences[0]!.items.length;
  const keys = keyed(plan, () => Array.from({ length }, (_, at) => keyAt(at)));
  for (const [at, key] of keys.entries()) {
    const folder = folderAt(at);
    const ofFolder = known.get(folder) ?? new Map<string, number>();
    if (ofFolder.size === 0) known.set(folder, ofFolder);
    let position = ofFolder.get(key);
    if (position === undefined) {
      position = elements.push({ key, folder, at, count: 0 }) - 1;
      ofFolder.set(key, position);
    }
    elements[position]!.count++;
    positions.push(position);
  }
  return { plan, self, args, bound, sequences, elements, positions };
}

export function callAt({ plan, elements }: Batch, position: number): Call {
  const { key, folder } = elements[position]!;
  return callFor(plan, key, folder, position);
}

function batchOf({ batch }: Plan): BatchPlan {
  return batch!;
}

/** @throws BatchError where one is no sequence, or they differ in length */
function sequencesOf(plan: Plan, { values, args }: Bound): Sequence[] {
  const { parameters } = batchOf(plan);
  const sequences = parameters.map(({ name, index, position, property }) => {
    // The default of a whole pattern is evaluated inside of the function: it cannot be given a part of it.
    const isOmitted = property !== undefined && args[position] === undefined;
    const value = isOmitted ? undefined : values[index];
    const sequence = sequenceOf(value);
    if (sequence) return sequence;
    throw new BatchError(
      `${plan.subject}: the parallel argument "${name}" must be an array, a string, a typed array or another iterable, not ${value === null ? "null" : typeof value}.`,
    );
  });
  const lengths = sequences.map(({ items }) => items.length);
  if (new Set(lengths).size > 1) {
    const names = parameters.map(({ name }) => name).join(", ");
    throw new BatchError(
      `${plan.subject}: Incompatible lengths: ${lengths.join(", ")} (of ${names}). Parallel arguments have an element each for every result.`,
    );
  }
  return sequences;
}

/** The key for each element. */
function keysOf(plan: Plan, self: unknown, { values }: Bound, sequences: readonly Sequence[]): (at: number) => string {
  const indices = batchOf(plan).parameters.map(({ index }) => index);
  const keyOf = keyed(plan, () => plan.callKey.elements(values, self, indices));
  return (at) =>
    keyOf(
      sequences.map(({ items }) => items[at]),
      at,
    );
}

/** The folder for each element: a `dir` that is a function sees the element. */
function foldersOf(
  plan: Plan,
  dir: string | undefined,
  { values }: Bound,
  sequences: readonly Sequence[],
): (at: number) => Folder {
  if (dir !== undefined || typeof plan.dir !== "function") {
    const folder = plan.folder(dir ?? (plan.dir as string | undefined));
    return () => folder;
  }
  return (at) => {
    const own = [...values];
    for (const [i, { index }] of batchOf(plan).parameters.entries()) own[index] = sequences[i]!.items[at];
    return plan.folder(directoryOf(plan, own));
  };
}

/** What the function receives for some of the elements. */
function argsFor(plan: Plan, sequences: readonly Sequence[], { args }: Bound, chunk: readonly number[]): unknown[] {
  const received = [...args];
  for (const [i, { position, property }] of batchOf(plan).parameters.entries()) {
    const { items, of } = sequences[i]!;
    const part = of(chunk.map((at) => items[at]));
    while (received.length < position) received.push(undefined);
    if (property === undefined) received[position] = part;
    else if (typeof property === "number")
      received[position] = withItem(received[position] as unknown[], property, part);
    else received[position] = { ...(received[position] as object), [property]: part };
  }
  return received;
}

/** Where it has its default, the array that was passed ends before it. */
function withItem(array: readonly unknown[], index: number, item: unknown): unknown[] {
  return Array.from({ length: Math.max(array.length, index + 1) }, (_, i) => (i === index ? item : array[i]));
}

/** The other arguments are bound and keyed again, the elements are keyed again. */
function boundAgain({ plan, self, args, sequences, elements }: Batch, calls: readonly Call[]): Bound {
  const bound = plan.binder.bind(args);
  const keyAt = keysOf(plan, self, bound, sequences);
  keyed(plan, () => {
    for (const call of calls) call.isSame = keyAt(elements[call.position]!.at) === call.key;
  });
  return bound;
}

/** @throws BatchError where it is no array of the right length */
export function resultsOf(
  { subject }: Plan,
  value: unknown,
  count: number,
  whence = "the function returned",
): readonly unknown[] {
  if (Array.isArray(value) && value.length === count) return value;
  const what = Array.isArray(value)
    ? `${value.length} results`
    : `${value === null ? "null" : typeof value}, no array,`;
  throw new BatchError(
    `${subject}: ${whence} ${what} for ${count} elements. It must be an array with a result for each element, in their order; nothing of it was stored.`,
  );
}

/**
 * @param pick what is wanted of an outcome; the rest is not kept
 * @param needsKeys also in a mode that makes none
 * @returns that for each element
 */
export function* answerBatch<T>(
  plan: Plan,
  self: unknown,
  args: readonly unknown[],
  settings: CallSettings,
  pick: (outcome: Outcome) => T,
  needsKeys = false,
): Flow<readonly T[]> {
  const terms = termsOf(plan, settings);
  if (terms.mode === "bypass") return (yield* bypassBatch(plan, self, args, settings, needsKeys)).map(pick);
  const batch = beginBatch(plan, self, args, settings.dir);
  const { elements, positions, sequences } = batch;
  const picked: T[] = [];
  const progress = new BatchProgress(positions.length, plan, settings);
  const settle = (call: Call, outcome: Outcome) => {
    picked[call.position] = pick(outcome);
    progress.count(elements[call.position]!.count, outcome);
  };

  const missing: Call[] = [];
  let othersRan = false;
  for (const position of elements.keys()) {
    if (plan.async && position > 0 && position % TURN === 0) {
      yield* wait(yieldToEventLoop());
      othersRan = true;
    }
    const call = callAt(batch, position);
    const consulted = consult(call, terms);
    const served = isFlow(consulted) ? yield* consulted : consulted;
    othersRan ||= call.waited;
    if (served) settle(call, served);
    else missing.push(call);
  }
  othersRan = progress.tell() || othersRan;
  if (missing.length > 0) {
    if (othersRan) for (const call of missing) hasWaited(call);
    assertMayCompute(missing[0]!, terms);
    const job: Job = {
      ...terms,
      ...chunkOptions(plan, settings),
      ...storingTerms(plan, settings),
      plan,
      self,
      argsFor(calls) {
        const now = calls.some(({ waited }) => waited) ? boundAgain(batch, calls) : batch.bound;
        const chunk = calls.map(({ position }) => elements[position]!.at);
        return argsFor(plan, sequences, now, chunk);
      },
      resultsOf: (value, calls) => resultsOf(plan, value, calls.length),
      settle,
      progressed: () => progress.tell(),
    };
    yield* obtain(job, missing);
  }
  return positions.map((position) => picked[position]!);
}

/** Elements that are looked up before others have their turn: about 10 ms. */
const TURN = 1_000;

function chunkOptions(plan: Plan, { signal }: CallSettings): ChunkOptions {
  const { chunkSize, concurrency } = batchOf(plan);
  return { chunkSize, concurrency: plan.async ? concurrency : 1, signal };
}

class BatchProgress {
  readonly #total: number;
  readonly #onProgress: ((progress: Progress) => void) | undefined;
  readonly #subject: string;
  #done = 0;
  #cached = 0;

  constructor(total: number, plan: Plan, settings: CallSettings) {
    this.#total = total;
    this.#subject = plan.subject;
    this.#onProgress = settings.onProgress ?? batchOf(plan).onProgress;
  }

  count(elements: number, { hit }: Outcome): void {
    this.#done += elements;
    if (hit) this.#cached += elements;
  }

  /** @returns whether anybody was told */
  tell(): boolean {
    const tell = this.#onProgress;
    if (!tell) return false;
    const progress = { done: this.#done, cached: this.#cached, total: this.#total };
    callBack(`${this.#subject}: onProgress`, () => tell(progress));
    return true;
  }
}

/** All elements go to the function, chunk by chunk; no keys are made, but for those who ask. */
function* bypassBatch(
  plan: Plan,
  self: unknown,
  args: readonly unknown[],
  settings: CallSettings,
  needsKeys: boolean,
): Flow<readonly Outcome[]> {
  const bound = plan.binder.bind(args);
  const sequences = sequencesOf(plan, bound);
  const elements = [...sequences[0]!.items.keys()];
  const keyAt = needsKeys ? keysOf(plan, self, bound, sequences) : () => "";
  const keys = keyed(plan, () => elements.map(keyAt));
  const progress = new BatchProgress(elements.length, plan, settings);
  const outcomes: Outcome[] = [];
  yield* inChunks(elements, chunkOptions(plan, settings), function* (chunk) {
    const { value, ...outcome } = yield* uncached(plan, self, argsFor(plan, sequences, bound, chunk));
    const results = resultsOf(plan, value, chunk.length);
    for (const [i, at] of chunk.entries()) outcomes[at] = { ...outcome, key: keys[at]!, value: results[i] };
    progress.count(chunk.length, outcomes[chunk[0]!]!);
    progress.tell();
  });
  return outcomes;
}

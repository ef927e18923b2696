import { sha256 } from "#sha256";
import { NO_RECORD, type OutRecord } from "../entry/out-record.js";
import { ReadableName } from "../entry/readable-name.js";
import { isInstance, StoreError, UnkeyableValueError } from "../errors.js";
import { silence } from "../key/originals.js";
import { type Bound, byName } from "../signature/bind.js";
import type { Folder } from "../stores/folder.js";
import { type Asked, askedFor } from "./out-files/asked.js";
import type { Plan } from "./plan.js";
import { warnOnce } from "./trouble.js";

/** A call that is bound and keyed; of a batch, the call for one element. */
export interface Call {
  readonly plan: Plan;
  /** Canonical JSON. */
  readonly key: string;
  readonly digest: string;
  readonly readable: ReadableName;
  readonly folder: Folder;
  /** The out files that it asks for. */
  readonly out: readonly Asked[];
  /** Among the distinct elements of a batch; 0 for a call of its own. */
  readonly position: number;
  /** It holds them: nobody else of this process writes to them. Always true without out files. */
  holds: boolean;
  /** What the entry says of out files, where there was one that could not be served. */
  record: OutRecord;
  /** Other code ran since the key was taken. */
  waited: boolean;
  /** The store was looked at, and no other computation was waited for since. */
  isLookedUp: boolean;
  /** It may wait for the computation of another call. False once that gave what only one caller can have. */
  joins: boolean;
  /** When the function was about to start, the arguments still had this key. */
  isSame: boolean;
  /** Why there was no hit, for those who listen. */
  missed: string;
  /** The checksum of an entry that was looked at and does not serve: it need not be judged twice. */
  rejected: number | undefined;
}

/** A call with what the function is to be given. */
export interface BoundCall {
  readonly call: Call;
  readonly self: unknown;
  /** As they were passed. */
  readonly args: readonly unknown[];
  readonly bound: Bound;
}

/** Binds the call as the language would, and makes its key. */
export function bindCall(plan: Plan, self: unknown, args: readonly unknown[], dir: string | undefined): BoundCall {
  const bound = plan.binder.bind(args);
  const key = keyed(plan, () => plan.callKey.of(bound.values, self));
  const folder = plan.folder(dir ?? directoryOf(plan, bound.values));
  const out = plan.outParameters.length === 0 ? NONE : askedFor(plan.subject, plan.outParameters, bound.values);
  return { call: callFor(plan, key, folder, 0, out), self, args, bound };
}

/** The call for a key: of a whole call, or of one element of a batch. */
export function callFor(plan: Plan, key: string, folder: Folder, position: number, out = NONE): Call {
  if (key.length >= LARGE) warnLarge(plan, key);
  const digest = digestOf(key);
  return {
    plan,
    key,
    digest,
    readable: new ReadableName(plan.path, key, digest, plan.settings().naming === "readable"),
    folder,
    position,
    out,
    holds: out.length === 0,
    record: NO_RECORD,
    waited: false,
    isLookedUp: false,
    joins: true,
    isSame: true,
    missed: "refresh",
    rejected: undefined,
  };
}

/** Characters of a key from which on it costs more than most computations: it stands in each entry, and is compared. */
const LARGE = 1_000_000;

function warnLarge(plan: Plan, key: string): void {
  warnOnce(
    plan.warned,
    "large key",
    `${plan.subject}: a key has ${key.length} characters, which are made, stored and compared at each call. Key large arguments by stableHash (keyFunction: { name: stableHash }), or by a part of them.`,
    "ERR_PERMACACHE_UNKEYABLE",
  );
}

/** @throws UnkeyableValueError, which says of which function */
export function keyed<T>({ subject }: Plan, make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (!isInstance(error, UnkeyableValueError)) throw error;
    throw new UnkeyableValueError(
      `${subject}: ${error.message}`,
      error.cause === undefined ? {} : { cause: error.cause },
    );
  }
}

const NONE: readonly Asked[] = [];

/** 160 bits: names stay short, and an entry holds its key in full. */
export function digestOf(key: string): string {
  if (key.length > LONGEST) return sha256(key).slice(0, 40);
  let digest = digests.get(key);
  if (digest === undefined) {
    digest = sha256(key).slice(0, 40);
    if (digests.size === MOST) digests.clear();
    digests.set(key, digest);
  }
  return digest;
}

/** Of short keys that came lately. To compute it would be a fifth of a hit in memory. */
const digests = new Map<string, string>();
const MOST = 1_000;
const LONGEST = 200;

/** A function that gives something falsy means the directory of the cache. */
export function directoryOf({ dir, binder, subject }: Plan, values: readonly unknown[]): string | undefined {
  if (typeof dir !== "function") return dir;
  const given = dir(byName(binder.names, values)) || undefined;
  if (given === undefined || typeof given === "string") return given;
  silence(given);
  throw new StoreError(`${subject}: the option "dir" gave ${typeof given} instead of the path of a directory.`);
}

import { existsSync, readFileSync, readlinkSync } from "node:fs";
import { basename } from "node:path";
import { randomName } from "../publish.js";
import { isAlive, whereabouts } from "../temporary.js";

/** Who holds a portable lock: a thread of a process. As text it is `<where> <pid> <thread> <start> <random>`. */
export interface Owner {
  /** See `whereabouts`. */
  readonly where: string;
  readonly pid: number;
  /** Its number with the system, for a worker may end before its process; or `MAIN`, or `UNKNOWN`. */
  readonly thread: string;
  /** When the thread began: numbers are used again. */
  readonly start: string;
}

/** Where the system tells no number: the main thread lives as long as its process, of a worker one cannot know. */
const MAIN = "main";
const UNKNOWN = "worker";

const OWNER = /^([0-9a-f]{12}) (\d+) (\d+|main|worker) (\d+|-) [0-9a-f]{32}$/;

/** Longer than any, in bytes. */
export const OWNER_SIZE = 200;

let ours: string | undefined;

/** This thread, each time in other words. */
export function newOwnerText(): string {
  ours ??= `${whereabouts()} ${process.pid} ${threadOfThis()}`;
  return `${ours} ${randomName()}`;
}

function threadOfThis(): string {
  try {
    const thread = basename(readlinkSync("/proc/thread-self"));
    return `${thread} ${startOf(process.pid, thread)}`;
  } catch {
    // Not imported: it is needed here only, and takes a millisecond to load.
    return `${process.getBuiltinModule("node:worker_threads").isMainThread ? MAIN : UNKNOWN} -`;
  }
}

/** `undefined` for what is no owner, or only the beginning of one. */
export function parseOwner(text: string): Owner | undefined {
  const [, where, pid, thread, start] = OWNER.exec(text) ?? [];
  return where === undefined ? undefined : { where, pid: Number(pid), thread: thread!, start: start! };
}

/** For people. */
export function nameOf({ where, pid }: Owner): string {
  return `process ${pid}${where === whereabouts() ? "" : " of another machine or container"}`;
}

/** `undefined` where that cannot be told from here. */
export function isOwnerAlive({ where, pid, thread, start }: Owner): boolean | undefined {
  if (where !== whereabouts() || thread === UNKNOWN) return undefined;
  if (thread === MAIN) return isAlive(pid);
  try {
    return startOf(pid, thread) === start;
  } catch {
    // Where the processes of other users are hidden, they have no folder either.
    return !existsSync(`/proc/${pid}`) && isAlive(pid);
  }
}

/** `undefined` where it is dead, and only its parent has not heard yet. @throws where there is none */
function startOf(pid: number, thread: string): string | undefined {
  const stat = readFileSync(`/proc/${pid}/task/${thread}/stat`, "utf8");
  const [state, ...fields] = stat.slice(stat.lastIndexOf(")") + 2).split(" "); // before it: a name, which may be anything
  return state === "Z" || state === "X" ? undefined : fields[18];
}

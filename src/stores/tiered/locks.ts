import type { Awaitable, Engine, Held, LockName, Locks } from "../engine.js";
import type { Far } from "./far.js";

/** Keys are locked near first, so that one process of each machine contends for the far lock. */
export function locksOf(near: Engine, far: Far): Locks | undefined {
  if (!near.locks && !far.engine.locks) return undefined;
  return {
    get kind() {
      return `${near.locks?.kind ?? "none"} before ${far.engine.locks?.kind ?? "none"}`;
    },
    tryLock: (name, makes) => (isNear(near, name) ? lockIn(near, name, makes) : lockBoth(near, far, name, makes)),
    holder: (name) => near.locks?.holder(name) ?? (isNear(near, name) ? undefined : far.engine.locks?.holder(name)),
  };
}

/** Paths of out files are those of a machine. */
function isNear({ locks }: Engine, { folder }: LockName): boolean {
  return locks !== undefined && folder === undefined;
}

async function lockBoth(near: Engine, far: Far, name: LockName, makes: boolean): Promise<Held | undefined> {
  const nearby = await lockIn(near, name, makes);
  if (!nearby) return undefined;
  const away = await far.try(() => lockIn(far.engine, name, makes), UNLOCKED);
  if (!away) {
    nearby.release();
    return undefined;
  }
  return {
    release() {
      away.release();
      nearby.release();
    },
  };
}

function lockIn({ locks }: Engine, name: LockName, makes: boolean): Awaitable<Held | undefined> {
  return locks ? locks.tryLock(name, makes) : UNLOCKED;
}

const UNLOCKED: Held = { release() {} };

import { callBack, type WorkProgress } from "../events.js";
import { performance } from "../flow.js";

/** Tells of work that goes on at most twenty times a second, and of its end. */
export function sparing(onProgress: ((progress: WorkProgress) => void) | undefined): (progress: WorkProgress) => void {
  let last = Number.NEGATIVE_INFINITY;
  return (progress) => {
    const now = performance.now();
    if (progress.done < progress.total && now - last < PAUSE) return;
    last = now;
    if (onProgress) callBack("onProgress", () => onProgress(progress));
  };
}

/** Milliseconds. */
const PAUSE = 50;

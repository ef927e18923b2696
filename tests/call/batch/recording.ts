import { setImmediate as turn } from "node:timers/promises";
import type { ExecutionContext } from "ava";
import type { CacheOptions } from "../../../src/index.js";
import { newCache } from "../../place.js";

export const KINDS = ["sync", "async"] as const;
export type Kind = (typeof KINDS)[number];

/** A cache of the test's own, of which only the entries are looked at. */
export function placeOf(t: ExecutionContext, options: CacheOptions = {}) {
  const place = newCache(t, options);
  return { ...place, files: () => place.files().filter((file) => file.endsWith(".entry")) };
}

/** A function of sequences `xs` and a factor; it notes what it is given, and each result tells its element. */
export function recording(t: ExecutionContext, options: object = {}, kind: Kind = "sync") {
  const place = placeOf(t);
  const ran: any[] = [];
  const compute = (xs: any, factor: number) => {
    ran.push(xs);
    return Array.from(xs, (x) => [x, factor]);
  };
  const f: any =
    kind === "sync"
      ? place.permacache("recording", { parallel: "xs", ...options })((xs: any, factor = 2) => compute(xs, factor))
      : place.permacache("recording", { parallel: "xs", ...options })(async (xs: any, factor = 2) =>
          compute(xs, factor),
        );
  return { ...place, f, ran };
}

/** A promise, and what resolves it. */
export function gate() {
  let open!: () => void;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

export async function rejections(action: () => Promise<unknown>): Promise<unknown[]> {
  const seen: unknown[] = [];
  const listener = (reason: unknown) => seen.push(reason);
  process.on("unhandledRejection", listener);
  try {
    await action();
    for (let i = 0; i < 3; i++) await turn();
  } finally {
    process.off("unhandledRejection", listener);
  }
  return seen;
}

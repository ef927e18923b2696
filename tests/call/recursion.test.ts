import test from "ava";
import { newCache } from "../place.js";

test("a sync function recurses 3,000 levels", (t) => {
  const sum: (n: number) => number = newCache(t).permacache("deep/sum")((n: number): number =>
    n === 0 ? 0 : n + sum(n - 1),
  );
  t.is(sum(3_000), (3_000 * 3_001) / 2);
  t.is(sum(2_999), (2_999 * 3_000) / 2, "every level was stored");
});

test("a sync function that fills the stack throws one error that can be caught, and works again after it", (t) => {
  const cache = newCache(t);
  const endless: (n: number) => number = cache.permacache("deep/endless")((n: number): number => endless(n + 1));
  const once = cache.permacache("deep/once")((n: number) => n + 1);
  t.throws(() => endless(0), { instanceOf: RangeError, message: /call stack/ });
  t.is(once(1), 2);
  t.is(once.detail(1).hit, true);
  t.throws(() => endless(0), { instanceOf: RangeError }, "no level is left as if it were still running");
  t.is((endless as unknown as { stats(): { stores: number } }).stats().stores, 0);
});

test("an async function that recurses before its first await gives its result, or one error that can be caught", async (t) => {
  const down: (n: number) => Promise<number> = newCache(t).permacache("deep/down")(
    async (n: number): Promise<number> => (n ? (await down(n - 1)) + 1 : 0),
  );
  t.is(await down(1_000), 1_000);
  await t.throwsAsync(() => down(100_000), { instanceOf: RangeError, message: /call stack/ });
  t.is(await down(1_001), 1_001);
});

test("the stack of an error shows the caller of a cached function, and its caller", (t) => {
  const fails = newCache(t).permacache("deep/fails")((x: number): number => {
    throw new Error(`no ${x}`);
  });
  function caller(): number {
    return fails(1);
  }
  function callersCaller(): number {
    return caller();
  }
  const { stack = "" } = t.throws(callersCaller)!;
  const frames = stack.split("\n").filter((line) => line.startsWith("    at "));
  const at = frames.findIndex((frame) => frame.includes("at caller "));
  t.true(at > 0 && at <= 4, `at most three frames of the library stand between: ${stack}`);
  t.regex(frames[at + 1]!, /at callersCaller /);
});

test("a batch function shows its caller, too", (t) => {
  const fails = newCache(t).permacache("deep/batch", { parallel: "xs" })((xs: number[]): number[] => {
    throw new Error(`no ${xs}`);
  });
  function caller(): unknown {
    return fails([1, 2]);
  }
  const { stack = "" } = t.throws(caller)!;
  t.true(
    stack
      .split("\n")
      .slice(1, 6)
      .some((frame) => frame.includes("at caller ")),
    stack,
  );
});

test("a call inside of a full stack leaves nothing locked: the key is computed once more", async (t) => {
  const cache = newCache(t);
  let depth = 0;
  const inner: (n: number) => Promise<number> = cache.permacache("deep/inner")(async (n: number): Promise<number> => {
    depth = Math.max(depth, n);
    return inner(n + 1);
  });
  await t.throwsAsync(() => inner(0), { instanceOf: RangeError });
  const reached = depth;
  const settled = cache.permacache("deep/inner", { source: false })(async (n: number) => -n);
  t.is(await settled(reached), -reached, "nobody waits for the computation that failed");
});

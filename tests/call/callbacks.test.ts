import { spawnSync } from "node:child_process";
import test from "ava";
import { createCache } from "../../src/index.js";
import { newCache, newDirectory } from "../place.js";

// What the functions of a user give and throw.

const REFUSED = {
  validate: "ERR_PERMACACHE_OPTION",
  shouldStore: "ERR_PERMACACHE_OPTION",
  dir: "ERR_PERMACACHE_STORE",
  "a key function": "ERR_PERMACACHE_UNKEYABLE",
  "a key function of all": "ERR_PERMACACHE_UNKEYABLE",
  "dropIf(test)": "ERR_PERMACACHE_OPTION",
  "dropIf(_, mapper)": "ERR_PERMACACHE_UNKEYABLE",
  onError: undefined,
  defaults: "ERR_PERMACACHE_UNKEYABLE",
  onProgress: undefined,
  "an argument": "ERR_PERMACACHE_UNKEYABLE",
  "an argument inside": "ERR_PERMACACHE_UNKEYABLE",
};

for (const [name, code] of Object.entries(REFUSED)) {
  test(`${name}: a promise that is rejected does not end the process`, (t) => {
    const args = ["tests/call/callbacks.program.mjs", newDirectory(t), name];
    const { stdout, stderr, status } = spawnSync(process.execPath, args, { encoding: "utf8" });
    t.is(status, 0, stderr);
    const lines = stdout.trim().split("\n");
    t.is(lines.pop(), "alive");
    if (name === "validate") t.true(lines.includes(`async: ${code}`) && lines.includes(`sync: ${code}`), stdout);
    else for (const line of lines) t.regex(line, code === undefined ? /: a value$/ : new RegExp(`: ${code}$`));
  });
}

/** Whatever is asked of it, it throws. */
function hostile(): object {
  const trap = () => {
    throw new Error("looked at");
  };
  return new Proxy({}, { get: trap, has: trap, getPrototypeOf: trap, ownKeys: trap, getOwnPropertyDescriptor: trap });
}

function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

/** In an object, for a promise would look at it. */
async function thrownBy(action: () => unknown): Promise<{ error?: unknown }> {
  try {
    await action();
  } catch (error) {
    return { error };
  }
  return {};
}

for (const [name, make] of Object.entries({ "a Proxy whose traps throw": hostile, "a revoked Proxy": revoked })) {
  test(`${name} reaches the caller that it is thrown at, and those who joined`, async (t) => {
    const { permacache } = newCache(t);
    const error = make();
    const f = permacache("async")(async (_x: number) => {
      await null;
      throw error;
    });
    for (const each of await Promise.all([1, 1, 1].map((x) => thrownBy(() => f(x))))) t.true(each.error === error);
    const s = permacache("sync")((_x: number) => {
      throw error;
    });
    t.true((await thrownBy(() => s(1))).error === error);
    const batch = permacache("batch", { parallel: "xs" })(async (xs: number[]) => {
      await null;
      if (xs.length > 0) throw error;
      return xs;
    });
    for (const each of await Promise.all([1, 1].map(() => thrownBy(() => batch([1, 2]))))) t.true(each.error === error);
  });

  test(`${name} reaches the caller where an option throws it`, async (t) => {
    const error = make();
    const fail = () => {
      throw error;
    };
    for (const options of [
      { shouldStore: fail },
      { dir: fail },
      { keyFunction: { x: fail } },
      { keyFunction: fail },
      { defaults: { y: fail } },
    ]) {
      const { permacache } = newCache(t);
      const f = permacache("f", options)(async (x: number, y = 1) => x + y);
      const s = permacache("s", options)((x: number, y = 1) => x + y);
      const isCause = "defaults" in options; // told with the name of the parameter
      for (const call of [() => f(1), () => s(1)]) {
        const { error: thrown } = await thrownBy(call);
        t.true((isCause ? (thrown as Error).cause : thrown) === error, Object.keys(options)[0]);
      }
    }
  });

  test(`${name} reaches the caller where validate throws it`, async (t) => {
    const error = make();
    const { permacache } = newCache(t);
    const validate = () => {
      throw error;
    };
    const f = permacache("f", { validate })(async (x: number) => x);
    t.is(await f(1), 1);
    t.true((await thrownBy(() => f(1))).error === error);
  });

  test(`${name} as a result of a sync function is returned`, (t) => {
    const value = make();
    const { permacache } = createCache({ dir: newDirectory(t), onError: () => {} });
    const f = permacache("result")((_x: number) => value as any);
    t.true(f(1) === value);
    const inside = permacache("inside")((_x: number) => [value] as any);
    t.true(inside(1)[0] === value);
  });

  test(`${name} thrown by a codec is trouble with the store, no more`, async (t) => {
    const error = make();
    const codec = {
      name: "failing",
      encode() {
        throw error;
      },
      decode: (bytes: Uint8Array) => bytes,
    };
    const { permacache } = createCache({ dir: newDirectory(t), onError: () => {} });
    t.is(await permacache("codec", { codec })(async (x: number) => x)(1), 1);
  });
}

test.serial("many calls with one signal: one listener, which goes with the last of them", async (t) => {
  const warnings: Error[] = [];
  const listener = (warning: Error) => warnings.push(warning);
  process.on("warning", listener);
  t.teardown(() => process.off("warning", listener));
  const { permacache } = newCache(t);
  let finish = () => {};
  const gate = new Promise<void>((resolve) => {
    finish = resolve;
  });
  const f = permacache("signal")(async (x: number) => {
    await gate;
    return x;
  });
  const controller = new AbortController();
  const { signal } = controller;
  let listeners = 0;
  let most = 0;
  const { addEventListener, removeEventListener } = signal;
  signal.addEventListener = function (this: AbortSignal, ...args: any) {
    most = Math.max(most, ++listeners);
    return (addEventListener as any).apply(this, args);
  };
  signal.removeEventListener = function (this: AbortSignal, ...args: any) {
    listeners--;
    return (removeEventListener as any).apply(this, args);
  };
  const leader = f(1);
  const joined = Array.from({ length: 50 }, () => f.with({ signal })(1));
  await new Promise((resolve) => setImmediate(resolve));
  finish();
  t.deepEqual(new Set(await Promise.all([leader, ...joined])), new Set([1]));
  await new Promise((resolve) => setImmediate(resolve));
  t.is(most, 1);
  t.is(listeners, 0);
  t.deepEqual(warnings, []);
});

test("an abort reaches each of the calls that joined with the signal", async (t) => {
  const { permacache } = newCache(t);
  let finish = () => {};
  const gate = new Promise<void>((resolve) => {
    finish = resolve;
  });
  const f = permacache("aborted")(async (x: number) => {
    await gate;
    return x;
  });
  const controller = new AbortController();
  const leader = f(1);
  const joined = Array.from({ length: 20 }, () => f.with({ signal: controller.signal })(1));
  await new Promise((resolve) => setImmediate(resolve));
  const reason = new Error("enough");
  controller.abort(reason);
  for (const each of joined) t.is((await thrownBy(() => each)).error, reason);
  finish();
  t.is(await leader, 1);
});

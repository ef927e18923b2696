import test from "ava";
import { cacheOf, permacache as defaultPermacache, OptionError, PathError, SignatureError } from "../../src/index.js";
import { failureOf, newCache, warningsOf } from "../place.js";

test("name, length, own properties and this are those of the function", (t) => {
  const { permacache } = newCache(t);
  const original = Object.assign(
    function scale(this: { by: number }, x: number, _y = 1) {
      return x * this.by;
    },
    { unit: "m" },
  );
  const scale = permacache("kept", { keyFunction: { this: (self: { by: number }) => self.by } })(original);
  t.is(scale.name, "scale");
  t.is(scale.length, 1);
  t.is(scale.unit, "m");
  t.is(scale.original, original);
  t.is(scale.call({ by: 2 }, 3), 6);
  t.is(scale.call({ by: 3 }, 3), 9);
  t.is(scale.with({ this: { by: 3 } }).key(3), '{"_y":1,"this":3,"x":3}');
});

test("a sync function stays sync, an async one gives a promise on a hit too", async (t) => {
  const { permacache } = newCache(t);
  const sync = permacache("sync")((x: number) => x);
  t.is(sync(1), 1);
  t.is(sync(1), 1);
  const async = permacache("async")(async (x: number) => x);
  for (const promise of [async(1), async(1)]) {
    t.true(promise instanceof Promise);
    t.is(await promise, 1);
  }
});

test("a plain function that returns promises: hits follow the entry, its methods are sync", async (t) => {
  const { permacache } = newCache(t);
  let computed = 0;
  const fn = (x: number) => {
    computed++;
    return Promise.resolve(x);
  };
  const f: any = permacache("promises")(fn);
  t.is(await f(1), 1);
  t.true(f(1) instanceof Promise);
  t.is(await f(1), 1);
  t.is(f.has(1), true);
  t.is(f.peek(1).value, 1);
  t.is(computed, 1);
  const declared: any = permacache("promises", { async: true })(fn);
  t.true(declared(1) instanceof Promise);
  t.true(declared.has(1) instanceof Promise);
  t.is(computed, 1);
});

test("errors of the function pass through unchanged and leave nothing", async (t) => {
  const { permacache, files } = newCache(t);
  const failure = new Error("mine");
  const sync = permacache("failing/sync")((_x: number) => {
    throw failure;
  });
  const async = permacache("failing/async")(async (_x: number) => {
    throw failure;
  });
  t.is(await failureOf(() => sync(1)), failure);
  t.is(await failureOf(() => async(1)), failure);
  t.deepEqual(files(), []);
});

test("decorates methods: plain, static and private; cacheOf gives their methods", (t) => {
  const { permacache, files } = newCache(t);
  let computed = 0;
  class Model {
    constructor(readonly id: number) {}
    @permacache("model/train", { keyFunction: { this: (m: Model) => m.id } })
    train(x: number, y = 2): number {
      computed++;
      return this.id * 100 + x * 10 + y;
    }
    @permacache("model/area")
    static area(x: number) {
      return x * x;
    }
    @permacache("model/hidden", { keyFunction: { this: null } })
    #hidden(x: number) {
      return x + 1;
    }
    use(x: number) {
      return this.#hidden(x);
    }
  }
  const model = new Model(7);
  t.is(model.train(1), 712);
  t.is(new Model(7).train(1, 2), 712);
  t.is(computed, 1);
  t.is(new Model(8).train(1), 812);
  t.is(Model.area(3), 9);
  t.is(model.use(1), 2);
  t.is(files().length, 4);
  t.true(cacheOf(model.train, model).has(1));
  t.false(cacheOf(model.train, model).has(5));
  t.is(cacheOf(model.train, model).key(1), '{"this":7,"x":1,"y":2}');
  t.is(cacheOf(Model.area).key(1), '{"x":1}');
  const error = t.throws(() => cacheOf(model.train).has(1), { name: "BindingError" });
  t.regex(error.message, /\.with\(\{ this: object \}\)/);
  t.throws(() => cacheOf(() => 1), { instanceOf: OptionError, message: /not a cached function/ });
});

test("a cached function can be wrapped again", (t) => {
  const { permacache } = newCache(t);
  let computed = 0;
  const inner = permacache("inner")((x: number, y = 2) => {
    computed++;
    return x + y;
  });
  const outer = permacache("outer")(inner);
  t.is(outer(1), 3);
  t.is(outer(1, 2), 3);
  t.is(outer.key(1), '{"x":1,"y":2}');
  t.is(computed, 1);
});

// ---- refusals ----

const wrongPaths = [
  "",
  "/a",
  "a/",
  "a//b",
  ".",
  "..",
  "a/../b",
  "a/.",
  "a\\b",
  "C:",
  "a:b",
  "a\0b",
  "ä",
  "a b",
  "a".repeat(101),
];
const tooLong = Array(21).fill("123456789").join("/"); // 209 characters
for (const path of [...wrongPaths, tooLong, 1, undefined]) {
  test(`path refused: ${JSON.stringify(path)?.slice(0, 30)}`, (t) => {
    const error = t.throws(() => defaultPermacache(path as string), { instanceOf: PathError });
    t.is(error.code, "ERR_PERMACACHE_PATH");
    t.regex(error.message, /joined by "\/"/);
  });
}
for (const path of ["a", "A.b_c@1-2/d", "a".repeat(100), "...", "con", Array(20).fill("123456789").join("/")]) {
  test(`path taken: ${path.slice(0, 30)}`, (t) => {
    t.notThrows(() => defaultPermacache(path));
  });
}

class Reader {
  x = 1;
  read() {
    return this.x;
  }
}
const unreadable: [string, () => unknown, RegExp][] = [
  ["a generator", () => defaultPermacache("r")(function* () {} as never), /generator/],
  ["an async generator", () => defaultPermacache("r")(async function* () {} as never), /generator/],
  ["a class", () => defaultPermacache("r")(Reader as never), /class/],
  ["a native function", () => defaultPermacache("r")(Math.max), /signature: "\(/],
  ["a bound function", () => defaultPermacache("r")(((x: number) => x).bind(null)), /signature: "\(/],
  [
    "a default that cannot be read",
    () => defaultPermacache("r")((_y = Date.now()) => 1),
    /defaults: \{ _y: \(\) => Date\.now\(\) \}.*keyFunction: \{ _y: null \}/s,
  ],
  ["this without a key", () => defaultPermacache("r")(Reader.prototype.read), /keyFunction: \{ this: /],
];
for (const [what, wrap, mend] of unreadable) {
  test(`signature refused: ${what}`, (t) => {
    const error = t.throws(wrap, { instanceOf: SignatureError });
    t.is((error as SignatureError).code, "ERR_PERMACACHE_SIGNATURE");
    t.regex(error.message, mend);
  });
}

const unfit: [string, () => unknown, RegExp][] = [
  ["no function", () => defaultPermacache("r")(3 as never), /wraps a function, not number/],
  ["null", () => defaultPermacache("r")(null as never), /not null/],
  ["a getter", () => (defaultPermacache("r") as any)(() => 1, { kind: "getter" }), /methods, not a getter/],
  ["a legacy decorator", () => (defaultPermacache("r") as any)({}, "name", {}), /experimentalDecorators/],
];
for (const [what, wrap, mend] of unfit) {
  test(`not wrapped: ${what}`, (t) => {
    const error = t.throws(wrap, { instanceOf: OptionError });
    t.is((error as OptionError).code, "ERR_PERMACACHE_OPTION");
    t.regex(error.message, mend);
  });
}

test.serial("two functions of different source under one identity: one warning", async (t) => {
  const { permacache } = newCache(t);
  const warnings = await warningsOf(() => {
    permacache("twice")((x: number) => x);
    permacache("twice")((x: number) => x + 1);
    permacache("twice")((x: number) => x + 2);
    permacache("twice", { version: "2" })((x: number) => x + 1);
    for (let i = 0; i < 3; i++) permacache("closure")((x: number) => x + i);
  });
  t.is(warnings.length, 1);
  t.regex(warnings[0]!, /"twice".*a path of its own, or a version/);
});

test("versions are identities of their own", (t) => {
  const { permacache } = newCache(t);
  const of = (version?: string) => permacache("versioned", { version })((_x: number) => version ?? "none");
  for (const version of [undefined, "1", "2", "../x", "A", "a", "ä".repeat(200), "1 source 2"]) {
    t.is(of(version)(1), version ?? "none", version);
    t.is(of(version)(1), version ?? "none", version);
  }
  t.is(of("1").clear(), 1);
  t.is(of("2").has(1), true);
  t.is(of().has(1), true);
});

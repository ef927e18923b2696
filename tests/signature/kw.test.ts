import test from "ava";
import { BindingError } from "../../src/errors.js";
import { isKw, Kw, kw, namedOf } from "../../src/signature/kw.js";
import { thrownBy } from "./evaluate.js";

test("kw copies own enumerable string-keyed properties into an object without prototype", (t) => {
  const args = Object.create({ inherited: 1 }, { hidden: { value: 1 } });
  Object.assign(args, { x: 1, [Symbol("s")]: 2 });
  Object.defineProperty(args, "__proto__", { value: 3, enumerable: true });
  const named = namedOf(kw(args));
  t.is(Object.getPrototypeOf(named), null);
  t.deepEqual(Object.entries(named), [
    ["x", 1],
    ["__proto__", 3],
  ]);
});

test("a later change of the object changes nothing", (t) => {
  const args = { x: 1 };
  const keywords = kw(args);
  args.x = 2;
  t.is(namedOf(keywords).x, 1);
});

test("kw of another copy of the package is known by its brand", (t) => {
  t.true(kw({}) instanceof Kw);
  t.true(isKw(kw({})));
  t.true(isKw({ [Symbol.for("permacache.kw")]: { x: 1 } }));
});

test("nothing else is kw, whatever it does when looked at", (t) => {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  for (const value of [undefined, null, 1, "kw", {}, [], () => 1, proxy]) t.false(isKw(value));
});

const refused = test.macro({
  exec(t, value: unknown, words: string) {
    const error = thrownBy(() => kw(value as object));
    t.true(error instanceof BindingError);
    t.is(error.code, "ERR_PERMACACHE_BINDING");
    t.true(error.message.includes(words), error.message);
  },
  title: (title = "") => `kw refuses ${title}`,
});

const mend = "Give it an object of arguments by name";
test("nothing", refused, undefined, `kw() got undefined. ${mend}`);
test("null", refused, null, `kw() got null. ${mend}`);
test("a number", refused, 1, `kw() got number. ${mend}`);
test("an array", refused, [1], `kw() got an array. ${mend}`);
test("a function", refused, () => 1, `kw() got function. ${mend}`);
test("kw", refused, kw({}), `kw() got kw(...). ${mend}`);
test("a getter that fails", refused, { get x() { throw new Error("no"); } }, "getter failed"); // biome-ignore format: one line

import test from "ava";
import { isMended } from "../../../src/stores/lmdb/mended.js";

test("no lmdb that exists may open a database beside writers", (t) => {
  t.false(isMended());
  t.false(isMended(undefined, "3.5.6"));
});

test("the version that is installed is known", (t) => {
  t.true(isMended("3.5.0"));
  t.false(isMended("1000.0.0"));
});

for (const [installed, expected] of [
  ["3.5.6", false],
  ["3.5.10", false],
  ["2.9.9", false],
  ["3.6.0", true],
  ["3.6.1-beta.2", true],
  ["3.10.0", true],
  ["4.0.0", true],
] as const) {
  test(`were it mended in 3.6.0, ${installed} ${expected ? "could" : "could not"}`, (t) => {
    t.is(isMended("3.6.0", installed), expected);
  });
}

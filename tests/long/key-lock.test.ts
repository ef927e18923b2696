import test from "ava";
import { crowd } from "../files/locks/key-lock.contract.js";
import { portable, ranges, wholeFiles } from "../files/locks/key-lock.manners.js";

for (const manner of [ranges, wholeFiles]) {
  test.serial(`${manner.title}: never two at once, of 8 processes on 3 keys, 120 killed at random`, async (t) => {
    t.is(await crowd(t, manner, 120), 0);
  });
}

test.serial(`${portable.title}: 8 processes on 3 keys, 120 killed at random, go on`, async (t) => {
  await crowd(t, portable, 120);
});

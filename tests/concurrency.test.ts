import test from "ava";
import { disturb } from "./concurrency.js";

test("writers, readers, clear, prune, import at once: no exception, no wrong value, no orphan", async (t) => {
  await disturb(t, 4, 300);
});

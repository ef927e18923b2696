import { PassThrough } from "node:stream";
import test from "ava";
import { withBar } from "../../src/cli/progress.js";
import type { WorkOptions } from "../../src/events.js";
import { failureOf } from "../place.js";

/** What is written to a terminal, or to a pipe. */
function stream({ isTTY = true, columns = 80 } = {}) {
  const written = new PassThrough();
  return Object.assign(written, { isTTY, columns, text: () => String(written.read() ?? "") });
}

const ESCAPE = "\u001b";

const work = async ({ onProgress }: WorkOptions) => {
  for (let done = 0; done <= 200; done++) onProgress?.({ done, total: 200 });
  return "done";
};

test("a terminal sees a bar, and nothing of it when the work is done", async (t) => {
  const terminal = stream();
  t.is(await withBar("export", false, work, terminal as never), "done");
  const text = terminal.text();
  t.regex(text, /export #+-* 100% 200\/200/);
  t.true(text.endsWith(`${ESCAPE}[2K`), "the line is cleared");
});

test("nothing of the terminal is changed that an interrupt would leave behind", async (t) => {
  const terminal = stream();
  await withBar("export", false, work, terminal as never);
  t.false(terminal.text().includes(`${ESCAPE}[?`), "neither wrapping nor the cursor");
  t.deepEqual([process.listenerCount("SIGINT"), process.listenerCount("SIGTERM")], [0, 0]);
});

test("a pipe sees no bar, and nor does who wants JSON", async (t) => {
  const pipe = stream({ isTTY: false });
  t.is(await withBar("export", false, work, pipe as never), "done");
  t.is(pipe.text(), "");
  const terminal = stream();
  t.is(await withBar("export", true, work, terminal as never), "done");
  t.is(terminal.text(), "");
});

test("the bar ends where the work fails, or has nothing to do", async (t) => {
  const failing = async ({ onProgress }: WorkOptions) => {
    onProgress?.({ done: 1, total: 2 });
    throw new Error("failed");
  };
  t.is((await failureOf(() => withBar("import", false, failing, stream() as never))).message, "failed");
  const terminal = stream();
  t.is(await withBar("prune", false, async () => 0, terminal as never), 0);
  t.is(terminal.text(), "");
});

test("the bar fits a narrow terminal", async (t) => {
  const terminal = stream({ columns: 20 });
  await withBar("export", false, work, terminal as never);
  const drawn = terminal
    .text()
    .split(ESCAPE)
    .map((each) => each.replace(/^\[?[0-9]*[A-Z78]/, ""));
  t.true(drawn.some((each) => each.includes("export")));
  for (const each of drawn) t.true(each.length <= 20, each);
});

/**
 * Somebody else who locks: a process (forked, with messages) or a worker thread. Answers `[command, ...arguments]`.
 * Its first argument, or `workerData`, is JSON: the file and the name of the class of the lock, and the folder.
 */
import { spawn } from "node:child_process";
import { closeSync, openSync, writeSync } from "node:fs";
import { parentPort, workerData } from "node:worker_threads";
import { newRandom } from "../../random.mjs";

const { file, name, folder } = workerData ?? JSON.parse(process.argv[2]);
const lock = new (await import(file))[name](folder);
const held = new Map();
const opened = [];

const commands = {
  try(digest) {
    const got = lock.tryLock(digest);
    if (got) held.set(digest, got);
    return got !== undefined;
  },
  release: (digest) => held.get(digest).release(),
  /** A child that outlives this process, with all it may inherit. */
  spawn: () => spawn("sleep", ["60"], { stdio: "ignore", detached: true }).pid,
  /** Until no descriptor is left. */
  exhaust() {
    try {
      for (;;) opened.push(openSync("/dev/null"));
    } catch {}
  },
  recover() {
    for (const fd of opened) closeSync(fd);
  },
  exit: (code) => process.exit(code),
  /** Ends by itself: nothing it holds keeps it alive. */
  end(code) {
    process.exitCode = code;
    setImmediate(() => (parentPort ? parentPort.close() : process.disconnect()));
  },
  /** Never comes back. */
  block() {
    send({ value: "blocking" });
    setTimeout(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0), 10);
  },
  signalHooks: () => process.eventNames().filter((each) => String(each).startsWith("SIG")),
  /** Locks and releases for ever, and writes down when. */
  crowd(digests, history, seed) {
    const out = openSync(history, "a");
    const random = newRandom(seed);
    const round = () => {
      for (const end = performance.now() + 20; performance.now() < end; ) {
        const digest = digests[random(digests.length)];
        const got = lock.tryLock(digest);
        if (!got) continue;
        writeSync(out, `begin ${digest} ${process.pid}\n`);
        for (const free = performance.now() + random(2_000) / 1_000; performance.now() < free; );
        writeSync(out, `end ${digest} ${process.pid}\n`);
        got.release();
      }
      setImmediate(round);
    };
    setImmediate(round);
  },
};

function send(message) {
  if (parentPort) parentPort.postMessage(message);
  else process.send(message);
}

(parentPort ?? process).on("message", ([command, ...args]) => {
  try {
    send({ value: commands[command](...args) });
  } catch (error) {
    send({ error: { code: error.code, message: String(error) } });
  }
});
send({ value: "ready" });

import { spawn } from "node:child_process";
import { program } from "./lmdb-place.js";

/** Writes entries for so many ms, looks at once and at the end whether all are there, and prints how many are lost. */
const WRITER = `
  const end = Date.now() + Number(process.env.MILLISECONDS);
  const digest = (n) => n.toString(16).padStart(40, "0");
  const from = Number(process.env.FROM);
  let n = from, lost = 0;
  while (Date.now() < end) {
    put(digest(n), "entry " + n);
    if (String(read(digest(n))) !== "entry " + n) lost++;
    n++;
    if (n % 50 === 0) await new Promise(setImmediate);
  }
  for (let i = from; i < n; i++) if (String(read(digest(i))) !== "entry " + i) lost++;
  console.log(JSON.stringify({ done: n - from, lost }));
`;

/** Only opens and closes, until it is told to end. */
const OPENER = `
  const end = Date.now() + Number(process.env.MILLISECONDS);
  let n = 0;
  for (; Date.now() < end; n++) {
    read("0".repeat(40));
    await store.close();
  }
  console.log(JSON.stringify({ done: n, lost: 0 }));
`;

export interface Ran {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stderr: string;
  /** Entries written, or times opened. */
  readonly done: number;
  readonly lost: number;
}

function run(path: string, code: string, milliseconds: number, from = 0): Promise<Ran> {
  const env = { ...process.env, MILLISECONDS: String(milliseconds), FROM: String(from) };
  const child = spawn(process.execPath, program(path, code), { env });
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (data) => (stdout += data));
  child.stderr.on("data", (data) => (stderr += data));
  return new Promise((resolve) => {
    child.on("close", (exit, signal) => {
      const { done, lost } = stdout ? JSON.parse(stdout) : { done: 0, lost: -1 };
      resolve({ code: exit, signal, stderr, done, lost });
    });
  });
}

/** Processes that write, beside processes that only open and close the same store. */
export async function writeBesideOpeners(
  path: string,
  writers: number,
  openers: number,
  milliseconds: number,
): Promise<{ readonly writers: Ran[]; readonly openers: Ran[] }> {
  const writing = Array.from({ length: writers }, (_, i) => run(path, WRITER, milliseconds, i * 10_000_000));
  const opening = Array.from({ length: openers }, () => run(path, OPENER, milliseconds));
  return { writers: await Promise.all(writing), openers: await Promise.all(opening) };
}

import { statfsSync } from "node:fs";
import { createRequire } from "node:module";
import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { fileNameOf } from "../cache/archive/format.js";
import { assertPath, folderNames } from "../entry/identity.js";
import { OptionError, PathError } from "../errors.js";
import type { Limits } from "../stores/limits.js";
import { checkLimits } from "../wrap/settings.js";
import { Output } from "./output.js";
import { assertHasPath, assertIsCache, type Place, placeAt, summariesOf, totalsOf } from "./place.js";
import { withBar } from "./progress.js";
import { factLines, normalisedKey, showEntries, showEntry } from "./show.js";
import { type Column, tableLines } from "./table.js";
import { counted, dateText, entriesText, numberText, printable, sizeText } from "./text.js";

/** What a command is given. */
interface Work extends Place {
  readonly out: Output;
  readonly json: boolean;
  readonly options: Readonly<Record<string, any>>;
}

/**
 * Runs the command line. Sets the exit code of the process: 0; 1 where something failed, or is damaged; 2 for wrong usage.
 * @param args without the program
 */
export async function run(args: readonly string[]): Promise<void> {
  process.removeAllListeners("warning"); // the one that Node prints them with, over two lines
  process.on("warning", ({ message }) => complain(message));
  process.stderr.on("error", () => {}); // nobody is left to be told
  const out = new Output(process.stdout as never);
  const program = createProgram(out);
  try {
    await program.parseAsync(args, { from: "user" });
    await out.flush();
  } catch (error) {
    await out.flush().catch(() => {});
    fail(error, program);
  }
}

/** One line. */
function complain(message: string): void {
  process.stderr.write(`permacache: ${printable(message.trim().replaceAll(/\s*\n\s*/g, " "))}\n`);
}

function fail(error: unknown, program: Command): void {
  const { code, message = String(error) } = (error ?? {}) as { code?: string; message?: string };
  if (code === "EPIPE") return; // the reader, such as head, has enough
  if (error instanceof CommanderError && error.exitCode === 0) return; // help, or the version
  const isUsage = error instanceof CommanderError || error instanceof PathError || error instanceof OptionError;
  process.exitCode = isUsage ? 2 : 1;
  if (code === "commander.help") return; // it was shown
  const command = program.commands.find((each) => each.name() === program.args[0]);
  const hint = `See permacache ${command ? `${command.name()} ` : ""}--help.`;
  const text = message.replace(/^error: /, "");
  complain(isUsage ? `${text.replace(/[^.)?]$/, "$&.")} ${hint}` : text);
}

function createProgram(out: Output): Command {
  const program = new Command("permacache")
    .description("Looks at and manages the entries of permacache, a permanent cache of function results.")
    .version(versionOfPackage(), "-V, --version", "show the version of permacache")
    .option("--dir <DIR>", "the directory of the cache (default: PERMACACHE_DIR, else the user's cache directory)")
    .option("--shared", "the directory is shared with other users, as with the option of a cache")
    .option("--json", "print JSON: sizes in bytes, times in ms, dates as ISO 8601")
    .helpOption("-h, --help", "show help")
    .helpCommand("help [COMMAND]", "show help of a command")
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({ outputError: () => {} }) // `fail` tells
    .exitOverride();

  const command = (
    usage: string,
    description: string,
    examples: string,
    work: (work: Work, ...args: string[]) => Promise<void>,
    isForNew = false,
  ): Command =>
    program
      .command(usage)
      .description(description)
      .addHelpText("after", `\nExamples:\n${examples}`)
      .action(async (...given: any[]) => {
        const self = given.pop() as Command;
        const options = self.optsWithGlobals();
        const place = await placeAt(options.dir, options.shared === true);
        if (!isForNew) assertIsCache(place);
        await work({ ...place, out, json: options.json === true, options }, ...given.slice(0, -1));
      });

  command("ls", "Lists the paths: their versions, entries and sizes.", example("ls", "--json ls"), list);
  command("count <PATH>", "Prints the number of entries of a path.", example("count my-project/load"), count);
  command(
    "show <PATH>",
    "Shows the entries of a path: arguments, value, when it was computed and how long that took.",
    example("show my-project/load", `show my-project/load --key '{"x": 2, "y": 3}'`, "show my-project/load --json"),
    show,
  ).option("--key <JSON>", "only this entry, in full: its arguments by name, in any order");
  command(
    "stats",
    "Tells where the cache is, and how much there is in it.",
    example("stats", "--dir .cache stats"),
    stats,
  );
  withLimits(
    command(
      "prune [PATH]",
      "Removes the entries beyond the limits, of a path or of all paths.",
      example("prune --max-idle 90d", "prune my-project/load --max-entries 1000 --max-bytes 2GB"),
      prune,
    ),
  );
  command("clear <PATH>", "Removes all entries of a path, of all versions.", example("clear my-project/load"), clear);
  command(
    "verify",
    "Reads everything and lists what is damaged: those calls will be computed anew. Exits 1 where something is damaged.",
    example("verify", "verify --fix"),
    verify,
  ).option("--fix", "remove what is damaged");
  command(
    "export <PATH> <FILE>",
    "Writes the entries of a path, all versions, into a zip file. The ending .zip may be left out.",
    example("export my-project/load load.zip"),
    exportTo,
  );
  command(
    "import <PATH> <FILE>",
    "Takes over the entries of such a file, under the same path or another one.",
    example(
      "import my-project/load load.zip",
      "import my-project/load load.zip --merge",
      "--dir new import a/b load.zip",
    ),
    importFrom,
    true,
  ).option("--merge", "add to the entries that are there, and keep these where both have one");

  return program.addHelpText(
    "after",
    `\nExamples:\n${example("ls", "count my-project/load", "--dir .cache stats", "show my-project/load --json | head")}`,
  );
}

function example(...commands: string[]): string {
  return commands.map((each) => `  $ permacache ${each}`).join("\n");
}

function versionOfPackage(): string {
  return createRequire(import.meta.url)("../../package.json").version;
}

// ---- looking ----

const LS_COLUMNS: readonly Column[] = [
  { title: "PATH", shorten: "middle" },
  { title: "VERSION", shorten: "end", optional: true },
  { title: "ENTRIES", align: "right" },
  { title: "SIZE", align: "right" },
  { title: "NEWEST" },
];

async function list(work: Work): Promise<void> {
  const { out, json } = work;
  if (json) return out.jsonArray(summaryTexts(work));
  const summaries = [];
  for await (const summary of summariesOf(work)) summaries.push(summary);
  const rows = summaries.map(({ path, version, entries, bytes, newest }) => [
    path,
    version ?? "",
    numberText(entries),
    sizeText(bytes),
    dateText(newest),
  ]);
  const style = { width: out.width, sample: Number.POSITIVE_INFINITY, titleStyle: out.bold };
  if (rows.length > 0) await out.lines(tableLines(LS_COLUMNS, inTurn(rows), style));
  await out.line(totalText(await totalsOf(inTurn(summaries))));
}

async function* inTurn<T>(items: readonly T[]): AsyncGenerator<T, void> {
  for (const item of items) yield item;
}

function totalText({ paths, entries, bytes }: { paths: number; entries: number; bytes: number }): string {
  return `${counted(paths, "path", "paths")}, ${entriesText(entries)}, ${sizeText(bytes)}`;
}

async function* summaryTexts(work: Work): AsyncGenerator<string, void> {
  for await (const { path, version, entries, bytes, newest } of summariesOf(work)) {
    yield JSON.stringify({ path, version: version ?? null, entries, bytes, newest: newest ?? null });
  }
}

async function count(work: Work, path: string): Promise<void> {
  await assertHasPath(work, path);
  const { entries } = await totalsOf(summariesOf(work, path));
  await tell(work, { path, entries }, String(entries));
}

async function show(work: Work, path: string): Promise<void> {
  const key = work.options.key === undefined ? undefined : keyOf(work.options.key);
  await assertHasPath(work, path);
  if (key === undefined) await showEntries(work.cache, path, work.json, work.out);
  else await showEntry(work.cache, path, key, work.json, work.out);
}

function keyOf(text: string): string {
  try {
    return normalisedKey(text);
  } catch {
    throw new OptionError(`--key is no JSON: ${text}. Give the arguments by name: --key '{"x": 2}'.`);
  }
}

async function stats(work: Work): Promise<void> {
  const { directory } = work;
  const { paths, entries, bytes, newest } = await totalsOf(summariesOf(work));
  const { bavail, bsize } = statfsSync(directory);
  const format = Number(folderNames({ path: "a" })[1]!.slice(1)); // the version of the entries, which their folders bear
  const freeBytes = bavail * bsize;
  const { lock } = await work.cache.stats();
  if (work.json) {
    return work.out.json({ directory, format, paths, entries, bytes, newest: newest ?? null, freeBytes, lock });
  }
  await work.out.lines(
    factLines([
      ["directory", directory],
      ["format", String(format)],
      ["paths", numberText(paths)],
      ["entries", numberText(entries)],
      ["size", sizeText(bytes)],
      ["newest", dateText(newest) || "none"],
      ["free on disk", sizeText(freeBytes)],
      ["key lock", lock],
    ]),
  );
}

/** Prints the outcome of a command for programs, or for people. */
async function tell({ out, json }: Work, outcome: object, text: string): Promise<void> {
  if (json) await out.json(outcome);
  else await out.line(printable(text));
}

// ---- changing ----

const LIMITS = {
  maxAge: new Option("--max-age <TIME>", 'remove what was written longer ago: "2d", or milliseconds'),
  maxIdle: new Option("--max-idle <TIME>", 'remove what was last used longer ago: "2d", or milliseconds'),
  maxEntries: new Option("--max-entries <COUNT>", "keep so many: the least recently used go first"),
  maxBytes: new Option("--max-bytes <SIZE>", 'keep so much, likewise: "10GB", or bytes'),
};

function withLimits(command: Command): void {
  for (const [name, option] of Object.entries(LIMITS)) {
    command.addOption(option.argParser((text) => limitOf(name, text)));
  }
}

function limitOf(name: string, text: string): number | string {
  const limit = /^\d+(\.\d+)?$/.test(text) ? Number(text) : text;
  try {
    checkLimits("prune", { [name]: limit });
  } catch (error) {
    const { message } = error as OptionError;
    throw new InvalidArgumentError(`It ${message.slice(message.indexOf("must"))}`);
  }
  return limit;
}

async function prune(work: Work, path?: string): Promise<void> {
  const limits: Limits = Object.fromEntries(
    Object.keys(LIMITS).flatMap((name) => (name in work.options ? [[name, work.options[name]]] : [])),
  );
  if (Object.keys(limits).length === 0) {
    const flags = Object.values(LIMITS).map(({ long }) => long);
    throw new OptionError(`prune needs at least one limit: ${flags.join(", ")}.`);
  }
  if (path !== undefined) await assertHasPath(work, path);
  const removed = await withBar("prune", work.json, (options) =>
    path === undefined ? work.cache.prune(limits, options) : work.cache.open(path).prune(limits),
  );
  const { entries, bytes } = await totalsOf(summariesOf(work, path));
  const text = `Removed ${entriesText(removed)}; ${entriesText(entries)}, ${sizeText(bytes)} left.`;
  await tell(work, { path: path ?? null, removed, entries, bytes }, text);
}

async function clear(work: Work, path: string): Promise<void> {
  await assertHasPath(work, path);
  const removed = await work.cache.open(path).clear();
  await tell(work, { path, removed }, `Removed ${entriesText(removed)} of ${path}.`);
}

async function verify(work: Work): Promise<void> {
  const fix = work.options.fix === true;
  const { checked, damaged, removed, failed } = await withBar("verify", work.json, (options) =>
    work.cache.verify({ ...options, fix }),
  );
  if (failed || (damaged.length > 0 && !fix)) process.exitCode = 1;
  if (work.json) return work.out.json({ checked, damaged, removed, ...(failed && { failed }) });
  for (const file of damaged) await work.out.line(`damaged: ${printable(file)}`);
  for (const file of failed ?? []) await work.out.line(`cannot be removed: ${printable(file)}`);
  const hint = damaged.length > removed && !fix ? " permacache verify --fix removes what is damaged." : "";
  await work.out.line(
    `Checked ${counted(checked, "file", "files")}: ${numberText(damaged.length)} damaged, ${numberText(removed)} removed.${hint}`,
  );
}

// ---- moving ----

async function exportTo(work: Work, path: string, file: string): Promise<void> {
  await assertHasPath(work, path);
  const entries = await withBar("export", work.json, (options) => work.cache.exportTo(path, file, options));
  await tell(
    work,
    { path, file: fileNameOf(file), entries },
    `Exported ${entriesText(entries)} to ${fileNameOf(file)}.`,
  );
}

async function importFrom(work: Work, path: string, file: string): Promise<void> {
  assertPath(path);
  const merge = work.options.merge === true;
  const entries = await withBar("import", work.json, (options) =>
    work.cache.importFrom(path, file, { ...options, merge }),
  );
  await tell(work, { path, file: fileNameOf(file), entries }, `Imported ${entriesText(entries)} into ${path}.`);
}

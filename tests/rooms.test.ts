import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path/posix";
import test from "ava";

// `src/` is a house of rooms that stand above one another. CONTRIBUTING.md says what each of them holds.

/** From the top to the ground. A room imports itself and the rooms below it. */
const ORDER = [
  "index",
  "cli",
  "ui",
  "cache",
  "wrap",
  "call",
  "sources",
  "signature",
  "stores",
  "entry",
  "files",
  "key",
  "ground",
];
const GROUND = ["errors.ts", "flow.ts", "events.ts"];

const MOST_ENTRIES = 17;
const MOST_FILES = 5;
const MOST_LINES = 350;

const { imports: aliases } = JSON.parse(readFileSync("package.json", "utf8"));

const files = readdirSync("src", { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => join(entry.parentPath.replaceAll("\\", "/"), entry.name).slice("src/".length))
  .sort();

function textOf(file: string): string {
  return readFileSync(join("src", file), "utf8");
}

/** What a module imports, types included, and what it exports from another one; as it is written. */
function importsIn(text: string): string[] {
  const statements = /^(?:import|export)\s+(?:[\w$*\s,]*(?:\{[^}]*\})?\s*from\s*)?["']([^"']+)["']/gm;
  const expressions = /\bimport\(\s*["']([^"']+)["']/g; // of a type, too
  return [statements, expressions].flatMap((form) => [...text.matchAll(form)].map(([, specifier]) => specifier!));
}

/** The files of `src/` that an import means: of an alias, one for each condition. None for a package. */
function filesOf(specifier: string, importer: string): string[] {
  const inSource = (path: string) => path.replace(/\.js$/, ".ts");
  if (specifier.startsWith(".")) return [inSource(join(dirname(importer), specifier))];
  const targets: string[] = Object.values(aliases[specifier] ?? {});
  return targets.map((path) => inSource(path.replace("./dist/", "")));
}

/** `undefined` where the file stands in no room. */
function roomOf(file: string): string | undefined {
  const room = GROUND.includes(file) ? "ground" : file === "index.ts" ? "index" : /^([^/]+)\//.exec(file)?.[1];
  return room !== undefined && ORDER.includes(room) ? room : undefined;
}

/** How high a file stands: 0 for the top. NaN, to which nothing compares, where it stands in no room. */
function floorOf(file: string): number {
  const room = roomOf(file);
  return room === undefined ? Number.NaN : ORDER.indexOf(room);
}

test("imports are seen, however they are written", (t) => {
  const text = `import a from "./a.js";
import type { B } from "./b.js";
import {
  c,
  type C,
} from "./c.js";
import "./d.js";
import * as e from "./e.js";
import f, { g } from "./f.js";
export { h } from './h.js';
export * from "./i.js";
export type {
  J,
} from "./j.js";
export const text = "from './no.js'";
const k = await import("./k.js");
let l: typeof import("./l.js") | import(
  "./m.js"
).M;
`;
  t.deepEqual(
    importsIn(text),
    [..."abcdefhijklm"].map((name) => `./${name}.js`),
  );
});

test(`src/ has at most ${MOST_ENTRIES} entries, of them at most ${MOST_FILES} files`, (t) => {
  const entries = readdirSync("src", { withFileTypes: true });
  const names = (of: typeof entries) => of.map(({ name }) => name).join(", ");
  t.true(entries.length <= MOST_ENTRIES, names(entries));
  const files = entries.filter((entry) => entry.isFile());
  t.true(files.length <= MOST_FILES, names(files));
});

test("each file stands in a room", (t) => {
  t.deepEqual(
    files.filter((file) => roomOf(file) === undefined),
    [],
  );
});

test(`no file is longer than ${MOST_LINES} lines`, (t) => {
  const lengths = files.map((file) => ({ file, lines: textOf(file).trimEnd().split("\n").length }));
  t.deepEqual(
    lengths.filter(({ lines }) => lines > MOST_LINES).map(({ file, lines }) => `${file}: ${lines}`),
    [],
  );
});

test("a room imports only itself and the rooms below it", (t) => {
  const upward = files.flatMap((file) =>
    importsIn(textOf(file))
      .flatMap((specifier) => filesOf(specifier, file))
      .filter((target) => !(floorOf(file) <= floorOf(target)))
      .map((target) => `${file} imports ${target}`),
  );
  t.deepEqual(upward, []);
});

test("each import means a file that is there", (t) => {
  const missing = files.flatMap((file) =>
    importsIn(textOf(file))
      .flatMap((specifier) => filesOf(specifier, file))
      .filter((target) => !files.includes(target))
      .map((target) => `${file} imports ${target}`),
  );
  t.deepEqual(missing, []);
});

test("key/ runs without Node: only key/node.ts imports its modules", (t) => {
  const importers = files
    .filter((file) => file.startsWith("key/"))
    .filter((file) => importsIn(textOf(file)).some((specifier) => specifier.startsWith("node:")));
  t.deepEqual(importers, ["key/node.ts"]);
});

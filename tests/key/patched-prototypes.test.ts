import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { build } from "esbuild";

const dir = mkdtempSync(join(tmpdir(), "permacache-patched-"));
test.after.always(() => rmSync(dir, { recursive: true, force: true }));

test.before(async () => {
  await build({
    entryPoints: ["tests/key/patched/suite.ts", "tests/key/patched/patches.ts"],
    outdir: dir,
    outExtension: { ".js": ".mjs" },
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    logLevel: "silent",
  });
});

/** What the suite reports in a process of its own. @param body of a module that prints `text` */
function run(body: string): string[] {
  const file = join(dir, "run.mjs");
  writeFileSync(
    file,
    `import { writeSync } from "node:fs";\n${body}\nlet at = 0; const bytes = Buffer.from(text); while (at < bytes.length) at += writeSync(1, bytes, at);`,
  );
  return execFileSync(process.execPath, [file], {
    encoding: "utf8",
    maxBuffer: 1e9,
    stdio: ["ignore", "pipe", "pipe"],
  }).split("\n");
}

const SUITE =
  'const { values, report } = await import("./suite.mjs"); const made = values(); const names = Object.keys(made);';
let clean: string[] | undefined;

const same = test.macro({
  exec(t, body: string) {
    clean ??= run(`${SUITE} const text = report(made, names);`);
    t.true(clean.length > 100);
    const lines = run(body);
    for (const [i, line] of clean.entries()) if (lines[i] !== line) t.is(lines[i]?.slice(0, 600), line.slice(0, 600));
    t.is(lines.length, clean.length);
  },
  title: (title = "") => `keys and entries are those of a clean process: ${title}`,
});

test(
  "methods and accessors were added to every prototype before it was loaded",
  same,
  `
  const { addMembers } = await import("./patches.mjs");
  addMembers();
  ${SUITE}
  const text = report(made, names);
`,
);
test(
  "methods and accessors were added after it",
  same,
  `
  const { addMembers } = await import("./patches.mjs"); ${SUITE}
  addMembers();
  const text = report(made, names);
`,
);
test(
  "descriptors inherit, and constructors and names were changed",
  same,
  `
  const { addMembers, addDescriptorMembers } = await import("./patches.mjs"); ${SUITE}
  addMembers(); addDescriptorMembers();
  const text = report(made, names);
`,
);
test(
  "every method was replaced",
  same,
  `
  const { replaceMethods } = await import("./patches.mjs"); ${SUITE}
  const undo = replaceMethods();
  let text; try { text = report(made, names); } finally { undo(); }
`,
);

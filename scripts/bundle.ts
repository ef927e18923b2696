// The last step of the build: what the compiler made of `src` stays in `dist`, and each module that package.json names
// becomes a whole with what it imports, in a few files. Ninety modules take 25 ms more to load than these.
import { readFileSync, rmSync } from "node:fs";
import { build } from "esbuild";

const { exports, imports, bin } = JSON.parse(readFileSync("package.json", "utf8"));

rmSync("dist/chunks", { recursive: true, force: true });
await build({
  entryPoints: modulesIn([exports, imports, bin]),
  outdir: "dist",
  outbase: "dist",
  allowOverwrite: true,
  bundle: true,
  splitting: true, // classes and registers are shared by all
  chunkNames: "chunks/[hash]",
  format: "esm",
  platform: "node",
  target: "node20.19",
  packages: "external",
  external: Object.keys(imports), // the condition decides where it runs
  logLevel: "warning",
});

/** The JavaScript files that are named anywhere in there. */
function modulesIn(named: unknown): string[] {
  if (typeof named === "string") return named.endsWith(".js") ? [named] : [];
  return [...new Set(Object.values(named as object).flatMap(modulesIn))];
}

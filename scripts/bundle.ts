// The last step of the build: what the compiler made of `src` stays in `dist`, and each module that package.json names
// becomes a whole with what it imports, in a few files. Ninety modules take 25 ms more to load than these.
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { build, type Plugin } from "esbuild";

const { exports, imports, bin } = JSON.parse(readFileSync("package.json", "utf8"));

/** Whatever is loaded beside the index imports all of it: so they share one chunk, not one for each set of them. */
const withIndex: Plugin = {
  name: "with-index",
  setup({ onLoad }) {
    onLoad(
      { filter: /[\\/]dist[\\/](stores[\\/](lmdb|redis)[\\/](lmdb|redis)-store|cli[\\/]program)\.js$/ },
      ({ path }) => ({
        contents: `import ${JSON.stringify(join(process.cwd(), "dist/index.js"))};\n${readFileSync(path, "utf8")}`,
      }),
    );
  },
};

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
  plugins: [withIndex],
  ignoreAnnotations: true,
  treeShaking: false, // that import would go
  logLevel: "warning",
});

/** The JavaScript files that are named anywhere in there. */
function modulesIn(named: unknown): string[] {
  if (typeof named === "string") return named.endsWith(".js") ? [named] : [];
  return [...new Set(Object.values(named as object).flatMap(modulesIn))];
}

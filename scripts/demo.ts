/**
 * The main job of permacache on real input: how late are the flights of which airports, and at what time of the day? The
 * first run computes for some seconds, the second one is served from the cache. `npm run demo -- --help` tells more.
 */
import { mkdirSync, realpathSync, statSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename, dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { defaultCache, dropIfEqual, fileStore, kw, PermacacheError, permacache, stableHash, tieredStore } from "permacache"; // biome-ignore format: one line
import { type DelayChart, delayChart } from "./demo/chart.js";
import { delayProfile, groupFlights } from "./demo/flights.js";
import { Calls, callTable, heading, type Row, seconds } from "./demo/report.js";
import { aboutClusters, aboutDelays, type Clustering, compareDelays, type Interval } from "./demo/results.js";
import {
  bootstrapMeans,
  distancesBetween,
  kMedoids,
  mean,
  type OnProgress,
  quantile,
  silhouette,
} from "./demo/statistics.js";

// ---- the cached functions ----
// Each is the function that it wraps, but computed once for each key. What they call from demo/ is not in the key: who
// edits that runs the demo with --clear.

/** In the key a file is its name and its size: wherever it lies, and until it changes. */
const asFile = (file: string) => ({ name: basename(file), bytes: statSync(file).size });

/** An async function stays async, also when it is served from the cache. */
const loadFlights = permacache("permacache-demo/load-flights", { keyFunction: { file: asFile } })(
  async (file: string) => groupFlights(JSON.parse(await readFile(file, "utf8"))),
);

/** The cities of the airports: `{ ATL: "Atlanta, GA", ... }`. */
const loadCities = permacache("permacache-demo/load-cities", { keyFunction: { file: asFile } })(
  async (file: string): Promise<Record<string, string>> => {
    const lines = (await readFile(file, "utf8")).trim().split("\n");
    const places = lines.map((line) => line.split(",")); // city and state are counted from the end: names have commas
    return Object.fromEntries(places.map((place) => [place[0], `${place.at(-5)}, ${place.at(-4)}`]));
  },
);

/** The mean of delays, and the interval in which it lies with some confidence. It is random, but pure: it has a seed. */
const meanDelay = permacache("permacache-demo/mean-delay", {
  keyFunction: {
    delays: stableHash, // a large argument: its SHA-256 stands for it
    confidence: dropIfEqual(0.95), // a parameter added later: entries that were made without it still serve
    onProgress: null, // has no influence on the result
  },
})((delays: Int16Array, resamples = 100_000, seed = 1, confidence = 0.95, onProgress?: OnProgress): Interval => {
  const means = bootstrapMeans(delays, resamples, seed, onProgress);
  const tail = (1 - confidence) / 2;
  return { mean: mean(delays), low: quantile(means, tail), high: quantile(means, 1 - tail) };
});

/** Groups profiles that look alike into k clusters. Tells for each profile the number of its cluster. */
const clusterProfiles = permacache("permacache-demo/cluster-profiles", {
  keyFunction: { profiles: stableHash, onProgress: null },
})((profiles: number[][], k: number, starts = 300, seed = 1, onProgress?: OnProgress): Clustering => {
  const distances = distancesBetween(profiles);
  const labels = kMedoids(distances, k, starts, seed, onProgress);
  return { k, labels, silhouette: silhouette(distances, labels) };
});

/**
 * Writes a chart to a file. The path is not in the key: the same chart elsewhere is copied. And the cache keeps a copy of
 * its own: a chart that was deleted, or changed, comes back.
 */
const drawDelays = permacache("permacache-demo/draw-delays", {
  keyFunction: { chart: stableHash },
  outFile: "file",
  keepOutFiles: true,
})((chart: DelayChart, file: string): void => {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, delayChart(chart));
});

const cachedFunctions = [loadFlights, loadCities, meanDelay, clusterProfiles, drawDelays];

// ---- the program ----

const project = fileURLToPath(new URL("..", import.meta.url));

const usage = `Usage: npm run demo -- [options]

Computes delays of US flights in functions that permacache wraps. Run it twice.

  --size 20k|200k  the flights of vega-datasets to take: by airport (20k, the default) or by distance (200k)
  --quick          less work: fewer airports, fewer samples
  --dir DIR        where the entries live; default: .cache/demo in the project
  --store STORE    files (the default), lmdb, or redis: files in DIR before a server that many machines share
  --url URL        of the Redis server; default: redis://127.0.0.1:6379
  --chart FILE     where to draw the delays, as SVG; default: delays.svg in DIR
  --clear          forget what earlier runs have computed, first
  --help           this text

PERMACACHE_MODE=read-only, refresh, bypass or only-if-cached works as for any program.`;

/** How much is computed. */
const sizes = {
  "20k": { intervals: 24, resamples: 150_000, minFlights: 60, maxClusters: 8, starts: 300 },
  "200k": { intervals: 24, resamples: 10_000, minFlights: 200, maxClusters: 8, starts: 300 },
  quick: { intervals: 6, resamples: 500, minFlights: 200, maxClusters: 4, starts: 5 },
};

/** The engines are loaded where they are used. Some of the functions are sync: Redis needs something near before it. */
const stores = {
  files: async (dir: string, _url: string) => fileStore({ dir }),
  lmdb: async (dir: string, _url: string) => (await import("permacache/lmdb")).lmdbStore({ path: join(dir, "lmdb") }),
  redis: async (dir: string, url: string) =>
    tieredStore(fileStore({ dir }), (await import("permacache/redis")).redisStore({ url })),
};

class UsageError extends Error {}

function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        size: { type: "string", default: "20k" },
        quick: { type: "boolean", default: false },
        dir: { type: "string", default: resolve(project, ".cache/demo") },
        store: { type: "string", default: "files" },
        url: { type: "string" },
        chart: { type: "string" },
        clear: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    });
    const { size, dir, store, url, chart = join(dir, "delays.svg") } = values;
    if (size !== "20k" && size !== "200k") throw new Error(`--size is 20k or 200k, not "${size}"`);
    if (dir === "") throw new Error("--dir needs the path of a directory");
    if (chart === "") throw new Error("--chart needs the path of a file");
    if (!(store in stores)) throw new Error(`--store is files, lmdb or redis, not "${store}"`);
    if (url !== undefined && store !== "redis") throw new Error("--url goes with --store redis");
    const place = { dir: resolve(dir), url: url ?? "redis://127.0.0.1:6379" };
    return { ...values, ...place, size, store: store as keyof typeof stores, chart: resolve(chart) } as const;
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

async function main() {
  const options = readOptions();
  if (options.help) return console.log(usage);
  defaultCache.configure({ store: await stores[options.store](options.dir, options.url) });
  if (options.clear) console.log(`Cleared ${await clearAll()} entries.\n`);

  const { intervals, resamples, minFlights, maxClusters, starts } = sizes[options.quick ? "quick" : options.size];
  const calls = new Calls(2 + intervals + (maxClusters - 1) + 1);
  const datasets = fileURLToPath(new URL("../data/", import.meta.resolve("vega-datasets")));
  const flights = join(datasets, `flights-${options.size}.json`);
  const airports = join(datasets, "airports.csv");
  const groups = await calls.make(`loadFlights(${options.size})`, () => loadFlights.detail(flights));
  const cities = await calls.make("loadCities()", () => loadCities.detail(airports));

  const means: Interval[] = [];
  const busiest = groups.slice(0, intervals);
  for (const { name, delays } of busiest) {
    const interval = await calls.make(`meanDelay(${name})`, (onProgress) =>
      meanDelay.detail(delays, kw({ resamples, onProgress })),
    );
    means.push(interval);
  }

  const clusterings: Clustering[] = [];
  const busy = groups.filter(({ delays }) => delays.length >= minFlights);
  const profiles = busy.map(delayProfile);
  for (let k = 2; k <= maxClusters; k++) {
    const clustering = await calls.make(`clusterProfiles(${k})`, (onProgress) =>
      clusterProfiles.detail(profiles, k, kw({ starts, onProgress })),
    );
    clusterings.push(clustering);
  }

  const what = options.size === "20k" ? "airports" : "distances";
  const delays = compareDelays(busiest, means, cities);
  const chart = { title: `Mean delay of the ${delays.length} busiest ${what}`, source: basename(flights), delays };
  await calls.make(`drawDelays(${basename(options.chart)})`, () => drawDelays.detail(chart, options.chart));

  console.log(callTable(calls.rows));
  console.log(`\n${aboutDelays(what, delays)}`);
  console.log(aboutChart(options.chart, calls.rows.at(-1)!));
  console.log(`\n${aboutClusters(what, busy, profiles, clusterings)}`);
  await defaultCache.close(); // what sync functions have computed reaches the server in the background
  console.log(`\n${summary(calls.rows, (await defaultCache.stats()).directory)}`);
}

async function clearAll(): Promise<number> {
  let count = 0;
  for (const cached of cachedFunctions) count += await cached.clear();
  return count;
}

/** Where the chart is, and how it came there. */
function aboutChart(file: string, { outFiles }: Row): string {
  const from = outFiles?.file;
  if (from === undefined) return `Chart: ${shown(file)} (rendered)`;
  // A file that still holds is served from itself. There it is named without links on the way.
  if (from === realpathSync(file)) return `Chart: ${shown(file)} (it was still there)`;
  return `Chart: ${shown(file)} (restored from ${shown(from)})`;
}

/** Short where it lies in the project. */
function shown(path: string): string {
  const short = relative(project, path);
  return short.startsWith("..") ? path : short;
}

function summary(rows: readonly Row[], dir: string): string {
  const stats = cachedFunctions.map((cached) => cached.stats());
  const total = (number: (of: (typeof stats)[0]) => number) => stats.reduce((sum, each) => sum + number(each), 0);
  const stored = total(({ stores }) => stores);
  const saved = total(({ timeSaved }) => timeSaved);
  const served = rows.filter(({ hit }) => hit).length;
  const computed = rows.length - served;
  const inCalls = rows.reduce((sum, { time }) => sum + time, 0);
  const inAll = performance.now(); // since the process began: starting Node and loading count as well

  const lines = [heading("Summary")];
  if (computed === 0) lines.push(`Nothing was computed: all ${served} calls were served from the cache.`);
  lines.push(`${rows.length} calls: ${computed} computed (${stored} stored), ${served} served from the cache.`);
  lines.push(`Time: ${seconds(inAll)} in all, ${seconds(inCalls)} of it in the calls.`);
  if (served > 0) {
    const times = ((inAll + saved) / inAll).toFixed(1);
    lines.push(`Saved: ${seconds(saved)}, what the served calls took when they were computed.`);
    lines.push(`This run was ${times} times as fast as without the cache.`);
  }
  lines.push(`Entries: ${shown(dir)}`);
  if (stored > 0) lines.push("Run it again: what is stored will be served.");
  return lines.join("\n");
}

/** Such as that of a chart where nobody may write. */
function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && "syscall" in error;
}

// ---- the start ----

process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error; // `npm run demo | head` has seen enough
});
try {
  await main();
} catch (error) {
  if (error instanceof UsageError) {
    console.error(`demo: ${error.message}\n\n${usage}`);
    process.exitCode = 2;
  } else if (error instanceof PermacacheError || isSystemError(error)) {
    console.error(`demo: ${error.message}`);
    process.exitCode = 1;
  } else {
    throw error;
  }
}

import { type Group, meanProfile } from "./flights.js";
import { heading, plotInterval, sparkline, wrapWords } from "./report.js";
import { mean } from "./statistics.js";

/** What the flights tell. */

/** Of the mean delay, in minutes. */
export interface Interval {
  readonly mean: number;
  readonly low: number;
  readonly high: number;
}

/** The mean delay of one group, and who it is. */
export interface GroupDelay extends Interval {
  readonly name: string;
  /** Empty for distances. */
  readonly city: string;
  /** Their number. */
  readonly flights: number;
}

/** The least late first. */
export function compareDelays(
  groups: readonly Group[],
  intervals: readonly Interval[],
  cities: Record<string, string>,
): GroupDelay[] {
  return groups
    .map(({ name, delays }, i) => ({ name, city: cities[name] ?? "", flights: delays.length, ...intervals[i]! }))
    .sort((a, b) => a.mean - b.mean);
}

export function aboutDelays(what: string, delays: readonly GroupDelay[]): string {
  const scale = [Math.min(...delays.map(({ low }) => low)), Math.max(...delays.map(({ high }) => high))] as const;
  const lines = delays.map(({ name, city, flights, mean, low, high }) => {
    const [middle, from, to] = [mean, low, high].map((minutes) => minutes.toFixed(1).padStart(4));
    const place = [name, city, `(${flights} flights)`].filter((word) => word !== "").join(" ");
    return `${middle}  [${from}, ${to}]  ${plotInterval(low, mean, high, scale)}  ${place}`;
  });
  const title = `The mean delay of the ${delays.length} busiest ${what}, in minutes, with its 95 % interval`;
  return [heading(title), ...lines].join("\n");
}

export interface Clustering {
  readonly k: number;
  /** For each profile the number of its cluster. */
  readonly labels: number[];
  readonly silhouette: number;
}

export function aboutClusters(
  what: string,
  groups: readonly Group[],
  profiles: readonly number[][],
  clusterings: readonly Clustering[],
): string {
  const [best] = clusterings.toSorted((a, b) => b.silhouette - a.silhouette);
  const clusters = Array.from({ length: best!.k }, (_, label) => {
    const isMember = (_: unknown, i: number) => best!.labels[i] === label;
    return { profile: meanProfile(profiles.filter(isMember)), names: groups.filter(isMember).map(({ name }) => name) };
  });
  clusters.sort((a, b) => mean(a.profile) - mean(b.profile));
  const percent = (share: number) => `${Math.round(100 * share)} %`;
  const lines = clusters.flatMap(({ profile, names }) => [
    `${sparkline(profile)}  ${percent(profile[0]!)} at 6:00, ${percent(mean(profile))} on average, ${percent(profile.at(-1)!)} at 22:00`,
    wrapWords(names, "  "),
  ]);
  const silhouettes = clusterings.map(({ k, silhouette }) => `${k}: ${silhouette.toFixed(2)}`).join(", ");
  return [
    heading(`The share of late flights from 6:00 to 22:00: ${best!.k} clusters of ${groups.length} ${what}`),
    ...lines,
    `(silhouette by number of clusters: ${silhouettes})`,
  ].join("\n");
}

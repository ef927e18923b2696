/** The mathematics of the demo. Pure functions: what is random takes its numbers from a seed. */

/** Told from time to time how much is done, from 0 to 1. */
export type OnProgress = (done: number) => void;

/** The generator mulberry32: numbers in [0, 1), the same ones for the same seed. */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export function mean(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]!;
  return sum / values.length;
}

/** The means of samples drawn from the values with replacement, each as large as they are; in rising order. */
export function bootstrapMeans(values: Int16Array, resamples: number, seed: number, onProgress?: OnProgress) {
  const random = randomNumbers(seed);
  const means = new Float64Array(resamples);
  for (let sample = 0; sample < resamples; sample++) {
    let sum = 0;
    for (let i = 0; i < values.length; i++) sum += values[Math.floor(random() * values.length)]!;
    means[sample] = sum / values.length;
    if (sample % 1000 === 0) onProgress?.(sample / resamples);
  }
  return means.sort();
}

export function quantile(sorted: Float64Array, share: number): number {
  return sorted[Math.round(share * (sorted.length - 1))]!;
}

/** Euclidean, between all pairs. */
export function distancesBetween(points: readonly (readonly number[])[]): number[][] {
  return points.map((a) => points.map((b) => Math.hypot(...a.map((value, i) => value - b[i]!))));
}

/**
 * k-medoids by exchange (PAM; Kaufman and Rousseeuw 1987): each cluster is represented by one of its points, and as
 * long as it lowers the sum of the distances to them, one of them is exchanged for another point. A start may end in a
 * local optimum, so the best of many random ones is taken.
 * @returns for each point the number of its cluster
 */
export function kMedoids(
  distances: number[][],
  k: number,
  starts: number,
  seed: number,
  onProgress?: OnProgress,
): number[] {
  const random = randomNumbers(seed);
  let best: number[] = [];
  for (let start = 0; start < starts; start++) {
    const medoids = exchange(distances, choose(distances.length, k, random));
    if (start === 0 || cost(distances, medoids) < cost(distances, best)) best = medoids;
    onProgress?.((start + 1) / starts);
  }
  return distances.map((row) => {
    const near = best.map((medoid) => row[medoid]!);
    return near.indexOf(Math.min(...near));
  });
}

/** k different numbers below n. */
function choose(n: number, k: number, random: () => number): number[] {
  const chosen = new Set<number>();
  while (chosen.size < k) chosen.add(Math.floor(random() * n));
  return [...chosen];
}

function exchange(distances: number[][], start: number[]): number[] {
  let best = start;
  let lowest = cost(distances, best);
  for (let isBetter = true; isBetter; ) {
    isBetter = false;
    const from = best;
    for (let place = 0; place < from.length; place++) {
      for (let point = 0; point < distances.length; point++) {
        if (from.includes(point)) continue;
        const candidate = from.with(place, point);
        const sum = cost(distances, candidate);
        if (sum >= lowest) continue;
        lowest = sum;
        best = candidate;
        isBetter = true;
      }
    }
  }
  return best;
}

/** The sum of the distances of all points to their nearest medoids. */
function cost(distances: number[][], medoids: number[]): number {
  let sum = 0;
  for (const row of distances) {
    let nearest = Number.POSITIVE_INFINITY;
    for (const medoid of medoids) nearest = Math.min(nearest, row[medoid]!);
    sum += nearest;
  }
  return sum;
}

/**
 * How well the points lie in their clusters and apart from the others, from -1 to 1 (Rousseeuw 1987). Serves to compare
 * numbers of clusters.
 */
export function silhouette(distances: number[][], labels: number[]): number {
  return mean(distances.map((row, point) => silhouetteOf(row, point, labels)));
}

function silhouetteOf(row: number[], point: number, labels: number[]): number {
  const meanDistance = (label: number) => {
    const others = row.filter((_, other) => labels[other] === label && other !== point);
    return others.length > 0 ? mean(others) : undefined;
  };
  const own = meanDistance(labels[point]!);
  if (own === undefined) return 0; // alone in its cluster
  const rest = new Set(labels.filter((label) => label !== labels[point]));
  const nearest = Math.min(...[...rest].map((label) => meanDistance(label)!));
  return (nearest - own) / Math.max(nearest, own);
}

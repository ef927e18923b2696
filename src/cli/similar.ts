import leven from "leven";

/** Beyond this length, in characters, texts are not compared further: the cost grows with the square. */
const COMPARED = 200;

/** Of what is there, what was perhaps meant; the likeliest first, at most five. */
export function similarTo(meant: string, there: Iterable<string>): string[] {
  return [...there]
    .map((text) => ({ text, distance: distanceOf(meant, text) }))
    .filter(({ distance }) => distance < 1)
    .sort((a, b) => a.distance - b.distance)
    .slice(0, 5)
    .map(({ text }) => text);
}

/** 0 where one is a part of the other, 1 where they have little in common. */
function distanceOf(a: string, b: string): number {
  const [one, other] = [a, b].map((text) => text.slice(0, COMPARED).toLowerCase()) as [string, string];
  if (one.includes(other) || other.includes(one)) return 0;
  const share = leven(one, other) / Math.max(one.length, other.length);
  return share <= 0.4 ? share : 1;
}

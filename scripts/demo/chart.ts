import type { GroupDelay } from "./results.js";

/** A chart of intervals, as SVG. It has colours of its own, so that it looks the same on light and on dark pages. */

export interface DelayChart {
  readonly title: string;
  /** The file of vega-datasets from which the numbers come. */
  readonly source: string;
  /** From top to bottom. */
  readonly delays: readonly GroupDelay[];
}

const colours = {
  background: "#ffffff",
  text: "#1f2933",
  quiet: "#667380",
  grid: "#e4e8ec",
  zero: "#9aa5b1",
  interval: "#9cc3e6",
  mean: "#0b559f",
};

const margin = 28;
const rowHeight = 24;
/** What letters take in wide fonts: there is no way to measure them. */
const letterWidth = { bold: 10, normal: 7.4 };
const plotWidth = 480;
const numbersWidth = 130;
const headHeight = 106;
const footHeight = 78;

export function delayChart({ title, source, delays }: DelayChart): string {
  const cityAt = margin + Math.max(...delays.map(({ name }) => name.length)) * letterWidth.bold + 10;
  const left = cityAt + Math.max(...delays.map(({ city }) => city.length)) * letterWidth.normal + 10;
  const right = left + plotWidth;
  const bottom = headHeight + delays.length * rowHeight;
  const width = Math.ceil(right + numbersWidth + margin);
  const height = bottom + footHeight;

  const ticks = ticksFor(Math.min(0, ...delays.map(({ low }) => low)), Math.max(...delays.map(({ high }) => high)));
  const [from, to] = [ticks[0]!, ticks.at(-1)!];
  const x = (minutes: number) => left + ((minutes - from) / (to - from)) * plotWidth;
  const meanAt = right + 48;
  const flightsAt = right + numbersWidth;

  const grid = ticks.flatMap((tick) => [
    line([x(tick), headHeight], [x(tick), bottom], { stroke: tick === 0 ? colours.zero : colours.grid }),
    text([x(tick), bottom + 18], `${tick}`, { fill: colours.quiet, "text-anchor": "middle" }),
  ]);
  const rows = delays.flatMap(({ name, city, flights, mean, low, high }, i) => {
    const y = headHeight + (i + 0.5) * rowHeight;
    const base = y + 4.5; // of the letters
    return [
      text([margin, base], name, { "font-weight": 600 }),
      city && text([cityAt, base], city, { fill: colours.quiet }),
      line([x(low), y], [x(high), y], { stroke: colours.interval, "stroke-width": 8 }),
      element("circle", { cx: x(mean), cy: y, r: 4.5, fill: colours.mean }),
      text([meanAt, base], mean.toFixed(1), { "font-weight": 600, "text-anchor": "end" }),
      text([flightsAt, base], flights.toLocaleString("en"), { fill: colours.quiet, "text-anchor": "end" }),
    ];
  });

  const columnsAt = headHeight - 10;
  const svg = element(
    "svg",
    {
      xmlns: "http://www.w3.org/2000/svg",
      width,
      height,
      viewBox: `0 0 ${width} ${height}`,
      role: "img",
      "font-family": "system-ui, 'Segoe UI', Helvetica, Arial, sans-serif",
      "font-size": 13,
      fill: colours.text,
    },
    element("title", {}, escapeXml(title)),
    element("rect", { width, height, fill: colours.background }),
    text([margin, 40], title, { "font-size": 20, "font-weight": 600 }),
    text([margin, 62], "Dot: the mean. Bar: its 95 % interval, by bootstrap. An early flight has a delay below 0.", {
      fill: colours.quiet,
    }),
    text([meanAt, columnsAt], "mean", { fill: colours.quiet, "text-anchor": "end" }),
    text([flightsAt, columnsAt], "flights", { fill: colours.quiet, "text-anchor": "end" }),
    ...grid,
    ...rows,
    text([left + plotWidth / 2, bottom + 40], "mean delay in minutes", { "text-anchor": "middle" }),
    text([margin, height - 16], `Data: ${source} of vega-datasets`, { "font-size": 11, fill: colours.quiet }),
  );
  return `${svg}\n`;
}

/** Round numbers around two values, at most ten steps apart. */
function ticksFor(low: number, high: number): number[] {
  const step = [0.5, 1, 2, 5, 10, 20, 50].find((each) => (high - low) / each <= 9) ?? 100;
  const first = Math.floor(low / step);
  const last = Math.max(first + 1, Math.ceil(high / step));
  return Array.from({ length: last - first + 1 }, (_, i) => (first + i) * step);
}

// ---- SVG ----

type Point = readonly [x: number, y: number];
type Attributes = Readonly<Record<string, string | number>>;

function line([x1, y1]: Point, [x2, y2]: Point, attributes: Attributes): string {
  return element("line", { x1, y1, x2, y2, ...attributes });
}

function text([x, y]: Point, words: string, attributes: Attributes): string {
  return element("text", { x, y, ...attributes }, escapeXml(words));
}

function element(name: string, attributes: Attributes, ...content: string[]): string {
  const written = Object.entries(attributes).map(([key, value]) => {
    const short = typeof value === "number" ? Math.round(value * 100) / 100 : escapeXml(value);
    return ` ${key}="${short}"`;
  });
  const start = `<${name}${written.join("")}`;
  const inner = content.filter((each) => each !== "");
  if (inner.length === 0) return `${start}/>`;
  return inner.length === 1 ? `${start}>${inner[0]}</${name}>` : `${start}>\n${inner.join("\n")}\n</${name}>`;
}

function escapeXml(words: string): string {
  return words.replace(/[<>&"]/g, (each) => `&#${each.charCodeAt(0)};`);
}

import stringWidth from "string-width";
import { printable } from "./text.js";

export interface Column {
  readonly title: string;
  readonly align?: "right";
  /** Where its cells lose something when the table is too wide; without it they are kept as they are. */
  readonly shorten?: "middle" | "end";
  /** Left out where no cell that was looked at has a text. */
  readonly optional?: true;
}

export interface TableOptions {
  /** Of the terminal, in columns; without it nothing is cut. */
  readonly width?: number | undefined;
  /** How many rows are looked at to choose the widths. Those that follow are printed as they come. Default: 100. */
  readonly sample?: number;
  readonly titleStyle?: (text: string) => string;
}

const GAP = "  ";

/** Not every row is padded to the width of one enormous cell. */
const WIDEST = 200;

/** The lines of a table. Cells may hold anything: what a terminal would obey is escaped. */
export async function* tableLines(
  columns: readonly Column[],
  rows: AsyncIterable<readonly string[]>,
  { width, sample = 100, titleStyle = (text) => text }: TableOptions = {},
): AsyncGenerator<string, void> {
  const iterator = rows[Symbol.asyncIterator]();
  try {
    const first: string[][] = [];
    let step = await iterator.next();
    for (; !step.done && first.length < sample; step = await iterator.next()) first.push(step.value.map(printable));

    const shown = [...columns.keys()].filter((at) => !columns[at]!.optional || first.some((row) => row[at] !== ""));
    const titles = columns.map(({ title }) => title);
    const natural = columns.map(({ shorten }, at) => {
      const widest = Math.max(...[titles, ...first].map((row) => stringWidth(row[at]!)));
      return shorten ? Math.min(widest, WIDEST) : widest;
    });
    const widths = new Map(fitted(columns, shown, natural, width).map((each, i) => [shown[i]!, each]));

    const line = (row: readonly string[]) => {
      const cells = shown.map((at) => cellText(row[at]!, columns[at]!, widths.get(at)!, width !== undefined));
      const text = cells.join(GAP).trimEnd();
      return width === undefined ? text : shortened(text, width, "end");
    };
    yield titleStyle(line(titles));
    for (const row of first) yield line(row);
    for (; !step.done; step = await iterator.next()) yield line(step.value.map(printable));
  } finally {
    await iterator.return?.();
  }
}

/** The widths of the columns that are shown: their own, or, of those that may be shortened, at most one that makes them fit. */
function fitted(
  columns: readonly Column[],
  shown: readonly number[],
  natural: readonly number[],
  width = Number.POSITIVE_INFINITY,
): number[] {
  const gaps = GAP.length * (shown.length - 1);
  const at = (most: number) =>
    shown.map((each) => (columns[each]!.shorten ? Math.min(natural[each]!, most) : natural[each]!));
  const fits = (most: number) => at(most).reduce((sum, each) => sum + each, gaps) <= width;
  let most = Math.max(...natural);
  while (most > 1 && !fits(most)) most--;
  const widths = at(most);
  // What is left over, because one column less would have been enough, goes to the first that can use it.
  let spare = width - widths.reduce((sum, each) => sum + each, gaps);
  for (const [i, each] of shown.entries()) {
    const more = Math.max(0, Math.min(spare, natural[each]! - widths[i]!));
    if (more === 0) continue;
    widths[i]! += more;
    spare -= more;
  }
  return widths;
}

function cellText(text: string, { align, shorten }: Column, width: number, mayCut: boolean): string {
  const cell = shorten && mayCut ? shortened(text, width, shorten) : text;
  const padding = " ".repeat(Math.max(0, width - stringWidth(cell)));
  return align === "right" ? padding + cell : cell + padding;
}

const segmenter = new Intl.Segmenter();

/**
 * The text in at most so many columns of a terminal, with an ellipsis where something is missing. (cli-truncate 5, the
 * last for Node 20, lets a wide character at the cut stand out by a column: the line would break.)
 */
export function shortened(text: string, width: number, where: "middle" | "end"): string {
  if (stringWidth(text) <= width) return text;
  const tail = where === "middle" ? Math.floor((width - 1) / 2) : 0;
  const graphemes = segmenter.segment(text);
  const start = upTo(graphemes, width - 1 - tail);
  const end = tail === 0 ? [] : upTo([...graphemes].reverse(), tail).reverse();
  return `${start.join("")}…${end.join("")}`;
}

/** The first graphemes, as many as fit. */
function upTo(graphemes: Iterable<{ segment: string }>, width: number): string[] {
  const fitting: string[] = [];
  let left = width;
  for (const { segment } of graphemes) {
    left -= stringWidth(segment);
    if (left < 0) break;
    fitting.push(segment);
  }
  return fitting;
}

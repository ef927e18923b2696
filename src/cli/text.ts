import bytes from "bytes";
import ms from "ms";

// Texts for people.

/**
 * What a terminal would obey or hide: control characters, line separators, what turns the direction of the text, lone
 * surrogates. All of them have four hex digits.
 */
const UNPRINTABLE = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{Bidi_Control}\ufeff]/gu;

/** The text without anything that a terminal would obey. Of a JSON text, on one line, another spelling of the same JSON. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** As `printable`, with the lines as they are. */
export function printableLines(text: string): string {
  return text.split("\n").map(printable).join("\n");
}

export function sizeText(size: number): string {
  return bytes.format(size, { unitSeparator: " ", decimalPlaces: 1 }) ?? "";
}

/** `1,234`, the same everywhere. */
export function numberText(number: number): string {
  return number.toLocaleString("en-US");
}

/** `1 entry`, `1,234 entries`. */
export function counted(number: number, one: string, many: string): string {
  return `${numberText(number)} ${number === 1 ? one : many}`;
}

export function entriesText(number: number): string {
  return counted(number, "entry", "entries");
}

/** Local: `2026-07-28 09:05`. */
export function dateText(date: Date | undefined, withSeconds = false): string {
  if (date === undefined || Number.isNaN(date.getTime())) return "";
  const two = (number: number) => String(number).padStart(2, "0");
  const day = [date.getFullYear(), two(date.getMonth() + 1), two(date.getDate())].join("-");
  const time = [date.getHours(), date.getMinutes(), ...(withSeconds ? [date.getSeconds()] : [])].map(two).join(":");
  return `${day} ${time}`;
}

/** @param duration milliseconds */
export function durationText(duration: number): string {
  if (duration < 1) return "<1ms";
  return duration >= 1_000 && duration < 60_000 ? `${(duration / 1_000).toFixed(1)}s` : ms(Math.round(duration));
}

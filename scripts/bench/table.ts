import { readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import type { Measured } from "./measure.js";

/** A run that was kept, and is compared with. */
export interface Kept {
  readonly date: string;
  readonly machine: string;
  readonly node: string;
  readonly rows: readonly Measured[];
}

const LAST = new URL("last.json", import.meta.url);
const PAGE = new URL("../../docs/speed.md", import.meta.url);
const [BEGIN, END] = ["<!-- bench -->", "<!-- /bench -->"];

export function lastKept(): Kept {
  return JSON.parse(readFileSync(LAST, "utf8"));
}

/** Keeps the rows, beside those that were kept and not measured now, and writes their table to docs/speed.md. */
export function save(measured: readonly Measured[]): void {
  const now = new Map(measured.map((row) => [row.name, row]));
  const rows = lastKept().rows.map((row) => now.get(row.name) ?? row);
  for (const row of measured) if (!rows.includes(row)) rows.push(row);
  const kept: Kept = { date: new Date().toISOString().slice(0, 10), machine: machine(), node: process.version, rows };
  writeFileSync(LAST, `${JSON.stringify(kept, null, 2)}\n`);
  const text = readFileSync(PAGE, "utf8");
  const [before, rest] = text.split(BEGIN);
  const after = rest!.split(END)[1]!;
  writeFileSync(PAGE, `${before}${BEGIN}\n${headOf(kept)}\n\n${tableOf(rows)}\n${END}${after}`);
}

function headOf({ date, machine, node }: Kept): string {
  return `${date}, ${machine}, Node ${node}:`;
}

function machine(): string {
  const all = cpus();
  return `${all.length} x ${all[0]!.model.trim()}, ${process.platform} ${process.arch}`;
}

/** In Markdown. */
export function tableOf(rows: readonly Measured[]): string {
  const lines = rows.map(({ name, ratio, target, better, ok, unit, microseconds, floor, spread }) => [
    name,
    `${ratio} ${unit}`,
    target === null ? "" : `${better === "less" ? "<=" : ">="} ${target}${ok ? "" : " (missed)"}`,
    microseconds === undefined ? "" : `${microseconds} (${spread!.join(" to ")})`,
    floor === undefined ? "" : `${floor}`,
  ]);
  const head = ["what", "measured", "to reach", "us a call (10 % to 90 %)", "us of the floor or peer"];
  const widths = head.map((title, column) => Math.max(title.length, ...lines.map((line) => line[column]!.length)));
  const printed = [head, widths.map((width) => "-".repeat(width)), ...lines];
  return printed.map((line) => `| ${line.map((cell, i) => cell.padEnd(widths[i]!)).join(" | ")} |`).join("\n");
}

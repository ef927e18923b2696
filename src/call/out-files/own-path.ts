import { resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { Plan } from "../plan.js";
import { warnOnce } from "../trouble.js";
import type { Asked } from "./asked.js";

/**
 * Finds functions that return the path of their out file. It is stored with the result, and a hit that puts the file at
 * another path still tells the first one. What is to be told instead cannot be known (another text may look the same), so
 * a result is never changed.
 */

/** Warns once of a function whose result is, or holds, the path of one of its out files. */
export function warnOfOwnPath(plan: Plan, out: readonly Asked[], value: unknown): void {
  if (out.length === 0 || plan.warned.has(KIND)) return;
  const names = new Map(out.flatMap((asked) => spellingsOf(asked).map((spelling) => [spelling, asked.name] as const)));
  const found = textIn(value, (text) => names.has(text));
  if (found === undefined) return;
  warnOnce(
    plan.warned,
    KIND,
    `${plan.subject}: the result holds the path of the out file "${names.get(found)}" (${found}). A hit puts the file at the path that is asked for, and still returns this one. Return something else: the caller knows the path that it has given.`,
  );
}

const KIND = "own path";

function spellingsOf({ given, path }: Asked): string[] {
  const text = typeof given === "string" ? given : fileURLToPath(given);
  const absolute = resolve(text);
  return [text, absolute, path, pathToFileURL(absolute).href, pathToFileURL(path).href];
}

/** Strings, objects and their properties that are looked at. */
const MOST = 10_000;

/** The first text, at any depth, that is wanted. Calls no getter: a property is read once, when the result is stored. */
function textIn(value: unknown, isWanted: (text: string) => boolean): string | undefined {
  const open = [value];
  const seen = new Set<unknown>();
  try {
    for (let i = 0; i < open.length && i < MOST; i++) {
      const each = open[i];
      if (typeof each === "string" && isWanted(each)) return each;
      if (typeof each !== "object" || each === null || ArrayBuffer.isView(each) || seen.has(each)) continue;
      seen.add(each);
      if (each instanceof URL && isWanted(each.href)) return each.href;
      if (each instanceof Map) open.push(...[...each].slice(0, MOST).flat());
      if (each instanceof Set) open.push(...[...each].slice(0, MOST));
      for (const key of Object.keys(each).slice(0, MOST)) open.push(Object.getOwnPropertyDescriptor(each, key)?.value);
    }
  } catch {
    // A Proxy that cannot be looked at.
  }
  return undefined;
}

import { realpathSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { BindingError } from "../../errors.js";
import { stampOf } from "../../files/fingerprint.js";
import { syncIo } from "../../files/io.js";
import { run } from "../../flow.js";

/**
 * Out files: paths that a function is given to write to. They are not in the key. An entry remembers where its files
 * are, and a call is served while, for every out file it asks for, one of them still holds: that one is copied to the
 * asked path, if it is not there yet.
 */

/** A parameter that names an out file. */
export interface OutParameter {
  readonly name: string;
  /** Among the bound values. */
  readonly index: number;
}

/** An out file that a call asks for. */
export interface Asked {
  readonly name: string;
  /** Absolute, without links on the way. */
  readonly path: string;
  /** As it was given: a path, or a file URL. */
  readonly given: string | URL;
}

/**
 * The out files of a call; one that is omitted is not asked for.
 * @param shown the function, for messages
 * @throws BindingError where one is no path, is a directory, or is given twice
 */
export function askedFor(shown: string, parameters: readonly OutParameter[], values: readonly unknown[]): Asked[] {
  const asked: Asked[] = [];
  for (const { name, index } of parameters) {
    const value = values[index];
    if (value === undefined) continue;
    const path = pathOf(shown, name, value);
    const same = asked.find((each) => each.path === path);
    if (same) {
      throw new BindingError(
        `${shown}: the out files "${same.name}" and "${name}" are the same file, ${path}. Give each a path of its own.`,
      );
    }
    if (isDirectory(path)) {
      throw new BindingError(
        `${shown}: the out file "${name}" is a directory, ${path}. Give the path of a file in it.`,
      );
    }
    asked.push({ name, path, given: value as string | URL });
  }
  return asked;
}

/** What is out of reach is none: whoever writes there will be told. */
function isDirectory(path: string): boolean {
  try {
    return run(stampOf(path, syncIo)) === "directory";
  } catch {
    return false;
  }
}

function pathOf(shown: string, name: string, value: unknown): string {
  const isFileUrl = value instanceof URL && value.protocol === "file:";
  if (!isFileUrl && (typeof value !== "string" || value === "" || value.includes("\0"))) {
    throw new BindingError(
      `${shown}: the out file "${name}" must be a path or a file URL, not ${typeof value === "string" ? JSON.stringify(value) : typeof value}.`,
    );
  }
  return withoutLinks(resolve(isFileUrl ? fileURLToPath(value) : (value as string)));
}

/** The one spelling of a path: what exists of it by its real path, the rest as it is. */
function withoutLinks(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    const folder = dirname(path);
    return folder === path ? path : join(withoutLinks(folder), basename(path));
  }
}

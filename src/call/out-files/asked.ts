import { lstatSync, readlinkSync, realpathSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { BindingError } from "../../errors.js";

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
 * @throws BindingError where one is no path, is given twice, or something else than a regular file is there
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
    const kind = kindOf(path);
    if (kind === "a directory") {
      throw new BindingError(
        `${shown}: the out file "${name}" is a directory, ${path}. Give the path of a file in it.`,
      );
    }
    if (kind !== undefined) throw noFile(shown, name, kind, path);
    asked.push({ name, path, given: value as string | URL });
  }
  return asked;
}

function noFile(shown: string, name: string, kind: string, path: string): BindingError {
  return new BindingError(
    `${shown}: the out file "${name}" is ${kind}, ${path}. Only regular files can be recorded and copied: give the path of one.`,
  );
}

/** What stands at a path, where that is no regular file. What is out of reach is nothing: whoever writes there will be told. */
function kindOf(path: string): string | undefined {
  try {
    const stats = lstatSync(path, { throwIfNoEntry: false });
    if (!stats || stats.isFile()) return undefined;
    if (stats.isDirectory()) return "a directory";
    if (stats.isFIFO()) return "a pipe";
    if (stats.isSocket()) return "a socket";
    return stats.isSymbolicLink() ? "a symbolic link that leads in a circle" : "a device";
  } catch {
    return undefined;
  }
}

function pathOf(shown: string, name: string, value: unknown): string {
  const isFileUrl = value instanceof URL && value.protocol === "file:";
  if (!isFileUrl && (typeof value !== "string" || value === "" || value.includes("\0"))) {
    throw new BindingError(
      `${shown}: the out file "${name}" must be a path or a file URL, not ${typeof value === "string" ? JSON.stringify(value) : typeof value}.`,
    );
  }
  return withoutLinks(resolve(isFileUrl ? fileURLToPath(value) : (value as string)), (path) => {
    throw noFile(shown, name, "an open file of this process or another one", path);
  });
}

/** Links that are followed from one path, as systems do. */
const MOST = 40;

/** Names of what a process has open. What they lead to may be a regular file, but belongs to whoever has opened it. */
const OPEN = /^\/dev\/(?:fd\/\d+|stdin|stdout|stderr)$|^\/proc\/(?:self|thread-self|\d+)(?:\/task\/\d+)?\/fd\/\d+$/;

/**
 * The one spelling of a path: what exists of it by its real path, the rest as it is. A link at its end is followed also
 * where there is nothing yet: a function that writes there writes to what it leads to, and a hit does, too.
 * @param refuse throws
 */
function withoutLinks(path: string, refuse: (path: string) => never, left = MOST): string {
  const folder = dirname(path);
  if (folder === path) return path;
  const place = join(realFolder(folder, refuse, left), basename(path));
  if (OPEN.test(path) || OPEN.test(place)) refuse(path);
  const target = linkAt(place);
  return target === undefined || left === 0 ? place : withoutLinks(resolve(dirname(place), target), refuse, left - 1);
}

function realFolder(folder: string, refuse: (path: string) => never, left: number): string {
  try {
    return realpathSync(folder);
  } catch {
    return withoutLinks(folder, refuse, left);
  }
}

/** Where a link leads; `undefined` where there is none. */
function linkAt(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

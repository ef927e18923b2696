import { lstatSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { codeOf, ioFor } from "../../files/io.js";
import { lessUmask, PRIVATE } from "../../files/permissions.js";
import { type Flow, run } from "../../flow.js";
import type { Contents, KeptContent, SeenFile } from "../engine.js";
import { isWholeContent, KEPT_FOLDER, keepContent, keptFileOf, removeContent } from "../file/kept-contents.js";
import type { Database } from "./database.js";
import type { LmdbFolder } from "./folder.js";
import { dropKept, entryFileIn, keptFilesIn, keptFolder, shardsIn } from "./kept-files.js";

/** How often others may remove what an operation has made for itself. */
const ATTEMPTS = 5;

/** The contents of out files, which are kept as files beside the database. */
export function contentsIn(database: Database, folderOf: (name: string) => LmdbFolder): Contents {
  return {
    temporary: () => database.temporary(),
    keep: (folder, digest, file, mayWait) => run(keep(database, folderOf(folder), digest, file, mayWait)),
    path: (folder, digest, sha256) => {
      const kept = keptFolder(database.directory ?? database.path, folderOf(folder).number ?? 0);
      return keptFileOf(entryFileIn(kept, digest), sha256);
    },
    drop: (folder, digest, except) => {
      const { number } = folderOf(folder);
      if (number !== undefined) dropKept(database, number, digest, except);
    },
    list: (folder) => listKept(database, folderOf(folder)),
  };
}

function* keep(database: Database, to: LmdbFolder, digest: string, file: SeenFile, mayWait: boolean): Flow<boolean> {
  const { number } = to;
  if (number === undefined) return false;
  for (let attempt = 1; ; attempt++) {
    try {
      const folder = keptFolder(database.makeDirectory(), number);
      for (const name of [digest.slice(0, 2), `${KEPT_FOLDER}/${file.sha256.slice(0, 2)}`]) {
        mkdirSync(join(folder, name), { mode: PRIVATE.folder, recursive: true });
      }
      const newTemporary = () => database.temporary();
      const mode = lessUmask(PRIVATE.file);
      yield* keepContent(folder, entryFileIn(folder, digest), file, newTemporary, mode, ioFor(mayWait));
      return to.number === number;
    } catch (error) {
      if (to.number !== number) return false;
      // Others have removed what was made for it: it is made again.
      if (attempt === ATTEMPTS || codeOf(error) !== "ENOENT") throw error;
    }
  }
}

function* listKept({ directory }: Database, { number }: LmdbFolder): Generator<readonly KeptContent[], void> {
  if (directory === undefined || number === undefined) return;
  const folder = keptFolder(directory, number);
  for (const file of keptFilesIn(folder)) {
    yield [
      {
        location: file,
        size: () => lstatSync(file, { throwIfNoEntry: false })?.size,
        isWhole: () => isWholeContent(file),
        remove: () => removeContent(file, shardsIn(folder)),
      },
    ];
  }
}

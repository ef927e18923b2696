import { rmSync } from "node:fs";
import type { Database } from "./database.js";
import { keptFolder } from "./kept-files.js";
import type { Opened } from "./opened.js";
import { after, folderKey, keysOf, readCounts } from "./records.js";
import type { Table } from "./table.js";
import { folderIn } from "./tables.js";

/**
 * A folder is cleared in two steps. In one transaction it is forgotten, and what remembers its number is a record in
 * `meta`; the next `mark` makes it anew under another number. Then what stands under the old number, which nobody finds any
 * more, is deleted a little at a time.
 */

/** Records of a table that are deleted in one transaction. */
const AT_A_TIME = 1_000;

const CLEARED = Buffer.from("cleared ");

/** @returns how many entries there were */
export function forgetFolder(opened: Opened, key: Buffer): number {
  const folder = folderIn(opened, key);
  if (!folder) return 0;
  const number = folderKey(folder.number);
  const counted = readCounts(opened.counts.get(number));
  opened.folders.remove(key);
  opened.counts.remove(number);
  opened.meta.put(Buffer.concat([CLEARED, number]), number);
  return counted.entries;
}

/** Deletes, a step at a time, what is left of cleared folders: also of those whose clear was killed. */
export function* sweepCleared(database: Database): Generator<void> {
  const cleared = database.read(({ meta }) => meta.records({ start: CLEARED, end: after(CLEARED) })) ?? [];
  for (const { key, value } of cleared) {
    const number = value.readUIntBE(0, 6);
    const folder = database.directory && keptFolder(database.directory, number);
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
    for (let isMore = true; isMore; yield) {
      isMore = database.write((opened) => {
        const tables = [opened.entries, opened.info, opened.byAge, opened.byUse, opened.removals];
        const isLeft = tables.map((table) => removeSome(table, number)).includes(true);
        if (!isLeft) opened.meta.remove(key);
        return isLeft;
      });
    }
  }
}

/** @returns whether there may be more */
function removeSome(table: Table, number: number): boolean {
  const keys = table.keys({ ...keysOf(number), limit: AT_A_TIME });
  for (const key of keys) table.remove(key);
  return keys.length === AT_A_TIME;
}

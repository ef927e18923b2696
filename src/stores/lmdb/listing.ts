import { join } from "node:path";
import type { EntryStat, Listed, Listing } from "../engine.js";
import type { Database } from "./database.js";
import type { LmdbFolder } from "./folder.js";
import { keysOf, timeOf } from "./records.js";
import { infoIn, namesIn } from "./tables.js";

/** What there is in the database. The keys of its tables are in the order that a listing has to have. */
export function listingIn(database: Database, folderOf: (name: string) => LmdbFolder): Listing {
  return {
    folders: (parent) => database.read((opened) => namesIn(opened, parent)) ?? [],
    list: (name) => listFolder(database, name, folderOf(name)),
  };
}

function* listFolder(database: Database, name: string, folder: LmdbFolder): Generator<readonly Listed[], void> {
  for (let first = 0; first < 256; first++) {
    const digits = first.toString(16).padStart(2, "0");
    const keys = database.read((opened) => {
      const record = folder.recordIn(opened);
      return record && opened.info.keys(keysOf(record.number, digits));
    });
    if (!keys) return;
    const group = keys.map((key) => listed(database, name, folder, key.toString("hex", 6)));
    if (group.length > 0) yield group;
  }
}

function listed(database: Database, name: string, folder: LmdbFolder, digest: string): Listed {
  return {
    digest,
    location: join(database.path, name, digest),
    read: () => folder.read(digest),
    stat: () => statOf(database, folder, digest),
    remove: () => void folder.remove(digest),
  };
}

function statOf(database: Database, folder: LmdbFolder, digest: string): EntryStat | undefined {
  const info = database.read((opened) => {
    const record = folder.recordIn(opened);
    return record && infoIn(opened, record.number, digest);
  });
  return info && { bytes: info.bytes, writtenAt: timeOf(info.created) };
}

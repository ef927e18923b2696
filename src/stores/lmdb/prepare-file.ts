import { closeSync, constants, fstatSync, openSync, readSync, writeSync } from "node:fs";
import { StoreError } from "../../errors.js";
import { codeOf } from "../../files/io.js";

/**
 * lmdb does not survive the opening of a file that is none of its own, nor the reading of what is missing at the end of one
 * that was truncated: that is made up for by zeros, which are an error or a miss.
 * @throws StoreError where the pages that say what it is are damaged
 */
export function prepareFile(file: string): void {
  let fd: number;
  try {
    fd = openSync(file, constants.O_RDWR | constants.O_APPEND); // whoever else has appended meanwhile, nothing is overwritten
  } catch (error) {
    if (codeOf(error) === "ENOENT") return;
    throw error;
  }
  try {
    const { size } = fstatSync(fd);
    if (size === 0) return; // somebody else is making it
    const header = Buffer.alloc(HEADER);
    let pages = 0;
    for (let page = 0, pageSize = 0; page < 2; page++) {
      readSync(fd, header, 0, HEADER, page * pageSize);
      pageSize = header.readUInt32LE(PAGE_SIZE);
      const isDatabase =
        (header.readUInt16LE(FLAGS) & IS_META) !== 0 &&
        header.readUInt32LE(MAGIC) === IS_LMDB &&
        header.readUInt16LE(MAGIC + 4) === VERSION &&
        pageSize > 0 &&
        pageSize <= size / 2;
      if (!isDatabase) throw new StoreError(`${file} is damaged, or no database of lmdb. Remove it`);
      pages = Math.max(pages, Number(header.readBigUInt64LE(LAST_PAGE)) + 1);
      const missing = page === 1 ? pages * pageSize - size : 0;
      for (let left = missing; left > 0; left -= ZEROS) writeSync(fd, Buffer.alloc(Math.min(left, ZEROS)));
    }
  } finally {
    closeSync(fd);
  }
}

/** Where in the first two pages of a database stands what it is: `mdb_env_read_header` and `MDB_meta` of lmdb. */
const FLAGS = 0x12;
const MAGIC = 0x18;
const PAGE_SIZE = 0x30;
const LAST_PAGE = 0x90;
const HEADER = 0x98;
const IS_META = 0x08;
const IS_LMDB = 0xbeefc0de;
const VERSION = 2;
/** Bytes written at once. */
const ZEROS = 1024 * 1024;

import { FileLock, RangeLock } from "../../../src/files/locks/kernel-lock.js";
import { PortableLock } from "../../../src/files/locks/portable-lock.js";
import type { Manner } from "./key-lock.contract.js";

export const ranges: Manner = {
  title: "kernel lock",
  kind: "kernel",
  create: (folder) => new RangeLock(folder),
  module: "kernel-lock",
  name: "RangeLock",
  fileOf: () => "=_locks",
};

/** That of macOS, where Linux can do it as well. */
export const wholeFiles: Manner = {
  title: "kernel lock on whole files",
  kind: "kernel",
  create: (folder) => new FileLock(folder),
  module: "kernel-lock",
  name: "FileLock",
  fileOf: (digest) => `=_${digest}.flock`,
};

export const portable: Manner = {
  title: "portable lock",
  kind: "portable",
  create: (folder) => new PortableLock(folder),
  module: "portable-lock",
  name: "PortableLock",
  fileOf: (digest) => `=_${digest}.lock`,
};

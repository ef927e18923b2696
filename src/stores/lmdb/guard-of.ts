import { lockKind } from "../../files/locks/key-lock.js";
import type { Guard } from "./guard.js";
import { isMended } from "./mended.js";
import { OnlyUser } from "./only-user.js";
import { OpenLock } from "./open-lock.js";

/** @param directory of the store, which is there */
export function guardOf(directory: string): Guard {
  if (isMended()) return NONE;
  return lockKind() === "kernel" ? new OpenLock(directory) : new OnlyUser(directory);
}

const NONE: Guard = { take: () => () => {}, close() {} };

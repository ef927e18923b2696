import { deserialize } from "node:v8";
import { digestOf } from "../call/bind.js";
import { decompressed, partsOf, textOf } from "../entry/codecs.js";
import { type DecodedEntry, decodeEntry, isSealed } from "../entry/entry.js";
import { type Identity, parseIdentity } from "../entry/identity.js";
import { parseRecord } from "../entry/out-record.js";
import { transcodeTree } from "../entry/transcode.js";
import type { Trust } from "../entry/trust.js";
import { PermacacheError, StoreError } from "../errors.js";
import type { WorkProgress } from "../events.js";
import { codeOf } from "../files/io.js";
import { yieldToEventLoop } from "../flow.js";
import type { KeptContent, Listed, Stray } from "../stores/engine.js";
import type { Folder } from "../stores/folder.js";
import type { Store } from "../stores/store.js";
import type { Verified } from "./interface.js";

/**
 * Reads all that there is in a store, and tells what is damaged: not what was written, or not in its place; in a cache
 * with a secret also what is not signed.
 * @param fix whether that is removed: what cannot be is told, and the others go
 */
export async function verify(
  store: Store,
  trust: Trust,
  fix: boolean,
  onProgress: ((progress: WorkProgress) => void) | undefined,
): Promise<Verified> {
  let total = onProgress ? await countIn(store) : 0;
  let done = 0;
  let checked = 0;
  let removed = 0;
  const damaged: string[] = [];
  const failed: string[] = [];
  for await (const group of thingsIn(store)) {
    for (const { what, location, isWhole, remove } of group.map((each) => each(trust))) {
      const whole = await isWhole();
      if (whole !== undefined && what !== "stray") checked++;
      if (whole === false) {
        damaged.push(location);
        if (fix) {
          try {
            await remove();
            removed++;
          } catch (error) {
            failed.push(`${location}: ${error instanceof Error ? error.message : String(error)}`);
          }
        }
      }
      done++;
      total = Math.max(total, done); // others write meanwhile
      if (done < total) onProgress?.({ done, total });
    }
    await yieldToEventLoop();
  }
  onProgress?.({ done, total: done });
  return { checked, damaged: damaged.sort(), removed, ...(failed.length > 0 && { failed: failed.sort() }) };
}

async function countIn(store: Store): Promise<number> {
  let count = 0;
  for await (const group of thingsIn(store)) {
    count += group.length;
    await yieldToEventLoop();
  }
  return count;
}

/** Something in a folder that can be verified. */
interface Thing {
  readonly what: "entry" | "content" | "stray";
  readonly location: string;
  /** `undefined` where it is gone. */
  isWhole(): Promise<boolean | undefined> | boolean | undefined;
  remove(): Promise<void> | void;
}

/** All that there is, group by group. It is looked at one by one: thousands stand in a group. */
async function* thingsIn(store: Store): AsyncGenerator<readonly ((trust: Trust) => Thing)[], void> {
  for await (const { folder } of store.folders()) {
    let areStrays = false;
    for await (const group of folder.strays()) {
      areStrays ||= group.length > 0;
      yield group.map((stray) => () => ({ ...removable(stray), what: "stray", isWhole: () => false }));
    }
    try {
      for await (const group of folder.everyEntry()) {
        yield group.map((listed) => (trust) => entryThing(store, trust, folder, listed));
      }
    } catch (error) {
      if (!(areStrays && error instanceof StoreError)) throw error; // something stands in the way, and was told of above
    }
    for await (const group of folder.everyContent()) {
      yield group.map((kept) => () => ({ ...removable(kept), what: "content", isWhole: () => kept.isWhole() }));
    }
  }
}

function removable(found: Stray | KeptContent): Pick<Thing, "location" | "remove"> {
  return { location: found.location, remove: () => found.remove() };
}

function entryThing(store: Store, trust: Trust, folder: Folder, listed: Listed): Thing {
  return {
    what: "entry",
    location: listed.location,
    isWhole: () => isWholeEntry(store, trust, folder, listed),
    remove: () => listed.remove(),
  };
}

function isWholeEntry(store: Store, trust: Trust, folder: Folder, listed: Listed): boolean | undefined {
  try {
    const bytes = listed.read() as Buffer | undefined;
    const entry = bytes && decodeEntry(bytes);
    if (!entry || (trust.seal && !isSealed(bytes, trust.seal))) return bytes && false;
    const isInPlace = identityIn(store, folder, entry.identity) && digestOf(entry.key).startsWith(listed.digest);
    return isInPlace !== undefined && isInPlace && isDecodable(entry, trust);
  } catch (error) {
    if (codeOf(error) === "EIO") return false; // the disk has lost it
    throw error;
  }
}

/** The identity that an entry says it has, where that is the one of its folder. */
export function identityIn(store: Store, folder: Folder, text: string): Identity | undefined {
  const last = identities.get(folder);
  if (last?.text === text) return last.identity;
  const identity = parseIdentity(text);
  if (!identity || store.folder(identity) !== folder) return undefined;
  identities.set(folder, { text, identity });
  return identity;
}

/** The last one of each folder: the others are mostly the same, and to parse it would be a tenth of reading an entry. */
const identities = new WeakMap<Folder, { readonly text: string; readonly identity: Identity }>();

/** As far as that can be told without the classes that it needs, or the user's own codec. */
function isDecodable(entry: DecodedEntry, { isOpen }: Trust): boolean {
  try {
    parseRecord(entry.record);
    if (entry.format === "own") return true;
    if (entry.format === "clone" && isOpen) return true; // of another cache, which may know its signature; not for us to decode
    const plain = decompressed(entry, entry.payload);
    if (entry.format === "json") {
      JSON.parse(textOf(plain));
    } else if (entry.format === "tagged") {
      transcodeTree(JSON.parse(textOf(plain)), "native");
    } else {
      const [structure, ...blobs] = partsOf(plain, entry.lengths);
      transcodeTree(deserialize(structure!), "native", blobs);
    }
    return true;
  } catch (error) {
    return error instanceof PermacacheError; // a compression that this Node lacks
  }
}

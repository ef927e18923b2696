import { existsSync } from "node:fs";
import type { Contents, Each, Engine, Listing } from "../engine.js";
import { newTemporary } from "../temporary.js";
import type { Far } from "./far.js";

/**
 * What both hold, entries and contents of out files. Near has nothing but copies of what is far, and what could not get
 * there: far tells what all machines have, and near does where far is out of reach.
 */

export function listingOf({ listing: near }: Engine, far: Far): Listing | undefined {
  const { listing } = far.engine;
  if (!near && !listing) return undefined;
  return {
    folders: (parent) => foldersOf(near, far, parent),
    list: (folder, isRead) => farElseNear(near, listing, far, (each) => each.list(folder, isRead)),
  };
}

/** Of both: what has not reached far yet can be cleared all the same. */
async function* foldersOf(
  near: Listing | undefined,
  far: Far,
  parent: string | undefined,
): AsyncGenerator<string, void, undefined> {
  const names = new Set<string>();
  const add = async (listing: Listing | undefined) => {
    for await (const name of listing?.folders(parent) ?? []) names.add(name);
  };
  await add(near);
  await far.try(() => add(far.engine.listing), undefined);
  yield* names;
}

/** @param ofFar, ofNear `undefined` where it cannot tell */
async function* farElseNear<C, T>(
  ofNear: C | undefined,
  ofFar: C | undefined,
  far: Far,
  itemsOf: (capability: C) => Each<T>,
): AsyncGenerator<T, void, undefined> {
  const begun = await far.try(async () => {
    const items = ofFar && iterated(itemsOf(ofFar));
    return items && { items, first: await items.next() };
  }, undefined);
  if (!begun) {
    if (ofNear) yield* itemsOf(ofNear);
  } else if (!begun.first.done) {
    yield begun.first.value;
    yield* begun.items;
  }
}

async function* iterated<T>(items: Each<T>): AsyncGenerator<T, void, undefined> {
  yield* items;
}

/** Kept near first: what cannot be kept there is not kept at all. */
export function contentsOf({ contents: near }: Engine, far: Far): Contents | undefined {
  if (!near) return undefined;
  return {
    temporary: () => near.temporary?.() ?? newTemporary(),

    async keep(folder, digest, file, mayWait) {
      if (!(await near.keep(folder, digest, file, mayWait))) return false;
      await far.try(() => far.engine.contents?.keep(folder, digest, file, true), undefined);
      return true;
    },

    async path(folder, digest, sha256) {
      const nearby = await near.path(folder, digest, sha256);
      if (existsSync(nearby)) return nearby;
      return (await far.try(() => far.engine.contents?.path(folder, digest, sha256), undefined)) ?? nearby;
    },

    async drop(folder, digest, except) {
      await near.drop(folder, digest, except);
      await far.try(() => far.engine.contents?.drop(folder, digest, except), undefined);
    },

    list: (folder) => farElseNear(near, far.engine.contents, far, (contents) => contents.list(folder)),
  };
}

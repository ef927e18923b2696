import type { Awaitable, Each, Evicting, Listing, Usage } from "../engine.js";

/** Entries that go otherwise than by `remove` and `clear`: the memory is told of it. */

export function watchedUsage(usage: Usage, removed: () => void): Usage {
  const told = (step: Evicting) => {
    if (step.gone.length > 0) removed();
    return step;
  };
  return {
    use: (folder, entry) => usage.use(folder, entry),
    usedAt: (folder, entry) => usage.usedAt(folder, entry),
    evict: (limits, parent, isThorough) => mapped(usage.evict(limits, parent, isThorough), told),
  };
}

export function watchedListing(listing: Listing, removed: () => void): Listing {
  const remove = (item: { remove(): Awaitable<void> }) => () => {
    const removing = item.remove();
    if (removing instanceof Promise) return removing.finally(removed);
    removed();
  };
  return {
    folders: (parent) => listing.folders(parent),
    list: (folder, isRead) =>
      mapped(listing.list(folder, isRead), (group) =>
        group.map((listed) => ({
          digest: listed.digest,
          location: listed.location,
          read: () => listed.read(),
          stat: () => listed.stat(),
          remove: remove(listed),
        })),
      ),
    strays: (folder) =>
      mapped(listing.strays?.(folder) ?? [], (group) =>
        group.map((stray) => ({ location: stray.location, remove: remove(stray) })),
      ),
  };
}

function mapped<T, M>(items: Each<T>, map: (item: T) => M): Each<M> {
  return Symbol.iterator in items ? mappedSync(items, map) : mappedAsync(items, map);
}

function* mappedSync<T, M>(items: Iterable<T>, map: (item: T) => M): Generator<M, void> {
  for (const each of items) yield map(each);
}

async function* mappedAsync<T, M>(items: AsyncIterable<T>, map: (item: T) => M): AsyncGenerator<M, void> {
  for await (const each of items) yield map(each);
}

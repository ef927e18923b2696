import { folderNames, type Identity, identityText } from "../entry/identity.js";

/** The folders of a store: always the same object for the same identity, and for the names that it stands for. */
export class Folders<F> {
  readonly #byIdentity = new Map<string, F>();
  /** A folder that is found in the store tells no more than its names. */
  readonly #byNames = new Map<string, F>();
  readonly #make: (names: string) => F;

  /** @param make a folder of these names, joined by "/" */
  constructor(make: (names: string) => F) {
    this.#make = make;
  }

  of(identity: Identity): F {
    const text = identityText(identity);
    let folder = this.#byIdentity.get(text);
    if (folder === undefined) {
      folder = this.named(folderNames(identity).join("/"));
      this.#byIdentity.set(text, folder);
    }
    return folder;
  }

  named(names: string): F {
    let folder = this.#byNames.get(names);
    if (folder === undefined) {
      folder = this.#make(names);
      this.#byNames.set(names, folder);
    }
    return folder;
  }

  /** Those that were asked for. */
  all(): Iterable<F> {
    return this.#byNames.values();
  }
}

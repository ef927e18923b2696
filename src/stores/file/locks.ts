import { type Held, isLockedIn, keyLockIn, lockKind } from "../../files/locks/key-lock.js";
import type { LockName, Locks } from "../engine.js";
import type { FileFolders } from "./folder.js";

/** Locks of keys are in the folder of the entries, those of the paths of out files in the directory of the store. */
export class FileLocks implements Locks {
  readonly #folders: FileFolders;

  constructor(folders: FileFolders) {
    this.#folders = folders;
  }

  get kind(): string {
    return lockKind();
  }

  tryLock({ folder, digest }: LockName, makes: boolean): Held | undefined {
    const place = folder === undefined ? this.#placeOfPaths(makes) : this.#placeOfKeys(folder, makes);
    return place === undefined ? { release() {} } : keyLockIn(place, this.#folders.root.permissions).tryLock(digest);
  }

  #placeOfKeys(name: string, makes: boolean): string | undefined {
    const folder = this.#folders.of(name);
    if (!folder.has()) {
      if (!makes) return undefined;
      folder.mark(); // makes it
    }
    return folder.path;
  }

  /** Who changes nothing makes no lock file either: where there is none, nobody holds a path. */
  #placeOfPaths(makes: boolean): string | undefined {
    const { root } = this.#folders;
    if (makes) return root.make();
    const directory = root.get();
    return directory !== undefined && isLockedIn(directory) ? directory : undefined;
  }

  holder({ folder: name, digest }: LockName): string | undefined {
    const { root } = this.#folders;
    const folder = name === undefined ? undefined : this.#folders.of(name);
    const place = folder ? folder.has() && folder.path : root.get();
    return place ? keyLockIn(place, root.permissions).holder(digest) : undefined;
  }
}

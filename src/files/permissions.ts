/** The permissions of what the cache makes; the umask takes away from them. */
export interface Permissions {
  readonly folder: number;
  readonly file: number;
}

export const PRIVATE: Permissions = { folder: 0o700, file: 0o600 };
/** Who may write is for the umask to say, and for the group of the directory. */
export const SHARED: Permissions = { folder: 0o777, file: 0o666 };

/** For what cannot be left to the system: changing permissions takes no notice of the umask. */
export function lessUmask(mode: number): number {
  return mode & ~process.umask();
}

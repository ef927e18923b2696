import type { ReadableName } from "../entry/readable-name.js";
import type { Held } from "../files/locks/key-lock.js";
import type { Flow } from "../flow.js";
import type { RetentionLimits, SizeLimits } from "./limits.js";
import type { EntryStamp, Folder, Mark, Publishing, SeenFile } from "./store.js";

/** A folder that does what another one does, but for what a subclass changes. */
export abstract class FolderOver implements Folder {
  protected readonly folder: Folder;

  constructor(folder: Folder) {
    this.folder = folder;
  }

  get directory(): string {
    return this.folder.directory;
  }
  get location(): string {
    return this.folder.location;
  }
  get remedy(): string | undefined {
    return this.folder.remedy;
  }
  read(digest: string, async: boolean, readable?: ReadableName): ReturnType<Folder["read"]> {
    return this.folder.read(digest, async, readable);
  }
  stamp(digest: string, readable?: ReadableName): EntryStamp | undefined {
    return this.folder.stamp?.(digest, readable);
  }
  forget(digest: string): void {
    this.folder.forget?.(digest);
  }
  mark(): ReturnType<Folder["mark"]> {
    return this.folder.mark();
  }
  publish(digest: string, parts: readonly Uint8Array[], mark: Mark, how: Publishing): Flow<boolean> {
    return this.folder.publish(digest, parts, mark, how);
  }
  tryLock(digest: string): ReturnType<Folder["tryLock"]> {
    return this.folder.tryLock(digest);
  }
  lockHolder(digest: string): string | undefined {
    return this.folder.lockHolder(digest);
  }
  tryLockPath(digest: string, makes: boolean): Held | undefined | Promise<Held | undefined> {
    return this.folder.tryLockPath(digest, makes);
  }
  pathHolder(digest: string): string | undefined {
    return this.folder.pathHolder(digest);
  }
  remove(digest: string, readable?: ReadableName): ReturnType<Folder["remove"]> {
    return this.folder.remove(digest, readable);
  }
  keep(digest: string, file: SeenFile, async: boolean): Flow<void> {
    return this.folder.keep(digest, file, async);
  }
  keptFile(digest: string, sha256: string): ReturnType<Folder["keptFile"]> {
    return this.folder.keptFile(digest, sha256);
  }
  dropKept(digest: string, except: readonly string[]): ReturnType<Folder["dropKept"]> {
    return this.folder.dropKept(digest, except);
  }
  clear(async: boolean): Flow<number> {
    return this.folder.clear(async);
  }
  hasOfOtherSource(digest: string, readable?: ReadableName): boolean {
    return this.folder.hasOfOtherSource(digest, readable);
  }
  use(digest: string, readable?: ReadableName): void {
    this.folder.use(digest, readable);
  }
  usedAt(digest: string, readable?: ReadableName): number | undefined {
    return this.folder.usedAt(digest, readable);
  }
  retain(own: RetentionLimits, whole: SizeLimits): ReturnType<Folder["retain"]> {
    return this.folder.retain(own, whole);
  }
  prune(own: RetentionLimits, whole: SizeLimits): ReturnType<Folder["prune"]> {
    return this.folder.prune(own, whole);
  }
  list(): ReturnType<Folder["list"]> {
    return this.folder.list();
  }
  sizes(): ReturnType<Folder["sizes"]> {
    return this.folder.sizes();
  }
  contents(): ReturnType<Folder["contents"]> {
    return this.folder.contents();
  }
}

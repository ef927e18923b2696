/**
 * Names that systems, editors and programs that copy files give to files and folders of their own, wherever they come by.
 * They are no entries, and no damage: nothing looks at them, and verification leaves them where they are.
 */
const FOREIGN: readonly RegExp[] = [
  // File managers: macOS, Windows, KDE, Synology
  /^(?:\.DS_Store|\.localized|Icon\r|Thumbs\.db|ehthumbs\.db|desktop\.ini|\.directory|@eaDir)$/i,
  /^\._/, // what macOS keeps of a file where a file system cannot
  /~$|^#.*#$|^\.#|^\..*\.sw[a-z]$|^~\$/, // editors: copies, and locks
  /^\.(?:sync|stfolder|stversions|stignore|dropbox|rsync)|^~syncthing~|\.sync-conflict-/i, // programs that synchronize
  /\.(?:tmp|part|partial|crdownload|download)$/i, // not all there yet
  /^\.(?:nfs|fuse_hidden)/, // removed while it was open
];

export function isForeign(name: string): boolean {
  return FOREIGN.some((each) => each.test(name));
}

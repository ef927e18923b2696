export const ENTRY = ".entry";
/** Digits of a digest, all of them and those in a name for people. */
const ALL = 40;
const READABLE = 20;

/** The file of an entry: by its digest, or with a name for people. Two expressions take half as long as one for both. */
const BY_DIGEST = /^[0-9a-f]{38}\.entry$/;
const FOR_PEOPLE = /^.+_[0-9a-f]{20}\.entry$/;

/**
 * The digits that the name of an entry's file tells, 40 or 20; `undefined` where it is none that a call looks for.
 * @param shard the folder it is in
 */
export function digitsIn(shard: string, file: string): string | undefined {
  if (BY_DIGEST.test(file)) return shard + file.slice(0, -ENTRY.length);
  if (!FOR_PEOPLE.test(file)) return undefined;
  const digits = file.slice(-READABLE - ENTRY.length, -ENTRY.length);
  return digits.startsWith(shard) ? digits : undefined;
}

/** From its folder: `3f/<38 hex digits>.entry`. Of a name for people the digits do not tell the rest: `3f/=_<20 hex digits>.entry`. */
export function fileOf(digits: string): string {
  return digits.length === ALL
    ? `${digits.slice(0, 2)}/${digits.slice(2)}${ENTRY}`
    : `${digits.slice(0, 2)}/=_${digits}${ENTRY}`;
}

export function isForPeople(digits: string): boolean {
  return digits.length < ALL;
}

/** The folder and the digits of an entry, from its name in the store: `a/b/=1/3f/....entry`. `undefined` where it is none. */
export function parseEntryName(name: string): { readonly folder: string; readonly digits: string } | undefined {
  const file = name.lastIndexOf("/");
  const shard = name.slice(Math.max(0, file - 2), file);
  if (name[file - 3] !== "/" || !/^[0-9a-f]{2}$/.test(shard)) return undefined;
  const digits = digitsIn(shard, name.slice(file + 1));
  return digits === undefined ? undefined : { folder: name.slice(0, file - 3), digits };
}

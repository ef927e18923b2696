/** The file of an entry: by its digest, or with a name for people. */
export const ENTRY_FILE = /^([0-9a-f]{38}|.+_[0-9a-f]{20})\.entry$/;

/** What is told of an entry beside its value. */
export interface EntryMeta {
  /** Canonical JSON. */
  readonly key: string;
  readonly createdAt: Date;
  /** Of the computation, in milliseconds. */
  readonly duration: number;
  /** Of the entry as it is stored. */
  readonly bytes: number;
}

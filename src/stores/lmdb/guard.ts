/** `"alone"` to open the database, `"shared"` for a transaction that writes, and to close it. */
export type How = "alone" | "shared";

/** What keeps the processes that use a database from harming each other. Reads ask for nothing. */
export interface Guard {
  /** @returns what releases it. @throws StoreError where others do not let it */
  take(how: How): () => void;

  /** Releases all. */
  close(): void;
}

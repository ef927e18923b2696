import { type AbortSignalLike, type Flow, run, wait } from "../../flow.js";

export interface ChunkOptions {
  readonly chunkSize: number;
  /** Chunks at the same time, each started when another has ended; 1 for what is sync. */
  readonly concurrency: number;
  /** Stops before the next chunk. */
  readonly signal: AbortSignalLike | undefined;
}

/**
 * Takes items chunk by chunk, in order. After a failure no other chunk begins; those that run come to their end before it,
 * the first, is told.
 */
export function* inChunks<T>(
  items: readonly T[],
  { chunkSize, concurrency, signal }: ChunkOptions,
  take: (chunk: readonly T[]) => Flow<void>,
): Flow<void> {
  let next = 0;
  let failure: { readonly error: unknown } | undefined;
  function* worker(): Flow<void> {
    while (next < items.length && !failure) {
      const chunk = items.slice(next, next + chunkSize);
      next += chunk.length;
      try {
        throwIfAborted(signal);
        yield* take(chunk);
      } catch (error) {
        failure ??= { error };
        throw error;
      }
    }
  }
  if (concurrency === 1) return yield* worker();
  const workers = Array.from({ length: Math.min(concurrency, items.length) }, async () => run(worker()));
  yield* wait(Promise.allSettled(workers));
  if (failure) throw (failure as { readonly error: unknown }).error;
}

export function throwIfAborted(signal: AbortSignalLike | undefined): void {
  if (signal?.aborted) throw signal.reason;
}

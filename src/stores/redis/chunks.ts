import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { StoreError } from "../../errors.js";
import { isSameStamp, stampOf } from "../../files/fingerprint.js";
import { asyncIo } from "../../files/io.js";
import { performance, run } from "../../flow.js";
import type { SeenFile } from "../engine.js";
import { newTemporary } from "../temporary.js";
import type { Connection } from "./connection.js";
import type { FolderKeys } from "./keys.js";
import { PIECE } from "./pieces.js";
import { LEAVE_CONTENT, USE_CONTENT } from "./scripts.js";

/** Milliseconds. A content that was fetched is copied to where it is wanted at once; then it may go. */
const FETCHED = 60_000;

/** The contents of out files on the server, kept for entries of one generation of a folder: in chunks, equal ones once. */
export class Chunks {
  readonly #connection: Connection;
  readonly #keys: FolderKeys;
  /** Files of contents, with when they were fetched. */
  readonly #fetched = new Map<string, number>();

  constructor(connection: Connection, keys: FolderKeys) {
    this.#connection = connection;
    this.#keys = keys;
  }

  /** Written anew each time, so that a damaged one heals. @throws StoreError where the file has changed */
  async keep(generation: string, digest: string, { path, sha256, stamp }: SeenFile): Promise<void> {
    await this.#use(generation, digest, sha256, stamp.size);
    const hash = createHash("sha256");
    const file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
    try {
      for (let i = 0; i < chunksOf(stamp.size); i++) {
        const chunk = await readChunk(file, Math.min(PIECE, stamp.size - i * PIECE));
        hash.update(chunk);
        await this.#connection.send(["SET", this.#keys.chunk(generation, sha256, i), chunk]);
      }
    } finally {
      await file.close();
    }
    const now = await run(stampOf(path, asyncIo));
    if (typeof now === "object" && isSameStamp(now, stamp) && hash.digest("hex") === sha256) return;
    await this.#leave(generation, digest, sha256, stamp.size);
    throw new StoreError(`${path} changed while its content was kept`);
  }

  /** The path of a file that nobody else has; there is none where the content is not kept, or is damaged. */
  async fetch(generation: string | undefined, sha256: string): Promise<string> {
    const path = newTemporary();
    this.#removeOld();
    const size = generation === undefined ? undefined : await this.#sizeOf(generation, sha256);
    if (generation === undefined || size === undefined) return path;
    const partial = newTemporary();
    const file = await open(partial, "wx", 0o600);
    try {
      const write = async (chunk: Buffer) => {
        for (let at = 0; at < chunk.length; ) at += (await file.write(chunk, at)).bytesWritten;
      };
      const isWhole = await this.#eachChunk(generation, sha256, size, write).finally(() => file.close());
      if (isWhole) {
        await rename(partial, path);
        this.#fetched.set(path, performance.now());
      }
    } finally {
      await rm(partial, { force: true });
    }
    return path;
  }

  /** `undefined` where it is gone. */
  async isWhole(generation: string, sha256: string): Promise<boolean | undefined> {
    const size = await this.#sizeOf(generation, sha256);
    return size === undefined ? undefined : this.#eachChunk(generation, sha256, size, async () => {});
  }

  /** All, by their SHA-256, with their sizes. */
  async list(generation: string): Promise<Map<string, number>> {
    const pairs: Buffer[] = await this.#connection.send(["HGETALL", this.#keys.contents(generation)]);
    const found = new Map<string, number>();
    for (let i = 0; i < pairs.length; i += 2) found.set(String(pairs[i]), Number(pairs[i + 1]));
    return found;
  }

  /** Those of one entry. */
  async drop(generation: string, digest: string, except: readonly string[]): Promise<void> {
    const used: Buffer[] = await this.#connection.send(["SMEMBERS", this.#keys.contentsOf(generation, digest)]);
    for (const sha256 of used.map(String)) {
      if (except.includes(sha256)) continue;
      await this.#leave(generation, digest, sha256, (await this.#sizeOf(generation, sha256)) ?? 0);
    }
  }

  /** For all entries. */
  async remove(generation: string, sha256: string, size: number): Promise<void> {
    const users: Buffer[] = await this.#connection.send(["SMEMBERS", this.#keys.usersOf(generation, sha256)]);
    for (const digest of users.map(String)) await this.#leave(generation, digest, sha256, size);
    await this.#leave(generation, "", sha256, size); // where nobody was known to use it
  }

  #use(generation: string, digest: string, sha256: string, size: number): Promise<unknown> {
    return this.#connection.run(USE_CONTENT, this.#keysOf(generation, digest, sha256), [digest, sha256, String(size)]);
  }

  #leave(generation: string, digest: string, sha256: string, size: number): Promise<unknown> {
    const chunks = Array.from({ length: chunksOf(size) }, (_, i) => this.#keys.chunk(generation, sha256, i));
    const keys = [...this.#keysOf(generation, digest, sha256), ...chunks];
    return this.#connection.run(LEAVE_CONTENT, keys, [digest, sha256]);
  }

  #keysOf(generation: string, digest: string, sha256: string): string[] {
    const keys = this.#keys;
    return [keys.usersOf(generation, sha256), keys.contentsOf(generation, digest), keys.contents(generation)];
  }

  async #sizeOf(generation: string, sha256: string): Promise<number | undefined> {
    const size: Buffer | null = await this.#connection.send(["HGET", this.#keys.contents(generation), sha256]);
    return size === null ? undefined : Number(size);
  }

  /** @returns whether the content is what its SHA-256 says */
  async #eachChunk(
    generation: string,
    sha256: string,
    size: number,
    take: (chunk: Buffer) => Promise<void>,
  ): Promise<boolean> {
    const hash = createHash("sha256");
    for (let i = 0; i < chunksOf(size); i++) {
      const chunk: Buffer | null = await this.#connection.send(["GET", this.#keys.chunk(generation, sha256, i)]);
      if (!chunk) return false;
      hash.update(chunk);
      await take(chunk);
    }
    return hash.digest("hex") === sha256;
  }

  #removeOld(): void {
    for (const [path, fetchedAt] of this.#fetched) {
      if (performance.now() - fetchedAt < FETCHED) return;
      this.#fetched.delete(path);
      void rm(path, { force: true }).catch(() => {});
    }
  }
}

function chunksOf(size: number): number {
  return Math.ceil(size / PIECE);
}

/** Less only at the end of the file. */
async function readChunk(file: FileHandle, length: number): Promise<Buffer> {
  const chunk = Buffer.allocUnsafe(length);
  let read = 0;
  while (read < length) {
    const { bytesRead } = await file.read(chunk, read, length - read);
    if (bytesRead === 0) break;
    read += bytesRead;
  }
  return chunk.subarray(0, read);
}

import assert from "node:assert/strict";
import { inspect } from "node:util";
import type { Awaitable, Each, Engine, EntryName, Listed } from "../engine.js";

/** Something that an engine promises, and how it is checked. */
export interface Promised {
  readonly name: string;
  /** Whether the check needs a second engine on the same place. */
  readonly needsAgain?: boolean;
  /** Whether this engine promises it. Default: every engine does, that has the capability. */
  readonly onlyIf?: (engine: Engine) => boolean;
  check(subject: Subject): Promise<void>;
}

/** Names of folders, as the library makes them of paths and versions. */
export const FOLDER = "contract/a/=1";
/** Folders that an engine may confuse with it: by upper and lower case, by what stands inside of what, by versions. */
export const OTHER_FOLDERS = [
  "contract/=a/=1",
  "contract/=1",
  "contract/a/b/=1",
  "contract/a/3f/=1",
  "contract/a/=1=v",
  "contract/a/=1=v2",
  "contract/a/=1=v=56",
  "contract/a/=1=vv",
  `contract/a/=1=s${"ab".repeat(16)}`,
] as const;
/** All versions of one path. */
export const PARENT = "contract/a";
export const NEVER_MADE = "contract/never/=1";

const digests = new Set<string>();

/** A digest that ends otherwise, and begins otherwise, for each of 256 numbers. */
export function digestOf(n: number): string {
  return known(
    n
      .toString(16)
      .padStart(2, "0")
      .padEnd(40, "0123456789abcdef"[n % 16]),
  );
}

/** Remembers a digest, for listings that tell only how it begins. */
export function known(digest: string): string {
  digests.add(digest);
  return digest;
}

function wholeDigest(beginning: string): string {
  const [found, ...others] = [...digests].filter((digest) => digest.startsWith(beginning));
  return found === undefined || others.length > 0 ? beginning : found;
}

/** Bytes that are different everywhere. */
export function bytesOf(length: number): Buffer {
  return Buffer.from(Uint8Array.from({ length }, (_, i) => i * 31 + (i >> 8)));
}

/** Whether no member of the engine may give a promise, unless its caller can wait. */
export function answersAtOnce({ sync, forSync }: Engine): boolean {
  return sync && forSync === undefined;
}

export function isPromise(value: unknown): value is Promise<unknown> {
  return typeof (value as { then?: unknown } | undefined)?.then === "function";
}

/** @param promise what the engine has broken otherwise: "publish: ..." */
export function assertEqual(actual: unknown, expected: unknown, promise: string): void {
  const message = `${promise}. It gave ${short(actual)} instead of ${short(expected)}`;
  assert.deepEqual(actual, expected, message);
}

export function assertThat(isKept: boolean, promise: string): void {
  assert.ok(isKept, promise);
}

function short(value: unknown): string {
  return inspect(value, { breakLength: Number.POSITIVE_INFINITY, maxStringLength: 60, maxArrayLength: 30, depth: 4 });
}

interface Put {
  readonly folder?: string;
  /** Default: one that is taken now. */
  readonly mark?: string;
  readonly isCurrent?: () => boolean;
  readonly isDurable?: boolean;
}

/** An engine under test, and its caller. Each operation sees to it that a caller who cannot wait need not. */
export class Subject {
  readonly engine: Engine;
  /** Whether the caller can take a promise. */
  readonly mayWait: boolean;
  readonly #again: (() => Promise<Subject>) | undefined;

  constructor(engine: Engine, mayWait: boolean, again?: () => Promise<Subject>) {
    this.engine = engine;
    this.mayWait = mayWait;
    this.#again = again;
  }

  /** Another engine on the same place. */
  again(): Promise<Subject> {
    return this.#again!();
  }

  get hasAgain(): boolean {
    return this.#again !== undefined;
  }

  /** What a member gave. @param mayWait whether it was told that its caller can wait */
  given<T>(member: string, value: Awaitable<T>, mayWait = false): Awaitable<T> {
    if (answersAtOnce(this.engine) && !mayWait) {
      const rule = "a sync engine gives a promise only where `mayWait` is true";
      assertThat(!isPromise(value), `${member}() gave a promise: ${rule}`);
    }
    return value;
  }

  /** All that a member gives one after the other. */
  async all<T>(member: string, items: Each<T>): Promise<T[]> {
    if (answersAtOnce(this.engine)) {
      assertThat(
        Symbol.iterator in items,
        `${member}() of a sync engine gives what can be gone through without waiting`,
      );
    }
    const found: T[] = [];
    for await (const each of items) found.push(each);
    return found;
  }

  // ---- the six members ----

  async read(digest: string, folder: string = FOLDER): Promise<Buffer | undefined> {
    return this.readNamed({ digest }, folder);
  }

  /** A copy, taken at once: the next read may overwrite the bytes. */
  async readNamed(entry: EntryName, folder: string = FOLDER): Promise<Buffer | undefined> {
    const given = this.given("read", this.engine.read(folder, entry, this.mayWait), this.mayWait);
    const bytes = isPromise(given) ? await given : given;
    if (bytes === undefined) return undefined;
    assertThat(bytes instanceof Uint8Array, "read() gives a Uint8Array, or undefined");
    return Buffer.from(bytes);
  }

  async text(digest: string, folder: string = FOLDER): Promise<string | undefined> {
    return (await this.read(digest, folder))?.toString();
  }

  async put(digest: string, content: string | Buffer, put: Put = {}): Promise<boolean> {
    return this.putNamed({ digest }, [Buffer.from(content)], put);
  }

  async putNamed(entry: EntryName, parts: readonly Uint8Array[], put: Put = {}): Promise<boolean> {
    const { folder = FOLDER, isCurrent = () => true, isDurable = false } = put;
    const { mayWait } = this;
    const mark = put.mark ?? (await this.mark(folder));
    const published = this.engine.publish(folder, entry, parts, { mark, isCurrent, mayWait, isDurable });
    return this.given("publish", published, mayWait);
  }

  async mark(folder: string = FOLDER): Promise<string> {
    const mark = await this.given("mark", this.engine.mark(folder));
    assertEqual(typeof mark, "string", "mark() gives a string");
    return mark;
  }

  async remove(digest: string, folder: string = FOLDER): Promise<boolean> {
    return this.given("remove", this.engine.remove(folder, { digest }));
  }

  async clear(folder: string = FOLDER): Promise<number> {
    return this.given("clear", this.engine.clear(folder, this.mayWait), this.mayWait);
  }

  // ---- listing ----

  async groups(folder: string = FOLDER, isRead = true): Promise<(readonly Listed[])[]> {
    return this.all("listing.list", this.engine.listing!.list(folder, isRead));
  }

  /** Digests with the texts of the entries, in the order of the digests. Nothing without a listing. */
  async list(folder: string = FOLDER): Promise<Record<string, string>> {
    if (!this.engine.listing) return {};
    const listed = (await this.groups(folder)).flat().map((each) => [wholeDigest(each.digest), String(each.read())]);
    return Object.fromEntries(listed.sort());
  }

  async folders(parent?: string): Promise<string[]> {
    return (await this.all("listing.folders", this.engine.listing!.folders(parent))).sort();
  }

  /** Checks what is in a folder, by a listing where there is one, and by reading. */
  async has(expected: Record<string, string>, absent: readonly string[], promise: string, folder: string = FOLDER) {
    for (const [digest, content] of Object.entries(expected)) {
      assertEqual(await this.text(digest, folder), content, promise);
    }
    for (const digest of absent) assertEqual(await this.text(digest, folder), undefined, promise);
    if (this.engine.listing) assertEqual(await this.list(folder), sorted(expected), `${promise}: listing.list()`);
  }
}

function sorted(entries: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(entries).sort());
}

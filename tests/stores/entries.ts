import type { Folder } from "../../src/stores/folder.js";

/** What tests of engines do with the entries of a folder. */

export function digestOf(n: number): string {
  return n
    .toString(16)
    .padStart(2, "0")
    .padEnd(40, "0123456789abcdef"[n % 16]);
}

/** The name of an entry. */
export function nameOf(n: number): { readonly digest: string } {
  return { digest: digestOf(n) };
}

/** A copy, taken at once: the bytes may stand in a buffer that the next read uses. */
export async function copyOf(folder: Folder, digest: string, mayWait = true): Promise<Buffer | undefined> {
  const read = folder.read({ digest }, mayWait);
  const bytes = read instanceof Promise ? await read : read;
  return bytes && Buffer.from(bytes);
}

export async function textOf(folder: Folder, digest: string): Promise<string | undefined> {
  return (await copyOf(folder, digest))?.toString();
}

export async function put(folder: Folder, digest: string, content: string | Buffer, mark?: string): Promise<boolean> {
  const taken = mark ?? (await folder.mark());
  const publishing = { mark: taken, isCurrent: () => true, mayWait: true, isDurable: false };
  return folder.publish({ digest }, [Buffer.from(content)], publishing);
}

export async function all<T>(items: Iterable<T> | AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const each of items) found.push(each);
  return found;
}

export async function listOf(folder: Folder): Promise<Map<string, string>> {
  return new Map((await all(folder.list())).flat().map((listed) => [listed.digest, String(listed.read())]));
}

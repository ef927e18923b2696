import type { WriteStream } from "node:tty";
import { printable } from "./text.js";

/** What a text grows to before it is written to a pipe or a file. */
const CHUNK = 16 * 1024;

/** Text for stdout, written as fast as its reader takes it. */
export class Output {
  #text = "";

  constructor(private readonly stream: WriteStream) {
    stream.on("error", () => {}); // told to the one who writes
  }

  /** Of the terminal, `undefined` where it is none. */
  get width(): number | undefined {
    return this.stream.isTTY ? this.stream.columns || 80 : undefined; // 0 where the terminal does not know
  }

  get hasColours(): boolean {
    return hasColours(this.stream);
  }

  readonly bold = (text: string): string => (this.hasColours ? `\x1b[1m${text}\x1b[22m` : text);

  /** @throws where the reader is gone (EPIPE) */
  async line(text: string): Promise<void> {
    this.#text += `${text}\n`;
    if (this.stream.isTTY || this.#text.length >= CHUNK) await this.flush();
  }

  async lines(texts: AsyncIterable<string> | Iterable<string>): Promise<void> {
    for await (const text of texts) await this.line(text);
  }

  /** A value that JSON can say. */
  async json(value: unknown): Promise<void> {
    await this.line(printable(JSON.stringify(value)));
  }

  /** An array, element by element. @param texts JSON */
  async jsonArray(texts: AsyncIterable<string>): Promise<void> {
    let previous: string | undefined;
    for await (const text of texts) {
      await this.line(previous === undefined ? "[" : `  ${previous},`);
      previous = printable(text);
    }
    if (previous === undefined) return this.line("[]");
    await this.line(`  ${previous}`);
    await this.line("]");
  }

  flush(): Promise<void> {
    const text = this.#text;
    this.#text = "";
    return new Promise((resolve, reject) => {
      if (text === "") resolve();
      else this.stream.write(text, (error) => (error ? reject(error) : resolve()));
    });
  }
}

/** At a terminal that has them, and not with NO_COLOR. FORCE_COLOR goes before both, as in Node itself. */
export function hasColours(stream: Partial<WriteStream>, { FORCE_COLOR } = process.env): boolean {
  if (FORCE_COLOR !== undefined) return FORCE_COLOR !== "0" && FORCE_COLOR !== "false";
  return stream.hasColors?.() ?? false;
}

import { inspect } from "node:util";
import { StoreError } from "../errors.js";
import { defineType } from "../key/registered-types.js";

/**
 * Reads a value that may have parts of classes which only the program that wrote it knows. For each of them a class
 * stands in that is shown as the name and the data, and is written as it was.
 */
export async function withStandIns<T>(read: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await read();
    } catch (error) {
      const name = unknownType(error);
      if (name === undefined) throw error;
      defineStandIn(name);
    }
  }
}

/** The name of the type that is missing; `undefined` where it is something else. */
function unknownType(error: unknown): string | undefined {
  const cause = error instanceof StoreError ? error.cause : undefined;
  return cause instanceof TypeError
    ? /of type "type (.+)", which is not registered/s.exec(cause.message)?.[1]
    : undefined;
}

function defineStandIn(name: string): void {
  class StandIn {
    constructor(readonly data: unknown) {}

    [inspect.custom](_depth: number, options: object): string {
      return `${name} ${inspect(this.data, options)}`;
    }
  }
  defineType(StandIn, { name, encode: ({ data }) => data, decode: (data) => new StandIn(data) });
}

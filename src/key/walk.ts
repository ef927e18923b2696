import { execute, keys, stringify } from "./originals.js";

/** Where a walk through a value stands: the objects around the current place, and the property of each that leads on. */
export interface Walk {
  /** How many there are; what the lists hold beyond is left from siblings. */
  depth: number;
  readonly ancestors: object[];
  /** `undefined`: at the object itself. */
  readonly path: (string | number | undefined)[];
}

const LONGEST_PLACE = 50;

/** `data.layers[0]`; `"The value"` at the top. */
export function placeOf({ path, depth }: Walk): string {
  let place = "";
  let steps = 0;
  for (let i = 0; i < depth && i < path.length; i++) {
    const step = path[i];
    if (step === undefined) continue;
    if (++steps > LONGEST_PLACE) return `${place}...`;
    const isName = typeof step === "string" && execute(NAME, step) !== null;
    place += isName ? (place === "" ? step : `.${step}`) : `[${typeof step === "number" ? step : stringify(step)}]`;
  }
  return steps === 0 ? "The value" : place;
}

const NAME = /^[A-Za-z_$][\w$]*(\(\))?$/;

/** The own enumerable properties, each read once. Where a getter throws, its place is looked for. */
export function copyOf(value: object, walk: Walk): Record<string, unknown> {
  try {
    return { ...value };
  } catch (error) {
    const names = keys(value);
    for (let i = 0; i < names.length; i++) {
      walk.path[walk.depth - 1] = names[i]!;
      void (value as Record<string, unknown>)[names[i]!]; // throws again, most likely
    }
    walk.path[walk.depth - 1] = undefined;
    throw error;
  }
}

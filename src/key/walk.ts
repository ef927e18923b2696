import { execute, stringify } from "./originals.js";

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

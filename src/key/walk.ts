/** Where a walk through a value stands: the objects around the current place, and the property of each that leads on. */
export interface Walk {
  readonly ancestors: object[];
  /** `undefined`: at the object itself. */
  readonly path: (string | number | undefined)[];
}

const LONGEST_PLACE = 50;

/** `data.layers[0]`; `"The value"` at the top. */
export function placeOf({ path, ancestors }: Walk): string {
  const steps = path.slice(0, ancestors.length).filter((step): step is string | number => step !== undefined);
  if (steps.length === 0) return "The value";
  const place = steps
    .slice(0, LONGEST_PLACE)
    .map((step) => {
      if (typeof step === "number") return `[${step}]`;
      return /^[A-Za-z_$][\w$]*(\(\))?$/.test(step) ? `.${step}` : `[${JSON.stringify(step)}]`;
    })
    .join("");
  return place.replace(/^\./, "") + (steps.length > LONGEST_PLACE ? "..." : "");
}

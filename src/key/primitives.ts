/** What stands for a primitive in JSON, where JSON lacks it; the value itself where it does not. Keys and entries share this. */
export function taggedPrimitive(value: unknown): unknown {
  switch (typeof value) {
    case "number":
      if (Object.is(value, -0)) return { $type: "-0" };
      return Number.isFinite(value) ? value : { $type: String(value) };
    case "undefined":
      return { $type: "undefined" };
    case "bigint":
      return { $type: "bigint", value: String(value) };
    default:
      return value;
  }
}

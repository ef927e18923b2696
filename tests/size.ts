/** Small in `npm test`, large in `npm run test:long`. */
export function size(short: number, long: number): number {
  return process.env.npm_lifecycle_event === "test:long" ? long : short;
}

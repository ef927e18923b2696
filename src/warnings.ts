/** Emits a process warning, which Node prints to stderr and hands to `process.on("warning")`. */
export function warn(message: string, code: string): void {
  process.emitWarning(message, { type: "PermacacheWarning", code });
}

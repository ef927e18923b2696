import type { Publishing } from "../engine.js";

/** The same to be published in one of the two, each of which has a mark of its own. */
export function withMark(publishing: Publishing, mark: string, mayWait: boolean): Publishing {
  const { isDurable, kept } = publishing;
  return { mark, isCurrent: () => publishing.isCurrent(), mayWait, isDurable, kept };
}

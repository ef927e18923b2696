/** What a wrapped function, its `.with` variants and its methods have in common. */
export interface Subject {
  /** The function that was wrapped. */
  readonly fn: Function;
}

const subjects = new WeakMap<Function, Subject>();

export function registerSubject(cached: Function, subject: Subject): void {
  subjects.set(cached, subject);
}

/** Of a cached function; `undefined` for any other value. */
export function subjectOf(cached: unknown): Subject | undefined {
  return typeof cached === "function" ? subjects.get(cached) : undefined;
}

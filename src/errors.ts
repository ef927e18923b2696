/**
 * Every error class of the package. Each has a stable `code`, a message that says what happened, to what, and what to
 * do, and a `cause` where there is one. Errors of the wrapped function pass through unchanged and are never wrapped.
 */

export interface ErrorOptions {
  cause?: unknown;
}

/** The base class of all errors of this package. */
export class PermacacheError extends Error {
  readonly code: `ERR_PERMACACHE_${string}`;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = `ERR_PERMACACHE_${code}`;
  }
}

/** On the prototype, as for the built-in errors: `name` is no own property of an instance. */
function nameErrors(classes: Record<string, { prototype: Error }>): void {
  for (const [name, type] of Object.entries(classes)) {
    Object.defineProperty(type.prototype, "name", { value: name, configurable: true, writable: true });
  }
}

/** `instanceof`, for what others threw: a Proxy may throw when it is looked at. */
export function isInstance<T>(error: unknown, type: abstract new (...args: any[]) => T): error is T {
  try {
    return error instanceof type;
  } catch {
    return false;
  }
}

/** What an error says, whatever was thrown. */
export function messageOf(error: unknown): string {
  try {
    return String(isInstance(error, Error) ? error.message : error);
  } catch {
    return "what was thrown cannot be read";
  }
}

/** The path (the identity of a function) is not made of allowed segments. */
export class PathError extends PermacacheError {
  constructor(message: string, options?: ErrorOptions) {
    super("PATH", message, options);
  }
}

/** The signature of a function cannot be read, or cannot be bound. Thrown when wrapping. */
export class SignatureError extends PermacacheError {
  constructor(message: string, options?: ErrorOptions) {
    super("SIGNATURE", message, options);
  }
}

/** A call does not fit the signature. */
export class BindingError extends PermacacheError {
  constructor(message: string, options?: ErrorOptions) {
    super("BINDING", message, options);
  }
}

/** An argument has no canonical JSON. The message names the place inside the value. */
export class UnkeyableValueError extends PermacacheError {
  constructor(message: string, options?: ErrorOptions) {
    super("UNKEYABLE", message, options);
  }
}

/** Mode `"only-if-cached"` found no entry. */
export class CacheMissError extends PermacacheError {
  /** The canonical JSON key that was not there. */
  readonly key: string;

  constructor(message: string, key: string, options?: ErrorOptions) {
    super("MISS", message, options);
    this.key = key;
  }
}

/** A function returned without writing one of its out files. */
export class OutFileMissingError extends PermacacheError {
  constructor(message: string, options?: ErrorOptions) {
    super("OUT_FILE_MISSING", message, options);
  }
}

/** A batch call, or what a batch function returned, does not fit. */
export class BatchError extends PermacacheError {
  constructor(message: string, options?: ErrorOptions) {
    super("BATCH", message, options);
  }
}

/** An unknown option, or one of the wrong type, in the wrong place, or too late. */
export class OptionError extends PermacacheError {
  constructor(message: string, options?: ErrorOptions) {
    super("OPTION", message, options);
  }
}

/** A result could not be stored, or the place where entries live cannot be used. */
export class StoreError extends PermacacheError {
  constructor(message: string, options?: ErrorOptions) {
    super("STORE", message, options);
  }
}

/**
 * An argument that a method does not read is a mistake of the caller, who expects it to matter.
 * @param most how many arguments the method reads
 * @param instead what the caller may have meant
 * @throws OptionError where there are more
 */
export function assertArguments(subject: string, args: readonly unknown[], most: number, instead = ""): void {
  if (args.length <= most) return;
  const takes = most === 0 ? "no arguments" : most === 1 ? "one argument" : `at most ${most} arguments`;
  throw new OptionError(`${subject} takes ${takes}, and was given ${args.length}.${instead && ` ${instead}`}`);
}

nameErrors({
  PermacacheError,
  PathError,
  SignatureError,
  BindingError,
  UnkeyableValueError,
  CacheMissError,
  OutFileMissingError,
  BatchError,
  OptionError,
  StoreError,
});

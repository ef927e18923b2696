import type { Folder } from "../stores/folder.js";
import type { Scope } from "./modes.js";
import type { Plan } from "./plan.js";

/**
 * One running computation, which other calls of the same key in this process may join instead of computing.
 * @typeParam T what the computation hands to those who joined
 */
export class Flight<T> {
  /** Whether it is known to be asynchronous. A synchronous one cannot be waited for. */
  canBeJoined = false;
  /** Whether it holds key locks, or out paths, against other processes. */
  holdsKeys = false;
  holdsPaths = false;
  /** The computation that this one was begun in, and which waits for it. */
  private readonly parent: Flight<any> | undefined;
  private readonly waitsFor = new Set<Flight<any>>();
  private readonly awaitedBy = new Set<Flight<any>>();
  private landing: Landing<T> | undefined;

  /**
   * @param scope the refresh scope that began it, if one did
   * @param stores whether its result is to be stored
   * @param parent the computation that it is begun in
   * @param plan the function that is computed; `undefined` where none is
   */
  constructor(
    readonly scope: Scope | undefined,
    readonly stores: boolean,
    parent: Flight<any> | undefined,
    readonly plan?: Plan,
  ) {
    this.parent = parent;
    parent?.startWaiting(this);
  }

  /**
   * The result of the computation, `undefined` where waiting for it could never end.
   * @param waiter the computation that waits for it
   */
  join(waiter: Flight<any> | undefined): Promise<T> | undefined {
    if (!this.canBeJoined || (waiter && this.awaits(waiter))) return undefined;
    this.landing ??= new Landing<T>();
    if (!waiter) return this.landing.promise;
    waiter.startWaiting(this);
    return this.landing.promise.finally(() => waiter.stopWaiting(this));
  }

  private startWaiting(other: Flight<any>): void {
    this.waitsFor.add(other);
    other.awaitedBy.add(this);
  }

  private stopWaiting(other: Flight<any>): void {
    this.waitsFor.delete(other);
    other.awaitedBy.delete(this);
  }

  /**
   * Whether this holds for it, or for one that waits for it, itself or through others. Not only for those that it was
   * begun in: others join it later.
   */
  isAnyBehind(holds: (flight: Flight<any>) => boolean): boolean {
    return isAnyReached(this, ({ awaitedBy }) => awaitedBy, holds);
  }

  get isJoined(): boolean {
    return this.landing !== undefined;
  }

  /** Whether this computation waits, itself or through others, for that one: A -> B -> A would hang. */
  private awaits(other: Flight<any>): boolean {
    return isAnyReached<any>(
      this,
      ({ waitsFor }) => waitsFor,
      (flight) => flight === other,
    );
  }

  land(result: T): void {
    this.parent?.stopWaiting(this);
    this.landing?.resolve(result);
  }

  fail(error: unknown): void {
    this.parent?.stopWaiting(this);
    this.landing?.reject(error);
  }
}

/** Whether this holds for a flight, or for one that is reached from it. A loop: in a recursion, chains are thousands long. */
function isAnyReached<T>(
  first: Flight<T>,
  nextOf: (flight: any) => ReadonlySet<Flight<any>>,
  holds: (flight: Flight<any>) => boolean,
): boolean {
  const reached = new Set<Flight<any>>([first]);
  for (const flight of reached) {
    if (holds(flight)) return true;
    for (const next of nextOf(flight)) reached.add(next);
  }
  return false;
}

/** Made when somebody joins: without a listener a failure would be an unhandled rejection. */
class Landing<T> {
  resolve!: (result: T) => void;
  reject!: (error: unknown) => void;
  readonly promise = new Promise<T>((resolve, reject) => {
    this.resolve = resolve;
    this.reject = reject;
  });
}

/**
 * The computations of one key that run in this process, oldest first. Mostly one; a refresh, or a call inside of the
 * computation itself, adds others. The one that began last wins, whichever ends last.
 */
export class Running<T> {
  readonly #flights: Flight<T>[] = [];
  /** Those that may no longer store: their key was deleted or primed, their function cleared, or a later one has stored. */
  readonly #outdated = new Set<Flight<T>>();

  get isEmpty(): boolean {
    return this.#flights.length === 0;
  }

  /** The one that others may join, by default the one that began last. */
  find(wanted: (flight: Flight<T>) => boolean = () => true): Flight<T> | undefined {
    return this.#flights.findLast((flight) => !this.#outdated.has(flight) && wanted(flight));
  }

  /** Whether no other computation of the key runs. */
  isAlone(flight: Flight<T>): boolean {
    return this.#flights.every((each) => each === flight);
  }

  begin(flight: Flight<T>): void {
    this.#flights.push(flight);
  }

  end(flight: Flight<T>): void {
    this.#flights.splice(this.#flights.indexOf(flight), 1);
    this.#outdated.delete(flight);
  }

  mayStore(flight: Flight<T>): boolean {
    return !this.#outdated.has(flight);
  }

  /** What began before this one would overwrite what is newer. */
  stored(flight: Flight<T>): void {
    for (const older of this.#flights.slice(0, this.#flights.indexOf(flight))) this.#outdated.add(older);
  }

  /** Nobody joins them from now on, and they store nothing. */
  abandon(): void {
    for (const flight of this.#flights) this.#outdated.add(flight);
  }
}

// ---- by folder and digest ----

const runningByFolder = new WeakMap<Folder, Map<string, Running<any>>>();

function runningIn(folder: Folder): Map<string, Running<any>> {
  let all = runningByFolder.get(folder);
  if (!all) {
    all = new Map();
    runningByFolder.set(folder, all);
  }
  return all;
}

/** The computations of a key that run in this process. */
export function runningOf<T>(folder: Folder, digest: string): Running<T> | undefined {
  return runningIn(folder).get(digest);
}

/** Makes a computation known. @returns the computations of its key */
export function takeOff<T>(folder: Folder, digest: string, flight: Flight<T>): Running<T> {
  const running = runningOf<T>(folder, digest) ?? new Running<T>();
  runningIn(folder).set(digest, running);
  running.begin(flight);
  return running;
}

/** A computation is over. */
export function touchDown(folder: Folder, digest: string, flight: Flight<any>): void {
  const running = runningOf(folder, digest);
  running?.end(flight);
  if (running?.isEmpty) runningIn(folder).delete(digest);
}

/** Nobody joins the running computations of a key (or of all) from now on, and they store nothing. */
export function abandon(folder: Folder, digest?: string): void {
  const all = runningIn(folder);
  for (const running of digest === undefined ? all.values() : [all.get(digest)]) running?.abandon();
}

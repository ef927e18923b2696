import type { Awaitable, Engine } from "../engine.js";
import { contents } from "./contents.js";
import { entries } from "./entries.js";
import { listing } from "./listing.js";
import { locks } from "./locks.js";
import { marks } from "./marks.js";
import { pieces } from "./pieces.js";
import { sequences } from "./sequences.js";
import { stamps } from "./stamps.js";
import { answersAtOnce, type Promised, Subject } from "./subject.js";
import { usage } from "./usage.js";

/** A new engine on a new, empty place. */
export interface OpenedEngine {
  readonly engine: Engine;
  /**
   * Gives another engine object on the same place, as another process would have it. Without it, the tests that need one
   * are left out.
   */
  again?(): Awaitable<Engine>;
  /** Removes the place. The suite closes the engines itself, before this. */
  close?(): Awaitable<void>;
}

export interface EngineTestOptions {
  /** The suite calls it once to see what the engine can do, and then once for each test. */
  open(): Awaitable<OpenedEngine>;
}

/** A test for any test runner. */
export interface EngineTest {
  /** Begins with what it is about: `read: ...`, `listing: ...`. */
  readonly name: string;
  /** @throws AssertionError that says which member broke which promise */
  run(): Promise<void>;
}

/**
 * The tests that prove an engine: all members, and all capabilities that the engine has.
 *
 *     for (const { name, run } of await engineTests({ open })) test(name, run);
 *
 * A test that is called while another one runs waits for it, because some tests set `Date.now`. A sync engine runs each
 * test twice: once by a caller who can take promises, and once by one who cannot.
 */
export async function engineTests({ open }: EngineTestOptions): Promise<readonly EngineTest[]> {
  const { promises, isSync } = await promisesOf(open);
  const withWaiting = promises.map((promised) => testOf(promised, true, open));
  return isSync ? [...withWaiting, ...promises.map((promised) => testOf(promised, false, open))] : withWaiting;
}

/** What this engine promises. */
async function promisesOf(open: EngineTestOptions["open"]) {
  const opened = await open();
  const { engine, again } = opened;
  const all = [
    ...entries,
    ...marks,
    ...sequences,
    ...(engine.listing ? listing : []),
    ...(engine.locks ? locks : []),
    ...(engine.contents ? contents : []),
    ...(engine.usage ? usage : []),
    ...(engine.stamps ? stamps : []),
    ...(engine.pieces ? pieces : []),
  ];
  const isKept = ({ onlyIf, needsAgain }: Promised) => (onlyIf?.(engine) ?? true) && (again || !needsAgain);
  const found = { promises: all.filter(isKept), isSync: answersAtOnce(engine) };
  await closed([engine], opened);
  return found;
}

function testOf({ name, check }: Promised, mayWait: boolean, open: EngineTestOptions["open"]): EngineTest {
  return {
    name: mayWait ? name : `${name} (without waiting)`,
    run: () =>
      afterOthers(async () => {
        const opened = await open();
        const engines = [opened.engine];
        const again = async () => {
          const other = await opened.again!();
          engines.push(other);
          return new Subject(other, mayWait);
        };
        try {
          await check(new Subject(opened.engine, mayWait, opened.again && again));
        } catch (error) {
          await closed(engines, opened).catch(() => {}); // the first error tells more
          throw error;
        }
        await closed(engines, opened);
      }),
  };
}

async function closed(engines: readonly Engine[], opened: OpenedEngine): Promise<void> {
  for (const engine of engines) await engine.close();
  await opened.close?.();
}

/** The test that was called last. There is one clock for all of them. */
let last: Promise<void> = Promise.resolve();

function afterOthers(run: () => Promise<void>): Promise<void> {
  const mine = last.then(run);
  last = mine.catch(() => {});
  return mine;
}

import type { EntryName, Evicting, Usage } from "../engine.js";
import { hasLimits, isAhead, type RetentionLimits } from "../limits.js";
import { fileOf } from "./entry-file.js";
import { evict, missingOf } from "./eviction.js";
import { beyondInDirectory, makeLedger } from "./ledger/from-directory.js";
import { type Found, MANY, type Victim } from "./ledger/victims.js";
import type { Root } from "./root.js";
import type { Tree } from "./tree.js";

/** Milliseconds. A process notes the use of one entry for the others no more often than this. */
const TOUCH = 1_000;

/** Entries that are looked at before some go because there are too many: 2 us for each. */
const SOME = 32;

/**
 * When entries were used, and which have to go. The ledger tells it; it is made when an engine is first asked to evict
 * after a write.
 */
export class FileUsage implements Usage {
  readonly #root: Root;
  readonly #tree: Tree;
  /** Whether this process has noted a use, or wanted to. */
  #isNoted = false;

  constructor(root: Root, tree: Tree) {
    this.#root = root;
    this.#tree = tree;
  }

  use(folder: string, entry: EntryName): void {
    const name = this.#known(folder, entry);
    const now = Date.now();
    const { ledger } = this.#root;
    this.#isNoted = true;
    const before = ledger.index.usedAt(name);
    ledger.index.use(name, now);
    if (before === undefined || now - before > TOUCH || isAhead(before, now)) ledger.note(`u ${name} ${now}`);
  }

  usedAt(folder: string, entry: EntryName): number | undefined {
    const { ledger } = this.#root;
    ledger.readOn();
    return ledger.index.usedAt(this.#known(folder, entry));
  }

  /** The name under which the ledger has the entry. */
  #known(folder: string, { digest, readable }: EntryName): string {
    const { index } = this.#root.ledger;
    const hash = `${folder}/${fileOf(digest)}`;
    // The name for people is made of the key: not on every hit, where that is not needed.
    if (!readable || index.has(hash)) return hash;
    const forPeople = `${folder}/${digest.slice(0, 2)}/${readable.file}`;
    return readable.isPreferred || index.has(forPeople) ? forPeople : hash;
  }

  *evict(limits: RetentionLimits, parent: string | undefined, isThorough: boolean): Generator<Evicting, void> {
    let done = 0;
    for (const { total, victims } of isThorough ? this.#beyond(limits, parent) : this.#next(limits, parent)) {
      const before = done;
      for (const batch of batchesOf(victims)) {
        done += batch.length;
        yield { total: Math.max(before + total, done), gone: evict(this.#root, batch) };
      }
    }
  }

  /** What has to go after a write: the cost does not grow with the number of entries. How many there are is not known. */
  *#next(limits: RetentionLimits, parent: string | undefined): Generator<Found, void> {
    this.#catchUp();
    this.#recount(limits, parent, SOME);
    yield { total: 0, victims: this.#root.ledger.index.next(parent, limits, Date.now()) };
  }

  /**
   * Before entries go because there are too many: forgets those whose files somebody has removed, for what is there would
   * have to go in their place.
   * @param most looks at so many first, and at the others where one of these is gone; without it, at all
   */
  #recount(limits: RetentionLimits, parent: string | undefined, most?: number): void {
    const { ledger } = this.#root;
    if (!ledger.index.exceeds(parent, limits)) return;
    if (most !== undefined && missingOf(this.#root, ledger.index.places(parent, most)).length === 0) return;
    const missing = missingOf(this.#root, ledger.index.places(parent));
    ledger.index.forget(missing);
    for (let from = 0; from < missing.length; from += AT_ONCE) {
      const some = missing.slice(from, from + AT_ONCE);
      ledger.note(...some.map(({ folder, digits }) => `- ${folder}/${fileOf(digits)}`));
    }
  }

  /** What is beyond the limits, by a look at every entry: at those in the ledger, where there is one. */
  *#beyond(limits: RetentionLimits, parent: string | undefined): Generator<Found, void> {
    const { ledger } = this.#root;
    // Throws where the directory is none any more.
    if (parent !== undefined && this.#root.get() !== undefined) ledger.readOn();
    if (!hasLimits(limits) || this.#tree.folders().next().done) return;
    const now = Date.now();
    // A process that notes uses gets a ledger to note them in, though it may have nothing to write.
    const needsUse = hasLimits({ ...limits, maxAge: undefined });
    if (!ledger.readOn() && !(needsUse && this.#isNoted)) {
      return yield* beyondInDirectory(this.#tree, limits, now, parent);
    }
    for (let total = Number.POSITIVE_INFINITY; total > MANY; ) {
      this.#catchUp();
      this.#recount(limits, parent);
      const found = ledger.index.beyond(parent, limits, now, MANY);
      if (found.total > 0) yield* this.#forgotten(found);
      total = found.total;
    }
  }

  /** The index has forgotten what is given: if whoever evicts it stops before the end, it has to be read anew. */
  *#forgotten(found: Found): Generator<Found, void> {
    let isDone = false;
    try {
      yield found;
      isDone = true;
    } finally {
      if (!isDone) this.#root.ledger.forget();
    }
  }

  /** Reads on in the ledger, and makes one where there is none. */
  #catchUp(): void {
    if (this.#root.get() === undefined) return;
    const { ledger } = this.#root;
    if (!ledger.readOn()) {
      makeLedger(this.#root, this.#tree);
      ledger.readOn();
    }
    ledger.tidy(() => this.#root.temporary());
  }
}

/**
 * How many entries are removed before other code has its turn. The ledger forgets as many at once before they go: so many
 * stay unknown to it where the process is killed between.
 */
const AT_ONCE = 64;

function* batchesOf(victims: Iterable<Victim>): Generator<Victim[], void> {
  let batch: Victim[] = [];
  for (const victim of victims) {
    batch.push(victim);
    if (batch.length < AT_ONCE) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

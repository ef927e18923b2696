import { callBack, type WorkOptions, type WorkProgress } from "../../events.js";

/** Tells how far a work is. */
export class Progress {
  total: number;
  #done = 0;
  readonly #tell: WorkOptions["onProgress"];

  constructor(total: number, tell: WorkOptions["onProgress"]) {
    this.total = total;
    this.#tell = tell;
  }

  /** @returns now and then true: for others to have their turn */
  add(done: number): boolean {
    const before = this.#done;
    this.#done += done;
    const isTime = Math.floor(before / OFTEN) !== Math.floor(this.#done / OFTEN);
    if (isTime && this.#done < this.total) this.#call({ done: this.#done, total: this.total });
    return isTime;
  }

  end(): void {
    this.#call({ done: this.total, total: this.total });
  }

  #call(progress: WorkProgress): void {
    const tell = this.#tell;
    if (tell) callBack("onProgress", () => tell(progress));
  }
}

/** Entries between two looks. */
const OFTEN = 64;

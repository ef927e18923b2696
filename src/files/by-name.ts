/**
 * Objects by name: always the same one for a name while anybody uses it. Those that nobody uses any more are collected, but
 * for the last ones, so that a program may name ever new directories.
 */
export class ByName<T extends object> {
  readonly #all = new Map<string, WeakRef<T>>();
  /** In the order of their use. */
  readonly #recent = new Map<string, T>();
  readonly #collected = new FinalizationRegistry<string>((name) => {
    if (!this.#all.get(name)?.deref()) this.#all.delete(name); // else there is another one by now
  });

  of(name: string, make: () => T): T {
    let object = this.#recent.get(name) ?? this.#all.get(name)?.deref();
    if (!object) {
      object = make();
      this.#all.set(name, new WeakRef(object));
      this.#collected.register(object, name);
    }
    this.#recent.delete(name);
    this.#recent.set(name, object);
    if (this.#recent.size > RECENT) this.#recent.delete(this.#recent.keys().next().value!);
    return object;
  }
}

const RECENT = 64;

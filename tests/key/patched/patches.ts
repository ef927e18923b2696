/** What old libraries and careless programs do to the prototypes of the language, all at once. */

const NAMES = [
  ...["Object", "Array", "String", "Number", "Boolean", "BigInt", "Symbol", "Date", "Map", "Set", "WeakMap", "WeakSet"],
  ...["RegExp", "URL", "Error", "TypeError", "AggregateError", "Promise", "ArrayBuffer", "DataView", "Uint8Array"],
  ...["Float64Array", "Buffer", "Function"],
];
const prototypes: [string, object][] = NAMES.map((name) => [name, (globalThis as any)[name].prototype]);
prototypes.push(["TypedArray", Object.getPrototypeOf(Uint8Array.prototype)]);

const patched = (): unknown => "patched";
const set = (target: object, key: PropertyKey, descriptor: PropertyDescriptor) =>
  Reflect.defineProperty(target, key, { __proto__: null, configurable: true, ...descriptor } as PropertyDescriptor);

/** Methods and accessors that the language does not have. */
export function addMembers(): void {
  for (const [, prototype] of prototypes) {
    for (const key of ["toJSON", "encode", "decode"]) {
      if (!Object.hasOwn(prototype, key)) set(prototype, key, { value: patched, writable: true, enumerable: true });
    }
    set(prototype, Symbol.for("permacache.key"), { value: patched });
    set(prototype, Symbol.for("permacache.kw"), { value: patched });
    set(prototype, Symbol("other"), { value: 1, enumerable: true });
  }
  for (const key of ["x", "a", "b", "i", "self", "list", "$type", "buffer", "blob", "base64", "lastIndex"]) {
    set(Object.prototype, key, { get: patched, set() {} }); // biome-ignore format: one line
  }
}

/** What Node cannot load a module with, either: properties that descriptors inherit, and the like. */
export function addDescriptorMembers(): void {
  set(Object.prototype, "then", { value: patched, writable: true });
  set(Object.prototype, "value", { value: "patched", writable: true });
  set(Object.prototype, "get", { value: patched, writable: true });
  set(Object.prototype, "set", { value: patched, writable: true });
  set(Object.prototype, "enumerable", { value: true, writable: true });
  for (const key of ["source", "flags", "href", "kind", "facts"])
    set(Object.prototype, key, { get: patched, set() {} });
  set(Object.prototype, Symbol.toStringTag, { value: "Patched" });
  set(Error.prototype, "name", { value: "Patched" });
  set(TypeError.prototype, "name", { value: "Patched" });
  set(Error.prototype, "message", { value: "Patched" });
  for (const [name, prototype] of prototypes) {
    if (!name.startsWith("Weak")) set(prototype, "constructor", { value: class Patched {} });
  }
}

/** Puts something in the place of every method, and gives a function that undoes it. */
export function replaceMethods(): () => void {
  const found: [object, PropertyKey, PropertyDescriptor][] = [];
  const iterators = [[].values(), new Map().values(), new Set().values(), ""[Symbol.iterator](), "".matchAll(/a/g)];
  const targets = prototypes.filter(
    ([name]) => !["Promise", "URL", "Buffer", "Uint8Array", "TypedArray", "ArrayBuffer"].includes(name),
  );
  for (const prototype of [
    ...targets.map(([, each]) => each),
    ...iterators.map((each) => Object.getPrototypeOf(each)),
  ]) {
    for (const key of Reflect.ownKeys(prototype)) {
      const descriptor = Object.getOwnPropertyDescriptor(prototype, key)!;
      if (["constructor", "__proto__", "stack"].includes(key as string) || !descriptor.configurable) continue;
      if (typeof descriptor.value === "function" || descriptor.get) found.push([prototype, key, descriptor]);
    }
  }
  const replaced = () => {
    throw new Error("a method that was replaced");
  };
  // From here on without methods.
  for (let i = 0; i < found.length; i++) {
    set(found[i]![0], found[i]![1], found[i]![2].get ? { get: replaced } : { value: replaced, writable: true });
  }
  const { defineProperty } = Object;
  return () => {
    for (let i = 0; i < found.length; i++) defineProperty(found[i]![0], found[i]![1], found[i]![2]);
  };
}

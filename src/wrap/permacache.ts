import { sha256 } from "#sha256";
import { createCallKey } from "../call/key.js";
import type { BatchPlan, Plan } from "../call/plan.js";
import type { Settings } from "../call/settings.js";
import { newStats } from "../call/stats.js";
import { subjectOf } from "../call/subjects.js";
import { warnOnce } from "../call/trouble.js";
import { assertPath, type Identity, identityText } from "../entry/identity.js";
import { assertArguments, OptionError, SignatureError } from "../errors.js";
import { inheritingNothing } from "../key/originals.js";
import { createBinder } from "../signature/bind.js";
import type { AnyFunction, CallArguments } from "../signature/function-types.js";
import { parallelParameters } from "../signature/parallel.js";
import { readSignature, type Signature } from "../signature/parse.js";
import { normalisedSource } from "../sources/normalise.js";
import type { Engine } from "../stores/engine.js";
import { assertKeepsLimits } from "../stores/evict.js";
import type { Folder } from "../stores/folder.js";
import type { CacheState } from "./cache-state.js";
import { createCachedFunction } from "./cached-function.js";
import type { CachedFunction, Permacache } from "./cached-function-types.js";
import type { DefaultSettings, FunctionSettings } from "./options.js";
import { checkOptions, DEFAULTS, limitsOf, settingsOf } from "./settings.js";

/**
 * The `permacache` of a cache. Options are checked and the function is read here, once; what follows trusts them.
 * @internal
 */
export function createPermacache(state: CacheState): Permacache {
  return ((path: string, options?: unknown, ...extra: unknown[]) => {
    assertPath(path);
    assertArguments(
      `permacache("${path}")`,
      [path, options, ...extra],
      2,
      "A function to wrap comes in a second call: permacache(path, options)(fn).",
    );
    const own = checkOptions(`permacache("${path}")`, options, "function");
    return (fn: Function, context?: unknown, ...more: unknown[]) => {
      assertWrappable(path, fn, context);
      assertArguments(`permacache("${path}")()`, [fn, context, ...more], 2);
      return createCachedFunction(planOf(state, path, own, fn));
    };
  }) as Permacache;
}

/**
 * `cache.call(fn, ...args)`: one call, cached where it is made, under the function's name and source.
 * @internal
 */
export function createCall(
  state: CacheState,
): <F extends AnyFunction>(fn: F, ...args: CallArguments<F>) => ReturnType<F> {
  return (fn, ...args) => {
    assertWrappable("call", fn, undefined);
    if (fn.name === "") {
      throw new OptionError(
        "cache.call: the function has no name, and its entries are found by that. Give it one: const load = (x) => ...; cache.call(load, x).",
      );
    }
    return createCachedFunction(planOf(state, pathOf(fn.name), inheritingNothing({ source: true }), fn, true))(...args);
  };
}

/** A name as a path: as it is where that can be, else with a digest, so that two names are two paths. */
function pathOf(name: string): string {
  if (/^[A-Za-z0-9._@-]{1,100}$/.test(name) && !/^\.{1,2}$/.test(name)) return name;
  return `${name.replaceAll(/[^A-Za-z0-9._@-]/g, "_").slice(0, 80)}-${sha256(name).slice(0, 16)}`;
}

/**
 * The methods of a decorated method, whose type does not show them: `cacheOf(model.fit, model).has(1)`.
 * @param self the receiver, where the key needs one
 * @throws OptionError where the function is not cached
 */
export function cacheOf<F extends AnyFunction>(fn: F, self?: unknown): CachedFunction<OmitThisParameter<F>>;
export function cacheOf<F extends AnyFunction>(...args: [fn: F, self?: unknown]): CachedFunction<OmitThisParameter<F>> {
  assertArguments("cacheOf()", args, 2);
  const [fn, self] = args;
  if (!subjectOf(fn)) throw new OptionError(`cacheOf: ${fn?.name || String(fn)} is not a cached function.`);
  const cached = fn as unknown as CachedFunction<any>;
  return (self === undefined ? cached : cached.with({ this: self })) as unknown as CachedFunction<OmitThisParameter<F>>;
}

function assertWrappable(path: string, fn: unknown, context: unknown): void {
  const subject = `permacache("${path}")`;
  const kind = (context as { kind?: unknown } | null | undefined)?.kind;
  if (context !== undefined && kind !== "method") {
    throw new OptionError(
      typeof kind === "string"
        ? `${subject}: it decorates methods, not a ${kind}. Wrap a function instead: ${subject}(fn).`
        : `${subject}: it takes a function, or decorates a method by the standard (stage 3) decorators. Turn "experimentalDecorators" off, or wrap a function: ${subject}(fn).`,
    );
  }
  if (typeof fn !== "function") {
    throw new OptionError(
      `${subject}: it wraps a function, not ${fn === null ? "null" : typeof fn}. Write permacache(path, options)(fn), and call what that returns.`,
    );
  }
}

/** Reads the function, and checks what its own options say of it. */
function planOf(state: CacheState, path: string, own: FunctionSettings, fn: Function, isCall = false): Plan {
  const { keywords, source: isSourceAdded } = withDefaults(own);
  // A cached function shows the signature of what it wraps.
  const signature = readSignature(subjectOf(fn)?.fn ?? fn, own.signature, path);
  const shown = `${signature.name}${signature.text}`;
  const transforms = typeof own.keyFunction === "object" ? own.keyFunction : {};
  if (signature.readsThis && !Object.hasOwn(transforms, "this")) {
    throw new SignatureError(
      `permacache("${path}"): ${shown} reads this, so its result hangs on the receiver. Say what of that belongs in the ` +
        "key, keyFunction: { this: (self) => self.id }, or that it does not matter, { this: null }.",
    );
  }
  assertGoTogether(path, own);
  const outFiles = outFilesOf(path, shown, signature, own);
  const batch = batchOf(path, signature, own);
  const parallel = new Set(batch?.parameters.map(({ name }) => name));
  const ignored = new Set(Object.keys(transforms).filter((name) => transforms[name] === null));
  const async = own.async ?? signature.async;
  const assertFits = () => {
    if (!state.given) return;
    assertStoreFits(state.given, path, signature.name, async, own);
    assertLimitsFit(state.given, limitsOf(state.settings, own));
  };
  assertFits();
  const digest = once(() => digestOfSource(signature));
  const source = isSourceAdded ? sourceInIdentity(path, signature, own, digest()) : undefined;
  const identity: Identity = { path, version: own.version, source };
  const plan: Plan = {
    fn,
    path,
    version: own.version,
    subject: `permacache "${path}"`,
    identity: identityText(identity),
    get source() {
      return digest(); // only now: it takes a look at the whole syntax tree
    },
    async,
    keysThis: Object.hasOwn(transforms, "this") && transforms.this !== null,
    binder: createBinder(signature, { keywords, defaults: own.defaults, ignored, parallel }),
    callKey: createCallKey(shown, signature.names, own.keyFunction, new Set(outFiles)),
    outParameters: outFiles.map((name) => ({ name, index: signature.names.indexOf(name) })),
    batch,
    dir: own.dir,
    settings: once(() => settingsOf(state.settings, own, state.trust.isOpen)),
    get trust() {
      return state.trust; // only now: the default cache may still be configured
    },
    folder: folderOf(state, identity, async, assertFits),
    stats: isCall ? state.statsOfCalls : newStats(),
    gavePromise: undefined,
    evictedUnused: 0,
    warned: isCall ? state.warned(identityText(identity)) : new Set<string>(), // each call wraps anew
  };
  if (!isCall) state.count(plan);
  warnOfOtherSource(state, plan, signature);
  return plan;
}

/** @throws OptionError where a sync function would have to wait for its store, where it has a directory besides, or keeps files in a store that cannot */
function assertStoreFits(
  engine: Engine,
  path: string,
  name: string,
  async: boolean,
  { dir, keepOutFiles }: FunctionSettings,
): void {
  const subject = `permacache("${path}")`;
  if (dir !== undefined) {
    throw new OptionError(
      `${subject}: the cache has a store, which is in ${engine.location}, so its functions have no \`dir\`. Leave that out, or take a cache without \`store\`.`,
    );
  }
  if (keepOutFiles && !engine.contents) {
    throw new OptionError(
      `${subject}: ${engine.location} cannot keep the contents of out files. Leave out keepOutFiles, or use another store.`,
    );
  }
  if ((engine.forSync ?? engine).sync || async) return;
  throw new OptionError(
    `${subject}: ${name || "the function"} is sync, and ${engine.location} cannot be read without waiting. Make it async (\`async: true\` says so of a plain function that returns promises), or put a store before that can: tieredStore(near, far).`,
  );
}

/** @throws OptionError where the store does not keep a limit */
function assertLimitsFit(engine: Engine, limits: Settings["limits"]): void {
  if (!limits) return;
  assertKeepsLimits(engine, limits.own);
  assertKeepsLimits(engine, limits.whole);
}

/** `""` where the source is out of reach. */
function digestOfSource({ source }: Signature): string {
  return source === undefined ? "" : sha256(normalisedSource(source) ?? source);
}

/** @throws SignatureError where the source is out of reach, and nothing was given for it */
function sourceInIdentity(path: string, { name }: Signature, { signature }: FunctionSettings, digest: string): string {
  if (digest !== "") return digest;
  if (signature !== undefined) return sha256(signature);
  throw new SignatureError(
    `permacache("${path}"): the source of ${name} is out of reach (it is native, bound or a Proxy), so \`source: true\` cannot hold. Wrap the function itself, or use \`version\`.`,
  );
}

/** @throws OptionError where one option needs another one, or excludes it */
function assertGoTogether(path: string, own: FunctionSettings): void {
  const subject = `permacache("${path}")`;
  const { outFile, keepOutFiles, parallel, chunkSize, concurrency, onProgress } = own;
  if (keepOutFiles && outFile === undefined) {
    throw new OptionError(`${subject}: keepOutFiles goes with outFile, which names the parameters that are written.`);
  }
  const ofBatch = Object.entries({ chunkSize, concurrency, onProgress }).find(([, value]) => value !== undefined);
  if (ofBatch && parallel === undefined) {
    throw new OptionError(
      `${subject}: ${ofBatch[0]} goes with parallel, which names the parameters that are sequences.`,
    );
  }
  if (outFile !== undefined && parallel !== undefined) {
    throw new OptionError(
      `${subject}: outFile does not go with parallel: an element has no out file of its own. Wrap a function of one element.`,
    );
  }
}

/** @throws OptionError where one is no parameter, or is keyed */
function outFilesOf(path: string, shown: string, signature: Signature, own: FunctionSettings): readonly string[] {
  const subject = `permacache("${path}")`;
  const { outFile: names = [], keyFunction } = own;
  for (const name of names) {
    const parameter = signature.parameters.find(({ key, rest }) => key === name && rest);
    if (signature.readsArguments || parameter || !signature.names.includes(name)) {
      throw new OptionError(`${subject}: outFile: "${name}" is not a parameter of ${shown} that takes one path.`);
    }
    if (typeof keyFunction === "object" && Object.hasOwn(keyFunction, name)) {
      throw new OptionError(
        `${subject}: "${name}" is an out file, which is not in the key; take it out of keyFunction.`,
      );
    }
  }
  return names;
}

/** @throws OptionError, SignatureError where the function cannot take a part of the elements at a time */
function batchOf(path: string, signature: Signature, own: FunctionSettings): BatchPlan | undefined {
  const { parallel, chunkSize, concurrency, onProgress } = withDefaults(own);
  if (parallel === undefined) return undefined;
  const parameters = parallelParameters(`permacache("${path}")`, signature, parallel);
  return { parameters, chunkSize, concurrency, onProgress };
}

function folderOf(
  state: CacheState,
  identity: Identity,
  async: boolean,
  assertFits: () => void,
): (dir: string | undefined) => Folder {
  const byDefault = once(() => {
    assertFits(); // the default cache may have been configured since it was wrapped
    return state.folder(identity, undefined, async);
  });
  return (dir) => (dir === undefined ? byDefault() : state.folder(identity, dir, async));
}

function withDefaults(own: FunctionSettings): DefaultSettings & FunctionSettings {
  return inheritingNothing<DefaultSettings | FunctionSettings>(DEFAULTS, own) as DefaultSettings & FunctionSettings;
}

function once<T>(make: () => T): () => T {
  let made: { value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}

/** Two functions that share entries by mistake would serve each other's results. */
function warnOfOtherSource(state: CacheState, { identity, subject }: Plan, { name, source = "" }: Signature): void {
  const earlier = state.sources.get(identity);
  if (source === "" || earlier === source) return;
  state.sources.set(identity, source);
  if (earlier === undefined || normalisedSource(earlier) === normalisedSource(source)) return;
  warnOnce(
    state.warned(identity),
    "source",
    `${subject}: two functions of different source share this path (the second is ${name}), and so their entries. Give one of them a path of its own, or a version.`,
    "ERR_PERMACACHE_PATH",
  );
}

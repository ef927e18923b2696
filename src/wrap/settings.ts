import type { Settings } from "../call/settings.js";
import { OptionError } from "../errors.js";
import { inheritingNothing } from "../key/originals.js";
import type { Limits, RetentionLimits } from "../stores/limits.js";
import { isRecord, type Place } from "./option-rules.js";
import {
  type CacheSettings,
  type DefaultSettings,
  type FunctionSettings,
  type GivenAt,
  OPTIONS,
  type Option,
} from "./options.js";

/**
 * How options become settings, for whatever stands in the table. Options are what somebody has given: whatever was added
 * to `Object.prototype` is none, so the objects in which they are passed on inherit nothing.
 */

const TABLE: readonly (readonly [name: string, option: Option])[] = Object.entries(OPTIONS).map(([name, option]) => [
  name,
  inheritingNothing(option),
]);
/** What the calls of a function work with, other than limits: its own options, and defaults of its cache. */
const OF_FUNCTIONS = TABLE.filter(
  ([, { at, byDefault, limit }]) =>
    !limit && (at.includes("function") || (at.includes("cache") && byDefault !== undefined)),
);
const LIMITS = TABLE.filter(([, { limit }]) => limit);

/** The settings of which a default is in the table. */
export const DEFAULTS = inheritingNothing(
  Object.fromEntries(
    TABLE.filter(([, { byDefault }]) => byDefault !== undefined).map(([name, option]) => [
      nameOf(name, option),
      valueOf(option, option.byDefault),
    ]),
  ),
) as unknown as DefaultSettings;

/**
 * Checks options, and gives what is there of them as settings: who has these trusts them. An option that is `undefined`
 * counts as not given.
 * @param subject for messages: `permacache("a/b")`
 * @throws OptionError for an unknown option, or one of the wrong type or in the wrong place
 */
export function checkOptions<P extends Place>(subject: string, options: unknown, place: P): GivenAt[P] {
  if (options === undefined) return inheritingNothing({});
  if (!isRecord(options))
    throw new OptionError(
      `${subject}: the options must be an object, not ${options === null ? "null" : typeof options}. A function to wrap comes in a second call: permacache(path, options)(fn).`,
    );
  const given: Record<string, unknown> = Object.create(null);
  for (const [name, value] of Object.entries(options)) {
    const option = optionAt(subject, name, place);
    if (value === undefined && !option.mayBeUndefined) continue;
    const problem = option.rule(value, place);
    if (problem) throw new OptionError(`${subject}: the option "${name}" ${problem}.`);
    given[nameOf(name, option)] = valueOf(option, value);
  }
  return given;
}

/** @throws OptionError where there is none of this name, or not at this place */
function optionAt(subject: string, name: string, place: Place): Option {
  const [, option] = TABLE.find(([each]) => each === name) ?? [];
  if (!option) {
    const names = TABLE.filter(([, { at }]) => at.includes(place)).map(([each]) => each);
    throw new OptionError(`${subject}: there is no option "${name}". Options of a ${place} are ${names.join(", ")}.`);
  }
  if (option.at.includes(place)) return option;
  throw new OptionError(`${subject}: the option "${name}" is one of a ${option.at.join(" or ")}, not of a ${place}.`);
}

function nameOf(name: string, { setting = name }: Option): string {
  return setting;
}

function valueOf({ read, settled }: Option, given: unknown): unknown {
  const value = settled ? settled(given) : given;
  return read ? read(value) : value;
}

/**
 * The settings of a function, for its calls. Called at the first call: until then the default cache may be configured, and
 * the environment set.
 * @param isOpen whether anybody may have written the entries of the cache
 */
export function settingsOf(cache: CacheSettings, own: FunctionSettings, isOpen: boolean): Settings {
  const given: Readonly<Record<string, unknown>> = inheritingNothing<object>(cache, own) as Record<string, unknown>;
  const settings: Record<string, unknown> = {};
  // One by one and in one order, so that the settings of all functions have one shape: each hit reads them.
  for (const [name, option] of OF_FUNCTIONS) {
    const setting = nameOf(name, option);
    const value = given[setting] ?? environmentOf(option) ?? DEFAULTS[setting as keyof DefaultSettings];
    settings[setting] = isOpen && option.whereOpen ? option.whereOpen(value) : value;
  }
  settings.limits = limitsOf(cache, own);
  return settings as unknown as FunctionSettings & DefaultSettings & Pick<Settings, "limits">;
}

function environmentOf(option: Option): unknown {
  const given = option.environment?.();
  return given === undefined ? undefined : valueOf(option, given);
}

/**
 * The limits of a function. Its ages replace those of its cache; of the sizes its own hold for its entries, and those of the
 * cache for all entries together.
 */
export function limitsOf(cache: CacheSettings, own: FunctionSettings): Settings["limits"] {
  const limits = { own: inheritingNothing(limitsIn(cache, "age"), limitsIn(own)), whole: limitsIn(cache, "size") };
  const names = Object.keys({ ...limits.own, ...limits.whole });
  if (names.length === 0) return undefined;
  return { ...limits, needUse: names.some((name) => name !== "maxAge") };
}

/** The limits among some settings. @param kind of these only */
export function limitsIn(settings: RetentionLimits, kind?: Option["limit"]): RetentionLimits {
  const limits: Record<string, number> = Object.create(null);
  for (const [name, { limit }] of LIMITS) {
    const value = settings[name as keyof RetentionLimits];
    if (value !== undefined && (kind === undefined || limit === kind)) limits[name] = value;
  }
  return limits;
}

/**
 * Limits as numbers.
 * @throws OptionError where one is unknown, or is not a positive number of its unit
 */
export function checkLimits(subject: string, limits: Limits): RetentionLimits {
  if (!isRecord(limits)) {
    const names = LIMITS.map(([each]) => each).join(", ");
    throw new OptionError(`${subject}: the limits must be an object, with any of ${names}.`);
  }
  const numbers: Record<string, unknown> = Object.create(null);
  for (const [name, value] of Object.entries(limits)) {
    const [, option] = LIMITS.find(([each]) => each === name) ?? [];
    if (!option) {
      const names = LIMITS.map(([each]) => each).join(", ");
      throw new OptionError(`${subject}: there is no limit "${name}". Limits are ${names}.`);
    }
    if (value === undefined) continue;
    const problem = option.rule(value, "function");
    if (problem) throw new OptionError(`${subject}: the limit "${name}" ${problem}.`);
    numbers[name] = valueOf(option, value);
  }
  return numbers;
}

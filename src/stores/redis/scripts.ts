import { createHash } from "node:crypto";

/**
 * What the server does in one step. All keys that a script touches are given to it, and are in one slot of a Cluster (see
 * keys.ts). Where it is told a generation that is not the folder's any more, it changes nothing and gives the present one.
 *
 * The state of a folder is one hash, so that a server that evicts keys loses all of it or nothing:
 *
 *     g           the generation: random, so that none ever comes again; a clear makes a new one
 *     n           the last fence that was given out: the microseconds of the server's clock, or one more than the last
 *     r<digest>   the fence at the removal of an entry
 *     f           computations with an earlier fence publish nothing: removals from before it are forgotten
 */
export interface Script {
  readonly text: string;
  readonly sha1: string;
  /** Done twice, it does what it does once: it is tried again where the connection breaks. */
  readonly isRepeatable: boolean;
}

function script(text: string, isRepeatable = true): Script {
  return { text, sha1: createHash("sha1").update(text).digest("hex"), isRepeatable };
}

/** Gives out a fence. Numbers of Lua are exact up to 2^53, but are not printed so. */
const NEXT = `
local function next(state)
  local time = redis.call('TIME')
  local n = math.max(time[1] * 1000000 + time[2], tonumber(redis.call('HGET', state, 'n') or 0) + 1)
  local text = string.format('%.0f', n)
  redis.call('HSET', state, 'n', text)
  return text
end
`;

/** Removals that are remembered; then all are forgotten, and computations that run store nothing. */
const MOST_REMOVALS = 4096;

/** state, entry; generation, longest piece. @returns the generation; the size, nil where there is no entry; the beginning */
export const READ = script(`
local g = redis.call('HGET', KEYS[1], 'g')
if g ~= ARGV[1] then return {g} end
if redis.call('EXISTS', KEYS[2]) == 0 then return {g} end
return {g, redis.call('STRLEN', KEYS[2]), redis.call('GETRANGE', KEYS[2], 0, ARGV[2] - 1)}
`);

/** state; a new generation, for a folder that has none. @returns the generation, a fence */
export const MARK = script(`${NEXT}
redis.call('HSETNX', KEYS[1], 'g', ARGV[1])
return {redis.call('HGET', KEYS[1], 'g'), next(KEYS[1])}
`);

/**
 * state, entry, index, staged; generation, fence, digest, ms since 1970, size, the bytes. Without bytes the entry stands at
 * `staged`. Whoever began later has published what is newer: with an older fence that is left as it is.
 * @returns whether it was published
 */
export const PUBLISH = script(`
local fence = tonumber(ARGV[2])
local state = redis.call('HMGET', KEYS[1], 'g', 'f', 'r' .. ARGV[3])
if state[1] ~= ARGV[1] then return 0 end
if fence < tonumber(state[2] or 0) or fence < tonumber(state[3] or 0) then return 0 end
local known = redis.call('HGET', KEYS[3], ARGV[3])
if known and fence < tonumber(string.match(known, '%d+')) and redis.call('EXISTS', KEYS[2]) == 1 then return 0 end
if not ARGV[6] and redis.call('EXISTS', KEYS[4]) == 0 then return redis.error_reply('ERR the entry was evicted while it was written') end
redis.call('HSET', KEYS[3], ARGV[3], ARGV[2] .. ' ' .. ARGV[4] .. ' ' .. ARGV[5])
if ARGV[6] then
  redis.call('SET', KEYS[2], ARGV[6])
else
  redis.call('RENAME', KEYS[4], KEYS[2])
  redis.call('PERSIST', KEYS[2])
end
return 1
`);

/** state, entry, index, contents kept for it; generation, digest. @returns the generation, whether it was there, whether contents are kept */
export const REMOVE = script(
  `${NEXT}
local g = redis.call('HGET', KEYS[1], 'g')
if g ~= ARGV[1] then return {g} end
local n = next(KEYS[1])
if redis.call('HLEN', KEYS[1]) > ${MOST_REMOVALS} then
  redis.call('DEL', KEYS[1])
  redis.call('HSET', KEYS[1], 'g', g, 'n', n, 'f', n)
end
redis.call('HSET', KEYS[1], 'r' .. ARGV[2], n)
redis.call('HDEL', KEYS[3], ARGV[2])
return {g, redis.call('DEL', KEYS[2]), redis.call('EXISTS', KEYS[4])}
`,
  false,
);

/** state, dead generations; a new one. What was in the old one is out of reach at once, and is deleted later. */
export const CLEAR = script(
  `${NEXT}
local g = redis.call('HGET', KEYS[1], 'g')
if not g then return redis.status_reply('OK') end
redis.call('SADD', KEYS[2], g)
local n = next(KEYS[1])
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'g', ARGV[1], 'n', n)
return redis.status_reply('OK')
`,
  false,
);

/** state, lock; generation, token, ms, a new generation for a folder that has none. @returns the generation, who holds the lock */
export const LOCK = script(`
redis.call('HSETNX', KEYS[1], 'g', ARGV[4])
local g = redis.call('HGET', KEYS[1], 'g')
if g ~= ARGV[1] then return {g} end
redis.call('SET', KEYS[2], ARGV[2], 'NX', 'PX', ARGV[3])
return {g, redis.call('GET', KEYS[2])}
`);

/** lock; token, ms. */
export const RENEW = script(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
`);

/** lock; token. */
export const UNLOCK = script(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
`);

/** index, entry; digest. Forgets an entry that the server has evicted. */
export const FORGET = script(`
if redis.call('EXISTS', KEYS[2]) == 1 then return 0 end
return redis.call('HDEL', KEYS[1], ARGV[1])
`);

/** Any keys. @returns 1 for each that is there, 0 for each that is not */
export const WHICH = script(`
local there = {}
for i, key in ipairs(KEYS) do there[i] = redis.call('EXISTS', key) end
return there
`);

/**
 * users of the content, contents of the entry, sizes of contents, chunks ...; digest, SHA-256, size.
 * For an entry that begins, or ceases, to use a content; the last one takes it along.
 */
export const USE_CONTENT = script(`
redis.call('SADD', KEYS[1], ARGV[1])
redis.call('SADD', KEYS[2], ARGV[2])
redis.call('HSET', KEYS[3], ARGV[2], ARGV[3])
return 1
`);
export const LEAVE_CONTENT = script(`
redis.call('SREM', KEYS[2], ARGV[2])
redis.call('SREM', KEYS[1], ARGV[1])
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('HDEL', KEYS[3], ARGV[2])
for i = 4, #KEYS do redis.call('DEL', KEYS[i]) end
return 1
`);

export const ALL: readonly Script[] = [
  READ,
  MARK,
  PUBLISH,
  REMOVE,
  CLEAR,
  LOCK,
  RENEW,
  UNLOCK,
  FORGET,
  WHICH,
  USE_CONTENT,
  LEAVE_CONTENT,
];

import { Buffer } from 'node:buffer'
import { createHash } from 'node:crypto'

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz'
const TIME_CHARS = 10
const RANDOM_BYTES = 10

/** The kinds of thing that have an id, by the prefix that says so. */
export type IdPrefix =
  | 'usr'
  | 'ses'
  | 'rft'
  | 'task'
  | 'prj'
  | 'cnv'
  | 'msg'
  | 'turn'
  | 'call'
  | 'mem'
  | 'ntf'
  | 'evt'
  | 'req'
  | 'dev'
  | 'dlq'
  | 'aic'
  | 'ans'
  | 'mcp'
  | 'key'
  | 'eml'
  | 'whk'
  | 'whd'
  | 'totp'
  | 'psk'
  | 'cod'
  | 'cli'
  | 'oar'
  | 'grt'
  | 'idt'
  | 'era'
  | 'exp'
  | 'sgk'
  | 'cal'
  | 'sch'
  | 'srn'
  | 'job'
  | 'sug'
  | 'eff'
  | 'mdr'
  | 'wfl'
  | 'run'
  | 'trg'
  | 'dlv'
  | 'cmt'

function base32(bytes: Uint8Array): string {
  let out = ''
  let bits = 0
  let value = 0
  for (const byte of bytes) {
    value = (value << 8) | byte
    bits += 8
    while (bits >= 5) {
      bits -= 5
      out += ALPHABET[(value >>> bits) & 31]
      value &= (1 << bits) - 1
    }
  }
  return out
}

function timeChars(ms: number): string {
  let out = ''
  for (let left = ms, i = 0; i < TIME_CHARS; i++) {
    out = ALPHABET[left % 32] + out
    left = Math.floor(left / 32)
  }
  return out
}

let lastMs = 0
let lastRandom = new Uint8Array(RANDOM_BYTES)

// Ids of one millisecond keep the order they were made in: the next is the last plus one.
function nextRandom(ms: number): Uint8Array {
  const fresh = crypto.getRandomValues(new Uint8Array(RANDOM_BYTES))
  if (ms === lastMs) {
    fresh.set(lastRandom)
    for (let i = RANDOM_BYTES - 1; i >= 0; i--) {
      fresh[i] = ((fresh[i] ?? 0) + 1) & 255
      if (fresh[i] !== 0) break
    }
  }
  lastMs = ms
  lastRandom = fresh
  return fresh
}

/** `task_` + 10 characters of time + 16 of chance (80 bits): sorts by the millisecond it was made. */
export function newId(prefix: IdPrefix, at: Date): string {
  return `${prefix}_${timeChars(at.getTime())}${base32(nextRandom(at.getTime()))}`
}

/** The same seed gives the same id, so that doing a thing again finds what the first time made. */
export function derivedId(prefix: IdPrefix, at: Date, seed: string): string {
  const digest = createHash('sha256').update(seed, 'utf8').digest()
  return `${prefix}_${timeChars(at.getTime())}${base32(digest.subarray(0, RANDOM_BYTES))}`
}

/** Ids that are the same each time as many of their kind are drawn; a millisecond apart, so that they sort in order. */
export function derivedIds(seed: string, from: Date): (prefix: IdPrefix) => string {
  const drawn = new Map<IdPrefix, number>()
  return (prefix) => {
    const made = drawn.get(prefix) ?? 0
    drawn.set(prefix, made + 1)
    return derivedId(prefix, new Date(from.getTime() + made), `${seed}|${prefix}|${made}`)
  }
}

/** 256 bits of chance as base64url, for tokens and tickets. */
export function randomToken(): string {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString('base64url')
}

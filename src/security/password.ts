import { Buffer } from 'node:buffer'
import { createHmac } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import { argon2id, argon2Verify } from 'argon2-wasm-edge'
import { AppError } from '#core'

// OWASP's minimum for Argon2id; the isolate's 128 MB are shared by all of its requests.
const PARAMETERS = { memorySize: 19_456, iterations: 2, parallelism: 1, hashLength: 32 } as const
const PHC_PREFIX = '$argon2id$v=19$m=19456,t=2,p=1$'
const MAX_AT_ONCE = 3
const SLOT_POLL_MS = 5
const SLOT_POLLS = 600

// A hash of nothing anybody can type: the unknown address costs the same time as the known one.
const DUMMY = `${PHC_PREFIX}AAAAAAAAAAAAAAAAAAAAAA$dRzY82fgceWJKqstlAB6sn56dYrekptRpYPqbR1lZQg`

let running = 0

// Each request polls by its own timer: a promise of another request may never resolve here.
async function withSlot<T>(work: () => Promise<T>): Promise<T> {
  for (let polls = 0; running >= MAX_AT_ONCE; polls++) {
    if (polls >= SLOT_POLLS) throw new AppError('unavailable', 'Too many sign-ins at once', { retryAfterS: 2 })
    await wait(SLOT_POLL_MS)
  }
  running++
  try {
    return await work()
  } finally {
    running--
  }
}

function peppered(password: string, pepper: string): string {
  return createHmac('sha256', pepper).update(password.normalize('NFKC'), 'utf8').digest('base64')
}

/** A PHC string of the peppered password: Argon2id, a salt of 16 bytes. */
export function hashPassword(password: string, pepper: string): Promise<string> {
  const salt = crypto.getRandomValues(new Uint8Array(16))
  return withSlot(() => argon2id({ ...PARAMETERS, password: peppered(password, pepper), salt, outputType: 'encoded' }))
}

/** Takes the same time whether `hash` is there or not. `stale`: made with older parameters, hash it again. */
export async function verifyPassword(
  password: string,
  hash: string | undefined,
  pepper: string,
): Promise<{ ok: boolean; stale: boolean }> {
  const matches = await withSlot(() => argon2Verify({ password: peppered(password, pepper), hash: hash ?? DUMMY }))
  return { ok: matches && hash !== undefined, stale: hash !== undefined && !hash.startsWith(PHC_PREFIX) }
}

/** What of a secret is stored: 256-bit secrets need no salt and no slow hash. */
export async function hashToken(token: string): Promise<string> {
  return Buffer.from(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(token))).toString('base64url')
}

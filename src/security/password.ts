import { Buffer } from 'node:buffer'
import { createHmac } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import { argon2id, argon2Verify } from 'argon2-wasm-edge'
import { AppError } from '#core'

// OWASP's minimum for Argon2id; the isolate's 128 MB are shared by all of its requests.
const PARAMETERS = { memorySize: 19_456, iterations: 2, parallelism: 1, hashLength: 32 } as const
const PHC_PREFIX = '$argon2id$v=19$m=19456,t=2,p=1$'
// A hash does not yield: two of them would follow one another, and take another 19 MiB, for nothing.
const SLOTS = { atOnce: 1, waiting: 100, waitMs: 5000 }
const POLL_MS = 5
const MAX_REST_MS = 500

// A hash of nothing anybody can type: the unknown address costs the same time as the known one.
const DUMMY = `${PHC_PREFIX}AAAAAAAAAAAAAAAAAAAAAA$dRzY82fgceWJKqstlAB6sn56dYrekptRpYPqbR1lZQg`

/** How many may work at once, how many may wait for it, and how long. */
type Slots = typeof SLOTS

/**
 * Lets so many work at once; `unavailable`, with a time to come back, where too many wait. After each there is a rest as
 * long as it took: work that does not yield would follow work, and no other request between them be answered.
 */
export function createSlots({ atOnce, waiting, waitMs }: Slots) {
  let [working, queued, beganMs, restUntilMs] = [0, 0, 0, 0]
  const tooMany = () => new AppError('unavailable', 'Too many sign-ins at once', { retryAfterS: 2 })
  const isFree = (nowMs: number) => {
    if (working >= atOnce) return false
    // The clock stands still while a Worker computes: how long it took is seen by who looks next.
    if (restUntilMs === Number.POSITIVE_INFINITY) {
      const tookMs = nowMs - beganMs
      restUntilMs = tookMs > MAX_REST_MS ? nowMs : nowMs + tookMs
    }
    return nowMs >= restUntilMs
  }

  // Each request polls by its own timer: a promise of another request may never resolve here.
  const acquire = async () => {
    const cameMs = performance.now()
    if (!isFree(cameMs) && queued >= waiting) throw tooMany()
    queued++
    try {
      while (!isFree(performance.now())) {
        if (performance.now() - cameMs >= waitMs) throw tooMany()
        await wait(POLL_MS)
      }
      working++
      beganMs = performance.now()
    } finally {
      queued--
    }
  }

  return async <T>(work: () => Promise<T>): Promise<T> => {
    await acquire()
    try {
      return await work()
    } finally {
      working--
      restUntilMs = Number.POSITIVE_INFINITY
    }
  }
}

const withSlot = createSlots(SLOTS)

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

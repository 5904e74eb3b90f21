import { Buffer } from 'node:buffer'
import { createHmac } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import type Argon2 from '@phi-ag/argon2'
import { AppError, type Ctx } from '#core'
import { networkOf } from './limits.ts'

// OWASP's minimum for Argon2id; the isolate's 128 MB are shared by all of its requests.
const PARAMETERS = { memoryCost: 19_456, timeCost: 2, parallelism: 1, hashLength: 32 } as const
const PHC_PREFIX = '$argon2id$v=19$m=19456,t=2,p=1$'
// A hash does not yield: two of them would follow one another, and take another 19 MiB, for nothing.
const SLOTS = { atOnce: 1, waiting: 100, waitMs: 5000 }
const PER_NETWORK = 5
const POLL_MS = 5
const MISMATCH = 'The password does not match the supplied hash'
const MAX_REST_MS = 500

// A hash of nothing anybody can type: the unknown address costs the same time as the known one.
const DUMMY = `${PHC_PREFIX}AAAAAAAAAAAAAAAAAAAAAA$dRzY82fgceWJKqstlAB6sn56dYrekptRpYPqbR1lZQg`

/** How many may work at once, how many may wait for it, and how long. */
type Slots = typeof SLOTS

/**
 * Lets so many work at once; `unavailable`, with a time to come back, where too many wait, or more than the share of one
 * caller: who asks a hundred times at once keeps nobody else out. After each there is a rest as long as it took: work that does not yield would follow work, and no other request between them be answered.
 */
export function createSlots({ atOnce, waiting, waitMs }: Slots) {
  let [working, beganMs, restUntilMs] = [0, 0, 0]
  const places = new Set<{ caller: string; cameMs: number }>()
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
  const acquire = async (caller: string, share: number) => {
    const cameMs = performance.now()
    // A request that was cut off while it waited never says so.
    for (const place of places) if (cameMs - place.cameMs > waitMs) places.delete(place)
    const theirs = [...places].filter((place) => place.caller === caller).length
    if (!isFree(cameMs) && (places.size >= waiting || theirs >= share)) throw tooMany()
    const place = { caller, cameMs }
    places.add(place)
    try {
      while (!isFree(performance.now())) {
        if (performance.now() - cameMs >= waitMs) throw tooMany()
        await wait(POLL_MS)
      }
      working++
      beganMs = performance.now()
    } finally {
      places.delete(place)
    }
  }

  return async <T>(work: () => Promise<T>, caller = '', share = waiting): Promise<T> => {
    await acquire(caller, share)
    try {
      return await work()
    } finally {
      working--
      restUntilMs = Number.POSITIVE_INFINITY
    }
  }
}

const inSlot = createSlots(SLOTS)

type PasswordCtx = Pick<Ctx, 'config' | 'client'>

const withSlot = <T>({ client, config }: PasswordCtx, work: () => Promise<T>) =>
  inSlot(work, networkOf(client.address), PER_NETWORK * config.rateLimitFactor)

function peppered({ config }: PasswordCtx, password: string): string {
  return createHmac('sha256', config.auth.passwordPepper).update(password.normalize('NFKC'), 'utf8').digest('base64')
}

let instance: Argon2 | undefined

// Made in its slot, once: its memory is what a hash needs, and stays. Workers compile no WebAssembly at run time: the
// module comes with the bundle.
async function argon2(): Promise<Argon2> {
  const [{ default: Made }, { default: module }] = await Promise.all([
    import('@phi-ag/argon2'),
    import('@phi-ag/argon2/argon2.wasm'),
  ])
  instance ??= new Made(await WebAssembly.instantiate(module))
  return instance
}

/** A PHC string of the peppered password: Argon2id, a salt of 16 bytes. */
export function hashPassword(ctx: PasswordCtx, password: string): Promise<string> {
  const salt = crypto.getRandomValues(new Uint8Array(16))
  const secret = peppered(ctx, password)
  return withSlot(ctx, async () => (instance ?? (await argon2())).hash(secret, { ...PARAMETERS, salt }).encoded)
}

/** Takes the same time whether `hash` is there or not. `stale`: made with older parameters, hash it again. */
export async function verifyPassword(
  ctx: PasswordCtx,
  password: string,
  hash: string | undefined,
): Promise<{ ok: boolean; stale: boolean }> {
  const secret = peppered(ctx, password)
  const tried = await withSlot(ctx, async () => (instance ?? (await argon2())).tryVerify(hash ?? DUMMY, secret))
  if (!tried.success && tried.error !== MISMATCH) throw new Error(`a hash of a password is damaged: ${tried.error}`)
  const matches = tried.success
  return { ok: matches && hash !== undefined, stale: hash !== undefined && !hash.startsWith(PHC_PREFIX) }
}

/** What of a secret is stored: 256-bit secrets need no salt and no slow hash. */
export async function hashToken(token: string): Promise<string> {
  return Buffer.from(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(token))).toString('base64url')
}

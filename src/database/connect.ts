import { setTimeout as wait } from 'node:timers/promises'
import type { NeonQueryFunction } from '@neondatabase/serverless'
import { drizzle, type NeonHttpDatabase } from 'drizzle-orm/neon-http'
import { AppError, withTimeout } from '#core'
import { type Answer, type NeonClient, neonClient, neonEndpoint } from './neon.ts'

/** Postgres over HTTP: each statement, or `batch` of them as one transaction, is one trip. */
export type Database = NeonHttpDatabase<Record<string, never>> & { $client: NeonClient }

/** How often and how long one invocation waited for the database. */
export type DatabaseMeter = { trips: number; ms: number }

const TRIP_TIMEOUT_MS = 20_000
const RETRIES = 2
const RETRY_DELAY_MS = 100

// Postgres was not ready, had no slot, or took the whole transaction back for another's: nothing of it was done.
const NOT_EXECUTED = new Set(['57P03', '53300', '08001', '08004', '40001', '40P01'])

/** One trip, and another where the first one surely did nothing. */
async function travel(url: string, init: RequestInit, meter: DatabaseMeter): Promise<Answer> {
  const started = performance.now()
  try {
    for (let attempt = 0; ; attempt++) {
      meter.trips++
      const answer = await send(url, init)
      if (attempt >= RETRIES || !(await mayRetry(answer, init))) {
        if (!(answer instanceof Error)) return answer
        throw new AppError('unavailable', 'The database cannot be reached', { cause: answer, retryAfterS: 2 })
      }
      await wait(RETRY_DELAY_MS * 2 ** attempt)
    }
  } finally {
    meter.ms += performance.now() - started
  }
}

async function send(url: string, init: RequestInit): Promise<Answer | Error> {
  try {
    return await withTimeout(TRIP_TIMEOUT_MS, async (signal) => read(await fetch(url, { ...init, signal })))
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error))
  }
}

// The body is read here, so no timer outlives the trip.
async function read(response: Response): Promise<Answer> {
  const body = await response.text()
  return { ok: response.ok, status: response.status, text: async () => body, json: async () => JSON.parse(body) }
}

// A broken connection leaves a write's fate unknown, so only what surely did nothing is sent again.
async function mayRetry(answer: Answer | Error, init: RequestInit): Promise<boolean> {
  if (answer instanceof Error) return answer.name !== 'TimeoutError' && isRead(init.body)
  if (answer.ok) return false
  const said = await answer.json().catch(() => null)
  if (typeof said !== 'object' || said === null) return false
  if ('neon:retryable' in said && said['neon:retryable'] === true) return true
  return 'code' in said && typeof said.code === 'string' && NOT_EXECUTED.has(said.code)
}

function isRead(body: unknown): boolean {
  if (typeof body !== 'string' || !/^\{"query":"(?:select|with) /.test(body)) return false
  return !/\b(?:insert|update|delete)\b/i.test(body)
}

/**
 * `act` says what is being done; without it a change is told as one that was made by hand. A handle that is `readOnly`
 * has each statement refused that would change anything.
 */
export function connect(
  config: { url: string; fetchEndpoint: string | undefined },
  meter: DatabaseMeter,
  act?: (() => { tainted?: boolean }) | 'readOnly',
): Database {
  const url = config.fetchEndpoint ?? neonEndpoint(config.url)
  const client = neonClient(config.url, (init) => travel(url, init, meter), act)
  // biome-ignore lint/nursery/noUnsafeTypeAssertion: drizzle asks no more of Neon's driver than this has
  return Object.assign(drizzle({ client: client as unknown as NeonQueryFunction<false, true> }), { $client: client })
}

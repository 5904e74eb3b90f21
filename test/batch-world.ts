import { sql } from 'drizzle-orm'
import { inject } from 'vitest'
import { type Call, enqueue, getAnswer, runBatches } from '#ai'
import { batchCalls } from '#ai/tables'
import { readConfig } from '#config'
import { newId, type UserCtx } from '#core'
import { connect } from '#database'
import { outbox } from '#queue/tables'
import { users } from '#users/tables'
import { startBatches } from './batches-fake.ts'
import { testCtx } from './database.ts'
import { startMigrated } from './migrated.ts'
import { createChance } from './proofs/chance.ts'
import { makeSteward } from './steward.ts'

export const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const START_MS = Date.parse('2026-11-03T09:00:00Z')

/** `crash`: how many more trips (to the database, a Steward or the provider) the machine lives; the last may be made. */
export type Crash = { left: number; isMade: boolean }

/** A Postgres of its own, for cron works on everybody's rows; Claude on loopback; people with real budgets. */
export async function startBatchWorld() {
  const postgres = await startMigrated()
  const clock = { ms: START_MS }
  const claude = await startBatches(createChance(7), () => clock.ms)
  const claudeVars = { ANTHROPIC_API_KEY: 'test', ANTHROPIC_BASE_URL: claude.url, ANTHROPIC_MODEL: 'claude-sonnet-5-5' }
  const database = { DATABASE_URL: postgres.connectionString, DATABASE_FETCH_ENDPOINT: postgres.url }
  const configOf = (vars: object) => readConfig({ ...inject('vars'), ...database, ...vars })
  const stewards = new Map<string, ReturnType<typeof makeSteward>>()
  const stewardOf = (userId: string) => {
    const made = stewards.get(userId) ?? makeSteward(() => clock.ms)
    stewards.set(userId, made)
    return made
  }
  const crash: { at?: Crash; areStewardsAway?: boolean } = {}
  const trip = async <T>(make: () => Promise<T>): Promise<T> => {
    if (!crash.at) return await make()
    crash.at.left--
    if (crash.at.left > 0) return await make()
    if (crash.at.left === 0 && crash.at.isMade) await make()
    throw new Error('the machine is gone')
  }
  const real = globalThis.fetch
  globalThis.fetch = (input, init) => trip(() => real(input, init))
  const logged: string[] = []
  const note = (event: string) => void logged.push(event)
  const byName = (name: string) =>
    new Proxy(stewardOf(name), {
      get: (steward, method) => (input: never) =>
        trip(async () => {
          if (crash.areStewardsAway) throw new Error('the Stewards are away')
          return await Reflect.get(steward, method)(input)
        }),
    })
  const config = configOf({ AI_PROVIDERS: 'anthropic', ...claudeVars })
  const base = testCtx({ now: () => new Date(clock.ms), config })
  const ctx = {
    ...base,
    db: connect(config.database, base.meter),
    env: {
      STEWARD: { getByName: byName },
      EVENTS: { sendBatch: async () => undefined },
    } as unknown as Env,
    log: { info: note, warn: note, error: note },
  }
  const tick = () => runBatches(ctx)
  return {
    ctx,
    clock,
    claude,
    crash,
    logged,
    configOf,
    tick,
    /** A call of theirs that may wait so long. */
    ask: (whose: { ctx: UserCtx }, text: string, ms = 6 * HOUR_MS) =>
      enqueue(whose.ctx, callOf(text), { deadline: new Date(clock.ms + ms) }),
    async person(plan: 'free' | 'max' = 'max') {
      const userId = newId('usr', new Date(clock.ms))
      await ctx.db.insert(users).values({ id: userId, email: `${userId}@example.com`, displayName: 'Test Person' })
      const steward = stewardOf(userId)
      await steward.setBudget({ plan })
      const theirs: UserCtx = { ...ctx, actor: { kind: 'person', userId, sessionId: null } }
      return {
        ctx: theirs,
        steward,
        answer: (id: string) => getAnswer(theirs, id),
        ledgerMicros: () => steward.lines().reduce((sum, { costMicros }) => sum + costMicros, 0),
        events: async () =>
          await ctx.db.select({ data: outbox.data }).from(outbox).where(sql`${outbox.userId} = ${userId}`),
      }
    },
    /** Cron, minute after minute, or each `step` minutes. */
    async pass(minutes: number, step = 1) {
      for (let minute = 0; minute < minutes; minute += step) {
        clock.ms += step * MINUTE_MS
        await tick()
      }
    },
    /** The next test begins with nothing. */
    async clear() {
      delete crash.at
      delete crash.areStewardsAway
      await ctx.db.delete(batchCalls)
      await ctx.db.delete(outbox)
      claude.drop()
      claude.bills.splice(0)
      logged.splice(0)
      Object.assign(claude.plan, {
        fate: () => 'succeeded',
        creations: [],
        retryAfterS: 60,
        endsAfterMs: 5 * MINUTE_MS,
      })
    },
    async stop() {
      globalThis.fetch = real
      await claude.stop()
      await postgres.close()
    },
  }
}

export const callOf = (text: string, maxOutputTokens = 100): Call => ({
  kind: 'summarise',
  feature: 'assistant',
  request: {
    system: 'Be brief.',
    volatileSystem: '',
    messages: [{ role: 'user', at: '2026-11-03T09:00:00Z', parts: [{ type: 'text', text }] }],
    tools: [],
    maxOutputTokens,
  },
})

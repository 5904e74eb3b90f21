import { eq } from 'drizzle-orm'
import { inject } from 'vitest'
import { sessions } from '#auth/tables'
import { readConfig } from '#config'
import { type Client, type Ctx, createLog, newId, type UserCtx } from '#core'
import { actOf, connect, type DatabaseMeter } from '#database'
import { users } from '#users/tables'

const NOBODY: Client = { address: '192.0.2.1', country: null, userAgent: 'test' }
// Refuses nothing and remembers nothing: a budget is tested with a Steward of its own.
const STEWARD = {
  reserve: async () => ({
    ok: true,
    tightest: { limitMicros: 1_000_000, leftMicros: 1_000_000, resetAtMs: 0 },
    atMs: 0,
  }),
  settle: async ({ costMicros }: { costMicros: number }) => ({ ok: true, chargedMicros: costMicros, overMicros: 0 }),
  release: async () => ({ ok: true, released: true }),
  flushUsage: async () => ({ ok: true }),
  learning: async () => ({ weighed: { speak: true, expected: 0.5, better: null }, lines: [] }),
}
const fail = (name: string) => () => {
  throw new Error(`${name} is not there in a test of verbs`)
}

/** A context like the shell's, on the shared test database; what it would send to a queue is kept in `sent`. */
export type TestCtx = Ctx & { meter: DatabaseMeter; sent: unknown[]; settled(): Promise<void> }

export function testCtx(over: Partial<Ctx> = {}): TestCtx {
  const config = readConfig(inject('vars'))
  const meter: DatabaseMeter = { trips: 0, ms: 0 }
  const sent: unknown[] = []
  const waiting: Promise<unknown>[] = []
  const now = over.now ?? (() => new Date())
  const events = {
    send: async (body: unknown) => void sent.push(body),
    sendBatch: async (messages: Iterable<{ body: unknown }>) =>
      void sent.push(...[...messages].map(({ body }) => body)),
  }
  const there = new Map<PropertyKey, object>([
    ['EVENTS', events],
    ...['EMAIL', 'AI_TASKS', 'INTEGRATIONS', 'NOTIFICATIONS', 'ANALYTICS'].map((queue): [string, object] => [
      `JOBS_${queue}`,
      events,
    ]),
    ['STEWARD', { getByName: () => STEWARD }],
    ['GUESS_LIMIT', { limit: async () => ({ success: true }) }],
    [
      'USER_SESSION',
      {
        getByName: () => ({
          endSession: async () => ({ closed: 0 }),
          renewSession: async () => ({ closed: 0 }),
          erase: async () => ({ ok: true }),
        }),
      },
    ],
  ])
  const act = () => actOf(ctx)
  const env = new Proxy({}, { get: (_, name) => there.get(name) ?? fail(String(name))() })
  const ctx: TestCtx = {
    actor: { kind: 'system' },
    client: NOBODY,
    config,
    // Only these are there: a verb that reaches for another binding fails its test.
    env: env as unknown as Env,
    meter,
    sent,
    db: connect(config.database, meter, act),
    requestId: newId('req', now()),
    operation: 'test',
    callId: '',
    now,
    newId: (prefix) => newId(prefix, now()),
    waitUntil: (promise) => void waiting.push(promise),
    settled: async () => void (await Promise.all(waiting)),
    log: createLog({}, 'error', () => undefined),
    ...over,
  }
  return ctx
}

export type Person = TestCtx & UserCtx

/** A new person with a live session, and a context in which they act. Every test makes its own. */
export async function makePerson(over: Partial<Ctx> & { timeZone?: string } = {}): Promise<Person> {
  const { timeZone = 'UTC', ...rest } = over
  const ctx = testCtx(rest)
  const [userId, sessionId] = [newId('usr', ctx.now()), newId('ses', ctx.now())]
  await ctx.db.batch([
    ctx.db.insert(users).values({ id: userId, email: `${userId}@example.com`, displayName: 'Test Person', timeZone }),
    ctx.db.insert(sessions).values({
      id: sessionId,
      userId,
      deviceName: 'test',
      userAgent: 'test',
      address: '192.0.2.1',
      expiresAt: new Date('2999-01-01'),
    }),
  ])
  ctx.meter.trips = 0
  const actor = { kind: 'person' as const, userId, sessionId, authAtMs: ctx.now().getTime() }
  return Object.assign(ctx, { actor })
}

/** Ends the person's session behind their back, as another device of theirs would. */
export async function revoke(person: Person): Promise<void> {
  await person.db
    .update(sessions)
    .set({ endedAt: new Date() })
    .where(eq(sessions.id, person.actor.sessionId ?? ''))
}

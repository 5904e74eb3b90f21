import { eq, ne, sql } from 'drizzle-orm'
import { beforeEach, expect, test, vi } from 'vitest'
import type { Ctx } from '#core'
import { testCtx } from '#test/database'
import { add, arrive, due, emptyQueues, failing, message, personId, QUEUE, rowOf, worker } from '#test/jobs'
import { keepDeadLetters } from './dead-letters.ts'
import { listJobQueues, listJobs, pauseJobs, purgeJobs, retryJob } from './job-admin.ts'
import { pruneJobs, relayJobs } from './jobs.ts'
import { kick } from './outbox.ts'
import { deadLetters, jobs } from './tables.ts'

beforeEach(emptyQueues)

test('a message of a job that failed every attempt leaves no dead letter: its row is what waits', async () => {
  const ctx = testCtx()
  const [id = ''] = await add(ctx, personId())
  const { it, said } = message(id)
  await keepDeadLetters(ctx, 'aurelius-analytics-dead', [it])
  expect(said).toEqual(['ack'])
  expect(await ctx.db.select().from(deadLetters).where(eq(deadLetters.messageId, id))).toEqual([])
  expect((await rowOf(ctx, id)).sendAt).not.toBeNull()
})

test('what the quick way lost is sent by the relay, after its grace and not again at once', async () => {
  const ctx = testCtx()
  const ids = await add(ctx, personId(), 3)
  expect(await relayJobs(ctx)).toBe(0)
  await ctx.db.update(jobs).set({ sendAt: sql`now()` })
  expect(await relayJobs(ctx)).toBe(3)
  expect(await relayJobs(ctx)).toBe(0)
  expect(ctx.sent).toEqual(expect.arrayContaining(ids.map((jobId) => ({ v: 1, kind: 'job', jobId }))))
})

test('a queue that takes nothing gives its jobs back: they are sent with the next tick', async () => {
  const ctx = testCtx()
  await add(ctx, personId(), 2)
  await ctx.db.update(jobs).set({ sendAt: sql`now()` })
  const away = { sendBatch: () => Promise.reject(new Error('away')) }
  const env = new Proxy(ctx.env, { get: () => away })
  await expect(relayJobs({ ...ctx, env })).rejects.toThrow('away')
  expect(await relayJobs(ctx)).toBe(2)
})

test('a queue that hangs is left after ten seconds, and gives its jobs back', async () => {
  const ctx = testCtx()
  await add(ctx, personId(), 2)
  await ctx.db.update(jobs).set({ sendAt: sql`now()` })
  const { promise: asked, resolve } = Promise.withResolvers<void>()
  const sendBatch = () => {
    resolve()
    return new Promise(() => {})
  }
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  try {
    const relayed = expect(relayJobs({ ...ctx, env: new Proxy(ctx.env, { get: () => ({ sendBatch }) }) })).rejects
    const left = relayed.toThrow('took too long')
    await asked
    await vi.advanceTimersByTimeAsync(10_000)
    await left
  } finally {
    vi.useRealTimers()
  }
  expect(await relayJobs(ctx)).toBe(2)
})

test('a kick is a message for each, delayed as its job is', async () => {
  const sent: unknown[] = []
  const queue = { sendBatch: async (messages: unknown[]) => void sent.push(...messages) }
  const ctx = testCtx()
  const env = new Proxy(ctx.env, { get: () => queue })
  kick({ ...ctx, env }, [{ queue: QUEUE, jobId: 'job_a' }, null, { queue: 'email', jobId: 'job_b', delayS: 100_000 }])
  await ctx.settled()
  expect(sent).toMatchObject([{ delaySeconds: 0 }, { delaySeconds: 43_200 }])
})

test('a paused queue begins nothing and is sent nothing; when it goes on, what is ready is sent for', async () => {
  const ctx = testCtx()
  const ids = await add(ctx, personId(), 2)
  const { handlers, done } = worker()
  expect((await pauseJobs(ctx, QUEUE, true)).pausedAt).not.toBeNull()
  await arrive(ctx, ids, handlers)
  await ctx.db.update(jobs).set({ sendAt: sql`now()` })
  expect(await relayJobs(ctx)).toBe(0)
  expect(done).toEqual([])
  expect((await rowOf(ctx, ids[0] ?? '')).attempts).toBe(0)
  expect(await pauseJobs(ctx, QUEUE, false)).toMatchObject({ pausedAt: null, ready: 2 })
  await ctx.settled()
  expect(ctx.sent).toHaveLength(2)
  await arrive(ctx, ids, handlers)
  expect(done).toHaveLength(2)
})

test('another queue is not paused with it', async () => {
  const ctx = testCtx()
  await add(ctx, personId(), 1, 'integrations')
  await ctx.db.update(jobs).set({ sendAt: sql`now()` })
  await pauseJobs(ctx, QUEUE, true)
  expect(await relayJobs(ctx)).toBe(1)
})

test('queues say how deep they are, how old what waits is and what came of the last hour', async () => {
  const ctx = testCtx()
  const ids = await add(ctx, personId(), 4)
  await arrive(ctx, ids.slice(0, 1), worker().handlers)
  await arrive(ctx, ids.slice(0, 1), failing(new Error('no')).handlers)
  await ctx.db
    .update(jobs)
    .set({ availableAt: sql`now() - interval '90 seconds'` })
    .where(eq(jobs.id, ids[3] ?? ''))
  ctx.meter.trips = 0
  const queues = await listJobQueues(ctx)
  expect(ctx.meter.trips).toBe(1)
  expect(queues.map(({ queue }) => queue)).toEqual(['email', 'ai-tasks', 'integrations', 'notifications', 'analytics'])
  const found = queues.find(({ queue }) => queue === QUEUE)
  expect(found).toMatchObject({ ready: 2, later: 1, running: 0, dead: 0, setAside: 0, pausedAt: null })
  expect(found?.oldestReadyS).toBeGreaterThanOrEqual(90)
  expect(found?.lastHour).toMatchObject({ done: 1, failed: 1, lost: 0 })
  expect(found?.lastHour.p95Ms).toBeGreaterThanOrEqual(0)
})

test('jobs are listed by queue, state and person, newest first, page by page', async () => {
  const ctx = testCtx()
  const userId = personId()
  const ids = await add(ctx, userId, 3)
  await add(ctx, personId())
  const first = await listJobs(ctx, { limit: 2, userId })
  expect(first.items.map(({ id }) => id)).toEqual([ids[2], ids[1]])
  const next = await listJobs(ctx, { limit: 2, userId, cursor: first.nextCursor ?? '' })
  expect([next.items.map(({ id }) => id), next.nextCursor]).toEqual([[ids[0]], null])
  expect((await listJobs(ctx, { limit: 10, queue: QUEUE, status: 'waiting', kind: 'test' })).items).toHaveLength(4)
  expect((await listJobs(ctx, { limit: 10, status: 'dead' })).items).toEqual([])
})

test('what waits is purged: cancelled and not done, unless somebody tries it again; what is done is not', async () => {
  const ctx = testCtx()
  const ids = await add(ctx, personId(), 2)
  const { handlers, ids: done } = worker()
  await arrive(ctx, ids.slice(0, 1), handlers)
  expect(await purgeJobs(ctx, QUEUE, {})).toBe(1)
  await arrive(ctx, ids, handlers)
  expect(done()).toEqual([ids[0]])
  expect(await rowOf(ctx, ids[1] ?? '')).toMatchObject({ status: 'cancelled', sendAt: null })
  await retryJob(ctx, ids[1] ?? '')
  await arrive(ctx, ids, handlers)
  expect(done()).toEqual(ids)
  await expect(retryJob(ctx, ids[0] ?? '')).rejects.toMatchObject({ code: 'conflict' })
  await expect(retryJob(ctx, ctx.newId('job'))).rejects.toMatchObject({ code: 'not_found' })
})

test('what was done goes after a week, what died after a month, and what waits never', async () => {
  const ctx = testCtx()
  const [done = '', dead = '', waiting = ''] = await add(ctx, personId(), 3)
  const age = async (id: string, status: 'done' | 'dead', days: number) => {
    const endedAt = sql`now() - ${days} * interval '1 day'`
    await ctx.db.update(jobs).set({ status, endedAt, sendAt: null }).where(eq(jobs.id, id))
  }
  const left = async () => (await ctx.db.select({ id: jobs.id }).from(jobs).orderBy(jobs.id)).map(({ id }) => id)
  await age(done, 'done', 6)
  await age(dead, 'dead', 29)
  await pruneJobs(ctx)
  expect(await left()).toEqual([done, dead, waiting])
  await age(done, 'done', 8)
  await age(dead, 'dead', 8)
  await pruneJobs(ctx)
  expect(await left()).toEqual([dead, waiting])
  await age(dead, 'dead', 31)
  await pruneJobs(ctx)
  expect(await left()).toEqual([waiting])
})

/** What the audit has of the deployment, the latest last. */
const noted = async (ctx: Ctx) => {
  const { rows } = await ctx.db.execute(sql`
    select action, target, changes from audit_log where user_id = 'service' order by seq desc limit 3`)
  return rows.toReversed()
}

test('what was done to jobs and what the audit has of it are one commit, with how many they were', async () => {
  const ctx = testCtx({ operation: 'proof of the audit' })
  const [id = ''] = await add(ctx, personId(), 3)
  await purgeJobs(ctx, QUEUE, {})
  await retryJob(ctx, id)
  await pauseJobs(ctx, QUEUE, true)
  const action = 'proof of the audit'
  expect(await noted(ctx)).toEqual([
    { action, target: QUEUE, changes: { after: { jobs: 3 } } },
    { action, target: id, changes: {} },
    { action, target: QUEUE, changes: { after: { paused: true } } },
  ])
  await due(ctx, [id])
  await pauseJobs(ctx, QUEUE, false)
  await arrive(ctx, [id], worker().handlers)
  await expect(retryJob(ctx, id)).rejects.toMatchObject({ code: 'conflict' })
  expect((await noted(ctx)).at(-1)).toMatchObject({ target: QUEUE, changes: { after: { paused: false } } })
})

test('resumed, the thousand that were ready first are sent for at once, and the others keep their time', async () => {
  const ctx = testCtx()
  const ids = await add(ctx, personId(), 1001)
  await pauseJobs(ctx, QUEUE, true)
  await ctx.db.update(jobs).set({ sendAt: sql`now() + interval '4 minutes'`, availableAt: sql`now()` })
  const last = ids.at(-1) ?? ''
  await ctx.db.update(jobs).set({ availableAt: sql`now() - interval '1 second'` }).where(ne(jobs.id, last))
  await pauseJobs(ctx, QUEUE, false)
  await ctx.settled()
  const { sendAt, availableAt } = await rowOf(ctx, last)
  expect(ctx.sent).toHaveLength(1000)
  expect(ctx.sent).not.toContainEqual({ v: 1, kind: 'job', jobId: last })
  expect((sendAt?.getTime() ?? 0) - availableAt.getTime()).toBe(240_000)
})

import { eq, sql } from 'drizzle-orm'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { AppError, type Ctx } from '#core'
import { testCtx } from '#test/database'
import { add, arrive, due, emptyQueues, failing, message, personId, QUEUE, rowOf, worker } from '#test/jobs'
import { getJob, redriveJobs, retryJob } from './job-admin.ts'
import { enqueue, SETTINGS } from './jobs.ts'
import { backoffS, type JobHandler, MAX_LOSSES, takeJobs } from './run-jobs.ts'
import { jobAttempts, jobs } from './tables.ts'

beforeEach(emptyQueues)
afterEach(() => void vi.useRealTimers())

test('the same key is the same job, and what it says of its work is ids', async () => {
  const ctx = testCtx()
  const userId = personId()
  const job = (id: string) => ({ id, queue: QUEUE, kind: 'test', userId, ref: 'day_1', key: 'test:one' }) as const
  const [first, second] = [ctx.newId('job'), ctx.newId('job')]
  expect(await enqueue(ctx.db, [job(first)])).toEqual([{ jobId: first, queue: QUEUE }])
  expect(await enqueue(ctx.db, [job(second)])).toEqual([])
  expect(await rowOf(ctx, first)).toMatchObject({ owner: userId, ref: 'day_1', status: 'waiting', attempts: 0 })
})

test('each message five times, shuffled, in batches split anywhere: each job is done once', async () => {
  const ctx = testCtx()
  const ids = (await Promise.all([1, 2, 3].map(() => add(ctx, personId(), 4)))).flat()
  const { handlers, ids: done } = worker()
  const copies = Array.from({ length: 5 }, () => ids).flat()
  const shuffled = copies.map((id, n) => ({ id, at: (n * 7919) % 101 })).toSorted((a, b) => a.at - b.at)
  for (let at = 0; at < shuffled.length; at += 7)
    await arrive(
      ctx,
      shuffled.slice(at, at + 7).map(({ id }) => id),
      handlers,
    )
  expect(done().toSorted()).toEqual(ids.toSorted())
  expect(await ctx.db.select().from(jobAttempts)).toHaveLength(ids.length)
})

test('consumers at the same time do each job once', async () => {
  const ctx = testCtx()
  const ids = await add(ctx, personId(), 20)
  const { handlers, ids: done } = worker()
  await Promise.all(Array.from({ length: 4 }, (_, n) => arrive(ctx, ids.slice(n * 5, n * 5 + 5), handlers)))
  expect(done().toSorted()).toEqual(ids.toSorted())
})

test("one person's thousand jobs keep another's one waiting for no more than a batch, whoever a message is of", async () => {
  const ctx = testCtx()
  const many = await add(ctx, personId(), 1000)
  const [one = ''] = await add(ctx, personId())
  const { handlers, ids } = worker()
  await arrive(ctx, many.slice(0, 5), handlers)
  expect(ids()).toHaveLength(5)
  expect(ids()).toContain(one)
})

test('whoever has work running comes after who has none', async () => {
  const ctx = testCtx()
  const [busy, idle] = [personId(), personId()]
  const [held = '', ...rest] = await add(ctx, busy, 3)
  await ctx.db
    .update(jobs)
    .set({ status: 'running', availableAt: sql`now() + interval '1 minute'` })
    .where(eq(jobs.id, held))
  const theirs = await add(ctx, idle, 2)
  const { handlers, ids } = worker()
  await arrive(ctx, rest, handlers)
  expect(ids()).toContain(theirs[0])
  expect(ids()).toHaveLength(2)
})

test('what fails is tried later, by itself, and its neighbours are done', async () => {
  const ctx = testCtx()
  const ids = await add(ctx, personId(), 3)
  const { handlers } = worker(async (_, { id }) => {
    if (id === ids[1]) throw new TypeError('no such luck')
  })
  await arrive(ctx, ids, handlers)
  const rows = await Promise.all(ids.map((id) => rowOf(ctx, id)))
  expect(rows.map(({ status }) => status)).toEqual(['done', 'waiting', 'done'])
  expect(rows[1]).toMatchObject({ attempts: 1, errorCode: 'internal', endedAt: null })
  expect(rows[1]?.sendAt?.getTime()).toBeGreaterThan(rows[1]?.availableAt.getTime() ?? 0)
  expect(ctx.sent).toEqual([{ v: 1, kind: 'job', jobId: ids[1] }])
  const { history } = await getJob(ctx, ids[1] ?? '')
  expect(history).toMatchObject([
    { attempt: 1, outcome: 'failed', errorCode: 'internal', error: 'TypeError: no such luck' },
  ])
  expect(history[0]?.durationMs).toBeGreaterThanOrEqual(0)
})

test('it waits by chance, up to a bound that doubles, and never before it was told to come', async () => {
  expect([1, 2, 3].map((attempt) => backoffS('email', attempt, 1))).toEqual([4, 8, 16])
  expect(backoffS('email', 3, 0.25)).toBe(4)
  expect(backoffS('email', 40, 1)).toBe(SETTINGS.email.capS)
  const ctx = testCtx()
  const [id = ''] = await add(ctx, personId())
  await arrive(ctx, [id], failing(new AppError('unavailable', 'not now', { retryAfterS: 5000 })).handlers)
  const { availableAt, errorCode } = await rowOf(ctx, id)
  expect(errorCode).toBe('unavailable')
  expect(availableAt.getTime() - Date.now()).toBeGreaterThan(4_900_000)
})

test('after its last attempt it is dead and says so; redriven, it has as many again and its history', async () => {
  const log = { info: vi.fn(), warn: vi.fn(), error: vi.fn() }
  const ctx = testCtx({ log })
  const [id = ''] = await add(ctx, personId())
  const most = SETTINGS[QUEUE].maxAttempts
  for (let n = 0; n < most; n++) {
    expect((await rowOf(ctx, id)).status).toBe('waiting')
    await due(ctx, [id])
    await arrive(ctx, [id], failing(new AppError('unavailable', 'not now')).handlers)
  }
  expect(await rowOf(ctx, id)).toMatchObject({ status: 'dead', attempts: most, sendAt: null })
  expect(log.error).toHaveBeenCalledWith('job.dead', expect.objectContaining({ jobId: id, code: 'unavailable' }))
  await arrive(ctx, [id], worker().handlers)
  expect((await rowOf(ctx, id)).status).toBe('dead')
  expect(await redriveJobs(ctx, QUEUE, { kind: 'another' })).toBe(0)
  expect(await redriveJobs(ctx, QUEUE, {})).toBe(1)
  expect(await rowOf(ctx, id)).toMatchObject({ status: 'waiting', maxAttempts: 2 * most })
  await arrive(ctx, [id], worker().handlers)
  const { status, history } = await getJob(ctx, id)
  expect([status, history.length, history[0]?.outcome]).toEqual(['done', most + 1, 'done'])
})

/** As a consumer that dies at its work: its batch is claimed, and nobody hears of it any more. */
async function die(ctx: Ctx, ids: string[]): Promise<string[]> {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  const begun: string[] = []
  const called = Promise.withResolvers<void>()
  const hangs: JobHandler = async (_, { id }) => {
    begun.push(id)
    called.resolve()
    await new Promise(() => undefined)
  }
  void arrive(ctx, ids, { test: hangs })
  await called.promise
  await vi.waitFor(() => expect(begun.length).toBeGreaterThanOrEqual(1))
  vi.useRealTimers()
  return begun
}

test('a job that kills its consumer is set aside alone: its neighbours are done after it, and it is not run again', async () => {
  const log = { info: vi.fn(), warn: vi.fn(), error: vi.fn() }
  const ctx = testCtx({ log })
  const ids = await add(ctx, personId(), 4)
  const poison = ids[2] ?? ''
  await die(ctx, ids)
  const claims: string[][] = []
  for (let n = 1; n < MAX_LOSSES; n++) {
    await due(ctx, ids)
    const alone: string[] = []
    const dies: JobHandler = async (_, { id }) => {
      alone.push(id)
      if (id === poison) await new Promise(() => undefined)
    }
    // As many consumers as it takes to find it again: each takes one that was lost, alone.
    for (let tries = 0; tries < ids.length && !alone.includes(poison); tries++) {
      alone.length = 0
      vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
      const ended = arrive(ctx, [poison], { test: dies })
      await Promise.race([ended, vi.waitFor(() => expect(alone).toContain(poison))])
      vi.useRealTimers()
      claims.push([...alone])
    }
  }
  expect(claims.every((claim) => claim.length <= 1)).toBe(true)
  await due(ctx, ids)
  const { handlers, ids: done } = worker()
  await arrive(ctx, ids, handlers)
  expect(done()).not.toContain(poison)
  expect(await rowOf(ctx, poison)).toMatchObject({ status: 'set_aside', losses: MAX_LOSSES, errorCode: 'lost' })
  for (const id of ids) if (id !== poison) expect((await rowOf(ctx, id)).status).toBe('done')
  const { history } = await getJob(ctx, poison)
  expect(history.map(({ outcome }) => outcome)).toEqual(Array(MAX_LOSSES).fill('lost'))
  expect(log.error).toHaveBeenCalledWith('job.set_aside', expect.objectContaining({ jobId: poison }))
  expect((await retryJob(ctx, poison)).status).toBe('waiting')
})

test('what was lost is done alone and after all else of its batch: what is fresh beside it is done before it kills again', async () => {
  const ctx = testCtx()
  const [poison = ''] = await add(ctx, personId())
  await die(ctx, [poison])
  await due(ctx, [poison])
  const fresh = await add(ctx, personId(), 3)
  const begun: string[] = []
  const done: string[] = []
  const dies: JobHandler = async (_, { id }) => {
    begun.push(id)
    if (id === poison) await new Promise(() => undefined)
    done.push(id)
  }
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  void arrive(ctx, [poison, ...fresh], { test: dies })
  await vi.waitFor(() => expect(begun).toContain(poison))
  vi.useRealTimers()
  expect(begun.at(-1)).toBe(poison)
  expect(done.toSorted()).toEqual(fresh.toSorted())
  const states = await Promise.all(fresh.map(async (id) => (await rowOf(ctx, id)).status))
  expect(states).toEqual(['done', 'done', 'done'])
})

test('whoever comes back after its lease notes nothing: the job is another consumer’s', async () => {
  const log = { info: vi.fn(), warn: vi.fn(), error: vi.fn() }
  const ctx = testCtx({ log })
  const [id = ''] = await add(ctx, personId())
  const second = worker()
  const first = worker(async () => {
    await due(ctx, [id])
    await arrive(ctx, [id], second.handlers)
    throw new Error('too late')
  })
  await arrive(ctx, [id], first.handlers)
  expect(second.ids()).toEqual([id])
  expect(await rowOf(ctx, id)).toMatchObject({ status: 'done', attempts: 2 })
  expect(log.warn).toHaveBeenCalledWith('job.late', expect.objectContaining({ jobId: id, attempt: 1 }))
})

test('one that takes longer than its queue allows is given up, and tried again', async () => {
  const ctx = testCtx()
  const [id = ''] = await add(ctx, personId())
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  const called = Promise.withResolvers<void>()
  const { handlers } = worker(async () => {
    called.resolve()
    await new Promise(() => undefined)
  })
  const ended = arrive(ctx, [id], handlers)
  await called.promise
  vi.advanceTimersByTime(SETTINGS[QUEUE].deadlineMs)
  vi.useRealTimers()
  await ended
  expect(await rowOf(ctx, id)).toMatchObject({ status: 'waiting', attempts: 1, errorCode: 'timeout' })
})

test('a kind that nobody here knows waits for who does', async () => {
  const ctx = testCtx()
  const [id = ''] = await add(ctx, personId())
  await arrive(ctx, [id], {})
  expect(await rowOf(ctx, id)).toMatchObject({ status: 'waiting', attempts: 1, errorCode: 'unavailable' })
})

test('what is no job is asked for again, and what stands beside it is done', async () => {
  const ctx = testCtx()
  const [id = ''] = await add(ctx, null)
  const { handlers, done } = worker()
  const [strange, good] = [message('x', { v: 1, kind: 'event', outboxId: 'x' }), message(id)]
  await takeJobs(ctx, QUEUE, [strange.it, good.it], handlers)
  expect([strange.said, good.said]).toEqual([['retry'], ['ack']])
  expect(done).toMatchObject([{ id, userId: null }])
})

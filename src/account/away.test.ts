import { expect, test, vi } from 'vitest'
import { makePerson } from '#test/database'
import { openArchive, startExport } from './export.ts'
import { dataExports } from './tables.ts'

/** A binding that is asked, and answers nothing. */
function hanging() {
  const { promise: asked, resolve } = Promise.withResolvers<void>()
  const call = () => {
    resolve()
    return new Promise(() => {})
  }
  return { asked, call }
}

/** What `work` comes to once the binding was asked and so much time has passed. */
async function after<T>(ms: number, { asked }: ReturnType<typeof hanging>, work: () => Promise<T>) {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  try {
    const ended = Promise.allSettled([work()])
    await asked
    await vi.advanceTimersByTimeAsync(ms)
    return (await ended)[0]
  } finally {
    vi.useRealTimers()
  }
}

test('an archive that cannot be had now is told to be away for now, in eight seconds at most', async () => {
  const bucket = hanging()
  const FILES = { get: bucket.call }
  const ctx = await makePerson({ env: { FILES } as unknown as Env })
  const soon = new Date('2999-01-01')
  const id = ctx.newId('exp')
  const row = { id, userId: ctx.actor.userId, state: 'ready' as const, leaseUntil: soon, expiresAt: soon }
  await ctx.db.insert(dataExports).values(row)
  const away = { code: 'unavailable', retryAfterS: 5 }
  expect(await after(8000, bucket, () => openArchive(ctx, id))).toMatchObject({ reason: away })
  FILES.get = () => Promise.reject(new Error('internal error'))
  await expect(openArchive(ctx, id)).rejects.toMatchObject(away)
})

test('an export whose workflow does not begin is asked for all the same: cron begins it', async () => {
  const workflows = hanging()
  const ctx = await makePerson({ env: { EXPORT_PERSON: { create: workflows.call } } as unknown as Env })
  expect(await after(5000, workflows, () => startExport(ctx))).toMatchObject({ value: { state: 'running' } })
})

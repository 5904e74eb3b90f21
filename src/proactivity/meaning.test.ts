import { and, eq } from 'drizzle-orm'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { readConfig } from '#config'
import { jobs, outbox } from '#queue/tables'
import { testCtx } from '#test/database'
import { withEmbeddings } from '#test/embeddings'
import { makeLearner, offer } from '#test/suggestions'
import { wordLikeness } from './alike.ts'
import { dismissSuggestion } from './decide.ts'
import { keepDismissed } from './meaning-job.ts'
import { propose } from './propose.ts'
import { suggestionSubscriber } from './subscriber.ts'

const AWAY = {
  ...{ EMBEDDINGS_PROVIDER: 'openai-compatible', EMBEDDINGS_BASE_URL: 'http://127.0.0.1:9/v1' },
  ...{ EMBEDDINGS_MODEL: 'away=1/0', EMBEDDINGS_DIMENSIONS: '8' },
}
let local: Awaited<ReturnType<typeof withEmbeddings>>
beforeAll(async () => {
  local = await withEmbeddings(inject('vars'))
})
afterAll(() => local.stop())

/** Somebody who dismissed one of this title, which was heard of; and the work that this asked for. */
async function dismissed(title: string) {
  const learner = await makeLearner('2026-11-23T12:00:00.000Z')
  const ctx = Object.assign(learner.ctx, { config: local.config })
  const say = async (of: string) => {
    const told = await propose(ctx, offer({ title: of }, learner.clock.now))
    return { id: told.id, reason: told.status === 'withheld' ? told.reason : null }
  }
  await dismissSuggestion(ctx, (await say(title)).id, {})
  const system = testCtx({ now: () => learner.clock.now, env: ctx.env, config: local.config })
  const decided = and(eq(outbox.userId, ctx.actor.userId), eq(outbox.type, 'suggestion.decided'))
  const events = await ctx.db.select().from(outbox).where(decided)
  const told = events.map(({ createdAt, ...event }) => ({ ...event, at: createdAt.toISOString() }))
  for (const _ of [1, 2]) await suggestionSubscriber.handle(system, told)
  const asked = await ctx.db.select().from(jobs).where(eq(jobs.owner, ctx.actor.userId))
  return { ctx, system, asked, say: async (of: string) => (await say(of)).reason }
}

/** Learned of, as the queue has it done. */
async function dismissing(title: string) {
  const { system, asked, say } = await dismissed(title)
  for (const { id, kind, owner, ref, key } of asked)
    await keepDismissed(system, { id, kind, userId: owner, ref, key, attempt: 1 })
  return say
}

test('what means what was dismissed is not said, though it shares no word with it', async () => {
  const titles = ['Purchase a birthday gift for your mother', 'Buy mom a present'] as const
  expect(wordLikeness(...titles)).toBe(0)
  const say = await dismissing(titles[0])
  expect([await say(titles[1]), await say('Renew the passport')]).toEqual(['look_alike', null])
})

test('what is near in meaning and names another day is another thing', async () => {
  const say = await dismissing('Purchase a birthday gift for your mother on Monday')
  expect([await say('Buy mom a present on Tuesday'), await say('Buy mom a present on Monday')]).toEqual([
    null,
    'look_alike',
  ])
})

test('what a dismissed one means is kept by a job of its person, one for however often it is heard of', async () => {
  const { ctx, system, asked, say } = await dismissed('Purchase a birthday gift for your mother')
  expect(asked).toMatchObject([
    { queue: 'analytics', kind: 'keep_meaning', owner: ctx.actor.userId, status: 'waiting' },
  ])
  const [job] = asked
  const given = { id: job?.id ?? '', kind: 'keep_meaning', userId: ctx.actor.userId, key: '', attempt: 1 }
  // A model that is away fails the attempt, and the queue tries again.
  const away = readConfig({ ...inject('vars'), ...AWAY })
  await expect(keepDismissed({ ...system, config: away }, { ...given, ref: job?.ref ?? '' })).rejects.toThrow()
  await keepDismissed(system, { ...given, ref: ctx.newId('sug') })
  expect(await say('Buy mom a present')).toBeNull()
})

import { and, eq } from 'drizzle-orm'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { outbox } from '#queue/tables'
import { testCtx } from '#test/database'
import { withEmbeddings } from '#test/embeddings'
import { makeLearner, offer } from '#test/suggestions'
import { wordLikeness } from './alike.ts'
import { dismissSuggestion } from './decide.ts'
import { propose } from './propose.ts'
import { suggestionSubscriber } from './subscriber.ts'

let local: Awaited<ReturnType<typeof withEmbeddings>>
beforeAll(async () => {
  local = await withEmbeddings(inject('vars'))
})
afterAll(() => local.stop())

/** Somebody who dismissed one of this title, which was heard of. */
async function dismissing(title: string) {
  const learner = await makeLearner('2026-11-23T12:00:00.000Z')
  const ctx = Object.assign(learner.ctx, { config: local.config })
  const say = async (of: string) => {
    const told = await propose(ctx, offer({ title: of }, learner.clock.now))
    return { id: told.id, reason: told.status === 'withheld' ? told.reason : null }
  }
  await dismissSuggestion(ctx, (await say(title)).id, {})
  const decided = and(eq(outbox.userId, ctx.actor.userId), eq(outbox.type, 'suggestion.decided'))
  const events = await ctx.db.select().from(outbox).where(decided)
  await suggestionSubscriber.handle(
    testCtx({ now: () => learner.clock.now, env: ctx.env, config: local.config }),
    events.map(({ createdAt, ...event }) => ({ ...event, at: createdAt.toISOString() })),
  )
  return async (of: string) => (await say(of)).reason
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

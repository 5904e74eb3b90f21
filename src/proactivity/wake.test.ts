import { eq, sql } from 'drizzle-orm'
import { expect, test } from 'vitest'
import type { DomainEvent } from '#core'
import { outbox } from '#queue/tables'
import { testCtx } from '#test/database'
import { type Learner, makeLearner, offer } from '#test/suggestions'
import { users } from '#users/tables'
import { approveSuggestion, dismissSuggestion, snoozeSuggestion } from './decide.ts'
import { listWithheld } from './list.ts'
import { readSuggestion } from './move.ts'
import { propose } from './propose.ts'
import { suggestionSubscriber, suggestionTimers } from './subscriber.ts'
import { suggestions } from './tables.ts'
import { pruneSuggestions, sweepSuggestions, wakeSuggestion } from './wake.ts'

const MONDAY = '2026-11-23T09:00:00.000Z'
const NIGHT = '2026-11-23T23:00:00.000Z'

/** The same moment and Steward, nobody signed in. */
const system = ({ ctx, clock }: Learner) => testCtx({ now: () => clock.now, env: ctx.env })
const wake = (learner: Learner, id: string) => wakeSuggestion(system(learner), { userId: learner.ctx.actor.userId, id })

async function eventsOf({ ctx }: Learner): Promise<DomainEvent[]> {
  const rows = await ctx.db
    .select()
    .from(outbox)
    .where(eq(outbox.userId, ctx.actor.userId))
    .orderBy(outbox.createdAt, outbox.version)
  return rows.map(({ createdAt, ...row }) => ({ ...row, at: createdAt.toISOString() }))
}

/** Hands all that was told to a consumer, in order; those it does not want are left out. */
async function hear(learner: Learner, consumer = suggestionTimers): Promise<void> {
  const events = (await eventsOf(learner)).filter(({ type }) => consumer.wants(type))
  await consumer.handle(system(learner), events)
}

const quiet = ({ ctx }: Learner) =>
  ctx.db
    .update(users)
    .set({ quietHours: { from: '22:00', to: '07:00' } })
    .where(eq(users.id, ctx.actor.userId))

test('a timer is armed for its end, moved when it is put off, and cancelled when it is decided', async () => {
  const learner = await makeLearner(MONDAY)
  const { ctx, armed } = learner
  const { id } = await propose(ctx, offer({}, learner.clock.now))
  await hear(learner)
  expect(armed).toMatchObject([{ name: `suggestion:${id}`, dueMs: Date.parse(MONDAY) + 86_400_000, version: 1 }])
  await snoozeSuggestion(ctx, id, { minutes: 45 })
  await hear(learner)
  expect(armed.at(-1)).toMatchObject({ dueMs: Date.parse(MONDAY) + 45 * 60_000, version: 2 })
  await dismissSuggestion(ctx, id, {})
  await hear(learner)
  expect(armed).toEqual([])
})

test('what was put off comes back, once, and before that nothing happens', async () => {
  const learner = await makeLearner(MONDAY)
  const { ctx } = learner
  const { id } = await propose(ctx, offer({}, learner.clock.now))
  await snoozeSuggestion(ctx, id, { minutes: 45 })
  learner.pass(44)
  await wake(learner, id)
  expect(await readSuggestion(ctx, id)).toMatchObject({ status: 'snoozed', version: 2 })
  learner.pass(1)
  await Promise.all([wake(learner, id), wake(learner, id)])
  expect(await readSuggestion(ctx, id)).toMatchObject({
    status: 'proposed',
    version: 3,
    wakeAt: null,
    proposedAt: MONDAY,
  })
})

test('what comes back waits for a place among three, and for the end of quiet hours', async () => {
  const learner = await makeLearner('2026-11-23T21:00:00.000Z')
  const { ctx } = learner
  await quiet(learner)
  const ids: string[] = []
  for (let n = 0; n < 4; n++) {
    const { id } = await propose(ctx, offer({}, learner.clock.now))
    ids.push(id)
    if (n === 0) await snoozeSuggestion(ctx, id, { minutes: 30 })
  }
  const [id = '', second = ''] = ids
  learner.pass(30)
  await wake(learner, id)
  expect(await readSuggestion(ctx, id)).toMatchObject({ status: 'snoozed', wakeAt: '2026-11-23T21:45:00.000Z' })
  learner.pass(45)
  await wake(learner, id)
  expect(await readSuggestion(ctx, id)).toMatchObject({ status: 'snoozed', wakeAt: '2026-11-24T07:00:00.000Z' })
  await approveSuggestion(ctx, second, {})
  learner.pass(9 * 60)
  await wake(learner, id)
  expect(await readSuggestion(ctx, id)).toMatchObject({ status: 'proposed' })
})

test('what is put off into quiet hours is not over before they are, and nobody is said to have ignored it', async () => {
  const learner = await makeLearner('2026-11-23T21:00:00.000Z')
  const { ctx } = learner
  await quiet(learner)
  const expiresAt = '2026-11-23T21:30:00.000Z'
  const { id } = await propose(ctx, { ...offer({}, learner.clock.now), expiresAt })
  await snoozeSuggestion(ctx, id, { minutes: 90 })
  learner.pass(90)
  await wake(learner, id)
  learner.pass(8 * 60)
  await sweepSuggestions(system(learner))
  expect(await readSuggestion(ctx, id)).toMatchObject({ status: 'snoozed', wakeAt: '2026-11-24T07:00:00.000Z' })
  learner.pass(30)
  await wake(learner, id)
  expect(await readSuggestion(ctx, id)).toMatchObject({ status: 'proposed' })
})

test('what found no place is offered when there is one again', async () => {
  const learner = await makeLearner(MONDAY)
  const { ctx } = learner
  const ids: string[] = []
  for (let n = 0; n < 4; n++) ids.push((await propose(ctx, offer({}, learner.clock.now))).id)
  const [first = '', , , last = ''] = ids
  expect(await readSuggestion(ctx, last)).toMatchObject({ reason: 'too_many_open', wakeAt: '2026-11-23T09:15:00.000Z' })
  learner.pass(15)
  await wake(learner, last)
  expect(await readSuggestion(ctx, last)).toMatchObject({ reason: 'too_many_open', wakeAt: '2026-11-23T09:30:00.000Z' })
  await dismissSuggestion(ctx, first, {})
  learner.pass(15)
  await wake(learner, last)
  expect(await readSuggestion(ctx, last)).toMatchObject({ status: 'proposed', reason: null, wakeAt: null })
})

test('what was withheld for the night is judged again in the morning', async () => {
  const learner = await makeLearner(NIGHT)
  const { ctx } = learner
  await quiet(learner)
  const told = [await propose(ctx, offer({}, learner.clock.now)), await propose(ctx, offer({}, learner.clock.now))]
  const [{ id: good } = { id: '' }, { id: bad } = { id: '' }] = told
  await hear(learner)
  expect(learner.armed.map(({ dueMs }) => new Date(dueMs).toISOString())).toEqual([
    '2026-11-24T07:00:00.000Z',
    '2026-11-24T07:00:00.000Z',
  ])
  learner.pass(8 * 60)
  const { kind } = await readSuggestion(ctx, bad)
  await ctx.env.STEWARD.getByName('').learning({ do: 'edit', edits: [{ kind, set: 'mute' }] })
  await wake(learner, good)
  await wake(learner, bad)
  expect(await readSuggestion(ctx, good)).toMatchObject({ status: 'proposed', reason: null, wakeAt: null })
  expect((await listWithheld(ctx, { limit: 5 })).items).toMatchObject([{ id: bad, reason: 'learned', wakeAt: null }])
  const types = (await eventsOf(learner)).map(({ type }) => type)
  expect(types.filter((type) => type === 'suggestion.created')).toHaveLength(1)
})

test('what runs out is over by its timer; a timer too early, or of somebody gone, does nothing', async () => {
  const learner = await makeLearner(MONDAY)
  const { id } = await propose(learner.ctx, offer({}, learner.clock.now))
  await wake(learner, id)
  expect(await readSuggestion(learner.ctx, id)).toMatchObject({ status: 'proposed' })
  learner.pass(24 * 60)
  await wake(learner, id)
  await wake(learner, id)
  expect(await readSuggestion(learner.ctx, id)).toMatchObject({ status: 'expired', version: 2 })
  await wake(learner, 'sug_00000000000000000000000000')
})

test('what lost its timer is found by the sweep', async () => {
  const learner = await makeLearner(MONDAY)
  const { ctx } = learner
  const over = await propose(ctx, offer({}, learner.clock.now))
  const back = await propose(ctx, offer({}, learner.clock.now))
  await snoozeSuggestion(ctx, back.id, { until: '2026-11-24T08:59:00.000Z' })
  learner.pass(24 * 60)
  learner.clock.now = new Date(learner.clock.now.getTime() + 14_000)
  await sweepSuggestions(system(learner))
  expect(await readSuggestion(ctx, over.id)).toMatchObject({ status: 'proposed' })
  learner.pass(1)
  await sweepSuggestions(system(learner))
  expect(await readSuggestion(ctx, over.id)).toMatchObject({ status: 'expired' })
  expect(await readSuggestion(ctx, back.id)).toMatchObject({ status: 'proposed' })
})

test('what was withheld and is long over is forgotten, and nothing else', async () => {
  const learner = await makeLearner(MONDAY)
  const { ctx } = learner
  const told: { id: string }[] = []
  for (let n = 0; n < 5; n++) told.push(await propose(ctx, offer({}, learner.clock.now)))
  const month = sql`now() - interval '31 days'`
  const theirs = eq(suggestions.userId, ctx.actor.userId)
  await ctx.db.update(suggestions).set({ expiresAt: month }).where(theirs)
  await ctx.db
    .update(suggestions)
    .set({ expiresAt: sql`now()` })
    .where(eq(suggestions.id, told[4]?.id ?? ''))
  await pruneSuggestions(ctx)
  const left = await ctx.db.select({ id: suggestions.id }).from(suggestions).where(theirs)
  expect(left.map(({ id }) => id).sort()).toEqual([0, 1, 2, 4].map((n) => told[n]?.id).sort())
})

test('each decision is learned from once, as what it was and when it was offered', async () => {
  const learner = await makeLearner(MONDAY)
  const { ctx } = learner
  for (const [n, decide] of [approveSuggestion, dismissSuggestion].entries()) {
    const { id } = await propose(ctx, offer({ kind: `kind_of_${n}` }, learner.clock.now))
    await decide(ctx, id, {})
  }
  await hear(learner, suggestionSubscriber)
  await hear(learner, suggestionSubscriber)
  const { lines } = await learner.steward.learning({ do: 'show' })
  expect(lines).toMatchObject([
    { kind: 'kind_of_0', yes: 1, no: 0 },
    { kind: 'kind_of_1', yes: 0, no: 1 },
  ])
})

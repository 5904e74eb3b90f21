import { and, eq, isNull } from 'drizzle-orm'
import { expect, test } from 'vitest'
import { effects } from '#effects/tables'
import { outbox } from '#queue/tables'
import { tasks } from '#tasks/tables'
import { makePerson, testCtx } from '#test/database'
import { act, type Learner, makeLearner, offer } from '#test/suggestions'
import { autonomyOf, setAutonomy } from './autonomy.ts'
import type { Autonomy } from './autonomy-schema.ts'
import { carryOut } from './carry-out.ts'
import { approveSuggestion, dismissSuggestion } from './decide.ts'
import { readSuggestion } from './move.ts'
import { propose } from './propose.ts'
import { suggestionSubscriber } from './subscriber.ts'
import { undoSuggestion } from './undo.ts'
import { sweepApproved } from './wake.ts'

const MONDAY = '2026-11-23T09:00:00.000Z'

async function approved(learner: Learner, over: Parameters<typeof offer>[0] = {}): Promise<string> {
  const actions = [act('Buy milk'), act('Buy bread')].map((one, n) => ({ ...one, id: `a${n}` }))
  const { id } = await propose(learner.ctx, offer({ actions, ...over }, learner.clock.now))
  await approveSuggestion(learner.ctx, id, {})
  return id
}

async function titlesOf({ ctx }: Learner): Promise<string[]> {
  const theirs = and(eq(tasks.userId, ctx.actor.userId), isNull(tasks.deletedAt))
  const rows = await ctx.db
    .select({ title: tasks.title })
    .from(tasks)
    .where(theirs)
    .orderBy(tasks.createdAt, tasks.title)
  return rows.map(({ title }) => title).sort()
}

test('what was approved is done once, however often it is asked', async () => {
  const learner = await makeLearner(MONDAY)
  const id = await approved(learner)
  await Promise.allSettled([carryOut(learner.ctx, id), carryOut(learner.ctx, id)])
  await carryOut(learner.ctx, id)
  expect(await titlesOf(learner)).toEqual(['Buy bread', 'Buy milk'])
  const done = await readSuggestion(learner.ctx, id)
  expect(done).toMatchObject({ status: 'done' })
  expect(done.effectIds).toHaveLength(2)
})

test('what a run offered is left to the run, and what was not approved to nobody', async () => {
  const learner = await makeLearner(MONDAY)
  await carryOut(learner.ctx, await approved(learner, { source: { kind: 'run', runId: 'run_1' } }))
  const { id } = await propose(learner.ctx, offer({ actions: [act('x')] }, learner.clock.now))
  await carryOut(learner.ctx, id)
  await dismissSuggestion(learner.ctx, id, {})
  await carryOut(learner.ctx, id)
  expect(await titlesOf(learner)).toEqual([])
})

test('a yes to what a run only told is all there is to do, and the same may be told another day', async () => {
  const learner = await makeLearner(MONDAY)
  const told = { kind: 'habit_nudge', title: '1 habit is open today', actions: [] }
  const ofRun = (runId: string) => ({ ...told, source: { kind: 'run' as const, runId } })
  const id = await approved(learner, ofRun('run_1'))
  await carryOut(learner.ctx, id)
  expect(await readSuggestion(learner.ctx, id)).toMatchObject({ status: 'done', effectIds: [] })
  learner.pass(24 * 60)
  const again = await propose(learner.ctx, offer({ ...ofRun('run_2') }, learner.clock.now))
  expect(again).toMatchObject({ status: 'proposed' })
})

test('one that fails is the last, and says why; what was done before it can be taken back', async () => {
  const learner = await makeLearner(MONDAY)
  const actions = [
    { ...act('Buy milk'), id: 'good' },
    { ...act('bad'), input: { title: '' } },
    { ...act('Buy bread'), id: 'never' },
  ]
  const id = await approved(learner, { actions })
  await carryOut(learner.ctx, id)
  const failed = await readSuggestion(learner.ctx, id)
  expect(failed).toMatchObject({ status: 'failed', detail: expect.stringContaining('Create bad') })
  expect(await titlesOf(learner)).toEqual(['Buy milk'])
  expect(await undoSuggestion(learner.ctx, id)).toMatchObject({
    suggestion: { status: 'undone' },
    effects: [{ effectId: failed.effectIds[0], status: 'undone' }],
  })
  expect(await titlesOf(learner)).toEqual([])
})

test('what is held is under way until it ends, and can be taken back meanwhile', async () => {
  const learner = await makeLearner(MONDAY)
  const { ctx } = learner
  const system = () => testCtx({ now: () => learner.clock.now, env: ctx.env })
  const mail = { to: ['ann@example.com'], subject: 'Hello', text: 'x' }
  const send = { ...act('mail'), id: 'mail', kind: 'send_mail', input: mail, outward: true }
  /** Whatever was told of its effects is heard. */
  const hear = async () => {
    const told = await ctx.db.select().from(outbox).where(eq(outbox.userId, ctx.actor.userId))
    const ended = told.filter(({ type }) => type === 'effect.updated')
    await suggestionSubscriber.handle(
      system(),
      ended.map((event) => ({ ...event, at: event.createdAt.toISOString() })),
    )
  }
  const id = await approved(learner, { actions: [send] })
  await carryOut(ctx, id)
  await hear()
  const { status, effectIds } = await readSuggestion(ctx, id)
  expect({ status, effects: effectIds.length }).toEqual({ status: 'running', effects: 1 })
  await ctx.db
    .update(effects)
    .set({ status: 'done', evidenceId: 'x' })
    .where(eq(effects.id, effectIds[0] ?? ''))
  await hear()
  learner.pass(11)
  await sweepApproved(system())
  expect(await readSuggestion(ctx, id)).toMatchObject({ status: 'done' })

  const back = await approved(learner, { actions: [{ ...send, input: { ...mail, subject: 'Goodbye' } }] })
  await carryOut(ctx, back)
  expect(await undoSuggestion(ctx, back)).toMatchObject({
    suggestion: { status: 'undone' },
    effects: [{ status: 'cancelled' }],
  })
  await hear()
  expect(await readSuggestion(ctx, back)).toMatchObject({ status: 'undone' })
})

test('undone, it is undone for good; where nothing was done there is nothing to undo', async () => {
  const learner = await makeLearner(MONDAY)
  const { ctx } = learner
  const id = await approved(learner)
  await expect(undoSuggestion(ctx, id)).rejects.toMatchObject({ code: 'nothing_to_undo' })
  await carryOut(ctx, id)
  const { effectIds } = await readSuggestion(ctx, id)
  const undone = await undoSuggestion(ctx, id)
  expect(undone.effects.map(({ effectId }) => effectId)).toEqual(effectIds.toReversed())
  expect(await titlesOf(learner)).toEqual([])
  expect(await undoSuggestion(ctx, id)).toMatchObject({ suggestion: { status: 'undone' }, effects: [] })
  await expect(undoSuggestion(await makePerson(), id)).rejects.toMatchObject({ code: 'not_found' })
})

test('what was lost on the way is carried out by the sweep, and given up after a day', async () => {
  const learner = await makeLearner(MONDAY)
  const system = () => testCtx({ now: () => learner.clock.now, env: learner.ctx.env })
  const id = await approved(learner)
  learner.pass(9)
  await sweepApproved(system())
  expect(await titlesOf(learner)).toEqual([])
  learner.pass(2)
  await sweepApproved(system())
  expect(await readSuggestion(learner.ctx, id)).toMatchObject({ status: 'done' })
  const late = await approved(learner, { expiresAt: '2027-01-01T00:00:00.000Z' })
  learner.pass(24 * 60 + 1)
  await sweepApproved(system())
  expect(await readSuggestion(learner.ctx, late)).toMatchObject({ status: 'failed' })
})

test('rules are replaced whole, for kinds there are; nobody else is allowed anything', async () => {
  const person = await makePerson()
  const rule = (kind: string, level: Autonomy, workflowId: string | null = null) => ({ kind, level, workflowId })
  const rules = [rule('*', 'ask'), rule('create_task', 'act_and_tell'), rule('create_task', 'never', 'wf_1')]
  await setAutonomy(person, { rules })
  expect(await autonomyOf(person)).toEqual(expect.arrayContaining(rules))
  expect(await autonomyOf(await makePerson())).toEqual([])
  await expect(setAutonomy(person, { rules: [rule('fly', 'ask')] })).rejects.toMatchObject({
    code: 'invalid_request',
    errors: [{ pointer: '/rules/0/kind' }],
  })
  expect(await autonomyOf(person)).toHaveLength(3)
  await setAutonomy(person, { rules: [] })
  expect(await autonomyOf(person)).toEqual([])
})

import { and, eq } from 'drizzle-orm'
import { expect, test } from 'vitest'
import { outbox } from '#queue/tables'
import { makePerson, revoke } from '#test/database'
import { act, type Learner, makeLearner, offer } from '#test/suggestions'
import {
  approveSuggestion,
  dismissSuggestion,
  expireSuggestion,
  releaseSuggestion,
  seeSuggestion,
  settleSuggestion,
  snoozeSuggestion,
  withdrawSuggestion,
} from './decide.ts'
import { gate } from './gate.ts'
import { explainSuggestion, listSuggestions, listWithheld } from './list.ts'
import { readSuggestion } from './move.ts'
import { propose } from './propose.ts'
import { suggestionDecisions } from './tables.ts'

const MONDAY = '2026-11-23T09:00:00.000Z'

async function offered(learner: Learner, over: Parameters<typeof offer>[0] = {}): Promise<string> {
  const told = await propose(learner.ctx, offer({ actions: [act('one'), act('two')], ...over }, learner.clock.now))
  expect(told.status).toBe('proposed')
  return told.id
}

async function decisionsOf({ ctx }: Learner) {
  const rows = await ctx.db
    .select({ data: outbox.data })
    .from(outbox)
    .where(and(eq(outbox.userId, ctx.actor.userId), eq(outbox.type, 'suggestion.decided')))
    .orderBy(outbox.createdAt)
  return rows.map(({ data }) => data)
}

test('approved as it is, it is decided once, and settled once', async () => {
  const learner = await makeLearner(MONDAY)
  const { ctx } = learner
  const id = await offered(learner, { source: { kind: 'run', runId: 'run_1' } })
  expect(await seeSuggestion(ctx, id)).toMatchObject({ status: 'seen', seenAt: MONDAY })
  expect(await seeSuggestion(ctx, id)).toMatchObject({ status: 'seen', version: 2 })
  ctx.meter.trips = 0
  expect(await approveSuggestion(ctx, id, {})).toMatchObject({ status: 'approved', agreed: [act('one'), act('two')] })
  expect(ctx.meter.trips).toBe(1)
  expect(await approveSuggestion(ctx, id, {})).toMatchObject({ status: 'approved', version: 3 })
  expect(await decisionsOf(learner)).toEqual([
    {
      id,
      kind: expect.any(String),
      title: expect.any(String),
      decision: 'approved',
      actions: [act('one'), act('two')],
      source: { kind: 'run', runId: 'run_1' },
      isEdited: false,
      teaches: true,
      moment: 'morning/weekday',
    },
  ])
  await settleSuggestion(ctx, id, { status: 'running' })
  const done = await settleSuggestion(ctx, id, { status: 'done', effectIds: ['eff_1'], detail: 'Two tasks made' })
  expect(done).toMatchObject({ status: 'done', effectIds: ['eff_1'], detail: 'Two tasks made' })
  expect(await settleSuggestion(ctx, id, { status: 'failed' })).toEqual(done)
})

test('approved in part or otherwise, it is decided as it was edited', async () => {
  const learner = await makeLearner(MONDAY)
  const { ctx } = learner
  const id = await offered(learner, { alternatives: [act('instead')] })
  const actions = [{ id: 'instead' }, { id: 'one', input: { title: 'another title' } }]
  const agreed = [act('instead'), act('one', { input: { title: 'another title' } })]
  expect(await approveSuggestion(ctx, id, { actions })).toMatchObject({ agreed })
  expect(await decisionsOf(learner)).toMatchObject([{ isEdited: true, actions: agreed }])
  const other = await offered(learner)
  await expect(approveSuggestion(ctx, other, { actions: [{ id: 'nobody' }] })).rejects.toMatchObject({
    code: 'invalid_request',
    errors: [{ pointer: '/actions/0/id' }],
  })
  await expect(approveSuggestion(ctx, other, { actions: [{ id: 'one', input: { title: 7 } }] })).rejects.toMatchObject({
    code: 'invalid_request',
    errors: [{ pointer: '/actions/0/input' }],
  })
})

test('all of it by name is no edit', async () => {
  const learner = await makeLearner(MONDAY)
  const id = await offered(learner)
  await approveSuggestion(learner.ctx, id, { actions: [{ id: 'one' }, { id: 'two', input: act('two').input }] })
  expect(await decisionsOf(learner)).toMatchObject([{ isEdited: false }])
})

test('what was decided is not decided otherwise', async () => {
  const learner = await makeLearner(MONDAY)
  const { ctx } = learner
  const id = await offered(learner)
  const no = await dismissSuggestion(ctx, id, { reason: 'not this week' })
  expect(await dismissSuggestion(ctx, id, {})).toEqual(no)
  for (const decide of [approveSuggestion(ctx, id, {}), snoozeSuggestion(ctx, id, { minutes: 5 })])
    await expect(decide).rejects.toMatchObject({ code: 'conflict' })
  const kept = await ctx.db.select().from(suggestionDecisions).where(eq(suggestionDecisions.suggestionId, id))
  expect(kept).toMatchObject([{ decision: 'dismissed', reason: 'not this week', isEdited: false }])
  expect(await decisionsOf(learner)).toHaveLength(1)
})

test('of two decisions at once one is made', async () => {
  const learner = await makeLearner(MONDAY)
  const { ctx } = learner
  const id = await offered(learner)
  const both = await Promise.allSettled([approveSuggestion(ctx, id, {}), dismissSuggestion(ctx, id, {})])
  expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
  expect(await decisionsOf(learner)).toHaveLength(1)
})

test('put off, it lives at least until it comes back, and never into the past', async () => {
  const learner = await makeLearner(MONDAY)
  const { ctx } = learner
  const id = await offered(learner)
  const until = '2026-12-01T09:00:00.000Z'
  expect(await snoozeSuggestion(ctx, id, { until })).toMatchObject({
    status: 'snoozed',
    wakeAt: until,
    expiresAt: '2026-12-01T10:00:00.000Z',
  })
  expect(await snoozeSuggestion(ctx, id, { minutes: 30 })).toMatchObject({ wakeAt: '2026-11-23T09:30:00.000Z' })
  for (const past of [MONDAY, '2028-01-01T00:00:00.000Z'])
    await expect(snoozeSuggestion(ctx, id, { until: past })).rejects.toMatchObject({ code: 'invalid_request' })
})

test('what ran out is neither approved nor put off, and is over once', async () => {
  const learner = await makeLearner(MONDAY)
  const { ctx } = learner
  const id = await offered(learner)
  expect(await expireSuggestion(ctx, id)).toBeNull()
  learner.pass(24 * 60)
  for (const late of [approveSuggestion(ctx, id, {}), snoozeSuggestion(ctx, id, { minutes: 5 })])
    await expect(late).rejects.toMatchObject({ code: 'conflict' })
  expect(await expireSuggestion(ctx, id)).toMatchObject({ status: 'expired' })
  expect(await expireSuggestion(ctx, id)).toBeNull()
  expect(await decisionsOf(learner)).toMatchObject([{ decision: 'expired', teaches: true }])
})

test('what is withdrawn teaches nothing', async () => {
  const learner = await makeLearner(MONDAY)
  const id = await offered(learner)
  expect(await withdrawSuggestion(learner.ctx, id, 'Seen done')).toMatchObject({
    status: 'expired',
    detail: 'Seen done',
  })
  expect(await decisionsOf(learner)).toMatchObject([{ decision: 'expired', teaches: false }])
})

test('what was withheld is offered when the person asks, whatever the limits say, and until it is over', async () => {
  const learner = await makeLearner(MONDAY)
  const { ctx } = learner
  for (let n = 0; n < 3; n++) await offered(learner)
  for (let n = 0; n < 2; n++) await propose(ctx, offer({}, learner.clock.now))
  const [second, first] = (await listWithheld(ctx, { limit: 10 })).items
  const { ctx: stranger } = await makeLearner(MONDAY)
  await expect(releaseSuggestion(stranger, first?.id ?? '')).rejects.toMatchObject({ code: 'not_found' })
  const released = await releaseSuggestion(ctx, first?.id ?? '')
  expect(released).toMatchObject({ status: 'proposed', reason: null, proposedAt: MONDAY })
  expect(await releaseSuggestion(ctx, first?.id ?? '')).toEqual(released)
  expect((await listWithheld(ctx, { limit: 10 })).items).toEqual([second])
  learner.pass(24 * 60)
  await expect(releaseSuggestion(ctx, second?.id ?? '')).rejects.toMatchObject({ code: 'conflict' })
})

test('what a model has yet to be asked is released to its run, once, and is nothing anybody was offered', async () => {
  const learner = await makeLearner(MONDAY)
  const { ctx, steward } = learner
  await steward.setBudget({ isPaused: true })
  const later = { runId: 'run_1', title: 'Later', trigger: 'event', tainted: false }
  const ask = { kind: 'triage', factsHash: 'a', priority: 'routine' as const, needsModel: true, workflowId: 'wfl_1' }
  for (let n = 0; n < 2; n++) await gate(ctx, { ...ask, askId: 'run_1', later })
  const [kept, ...more] = (await listWithheld(ctx, { limit: 10 })).items
  const id = kept?.id ?? ''
  expect([kept, more]).toMatchObject([{ title: 'Later', reason: 'budget', source: { kind: 'analysis' } }, []])
  const released = await releaseSuggestion(ctx, id)
  expect(released).toMatchObject({ status: 'approved', agreed: [], reason: null })
  expect(await releaseSuggestion(ctx, id)).toEqual(released)
  expect(await decisionsOf(learner)).toMatchObject([{ id, decision: 'approved', actions: [], teaches: false }])
  expect((await listSuggestions(ctx, { limit: 10 })).items).toEqual([])
  expect(await gate(ctx, { ...ask, askId: 'run_2', later })).toMatchObject({ reason: 'budget' })
  expect(await gate(ctx, { ...ask, askId: 'run_1', later })).toEqual({ open: true })
})

test('lists are by person, state and kind, page by page; the open ones come best first', async () => {
  const learner = await makeLearner(MONDAY)
  const { ctx } = learner
  const low = await offered(learner, { priority: 'routine', confidence: 0.2, kind: 'low' })
  const high = await offered(learner, { priority: 'urgent', confidence: 0.9 })
  const middle = await offered(learner, { priority: 'important', confidence: 0.5 })
  await seeSuggestion(ctx, middle)
  const ids = async (query: Omit<Parameters<typeof listSuggestions>[1], 'limit'>) =>
    (await listSuggestions(ctx, { limit: 10, ...query })).items.map(({ id }) => id)
  expect(await ids({})).toEqual([middle, high, low])
  expect(await ids({ open: true })).toEqual([high, middle, low])
  expect(await ids({ status: 'seen' })).toEqual([middle])
  expect(await ids({ kind: 'low' })).toEqual([low])
  for (const open of [true, false]) {
    const first = await listSuggestions(ctx, { limit: 2, open })
    const next = await listSuggestions(ctx, { limit: 2, open, cursor: first.nextCursor ?? '' })
    expect([...first.items, ...next.items].map(({ id }) => id)).toEqual(await ids({ open }))
    expect(next.nextCursor).toBeNull()
  }
  const { nextCursor } = await listSuggestions(ctx, { limit: 1, open: true })
  await expect(listSuggestions(ctx, { limit: 1, cursor: nextCursor ?? '' })).rejects.toMatchObject({
    code: 'invalid_cursor',
  })
})

test('why it was thought of is told as it was given, with the parts of its rank', async () => {
  const learner = await makeLearner(MONDAY)
  const facts = [{ kind: 'task' as const, id: 'task_1', says: 'overdue for a week' }]
  const why = { ...offer().why, trigger: 'three tasks are overdue', facts, rule: 'overdue > 2' }
  expect(await explainSuggestion(learner.ctx, await offered(learner, { why }))).toEqual({
    ...why,
    score: { priority: 2, confidence: 0.5, expected: 0.5 },
  })
})

test("a stranger's suggestion does not exist, and an ended session decides nothing", async () => {
  const learner = await makeLearner(MONDAY)
  const id = await offered(learner)
  const stranger = await makePerson()
  const tries = [
    () => readSuggestion(stranger, id),
    () => explainSuggestion(stranger, id),
    () => seeSuggestion(stranger, id),
    () => approveSuggestion(stranger, id, {}),
    () => dismissSuggestion(stranger, id, {}),
    () => snoozeSuggestion(stranger, id, { minutes: 1 }),
    () => settleSuggestion(stranger, id, { status: 'done' }),
  ]
  for (const tried of tries) await expect(tried()).rejects.toMatchObject({ code: 'not_found' })
  await revoke(learner.ctx)
  await expect(approveSuggestion(learner.ctx, id, {})).rejects.toThrow()
  expect(await decisionsOf(learner)).toEqual([])
})

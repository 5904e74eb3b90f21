import { eq } from 'drizzle-orm'
import { expect, test } from 'vitest'
import type { DomainEvent } from '#core'
import { listEffects, realEffects } from '#effects'
import { suggestionSettings, suggestions } from '#proactivity/tables'
import { outbox } from '#queue/tables'
import { revoke } from '#test/database'
import { type Learner, makeLearner } from '#test/suggestions'
import { endCommitment, listCommitments } from './commitment.ts'
import { hear } from './hear.ts'
import { commitmentSubscriber } from './subscriber.ts'

// A Monday.
const MONDAY = '2026-11-23T10:00:00.000Z'

const say = async (learner: Learner, text: string, over: Partial<Parameters<typeof hear>[1]> = {}) => {
  learner.pass(1)
  const { ctx, clock } = learner
  const source = { kind: 'message' as const, id: ctx.newId('msg') }
  const said = { text, at: clock.now, source, made: [], tainted: false, ...over }
  await hear(ctx, said)
  return said
}
const all = async ({ ctx }: Learner) => (await listCommitments(ctx, { limit: 100 })).items
const only = async (learner: Learner) => {
  const [one, other] = await all(learner)
  if (!one?.suggestionId || other) throw new Error('there is not one commitment that was offered')
  const [suggestion] = await learner.ctx.db.select().from(suggestions).where(eq(suggestions.id, one.suggestionId))
  return { ...one, suggestion }
}
const prefer = async ({ ctx }: Learner, set: Partial<typeof suggestionSettings.$inferInsert>) => {
  const { userId } = ctx.actor
  await ctx.db
    .insert(suggestionSettings)
    .values({ ...set, userId })
    .onConflictDoUpdate({ target: suggestionSettings.userId, set })
}
let told = 0
const happens = async ({ ctx, clock }: Learner, type: string, data: object, key = 'k') => {
  told += 1
  const at = clock.now.toISOString()
  const { userId } = ctx.actor
  const event: DomainEvent = { id: `e${told}`, type, userId, room: null, key, version: 1, data, at }
  await commitmentSubscriber.handle({ ...ctx, actor: { kind: 'system' } }, [event])
}

test('"I\'ll send it Friday" is offered as a task with the words that were said, once', async () => {
  const learner = await makeLearner(MONDAY)
  const quote = "The report is ready. I'll send it to Ana on Friday."
  const said = await say(learner, `Morning! ${quote}`)
  const { suggestion, ...kept } = await only(learner)
  expect(kept).toMatchObject({
    ...{ quote: "I'll send it to Ana on Friday.", what: 'Send it to Ana', due: { date: '2026-11-27' } },
    ...{ status: 'open', source: said.source, endedBy: null, taskId: null },
  })
  expect(suggestion).toMatchObject({
    ...{ kind: 'commitment', status: 'proposed', title: 'Send it to Ana by 2026-11-27', tainted: false },
    source: { kind: 'turn', messageId: said.source.id },
    actions: [{ kind: 'create_task', input: { title: 'Send it to Ana', due: { date: '2026-11-27' } } }],
    alternatives: [{ input: { remindAt: { date: '2026-11-27', time: '09:00' } } }],
  })
  expect(suggestion?.body).toContain(kept.quote)
  await hear(learner.ctx, said)
  expect(await only(learner)).toMatchObject({ id: kept.id, suggestionId: kept.suggestionId })
  const events = await learner.ctx.db.select().from(outbox).where(eq(outbox.userId, learner.ctx.actor.userId))
  expect(events.filter(({ type }) => type === 'commitment.created')).toMatchObject([{ key: kept.id }])
})

test('approved it is a task, and completed that ends it', async () => {
  const learner = await makeLearner(MONDAY)
  const { ctx } = learner
  await say(learner, "I'll call the plumber tomorrow at 9am")
  const { suggestionId, suggestion: offered } = await only(learner)
  const [{ kind = '', input, id: action = '' } = {}] = offered?.actions ?? []
  const origin = { kind: 'suggestion' as const, suggestionId: String(suggestionId), action }
  await realEffects(ctx).perform({ kind, input, key: action, origin, tainted: false, isAgreed: true })
  const [effect] = (await listEffects(ctx, { limit: 1 })).items
  await happens(learner, 'effect.updated', { ...effect })
  const { taskId } = await only(learner)
  expect(taskId).toBe(effect?.evidence.id)
  await happens(learner, 'task.completed', {}, 'task_of_another')
  expect(await only(learner)).toMatchObject({ status: 'open' })
  await happens(learner, 'task.completed', {}, String(taskId))
  expect(await only(learner)).toMatchObject({ status: 'done', endedBy: 'task' })
})

test('a task that was taken back is waited for no more', async () => {
  const learner = await makeLearner(MONDAY)
  await say(learner, "I'll call the plumber tomorrow")
  const { suggestionId } = await only(learner)
  const act = { kind: 'create_task', input: {}, output: { id: 'task_1' }, origin: { suggestionId } }
  await happens(learner, 'effect.updated', { ...act, status: 'done' })
  expect(await only(learner)).toMatchObject({ taskId: 'task_1' })
  await happens(learner, 'effect.updated', { ...act, status: 'undone' })
  expect(await only(learner)).toMatchObject({ taskId: null, status: 'open' })
})

test('a task that was made of it in the conversation is its own, and what was offered is taken back', async () => {
  const learner = await makeLearner(MONDAY)
  await say(learner, "I'll call the plumber tomorrow at 9am")
  const act = { kind: 'create_task', input: {}, origin: {}, status: 'done' }
  await happens(learner, 'effect.updated', { ...act, output: { id: 'task_1', title: 'Call the bank' } })
  expect(await only(learner)).toMatchObject({ taskId: null, suggestion: { status: 'proposed' } })
  await happens(learner, 'effect.updated', { ...act, output: { id: 'task_2', title: 'Call the plumber' } })
  const { suggestionId } = await only(learner)
  await happens(learner, 'suggestion.decided', { id: suggestionId, kind: 'commitment', decision: 'expired' })
  expect(await only(learner)).toMatchObject({ taskId: 'task_2', status: 'open', suggestion: { status: 'expired' } })
  await happens(learner, 'task.completed', {}, 'task_2')
  expect(await only(learner)).toMatchObject({ status: 'done', endedBy: 'task' })
})

test('"I sent the report" ends what was promised, and takes the offer back', async () => {
  const learner = await makeLearner(MONDAY)
  await say(learner, "I'll send the report to Ana on Friday")
  await say(learner, 'I sent the photos to Ana')
  expect(await only(learner)).toMatchObject({ status: 'open', suggestion: { status: 'proposed' } })
  await say(learner, 'I just sent Ana the report')
  expect(await only(learner)).toMatchObject({
    ...{ status: 'done', endedBy: 'message' },
    suggestion: { status: 'expired', detail: 'You said that it is done' },
  })
})

test('words that come late end nothing that was promised after them', async () => {
  const learner = await makeLearner(MONDAY)
  const early = new Date(learner.clock.now)
  await say(learner, "I'll send the report to Ana on Friday")
  await say(learner, 'I sent the report', { at: early })
  expect(await only(learner)).toMatchObject({ status: 'open' })
})

test('mail to whom it was promised, about what was promised, ends it', async () => {
  const learner = await makeLearner(MONDAY)
  await say(learner, "I'll send the report to Ana on Friday")
  const mail = (to: string, subject: string, status = 'done') =>
    happens(learner, 'effect.updated', {
      ...{ kind: 'send_mail', status, input: { to: [to], subject, text: 'x' } },
      ...{ output: {}, origin: { suggestionId: null } },
    })
  await mail('ana@example.com', 'Lunch?')
  await mail('ana@example.com', 'The report', 'held')
  expect(await only(learner)).toMatchObject({ status: 'open' })
  await mail('ana@example.com', 'The report')
  expect(await only(learner)).toMatchObject({ status: 'done', endedBy: 'mail', suggestion: { status: 'expired' } })
})

test('the person says that it is done, or none: once, and not the other way round', async () => {
  const learner = await makeLearner(MONDAY)
  const { ctx } = learner
  await say(learner, "I'll send the report to Ana on Friday")
  const { id } = await only(learner)
  expect(await endCommitment(ctx, id, 'dropped')).toMatchObject({ status: 'dropped', endedBy: 'person' })
  const { suggestion, version } = await only(learner)
  expect(suggestion?.status).toBe('expired')
  expect(await endCommitment(ctx, id, 'dropped')).toMatchObject({ version })
  await expect(endCommitment(ctx, id, 'done')).rejects.toMatchObject({ code: 'conflict' })
  const stranger = await makeLearner(MONDAY)
  await expect(endCommitment(stranger.ctx, id, 'dropped')).rejects.toMatchObject({ code: 'not_found' })
})

test('whoever turns the offer down has promised nothing', async () => {
  const learner = await makeLearner(MONDAY)
  await say(learner, "I'll send the report to Ana on Friday")
  const { suggestionId } = await only(learner)
  await happens(learner, 'suggestion.decided', { id: suggestionId, kind: 'commitment', decision: 'dismissed' })
  expect(await only(learner)).toMatchObject({ status: 'dropped', endedBy: 'suggestion' })
})

test('what was withheld is taken back, too, and never said', async () => {
  const learner = await makeLearner(MONDAY)
  await prefer(learner, { muted: ['commitment'] })
  await say(learner, "I'll send the report to Ana on Friday")
  expect(await only(learner)).toMatchObject({ status: 'open', suggestion: { status: 'withheld', reason: 'muted' } })
  await say(learner, 'I sent the report')
  expect(await only(learner)).toMatchObject({ status: 'done', suggestion: { status: 'expired' } })
})

test('nothing is kept where a task was made of it, it was said before, it comes every week, or nobody may look', async () => {
  const learner = await makeLearner(MONDAY)
  await say(learner, "I'll call the plumber tomorrow", { made: ['Call the plumber'] })
  await say(learner, "I'll water the plants of aunt May every Sunday")
  await prefer(learner, { inferCommitments: false })
  await say(learner, "I'll pay the rent on Monday")
  expect(await all(learner)).toEqual([])
  await prefer(learner, { inferCommitments: true })
  await say(learner, "I'll call the plumber tomorrow", { made: ['Buy milk'] })
  await say(learner, "I told Ana I'd call the plumber on Thursday")
  expect(await all(learner)).toHaveLength(1)
})

test('of a mail it is the same, said to "you"', async () => {
  const learner = await makeLearner(MONDAY)
  const source = { kind: 'mail' as const, id: 'mail_1' }
  await say(learner, "Dear Ana,\nI'll send you the contract on Friday.\n> I'll pay", { source, tainted: true })
  expect(await only(learner)).toMatchObject({ source, suggestion: { tainted: true, source: { kind: 'system' } } })
})

test('an ended session reads nothing and keeps nothing', async () => {
  const learner = await makeLearner(MONDAY)
  await revoke(learner.ctx)
  await expect(say(learner, "I'll pay the rent on Monday")).rejects.toThrow()
  await expect(listCommitments(learner.ctx, { limit: 1 })).rejects.toThrow()
})
